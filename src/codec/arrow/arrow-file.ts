/**
 * A reader of Arrow IPC files for exactly the shape of a shard: flat columns, one uncompressed record batch.
 *
 * Why not apache-arrow's: it trusts the flatbuffers, so that one flipped bit in a vector's length makes it build objects for
 * minutes, and it needs three times as long for a good file. Here every offset is read through a DataView, which throws a
 * RangeError past the end, and every length is bounded before it is looped over.
 * The layout: https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format and format/{Schema,Message,File}.fbs.
 */
import type { TextPlace } from './flat-reader.ts'
import { ArrowFormatError, FlatReader } from './flat-reader.ts'

const MAGIC = 'ARROW1'
/** Magic and two bytes of padding. */
const HEAD_BYTES = 8
/** Continuation and length before each message. */
export const PREFIX_BYTES = 8
/** Length of the footer and the magic. */
const TAIL_BYTES = 10
const MAX_FIELDS = 4096
const MAX_METADATA = 1024
const CONTINUATION = 0xffffffff
const SCHEMA_MESSAGE = 1
const RECORD_BATCH_MESSAGE = 3

const TYPE_INT = 2
const TYPE_FLOAT = 3
const TYPE_UTF8 = 5
const TYPE_BOOL = 6
const TYPE_TIMESTAMP = 10

export interface ArrowField {
  readonly name: string
  /** `int64`, `float64`, `timestamp[us, UTC]`, `bool`, `utf8`; other types by their number in Schema.fbs */
  readonly type: string
  readonly nullable: boolean
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[]
  readonly metadata: ReadonlyMap<string, string>
}

export interface ArrowColumn {
  readonly nulls: number
  /** where the bits lie that say which rows have a value; of no bytes where each has one */
  readonly validity: TextPlace
  /** of texts: where it lies where each begins in the values, and the last one ends, four bytes each */
  readonly offsets?: TextPlace | undefined
  /** offset in the file and length of the values */
  readonly start: number
  readonly sizeBytes: number
}

export interface ArrowFile {
  readonly schema: ArrowSchema
  readonly rows: number
  readonly columns: readonly ArrowColumn[]
}

/**
 * Reads the structure of an Arrow file; the values are not looked at.
 * @param footerOnly a key of the metadata that stands in the footer alone, where it stands at all; default none
 * @throws ArrowFormatError or RangeError (an offset past the end) for whatever is not a whole file of this shape
 */
export function parseArrowFile(bytes: Uint8Array, footerOnly?: string): ArrowFile {
  const reader = new FlatReader(bytes)
  const footer = findFooter(reader)
  const schema = parseSchema(reader, reader.follow(footer, 1))
  // A file says its schema twice; a reader of streams believes the first one.
  const first = parseMessage(reader, HEAD_BYTES, SCHEMA_MESSAGE)
  if (!sameSchema(schema, parseSchema(reader, first.header), footerOnly))
    throw new ArrowFormatError('the schemas of head and footer differ')
  return { schema, ...parseRows(reader, footer, schema.fields.length) }
}

/** An Arrow stream of batches of one schema. */
export interface ArrowStream {
  readonly schema: ArrowSchema
  readonly batches: readonly Omit<ArrowFile, 'schema'>[]
}

/**
 * Reads the structure of an Arrow stream; the values are not looked at.
 * @throws as `parseArrowFile`
 */
export function parseArrowStream(bytes: Uint8Array): ArrowStream {
  const reader = new FlatReader(bytes)
  const endOf = (at: number): number => at + PREFIX_BYTES + reader.uint32(at + 4)
  const schema = parseSchema(reader, parseMessage(reader, 0, SCHEMA_MESSAGE).header)
  const batches: Omit<ArrowFile, 'schema'>[] = []
  // a message of no length ends a stream
  for (let at = endOf(0); at < reader.sizeBytes && reader.uint32(at + 4) > 0;) {
    const { bodyBytes } = parseMessage(reader, at, RECORD_BATCH_MESSAGE)
    if (bodyBytes < 0 || endOf(at) + bodyBytes > reader.sizeBytes) throw new ArrowFormatError('a record batch outside of the stream')
    batches.push(parseRecordBatch(reader, at, endOf(at), bodyBytes, schema.fields.map(buffersOf)))
    at = endOf(at) + bodyBytes
  }
  return { schema, batches }
}

/** Where the values of a file lie, and one text of its metadata. */
export interface LocatedRows extends Omit<ArrowFile, 'schema'> {
  /** undefined: the footer's schema has no such key */
  readonly text: string | undefined
}

/**
 * Where the rows of a file lie, for who proves them by a digest of their own: of the schema only one text of the metadata is read.
 * @param fields how many columns the file has
 * @throws as `parseArrowFile`
 */
export function locateRows(bytes: Uint8Array, fields: number, key: string): LocatedRows {
  const reader = new FlatReader(bytes)
  const footer = findFooter(reader)
  const pair = pairsOf(reader, reader.follow(footer, 1)).find((one) => reader.string(reader.slot(one, 0)) === key)
  return { ...parseRows(reader, footer, fields), text: pair === undefined ? undefined : reader.string(reader.slot(pair, 1)) }
}

/** The one record batch to which a footer points. */
function parseRows(reader: FlatReader, footer: number, fields: number): Omit<ArrowFile, 'schema'> {
  if (reader.vector(footer, 2, 0).length !== 0) throw new ArrowFormatError('dictionaries')
  const blocks = reader.vector(footer, 3, 2)
  if (blocks.length !== 1) throw new ArrowFormatError(`${blocks.length} record batches instead of one`)
  const block = blocks.start
  const offset = reader.int64(block)
  const bodyStart = offset + reader.int32(block + 8)
  const bodyBytes = reader.int64(block + 16)
  if (offset < HEAD_BYTES || bodyStart < offset || bodyBytes < 0 || bodyStart + bodyBytes > footer) {
    throw new ArrowFormatError('a record batch outside of the file')
  }
  return parseRecordBatch(reader, offset, bodyStart, bodyBytes, Array<number>(fields).fill(2))
}

/** How many buffers a column has: which rows have a value, of texts where each begins, the values. */
function buffersOf({ type }: ArrowField): number {
  return type === 'utf8' ? 3 : 2
}

/** The metadata of a file's schema, from its footer or, where the file was cut, from its head; undefined when it is no Arrow file. */
export function peekMetadata(bytes: Uint8Array): ReadonlyMap<string, string> | undefined {
  const reader = new FlatReader(bytes)
  const sources = [() => reader.follow(findFooter(reader), 1), () => parseMessage(reader, HEAD_BYTES, SCHEMA_MESSAGE).header]
  for (const source of sources) {
    try {
      if (reader.ascii(0, MAGIC.length) === MAGIC) return parseMetadata(reader, source())
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof ArrowFormatError)) throw error
    }
  }
  return undefined
}

/**
 * Where the values of a file's schema metadata lie, in the order of their keys: once in the schema at its head, once in that
 * of its footer.
 * @throws ArrowFormatError or RangeError as `parseArrowFile`
 */
export function locateMetadata(bytes: Uint8Array): readonly (readonly TextPlace[])[] {
  const reader = new FlatReader(bytes)
  const schemas = [parseMessage(reader, HEAD_BYTES, SCHEMA_MESSAGE).header, reader.follow(findFooter(reader), 1)]
  return schemas.map((schema) => pairsOf(reader, schema).map((pair) => reader.text(reader.slot(pair, 1))))
}

function findFooter(reader: FlatReader): number {
  const { sizeBytes } = reader
  if (sizeBytes < HEAD_BYTES + TAIL_BYTES) throw new ArrowFormatError(`only ${sizeBytes} bytes`)
  if (reader.ascii(0, MAGIC.length) !== MAGIC) throw new ArrowFormatError('no ARROW1 at the start')
  if (reader.ascii(sizeBytes - MAGIC.length, MAGIC.length) !== MAGIC) throw new ArrowFormatError('no ARROW1 at the end')
  const footerBytes = reader.int32(sizeBytes - TAIL_BYTES)
  const start = sizeBytes - TAIL_BYTES - footerBytes
  if (footerBytes <= 0 || start < HEAD_BYTES) throw new ArrowFormatError(`a footer of ${footerBytes} bytes`)
  return reader.root(start)
}

function parseMessage(reader: FlatReader, offset: number, type: number): { readonly header: number; readonly bodyBytes: number } {
  if (reader.uint32(offset) !== CONTINUATION) throw new ArrowFormatError(`no message at byte ${offset}`)
  const message = reader.root(offset + 8)
  const found = reader.uint8Of(message, 1, 0)
  if (found !== type) throw new ArrowFormatError(`a message of type ${found} instead of ${type}`)
  const bodyLength = reader.slot(message, 3)
  return { header: reader.follow(message, 2), bodyBytes: bodyLength === 0 ? 0 : reader.int64(bodyLength) }
}

function parseRecordBatch(
  reader: FlatReader,
  offset: number,
  bodyStart: number,
  bodyBytes: number,
  buffersOfFields: readonly number[],
): { readonly rows: number; readonly columns: ArrowColumn[] } {
  const message = parseMessage(reader, offset, RECORD_BATCH_MESSAGE)
  if (message.bodyBytes !== bodyBytes) throw new ArrowFormatError('a record batch whose body has two lengths')
  const batch = message.header
  if (reader.slot(batch, 3) !== 0) throw new ArrowFormatError('a compressed record batch')
  // flatbuffers leave out what has its default: a batch without rows does not say how many it has
  const length = reader.slot(batch, 0)
  const rows = length === 0 ? 0 : reader.int64(length)
  const fields = buffersOfFields.length
  const count = buffersOfFields.reduce((sum, own) => sum + own, 0)
  const nodes = reader.vector(batch, 1, fields)
  const buffers = reader.vector(batch, 2, count)
  if (nodes.length !== fields || buffers.length !== count) {
    throw new ArrowFormatError(`${nodes.length} columns in ${buffers.length} buffers instead of ${fields} in ${count}`)
  }
  let next = buffers.start
  const takePlace = (): TextPlace => {
    next += 16
    return placeIn(reader, next - 16, bodyStart, bodyBytes)
  }
  const columns = buffersOfFields.map((own, i): ArrowColumn => {
    const node = nodes.start + 16 * i
    if (reader.int64(node) !== rows) throw new ArrowFormatError(`a column of ${reader.int64(node)} rows among ${rows}`)
    const validity = takePlace()
    const offsets = own === 3 ? takePlace() : undefined
    return { nulls: reader.int64(node + 8), validity, offsets, ...takePlace() }
  })
  return { rows, columns }
}

/** Where a buffer lies in the file. */
function placeIn(reader: FlatReader, buffer: number, bodyStart: number, bodyBytes: number): TextPlace {
  const start = reader.int64(buffer)
  const sizeBytes = reader.int64(buffer + 8)
  if (start < 0 || sizeBytes < 0 || start + sizeBytes > bodyBytes) throw new ArrowFormatError('a column outside of its record batch')
  return { start: bodyStart + start, sizeBytes }
}

function parseSchema(reader: FlatReader, schema: number): ArrowSchema {
  if (reader.uint16Of(schema, 0, 0) !== 0) throw new ArrowFormatError('a big-endian file')
  const vector = reader.vector(schema, 1, MAX_FIELDS)
  const fields: ArrowField[] = []
  for (let i = 0; i < vector.length; i++) {
    const field = reader.indirect(vector.start + 4 * i)
    fields.push({ name: reader.string(reader.slot(field, 0)), type: parseType(reader, field), nullable: reader.uint8Of(field, 1, 0) !== 0 })
  }
  return { fields, metadata: parseMetadata(reader, schema) }
}

function parseMetadata(reader: FlatReader, schema: number): Map<string, string> {
  return new Map(pairsOf(reader, schema).map((pair) => [reader.string(reader.slot(pair, 0)), reader.string(reader.slot(pair, 1))]))
}

/** Positions of the key-value tables of a schema's metadata. */
function pairsOf(reader: FlatReader, schema: number): number[] {
  const vector = reader.vector(schema, 2, MAX_METADATA)
  return Array.from({ length: vector.length }, (_, i) => reader.indirect(vector.start + 4 * i))
}

function parseType(reader: FlatReader, field: number): string {
  const kind = reader.uint8Of(field, 2, 0)
  const type = reader.follow(field, 3)
  if (kind === TYPE_INT) {
    const width = reader.slot(type, 0)
    return `${reader.uint8Of(type, 1, 0) === 0 ? 'u' : ''}int${width === 0 ? 0 : reader.int32(width)}`
  }
  if (kind === TYPE_BOOL) return 'bool'
  if (kind === TYPE_UTF8) return 'utf8'
  if (kind === TYPE_FLOAT) return `float${16 << reader.uint16Of(type, 0, 0)}`
  if (kind === TYPE_TIMESTAMP) {
    const zone = reader.slot(type, 1)
    const unit = ['s', 'ms', 'us', 'ns'][reader.uint16Of(type, 0, 0)] ?? 'unknown'
    return `timestamp[${unit}${zone === 0 ? '' : `, ${reader.string(zone)}`}]`
  }
  return `type ${kind}`
}

function sameSchema(footer: ArrowSchema, head: ArrowSchema, footerOnly: string | undefined): boolean {
  const metadata = [...footer.metadata].filter(([key]) => key !== footerOnly)
  return JSON.stringify([footer.fields, metadata]) === JSON.stringify([head.fields, [...head.metadata]])
}
