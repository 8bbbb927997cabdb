import { sha256Hex } from '../memory/digest.ts'
import { checkChunk } from '../codec/arrow/arrow.ts'
import { chunkBytes, isPackedRow, rowBytesOf } from '../codec/arrow/chunk-bytes.ts'
import type { ChunkToPack } from '../codec/arrow/pack-writer.ts'
import { decodeChunks, DIGEST_DIGITS, encodeChunks } from '../codec/arrow/pack-meta.ts'
import type { ShardCondition, ShardMeta } from '../codec/arrow/shard-meta.ts'
import { SHARD_CONDITIONS } from '../codec/arrow/shard-meta.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { sliceColumns } from '../model/columns.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { parseFilePeriod, filePeriod } from '../dataset/pack.ts'
import type { Series } from '../model/series.ts'
import { isMonthChunked, nextChunk } from '../dataset/chunk.ts'
import { isOnGrid } from '../dataset/expected.ts'
import { seriesLabel } from '../dataset/names.ts'
import { datasetOf } from '../dataset/registry.ts'
import { rowWord, toldInterval } from '../dataset/told.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { countDays } from '../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog/catalog-rows.ts'
import type { LedgerReader, WrittenPack } from './ledger.ts'
import type { ShardReader } from './shard-store.ts'
import { isFromVision } from './day-facts.ts'
import { shardPath } from './layout.ts'
import { findRowFlaw } from './catalog/row-flaw.ts'
import { readPack } from './packs.ts'
import { readShard } from './shards.ts'

/** A chunk that is put into a pack: its row and gaps, and the bytes of its rows. */
export interface PackedWrite extends CatalogWrite {
  readonly shard: Uint8Array
}

/** A pack that is to be written, and what follows once it is. */
export interface MergedPack {
  /** null: there is nothing new to write */
  readonly bytes: Uint8Array | null
  /** other chunks of which the catalog has to know more: those of format 1 that it takes in, and those that were lost with the file before it */
  readonly taken: readonly CatalogWrite[]
  /** chunks that it holds now and whose files of format 1 are to go, once the catalog says so */
  readonly former: readonly UtcDay[]
  /** chunks that stay in their files of format 1, as bad as they are */
  readonly left: readonly LeftChunk[]
  /** what the file proves at once; null where a chunk of it is not what is recorded, or days are missing between its first and its last one */
  readonly pack: WrittenPack | null
}

/** A chunk that stays in its file of format 1, and why. */
export interface LeftChunk {
  readonly day: UtcDay
  readonly error: CkvdError
}

/**
 * The pack of a period with some chunks put in. What stands in it already is taken along, files of format 1 are taken in. A chunk that is
 * damaged stays as it is, with the digest that its rows should have: who reads it is told. What cannot be had at all, since the file cannot
 * be read or lacks it, is recorded as failed.
 * @param puts chunks of one period of one series, each once; none: format 1 is taken in alone
 * @throws CKVD_LAKE_IO, CKVD_CATALOG; CKVD_SHARD_FORMAT, CKVD_SHARD_MISSING where nothing is put and a chunk that the catalog records is lost
 */
export async function mergePack(
  shards: ShardReader,
  catalog: LedgerReader,
  place: { readonly series: Series; readonly day: UtcDay },
  puts: readonly PackedWrite[],
): Promise<MergedPack> {
  const { series, day } = place
  const range = parseFilePeriod(filePeriod(day, series), series)
  if (range === undefined) throw new CkvdError('CKVD_BUG', `Expected a chunk of ${seriesLabel(series)}, found ${day}`)
  const rows = catalog.readDays(series, range.first, range.end)
  const own = new Set(puts.map(({ row }) => row.day))
  const chunks = new Map<UtcDay, ChunkToPack>()
  const kept = await takeKept(shards, place)
  for (const [one, chunk] of kept.chunks) if (!own.has(one)) chunks.set(one, chunk)
  const taken: CatalogWrite[] = []
  const lost: { readonly row: DayRow; readonly gaps: readonly EvidencedGap[]; readonly error: CkvdError }[] = []
  const former: UtcDay[] = []
  const left: LeftChunk[] = []
  for (const row of rows) {
    if (row.shardSha256 === null) continue
    const gapsOf = () => catalog.listGaps(row, row.day, nextChunk(row.day, series))
    if (isPackedRow(row, row)) {
      const isLost = !own.has(row.day) && !chunks.has(row.day) && row.condition !== 'failed'
      if (isLost) lost.push({ row, gaps: gapsOf(), error: kept.error ?? missing(row, shards.placeOf(shardPath(series, day))) })
      continue
    }
    if (!own.has(row.day)) {
      const chunk = await takeFormer(shards, row, gapsOf())
      if (isCkvdError(chunk)) {
        left.push({ day: row.day, error: chunk })
        continue
      }
      taken.push({ row: chunk.row, gaps: chunk.gaps })
      chunks.set(row.day, chunkOf(chunk))
    }
    former.push(row.day)
  }
  // who brings nothing new leaves what is damaged to a check and an ingest
  if (puts.length === 0 && lost[0] !== undefined) throw lost[0].error
  if (puts.length === 0 && taken.length === 0) return { bytes: null, taken, former, left, pack: null }
  for (const put of puts) chunks.set(put.row.day, chunkOf(put))
  const inOrder = [...chunks.values()].sort((a, b) => (a.meta.day < b.meta.day ? -1 : 1))
  const failed = lost.map(({ row, gaps, error }) => ({ row: failedRow(row, error), gaps }))
  const { encodePack } = await loadPackWriter()
  const bytes = encodePack(inOrder)
  const recorded = new Map([...rows, ...taken.map(({ row }) => row), ...puts.map(({ row }) => row)].map((row) => [row.day, row]))
  return { bytes, taken: [...taken, ...failed], former, left, pack: packOf(series, inOrder, recorded, bytes) }
}

/** The pack as one that proves its chunks, which are hashed once more: what came from another thread, or was taken along, may be anything. */
function packOf(
  series: Series,
  chunks: readonly ChunkToPack[],
  recorded: ReadonlyMap<UtcDay, DayRow>,
  file: Uint8Array,
): WrittenPack | null {
  const [first, last] = [chunks[0]?.meta.day, chunks.at(-1)?.meta.day]
  if (first === undefined || last === undefined || !isOnGrid(series) || isMonthChunked(series)) return null
  const end = nextChunk(last, series)
  const isProven = ({ meta, bytes }: ChunkToPack): boolean => sha256Hex(bytes) === recorded.get(meta.day)?.shardSha256
  if (countDays(first, end) !== chunks.length || !chunks.every(isProven)) return null
  return { series, first, end, sha256: sha256Hex(file) }
}

/**
 * What writes packs: the Arrow library takes a while to load, and some hundred files at once. Who writes no pack does without it; who may
 * open few files loads it before connections have them.
 */
export async function loadPackWriter(): Promise<{ readonly encodePack: (chunks: readonly ChunkToPack[]) => Uint8Array }> {
  return await import('../codec/arrow/pack-writer.ts')
}

function chunkOf(write: PackedWrite): ChunkToPack {
  const { shardSha256 } = write.row
  const chunk = { meta: metaOf(write), bytes: write.shard }
  return shardSha256 === null ? chunk : { ...chunk, digest: shardSha256.slice(0, DIGEST_DIGITS) }
}

/** The chunks of the pack that is there, sound or not; none where it cannot be read. */
async function takeKept(
  shards: ShardReader,
  { series, day }: { readonly series: Series; readonly day: UtcDay },
): Promise<{ readonly chunks: ReadonlyMap<UtcDay, ChunkToPack>; readonly error: CkvdError | null }> {
  try {
    const pack = await readPack(shards, series, day)
    if (pack === undefined) return { chunks: new Map(), error: null }
    const chunks = pack.chunks.map((meta, index): [UtcDay, ChunkToPack] => {
      const start = pack.starts[index] ?? 0
      return [meta.day, { meta, bytes: chunkBytes(sliceColumns(pack.columns, start, start + meta.rows), series), digest: meta.digest }]
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

/** A chunk of format 1 as one of a pack; why not, where its row cannot be believed or its file is not what the row says. */
async function takeFormer(shards: ShardReader, row: DayRow, gaps: readonly EvidencedGap[]): Promise<PackedWrite | CkvdError> {
  const flaw = whyLeft(row)
  if (flaw !== undefined) return flaw
  try {
    const { columns, meta } = await readShard<Columns>(shards, row, row.day, row)
    const shard = chunkBytes(columns, row)
    // the first shards did not count odd bars, nor did their rows
    const odd = { oddClose: Math.max(row.oddClose, meta.oddClose), oddRows: Math.max(row.oddRows, meta.oddRows) }
    const write = { row: { ...row, ...odd, shardSha256: sha256Hex(shard), shardBytes: shard.length }, gaps, shard }
    checkSayable(write, columns)
    return write
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_MISSING', 'CKVD_LAKE_IO', 'CKVD_CATALOG_ROW')) throw error
    return error
  }
}

/** Throws CKVD_CATALOG_ROW, CKVD_SHARD_FORMAT where a row says what no pack can, or what its bars deny: it would take all of its pack along. */
function checkSayable(write: PackedWrite, columns: Columns): void {
  const { market, symbol, day, rows } = write.row
  const refuse = (expected: string, found: string): never => {
    throw new CkvdError(
      'CKVD_CATALOG_ROW',
      `Expected ${expected} of ${seriesLabel(write.row)} ${day} in the catalog, found ${found}. Run \`ckvd verify --repair\`.`,
      {
        details: { market, symbol, interval: toldInterval(write.row), day },
      },
    )
  }
  const rowBytes = rowBytesOf(write.row)
  if (rows * rowBytes !== write.shard.length) refuse(`the ${write.shard.length / rowBytes} ${rowWord(write.row)}s of its shard`, `${rows}`)
  const meta = metaOf(write)
  decodeChunks(encodeChunks([{ ...meta, digest: sha256Hex(write.shard).slice(0, DIGEST_DIGITS) }]), write.row, refuse)
  checkChunk(columns, meta, datasetOf(meta))
}

/** Why a chunk stays in its file of format 1, as far as its row tells; undefined where it does not. */
export function whyLeft(row: DayRow): CkvdError | undefined {
  return findRowFlaw(row) ?? findFailure(row)
}

/** What a check found of a chunk before: a pack would have to say what it was, and nobody knows. */
function findFailure(row: DayRow): CkvdError | undefined {
  const { market, symbol, day, condition, errorCode, error } = row
  if (condition !== 'failed') return undefined
  const code = errorCode ?? 'CKVD_SHARD_FORMAT'
  const words = error?.replace(`${code}: `, '') ?? 'the catalog calls it failed, and no more is recorded'
  return new CkvdError(code, words, { details: { market, symbol, interval: toldInterval(row), day } })
}

/** What a pack says of a chunk: what its row does, without what only this lake's own history tells. */
export function metaOf({ row, gaps }: CatalogWrite): ShardMeta {
  const isVision = isFromVision(row.source)
  return {
    ...(row.dataset === undefined ? {} : { dataset: row.dataset }),
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
  const { market, symbol, day } = row
  return new CkvdError(
    'CKVD_SHARD_MISSING',
    `Expected the shard of ${seriesLabel(row)} ${day} in ${path}, found none. Run \`ckvd verify --repair\`.`,
    { details: { market, symbol, interval: toldInterval(row), day, path } },
  )
}
