import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import { columnOf, isByte, numbersOf } from '../../model/columns.ts'
import { encodeArrowShard, encodeRows } from './arrow-writer.ts'
import { locateMetadata, parseArrowFile } from './arrow-file.ts'
import type { BufferPool } from '../../memory/buffer-pool.ts'
import { digestColumns } from './columns-digest.ts'
import { copyBytes } from '../../memory/copy-bytes.ts'
import type { ShardMeta } from './shard-meta.ts'
import { encodeMeta } from './shard-meta.ts'

/** Shapes kept: a run has few, since rows and lengths hardly vary within a series. A template has some eight kilobytes. */
const MAX_TEMPLATES = 256

/** A file without its rows. */
interface Template {
  readonly sizeBytes: number
  /** the bytes before the first column and after the last one, and zeros between columns */
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly tailStart: number
  /** offsets of the columns */
  readonly columnStarts: readonly number[]
  /** for each value of the metadata, where it stands: once in the footer, and once in the schema at the head, where that has it */
  readonly values: readonly (readonly number[])[]
}

/**
 * Encodes files of rows as `encodeRows` does, byte for byte, in a few microseconds. Two files of one data set and as many rows, whose
 * metadata values are as long, differ in nothing but the rows and these values: all else is a copy of what the library wrote once.
 */
export class FileEncoder {
  readonly #templates = new Map<string, Template>()

  /**
   * See `encodeRows`.
   * @param o.footerOnly a key of the metadata that stands in the footer alone; default none
   * @param o.buffers memory for the file; default: its own
   */
  encode(
    columns: Columns,
    metadata: ReadonlyMap<string, string>,
    dataset: Dataset,
    { footerOnly, buffers }: { readonly footerOnly?: string | undefined; readonly buffers?: BufferPool | undefined } = {},
  ): Uint8Array {
    // which rows have a value differs from file to file, and flags are bits there
    if (dataset.columns.some(({ nullable, type }) => nullable === true || type === 'text' || isByte(type)))
      return pooled(encodeRows(columns, metadata, dataset, footerOnly), buffers)
    const values = [...metadata.values()]
    const lengths = values.map((value) => Buffer.byteLength(value)).join(' ')
    const shape = `${dataset.name} ${columns.openTime.length} ${[...metadata.keys()].join(' ')} ${lengths} ${footerOnly ?? ''}`
    const template = this.#templates.get(shape)
    if (template !== undefined) return fillTemplate(template, columns, dataset.columns, values, buffers)
    const bytes = encodeRows(columns, metadata, dataset, footerOnly)
    if (this.#templates.size === MAX_TEMPLATES) this.#templates.clear()
    this.#templates.set(shape, cutTemplate(bytes, [...metadata.keys()], footerOnly))
    return pooled(bytes, buffers)
  }
}

/** A file in memory of a pool, where there is one. */
function pooled(bytes: Uint8Array, buffers: BufferPool | undefined): Uint8Array {
  if (buffers === undefined) return bytes
  const file = buffers.take(bytes.length)
  copyBytes(file, 0, bytes)
  return file
}

/** Encodes shards as `encodeArrowShard` does, byte for byte, in a few microseconds. */
export class ShardEncoder {
  readonly #files = new FileEncoder()

  /**
   * See `encodeArrowShard`.
   * @param buffers memory for the shard; default: its own
   */
  encode(columns: Columns, meta: ShardMeta, buffers?: BufferPool): Uint8Array {
    // where the metadata contradicts the rows, the library's way refuses it
    if (columns.openTime.length !== meta.rows) return encodeArrowShard(columns, meta)
    const dataset = datasetOf(meta)
    return this.#files.encode(columns, encodeMeta(meta, digestColumns(columns, dataset.columns)), dataset, { buffers })
  }
}

function cutTemplate(bytes: Uint8Array, keys: readonly string[], footerOnly: string | undefined): Template {
  const { columns } = parseArrowFile(bytes, footerOnly)
  const [first, last] = [columns[0], columns.at(-1)]
  const headEnd = first?.start ?? bytes.length
  const tailStart = last === undefined ? bytes.length : last.start + last.sizeBytes
  const [inHead = [], inFooter = []] = locateMetadata(bytes)
  const headKeys = keys.filter((key) => key !== footerOnly)
  return {
    sizeBytes: bytes.length,
    head: bytes.slice(0, headEnd),
    tail: bytes.slice(tailStart),
    tailStart,
    columnStarts: columns.map(({ start }) => start),
    values: keys.map((key, i) => [inHead[headKeys.indexOf(key)], inFooter[i]].flatMap((place) => place?.start ?? [])),
  }
}

function fillTemplate(
  template: Template,
  columns: Columns,
  described: readonly DatasetColumn[],
  values: readonly string[],
  buffers: BufferPool | undefined,
): Uint8Array {
  const { sizeBytes, head, tail, tailStart, columnStarts } = template
  // not zeroed: each byte is written below
  const bytes = buffers?.take(sizeBytes) ?? new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
  const shard = Buffer.from(bytes.buffer, bytes.byteOffset, sizeBytes)
  copyBytes(shard, 0, head)
  let written = head.length
  described.forEach(({ key }, i) => {
    const { buffer, byteOffset, byteLength } = numbersOf(columnOf(columns, key))
    const start = columnStarts[i] ?? written
    if (start > written) shard.fill(0, written, start)
    copyBytes(shard, start, new Uint8Array(buffer, byteOffset, byteLength))
    written = start + byteLength
  })
  if (tailStart > written) shard.fill(0, written, tailStart)
  copyBytes(shard, tailStart, tail)
  values.forEach((value, i) => {
    for (const start of template.values[i] ?? []) shard.write(value, start)
  })
  return bytes
}
