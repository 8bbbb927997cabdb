import { CkvdError } from '../../errors.ts'
import { sha256Hex } from '../../memory/digest.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { createColumns, KLINE_COLUMNS } from '../../model/kline.ts'
import { sliceColumns } from '../../model/columns.ts'
import { chunkOfUs } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { filePeriod, isPacked, parseFilePeriod } from '../../dataset/pack.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Series } from '../../model/series.ts'
import { parseInterval } from '../../model/interval.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import { checkChunk, parseRows, refuse } from './arrow.ts'
import { encodeKlines } from './arrow-writer.ts'
import { ROW_BYTES } from './chunk-bytes.ts'
import { digestColumns } from './columns-digest.ts'
import type { PackedChunk } from './pack-meta.ts'
import { decodeChunks, DIGEST_DIGITS, encodeChunks } from './pack-meta.ts'
import type { ShardMeta } from './shard-meta.ts'
import { DIGEST_KEY, FORMAT_KEY } from './shard-meta.ts'

/*
 * A pack: the chunks of one month or year of a series as one Arrow file of one record batch. Its bytes depend on the chunks in it alone.
 */

const FORMAT = '2'
const DATASET = 'klines'
/** Stands in the footer alone: it is the greater part of what a pack says of itself, and readers of files read the footer. */
const CHUNKS_KEY = 'ckvd.chunks'
const VALUE_BYTES = 8

/** A chunk and the bytes of its rows, on its way into a pack. */
export interface ChunkToPack {
  readonly meta: ShardMeta
  readonly bytes: Uint8Array
  /** what the pack says of the rows, where they are carried along as they are, damaged; default: the digest of the bytes */
  readonly digest?: string
}

/** A pack as it was read: structure, order and what it says of its chunks are checked; the rows of a chunk are when it is taken. */
export interface Pack {
  readonly series: Series
  readonly period: string
  readonly chunks: readonly PackedChunk[]
  readonly columns: KlineColumns
  /** first row of each chunk */
  readonly starts: readonly number[]
  /** where each chunk stands in the list */
  readonly places: ReadonlyMap<UtcDay, number>
}

/**
 * Chunks of one period as a pack.
 * @param chunks in order, at least one; their bytes as `chunkBytes` gives them
 */
export function encodePack(chunks: readonly ChunkToPack[]): Uint8Array<ArrayBuffer> {
  const first = chunks[0]?.meta
  if (first === undefined) throw new CkvdError('CKVD_BUG', 'Expected a pack of at least one chunk, found none')
  const columns = createColumns(chunks.reduce((sum, { meta }) => sum + meta.rows, 0))
  let row = 0
  for (const { meta, bytes } of chunks) {
    if (bytes.length !== meta.rows * ROW_BYTES || meta.rows === 0)
      throw new CkvdError('CKVD_BUG', `Expected ${meta.rows} rows of ${ROW_BYTES} bytes in ${meta.day}, found ${bytes.length} bytes`)
    KLINE_COLUMNS.forEach(({ key }, i) => {
      const { buffer } = columns[key]
      const size = meta.rows * VALUE_BYTES
      new Uint8Array(buffer).set(bytes.subarray(i * size, (i + 1) * size), row * VALUE_BYTES)
    })
    row += meta.rows
  }
  const packed = chunks.map(({ meta, bytes, digest }) => ({ ...meta, digest: digest ?? sha256Hex(bytes).slice(0, DIGEST_DIGITS) }))
  const metadata = new Map([
    [FORMAT_KEY, FORMAT],
    ['ckvd.dataset', DATASET],
    ['ckvd.market', first.market],
    ['ckvd.symbol', first.symbol],
    ['ckvd.interval', first.interval],
    ['ckvd.period', filePeriod(first.day, first)],
    [DIGEST_KEY, digestColumns(columns, KLINE_COLUMNS)],
    [CHUNKS_KEY, encodeChunks(packed)],
  ])
  return encodeKlines(columns, metadata, CHUNKS_KEY)
}

/**
 * Reads a pack. Its rows are proved chunk by chunk (`takeChunk`), so that one that is damaged takes none of the others along.
 * @throws CKVD_SHARD_FORMAT; any bytes end in a value or in this
 */
export function decodePack(bytes: Uint8Array): Pack {
  const { file, columns: rowsOf } = parseRows(bytes, CHUNKS_KEY)
  const columns = rowsOf as KlineColumns
  const { metadata } = file.schema
  const text = (key: string): string => metadata.get(key) ?? refuse(`the metadata ${key}`, 'none')
  if (text(FORMAT_KEY) !== FORMAT) refuse(`format ${FORMAT} as ${FORMAT_KEY}`, `"${text(FORMAT_KEY).slice(0, 20)}"`)
  if (text('ckvd.dataset') !== DATASET) refuse(`the data set ${DATASET}`, `"${text('ckvd.dataset').slice(0, 100)}"`)
  const [market, symbol, interval, period] = [
    text('ckvd.market'),
    text('ckvd.symbol'),
    parseInterval(text('ckvd.interval')),
    text('ckvd.period'),
  ]
  if (!isMarket(market) || !isSymbol(symbol) || interval === undefined || text('ckvd.interval') === '1mo')
    return refuse('a market, a symbol and an interval', `${market} ${symbol} ${text('ckvd.interval')}`.slice(0, 100))
  const series = { market, symbol, interval }
  const range = parseFilePeriod(period, series)
  if (range === undefined || !isPacked(series)) return refuse('the month or year of a pack as ckvd.period', `"${period.slice(0, 100)}"`)
  const chunks = decodeChunks(text(CHUNKS_KEY), series, refuse)
  const starts: number[] = []
  let rows = 0
  for (const { day, rows: own } of chunks) {
    if (day < range.first || day >= range.end || chunkOfUs(dayStartUs(day), series) !== day) refuse(`chunks of ${period}`, day)
    if (own === 0) refuse('chunks with rows', `${day} with none`)
    starts.push(rows)
    rows += own
  }
  if (rows !== file.rows || rows === 0) refuse(`${rows} rows, as its chunks have, and at least one`, `${file.rows}`)
  return { series, period, chunks, columns, starts, places: new Map(chunks.map(({ day }, i) => [day, i])) }
}

/** A chunk of a pack: its rows, what is said of them, and their whole digest. */
export interface TakenChunk {
  readonly columns: KlineColumns
  readonly meta: PackedChunk
  /** SHA-256 of its rows, 64 hex digits */
  readonly sha256: string
}

/**
 * The chunk at a place in the list, proved: digest, order and rows. The columns are views of the pack's.
 * @throws CKVD_SHARD_DIGEST, CKVD_SHARD_FORMAT
 */
export function takeChunk(pack: Pack, index: number): TakenChunk {
  const meta = pack.chunks[index]
  const start = pack.starts[index]
  if (meta === undefined || start === undefined)
    throw new CkvdError('CKVD_BUG', `Expected a chunk at ${index} of a pack of ${pack.chunks.length}`)
  const columns = sliceColumns(pack.columns, start, start + meta.rows)
  const sha256 = digestColumns(columns, KLINE_COLUMNS)
  if (sha256.slice(0, DIGEST_DIGITS) !== meta.digest) {
    const where = `${seriesLabel(meta)} ${meta.day}`
    throw new CkvdError(
      'CKVD_SHARD_DIGEST',
      `Expected rows of ${where} whose SHA-256 begins with ${meta.digest}, as their pack says, found ${sha256}`,
      { details: { expected: meta.digest, found: sha256 } },
    )
  }
  checkChunk(columns, meta, datasetOf(meta))
  return { columns, meta, sha256 }
}
