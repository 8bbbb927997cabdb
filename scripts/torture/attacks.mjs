import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { ATTACKS } from './attack-kinds.mjs'
import { startFront } from './front.mjs'
import { createRandom } from './random.mjs'
import { digestsOf, findDamage, findUnverified, ingest, startExchange, SYMBOLS, withLake } from './world.mjs'

const CHILD = fileURLToPath(new URL('attacked.mjs', import.meta.url))
/** A ban is what most depends on: it comes as often as four others. */
const KINDS = [...Object.keys(ATTACKS), 'a ban', 'a ban', 'a ban']
/** What README promises, MiB. */
const LIMIT_MIB = 512
/** Exit codes that an attack may lead to: never 1, never 2. */
const ALLOWED = [0, 3, 4]
/** Requests of a run that may be on the wire when it is banned. */
const ON_THE_WIRE = 3
/** A run that goes on for so long has no end. */
const ENDLESS_MS = 600_000
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/**
 * Runs of `ckvd ingest` under one to three attacks of a server each, of random kinds, places and numbers. Asserted are: an exit code that the
 * contract allows; memory below what README promises; no control character in what was printed; nothing stored that is not verified; no request
 * after a ban, by this run or by the next one, elsewhere, with another lake; and that a run without attacks leaves what there would be without.
 *
 * @param {{ count: number, seed: number, deadlineMs: number, log: (text: string) => void }} o
 */
export async function tortureByAttacks({ count, seed, deadlineMs, log }) {
  const summary = { runs: 0, attacks: 0, byExit: {}, byKind: {}, bans: 0, peakMib: 0, lost: [] }
  const references = new Map()
  const exchange = await startExchange()
  try {
    for (const rest of [true, false]) {
      await withLake(async (lake) => {
        await ingest(lake, exchange.urls, { rest })
        references.set(rest, await digestsOf(lake))
      })
    }
  } finally {
    await exchange.close()
  }
  while (summary.runs < count && performance.now() < deadlineMs) {
    // a seed of its own for each run: what one found is found again without those before it
    const runSeed = (seed + summary.runs) >>> 0
    const found = await tortureOnce(createRandom(runSeed), references)
    summary.runs++
    summary.attacks += found.kinds.length
    summary.byExit[found.exit] = (summary.byExit[found.exit] ?? 0) + 1
    for (const kind of found.kinds) summary.byKind[kind] = (summary.byKind[kind] ?? 0) + 1
    if (found.isBanned) summary.bans++
    summary.peakMib = Math.max(summary.peakMib, found.peakMib)
    for (const what of found.damage) summary.lost.push(`--attacks 1 --seed ${runSeed} (${found.kinds.join(', ')}): ${what}`)
    if (summary.runs % 10 === 0 || found.damage.length > 0)
      log(`${summary.runs} of ${count} runs under attack${found.damage.length > 0 ? ` LOST ${found.damage.join('; ')}` : ''}`)
  }
  return summary
}

/** Kinds with their numbers, and when they happen. */
function planAttacks(random) {
  const kinds = Array.from({ length: random.integer(1, 3) }, () => random.pick(KINDS))
  const attacks = kinds.map((kind) => {
    const skip = random.pick([0, 0, 1, 3, 10])
    const made = { times: random.pick([Infinity, Infinity, 1, 2, 5]), ...ATTACKS[kind](random) }
    return { ...made, kind, skip, place: new RegExp(random.pick(made.places)), seen: 0 }
  })
  const attack = (path) => {
    for (const one of attacks) {
      if (!one.place.test(path)) continue
      const turn = one.seen - one.skip
      if (turn >= (one.times ?? Infinity)) continue
      one.seen++
      if (turn >= 0) return one.answer
    }
    return undefined
  }
  return { kinds, attack }
}

async function tortureOnce(random, references) {
  const { kinds, attack } = planAttacks(random)
  const rest = kinds.includes('a ban') || random.unit() < 0.7
  const isJson = random.unit() < 0.5
  const damage = []
  const exchange = await startExchange()
  const front = await startFront(exchange.variables, attack)
  try {
    return await withLake(async (lake) => {
      const directory = dirname(lake)
      const run = await runCkvd({ lake, urls: front.urls, directory, rest, isJson })
      const { exit, printed, peakMib } = run
      if (!ALLOWED.includes(exit)) damage.push(`exit ${exit}: ${JSON.stringify(printed.slice(-500))}`)
      if (!(peakMib > 0 && peakMib < LIMIT_MIB)) damage.push(`${peakMib} MiB of memory`)
      const control = CONTROLS.exec(printed)
      if (control !== null)
        damage.push(
          `a control character in the output: ${JSON.stringify(printed.slice(Math.max(0, control.index - 80), control.index + 80))}`,
        )
      if (isJson && exit !== 4) JSON.parse(run.stdout)
      const isBanned = await checkBan({ front, damage, directory, rest })
      if (!rest) for (const path of await findUnverified(lake, references.get(false))) damage.push(`${path} differs`)
      const after = await ingest(lake, exchange.urls, { rest, force: true })
      if (after.exit !== (rest ? 0 : 3)) damage.push(`exit ${after.exit} without attacks: ${JSON.stringify(after.problems.slice(0, 2))}`)
      damage.push(...(await findDamage(lake, references.get(rest))))
      return { kinds, exit, isBanned, peakMib, damage }
    })
  } finally {
    await front.close()
    await exchange.close()
  }
}

/** Whether the run was banned; then nothing may come after it, not from the next run either. */
async function checkBan({ front, damage, directory, rest }) {
  const at = front.rest.findIndex(({ surelyMs }) => surelyMs !== undefined)
  if (at < 0) return false
  const { atMs, surelyMs } = front.rest[at]
  // a busy machine may take longer for a run than the ban lasts
  const withinBan = (requests) => requests.filter((request) => request.atMs < atMs + surelyMs).length
  const after = withinBan(front.rest.slice(at + 1))
  if (after > ON_THE_WIRE) damage.push(`${after} requests after a ban`)
  const before = front.rest.length
  const next = await runCkvd({ lake: join(directory, 'another'), urls: front.urls, directory, rest, isJson: false })
  const sent = withinBan(front.rest.slice(before))
  if (sent > 0) damage.push(`${sent} requests of the next run within a ban`)
  if (!ALLOWED.includes(next.exit))
    damage.push(`exit ${next.exit} of the next run within a ban: ${JSON.stringify(next.printed.slice(-300))}`)
  return true
}

async function runCkvd({ lake, urls, directory, rest, isJson }) {
  const peakFile = join(directory, 'peak')
  const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--archives', 'daily']
  const range = ['--start', '2024-03-01', '--end', '2024-03-20', '--lake', lake, '--workers', '2']
  const child = spawn(process.execPath, [CHILD, ...args, ...range, ...(rest ? [] : ['--no-rest']), ...(isJson ? ['--json'] : [])], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      CKVD_NOW: '2024-03-20T12:00:00Z',
      CKVD_STATE: join(directory, 'state'),
      CKVD_MAX_RETRIES: '1',
      CKVD_CONCURRENCY: '4',
      CKVD_VISION_URL: urls.vision,
      CKVD_LISTING_URL: urls.listing,
      CKVD_SPOT_REST_URL: urls.spotRest,
      CKVD_UM_REST_URL: urls.umRest,
      CKVD_CM_REST_URL: urls.cmRest,
      CKVD_TORTURE: JSON.stringify({ idleTimeoutMs: 1000, backoffMs: 1, peakFile }),
    },
  })
  const late = setTimeout(() => child.kill('SIGKILL'), ENDLESS_MS)
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  child.stdin.end(`${SYMBOLS.join('\n')}\n`)
  const [code, signal] = await once(child, 'close')
  clearTimeout(late)
  const peakKib = Number(await readFile(peakFile, 'utf8').catch(() => '0'))
  return { exit: code ?? signal, stdout, printed: stdout + stderr, peakMib: Math.round(peakKib / 1024) }
}
