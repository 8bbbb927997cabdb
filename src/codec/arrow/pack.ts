import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { sliceColumns } from '../../model/columns.ts'
import { chunkOfUs } from '../../dataset/chunk.ts'
import type { Dataset } from '../../dataset/dataset.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { isPacked, parseFilePeriod } from '../../dataset/pack.ts'
import { datasetOf, named } from '../../dataset/registry.ts'
import type { Series } from '../../model/series.ts'
import type { Interval } from '../../model/interval.ts'
import { parseInterval } from '../../model/interval.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import { checkChunk, parseRows } from './arrow.ts'
import { refuse } from './read-columns.ts'
import { digestColumns } from './columns-digest.ts'
import type { PackedChunk } from './pack-meta.ts'
import { decodeChunks, DIGEST_DIGITS } from './pack-meta.ts'
import { DATASET_KEY, FORMAT_KEY } from './shard-meta.ts'

/*
 * A pack: the chunks of one month or year of a series as one Arrow file of one record batch. Its bytes depend on the chunks in it alone.
 */

export const PACK_FORMAT = '2'
/** Stands in the footer alone: it is the greater part of what a pack says of itself, and readers of files read the footer. */
export const CHUNKS_KEY = 'ckvd.chunks'

/** A pack as it was read: structure, order and what it says of its chunks are checked; the rows of a chunk are when it is taken. */
export interface Pack<T extends Columns = KlineColumns> {
  readonly series: Series
  readonly period: string
  readonly chunks: readonly PackedChunk[]
  readonly columns: T
  /** first row of each chunk */
  readonly starts: readonly number[]
  /** where each chunk stands in the list */
  readonly places: ReadonlyMap<UtcDay, number>
}

/**
 * Reads a pack. Its rows are proved chunk by chunk (`takeChunk`), so that one that is damaged takes none of the others along.
 * @throws CKVD_SHARD_FORMAT; any bytes end in a value or in this
 */
export function decodePack<T extends Columns = KlineColumns>(bytes: Uint8Array): Pack<T> {
  const { file, dataset, columns } = parseRows(bytes, CHUNKS_KEY)
  const { metadata } = file.schema
  const text = (key: string): string => metadata.get(key) ?? refuse(`the metadata ${key}`, 'none')
  if (text(FORMAT_KEY) !== PACK_FORMAT) refuse(`format ${PACK_FORMAT} as ${FORMAT_KEY}`, `"${text(FORMAT_KEY).slice(0, 20)}"`)
  text(DATASET_KEY)
  const [market, symbol, interval, period] = [
    text('ckvd.market'),
    text('ckvd.symbol'),
    parseInterval(text('ckvd.interval')),
    text('ckvd.period'),
  ]
  if (
    !isMarket(market) ||
    !isSymbol(symbol) ||
    interval === undefined ||
    text('ckvd.interval') === '1mo' ||
    !isOwnInterval(interval, dataset)
  )
    return refuse('a market, a symbol and an interval', `${market} ${symbol} ${text('ckvd.interval')}`.slice(0, 100))
  const series = { ...named(dataset), market, symbol, interval }
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
  return { series, period, chunks, columns: columns as T, starts, places: new Map(chunks.map(({ day }, i) => [day, i])) }
}

function isOwnInterval(interval: Interval, { hasInterval, grid }: Dataset): boolean {
  return hasInterval || interval === grid
}

/** A chunk of a pack: its rows, what is said of them, and their whole digest. */
export interface TakenChunk<T extends Columns = KlineColumns> {
  readonly columns: T
  readonly meta: PackedChunk
  /** SHA-256 of its rows, 64 hex digits */
  readonly sha256: string
}

/**
 * The chunk at a place in the list, proved: digest, order and rows. The columns are views of the pack's.
 * @throws CKVD_SHARD_DIGEST, CKVD_SHARD_FORMAT
 */
export function takeChunk<T extends Columns>(pack: Pack<T>, index: number): TakenChunk<T> {
  const meta = pack.chunks[index]
  const start = pack.starts[index]
  if (meta === undefined || start === undefined)
    throw new CkvdError('CKVD_BUG', `Expected a chunk at ${index} of a pack of ${pack.chunks.length}`)
  const columns = sliceColumns(pack.columns, start, start + meta.rows)
  const dataset = datasetOf(meta)
  const sha256 = digestColumns(columns, dataset.columns)
  if (sha256.slice(0, DIGEST_DIGITS) !== meta.digest) {
    const where = `${seriesLabel(meta)} ${meta.day}`
    throw new CkvdError(
      'CKVD_SHARD_DIGEST',
      `Expected rows of ${where} whose SHA-256 begins with ${meta.digest}, as their pack says, found ${sha256}`,
      { details: { expected: meta.digest, found: sha256 } },
    )
  }
  checkChunk(columns, meta, dataset)
  return { columns, meta, sha256 }
}
