import type { Data, Table } from 'apache-arrow'
import { Field, Float64 } from 'apache-arrow'
import PQueue from 'p-queue'
import { arrowType } from '../codec/arrow/arrow-writer.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { Grid } from '../model/interval.ts'
import { countSlots, firstSlotUs, nextSlotUs, slotStartUs } from '../model/interval.ts'
import { columnOf, doublesOf, numbersOf } from '../model/columns.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import { gridOfBars } from '../model/series.ts'
import type { PanelColumn, PanelQuery } from '../question/panel-query.ts'
import type { KlineQuery } from '../question/query.ts'
import type { KlineRows } from '../read/kline-rows.ts'
import { describeGaps } from '../read/missing-bars.ts'
import { findRuns, markRows } from './slot-runs.ts'
import { DISPUTED_KEY, makeColumn, tableOf } from './table.ts'

/** Symbols that are read at once: while one is downloaded others are read, and few have their times in memory. */
const AT_ONCE = 4

/** One symbol's values, a place a slot. */
export interface PanelSeries {
  readonly symbol: string
  readonly grid: Grid
  /** start of the first slot, microseconds */
  readonly startUs: number
  /** a value a slot; 0 where there is no bar */
  readonly values: Float64Array
  /** slots with a bar: one bit each, the lowest first; undefined: all */
  readonly bits: Uint8Array | undefined
  readonly gaps: KlineRows['gaps']
  readonly disputed: readonly string[]
}

/**
 * Reads the symbols of a panel, some at once. The first that fails ends the others, and its error is thrown.
 * @param read gives the rows of a query
 */
export async function readPanel(
  { column, queries }: PanelQuery,
  read: (query: KlineQuery) => Promise<KlineRows>,
  signal: AbortSignal,
): Promise<PanelSeries[]> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const queue = new PQueue({ concurrency: AT_ONCE })
  let failure: { readonly error: unknown } | undefined
  const work = queries.map(async (query) => {
    try {
      return await queue.add(async () => {
        if (either.aborted) throw abortError(either)
        return placeInSlots(query, column, await read({ ...query, signal: either }))
      })
    } catch (error) {
      failure ??= { error }
      stop.abort(error)
      throw error
    }
  })
  await Promise.allSettled(work)
  if (failure !== undefined) throw failure.error
  return await Promise.all(work)
}

/** Puts a symbol's rows into the slots of its range. Rows without a hole are taken as they are; of two bars in a slot the first counts. */
function placeInSlots({ series, range }: KlineQuery, column: PanelColumn, rows: KlineRows): PanelSeries {
  const { block, gaps, disputed } = rows
  const grid = gridOfBars(series, block.openTime)
  const startUs = firstSlotUs(range.startUs, grid)
  const lastUs = block.openTime.at(-1)
  const endUs = Math.max(startUs, gaps.at(-1)?.endUs ?? 0, lastUs === undefined ? 0 : nextSlotUs(slotStartUs(Number(lastUs), grid), grid))
  const found = valuesOf(rows, column)
  const slots = countSlots(startUs, endUs, grid)
  const shared = { symbol: series.symbol, grid, startUs, gaps, disputed }
  if (gaps.length === 0 && found.length === slots) return { ...shared, values: found, bits: undefined }
  const values = new Float64Array(slots)
  const bits = new Uint8Array(Math.ceil(slots / 8))
  const places = gaps.reduce((sum, { bars }) => sum + bars, found.length)
  if (places === slots) placeRuns(rows, found, values, bits)
  else placeEach(block.openTime, found, { values, bits, grid, startUs })
  return { ...shared, values, bits }
}

function valuesOf({ block }: KlineRows, column: PanelColumn): Float64Array {
  const described = KLINE_COLUMNS.find(({ name }) => name === column)
  if (described === undefined) throw new CkvdError('CKVD_BUG', `Expected a column of klines, got ${column}`)
  const values = columnOf(block, described.key)
  return doublesOf(numbersOf(values))
}

/** A bar a slot, but for gaps. */
function placeRuns(rows: KlineRows, found: Float64Array, values: Float64Array, bits: Uint8Array): void {
  for (const { from, to, at } of findRuns(rows)) {
    values.set(found.subarray(from, to), at)
    markRows(bits, at, at + to - from)
  }
}

/** Some slot has two bars: each is looked at. */
function placeEach(
  openTimes: BigInt64Array,
  found: Float64Array,
  { values, bits, grid, startUs }: { values: Float64Array; bits: Uint8Array; grid: Grid; startUs: number },
): void {
  let slot = 0
  let slotUs = startUs
  let last = -1
  openTimes.forEach((openUs, row) => {
    const ownUs = slotStartUs(Number(openUs), grid)
    for (; slotUs < ownUs; slotUs = nextSlotUs(slotUs, grid)) slot++
    if (slot === last) return
    last = slot
    values[slot] = found[row] ?? 0
    markRows(bits, slot, slot + 1)
  })
}

/**
 * A panel as an Arrow Table: open times of the slots, and a column a symbol. It ends where the shortest does: which bars have closed may
 * differ where the clock goes on between two symbols.
 * @throws CkvdError `CKVD_USAGE` where `3d` bars of the symbols open on different days
 */
export function createPanel(panel: PanelQuery, parts: readonly PanelSeries[]): Table {
  const grids = new Set(parts.filter(({ values }) => values.length > 0).map(({ grid }) => grid))
  if (grids.size > 1) {
    const symbols = parts.map(({ symbol, grid }) => `${symbol} ${grid}`).join(', ')
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected symbols whose bars of 3d open on the same days, got ${symbols}. Ask for those of each day by themselves.`,
      {
        details: { option: 'symbols' },
      },
    )
  }
  const length = Math.min(...parts.map(({ values }) => values.length))
  const time = arrowType('timestamp')
  const fields = [new Field('open_time', time, false), ...parts.map(({ symbol }) => new Field(symbol, new Float64(), true))]
  const children = [makeColumn(time, length, slotTimes(parts, length), undefined), ...parts.map((part) => panelColumn(part, length))]
  return tableOf(fields, children, length, metadataOf(panel, parts))
}

function slotTimes([first]: readonly PanelSeries[], length: number): BigInt64Array {
  const times = new BigInt64Array(length)
  let slotUs = first?.startUs ?? 0
  for (let slot = 0; slot < length; slot++) {
    times[slot] = BigInt(slotUs)
    slotUs = nextSlotUs(slotUs, first?.grid ?? '1m')
  }
  return times
}

function panelColumn({ values, bits }: PanelSeries, length: number): Data {
  const own = values.subarray(0, length)
  if (bits === undefined) return makeColumn(new Float64(), length, own, undefined)
  let nullCount = 0
  for (let slot = 0; slot < length; slot++) if (((bits[slot >> 3] ?? 0) & (1 << (slot & 7))) === 0) nullCount++
  return makeColumn(new Float64(), length, own, { nullBitmap: bits, nullCount })
}

function metadataOf({ market, interval, column }: PanelQuery, parts: readonly PanelSeries[]): Map<string, string> {
  const bySymbol = <T>(of: (part: PanelSeries) => readonly T[]): string =>
    JSON.stringify(Object.fromEntries(parts.filter((part) => of(part).length > 0).map((part) => [part.symbol, of(part)])))
  return new Map([
    ['ckvd.market', market],
    ['ckvd.interval', interval],
    ['ckvd.column', column],
    ['ckvd.gaps', bySymbol(({ gaps }) => describeGaps({}, gaps))],
    [DISPUTED_KEY, bySymbol(({ disputed }) => disputed)],
  ])
}
