/**
 * Makes the time of a process go faster, for tests of what happens over minutes: `node --import ./fast-clock.mjs …` with CKVD_FAST_CLOCK=
 * `REAL_MS,FAST_MS,SPEED`. At the real time REAL_MS it is FAST_MS, and SPEED milliseconds pass in each. Processes with the same variable have
 * the same time. Date.now and the pauses of node:timers/promises go by it; nothing of ckvd is changed.
 */
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'

const realNow = Date.now
const realWait = timers.setTimeout

/** A clock as the variable describes it, for the server of the test. */
export function fastClock(variable) {
  const [realMs, fastMs, speed] = variable.split(',').map(Number)
  return () => Math.floor(fastMs + (realNow() - realMs) * speed)
}

const variable = process.env.CKVD_FAST_CLOCK
if (variable !== undefined) {
  const speed = Number(variable.split(',')[2])
  Date.now = fastClock(variable)
  timers.setTimeout = (delayMs, value, options) => realWait(delayMs / speed, value, options)
  syncBuiltinESMExports()
}
