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
import { alignBars, formatBarEnds } from './bar-table.ts'
import type { Sink } from './out-file.ts'
import { PlainTable } from './plain-table.ts'

/** Whose bars they are. */
type Named = Pick<Series, 'market' | 'symbol'>

/** Writes bars of one series after another; every row tells its market and symbol. */
export interface BarWriter {
  write(series: Named, bars: ResampledBars): Promise<void>
  /** told when all bars of a series have been written */
  endSeries?(): Promise<void>
  /** what a file of this form ends with */
  end(): Promise<void>
}

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
function cellsOf({ market, symbol }: Named, bars: ResampledBars, row: number, withCounts: boolean): (string | number)[] {
  const cells: (string | number)[] = [market, symbol]
  for (const { key, type } of KLINE_COLUMNS) {
    const value = Number(bars.columns[key][row])
    cells.push(type === 'timestamp' ? isoOfUs(value) : value)
  }
  // the arrays are of one length
  if (withCounts) cells.push(bars.bars[row] as number, bars.expected[row] as number)
  return cells
}

/** For a terminal: the first and the last bars of each series, of the columns as many as fit. */
export function createTableWriter(sink: Sink, withCounts: boolean, columns: number | undefined): BarWriter {
  const head = columnNames(withCounts)
  let ends: { first: string[][]; last: string[][]; rows: number } = { first: [], last: [], rows: 0 }
  return {
    write(series, bars) {
      for (let row = 0; row < bars.bars.length; row++, ends.rows++) {
        const cells = cellsOf(series, bars, row, withCounts).map(String)
        if (ends.first.length < SHOWN_ROWS) ends.first.push(cells)
        else ends.last.push(cells)
      }
      ends.last = ends.last.slice(-SHOWN_ROWS)
      return Promise.resolve()
    },
    async endSeries() {
      const shown = ends
      ends = { first: [], last: [], rows: 0 }
      if (shown.rows === 0) return
      await sink.write(`${formatBarEnds(head, shown, columns, 'bar')}\n\n`)
    },
    end: () => Promise.resolve(),
  }
}

/** Columns of text with every bar, for a pipe or a file. */
export function createTextWriter(sink: Sink, withCounts: boolean): BarWriter {
  const head = columnNames(withCounts)
  const table = new PlainTable(head, alignBars(head))
  return {
    async write(series, bars) {
      await sink.write(Array.from(bars.bars, (_bars, row) => table.add(cellsOf(series, bars, row, withCounts).map(String))).join(''))
    },
    end: () => sink.write(table.end()),
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

/** The schema of bars of many series: the columns and types of a shard, and market and symbol as text. */
function barSchema(withCounts: boolean, metadata: ReadonlyMap<string, string>): Schema {
  const fields = [
    ...NAMES.map((name) => new Field(name, new Utf8(), false)),
    ...KLINE_COLUMNS.map(({ name, type }) => new Field(name, arrowType(type), false)),
    ...(withCounts ? COUNTS.map((name) => new Field(name, new Int32(), false)) : []),
  ]
  return new Schema(fields, new Map(metadata))
}

/** Gathers bars to record batches of some size, of one series each. */
function createBatchWriter(
  schema: Schema,
  withCounts: boolean,
  take: (batch: RecordBatch) => Promise<void>,
  end: () => Promise<void>,
): BarWriter {
  let waiting: { series: Named; parts: ResampledBars[]; rows: number } | undefined

  async function flush(): Promise<void> {
    if (waiting === undefined) return
    const { series, parts, rows } = waiting
    waiting = undefined
    await take(batchOf(schema, series, concatResampled(parts), rows, withCounts))
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
      await end()
    },
  }
}

/** An Arrow IPC file. */
export function createArrowWriter(sink: Sink, withCounts: boolean, metadata: ReadonlyMap<string, string>): BarWriter {
  const schema = barSchema(withCounts, metadata)
  const writer = new ShardWriter()
  writer.reset(undefined, schema)
  let failure: { readonly error: unknown } | undefined
  const drained = drain(writer, sink).catch((error: unknown) => {
    // whoever writes next, or ends, is told
    failure = { error }
  })
  const checkDrained = (): void => {
    if (failure !== undefined) throw failure.error
  }
  const take = async (batch: RecordBatch): Promise<void> => {
    writer.write(batch)
    // the bytes leave while others have their turn, so that they do not pile up
    await Promise.race([drained, yieldToOthers()])
    checkDrained()
  }
  return createBatchWriter(schema, withCounts, take, async () => {
    writer.finish()
    await drained
    checkDrained()
  })
}

/** A Parquet file, which is made when all bars are there. */
export function createParquetWriter(sink: Sink, withCounts: boolean, metadata: ReadonlyMap<string, string>): BarWriter {
  const schema = barSchema(withCounts, metadata)
  const batches: RecordBatch[] = []
  const take = (batch: RecordBatch): Promise<void> => Promise.resolve(void batches.push(batch))
  return createBatchWriter(schema, withCounts, take, async () => {
    // five megabytes that nothing else needs
    const { encodeParquet } = await import('../../codec/export/parquet.ts')
    await sink.write(encodeParquet(schema, batches))
  })
}

async function drain(writer: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  for await (const bytes of writer) await sink.write(bytes)
}

function batchOf(schema: Schema, series: Named, bars: ResampledBars, length: number, withCounts: boolean): RecordBatch {
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
