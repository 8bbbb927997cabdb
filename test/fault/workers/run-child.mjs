// Runs an ingest with the options in its argument and prints what came of it. A process of its own: its memory is bounded by
// the test, and it must end by itself.
import { runIngest } from '../../../dist/src/ingest/ingest.js'

const options = JSON.parse(process.argv[2])
const result = await runIngest({
  ...options,
  signal: new globalThis.AbortController().signal,
  clockMs: () => options.nowMs,
  events: {},
})
process.stdout.write(JSON.stringify(result))
