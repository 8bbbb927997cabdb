import { csvLine } from '../../codec/export/csv-text.ts'
import { encodeQueryArrow } from '../../export/query-arrow.ts'
import type { PlainValue } from '../../export/query-value.ts'
import { cellText, jsonText } from '../../export/query-value.ts'
import type { QueryRows } from '../../export/query.ts'
import type { Sink } from './out-file.ts'
import type { Output, TextOutput } from './output.ts'
import { formatCountOf, printTable, writeData } from './output.ts'

export type QueryFormat = 'table' | 'csv' | 'json' | 'arrow'

/** Rows that a table shows at either end of a longer answer. */
const SHOWN_ROWS = 20

/** Writes an answer as text, chunk by chunk; gives how many rows. Arrow is no text: see `writeAnswerTo`. */
export async function writeAnswer(answer: QueryRows, format: QueryFormat, output: TextOutput): Promise<number> {
  if (format === 'table') return await writeTable(answer, output)
  let rows = 0
  for await (const text of textOf(answer, format === 'json' ? 'json' : 'csv', (count) => (rows += count))) writeData(output, text)
  return rows
}

/** Writes an answer in any form; gives how many rows. Throws as the sink does. */
export async function writeAnswerTo(sink: Sink, answer: QueryRows, format: QueryFormat): Promise<number> {
  if (format === 'arrow') {
    const { bytes, rows } = await encodeQueryArrow(answer)
    await sink.write(bytes)
    return rows
  }
  if (format === 'table') {
    const parts: string[] = []
    const rows = await writeTable(answer, { write: (text) => parts.push(text) })
    await sink.write(parts.join(''))
    return rows
  }
  let rows = 0
  for await (const text of textOf(answer, format, (count) => (rows += count))) await sink.write(text)
  return rows
}

/** CSV with a header, or a JSON array with one row a line. */
async function* textOf({ columns, chunks }: QueryRows, format: 'csv' | 'json', onRows: (count: number) => void): AsyncGenerator<string> {
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
async function writeTable({ columns, chunks }: QueryRows, output: Output): Promise<number> {
  const head: (readonly PlainValue[])[] = []
  let tail: (readonly PlainValue[])[] = []
  let rows = 0
  for await (const chunk of chunks) {
    rows += chunk.length
    const room = 2 * SHOWN_ROWS - head.length
    head.push(...chunk.slice(0, room))
    tail = [...tail, ...chunk.slice(room)].slice(-SHOWN_ROWS)
  }
  const skipped = rows - head.length - tail.length
  // what stands at the end of a short answer has a place in the head
  const shown = skipped === 0 ? [...head, ...tail] : [...head.slice(0, SHOWN_ROWS), columns.map(() => '…'), ...tail]
  printTable(output, {
    head: columns.map(({ name }) => name),
    align: columns.map(({ type }) =>
      /INT|DOUBLE|FLOAT|DECIMAL/.test(type) && !/[([]/.test(type.replace(/^DECIMAL.*/, '')) ? 'right' : 'left',
    ),
    rows: shown.map((row) => row.map((cell) => (cell === null ? '' : cellText(cell)))),
  })
  output.write(`${formatCountOf(rows, 'row')}\n`)
  return rows
}
