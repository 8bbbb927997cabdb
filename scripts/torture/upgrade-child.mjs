/**
 * An upgrade that kills itself at the n-th occurrence of a step of writing.
 * Arguments, as one JSON text: { lake, moment, nth }; `moment` null: it is killed from outside, or ends.
 */
import { writeSync } from 'node:fs'
import { openLake } from '../../dist/src/lake/lake.js'
import { runUpgrade } from '../../dist/src/lake/upgrade.js'
import { createNameWatch } from './name-watch.mjs'

const { lake, moment, nth } = JSON.parse(process.argv[2])
const watch = createNameWatch()
let seen = 0
process.stdout.write('started\n')
const opened = await openLake(lake, {
  mode: 'write',
  steps: (name, path) => {
    if (watch(name, path)) writeSync(1, `early ${path} ${name}\n`)
    if (name === moment && ++seen === nth) process.kill(process.pid, 'SIGKILL')
  },
})
const { left } = await runUpgrade(opened, opened.catalog.listStoredSeries())
await opened.close()
process.exitCode = left.length === 0 ? 0 : 3
