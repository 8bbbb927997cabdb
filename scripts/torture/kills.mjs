import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createRandom } from './random.mjs'
import { findDamage, findUnverified, ingest, referenceOf, startExchange, withLake } from './world.mjs'

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url))
const STEPS = ['write', 'sync', 'rename', 'sync-dir', 'transaction']
const MOMENTS = STEPS.flatMap((step) => [`before ${step}`, `after ${step}`])
/** Steps of a whole group happen seldom, those of a single file once a chunk. */
const OCCURRENCES = { 'sync-dir': 4, transaction: 4 }

/**
 * Kills ingests with SIGKILL: at every named step, and in between at random moments. Each lake is killed up to three
 * times; what is below data/ must be whole each time. Then the same command runs to its end and must leave exactly what
 * an uninterrupted run leaves.
 *
 * @param {{ count: number, seed: number, deadlineMs: number, log: (text: string) => void }} o
 */
export async function tortureByKills({ count, seed, deadlineMs, log }) {
  const random = createRandom(seed)
  let exchange = await startExchange()
  const summary = { kills: 0, lakes: 0, byMoment: {}, lost: [] }
  try {
    const { reference, elapsedMs } = await withLake(async (lake) => {
      const started = performance.now()
      const { exit } = await ingest(lake, exchange.urls)
      if (exit !== 0) throw new Error(`Expected the uninterrupted run to end with 0, got ${exit}.`)
      return { reference: await referenceOf(lake), elapsedMs: performance.now() - started }
    })
    while (summary.kills < count && performance.now() < deadlineMs) {
      // a fresh count of REST weight: on a clock that stands a minute's share would be used up for good
      await exchange.close()
      exchange = await startExchange()
      await withLake(async (lake) => {
        const moments = []
        const wanted = random.integer(1, Math.min(3, count - summary.kills))
        while (moments.length < wanted) {
          const plan = planKill(summary.kills, random, elapsedMs, MOMENTS, OCCURRENCES)
          const { killed, early } = await killOnce(CHILD, { lake, urls: exchange.urls }, plan)
          for (const path of early)
            summary.lost.push(`seed ${seed}, kill ${summary.kills + 1}: ${path} lay under its final name before it was whole`)
          if (!killed) break
          summary.kills++
          summary.byMoment[plan.name] = (summary.byMoment[plan.name] ?? 0) + 1
          moments.push(plan.label)
          const unverified = await findUnverified(lake, reference)
          if (unverified.length > 0)
            summary.lost.push(`seed ${seed}, kill ${summary.kills} (${moments.join(', ')}): ${unverified.join(', ')} is not whole`)
        }
        summary.lakes++
        const { exit } = await ingest(lake, exchange.urls)
        const damage = await findDamage(lake, reference)
        if (exit !== 0) damage.unshift(`exit ${exit}`)
        for (const what of damage) summary.lost.push(`seed ${seed}, after ${moments.join(', ')}: ${what}`)
        log(
          `${summary.kills} of ${count} kills: ${moments.join(', ') || 'ended before it was killed'}${damage.length > 0 ? ` LOST ${damage.join('; ')}` : ''}`,
        )
      })
    }
  } finally {
    await exchange.close()
  }
  return summary
}

/**
 * Every other kill is at a named step, in turn; the others at any moment of a run.
 *
 * @param {number} index of the kill
 * @param {object} random
 * @param {number} elapsedMs how long an uninterrupted run takes
 * @param {string[]} moments
 * @param {Record<string, number>} occurrences how often a step happens in a run; default 30 times
 */
export function planKill(index, random, elapsedMs, moments, occurrences) {
  if (index % 2 === 1) {
    const delayMs = Math.floor(random.unit() * elapsedMs * 0.9)
    return { name: 'any moment', label: `after ${delayMs} ms`, moment: null, nth: 0, delayMs }
  }
  const moment = moments[(index / 2) % moments.length]
  const nth = random.integer(1, occurrences[moment.split(' ')[1]] ?? 30)
  return { name: moment, label: `${moment} (${nth})`, moment, nth, delayMs: null }
}

/**
 * Starts a child and kills it, or lets it kill itself. Gives whether it was killed (or had ended before), and the files that had their final
 * names too early.
 *
 * @param {string} script what runs
 * @param {object} task its arguments
 * @param {{ moment: string | null, nth: number, delayMs: number | null }} plan
 */
export async function killOnce(script, task, { moment, nth, delayMs }) {
  const child = spawn(process.execPath, [script, JSON.stringify({ ...task, moment, nth })], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more) => {
    if (text === '' && delayMs !== null) setTimeout(() => child.kill('SIGKILL'), delayMs)
    text += more
  })
  const [code, signal] = await ended
  const early = text.split('\n').filter((line) => line.startsWith('early '))
  if (signal === 'SIGKILL') return { killed: true, early }
  if (code !== 0) throw new Error(`Expected the run to be killed or to end with 0, it ended with ${code}.`)
  return { killed: false, early }
}
