import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeKlines } from '../../src/codec/arrow/arrow-writer.ts'
import { chunkBytes } from '../../src/codec/arrow/chunk-bytes.ts'
import type { ShardMeta } from '../../src/codec/arrow/shard-meta.ts'
import { encodeMeta } from '../../src/codec/arrow/shard-meta.ts'
import type { CatalogWrite, DayRow } from '../../src/lake/catalog/catalog-rows.ts'
import type { PackedWrite } from '../../src/lake/pack-merge.ts'
import type { WritableLake } from '../../src/lake/lake.ts'
import { formerPath } from '../../src/lake/layout.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import { createColumns } from '../../src/model/kline.ts'
import type { Series } from '../../src/model/series.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'

/** A series whose days share the packs of their months. */
export const HOURS: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1h' }
const HOUR_US = 3_600_000_000

export interface ChunkOptions {
  /** tells versions apart; default 100 */
  readonly price?: number
  /** hours that are left out: an outage with its proof */
  readonly missing?: readonly number[]
  readonly change?: Partial<DayRow>
}

/** A chunk of one-hour bars in all its forms. */
export interface Chunk {
  readonly day: UtcDay
  readonly columns: KlineColumns
  readonly meta: ShardMeta
  /** as it is put into a pack */
  readonly packed: PackedWrite
  /** as format 1 kept it: the catalog's words, and the file */
  readonly former: CatalogWrite & { readonly file: Uint8Array }
}

export function chunkOf(name: string, options: ChunkOptions = {}, series: Series = HOURS): Chunk {
  const { price = 100, missing = [], change = {} } = options
  const startUs = Date.parse(`${name}T00:00:00Z`) * 1000
  const hours = Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => !missing.includes(hour))
  const columns = createColumns(hours.length)
  hours.forEach((hour, i) => {
    columns.openTime[i] = BigInt(startUs + hour * HOUR_US)
    columns.closeTime[i] = BigInt(startUs + (hour + 1) * HOUR_US - 1000)
    columns.open[i] = columns.high[i] = columns.low[i] = columns.close[i] = price
    columns.volume[i] = 1
  })
  const gaps = missing.map((hour) => {
    const gapUs = startUs + hour * HOUR_US
    const evidence = { source: 'rest' as const, beforeUs: gapUs - HOUR_US, afterUs: gapUs + HOUR_US }
    return { startUs: gapUs, endUs: gapUs + HOUR_US, bars: 1, evidence }
  })
  const meta: ShardMeta = {
    ...series,
    day: name as UtcDay,
    source: 'vision-daily',
    archiveKey: `data/spot/daily/klines/${series.symbol}/1h/${series.symbol}-1h-${name}.zip`,
    archiveSha256: sha256(new TextEncoder().encode(name)),
    archiveEtag: 'b'.repeat(32),
    condition: missing.length === 0 ? 'complete' : 'outage',
    rows: hours.length,
    expected: 24,
    offGrid: 0,
    duplicates: 0,
    oddClose: 0,
    oddRows: 0,
    gaps,
  }
  const { gaps: _, ...facts } = meta
  const rest = {
    revision: 1,
    conflicts: 0,
    differingRows: 0,
    evidence: null,
    errorCode: null,
    error: null,
    accepted: null,
    recheck: 0 as const,
  }
  const row = { ...facts, ...rest, updatedAt: '2024-02-03T04:05:06.789Z', ...change }
  const shard = chunkBytes(columns)
  const file = encodeKlines(columns, encodeMeta(meta, sha256(shard)))
  return {
    day: meta.day,
    columns,
    meta,
    packed: { row: { ...row, shardSha256: sha256(shard), shardBytes: shard.length }, gaps, shard },
    former: { row: { ...row, shardSha256: sha256(file), shardBytes: file.length }, gaps, file },
  }
}

/** Puts a chunk into a lake as a run of the release before packs would have. */
export function putFormer(lake: WritableLake, { row, gaps, file }: Chunk['former']): string {
  const path = join(lake.paths.root, formerPath(row, row.day))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, file)
  // the catalog in SQLite records at once
  void lake.catalog.commit([{ row, gaps }])
  return path
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
