import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { sha256Hex } from '../memory/digest.ts'
import { parseArrowFile, PREFIX_BYTES } from '../codec/arrow/arrow-file.ts'
import { decodeShard } from '../codec/shard-file.ts'
import { chunkRange } from '../dataset/chunk.ts'
import { abortError, isCkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import { formerPath, shardPath } from '../lake/layout.ts'
import type { OpenFile, ShardReader } from '../lake/shard-store.ts'
import { isPackedRow, VALUE_BYTES } from '../codec/arrow/chunk-bytes.ts'
import { filePeriod, isPacked } from '../dataset/pack.ts'
import { datasetOf, isStoredAsParquet } from '../dataset/registry.ts'
import type { Series } from '../model/series.ts'
import type { ColumnBlock } from './column-block.ts'
import { bytesOfRows, copyRows } from './column-block.ts'
import type { Read } from './file-reads.ts'
import { FileMemory, joinReads } from './file-reads.ts'
import type { StoredDays, StoredPart } from './packed-columns.ts'
import { readPacked, readPackedDays } from './packed-columns.ts'
import { ProvenFiles } from './proven-files.ts'

/** Reading goes on for this long before other work of the process gets its turn. */
const SLICE_MS = 5
/** The end of an Arrow file, and where its first message begins: magic and two bytes of padding. */
const MAGIC = 'ARROW1'
const FIRST_MESSAGE = 8
/** A year of `1m` bars of 130 symbols, 20 MB of memory; read in turn, one more file than this would have all of them hashed again. */
const PROVEN_FILES = 50_000
/** What this process knows of files, whichever client reads them: a digest is computed once. */
const proven = new ProvenFiles(PROVEN_FILES)

/** Where the columns lie in shards of one size and row count. */
interface Layout {
  /** where the record batch's message begins, and its bytes: they state the place of every column */
  readonly batchAt: number
  readonly batch: Buffer
  /** where the columns begin */
  readonly bodyAt: number
  /** first byte of each column, in the schema's order */
  readonly starts: readonly number[]
  /** where the head names market, symbol, interval and day */
  readonly names: readonly number[]
  /** buffers for head and end, used for one file after the other */
  readonly head: Buffer
  readonly end: Buffer
}

/**
 * Reads columns of stored chunks straight into their places in `target`: no Arrow objects, only the columns asked for, and no byte that is
 * not proven. A file is read whole, and its digest compared with the one that the catalog records, once a process; while it stays what it
 * was, only what is wanted of it is read after that. Head and end are checked each time: chunk, row count, the place of every column.
 *
 * On a disk of this machine calls are synchronous, in slices: a file takes some 20 to 40 µs that way, and some 100 the first time (1m).
 * @returns the parts whose shard is missing, damaged or another one than the catalog says; their rows are undefined
 * @throws CkvdError `CKVD_ABORTED`
 */
export async function readParts(
  shards: ShardReader,
  series: Series,
  parts: readonly StoredPart[],
  target: ColumnBlock,
  signal: AbortSignal,
): Promise<StoredPart[]> {
  const layouts = new Map<string, Layout>()
  const bad: StoredPart[] = []
  const whole = new FileMemory()
  let sliceEndMs = performance.now() + SLICE_MS
  for (const { path, pack, parts: inFile } of filesOf(series, parts)) {
    if (signal.aborted) throw abortError(signal)
    const opening = openPart(shards, path)
    const file = opening instanceof Promise ? await opening : opening
    if (file === undefined) bad.push(...inFile)
    else if (pack) bad.push(...readPacked({ file, series, parts: inFile, target }, whole))
    else if (isStoredAsParquet(series)) {
      const part = inFile[0] as StoredPart
      if (!readEncoded({ file, series, ...part, target }, whole)) bad.push(part)
    } else {
      const part = inFile[0] as StoredPart
      const name = `${part.row.rows}/${String(part.row.shardBytes)}`
      const found = readPart({ file, series, ...part, target }, layouts.get(name), whole)
      if (found === undefined) bad.push(part)
      else layouts.set(name, found)
    }
    if (performance.now() > sliceEndMs) {
      await yieldToOthers()
      sliceEndMs = performance.now() + SLICE_MS
    }
  }
  return bad
}

/** As `readParts`, of days that stand in packs with all of their bars; gives those that are not as the catalog says. */
export async function readDays(
  shards: ShardReader,
  series: Series,
  parts: readonly StoredDays[],
  target: ColumnBlock,
  signal: AbortSignal,
): Promise<StoredDays[]> {
  const bad: StoredDays[] = []
  const memory = new FileMemory()
  let sliceEndMs = performance.now() + SLICE_MS
  for (const part of parts) {
    if (signal.aborted) throw abortError(signal)
    const opening = openPart(shards, shardPath(series, part.whole.first))
    const file = opening instanceof Promise ? await opening : opening
    if (file === undefined || !readPackedDays(file, series, part, target, memory)) bad.push(part)
    if (performance.now() > sliceEndMs) {
      await yieldToOthers()
      sliceEndMs = performance.now() + SLICE_MS
    }
  }
  return bad
}

/** The parts of a file: of a pack those that follow each other, else one. */
interface FileParts {
  readonly path: string
  readonly pack: boolean
  readonly parts: StoredPart[]
}

function filesOf(series: Series, parts: readonly StoredPart[]): FileParts[] {
  const files: FileParts[] = []
  let period = ''
  for (const part of parts) {
    const { day } = part.row
    const pack = isPacked(series) && isPackedRow(part.row, series)
    const own = pack ? filePeriod(day, series) : day
    const last = files.at(-1)
    if (pack && last?.pack === true && period === own) last.parts.push(part)
    else files.push({ path: pack ? shardPath(series, day) : formerPath(series, day), pack, parts: [part] })
    period = own
  }
  return files
}

/** One shard, and where its rows go. */
interface Wanted {
  readonly file: OpenFile
  readonly series: Series
  readonly row: DayRow
  readonly target: ColumnBlock
  readonly offset: number
}

/** The file of a part; undefined when there is none, or it cannot be read: what the caller does then covers both. */
export function openPart(shards: ShardReader, path: string): ReturnType<ShardReader['open']> {
  try {
    const opening = shards.open(path)
    return opening instanceof Promise ? opening.catch(passUnreadable) : opening
  } catch (error) {
    return passUnreadable(error)
  }
}

/** What is not as it should be, or cannot be read, is a bad part. */
export function passUnreadable(error: unknown): undefined {
  if (!isCkvdError(error, 'CKVD_SHARD_FORMAT', 'CKVD_LAKE_IO')) throw error
}

/** Reads a shard; gives its layout, undefined when it is not the one that the catalog records. */
function readPart(wanted: Wanted, layout: Layout | undefined, whole: FileMemory): Layout | undefined {
  const { file, row } = wanted
  const { shardSha256, shardBytes } = row
  try {
    if (shardSha256 === null || file.sizeBytes !== shardBytes) return undefined
    const version = file.version()
    if (layout !== undefined && proven.has(file.place, version, shardSha256) && readDirectly(wanted, layout)) return layout
    const bytes = whole.take(shardBytes)
    if (!file.read(0, [bytes]) || sha256Hex(bytes) !== shardSha256) return undefined
    proven.add(file.place, version, shardSha256)
    if (layout !== undefined && copyDirectly(bytes, wanted, layout)) return layout
    return copyDecoded(bytes, wanted) ? layoutOf(bytes, namesOf(wanted.series, row)) : undefined
  } catch (error) {
    return passUnreadable(error)
  } finally {
    file.close()
  }
}

/** Reads a shard whose columns do not lie in it as they are, whole each time; false when it is not the one that the catalog records. */
function readEncoded(wanted: Wanted, whole: FileMemory): boolean {
  const { file, row } = wanted
  try {
    if (row.shardSha256 === null || file.sizeBytes !== row.shardBytes) return false
    const bytes = whole.take(row.shardBytes)
    return file.read(0, [bytes]) && sha256Hex(bytes) === row.shardSha256 && copyDecoded(bytes, wanted)
  } catch (error) {
    passUnreadable(error)
    return false
  } finally {
    file.close()
  }
}

/** Takes the columns of a proven file, and checks it whole; false when it is another chunk's. */
function copyDecoded(bytes: Buffer, { series, row, target, offset }: Wanted): boolean {
  const { columns, meta } = decodeShard(bytes, true)
  if (!isSameChunk(series, row, meta) || meta.rows !== row.rows) return false
  copyRows(columns, target, offset)
  return true
}

/** Takes the columns of a proven file whose layout is that of an earlier one; false when it is not. */
function copyDirectly(bytes: Buffer, wanted: Wanted, layout: Layout): boolean {
  const { series, target, offset, row } = wanted
  bytes.copy(layout.head, 0, 0, layout.bodyAt)
  bytes.copy(layout.end, 0, bytes.length - layout.end.length)
  if (!isWhole(wanted, layout)) return false
  datasetOf(series).columns.forEach(({ key }, i) => {
    const values = target[key]
    const start = layout.starts[i] as number
    if (values !== undefined) bytes.copy(bytesOfRows(values, offset, row.rows), 0, start, start + row.rows * VALUE_BYTES)
  })
  return opensInChunk(wanted)
}

export function isSameChunk(
  series: Series,
  row: DayRow,
  found: { market: string; symbol: string; interval: string; day: string },
): boolean {
  return found.market === series.market && found.symbol === series.symbol && found.interval === series.interval && found.day === row.day
}

function layoutOf(bytes: Buffer, names: readonly Buffer[]): Layout {
  const batchAt = messageEnd(bytes, FIRST_MESSAGE)
  const bodyAt = messageEnd(bytes, batchAt)
  return {
    batchAt,
    batch: Buffer.from(bytes.subarray(batchAt, bodyAt)),
    bodyAt,
    starts: parseArrowFile(bytes).columns.map(({ start }) => start),
    names: names.map((name) => bytes.indexOf(name)),
    head: Buffer.alloc(bodyAt),
    end: Buffer.alloc(MAGIC.length),
  }
}

/** What names a shard's chunk in its metadata, as flatbuffers write a text: its length, then its bytes. */
function namesOf(series: Series, row: DayRow): Buffer[] {
  return [series.market, series.symbol, series.interval, row.day].map((text) => {
    const bytes = Buffer.from(text)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    return Buffer.concat([length, bytes])
  })
}

/** Where the message that begins at `at` ends: four bytes of continuation, four of length, then so many bytes. */
function messageEnd(bytes: Buffer, at: number): number {
  return at + PREFIX_BYTES + bytes.readInt32LE(at + 4)
}

/** Reads the wanted parts of a proven file whose layout is that of an earlier one; false when it is not. */
function readDirectly(wanted: Wanted, layout: Layout): boolean {
  for (const { at, buffers } of planPart(wanted, layout)) if (!wanted.file.read(at, buffers)) return false
  return isWhole(wanted, layout) && opensInChunk(wanted)
}

/** True when head and end of a file, as they lie in the layout's buffers, are those of the chunk. */
function isWhole({ series, row }: Wanted, layout: Layout): boolean {
  return layout.end.toString('latin1') === MAGIC && isSameHead(series, row, layout)
}

/** The reads for the parts that are wanted of a file. */
function planPart({ series, row, target, offset }: Wanted, { starts, head, end }: Layout): Read[] {
  const wanted = [{ at: 0, into: head as Uint8Array }]
  datasetOf(series).columns.forEach(({ key }, i) => {
    const values = target[key]
    if (values !== undefined) wanted.push({ at: starts[i] as number, into: bytesOfRows(values, offset, row.rows) })
  })
  wanted.push({ at: (row.shardBytes as number) - end.length, into: end })
  return joinReads(wanted)
}

/** The record batch states rows and places, so only the names can differ from the shard that the layout was read from. */
function isSameHead(series: Series, row: DayRow, { batchAt, batch, names, head }: Layout): boolean {
  if (head.compare(batch, 0, batch.length, batchAt) !== 0) return false
  return namesOf(series, row).every((name, i) => {
    const at = names[i] ?? -1
    return at >= 0 && head.compare(name, 0, name.length, at, at + name.length) === 0
  })
}

function opensInChunk({ series, row, target: { openTime }, offset }: Wanted): boolean {
  const { startUs, endUs } = chunkRange(row.day, series)
  return Number(openTime[offset]) >= startUs && Number(openTime[offset + row.rows - 1]) < endUs
}
