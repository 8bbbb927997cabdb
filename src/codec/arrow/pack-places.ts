import { parseJson } from '../../json-text.ts'
import { nextChunk } from '../../dataset/chunk.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { parseUtcDay } from '../../model/utc-day.ts'
import { refuse } from './read-columns.ts'
import { locateRows } from './arrow-file.ts'
import { VALUE_BYTES } from './chunk-bytes.ts'
import { ArrowFormatError } from './flat-reader.ts'
import { CHUNKS_KEY } from './pack.ts'

/** The rows of a chunk in the columns of its pack. */
export interface RowRange {
  readonly first: number
  readonly rows: number
}

/** Where the rows of a pack's chunks lie. */
export interface PackPlaces {
  /** first byte of each column in the file, in the schema's order: multiples of 8 */
  readonly starts: readonly number[]
  readonly chunks: ReadonlyMap<UtcDay, RowRange>
}

/**
 * Where a pack has its chunks, for who knows their digests and proves their rows by these: what else the pack says of them and of itself is
 * not looked at (`decodePack` does), which takes a tenth of the time.
 * @throws CKVD_SHARD_FORMAT; any bytes end in a value or in this
 */
export function locateChunks(bytes: Uint8Array, series: Series): PackPlaces {
  const { rows, columns, text } = locate(bytes, datasetOf(series).columns.length)
  const chunks = new Map<UtcDay, RowRange>()
  let next: UtcDay | undefined
  let own = 0
  let first = 0
  for (const entry of entriesOf(text)) {
    const { day: said, rows: changed = own } = entry
    const day = said === undefined ? next : typeof said === 'string' ? parseUtcDay(said) : undefined
    if (day === undefined || !Number.isSafeInteger(changed) || Number(changed) < 0)
      return refuse('days and rows of chunks', JSON.stringify(entry).slice(0, 100))
    own = Number(changed)
    chunks.set(day, { first, rows: own })
    first += own
    next = nextChunk(day, series)
  }
  if (first !== rows) refuse(`${first} rows, as its chunks have`, `${rows}`)
  return { starts: startsOf({ rows, columns }, series), chunks }
}

/**
 * First byte of each column of a pack whose bytes are proven to be those that were written, with `rows` rows: its list of chunks is not read.
 * @throws CKVD_SHARD_FORMAT
 */
export function locateColumns(bytes: Uint8Array, series: Series, rows: number): readonly number[] {
  const located = locate(bytes, datasetOf(series).columns.length)
  if (located.rows !== rows) refuse(`${rows} rows`, `${located.rows}`)
  return startsOf(located, series)
}

/** Throws CKVD_SHARD_FORMAT. */
function startsOf({ rows, columns }: Pick<ReturnType<typeof locateRows>, 'rows' | 'columns'>, of: OfDataset): readonly number[] {
  const described = datasetOf(of).columns
  columns.forEach(({ nulls, start, sizeBytes }, i) => {
    const isShort = sizeBytes < rows * VALUE_BYTES || (nulls !== 0 && described[i]?.nullable !== true)
    if (isShort || start % VALUE_BYTES !== 0)
      refuse(`${rows} values in each column, aligned`, `${nulls} nulls and ${sizeBytes} bytes at ${start}`)
  })
  return columns.map(({ start }) => start)
}

function locate(bytes: Uint8Array, count: number): ReturnType<typeof locateRows> {
  try {
    return locateRows(bytes, count, CHUNKS_KEY)
  } catch (cause) {
    if (!(cause instanceof ArrowFormatError || cause instanceof RangeError)) throw cause
    return refuse('the structure of a whole pack', cause.message, cause)
  }
}

/** What the entries of a list of chunks state of days and rows, if anything. */
function entriesOf(text: string | undefined): readonly { readonly day?: unknown; readonly rows?: unknown }[] {
  const list: unknown = text === undefined ? undefined : parseJson(text)
  if (!Array.isArray(list)) return refuse('a list of chunks', String(text).slice(0, 100))
  return list.map((entry: unknown) => (typeof entry === 'object' && entry !== null ? entry : {}))
}
