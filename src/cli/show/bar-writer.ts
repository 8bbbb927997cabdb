import { csvLine } from '../../codec/export/csv-text.ts'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type { Data, DataType } from 'apache-arrow'
import { Field, Int32, makeData, RecordBatch, Schema, Struct, Utf8 } from 'apache-arrow'
import { arrowType, ShardWriter } from '../../codec/arrow/arrow-writer.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'
import type { ResampledBars } from '../../model/resample.ts'
import { concatResampled } from '../../model/resample.ts'
import type { Series } from '../../model/series.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import { formatBarTable } from './bar-table.ts'
import type { Sink } from './out-file.ts'
import type { Output } from './output.ts'
import { formatCountOf } from './output.ts'

/** Writes bars of one series after another; every row tells its market and symbol. */
export interface BarWriter {
  write(series: Series, bars: ResampledBars): Promise<void>
  /** told when all bars of a series have been written */
  endSeries?(): Promise<void>
  /** what a file of this form ends with */
  end(): Promise<void>
}

export const BAR_FORMATS = ['table', 'csv', 'json', 'arrow'] as const

/** Rows that a table shows at either end. */
const SHOWN_ROWS = 10

/** Rows that an Arrow record batch has at least, but for the last of a series. */
const BATCH_ROWS = 65_536

/** Columns beside those of a shard: names of the series in front, and behind, where asked for, how many smaller bars a bar is made of. */
const NAMES = ['market', 'symbol'] as const
const COUNTS = ['bars', 'expected_bars'] as const

function columnNames(withCounts: boolean): string[] {
  return [...NAMES, ...KLINE_COLUMNS.map(({ name }) => name), ...(withCounts ? COUNTS : [])]
}

/** The cells of a row in the order of `columnNames`; times as ISO text with microseconds. */
function cellsOf({ market, symbol }: Series, bars: ResampledBars, row: number, withCounts: boolean): (string | number)[] {
  const cells: (string | number)[] = [market, symbol]
  for (const { key, type } of KLINE_COLUMNS) {
    const value = Number(bars.columns[key][row])
    cells.push(type === 'timestamp' ? isoOfUs(value) : value)
  }
  // the arrays are of one length
  if (withCounts) cells.push(bars.bars[row] as number, bars.expected[row] as number)
  return cells
}

/** For a person: the first and the last bars of each series. */
export function createTableWriter(sink: Sink, withCounts: boolean, terminal: Pick<Output, 'isTTY' | 'columns'>): BarWriter {
  const head = columnNames(withCounts)
  let first: string[][] = []
  let last: string[][] = []
  let rows = 0
  return {
    write(series, bars) {
      for (let row = 0; row < bars.bars.length; row++, rows++) {
        const cells = cellsOf(series, bars, row, withCounts).map(String)
        if (first.length < SHOWN_ROWS) first.push(cells)
        else last.push(cells)
      }
      last = last.slice(-SHOWN_ROWS)
      return Promise.resolve()
    },
    async endSeries() {
      const skipped = rows > first.length + last.length ? [head.map(() => '…')] : []
      const { text, hidden } = formatBarTable(head, [...first, ...skipped, ...last], terminal)
      const more = hidden === 0 ? '' : `; ${formatCountOf(hidden, 'more column')}: --format csv, json or arrow`
      if (rows > 0) await sink.write(`${text}${formatCountOf(rows, 'bar')}${more}\n\n`)
      ;[first, last, rows] = [[], [], 0]
    },
    end: () => Promise.resolve(),
  }
}

export function createCsvWriter(sink: Sink, withCounts: boolean): BarWriter {
  let isEmpty = true
  const head = (): string => (isEmpty ? csvLine(columnNames(withCounts)) : '')
  return {
    async write(series, bars) {
      const lines = Array.from(bars.bars, (_bars, row) => csvLine(cellsOf(series, bars, row, withCounts)))
      await sink.write(head() + lines.join(''))
      isEmpty = false
    },
    end: () => sink.write(head()),
  }
}

/** One array of objects, a line each. */
export function createJsonWriter(sink: Sink, withCounts: boolean): BarWriter {
  const names = columnNames(withCounts)
  let isEmpty = true
  return {
    async write(series, bars) {
      let text = ''
      for (let row = 0; row < bars.bars.length; row++) {
        const cells = cellsOf(series, bars, row, withCounts)
        text += `${isEmpty ? '[\n' : ',\n'}${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, cells[i]])))}`
        isEmpty = false
      }
      await sink.write(text)
    },
    end: () => sink.write(isEmpty ? '[]\n' : '\n]\n'),
  }
}

/** An Arrow IPC file with the columns and types of a shard, and market and symbol as text. */
export function createArrowWriter(sink: Sink, withCounts: boolean, metadata: ReadonlyMap<string, string>): BarWriter {
  const fields = [
    ...NAMES.map((name) => new Field(name, new Utf8(), false)),
    ...KLINE_COLUMNS.map(({ name, type }) => new Field(name, arrowType(type), false)),
    ...(withCounts ? COUNTS.map((name) => new Field(name, new Int32(), false)) : []),
  ]
  const schema = new Schema(fields, new Map(metadata))
  const writer = new ShardWriter()
  writer.reset(undefined, schema)
  const drained = drain(writer, sink)
  // whoever writes next learns of it; until then it is nobody's
  drained.catch(() => undefined)
  let waiting: { series: Series; parts: ResampledBars[]; rows: number } | undefined

  async function flush(): Promise<void> {
    if (waiting === undefined) return
    const { series, parts, rows } = waiting
    waiting = undefined
    writer.write(batchOf(schema, series, concatResampled(parts), rows, withCounts))
    // the bytes leave while others have their turn, so that they do not pile up
    await Promise.race([drained, yieldToOthers()])
  }
  return {
    async write(series, bars) {
      if (waiting?.series !== series) await flush()
      waiting ??= { series, parts: [], rows: 0 }
      waiting.parts.push(bars)
      waiting.rows += bars.bars.length
      if (waiting.rows >= BATCH_ROWS) await flush()
    },
    async end() {
      await flush()
      writer.finish()
      await drained
    },
  }
}

async function drain(writer: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  for await (const bytes of writer) await sink.write(bytes)
}

function batchOf(schema: Schema, series: Series, bars: ResampledBars, length: number, withCounts: boolean): RecordBatch {
  const children = [
    ...NAMES.map((name) => repeatText(series[name], length)),
    ...KLINE_COLUMNS.map(({ key, type }) => column(arrowType(type), length, bars.columns[key])),
    ...(withCounts ? [column(new Int32(), length, bars.bars), column(new Int32(), length, bars.expected)] : []),
  ]
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }))
}

function column(type: DataType, length: number, data: ArrayLike<unknown>): Data {
  return makeData({ type, length, nullCount: 0, data } as never)
}

function repeatText(text: string, length: number): Data {
  const bytes = Buffer.from(text)
  const valueOffsets = Int32Array.from({ length: length + 1 }, (_none, i) => i * bytes.length)
  return makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets, data: Buffer.alloc(length * bytes.length, bytes) })
}
