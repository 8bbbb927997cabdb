import { CkvdError } from '../errors.ts'
import { toDoubles } from '../memory/int64.ts'

/** What a column holds: microseconds since the epoch, UTC; doubles; integers of 64 bits; flags; words of a list; names that no list has. */
export type ColumnType = 'timestamp' | 'float64' | 'int64' | 'bool' | 'word' | 'text'

/** Values that lie side by side in memory; flags are 0 and 1, words their places in their list, a byte each. */
export type NumberValues = Float64Array | BigInt64Array | Uint8Array

/** Values of one column; of `text` an array of texts. */
export type Values = NumberValues | readonly string[]

/** A value of a row as it is read: a text of `text`, of all others a number. */
export type CellValue = number | string

/**
 * Rows as columns of one length, whatever the data set. `openTime`, microseconds since the epoch, UTC, is the time of each row, by which
 * rows are in ascending order unless a function says otherwise.
 */
export interface Columns {
  readonly openTime: BigInt64Array
  readonly [key: string]: Values
}

/** The values of a column that rows of their data set have. */
export function columnOf(columns: Columns, key: string): Values {
  const values = columns[key]
  if (values === undefined) throw new CkvdError('CKVD_BUG', `Expected rows with a column ${key}, found none`)
  return values
}

/** Columns with the same keys, their values made of those that are given. */
function mapColumns<T extends Columns>(columns: T, make: (values: Values) => Values): T {
  const made: Record<string, Values> = {}
  for (const key in columns) made[key] = make(columns[key] as Values)
  return made as T
}

/** What a `text` may be: printable, without blank, quote or comma, so that it stands in a CSV as it is. */
const PLAIN_TEXT = /^[!#-+\--~]{1,64}$/

export function isPlainText(text: string): boolean {
  return PLAIN_TEXT.test(text)
}

/** `length` values of a column, all zero; of texts all empty. */
export function createValues(type: ColumnType, length: number): Values {
  if (type === 'text') return new Array<string>(length).fill('')
  if (type === 'float64') return new Float64Array(length)
  return isByte(type) ? new Uint8Array(length) : new BigInt64Array(length)
}

/** True for what a byte holds. */
export function isByte(type: ColumnType): type is 'bool' | 'word' {
  return type === 'bool' || type === 'word'
}

/** True for the values of a `text`. */
export function isTexts(values: Values): values is readonly string[] {
  return Array.isArray(values)
}

/** Values that lie side by side in memory. Throws CKVD_BUG for texts. */
export function numbersOf(values: Values): NumberValues {
  if (isTexts(values)) throw new CkvdError('CKVD_BUG', 'Expected values of one size, found texts')
  return values
}

function createLike(values: Values, length: number): Values {
  if (isTexts(values)) return createValues('text', length)
  if (values instanceof Float64Array) return new Float64Array(length)
  return values instanceof BigInt64Array ? new BigInt64Array(length) : new Uint8Array(length)
}

/** Copies all of `source`, values of the same column, to a place in `target`. */
export function putValues(target: Values, source: Values, at: number): void {
  if (!isTexts(target)) return (target as Float64Array).set(source as Float64Array, at)
  const texts = target as string[]
  ;(source as readonly string[]).forEach((text, i) => {
    texts[at + i] = text
  })
}

/** The values of a column as doubles: of numbers that are doubles the same array. */
export function doublesOf(values: NumberValues): Float64Array {
  if (values instanceof Float64Array) return values
  return values instanceof BigInt64Array ? toDoubles(values) : Float64Array.from(values)
}

/** Rows [start, end) as views: nothing is copied but texts. */
export function sliceColumns<T extends Columns>(columns: T, start: number, end: number): T {
  return mapColumns(columns, (values) => (isTexts(values) ? values.slice(start, end) : values.subarray(start, end)))
}

/** The rows of `source` at `rows`, in that order, as new columns. */
export function pickRows<T extends Columns>(source: T, rows: ArrayLike<number>): T {
  return mapColumns(source, (values) => {
    const picked = createLike(values, rows.length) as Float64Array
    for (let i = 0; i < rows.length; i++) picked[i] = values[rows[i] as number] as never
    return picked
  })
}

/** True when two rows agree in every column, bit for bit. */
export function sameRow(a: Columns, i: number, b: Columns, j: number): boolean {
  for (const key in a) if (!Object.is(a[key]?.[i], b[key]?.[j])) return false
  return true
}

/**
 * True when two rows are the same as two sources may tell it: by value, and but for the columns in `loose`, which two sources may tell
 * differently. Two values that are not there (NaN) are the same.
 */
export function sameAsTold(a: Columns, i: number, b: Columns, j: number, loose: readonly string[]): boolean {
  for (const key in a) {
    const [one, other] = [a[key]?.[i], b[key]?.[j]]
    if (one !== other && !loose.includes(key) && !Object.is(one, other)) return false
  }
  return true
}

/** Rows in the order of their times; of those with the same one, the first. */
export function inTimeOrder<T extends Columns>(columns: T): T {
  const { openTime } = columns
  const order = Uint32Array.from(openTime.keys()).sort((a, b) => Number(openTime[a]) - Number(openTime[b]) || a - b)
  return pickRows(
    columns,
    order.filter((row, i) => i === 0 || openTime[row] !== openTime[order[i - 1] ?? -1]),
  )
}

/** Several sets of columns of one data set, one after the other; `none` where there is no set. */
export function joinColumns<T extends Columns>(parts: readonly T[], none: T): T {
  const [first] = parts
  if (first === undefined) return none
  const length = parts.reduce((sum, part) => sum + part.openTime.length, 0)
  const entries = Object.entries<Values>(first).map(([key, values]) => {
    const joined = createLike(values, length)
    let offset = 0
    for (const part of parts) {
      putValues(joined, columnOf(part, key), offset)
      offset += part.openTime.length
    }
    return [key, joined]
  })
  return Object.fromEntries(entries) as T
}
