import type { Data, DataType } from 'apache-arrow'
import { Dictionary, Field, Int8, makeData, makeVector, RecordBatch, Schema, Struct, Table, Utf8, vectorFromArray } from 'apache-arrow'
import { arrowType } from '../codec/arrow/arrow-writer.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import { nextSlotUs } from '../model/interval.ts'
import type { ColumnBlock } from '../read/column-block.ts'
import { createBlock, findRow } from '../read/column-block.ts'
import type { SourceRun } from '../read/day-parts.ts'
import type { KlineRows } from '../read/kline-rows.ts'
import { describeGaps } from '../read/missing-bars.ts'
import type { ColumnName, KlineQuery, TableForm } from '../question/query.ts'
import type { SlotRun } from './slot-runs.ts'
import { findRuns, markRows } from './slot-runs.ts'

/** The column that `includeSourceInfo` adds. */
export const SOURCE_COLUMN = '_data_source'
/** Metadata of a table: JSON list of the days (months for `3d`, `1w`, `1M`) of its rows that are disputed. */
export const DISPUTED_KEY = 'ckvd.disputed'
const SOURCE_NAMES = ['CACHE', 'VISION', 'REST'] as const

/** Rows with which bars are there: one bit a row, the lowest first, as Arrow has it. */
interface Validity {
  readonly bits: Uint8Array
  readonly nullCount: number
}

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
  for (const { key, name, type } of selectColumns(query.columns)) {
    const own = arrowType(type)
    const validity = key === 'openTime' ? undefined : reindexed?.validity
    fields.push(new Field(name, own, form.autoReindex && key !== 'openTime'))
    children.push(makeColumn(own, length, block[key] as Float64Array, validity))
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
    nullCount: validity?.nullCount ?? 0,
    ...(validity === undefined ? {} : { nullBitmap: validity.bits }),
  } as never)
}

/** The schema's columns in the order asked for. */
function selectColumns(names: readonly ColumnName[] | null): (typeof KLINE_COLUMNS)[number][] {
  if (names === null) return [...KLINE_COLUMNS]
  return names.flatMap((name) => KLINE_COLUMNS.filter((column) => column.name === name))
}

function metadataOf({ series }: Pick<KlineQuery, 'series'>, rows: KlineRows): Map<string, string> {
  return new Map([
    ...(series.dataset === undefined ? [] : [['ckvd.dataset', series.dataset] as const]),
    ['ckvd.market', series.market],
    ['ckvd.symbol', series.symbol],
    ['ckvd.interval', series.interval],
    ['ckvd.gaps', JSON.stringify(describeGaps(rows.gaps))],
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
  return { block: target, validity: { bits, nullCount: added }, places }
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
    nullCount: validity?.nullCount ?? 0,
    ...(validity === undefined ? {} : { nullBitmap: validity.bits }),
  } as never).data[0] as Data
}
