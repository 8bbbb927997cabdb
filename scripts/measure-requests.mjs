/**
 * `node scripts/measure-requests.mjs [--symbols 2000] [--ended 400] [--interval 1d] [--from 2018-01-01] [--until 2026-11-29] [--seed 1]`:
 * what a first run and the next one ask of an honest exchange: a spot market of so many symbols, of which some have ended, all history of
 * one interval. Symbols begin and end at any hour; of those that ended `exchangeInfo` names a third with another status, a third not, and a third is
 * forgotten by REST. Prints exit code, requests by kind and the weight of REST for each run. Exit 0 where both runs ended with 0.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startSandbox } from '../dist/src/sandbox/index.js'

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url))
const DAY_MS = 86_400_000

const { values } = parseArgs({
  options: {
    symbols: { type: 'string', default: '2000' },
    ended: { type: 'string', default: '400' },
    interval: { type: 'string', default: '1d' },
    from: { type: 'string', default: '2018-01-01' },
    until: { type: 'string', default: '2026-11-29' },
    seed: { type: 'string', default: '1' },
  },
})
const [symbols, ended] = [Number(values.symbols), Number(values.ended)]
const [fromMs, untilMs] = [Date.parse(values.from), Date.parse(values.until)]

let state = Number(values.seed)
/** A number in [0, 1): the same ones each time. */
function draw() {
  state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
  return ((Math.imul(state ^ (state >>> 13), 0x297a2d39) ^ (state >>> 16)) >>> 0) / 2 ** 32
}
const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10)
const hour = (least) => `${String(least + Math.floor(draw() * (24 - least))).padStart(2, '0')}:00`

const markets = Array.from({ length: symbols }, (_, i) => {
  const days = Math.floor((untilMs - fromMs) / DAY_MS) - 200
  const first = Math.floor(draw() * days)
  const last = first + 30 + Math.floor(draw() * (days - first))
  return {
    market: 'spot',
    symbol: `S${i}USDT`,
    intervals: [values.interval],
    firstDay: dayOf(fromMs + first * DAY_MS),
    opensAt: hour(0),
    ...(i < ended
      ? { lastDay: dayOf(fromMs + last * DAY_MS), closesAt: hour(1), afterEnd: ['listed', 'unlisted', 'forgotten'][i % 3] }
      : {}),
  }
})

// the exchange counts weight by its own minutes: they pass, and begin with ours
const startedMs = Date.now()
const now = () => untilMs + 12 * 3_600_000 + (startedMs % 60_000) + (Date.now() - startedMs)
const exchange = await startSandbox({ now, markets })
const directory = await mkdtemp(join(tmpdir(), 'ckvd-requests-'))
try {
  for (const name of ['first run', 'next run']) {
    const before = exchange.requests.length
    const startedMs = performance.now()
    const child = spawn(
      process.execPath,
      [
        MAIN,
        'ingest',
        '--universe',
        '-',
        '--market',
        'spot',
        '--intervals',
        values.interval,
        '--lake',
        join(directory, 'lake'),
        '--json',
        '--quiet',
      ],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: {
          PATH: process.env.PATH,
          CKVD_NOW: new Date(untilMs + 12 * 3_600_000).toISOString(),
          CKVD_STATE: join(directory, 'state'),
          CKVD_VISION_URL: exchange.urls.vision,
          CKVD_LISTING_URL: exchange.urls.listing,
          CKVD_SPOT_REST_URL: exchange.urls.spotRest,
        },
      },
    )
    child.stdin.end(markets.map(({ symbol }) => `${symbol}\n`).join(''))
    child.stdout.setEncoding('utf8')
    let text = ''
    child.stdout.on('data', (part) => (text += part))
    const [exit] = await once(child, 'close')
    const result = JSON.parse(text)
    const asked = exchange.requests.slice(before)
    const rest = asked.filter(({ kind }) => kind === 'rest')
    const infos = rest.filter(({ path }) => path.includes('/exchangeInfo')).length
    const weight = rest.reduce((sum, { weight }) => sum + weight, 0)
    console.log(
      `${name}: exit ${exit}, ${result.rows} rows, days ${JSON.stringify(result.days)}, klines ${rest.length - infos}, exchangeInfo ${infos}, weight ${weight}, listing ${result.requests.listing}, archives ${result.requests.archive}, ${result.problems.length} problems, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
    )
    if (exit !== 0) process.exitCode = 1
  }
} finally {
  await exchange.close()
  await rm(directory, { recursive: true, force: true })
}
