/**
 * `npm run quickstart`: the product in a minute without the network. Ingests the last seven days of the 45 symbols
 * in config/universe/spot_synchronal.csv from the embedded sandbox exchange into ./sandbox-lake, then shows what the lake
 * holds. Ends with the exit code of the first command that does not end with 0 (README, "Exit codes").
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const DAYS = 7
const DAY_MS = 86_400_000
const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join('dist', 'src', 'cli', 'main.js')

// Ctrl-C reaches the command too, which stops cleanly and tells its exit code: wait for that.
let running
process.on('SIGINT', () => {})
for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => running?.kill(name))

/** A command line whose words stay whole on a terminal; each line but the last ends with a backslash, so that it can be copied. */
function wrapCommand(line, width = process.stderr.columns ?? Infinity) {
  if (line.length < width) return line
  const cut = line.lastIndexOf(' --', width - 3)
  return cut <= 0 ? line : `${line.slice(0, cut)} \\\n${wrapCommand(`   ${line.slice(cut)}`, width)}`
}

/** Runs one `ckvd` command on this terminal. Returns its exit code, 128 + the signal's number if one ended it. */
function runCkvd(purpose, args) {
  console.error(`\n${purpose}\n${wrapCommand(`$ ckvd ${args.join(' ')}`)}`)
  return new Promise((resolve, reject) => {
    running = spawn(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
    running.on('error', reject)
    running.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

/** The UTC day that lies a number of days before now; CKVD_NOW fixes "now" here as it does for every command. */
function daysAgo(days) {
  const fixedMs = Date.parse(process.env.CKVD_NOW ?? '')
  const nowMs = Number.isNaN(fixedMs) ? Date.now() : fixedMs // a wrong CKVD_NOW is refused by the command itself
  return new Date(nowMs - days * DAY_MS).toISOString().slice(0, 10)
}

async function runQuickstart() {
  const ingest = [
    'ingest',
    '--sandbox',
    '--universe',
    'config/universe/spot_synchronal.csv',
    '--lake',
    './sandbox-lake',
    '--start',
    daysAgo(DAYS),
  ]
  const exit = await runCkvd(`1/2 ${DAYS} days of 45 symbols from the embedded sandbox exchange`, ingest)
  if (exit !== 0) return exit
  const covered = await runCkvd('2/2 What the lake holds', ['coverage', '--lake', './sandbox-lake'])
  if (covered === 0) console.error(nextSteps())
  return covered
}

/** What to do next, each in a line that can be copied: short enough for 80 columns, and together with the coverage above for 24 rows. */
function nextSteps() {
  const month = daysAgo(Number(daysAgo(0).slice(8))).slice(0, 7)
  return `
Next, after \`npm link\` (else \`npm run --silent ckvd -- …\`), in this clone:
  candles            ckvd chart BTCUSDT --days 2 --lake ./sandbox-lake --sandbox
  what there is      ckvd coverage --lake ./sandbox-lake --html coverage.html
  in pandas          import pyarrow.dataset as ds
                     path = "sandbox-lake/data/spot/daily/klines/BTCUSDT/1m"
                     ds.dataset(path, format="ipc").to_table().to_pandas()
  from the exchange  ckvd ingest BTCUSDT ETHUSDT --month ${month} --lake ./lake`
}

if (existsSync(join(root, cli))) process.exitCode = await runQuickstart()
else {
  console.error(`Expected the built command at ${cli}, found none. Run \`npm run build\` first.`)
  process.exitCode = 1
}
