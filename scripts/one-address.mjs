/**
 * `node scripts/one-address.mjs`: many processes on one simulated address, each with a lake of its own. First they fetch for some minutes of the
 * exchange's clock, beside a client that is none of ours; then the exchange bans one of them in the middle of the work. Needs a built dist.
 * Prints a line for each kind and number of processes: the largest weight of a minute, ours and with the other client's, answers 429, and
 * requests that came after the ban. Exit 0: never above the share, never refused, silent after the ban; 1: one of these failed; 2: wrong usage.
 *
 * Three moments of a ban are told apart, all by the real clock: when the answer 418 was written by the server; when the ban stood in the account
 * that all processes share; and when each later request was put on the wire by its process (see torture/sent-log.mjs) and came to the server.
 */
import { spawn } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { startSandbox } from '../dist/src/sandbox/index.js'
import { restLanes } from '../dist/src/sources/rest/rest-lanes.js'
import { fastClock } from './torture/fast-clock.mjs'
import { exactNow } from './torture/sent-log.mjs'

const USAGE = `node scripts/one-address.mjs [--processes 1,4,16,64] [--kinds ckvd,library] [--minutes 3] [--speed 6] [--others 600] [--json]
  --minutes N  minutes of the exchange's clock for which there is work at the full share
  --speed N    so many times as fast as the real clock goes that of the exchange and of the processes
  --others N   weight a minute that another client of the address spends`

const MINUTE_MS = 60_000
/** of um and cm together */
const BUDGET = 2400
const SHARE = 0.8
/** A minute's share is released in parts; between them all wait. A ban in the middle of the work is one while many are under way. */
const PART_MS = 10_000
const BUSY_REQUESTS = 20
/** A ban that stands in the account is seen there within so long, on the busiest machine. */
const WATCH_MS = 10_000
/** Requests of one process that are under way at once. */
const MOST_UNDER_WAY = 4
/** What there is to ask for, so that nobody has ended when the ban comes: so many times what the measured minutes ask for. One begins at once. */
const banWork = (count) => (count === 1 ? 2 : 8)
const PAGE_ROWS = 499
const PAGE_WEIGHT = 2
const FIRST_DAY_MS = Date.parse('2020-01-02T00:00:00Z')
const DAY_MS = 86_400_000
const START_MS = Date.parse('2024-03-10T05:00:00Z')
const CLOCK = new URL('./torture/fast-clock.mjs', import.meta.url)
const SENT_LOG = new URL('./torture/sent-log.mjs', import.meta.url)
const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url))
const LIBRARY = new URL('../dist/src/index.js', import.meta.url).href

function readOptions() {
  const { values } = parseArgs({
    options: {
      processes: { type: 'string', default: '1,4,16,64' },
      kinds: { type: 'string', default: 'ckvd,library' },
      minutes: { type: 'string', default: '3' },
      speed: { type: 'string', default: '6' },
      others: { type: 'string', default: '600' },
      json: { type: 'boolean', default: false },
    },
  })
  const count = (name, text = values[name]) => {
    if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error(`Expected --${name} to be a count, got ${text}.`)
    return Number(text)
  }
  const kinds = values.kinds.split(',')
  if (!kinds.every((kind) => kind === 'ckvd' || kind === 'library'))
    throw new Error(`Expected --kinds to be ckvd or library, got ${values.kinds}.`)
  return {
    kinds,
    processes: values.processes.split(',').map((text) => count('processes', text)),
    minutes: count('minutes'),
    speed: count('speed'),
    others: count('others'),
    json: values.json,
  }
}

const isoDay = (ms) => new Date(ms).toISOString().slice(0, 10)

/** What a process of the library runs: the same range, from REST alone. */
const LIBRARY_CODE = `
  const { CryptoKlineVisionData, DataSource } = await import(${JSON.stringify(LIBRARY)})
  const [symbol, start, end] = process.argv.slice(1)
  const ckvd = CryptoKlineVisionData.create('binance', 'um', { useCache: false })
  try {
    await ckvd.getData({ symbol, startTime: start + 'T00:00:00Z', endTime: end + 'T00:00:00Z', interval: '1m', enforceSource: DataSource.REST })
  } catch (error) {
    process.stderr.write(error.code + '\\n')
    process.exitCode = error.exit ?? 1
  } finally {
    await ckvd.close()
  }`

function command(kind, symbol, start, end) {
  if (kind === 'library') return ['--input-type=module', '-e', LIBRARY_CODE, symbol, start, end]
  return [MAIN, 'ingest', '--universe', '-', '--market', 'um', '--intervals', '1m', '--start', start, '--end', end, '--quiet']
}

/** What the server met, by the real clock: when each REST request came to it, and when it had written its first answer 418. */
const wire = { arrivals: [], bannedMs: NaN }
subscribe('http.server.request.start', ({ request }) => {
  if (request.url.startsWith('/um/')) wire.arrivals.push(exactNow())
})
subscribe('http.server.response.finish', ({ response }) => {
  if (response.statusCode === 418 && Number.isNaN(wire.bannedMs)) wire.bannedMs = exactNow()
})

/** Weight by minute of the exchange's clock. */
function byMinute(entries) {
  const sums = new Map()
  for (const { atMs, weight } of entries) {
    const minute = Math.floor(atMs / MINUTE_MS)
    sums.set(minute, (sums.get(minute) ?? 0) + weight)
  }
  return sums
}

/** One address: `count` processes that fetch, to the end or to the ban. */
async function runTogether({ kind, count, minutes, speed, others, ban }) {
  const directory = await mkdtemp(join(tmpdir(), 'ckvd-address-'))
  const variable = `${Date.now()},${START_MS},${speed}`
  const nowMs = fastClock(variable)
  const symbols = Array.from({ length: count }, (_, i) => `S${i}USDT`)
  const markets = symbols.map((symbol) => ({ market: 'um', symbol, firstDay: '2020-01-01', archivesFrom: '2025-01-01' }))
  const sandbox = await startSandbox({ now: nowMs, serverTime: nowMs, markets, banSeconds: 7200 })
  const sentLog = join(directory, 'sent.log')
  wire.arrivals = []
  wire.bannedMs = NaN
  const foreign = []
  // as timers are late on a busy machine: what is due by now, and counted in the minute that it is
  const perSecond = others / 60
  let spent = 0
  const neighbour = setInterval(() => {
    const due = Math.floor(((nowMs() - START_MS) / 1000) * perSecond) - spent
    if (due <= 0) return
    spent += due
    foreign.push({ atMs: nowMs(), weight: due })
    sandbox.addWeight('um', due)
  }, 20)
  const pages = ((ban ? banWork(count) : 1) * minutes * BUDGET * SHARE) / PAGE_WEIGHT / count
  const days = Math.ceil((pages * PAGE_ROWS) / 1440)
  const start = isoDay(FIRST_DAY_MS)
  const end = isoDay(FIRST_DAY_MS + days * DAY_MS)
  try {
    const exits = symbols.map(async (symbol, i) => {
      const preloads = ['--import', CLOCK.href, ...(ban ? ['--import', SENT_LOG.href] : [])]
      const child = spawn(process.execPath, [...preloads, ...command(kind, symbol, start, end)], {
        cwd: directory,
        stdio: ['pipe', 'ignore', 'pipe'],
        env: {
          PATH: process.env.PATH,
          CKVD_FAST_CLOCK: variable,
          CKVD_SENT_LOG: sentLog,
          CKVD_STATE: join(directory, 'state'),
          CKVD_LAKE: join(directory, `lake ${i}`),
          CKVD_WORKERS: '1',
          CKVD_VISION_URL: sandbox.urls.vision,
          CKVD_LISTING_URL: sandbox.urls.listing,
          CKVD_SPOT_REST_URL: sandbox.urls.spotRest,
          CKVD_UM_REST_URL: sandbox.urls.umRest,
          CKVD_CM_REST_URL: sandbox.urls.cmRest,
        },
      })
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text) => (said += text))
      child.stdin.end(`${symbol}\n`)
      const [exit] = await once(child, 'close')
      return { exit, said }
    })
    if (ban) {
      const isInTheMiddle = () => {
        const rest = sandbox.requests.filter((request) => request.kind === 'rest')
        const asking = new Set(rest.map(({ path }) => /symbol=(\w+)/.exec(path)?.[1]))
        const partMs = Math.floor(nowMs() / PART_MS) * PART_MS
        return asking.size === count && rest.filter(({ atMs }) => atMs >= partMs).length >= BUSY_REQUESTS
      }
      let isOver = false
      Promise.all(exits).then(() => (isOver = true))
      while (!isInTheMiddle() && !isOver) await new Promise((resolve) => setTimeout(resolve, 2))
      sandbox.setFaults([{ kind: 'status', status: 418, retryAfterSeconds: 7200, match: '/um/', times: 1 }])
    }
    const recorded = ban ? watchBan(join(directory, 'state'), sandbox.urls, variable) : undefined
    const ended = await Promise.all(exits)
    const recordedMs = (await recorded?.end()) ?? NaN
    const rest = sandbox.requests.filter((request) => request.kind === 'rest')
    const sent = ban ? await readSent(sentLog) : []
    return { rest, foreign, ended, recordedMs, sent, ...wire }
  } finally {
    clearInterval(neighbour)
    await sandbox.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** When each request was put on the wire, epoch ms. */
async function readSent(file) {
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  return lines.filter((line) => line.includes(' /um/')).map((line) => Number(line.split(' ')[0]))
}

/** When the ban stands in the account that all share, by the real clock: seen by a thread of its own, some ms later. */
function watchBan(state, urls, variable) {
  const rest = { spot: urls.spotRest, um: urls.umRest, cm: urls.cmRest }
  const lane = { name: restLanes(rest).um, limit: BUDGET, budget: BUDGET }
  const watcher = new Worker(new URL('./torture/ban-watch.mjs', import.meta.url), {
    workerData: { path: join(state, 'rest-account.sqlite'), lane, variable },
  })
  const seen = once(watcher, 'message')
  return {
    /** undefined: it is not there */
    end: async () => {
      const [ms] = await Promise.race([seen, new Promise((resolve) => setTimeout(resolve, WATCH_MS, []))])
      await watcher.terminate()
      return ms
    },
  }
}

/** What is said of some processes, and what is wrong with it. */
async function measure(kind, count, { minutes, speed, others }) {
  const wrong = []
  const work = await runTogether({ kind, count, minutes, speed, others, ban: false })
  const own = byMinute(work.rest)
  const sums = byMinute([...work.rest, ...work.foreign])
  const mostOwn = Math.max(...own.values())
  const mostSum = Math.max(...sums.values())
  const refused = work.rest.filter(({ status }) => status === 429 || status === 418).length
  const failed = work.ended.filter(({ exit }) => exit !== 0)
  if (mostOwn > BUDGET * SHARE) wrong.push(`${mostOwn} in a minute, the share is ${BUDGET * SHARE}`)
  if (mostSum > BUDGET) wrong.push(`${mostSum} in a minute with the other client, the budget is ${BUDGET}`)
  if (refused > 0) wrong.push(`${refused} answers 429 or 418`)
  if (failed.length > 0)
    wrong.push(`${failed.length} processes failed, the first with exit ${failed[0].exit}: ${failed[0].said.slice(0, 300)}`)

  const ban = await runTogether({ kind, count, minutes, speed, others, ban: true })
  const since = (times, ms) => times.filter((time) => time > ms).map((time) => time - ms)
  const arrived = since(ban.arrivals, ban.bannedMs)
  const sent = since(ban.sent, ban.bannedMs)
  const sentSinceRecord = since(ban.sent, ban.recordedMs).length
  if (Number.isNaN(ban.bannedMs)) wrong.push('nobody was banned')
  if (Number.isNaN(ban.recordedMs)) wrong.push('no ban was seen in the account')
  // nothing lost: each request that came was written down by who sent it
  if (ban.sent.length < ban.arrivals.length) wrong.push(`${ban.arrivals.length} requests came, ${ban.sent.length} were sent`)
  if (sentSinceRecord > 0) wrong.push(`${sentSinceRecord} requests put on the wire while the ban stood in the account`)
  // until it stands there the others cannot know of it: that takes as long as the banned process takes to read its answer
  if (sent.length > MOST_UNDER_WAY * count) wrong.push(`${sent.length} requests put on the wire after the 418`)
  const going = ban.ended.filter(({ exit }) => exit !== 4)
  if (going.length > 0)
    wrong.push(`${going.length} of the banned processes ended with another exit than 4: ${going[0].exit}: ${going[0].said.slice(0, 300)}`)
  return {
    kind,
    count,
    requests: work.rest.length,
    minutes: own.size,
    mostOwn,
    mostSum,
    refused,
    arrivedAfterBan: arrived.length,
    lastArrivedMs: Math.round(Math.max(0, ...arrived)),
    recordedMs: Math.round(ban.recordedMs - ban.bannedMs),
    sentAfterBan: sent.length,
    lastSentMs: Math.round(Math.max(0, ...sent)),
    sentSinceRecord,
    wrong,
  }
}

async function main() {
  const options = readOptions()
  const results = []
  for (const kind of options.kinds) {
    for (const count of options.processes) {
      const result = await measure(kind, count, options)
      results.push(result)
      const { requests, minutes, mostOwn, mostSum, refused, wrong } = result
      if (options.json) continue
      process.stdout.write(
        `${kind.padEnd(8)}${String(count).padStart(3)} processes: ${requests} requests in ${minutes} minutes, at most ${mostOwn} of ${BUDGET * SHARE} a minute, ` +
          `${mostSum} of ${BUDGET} with the other client, ${refused} refused\n` +
          `  after the 418, which stood in the account ${result.recordedMs} ms later: ${result.sentSinceRecord} requests put on the wire since it stood there, ` +
          `${result.sentAfterBan} before (the last after ${result.lastSentMs} ms); ` +
          `${result.arrivedAfterBan} of those on the wire came to the server, the last after ${result.lastArrivedMs} ms\n`,
      )
      for (const what of wrong) process.stdout.write(`  WRONG: ${what}\n`)
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`)
  return results.every(({ wrong }) => wrong.length === 0) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error.code?.startsWith('ERR_PARSE_ARGS') || error.message.startsWith('Expected --') ? `${error.message}\n${USAGE}` : error)
  process.exitCode = 2
}
