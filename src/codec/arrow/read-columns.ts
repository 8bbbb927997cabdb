import type { Dataset } from '../../dataset/dataset.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns, Values } from '../../model/columns.ts'
import { isPlainText } from '../../model/columns.ts'
import type { ArrowColumn, ArrowFile } from './arrow-file.ts'
import { validityOf } from './validity.ts'

/** A text that is longer is none of ours. */
const LONGEST_TEXT = 65

/**
 * The columns of a batch whose schema was checked, as views where these are aligned to 8.
 * @param hasBlanks what stands where there is no value is nothing of ours, as in what was read from Parquet; default: NaN, as we write it
 * @throws CKVD_SHARD_FORMAT
 */
export function readColumns(bytes: Uint8Array, { rows, columns }: Omit<ArrowFile, 'schema'>, dataset: Dataset, hasBlanks = false): Columns {
  const entries = dataset.columns.map(({ key, name, type, nullable, words }, index): [string, Values] => {
    const { nulls, validity, offsets, start, sizeBytes } = columns[index] as ArrowColumn // checkSchema counted them
    if (type === 'word' || type === 'text') {
      const texts = textsIn(bytes, { nulls, offsets, start, sizeBytes }, { rows, name })
      return [key, type === 'word' ? placesOf(texts, words, name) : checkTexts(texts, name)]
    }
    const leastBytes = type === 'bool' ? Math.ceil(rows / 8) : rows * 8
    if ((nulls !== 0 && nullable !== true) || sizeBytes < leastBytes)
      refuse(`${rows} values in column ${name}`, `${nulls} nulls and ${sizeBytes} bytes`)
    if (type === 'bool') return [key, flagsOf(bytes.subarray(start, start + leastBytes), rows)]
    const at = bytes.byteOffset + start
    const aligned = at % 8 === 0
    const buffer = aligned ? bytes.buffer : bytes.slice(start, start + rows * 8).buffer
    const offset = aligned ? at : 0
    if (type !== 'float64') return [key, new BigInt64Array(buffer, offset, rows)]
    const values = new Float64Array(buffer, offset, rows)
    if (nullable !== true) return [key, values]
    const bits = bytes.subarray(validity.start, validity.start + validity.sizeBytes)
    const own = hasBlanks && nulls > 0 ? values.map((value, row) => (((bits[row >> 3] ?? 0) >> (row & 7)) & 1 ? value : NaN)) : values
    checkNulls(own, name, nulls, bits)
    return [key, own]
  })
  return Object.fromEntries(entries) as Columns
}

/** A byte a flag of bits, the lowest first. */
function flagsOf(bits: Uint8Array, rows: number): Uint8Array {
  return Uint8Array.from({ length: rows }, (_none, row) => ((bits[row >> 3] ?? 0) >> (row & 7)) & 1)
}

/** The texts of a column; of one that lies where none can, nothing. */
function textsIn(
  bytes: Uint8Array,
  { nulls, offsets, start, sizeBytes }: Omit<ArrowColumn, 'validity'>,
  { rows, name }: { readonly rows: number; readonly name: string },
): string[] {
  if (nulls !== 0 || offsets === undefined || offsets.sizeBytes < 4 * (rows + 1))
    refuse(`${rows} texts in column ${name}`, `${nulls} nulls and ${offsets?.sizeBytes ?? 0} bytes of offsets`)
  const view = new DataView(bytes.buffer, bytes.byteOffset + offsets.start, 4 * (rows + 1))
  return Array.from({ length: rows }, (_none, row) => {
    const [from, to] = [view.getInt32(4 * row, true), view.getInt32(4 * row + 4, true)]
    return 0 <= from && from <= to && to <= sizeBytes ? latin1Of(bytes.subarray(start + from, start + to)) : ''
  })
}

/** The places of texts in the list of their column. */
function placesOf(texts: readonly string[], words: readonly string[] = [], name: string): Uint8Array {
  const places = new Map(words.map((word, place) => [word, place]))
  return Uint8Array.from(
    texts,
    (text, row) => places.get(text) ?? refuse(`one of ${words.join(', ')} in column ${name}`, `another text in row ${row}`),
  )
}

function checkTexts(texts: readonly string[], name: string): readonly string[] {
  const row = texts.findIndex((text) => !isPlainText(text))
  return row < 0 ? texts : refuse(`names of 1 to 64 printable characters in column ${name}`, `another text in row ${row}`)
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LONGEST_TEXT)).toString('latin1')
}

/** What a file says is null is what has no value in it. */
function checkNulls(values: Float64Array, name: string, nulls: number, bits: Uint8Array): void {
  const { nullCount, nullBitmap } = validityOf(values)
  if (nullCount !== nulls) refuse(`${nullCount} nulls in column ${name}, as its values say`, `${nulls}`)
  const row = nullBitmap?.findIndex((byte, i) => byte !== bits[i]) ?? -1
  if (row >= 0) refuse(`nulls in column ${name} where it has no value`, `others from row ${row * 8} on`)
}

/** Throws CKVD_SHARD_FORMAT. */
export function refuse(expected: string, found: string, cause?: unknown): never {
  throw new CkvdError('CKVD_SHARD_FORMAT', `Expected a shard with ${expected}, found ${found}`, { details: { expected, found }, cause })
}
