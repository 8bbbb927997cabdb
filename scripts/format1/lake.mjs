import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeArrowShard } from '../../dist/src/codec/arrow/arrow-writer.js'
import { chunkBytes } from '../../dist/src/codec/arrow/chunk-bytes.js'
import { runIngest } from '../../dist/src/ingest/ingest.js'
import { openLake } from '../../dist/src/lake/lake.js'
import { formerPath, shardFolder } from '../../dist/src/lake/layout.js'
import { readShard } from '../../dist/src/lake/shards.js'
import { doubt } from '../../dist/src/model/evidence.js'
import { isPacked } from '../../dist/src/dataset/pack.js'
import { startSandbox } from '../../dist/src/sandbox/index.js'
import { toCatalog2 } from './catalog-2.mjs'

const NOW_MS = Date.parse('2024-03-20T12:00:00Z')
/** Series of each market, and the days that are asked for. */
const ASKED = [
  { market: 'spot', symbol: 'AAAUSDT', intervals: ['1h', '1d', '3d', '1w', '1M'], start: '2023-12-01', end: '2024-03-20' },
  { market: 'spot', symbol: 'AAAUSDT', intervals: ['1m'], start: '2024-03-01', end: '2024-03-03' },
  { market: 'um', symbol: 'BBBUSDT', intervals: ['15m', '1d'], start: '2024-02-20', end: '2024-03-20' },
  { market: 'cm', symbol: 'CCCUSD_PERP', intervals: ['12h'], start: '2024-03-01', end: '2024-03-20' },
]
/** An outage, bars that only REST has, archives that come late (provisional days). */
const FAULTS = [
  { kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-02-05T04:00:00Z', to: '2024-02-05T06:00:00Z' },
  { kind: 'outage', market: 'um', symbol: 'BBBUSDT', from: '2024-02-28T23:00:00Z', to: '2024-03-01T01:00:00Z' },
  { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-08', at: '12:00' },
  { kind: 'late', market: 'spot', symbol: '*', day: '2024-03-18', hours: 300 },
  { kind: 'late', market: 'um', symbol: '*', day: '2024-03-18', hours: 300 },
]

/**
 * Makes a small lake of the sandbox with days of every condition that has bars: of this version's format.
 *
 * @param {string} lake a directory that is not there yet
 */
export async function makeLake(lake) {
  const markets = ASKED.map(({ market, symbol }) => ({ market, symbol, firstDay: '2023-12-10' }))
  const unique = markets.filter(({ symbol }, i) => markets.findIndex((one) => one.symbol === symbol) === i)
  const sandbox = await startSandbox({ now: () => NOW_MS, markets: unique, faults: FAULTS, budgets: { spot: 1e9, um: 1e9, cm: 1e9 } })
  try {
    for (const { market, symbol, intervals, start, end } of ASKED) {
      const { exit, stopped, problems } = await runIngest({
        universe: [{ market, symbol, intervals, line: 1 }],
        start,
        end,
        archives: 'auto',
        rest: true,
        refresh: false,
        retryFailed: false,
        force: false,
        crossCheck: false,
        keepArchives: false,
        lake,
        urls: {
          vision: sandbox.urls.vision,
          listing: sandbox.urls.listing,
          rest: { spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest },
        },
        sandbox: true,
        state: null,
        workers: 1,
        concurrency: 4,
        maxRateBytes: null,
        restShare: 0.8,
        maxRetries: 1,
        nowMs: NOW_MS,
        clockMs: () => NOW_MS,
        env: {},
        signal: new globalThis.AbortController().signal,
        events: {},
        http: { backoffMs: 1, idleTimeoutMs: 2_000 },
      })
      if (exit !== 0)
        throw new Error(`Expected the ingest of ${market} ${symbol} to end with 0, got ${exit}: ${JSON.stringify([stopped, problems])}`)
    }
  } finally {
    await sandbox.close()
  }
  await addOddities(lake)
}

/** What the sandbox has no fault for: a dispute, a partial day, a person's word, a revision. */
async function addOddities(lake) {
  const series = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }
  const opened = await openLake(lake, { mode: 'write' })
  const change = async (day, alter) => {
    const row = opened.catalog.getDay(series, day)
    const { columns } = await readShard(opened.shards, series, day, row)
    const { columns: kept = columns, gaps = [], revision, ...facts } = alter(row, columns)
    const shard = chunkBytes(kept)
    const digests = { rows: kept.openTime.length, shardSha256: createHash('sha256').update(shard).digest('hex'), shardBytes: shard.length }
    await opened.writer.put({ row: { ...row, ...facts, ...digests }, gaps, revision, shard })
  }
  try {
    await change('2024-01-10', () => ({ condition: 'disputed', conflicts: 3, differingRows: 3, evidence: 'rows differ' }))
    await change('2024-01-11', (_row, columns) => {
      const startUs = Number(columns.openTime[20])
      return {
        condition: 'partial',
        columns: Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, values.slice(0, 20)])),
        gaps: [{ startUs, endUs: startUs + 4 * 3_600_000_000, bars: 4, evidence: doubt('rest-failed', 'REST answered 500') }],
        recheck: 1,
      }
    })
    await change('2024-01-12', (row) => ({
      revision: {
        revision: 1,
        archiveEtag: 'e'.repeat(32),
        archiveSha256: null,
        shardSha256: 'd'.repeat(64),
        changedRows: 2,
        replacedAt: '2024-02-01T00:00:00.000Z',
      },
      duplicates: 2,
      oddClose: 1,
      condition: row.condition,
    }))
    opened.catalog.setAccepted(series, '2024-01-10', 'looked at both')
  } finally {
    await opened.close()
  }
}

/**
 * Turns a lake into one of format 1, as the release before packs wrote it: a file a chunk, and a catalog of version 2.
 *
 * @param {string} lake a lake that is not open
 */
export async function toFormat1(lake) {
  const shards = new Map()
  const opened = await openLake(lake, { mode: 'read' })
  const all = opened.catalog.listStoredSeries().filter(isPacked)
  try {
    for (const series of all) {
      for (const row of opened.catalog.readDays(series)) {
        if (row.shardSha256 === null) continue
        const { columns, meta } = await readShard(opened.shards, series, row.day, row)
        const bytes = encodeArrowShard(columns, meta)
        const path = join(lake, formerPath(series, row.day))
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, bytes)
        const name = `${series.market} ${series.symbol} ${series.interval} ${row.day}`
        shards.set(name, { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length })
      }
    }
  } finally {
    await opened.close()
  }
  for (const series of all) rmSync(join(lake, shardFolder(series)), { recursive: true })
  toCatalog2(join(lake, 'catalog.sqlite'), shards)
  const facts = join(lake, 'lake.json')
  writeFileSync(facts, `${JSON.stringify({ ...JSON.parse(readFileSync(facts, 'utf8')), format: 1 })}\n`)
}
