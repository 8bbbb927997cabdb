import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ShardMeta } from '../../../src/codec/arrow/arrow.ts'
import { encodeArrowShard } from '../../../src/codec/arrow/arrow-writer.ts'
import type { DayRow, SeriesRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { LakeWrite } from '../../../src/lake/lake-writer.ts'
import type { EvidencedGap, Proof } from '../../../src/model/evidence.ts'
import type { KlineColumns } from '../../../src/model/kline.ts'
import { createColumns, KLINE_COLUMNS } from '../../../src/model/kline.ts'
import type { Interval } from '../../../src/model/interval.ts'
import type { Series } from '../../../src/model/series.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'
import { seriesRowOf as unaskedRowOf } from '../../support/plans.ts'
import { storedPath } from '../../support/stored-chunk.ts'

export const BTC: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1h' }
export const ETH: Series = { market: 'um', symbol: 'ETHUSDT', interval: '1h' }
/** Series whose days are files of their own; those of BTC and ETH share packs of a month. */
export const BTC_5M: Series = { ...BTC, interval: '5m' }
export const ETH_5M: Series = { ...ETH, interval: '5m' }

const HOUR_US = 3_600_000_000
const BAR_US: Readonly<Partial<Record<Interval, number>>> = { '1m': HOUR_US / 60, '5m': HOUR_US / 12, '1h': HOUR_US }

export function day(text: string): UtcDay {
  return text as UtcDay
}

/** Runs a test in a new temporary directory, which is removed afterwards. */
export async function inTempDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ckvd-lake-'))
  try {
    await test(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What is known of a series of which nobody has asked REST. */
export function seriesRowOf({ market, symbol, interval }: Series, change: Partial<SeriesRow> = {}): SeriesRow {
  return { ...unaskedRowOf(change), market, symbol, interval }
}

/** REST has the bar (an hour, without more said) before a stretch and the bar behind it. */
export function proofAround(startUs: number, endUs: number, barUs = HOUR_US): Proof {
  return { source: 'rest', beforeUs: startUs - barUs, afterUs: endUs }
}

/** The row of a chunk; without a shard but where its condition says that all bars are there. */
export function rowOf(series: Series, name: string, change: Partial<DayRow> = {}): DayRow {
  const isWhole = change.condition === 'complete' || change.condition === 'provisional'
  return {
    ...series,
    day: day(name),
    condition: 'failed',
    source: null,
    rows: isWhole ? 24 : 0,
    expected: isWhole ? (change.rows ?? 24) : 24,
    shardSha256: isWhole ? 'c'.repeat(64) : null,
    shardBytes: isWhole ? 4096 : null,
    archiveKey: null,
    archiveEtag: null,
    archiveSha256: null,
    revision: 1,
    offGrid: 0,
    duplicates: 0,
    conflicts: 0,
    differingRows: 0,
    oddClose: 0,
    oddRows: 0,
    evidence: null,
    errorCode: null,
    error: null,
    accepted: null,
    recheck: 0,
    updatedAt: '2024-02-03T04:05:06.789Z',
    ...change,
  }
}

/**
 * A day of bars with those of the places `missing` left out, as the ingester would put it: an Arrow file, or of a day that stands in a pack the
 * bytes of its rows. `price` tells versions apart.
 */
export function barsOf(
  series: Series,
  name: string,
  options: { price?: number; missing?: number[] } = {},
): LakeWrite & { shard: Uint8Array } {
  const { price = 100, missing = [] } = options
  const startUs = Date.parse(`${name}T00:00:00Z`) * 1000
  const barUs = BAR_US[series.interval]!
  const expected = (24 * HOUR_US) / barUs
  const places = Array.from({ length: expected }, (_, i) => i).filter((place) => !missing.includes(place))
  const columns = createColumns(places.length)
  places.forEach((place, i) => {
    columns.openTime[i] = BigInt(startUs + place * barUs)
    columns.closeTime[i] = BigInt(startUs + (place + 1) * barUs - 1000)
    columns.open[i] = columns.high[i] = columns.low[i] = columns.close[i] = price
    columns.volume[i] = 1
  })
  const gaps = missing.map((place): EvidencedGap => {
    const gapUs = startUs + place * barUs
    return { startUs: gapUs, endUs: gapUs + barUs, bars: 1, evidence: proofAround(gapUs, gapUs + barUs, barUs) }
  })
  const key = `data/spot/daily/klines/${series.symbol}/${series.interval}/${series.symbol}-${series.interval}-${name}.zip`
  const meta: ShardMeta = {
    ...series,
    day: day(name),
    source: 'vision-daily',
    archiveKey: key,
    archiveSha256: 'a'.repeat(64),
    archiveEtag: 'b'.repeat(32),
    condition: missing.length === 0 ? 'complete' : 'outage',
    rows: places.length,
    expected,
    offGrid: 0,
    duplicates: 0,
    oddClose: 0,
    oddRows: 0,
    gaps,
  }
  const shard = series.interval === '1h' ? rowBytes(columns) : encodeArrowShard(columns, meta)
  const row = rowOf(series, name, {
    condition: meta.condition,
    source: meta.source,
    rows: places.length,
    expected,
    shardSha256: createHash('sha256').update(shard).digest('hex'),
    shardBytes: shard.length,
    archiveKey: key,
    archiveEtag: meta.archiveEtag,
    archiveSha256: meta.archiveSha256,
  })
  return { row, gaps, shard }
}

/** Rows as they are kept in a pack and digested: column after column. */
function rowBytes(columns: KlineColumns): Uint8Array {
  const values = KLINE_COLUMNS.map(({ key }) => columns[key])
  return Uint8Array.from(Buffer.concat(values.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))))
}

/** What lies in the lake's `tmp/`. */
export async function tmpFiles(root: string): Promise<string[]> {
  return existsSync(join(root, 'tmp')) ? await readdir(join(root, 'tmp')) : []
}

/** An error of the operating system, as Node throws it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code })
}

/** Where the file lies that holds a day: spelled out, as the contract has it. */
export function shardFile(root: string, series: Series, name: string): string {
  return join(root, storedPath(series, name))
}
