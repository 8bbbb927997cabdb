import { csvLine } from '../../codec/export/csv-text.ts'
import { encodeArrowFile, readQueryBatches } from '../../export/query-arrow.ts'
import { cellText, jsonText } from '../../export/query-value.ts'
import type { QueryRows } from '../../export/query.ts'
import type { Sink } from './out-file.ts'
import { describeShown, formatEnds } from './bar-table.ts'
import type { OutFormat } from './out-format.ts'
import type { Align, TextOutput } from './output.ts'
import { formatCountOf, writeData } from './output.ts'
import { PlainTable } from './plain-table.ts'

/** Rows that a terminal shows at either end of a longer answer. */
const SHOWN_ROWS = 10

/** Writes an answer as text, chunk by chunk; gives how many rows. A terminal gets a table's ends, and of its columns as many as fit. */
export async function writeAnswer(answer: QueryRows, format: 'table' | 'csv' | 'json', output: TextOutput): Promise<number> {
  if (format === 'table' && output.isTTY === true) return await writeTable(answer, output)
  let rows = 0
  for await (const text of textOf(answer, format, (count) => (rows += count))) writeData(output, text)
  return rows
}

/** Writes an answer in any form; gives how many rows. Throws as the sink does. */
export async function writeAnswerTo(sink: Sink, answer: QueryRows, format: OutFormat): Promise<number> {
  if (format === 'arrow' || format === 'parquet') {
    const { schema, batches, rows } = await readQueryBatches(answer)
    const bytes =
      format === 'arrow' ? encodeArrowFile(batches) : (await import('../../codec/export/parquet.ts')).encodeParquet(schema, batches)
    await sink.write(bytes)
    return rows
  }
  let rows = 0
  for await (const text of textOf(answer, format, (count) => (rows += count))) await sink.write(text)
  return rows
}

function textOf(answer: QueryRows, format: 'table' | 'csv' | 'json', onRows: (count: number) => void): AsyncGenerator<string> {
  return format === 'table' ? plainTextOf(answer, onRows) : dataTextOf(answer, format, onRows)
}

/** Columns of text with every row, then how many there are. */
async function* plainTextOf({ columns, chunks }: QueryRows, onRows: (count: number) => void): AsyncGenerator<string> {
  const table = new PlainTable(
    columns.map(({ name }) => name),
    columns.map(({ type }) => alignOf(type)),
  )
  let rows = 0
  for await (const chunk of chunks) {
    onRows(chunk.length)
    rows += chunk.length
    yield chunk.map((row) => table.add(row.map(cellText))).join('')
  }
  yield `${table.end()}${formatCountOf(rows, 'row')}\n`
}

function alignOf(type: string): Align {
  return /INT|DOUBLE|FLOAT|DECIMAL/.test(type) && !/[([]/.test(type.replace(/^DECIMAL.*/, '')) ? 'right' : 'left'
}

/** CSV with a header, or a JSON array with one row a line. */
async function* dataTextOf(
  { columns, chunks }: QueryRows,
  format: 'csv' | 'json',
  onRows: (count: number) => void,
): AsyncGenerator<string> {
  const names = columns.map(({ name }) => name)
  yield format === 'csv' ? csvLine(names) : '['
  let first = true
  for await (const chunk of chunks) {
    onRows(chunk.length)
    if (format === 'csv') yield chunk.map((row) => csvLine(row.map(cellText))).join('')
    else {
      const lines = chunk.map((row) => jsonText(Object.fromEntries(names.map((name, i) => [name, row[i] ?? null]))))
      yield `${first ? '' : ','}\n${lines.join(',\n')}`
    }
    first = false
  }
  if (format === 'json') yield '\n]\n'
}

/** The rows at either end, and how many there are. */
async function writeTable({ columns, chunks }: QueryRows, output: TextOutput): Promise<number> {
  const first: string[][] = []
  let last: string[][] = []
  let rows = 0
  for await (const chunk of chunks) {
    rows += chunk.length
    const texts = chunk.map((row) => row.map(cellText))
    const room = 2 * SHOWN_ROWS - first.length
    first.push(...texts.slice(0, room))
    last = [...last, ...texts.slice(room)].slice(-SHOWN_ROWS)
  }
  // what stands at the end of a short answer has a place among the first
  const isLong = rows > 2 * SHOWN_ROWS
  const ends = { first: isLong ? first.slice(0, SHOWN_ROWS) : first, last: isLong ? [...first, ...last].slice(-SHOWN_ROWS) : [], rows }
  const names = columns.map(({ name }) => name)
  const form = { ends, columns: output.columns, align: columns.map(({ type }) => alignOf(type)) }
  const shown = formatEnds(names, form)
  output.write(`${shown.text}${describeShown(ends, shown.columns, 'row')}\n`)
  return rows
}
