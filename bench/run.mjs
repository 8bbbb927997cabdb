/**
 * `npm run bench`: how fast, against what, on which machine. Every contender's answer is checked before its time counts;
 * contenders take turns, so that what else the machine does meets all of them.
 *
 *   npm run bench -- [--short] [--json] [--only PART] [--rounds 5] [--dist DIR]
 *
 * Parts: exactness, decode, table (aggregate trades), rest (REST pages), read, ingest (end to end), line (the same over a slow line), rerun (nothing new), plan (--dry-run), growth, parquet, export.
 * `--short` is for CI: small data, one round, the same checks. Ends with 1 when an answer is wrong. Needs `curl`, `sha256sum`,
 * `unzip` and `bash` for the end-to-end part, `unzip` for `parquet`.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeArchives } from './archives.mjs'
import { measureDecode } from './decode.mjs'
import { checkDecimals } from './exactness.mjs'
import { measureExport } from './export.mjs'
import { measureGrowth } from './growth.mjs'
import { measureIngest } from './ingest.mjs'
import { measureLine } from './line.mjs'
import { measureParquet } from './parquet.mjs'
import { measurePlan } from './plan.mjs'
import { measureRead } from './read.mjs'
import { describeMachine, print, summarize } from './report.mjs'
import { measureRerun } from './rerun.mjs'
import { measureRest } from './rest.mjs'
import { measureTables } from './tables.mjs'

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
  ? {
      minutes: { symbolCount: 1, days: 8, copies: 1 },
      seconds: { symbolCount: 1, days: 2, copies: 1 },
      month: { symbolCount: 1, days: 8, copies: 1 },
      growth: { symbolCount: 1, days: 2, copies: 2 },
      growthFactors: [1, 2],
      decodeMs: 200,
      decimals: 100_000,
      tableRows: 50_000,
      readDays: 20,
      rerun: { series: 2, days: 40 },
      plan: { series: 2, days: 1200, factors: [1, 2] },
      exportEnd: '2024-02-02',
      line: { set: { symbolCount: 1, days: 8, copies: 1 }, lines: [{ rttMs: 20, mbit: 200 }], atOnce: [16] },
    }
  : {
      minutes: { symbolCount: 3, days: 600, copies: 15 },
      seconds: { symbolCount: 1, days: 16, copies: 16 },
      month: { symbolCount: 1, days: 31, copies: 1 },
      growth: { symbolCount: 1, days: 250, copies: 16 },
      growthFactors: [1, 2, 4, 8],
      decodeMs: 1000,
      decimals: 10_000_000,
      tableRows: 1_000_000,
      readDays: 365,
      rerun: { series: 45, days: 1826 },
      plan: { series: 600, days: 3000, factors: [1, 2, 4] },
      exportEnd: '2025-01-01',
      line: {
        set: { symbolCount: 1, days: 250, copies: 4 },
        lines: [
          { rttMs: 20, mbit: 200 },
          { rttMs: 100, mbit: 50 },
          { rttMs: 100, mbit: 200 },
          { rttMs: 100, mbit: 500, resetEvery: 40 },
          { rttMs: 100, mbit: 500 },
          { rttMs: 250, mbit: 200 },
          { rttMs: 20, mbit: 200, most: 8 },
        ],
        atOnce: [16, 50, 150, 300],
      },
    }

const folder = mkdtempSync(join(tmpdir(), 'ckvd-bench-'))
const common = { root, dist, folder, rounds }
const sets = new Map()
const DAY = { symbolCount: 1, days: 1, copies: 1 }

/** Each gives its tables. */
const PARTS = {
  async exactness() {
    say(`${(await checkDecimals(dist, SIZES.decimals)).toLocaleString('en')} random decimals are exact`)
    return []
  },
  async decode() {
    const limitMs = SIZES.decodeMs
    const ofFirst = (set) => measureDecode({ label: `${set.interval} day`, archive: set.archives[0], ...common, limitMs })
    return [ofFirst(await archives('1m', DAY)), ofFirst(await archives('1s', DAY))]
  },
  table: () => measureTables({ ...common, rows: SIZES.tableRows, limitMs: SIZES.decodeMs }),
  rest: async () => [await measureRest({ ...common, limitMs: SIZES.decodeMs })],
  read: () => measureRead({ ...common, days: SIZES.readDays }),
  async ingest() {
    const tables = []
    for (const set of [await archives('1m', SIZES.minutes), await archives('1s', SIZES.seconds)])
      tables.push(...(await measureIngest({ label: `${set.interval} days`, ...set, ...common })))
    return tables
  },
  line: async () => measureLine({ ...(await archives('1m', SIZES.line.set)), ...common, ...SIZES.line }),
  rerun: async () => [await measureRerun({ ...common, ...SIZES.rerun })],
  plan: async () => [await measurePlan({ ...common, ...SIZES.plan })],
  growth: async () => [await measureGrowth({ ...(await archives('1m', SIZES.growth)), ...common, factors: SIZES.growthFactors })],
  parquet: async () => [await measureParquet({ ...common, archives: (await archives('1m', SIZES.month)).archives })],
  export: () => measureExport({ ...common, end: SIZES.exportEnd }),
}

try {
  if (flags.only !== undefined && PARTS[flags.only] === undefined)
    throw new Error(`Expected --only to be one of ${Object.keys(PARTS).join(', ')}, got ${flags.only}.`)
  const tables = []
  for (const [name, measure] of Object.entries(PARTS)) {
    if (flags.only !== undefined && flags.only !== name) continue
    say(name)
    tables.push(...(await measure()))
  }
  const report = { machine: describeMachine(), rounds, tables: tables.map(summarize) }
  if (flags.json) console.log(JSON.stringify(report, null, 2))
  else print(report)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Archives of a size, made once for all parts. */
async function archives(interval, { symbolCount, days, copies }) {
  const size = [interval, symbolCount, days, copies].join('-')
  const made = sets.get(size)
  if (made !== undefined) return made
  say(`making ${symbolCount * days * copies} archives of ${interval}`)
  const archiveFolder = join(folder, `archives-${size}`)
  mkdirSync(archiveFolder)
  const names = Array.from({ length: symbolCount }, (_, i) => `${String.fromCharCode(65 + i).repeat(3)}USDT`)
  const found = makeArchives(archiveFolder, { symbols: names, interval, days, copies })
  const end = new Date(Date.UTC(2024, 0, 1 + days)).toISOString().slice(0, 10)
  const set = { interval, archives: found, archiveFolder, symbols: [...new Set(found.map(({ symbol }) => symbol))], end }
  sets.set(size, set)
  return set
}

function say(text) {
  console.error(`bench: ${text}`)
}
