import { sha256Hex } from '../memory/digest.ts'
import { chunkBytes, isPackedRow } from '../codec/arrow/chunk-bytes.ts'
import type { ChunkToPack, Pack } from '../codec/arrow/pack.ts'
import { encodePack } from '../codec/arrow/pack.ts'
import type { ShardCondition, ShardMeta } from '../codec/arrow/shard-meta.ts'
import { SHARD_CONDITIONS } from '../codec/arrow/shard-meta.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import { sliceColumns } from '../model/columns.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { parseFilePeriod, filePeriod } from '../dataset/pack.ts'
import type { Series } from '../model/series.ts'
import { nextChunk } from '../dataset/chunk.ts'
import { seriesLabel } from '../dataset/names.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog/catalog-rows.ts'
import type { LedgerReader } from './ledger.ts'
import type { ShardReader } from './shard-store.ts'
import { isFromVision } from './day-facts.ts'
import { formerPath, shardPath } from './layout.ts'
import { readPack } from './packs.ts'
import { readShard } from './shards.ts'

/** A chunk that is put into a pack: its row and gaps, and the bytes of its rows. */
export interface PackedWrite extends CatalogWrite {
  readonly shard: Uint8Array
}

/** A pack that is to be written, and what follows once it is. */
export interface MergedPack {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** other chunks of which the catalog has to know more: those of format 1 that it takes in, and those that were lost with the file before it */
  readonly taken: readonly CatalogWrite[]
  /** files of format 1 whose chunks it holds now, relative to the lake */
  readonly former: readonly string[]
}

/**
 * The pack of a period with some chunks put in. What stands in it already is taken along, files of format 1 are taken in. A chunk that is
 * damaged stays as it is, with the digest that its rows should have: who reads it is told. What cannot be had at all, since the file cannot
 * be read or lacks it, is recorded as failed.
 * @param puts chunks of one period of one series, each once; none: format 1 is taken in alone
 * @returns undefined where there is no chunk at all
 * @throws CKVD_LAKE_IO, CKVD_CATALOG
 */
export async function mergePack(
  shards: ShardReader,
  catalog: LedgerReader,
  place: { readonly series: Series; readonly day: UtcDay },
  puts: readonly PackedWrite[],
): Promise<MergedPack | undefined> {
  const { series, day } = place
  const range = parseFilePeriod(filePeriod(day, series), series)
  if (range === undefined) throw new CkvdError('CKVD_BUG', `Expected a chunk of ${seriesLabel(series)}, found ${day}`)
  const rows = catalog.readDays(series, range.first, range.end)
  const own = new Set(puts.map(({ row }) => row.day))
  const chunks = new Map<UtcDay, ChunkToPack>()
  const kept = await takeKept(shards, place)
  for (const [one, chunk] of kept.chunks) if (!own.has(one)) chunks.set(one, chunk)
  const taken: CatalogWrite[] = []
  const former: string[] = []
  for (const row of rows) {
    if (row.shardSha256 === null) continue
    const gaps = (): readonly EvidencedGap[] => catalog.listGaps(row, row.day, nextChunk(row.day, series))
    if (isPackedRow(row)) {
      const isLost = !own.has(row.day) && !chunks.has(row.day) && row.condition !== 'failed'
      if (isLost) taken.push({ row: failedRow(row, kept.error ?? missing(row, shards.placeOf(shardPath(series, day)))), gaps: gaps() })
      continue
    }
    if (!own.has(row.day)) {
      const write = await takeFormer(shards, row, gaps())
      // it stays where it is, as bad as it is: whoever reads it is told
      if (write === undefined) continue
      taken.push({ row: write.row, gaps: write.gaps })
      chunks.set(row.day, { meta: metaOf(write), bytes: write.shard })
    }
    former.push(formerPath(series, row.day))
  }
  for (const put of puts) chunks.set(put.row.day, { meta: metaOf(put), bytes: put.shard })
  if (chunks.size === 0) return undefined
  const inOrder = [...chunks.values()].sort((a, b) => (a.meta.day < b.meta.day ? -1 : 1))
  return { bytes: encodePack(inOrder), taken, former }
}

/** The chunks of the pack that is there, sound or not; none where it cannot be read. */
async function takeKept(
  shards: ShardReader,
  { series, day }: { readonly series: Series; readonly day: UtcDay },
): Promise<{ readonly chunks: ReadonlyMap<UtcDay, ChunkToPack>; readonly error: CkvdError | null }> {
  try {
    const pack = await readPack(shards, series, day)
    const chunks = (pack?.chunks ?? []).map((meta, index): [UtcDay, ChunkToPack] => {
      const start = pack?.starts[index] ?? 0
      const columns = sliceColumns((pack as Pack).columns, start, start + meta.rows)
      return [meta.day, { meta, bytes: chunkBytes(columns), digest: meta.digest }]
    })
    return { chunks: new Map(chunks), error: null }
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_SHARD_FORMAT')) throw error
    return { chunks: new Map(), error }
  }
}

function failedRow(row: DayRow, error: CkvdError): DayRow {
  return { ...row, condition: 'failed', errorCode: error.code, error: `${error.code}: ${error.message}` }
}

/** A chunk of format 1 as one of a pack; undefined where its file is not what the catalog records. */
async function takeFormer(shards: ShardReader, row: DayRow, gaps: readonly EvidencedGap[]): Promise<PackedWrite | undefined> {
  try {
    const { columns } = await readShard(shards, row, row.day, row)
    const shard = chunkBytes(columns)
    return { row: { ...row, shardSha256: sha256Hex(shard), shardBytes: shard.length }, gaps, shard }
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_MISSING')) throw error
    return undefined
  }
}

/** What a pack says of a chunk: what its row does, without what only this lake's own history tells. */
function metaOf({ row, gaps }: CatalogWrite): ShardMeta {
  const isVision = isFromVision(row.source)
  return {
    market: row.market,
    symbol: row.symbol,
    interval: row.interval,
    day: row.day,
    source: row.source ?? '',
    archiveKey: isVision ? row.archiveKey : null,
    archiveSha256: isVision ? row.archiveSha256 : null,
    archiveEtag: isVision ? row.archiveEtag : null,
    // of what is pending a pack says what it is without news
    condition: SHARD_CONDITIONS.includes(row.condition) ? (row.condition as ShardCondition) : 'partial',
    rows: row.rows,
    expected: row.expected,
    offGrid: row.offGrid,
    duplicates: row.duplicates,
    oddClose: row.oddClose,
    oddRows: row.oddRows,
    gaps,
  }
}

function missing(row: DayRow, path: string): CkvdError {
  const { market, symbol, interval, day } = row
  return new CkvdError(
    'CKVD_SHARD_MISSING',
    `Expected the shard of ${seriesLabel(row)} ${day} in ${path}, found none. Run \`ckvd verify --repair\`.`,
    { details: { market, symbol, interval, day, path } },
  )
}
