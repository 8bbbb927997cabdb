/**
 * An ingest that kills itself at the n-th occurrence of a step of writing, as no handler can prevent it.
 * Arguments, as one JSON text: { lake, urls, moment, nth }; `moment` null: it is killed from outside, or ends.
 */
import { existsSync, writeSync } from 'node:fs'
import { ingest } from './world.mjs'

const { lake, urls, moment, nth } = JSON.parse(process.argv[2])
/** Until its rename nothing may lie under a shard's final name: a kill in the middle of a write would leave a part of it there. */
const UNNAMED = ['before write', 'after write', 'before sync', 'after sync', 'before rename']
let seen = 0
process.stdout.write('started\n')
const result = await ingest(lake, urls, {
  steps: (name, path) => {
    if (UNNAMED.includes(name) && existsSync(path)) writeSync(1, `early ${path} ${name}\n`)
    if (name === moment && ++seen === nth) process.kill(process.pid, 'SIGKILL')
  },
})
process.exitCode = result.exit
