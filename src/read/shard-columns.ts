import { closeSync, openSync, readFileSync, readvSync } from 'node:fs'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { sha256Hex } from '../codec/archive.ts'
import { parseArrowFile, peekMetadata } from '../codec/arrow-file.ts'
import { decodeShard } from '../codec/arrow.ts'
import { abortError, isCkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog-rows.ts'
import { joinLake, shardPath } from '../lake/layout.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { ColumnBlock } from './column-block.ts'
import { copyRows } from './column-block.ts'

/** A stored chunk and where its rows go in the block. */
export interface StoredPart {
  readonly row: DayRow
  readonly offset: number
}

/** Reading goes on for this long before other work of the process gets its turn. */
const SLICE_MS = 5
/** The end of an Arrow file, and where its first message begins: magic and two bytes of padding. */
const MAGIC = 'ARROW1'
const FIRST_MESSAGE = 8
/** Continuation and length before each message. */
const PREFIX_BYTES = 8
/** Bytes that are read and thrown away to save a read. */
const BRIDGED_BYTES = 4096

/** Where the columns lie in shards of one size and row count. */
interface Layout {
  /** where the record batch's message begins, and its bytes: they state the place of every column */
  readonly batchAt: number
  readonly batch: Buffer
  /** where the columns begin */
  readonly bodyAt: number
  /** first byte of each column, in the schema's order */
  readonly starts: readonly number[]
}

/**
 * Reads columns of stored chunks straight into their places in `target`: no Arrow objects, no copies, only the columns asked for. Of each
 * file head and end are checked (size, chunk, row count, the place of every column, magic at the end) and that its first and last rows lie
 * in the chunk; its digest is `verify`'s business. A file whose layout is new is read and checked whole.
 *
 * Calls are synchronous, in slices: a file takes some 20 to 40 µs that way, less than handing it to a thread and waiting for that.
 * @returns the parts whose shard is missing, damaged or another one than the catalog says; their rows are undefined
 * @throws CkvdError `CKVD_ABORTED`
 */
export async function readParts(root: string, series: Series, parts: readonly StoredPart[], target: ColumnBlock, signal: AbortSignal): Promise<StoredPart[]> {
  const layouts = new Map<string, Layout>()
  const bad: StoredPart[] = []
  let sliceEndMs = performance.now() + SLICE_MS
  for (const part of parts) {
    if (signal.aborted) throw abortError(signal)
    const { row, offset } = part
    const name = `${row.rows}/${String(row.shardBytes)}`
    const layout = layouts.get(name)
    const path = joinLake(root, shardPath(series, row.day))
    if (layout === undefined || !readDirectly(path, series, row, layout, target, offset)) {
      const found = readWhole(path, series, row, target, offset)
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

/** Reads and checks a whole shard, digest included; undefined when it is not the one that the catalog records. */
function readWhole(path: string, series: Series, row: DayRow, target: ColumnBlock, offset: number): Layout | undefined {
  try {
    const bytes = readFileSync(path)
    if (bytes.length !== row.shardBytes || sha256Hex(bytes) !== row.shardSha256) return undefined
    const { columns, meta } = decodeShard(bytes)
    if (!isSameChunk(series, row, meta) || meta.rows !== row.rows) return undefined
    copyRows(columns, target, offset)
    return layoutOf(bytes)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_FORMAT') || isFileError(error)) return undefined
    throw error
  }
}

function isSameChunk(series: Series, row: DayRow, found: { market: string; symbol: string; interval: string; day: string }): boolean {
  return found.market === series.market && found.symbol === series.symbol && found.interval === series.interval && found.day === row.day
}

/** An error of the operating system: the file is not there or cannot be read. What the caller does then covers both. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

function layoutOf(bytes: Buffer): Layout {
  const batchAt = messageEnd(bytes, FIRST_MESSAGE)
  const bodyAt = messageEnd(bytes, batchAt)
  return { batchAt, batch: bytes.subarray(batchAt, bodyAt), bodyAt, starts: parseArrowFile(bytes).columns.map(({ start }) => start) }
}

/** Where the message that begins at `at` ends: four bytes of continuation, four of length, then so many bytes. */
function messageEnd(bytes: Buffer, at: number): number {
  return at + PREFIX_BYTES + bytes.readInt32LE(at + 4)
}

/** Reads a shard whose layout is that of an earlier one; false when it is not, or when its rows are not of the chunk. */
function readDirectly(path: string, series: Series, row: DayRow, layout: Layout, target: ColumnBlock, offset: number): boolean {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (isFileError(error)) return false
    throw error
  }
  try {
    const head = Buffer.allocUnsafe(layout.bodyAt)
    const end = Buffer.allocUnsafe(MAGIC.length)
    for (const { at, buffers, sizeBytes } of planReads(row, layout, target, offset, head, end)) {
      if (readvSync(file, buffers, at) !== sizeBytes) return false
    }
    return end.toString('latin1') === MAGIC && isSameHead(head, series, row, layout) && opensInChunk(series, row, target, offset)
  } catch (error) {
    if (isFileError(error)) return false
    throw error
  } finally {
    closeSync(file)
  }
}

interface Read {
  readonly at: number
  readonly buffers: Uint8Array[]
  readonly sizeBytes: number
}

/** Few reads for the parts that are wanted of a file: parts with little between them are read as one, into the places where they belong. */
function planReads(row: DayRow, layout: Layout, target: ColumnBlock, offset: number, head: Buffer, end: Buffer): Read[] {
  const wanted: { at: number; into: Uint8Array }[] = [{ at: 0, into: head }]
  KLINE_COLUMNS.forEach(({ key }, i) => {
    const values = target[key]
    if (values !== undefined) wanted.push({ at: layout.starts[i] as number, into: new Uint8Array(values.buffer, values.byteOffset + offset * 8, row.rows * 8) })
  })
  wanted.push({ at: (row.shardBytes as number) - end.length, into: end })
  const reads: { at: number; buffers: Uint8Array[]; sizeBytes: number }[] = []
  for (const { at, into } of wanted) {
    const last = reads.at(-1)
    const between = last === undefined ? Infinity : at - last.at - last.sizeBytes
    if (last === undefined || between > BRIDGED_BYTES || between < 0) {
      reads.push({ at, buffers: [into], sizeBytes: into.length })
      continue
    }
    if (between > 0) last.buffers.push(Buffer.allocUnsafe(between))
    last.buffers.push(into)
    last.sizeBytes += between + into.length
  }
  return reads
}

function isSameHead(head: Buffer, series: Series, row: DayRow, { batchAt, batch }: Layout): boolean {
  if (head.compare(batch, 0, batch.length, batchAt) !== 0) return false
  const metadata = peekMetadata(head)
  if (metadata?.get('ckvd.rows') !== String(row.rows)) return false
  const [market = '', symbol = '', interval = '', day = ''] = ['market', 'symbol', 'interval', 'day'].map((name) => metadata.get(`ckvd.${name}`))
  return isSameChunk(series, row, { market, symbol, interval, day })
}

function opensInChunk(series: Series, row: DayRow, { openTime }: ColumnBlock, offset: number): boolean {
  const { startUs, endUs } = chunkRange(row.day, series.interval)
  return Number(openTime[offset]) >= startUs && Number(openTime[offset + row.rows - 1]) < endUs
}
