/**
 * An ingest that kills itself at the n-th occurrence of a step of writing, as no handler can prevent it.
 * Arguments, as one JSON text: { lake, urls, moment, nth }; `moment` null: it is killed from outside, or ends.
 */
import { writeSync } from 'node:fs'
import { createNameWatch } from './name-watch.mjs'
import { ingest } from './world.mjs'

const { lake, urls, moment, nth } = JSON.parse(process.argv[2])
const watch = createNameWatch()
let seen = 0
process.stdout.write('started\n')
const result = await ingest(lake, urls, {
  steps: (name, path) => {
    if (watch(name, path)) writeSync(1, `early ${path} ${name}\n`)
    if (name === moment && ++seen === nth) process.kill(process.pid, 'SIGKILL')
  },
})
process.exitCode = result.exit
