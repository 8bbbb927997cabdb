/**
 * `node scripts/every-dataset.mjs [--symbols 20] [--days 29] [--kills 20] [--seed 1]`: every data set of the archive in one run, of symbols of spot,
 * USDⓈ-M, COIN-M and options of the sandbox exchange, once without a break and once killed so many times (SIGKILL, at any moment) and run again. Both must
 * end with 0, with the same bytes in every file. Prints a line for each step; ends with 1 when one of it is not so, with 2 for wrong usage.
 * Needs the built program (`npm run build`).
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createRandom } from './torture/random.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/src/cli/main.js')
/** In this month all data sets are published, those that have ended among them. */
const START = '2023-09-01'
const NOW = '2024-06-01T12:00:00Z'
/** Of those behind it a day has some hundred thousand trades, not millions. */
const FIRST_SYMBOL = 12

const { values } = parseArgs({
  options: {
    symbols: { type: 'string', default: '20' },
    days: { type: 'string', default: '29' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const [symbols, days, kills, seed] = ['symbols', 'days', 'kills', 'seed'].map((name) => Number(values[name]))
if (![symbols, days, kills, seed].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  console.error('Expected whole numbers, 0 or more.')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'ckvd-every-'))
const env = { ...process.env, CKVD_NOW: NOW, CKVD_STATE: join(folder, 'state'), NO_COLOR: '1' }
const server = spawn(process.execPath, [cli, 'sandbox', '--port', '0'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
try {
  const [line] = await once(server.stdout, 'data')
  const urls = JSON.parse(String(line))
  const universe = join(folder, 'universe.csv')
  writeFileSync(universe, universeOf(symbols))
  const plain = await ingest(urls, universe, join(folder, 'plain'))
  say(
    `one run: exit ${plain.result.exit}, ${plain.result.series} series, ${plain.result.stored} days, ${plain.result.rows} rows in ${plain.seconds} s`,
  )
  say(
    `  ${Object.entries(plain.result.days)
      .flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
      .join(', ')}`,
  )
  const random = createRandom(seed)
  const killed = join(folder, 'killed')
  let done = 0
  for (; done < kills; done++) {
    const patienceMs = Math.ceil(random.unit() * ((plain.seconds * 1000) / Math.max(1, kills / 2)))
    if (!(await ingestAndKill(urls, universe, killed, patienceMs))) break
  }
  const resumed = await ingest(urls, universe, killed)
  say(
    `killed ${done} times and run again: exit ${resumed.result.exit}, ${resumed.result.skipped} days were there, ${resumed.result.stored} more stored`,
  )
  const [one, other] = [digestsOf(join(folder, 'plain', 'data')), digestsOf(join(killed, 'data'))]
  const differing = [...new Set([...one.keys(), ...other.keys()])].filter((path) => one.get(path) !== other.get(path))
  say(`${one.size} files, ${differing.length} differ${differing.length === 0 ? '' : `: ${differing.slice(0, 5).join(', ')}`}`)
  const isGood = plain.result.exit === 0 && resumed.result.exit === 0 && differing.length === 0 && one.size > 0
  process.exitCode = isGood ? 0 : 1
} finally {
  server.kill()
  rmSync(folder, { recursive: true, force: true })
}

/** Symbols of the three markets that have bars in turn, and two of options, as a universe of all data sets. */
function universeOf(count) {
  const bases = readFileSync(join(root, 'config/universe/spot_synchronal.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1 + FIRST_SYMBOL)
    .map((line) => line.slice(line.lastIndexOf(',') + 1).trim())
  const nameOf = { spot: (base) => `${base}USDT`, um: (base) => `${base}USDT`, cm: (base) => `${base}USD_PERP` }
  const lines = Array.from({ length: count }, (_none, i) => {
    const market = Object.keys(nameOf)[i % 3]
    return `${market},${nameOf[market](bases[Math.floor(i / 3)])},2017-01-01,1m`
  })
  const options = ['BTCBVOLUSDT', 'BTCUSDT'].map((symbol) => `option,${symbol},2023-05-18,`)
  return `market,symbol,earliest_date,available_intervals\n${[...lines, ...options].join('\n')}\n`
}

function start(urls, universe, lake) {
  const end = new Date(Date.parse(`${START}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10)
  const flags = Object.entries(urls).flatMap(([name, url]) => [`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}-url`, url])
  const args = ['ingest', '--universe', universe, '--data', 'all', '--intervals', '1m', '--start', START, '--end', end, ...flags]
  return spawn(process.execPath, [cli, ...args, '--lake', lake, '--json', '--quiet'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function ingest(urls, universe, lake) {
  const startedMs = performance.now()
  const child = start(urls, universe, lake)
  const [out, errors] = [collect(child.stdout), collect(child.stderr)]
  await once(child, 'close')
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  const text = await out
  if (!text.includes('"days"')) throw new Error(`ckvd ended without a result: ${text} ${await errors}`)
  return { result: JSON.parse(text), seconds }
}

/** False where it had ended before it could be killed. */
async function ingestAndKill(urls, universe, lake, patienceMs) {
  const child = start(urls, universe, lake)
  child.stdout.resume()
  child.stderr.resume()
  const closed = once(child, 'close')
  const isKilled = await Promise.race([sleep(patienceMs).then(() => child.kill('SIGKILL')), closed.then(() => false)])
  await closed
  return isKilled && child.signalCode === 'SIGKILL'
}

async function collect(stream) {
  let text = ''
  for await (const part of stream) text += part
  return text
}

/** The SHA-256 of each file below a folder, by its path. */
function digestsOf(path) {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((entry) => {
      const file = join(entry.parentPath, entry.name)
      return [relative(path, file), createHash('sha256').update(readFileSync(file)).digest('hex')]
    }),
  )
}

function say(text) {
  console.log(text)
}
