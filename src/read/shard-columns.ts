import { closeSync, openSync, readSync, readvSync } from 'node:fs'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { parseArrowFile, peekMetadata } from '../codec/arrow-file.ts'
import { decodeShard } from '../codec/arrow.ts'
import { abortError, CkvdError, isCkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog-rows.ts'
import { joinLake, shardPath } from '../lake/layout.ts'
import { readShard } from '../lake/shards.ts'
import type { KlineColumn } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange, seriesLabel } from '../model/series.ts'
import type { ColumnBlock } from './column-block.ts'
import { copyRows } from './column-block.ts'

/** A stored chunk and where its rows go in the block. */
export interface StoredPart {
  readonly row: DayRow
  readonly offset: number
}

/** Reading goes on for this long before other work of the process gets its turn. */
const SLICE_MS = 5
const MAGIC_BYTES = 6
/** Bytes before a file's first message: magic and padding; then four bytes of continuation and four of length for each message. */
const HEAD_BYTES = 8
const PREFIX_BYTES = 8

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
    if (layout === undefined || !readDirectly(root, series, row, layout, target, offset)) {
      const found = await readWhole(root, series, row, target, offset)
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

/** Reads and checks a whole shard; undefined when it is not the one that the catalog records. */
async function readWhole(root: string, series: Series, row: DayRow, target: ColumnBlock, offset: number): Promise<Layout | undefined> {
  try {
    const { columns } = await readShard(root, series, row.day, row)
    if (columns.openTime.length !== row.rows) return undefined
    copyRows(columns, target, offset)
    return layoutOf(new Uint8Array(columns.openTime.buffer, 0, columns.openTime.buffer.byteLength), columns.openTime.byteOffset)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_MISSING', 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT', 'CKVD_LAKE_IO')) return undefined
    throw error
  }
}
