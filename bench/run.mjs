/**
 * `npm run bench`: how fast, against what, on which machine. Every contender's answer is checked before its time counts;
 * contenders take turns, so that what else the machine does meets all of them.
 *
 *   npm run bench -- [--short] [--json] [--only decode|exactness|read|ingest|export|parquet] [--rounds 5] [--dist DIR]
 *
 * `--short` is for CI: small data, one round, the same checks. Ends with 1 when an answer is wrong. Needs `curl`, `sha256sum`,
 * `unzip` and `bash` for the end-to-end part, `unzip` for `parquet`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { makeArchives } from './archives.mjs'
import { measureDecode } from './decode.mjs'
import { checkDecimals } from './exactness.mjs'
import { measureExport } from './export.mjs'
import { measureIngest } from './ingest.mjs'
import { measureParquet } from './parquet.mjs'
import { measureRead } from './read.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: flags } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    dist: { type: 'string', default: join(root, 'dist') },
  },
})
const dist = resolve(flags.dist)
const rounds = Number(flags.rounds ?? (flags.short ? 1 : 5))
const SIZES = flags.short
  ? { minuteSymbols: 1, minuteDays: 8, copies: 1, secondDays: 2, decodeMs: 200, decimals: 200_000, readDays: 20, exportEnd: '2024-02-05' }
  : {
      minuteSymbols: 4,
      minuteDays: 200,
      copies: 4,
      secondDays: 24,
      decodeMs: 1500,
      decimals: 10_000_000,
      readDays: 365,
      exportEnd: '2025-01-01',
    }

const folder = mkdtempSync(join(tmpdir(), 'ckvd-bench-'))
try {
  const tables = await measure()
  const report = { machine: describeMachine(), rounds, tables: tables.map(summarize) }
  if (flags.json) console.log(JSON.stringify(report, null, 2))
  else print(report)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure() {
  const tables = []
  const wants = (name) => flags.only === undefined || flags.only === name
  const wantsArchives = wants('decode') || wants('ingest') || wants('parquet')
  const minutes = wantsArchives
    ? await archivesOf('1m', ...(wants('decode') || wants('ingest') ? [SIZES.minuteSymbols, SIZES.minuteDays, SIZES.copies] : [1, 31, 1]))
    : undefined
  const seconds = wants('decode') || wants('ingest') ? await archivesOf('1s', 1, SIZES.secondDays, 1) : undefined
  if (wants('exactness')) {
    say(`${(await checkDecimals(dist, SIZES.decimals)).toLocaleString('en')} random decimals are exact`)
  }
  for (const set of [minutes, seconds]) {
    if (set === undefined || !wants('decode')) continue
    say(`decode ${set.interval}`)
    tables.push(measureDecode({ label: `${set.interval} day`, archive: set.archives[0], dist, folder, rounds, limitMs: SIZES.decodeMs }))
  }
  if (wants('read')) {
    say(`read ${SIZES.readDays} days of 1m`)
    tables.push(...(await measureRead({ days: SIZES.readDays, dist, folder, rounds })))
  }
  for (const set of [minutes, seconds]) {
    if (set === undefined || !wants('ingest')) continue
    say(`ingest ${set.interval}`)
    tables.push(...(await measureIngest({ label: `${set.interval} days`, ...set, dist, folder, rounds })))
  }
  if (wants('parquet')) {
    say('parquet')
    tables.push(await measureParquet({ root, dist, folder, archives: minutes.archives, rounds }))
  }
  if (wants('export')) {
    say('export')
    tables.push(...(await measureExport({ dist, folder, end: SIZES.exportEnd, rounds })))
  }
  return tables
}

async function archivesOf(interval, symbolCount, days, copies) {
  say(`making ${symbolCount * days * copies} archives of ${interval}`)
  const archiveFolder = join(folder, `archives-${interval}`)
  mkdirSync(archiveFolder)
  const symbols = Array.from({ length: symbolCount }, (_, i) => `${String.fromCharCode(65 + i).repeat(3)}USDT`)
  const archives = await makeArchives(pathToFileURL(`${dist}/`), archiveFolder, { symbols, interval, days, copies })
  const end = new Date(Date.UTC(2024, 0, 1 + days)).toISOString().slice(0, 10)
  return { interval, archives, archiveFolder, symbols: [...new Set(archives.map(({ symbol }) => symbol))], end }
}

/** Medians, spread and ratios instead of the single rounds, which stay beside them. */
function summarize({ name, unit, amount, baseline, contenders }) {
  const base = contenders[baseline]
  const rows = Object.entries(contenders).map(([contender, { ms, cpuMs, rssMb, bytes }]) => ({
    contender,
    rate: amount / median(ms),
    // of paired rounds: what disturbed a round disturbed both
    ratio: median(ms.map((value, round) => base.ms[round] / value)),
    ms: median(ms),
    fastestMs: Math.min(...ms),
    slowestMs: Math.max(...ms),
    ...(cpuMs === undefined ? {} : { cpuMs: median(cpuMs) }),
    ...(rssMb === undefined ? {} : { rssMb }),
    ...(bytes === undefined ? {} : { bytes }),
    rounds: ms,
  }))
  return { name, unit, baseline, rows }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function describeMachine() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const [first] = cpus()
  return {
    ckvd: version,
    node: process.version,
    v8: process.versions.v8,
    zlib: process.versions.zlib,
    system: `${process.platform} ${release()}`,
    processor: `${availableParallelism()} x ${first?.model ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 1e9),
    load: loadavg().map((value) => Number(value.toFixed(2))),
  }
}

function print({ machine, tables }) {
  console.log(
    `ckvd ${machine.ckvd}, Node ${machine.node}, ${machine.processor}, ${machine.memoryGb} GB, ${machine.system}, load ${machine.load.join(' ')}; ${rounds} rounds`,
  )
  for (const { name, unit, baseline, rows } of tables) {
    console.log(`\n${name} (${unit}; ratio to ${baseline})`)
    for (const row of rows) {
      const more = [
        row.cpuMs === undefined ? '' : `, ${row.cpuMs.toFixed(0)} ms of processor time`,
        row.rssMb === undefined ? '' : `, peak ${row.rssMb.toFixed(0)} MB`,
        row.bytes === undefined ? '' : `, ${(row.bytes / 1e6).toFixed(1)} MB of files`,
      ]
      console.log(
        `  ${row.contender.padEnd(22)} ${row.rate.toFixed(row.rate < 10 ? 1 : 0).padStart(7)}  ${row.ratio.toFixed(2).padStart(6)}x  median ${row.ms.toFixed(1)} ms (${row.fastestMs.toFixed(1)} to ${row.slowestMs.toFixed(1)})${more.join('')}`,
      )
    }
  }
}

function say(text) {
  console.error(`bench: ${text}`)
}
