/**
 * Does memory grow with the work? Ingests N and ten times N chunks of the sandbox exchange (45 symbols, 1m, 30 and 300
 * days), each in a process of its own with the exchange in another one, and prints the peak of the resident set.
 *
 *   node scripts/measure-memory.mjs [--symbols 45] [--days 30] [--workers 2] [--repeat 1]
 *
 * A short run ends on the way up: heaps and the pools of buffers take a while to reach the size at which they stay.
 *
 * Ends with 1 when the long one takes more than 350 MiB. Needs the built program (`npm run build`).
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/src/cli/main.js')
const MEBIBYTE = 2 ** 20
const LIMIT_MIB = 350
/** Fixed, so that the days exist whatever the clock says. */
const NOW = '2025-03-31T12:00:00Z'
const END_MS = Date.parse('2025-03-31T00:00:00Z')
const DAY_MS = 86_400_000

const { values } = parseArgs({
  options: {
    symbols: { type: 'string', default: '45' },
    days: { type: 'string', default: '30' },
    workers: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '1' },
  },
})

/** Runs the command and reports its peak: `process.resourceUsage()` of the process that did the work, in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}\\n`))",
)}`

/** Starts the exchange in a process of its own; resolves with its URLs. */
function startExchange() {
  const child = spawn(process.execPath, [cli, 'sandbox'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CKVD_NOW: NOW } })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`The sandbox ended with ${code}.`)))
    child.stdout.once('data', (line) => resolve({ child, urls: JSON.parse(String(line)) }))
  })
}

function variables({ vision, listing, spotRest, umRest, cmRest }) {
  return {
    CKVD_VISION_URL: vision,
    CKVD_LISTING_URL: listing,
    CKVD_SPOT_REST_URL: spotRest,
    CKVD_UM_REST_URL: umRest,
    CKVD_CM_REST_URL: cmRest,
  }
}

/** Ingests some days into a new lake; resolves with chunks stored, seconds and the peak in bytes. */
function ingest(urls, days, symbols) {
  const lake = mkdtempSync(join(tmpdir(), 'ckvd-memory-'))
  const start = new Date(END_MS - days * DAY_MS).toISOString().slice(0, 10)
  const args = ['ingest', '--universe', 'config/universe/spot_synchronal.csv', '--symbols', symbols.join(','), '--lake', lake]
  const flags = ['--start', start, '--end', '2025-03-31', '--archives', 'daily', '--workers', values.workers, '--json', '--quiet']
  const child = spawn(process.execPath, ['--import', PRELOAD, cli, ...args, ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables(urls), CKVD_NOW: NOW },
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].on('data', (text) => (written[name] += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      rmSync(lake, { recursive: true, force: true })
      const peak = /peak (\d+)/.exec(written.stderr)?.[1]
      if (code !== 0 || peak === undefined)
        return reject(new Error(`ingest ended with ${code}: ${written.stderr}${written.stdout.slice(0, 2000)}`))
      const result = JSON.parse(written.stdout)
      // a symbol may be younger than the range: every day that was requested is stored
      const requested = Object.values(result.days).reduce((sum, count) => sum + count, 0) - result.days.unlisted
      if (result.stored !== requested) return reject(new Error(`Expected ${requested} chunks, ${result.stored} were stored.`))
      resolve({ chunks: result.stored, rows: result.rows, seconds: result.elapsed_ms / 1000, peakBytes: Number(peak) * 1024 })
    })
  })
}

function readSymbols(count) {
  const lines = readFileSync(join(root, 'config/universe/spot_synchronal.csv'), 'utf8').trim().split('\n').slice(1)
  return lines.slice(0, count).map((line) => line.split(',')[1])
}

if (!existsSync(cli)) throw new Error(`Expected the built command at ${cli}. Run \`npm run build\` first.`)
const symbols = readSymbols(Number(values.symbols))
const { child, urls } = await startExchange()
const peaks = []
try {
  for (const factor of [1, 10]) {
    let highest = 0
    for (let run = 0; run < Number(values.repeat); run++) {
      const { chunks, rows, seconds, peakBytes } = await ingest(urls, Number(values.days) * factor, symbols)
      highest = Math.max(highest, peakBytes)
      console.log(`${chunks} chunks, ${rows} rows, ${seconds.toFixed(1)} s, peak ${(peakBytes / MEBIBYTE).toFixed(0)} MiB`)
    }
    peaks.push(highest)
  }
} finally {
  child.removeAllListeners('exit')
  child.kill()
}
const [few, many] = peaks.map((bytes) => bytes / MEBIBYTE)
console.log(`ten times the chunks take ${(many / few).toFixed(2)} times the memory, ${many.toFixed(0)} MiB (limit ${LIMIT_MIB})`)
process.exitCode = many <= LIMIT_MIB ? 0 : 1
