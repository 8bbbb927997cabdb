// Runs an ingest that is interrupted: by SIGINT, or by itself at the step of writing in its arguments. It prints the result
// and calls no process.exit: a handle that is left would keep it alive.
import { runIngest } from '../../../dist/src/ingest/ingest.js'

const options = JSON.parse(process.argv[2])
const step = process.argv[3]
const interrupt = new globalThis.AbortController()
process.once('SIGINT', () => interrupt.abort())
const startedMs = performance.now()
const result = await runIngest({
  ...options,
  signal: interrupt.signal,
  clockMs: () => options.nowMs + Math.round(performance.now() - startedMs),
  events: {},
  steps: (name) => {
    if (name === step) interrupt.abort()
  },
})
process.stdout.write(JSON.stringify(result))
