import type { Data, DataType } from 'apache-arrow'
import { Dictionary, Field, Int8, makeData, makeVector, RecordBatch, Schema, Struct, Table, Utf8, vectorFromArray } from 'apache-arrow'
import { arrowData, arrowType } from '../codec/arrow/arrow-writer.ts'
import type { Validity } from '../codec/arrow/validity.ts'
import { ALL_VALID, validityOf } from '../codec/arrow/validity.ts'
import type { DatasetColumn } from '../dataset/dataset.ts'
import { datasetOf } from '../dataset/registry.ts'
import { toldInterval } from '../dataset/told.ts'
import { columnOf } from '../model/columns.ts'
import { nextSlotUs } from '../model/interval.ts'
import type { ColumnBlock } from '../read/column-block.ts'
import { createBlock, findRow } from '../read/column-block.ts'
import type { SourceRun } from '../read/day-parts.ts'
import type { KlineRows } from '../read/kline-rows.ts'
import { describeGaps } from '../read/missing-bars.ts'
import type { KlineQuery, TableForm } from '../question/query.ts'
import type { SlotRun } from './slot-runs.ts'
import { findRuns, markRows } from './slot-runs.ts'

/** The column that `includeSourceInfo` adds. */
export const SOURCE_COLUMN = '_data_source'
/** Metadata of a table: JSON list of the days (months for `3d`, `1w`, `1M`) of its rows that are disputed. */
export const DISPUTED_KEY = 'ckvd.disputed'
const SOURCE_NAMES = ['CACHE', 'VISION', 'REST'] as const

/** Rows as an Arrow Table of one record batch, whose columns are the arrays themselves: nothing is copied. */
export function createTable(
  query: Pick<KlineQuery, 'series' | 'columns'>,
  rows: KlineRows,
  form: Pick<TableForm, 'autoReindex' | 'includeSourceInfo'>,
): Table {
  const reindexed = form.autoReindex && rows.gaps.length > 0 ? reindex(query, rows) : undefined
  const block = reindexed?.block ?? rows.block
  const length = block.openTime.length
  const fields: Field[] = []
  const children: Data[] = []
  for (const column of selectColumns(query)) {
    const { key, name, type, nullable = false } = column
    const values = columnOf(block, key)
    const added = key === 'openTime' ? undefined : reindexed?.validity
    const validity = nullable ? validityWithin(values as Float64Array, added) : (added ?? ALL_VALID)
    fields.push(new Field(name, arrowType(type), nullable || (form.autoReindex && key !== 'openTime')))
    children.push(arrowData(column, values, validity))
  }
  if (form.includeSourceInfo) {
    const column = sourceColumn(rows.runs, length, reindexed)
    fields.push(new Field(SOURCE_COLUMN, column.type, form.autoReindex))
    children.push(column)
  }
  return tableOf(fields, children, length, metadataOf(query, rows))
}

/** A table of one record batch. */
export function tableOf(fields: Field[], children: Data[], length: number, metadata: Map<string, string>): Table {
  const struct = makeData({ type: new Struct(fields), length, nullCount: 0, children })
  const schema = new Schema(fields, metadata)
  return new Table(schema, new RecordBatch(schema, struct))
}

/** One column without copying its values. */
export function makeColumn(type: DataType, length: number, data: ArrayLike<unknown>, validity: Validity | undefined): Data {
  return makeData({
    type,
    length,
    data,
    ...(validity ?? ALL_VALID),
  } as never)
}

/** The schema's columns in the order asked for. */
function selectColumns({ series, columns: names }: Pick<KlineQuery, 'series' | 'columns'>): readonly DatasetColumn[] {
  const { columns } = datasetOf(series)
  return names === null ? columns : names.flatMap((name) => columns.filter((column) => column.name === name))
}

/** Which rows of a nullable column have a value: NaN is none, nor is what was added. */
function validityWithin(values: Float64Array, added: Validity | undefined): Validity {
  if (added === undefined) return validityOf(values)
  return validityOf(values.map((value, row) => (isValid(added, row) ? value : NaN)))
}

function isValid({ nullBitmap }: Validity, row: number): boolean {
  return nullBitmap === undefined || ((nullBitmap[row >> 3] ?? 0) & (1 << (row & 7))) !== 0
}

function metadataOf({ series }: Pick<KlineQuery, 'series'>, rows: KlineRows): Map<string, string> {
  return new Map([
    ...(series.dataset === undefined ? [] : [['ckvd.dataset', series.dataset] as const]),
    ['ckvd.market', series.market],
    ['ckvd.symbol', series.symbol],
    ...(toldInterval(series) === null ? [] : [['ckvd.interval', series.interval] as const]),
    ['ckvd.gaps', JSON.stringify(describeGaps(series, rows.gaps))],
    [DISPUTED_KEY, JSON.stringify(rows.disputed)],
  ])
}

interface Reindexed {
  readonly block: ColumnBlock
  readonly validity: Validity
  /** new row of each old one */
  readonly places: readonly SlotRun[]
}

/** Opens a row of nulls for each missing bar; only its open time has a value. */
function reindex({ series }: Pick<KlineQuery, 'series'>, { block, gaps }: KlineRows): Reindexed {
  const old = block.openTime.length
  const added = gaps.reduce((sum, { bars }) => sum + bars, 0)
  const keys = Object.keys(block)
  const target = createBlock(keys, old + added, series)
  const bits = new Uint8Array(Math.ceil((old + added) / 8))
  const places = findRuns({ block, gaps })
  for (const { from, to, at } of places) {
    for (const key of keys) (target[key] as Float64Array).set((block[key] as Float64Array).subarray(from, to), at)
    markRows(bits, at, at + to - from)
  }
  let missing = 0
  for (const gap of gaps) {
    let at = findRow(block.openTime, gap.startUs) + missing
    for (let slotUs = gap.startUs; slotUs < gap.endUs; slotUs = nextSlotUs(slotUs, series.interval)) target.openTime[at++] = BigInt(slotUs)
    missing += gap.bars
  }
  return { block: target, validity: { nullBitmap: bits, nullCount: added }, places }
}

function sourceColumn(runs: readonly SourceRun[], length: number, reindexed: Reindexed | undefined): Data {
  const old = new Int8Array(runs.at(-1)?.end ?? 0)
  runs.forEach(({ source, end }, i) => old.fill(SOURCE_NAMES.indexOf(source), runs[i - 1]?.end ?? 0, end))
  const indices = reindexed === undefined ? old : new Int8Array(length)
  for (const { from, to, at } of reindexed?.places ?? []) indices.set(old.subarray(from, to), at)
  const dictionary = vectorFromArray([...SOURCE_NAMES], new Utf8())
  const validity = reindexed?.validity
  const type = new Dictionary(new Utf8(), new Int8(), 0)
  return makeVector({
    type,
    length,
    data: indices,
    dictionary,
    ...(validity ?? ALL_VALID),
  } as never).data[0] as Data
}
