import type { Data, DataType, RecordBatch, Table } from 'apache-arrow'
import { Field, Int32, util } from 'apache-arrow'
import { unknownOption } from '../../config/option-names.ts'
import { arrowType } from '../codec/arrow/arrow-writer.ts'
import { CkvdError } from '../errors.ts'
import type { Interval as IntervalName } from '../model/interval.ts'
import { INTERVALS, parseInterval } from '../model/interval.ts'
import type { KlineColumn, KlineColumns } from '../model/kline.ts'
import { pickRows } from '../model/columns.ts'
import { createColumns, KLINE_COLUMNS } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import { concatResampled, filterResampled, isComplete, Resampler } from '../model/resample.ts'
import type { ColumnArrays, ColumnResult } from './client.ts'
import type { Interval } from '../question/names.ts'
import { DISPUTED_KEY, makeColumn, tableOf } from './table.ts'

/** What `resample` takes. */
export interface ResampleTableOptions {
  /** length of the bars to make */
  readonly to: Interval | '1mo'
  /** length of the bars given; default: what a table of this package says of itself (`ckvd.interval`) */
  readonly from?: Interval | '1mo' | undefined
  /** also bars in which smaller ones are missing, and the columns `bars` and `expected_bars` to tell them by; default false */
  readonly includeIncomplete?: boolean | undefined
}

/** A larger bar in which smaller ones are missing. */
export interface IncompleteBar {
  /** microseconds */
  readonly open_time: number
  /** smaller slots that have a bar */
  readonly bars: number
  /** smaller slots of the larger bar */
  readonly expected: number
}

/** Larger bars as typed arrays. */
export interface ResampledColumns<Name extends keyof ColumnArrays = keyof ColumnArrays> {
  /** length of every array */
  readonly rows: number
  /** by name: times in microseconds */
  readonly columns: Pick<ColumnArrays, Name>
  /** with `includeIncomplete`: smaller slots that have a bar, of each row */
  readonly bars?: Int32Array
  /** with `includeIncomplete`: smaller slots that there are, of each row */
  readonly expectedBars?: Int32Array
  /** bars in which smaller ones are missing; they are rows only with `includeIncomplete` */
  readonly incomplete: readonly IncompleteBar[]
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof ResampleTableOptions>(['to', 'from', 'includeIncomplete'])

interface Checked {
  readonly from: IntervalName
  readonly to: IntervalName
  readonly includeIncomplete: boolean
}

/** Throws CKVD_USAGE for what is neither an Arrow Table nor has columns. */
export function checkBars(given: unknown): void {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  if (isObject(given) && (isObject(given['columns']) || (isObject(given['schema']) && isObject(given['batches'])))) return
  throw refuse('Expected an Arrow Table, or what `getColumns` gives, got neither.')
}

/** See `resample` in `index.ts`. */
export function resampleTable(table: Table, options: ResampleTableOptions): Table {
  const { metadata } = table.schema
  const checked = checkOptions(options, metadata.get('ckvd.interval'))
  const present = KLINE_COLUMNS.filter(({ name }) => table.schema.fields.some((field) => field.name === name))
  checkPresent(present.map(({ name }) => name))
  const resampler = new Resampler(checked)
  const parts = table.batches.map((batch) => resampler.push(columnsOfBatch(batch, present)))
  const { kept, incomplete } = split(concatResampled([...parts, resampler.finish()]), checked)
  const length = kept.bars.length
  const fields = present.map(({ name, type }) => new Field(name, arrowType(type), false))
  const children = present.map(({ key, type }) => makeColumn(arrowType(type), length, kept.columns[key], undefined))
  if (checked.includeIncomplete) {
    for (const [name, values] of [['bars', kept.bars] as const, ['expected_bars', kept.expected] as const]) {
      fields.push(new Field(name, new Int32(), false))
      children.push(makeColumn(new Int32(), length, values, undefined))
    }
  }
  const names = ['ckvd.market', 'ckvd.symbol', DISPUTED_KEY].flatMap((key): [string, string][] => {
    const value = metadata.get(key)
    return value === undefined ? [] : [[key, value]]
  })
  const own: [string, string][] = [
    ['ckvd.interval', checked.to],
    ['ckvd.resampled_from', checked.from],
    ['ckvd.incomplete', JSON.stringify(incomplete)],
  ]
  return tableOf(fields, children, length, new Map([...names, ...own]))
}

/** See `resample` in `index.ts`. */
export function resampleArrays<Name extends keyof ColumnArrays>(
  given: Pick<ColumnResult<Name>, 'columns'>,
  options: ResampleTableOptions,
): ResampledColumns<Name> {
  const checked = checkOptions(options, undefined)
  const arrays = given.columns as Partial<ColumnArrays>
  const present = KLINE_COLUMNS.filter(({ name }) => arrays[name as keyof ColumnArrays] !== undefined)
  checkPresent(present.map(({ name }) => name))
  const rows = arrays.open_time?.length ?? 0
  const columns = withZeros(rows, present, (name) => arrays[name as keyof ColumnArrays])
  const resampler = new Resampler(checked)
  const { kept, incomplete } = split(concatResampled([resampler.push(columns), resampler.finish()]), checked)
  return {
    rows: kept.bars.length,
    columns: Object.fromEntries(present.map(({ key, name }) => [name, kept.columns[key]])) as unknown as Pick<ColumnArrays, Name>,
    ...(checked.includeIncomplete ? { bars: kept.bars, expectedBars: kept.expected } : {}),
    incomplete,
  }
}

function checkOptions(options: ResampleTableOptions, known: string | undefined): Checked {
  if (typeof options !== 'object' || (options as unknown) === null) throw refuse('Expected options with `to`, got none.')
  const unknown = Object.keys(options).find((key) => !OPTION_NAMES.has(key))
  if (unknown !== undefined) throw unknownOption(unknown, OPTION_NAMES)
  const { includeIncomplete = false } = options
  if (typeof includeIncomplete !== 'boolean')
    throw refuse(`Expected \`includeIncomplete\` to be true or false, got ${String(includeIncomplete)} (option).`)
  const from = options.from ?? known
  if (from === undefined)
    throw refuse('Expected `from`, the length of the bars given, got nothing: these columns do not tell it. Name it, such as "1m".')
  return { from: readInterval('from', from), to: readInterval('to', options.to), includeIncomplete }
}

function readInterval(option: string, value: unknown): IntervalName {
  const interval = typeof value === 'string' ? parseInterval(value) : undefined
  if (interval !== undefined) return interval
  throw refuse(`Expected \`${option}\` to be one of ${INTERVALS.join(', ')}, got ${JSON.stringify(value) ?? String(value)} (option).`)
}

function checkPresent(names: readonly string[]): void {
  if (!names.includes('open_time')) throw refuse('Expected the column open_time, found none: it tells which bars make up a larger one.')
}

type Present = readonly (typeof KLINE_COLUMNS)[number][]

/** Columns that are not there are zeros: what comes of them is not given out. */
function withZeros(rows: number, present: Present, read: (name: string) => unknown): KlineColumns {
  const columns = createColumns(rows) as Record<KlineColumn, Float64Array | BigInt64Array>
  for (const { key, name, type } of present) {
    const values = read(name)
    const right = type === 'float64' ? values instanceof Float64Array : values instanceof BigInt64Array
    if (!right || (values as Float64Array).length !== rows)
      throw refuse(
        `Expected the column ${name} as ${rows} values of ${type === 'float64' ? 'float64' : 'int64'}, found ${kindOfValues(values)}.`,
      )
    columns[key] = values as Float64Array
  }
  return columns as unknown as KlineColumns
}

/** What stands where a column's values should, in words. */
function kindOfValues(values: unknown): string {
  if (values instanceof Float64Array) return `${values.length} of float64`
  if (values instanceof BigInt64Array) return `${values.length} of int64`
  return values === undefined ? 'none' : 'no array of such numbers'
}

/** The rows of a batch; a row with a null is a bar that is missing. */
function columnsOfBatch(batch: RecordBatch, present: Present): KlineColumns {
  const children = present.map(({ name, type }) => {
    const data = batch.getChild(name)?.data[0]
    const wanted = arrowType(type)
    if (data === undefined || !util.compareTypes(data.type as DataType, wanted))
      throw refuse(`Expected the column ${name} as ${nameOf(wanted)}, found ${nameOf(data?.type as DataType | undefined)}.`)
    return data as Data
  })
  const columns = withZeros(batch.numRows, present, (name) => children[present.findIndex((column) => column.name === name)]?.values)
  if (children.every((data) => data.nullCount === 0)) return columns
  const rows = Array.from({ length: batch.numRows }, (_none, row) => row).filter((row) => children.every((data) => data.getValid(row)))
  return pickRows(columns, rows)
}

/** `Timestamp<MICROSECOND, UTC>` */
function nameOf(type: DataType | undefined): string {
  return (type as { toString(): string } | undefined)?.toString() ?? 'none'
}

function split(all: ResampledBars, { includeIncomplete }: Checked): { kept: ResampledBars; incomplete: IncompleteBar[] } {
  const incomplete: IncompleteBar[] = []
  all.bars.forEach((bars, row) => {
    if (!isComplete(all, row))
      incomplete.push({ open_time: Number(all.columns.openTime[row]), bars, expected: all.expected[row] as number })
  })
  return { kept: includeIncomplete ? all : filterResampled(all, (row) => isComplete(all, row)), incomplete }
}

function refuse(message: string): CkvdError {
  return new CkvdError('CKVD_USAGE', message)
}
