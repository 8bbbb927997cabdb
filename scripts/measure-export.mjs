/**
 * Does an export stay in bounded memory, and does a changed day rewrite one file? Ingests a year of 1m of 45 symbols from the sandbox
 * exchange, exports a quarter of it and the whole in processes of their own, prints the peak of the resident set of each; then one day of
 * one symbol is published anew, and the export runs again.
 *
 *   node scripts/measure-export.mjs [--symbols 45] [--end 2025-01-01] [--workers 2] [--format parquet]
 *
 * Ends with 1 when the year takes more than 20 % more memory than the quarter, or more or less than one file is written. Needs the built
 * program (`npm run build`) and some 3 GB in the system's temporary directory.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/src/cli/main.js')
const LIMIT = 1.2
const START = '2024-01-01'
const QUARTER = '2024-04-01'
const CHANGED = '2024-02-07'
/** Fixed, so that the days exist whatever the clock says. */
const NOW = '2025-03-31T12:00:00Z'

const { values } = parseArgs({
  options: {
    symbols: { type: 'string', default: '45' },
    end: { type: 'string', default: '2025-01-01' },
    workers: { type: 'string', default: '2' },
    format: { type: 'string', default: 'parquet' },
  },
})

/** Reports the peak of the process that did the work: `process.resourceUsage()`, in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  "import { isMainThread } from 'node:worker_threads'; if (isMainThread) process.on('exit', () => process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}\\n`))",
)}`

/** Starts the exchange in a process of its own; resolves with it and the variables that make it the sources. */
function startExchange(faults) {
  const file = join(folder, 'faults.json')
  writeFileSync(file, JSON.stringify(faults))
  const child = spawn(process.execPath, [cli, 'sandbox', '--faults', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CKVD_NOW: NOW },
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`The sandbox ended with ${code}.`)))
    child.stdout.once('data', (line) => {
      const { vision, listing, spotRest, umRest, cmRest } = JSON.parse(String(line))
      const env = {
        CKVD_VISION_URL: vision,
        CKVD_LISTING_URL: listing,
        CKVD_SPOT_REST_URL: spotRest,
        CKVD_UM_REST_URL: umRest,
        CKVD_CM_REST_URL: cmRest,
      }
      resolve({ child, env })
    })
  })
}

/** Runs a command; resolves with its JSON result and its peak in MiB. */
function ckvd(args, env = {}) {
  const child = spawn(
    process.execPath,
    ['--import', PRELOAD, cli, ...args, '--lake', lake, '--workers', values.workers, '--json', '--quiet'],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, CKVD_NOW: NOW },
    },
  )
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].on('data', (text) => (written[name] += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      const peak = /peak (\d+)/.exec(written.stderr)?.[1]
      if (code !== 0 || peak === undefined)
        return reject(new Error(`ckvd ${args[0]} ended with ${code}: ${written.stderr}${written.stdout.slice(0, 2000)}`))
      resolve({ result: JSON.parse(written.stdout), peakMib: Number(peak) / 1024 })
    })
  })
}

async function ingest(faults, ...args) {
  const { child, env } = await startExchange(faults)
  try {
    return await ckvd(['ingest', '--universe', 'config/universe/spot_synchronal.csv', ...args], env)
  } finally {
    child.removeAllListeners('exit')
    child.kill()
  }
}

function exportTo(name, ...args) {
  return ckvd(['export', '--out', join(folder, name), '--format', values.format, ...args])
}

function tell(what, { result, peakMib }) {
  console.log(
    `${what}: ${result.rows.toLocaleString('en')} rows, ${(result.bytes / 1e6).toFixed(1)} MB, ${result.files.written} files written, ${result.files.unchanged} unchanged, ${(result.elapsed_ms / 1000).toFixed(1)} s, peak ${peakMib.toFixed(0)} MiB`,
  )
}

function fail(text) {
  console.log(text)
  process.exitCode = 1
}

if (!existsSync(cli)) throw new Error(`Expected the built command at ${cli}. Run \`npm run build\` first.`)
const symbols = readFileSync(join(root, 'config/universe/spot_synchronal.csv'), 'utf8')
  .trim()
  .split('\n')
  .slice(1, 1 + Number(values.symbols))
  .map((line) => line.split(',')[1])
const folder = mkdtempSync(join(tmpdir(), 'ckvd-export-'))
const lake = join(folder, 'lake')
try {
  const stored = await ingest([], '--symbols', symbols.join(','), '--start', START, '--end', values.end)
  console.log(`a lake of ${stored.result.stored.toLocaleString('en')} days, ${stored.result.rows.toLocaleString('en')} rows`)
  const quarter = await exportTo('quarter', '--end', QUARTER)
  tell('a quarter', quarter)
  const whole = await exportTo('whole')
  tell('the whole', whole)
  const republish = { kind: 'republish', market: 'spot', symbol: symbols[0], day: CHANGED }
  const day = ['--symbols', symbols[0], '--start', CHANGED, '--end', '2024-02-08', '--archives', 'daily', '--force']
  await ingest([republish], ...day)
  const again = await exportTo('whole')
  tell(`after ${symbols[0]} ${CHANGED} changed`, again)
  const ratio = whole.peakMib / quarter.peakMib
  console.log(`the whole takes ${ratio.toFixed(2)} times the memory of a quarter (limit ${LIMIT})`)
  if (ratio > LIMIT) fail('Expected the same memory for more days.')
  if (again.result.files.written !== 1) fail(`Expected one file to be written after one day changed, found ${again.result.files.written}.`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
