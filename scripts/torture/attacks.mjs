import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { DAYS, drawAsk, findLies, handedOut, processOf } from './asks.mjs'
import { ATTACKS } from './attack-kinds.mjs'
import { startFront } from './front.mjs'
import { createRandom } from './random.mjs'
import { findDamage, findUnverified, ingest, MARKETS, referenceOf, startExchange, SYMBOLS, withLake } from './world.mjs'

/** A ban is what most depends on: it comes as often as four others. */
const KINDS = [...Object.keys(ATTACKS), 'a ban', 'a ban', 'a ban']
/** What README promises, MiB. */
const LIMIT_MIB = 512
/** Exit codes that an attack may lead to: never 1, never 2. */
const ALLOWED = [0, 3, 4]
/** Requests of a run that may be on the wire when it is banned. */
const ON_THE_WIRE = 3
/** What may lie in the directory of a run, which is its home and its working directory too. */
const OWN = ['lake', 'another', 'state', 'peak']
/** A run that goes on for so long has no end. */
const ENDLESS_MS = 600_000
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/**
 * Runs of `ckvd ingest`, `ckvd fetch` and the library's `getData` in any market, under one to three attacks of a server each, of random kinds,
 * places and numbers. Asserted are: an exit code that the contract allows; memory below what README promises; no control character in what was
 * printed; nothing written outside of lake and state; nothing stored that is not verified; no bar handed out that is not the exchange's, and
 * none missing without a word; no request after a ban, by this run or by the next one, elsewhere, with another lake, by whatever it asks; and
 * that a run without attacks leaves what there would be without.
 *
 * @param {{ count: number, seed: number, deadlineMs: number, log: (text: string) => void }} o
 */
export async function tortureByAttacks({ count, seed, deadlineMs, log }) {
  const summary = { runs: 0, attacks: 0, byExit: {}, byKind: {}, byAsk: {}, bans: 0, peakMib: 0, lost: [] }
  const references = await makeReferences()
  while (summary.runs < count && performance.now() < deadlineMs) {
    // a seed of its own for each run: what one found is found again without those before it
    const runSeed = (seed + summary.runs) >>> 0
    const found = await tortureOnce(createRandom(runSeed), references)
    summary.runs++
    summary.attacks += found.kinds.length
    summary.byExit[found.exit] = (summary.byExit[found.exit] ?? 0) + 1
    const asked = `${found.ask.by} ${found.ask.market}`
    summary.byAsk[asked] = (summary.byAsk[asked] ?? 0) + 1
    for (const kind of found.kinds) summary.byKind[kind] = (summary.byKind[kind] ?? 0) + 1
    if (found.isBanned) summary.bans++
    summary.peakMib = Math.max(summary.peakMib, found.peakMib)
    for (const what of found.damage) summary.lost.push(`--attacks 1 --seed ${runSeed} (${asked}: ${found.kinds.join(', ')}): ${what}`)
    if (summary.runs % 10 === 0 || found.damage.length > 0)
      log(`${summary.runs} of ${count} runs under attack${found.damage.length > 0 ? ` LOST ${found.damage.join('; ')}` : ''}`)
  }
  return summary
}

/** What there is without attacks: files of a lake by market, with and without REST, and the bars of each symbol as `fetch` and the library hand them out. */
async function makeReferences() {
  const files = new Map()
  const bars = new Map()
  const exchange = await startExchange()
  try {
    for (const market of MARKETS) {
      for (const rest of [true, false]) {
        await withLake(async (lake) => {
          await ingest(lake, exchange.urls, { market, rest })
          files.set(`${market} ${rest}`, await referenceOf(lake))
          for (const symbol of rest ? SYMBOLS[market] : []) {
            for (const by of ['fetch', 'library']) {
              const ask = { by, market, rest, isJson: true, source: 'auto', symbol, from: 0, to: DAYS }
              const { exit, stdout, printed } = await runAsk(ask, { lake, urls: exchange.variables, directory: dirname(lake) })
              if (exit !== 0) throw new Error(`exit ${exit} of ${by} without attacks: ${printed}`)
              bars.set(`${market} ${symbol} ${by}`, handedOut(ask, stdout).bars)
            }
          }
        })
      }
    }
  } finally {
    await exchange.close()
  }
  return {
    filesOf: ({ market, rest }) => files.get(`${market} ${rest}`),
    barsOf: ({ market, symbol, by }) => bars.get(`${market} ${symbol} ${by}`),
  }
}

/** Kinds with their numbers, and when they happen. */
function planAttacks(random) {
  const kinds = Array.from({ length: random.integer(1, 3) }, () => random.pick(KINDS))
  const attacks = kinds.map((kind) => {
    const skip = random.pick([0, 0, 1, 3, 10])
    const made = { skip, times: random.pick([Infinity, Infinity, 1, 2, 5]), ...ATTACKS[kind](random) }
    return { ...made, kind, place: new RegExp(random.pick(made.places)), seen: 0 }
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
  const ask = drawAsk(random, { rest })
  const next = drawAsk(random, { rest })
  const damage = []
  const exchange = await startExchange()
  const front = await startFront(exchange.variables, attack)
  try {
    return await withLake(async (lake) => {
      const directory = dirname(lake)
      const run = await runAsk(ask, { lake, urls: front.urls, directory })
      damage.push(...findFaults(run))
      const { exit, peakMib } = run
      const bars = (exit === 0 || exit === 3) && isJsonText(run.stdout) ? handedOut(ask, run.stdout) : undefined
      if (bars !== undefined) damage.push(...findLies(ask, bars, references.barsOf(ask)))
      else if (ask.by !== 'ingest' && exit === 0) damage.push(`no bars, exit 0: ${run.printed.slice(-300)}`)
      // um and cm are one address's account
      if (ask.market === 'spot' || next.market === 'spot') next.market = ask.market
      if (next.symbol !== undefined) next.symbol = SYMBOLS[next.market][0]
      const isBanned = await checkBan({ front, damage, directory, next })
      const reference = references.filesOf(ask)
      if (!rest) for (const path of await findUnverified(lake, reference)) damage.push(`${path} differs`)
      for (const name of await readdir(directory)) if (!OWN.includes(name)) damage.push(`${name} was written beside the lake`)
      const after = await ingest(lake, exchange.urls, { market: ask.market, rest, force: true })
      if (after.exit !== (rest ? 0 : 3)) damage.push(`exit ${after.exit} without attacks: ${JSON.stringify(after.problems.slice(0, 2))}`)
      damage.push(...(await findDamage(lake, reference)))
      return { kinds, ask, exit, isBanned, peakMib, damage }
    })
  } finally {
    await front.close()
    await exchange.close()
  }
}

/** What no run may end with, whatever a server does. */
function findFaults({ exit, stdout, printed, peakMib, isJson }) {
  const faults = []
  if (!ALLOWED.includes(exit)) faults.push(`exit ${exit}: ${JSON.stringify(printed.slice(-500))}`)
  if (!(peakMib > 0 && peakMib < LIMIT_MIB)) faults.push(`${peakMib} MiB of memory`)
  const control = CONTROLS.exec(printed)
  if (control !== null)
    faults.push(`a control character in the output: ${JSON.stringify(printed.slice(Math.max(0, control.index - 80), control.index + 80))}`)
  if (isJson && !isJsonText(stdout)) faults.push(`no JSON: ${JSON.stringify(stdout.slice(0, 300))}`)
  return faults
}

function isJsonText(text) {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Whether the run was banned; then nothing may come after it, not from the next run either. */
async function checkBan({ front, damage, directory, next }) {
  const at = front.rest.findIndex(({ surelyMs }) => surelyMs !== undefined)
  if (at < 0) return false
  const { atMs, surelyMs } = front.rest[at]
  // a busy machine may take longer for a run than the ban lasts
  const withinBan = (requests) => requests.filter((request) => request.atMs < atMs + surelyMs).length
  const after = withinBan(front.rest.slice(at + 1))
  if (after > ON_THE_WIRE) damage.push(`${after} requests after a ban`)
  const before = front.rest.length
  const run = await runAsk(next, { lake: join(directory, 'another'), urls: front.urls, directory })
  const sent = withinBan(front.rest.slice(before))
  if (sent > 0) damage.push(`${sent} requests of the next run (${next.by} ${next.market}) within a ban`)
  damage.push(...findFaults(run).map((fault) => `of the next run (${next.by} ${next.market}) within a ban: ${fault}`))
  return true
}

/** Runs a process that asks, and waits for its end. */
async function runAsk(ask, { lake, urls, directory }) {
  const peakFile = join(directory, 'peak')
  const { file, args, stdin } = processOf(ask, lake)
  const child = spawn(process.execPath, [fileURLToPath(file), ...args], {
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
  child.stdin.end(stdin)
  const [code, signal] = await once(child, 'close')
  clearTimeout(late)
  const peakKib = Number(await readFile(peakFile, 'utf8').catch(() => '0'))
  return { exit: code ?? signal, isJson: ask.isJson, stdout, printed: stdout + stderr, peakMib: Math.round(peakKib / 1024) }
}
