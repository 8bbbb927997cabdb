import Table from 'cli-table3'
import { cleanText } from '../../terminal-text.ts'
import { fitTable } from './fit-table.ts'

/** Where a command writes: `process.stdout`, `process.stderr`, or a test's own. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** width of the terminal in columns */
  readonly columns?: number | undefined
}

/** An output whose `write` makes text from anywhere harmless for a terminal: text of servers and of files comes with control characters. */
export interface TextOutput extends Output {
  /** the place itself, for what is meant to move a cursor or to colour a word, and for data */
  readonly raw: Output
}

/** Writes data for other programs (CSV, JSON) as it is, its lines whole; on a terminal a person reads it, so it is cleaned. */
export function writeData(output: TextOutput, text: string): void {
  output.raw.write(output.isTTY === true ? cleanText(text) : text)
}

/** Alignment of a column; numbers stand right. */
export type Align = 'left' | 'right'

export interface TableContent {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** of each column; default left */
  readonly align?: readonly Align[]
}

const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
}
/**
 * Writes a table: framed and wrapped to the width on a terminal, plain columns in a pipe. Nothing is cut, and no word is broken but paths:
 * a table that is too wide even so is written as records, a line a cell.
 */
export function printTable(output: Output, content: TableContent): void {
  const framed = output.isTTY === true
  const head = content.head.map(cleanText)
  // cleaned before they are measured
  const rows = content.rows.map((row) => row.map(cleanText))
  const { columns = Infinity } = output
  const fitted = framed && columns < Infinity ? fitTable(head, rows, columns) : { head, rows, padding: framed ? 1 : 0 }
  if (fitted === undefined) return void output.write(`${rows.map((row) => formatRecord(head, row)).join('\n')}\n`)
  const table = new Table({
    head: [...fitted.head],
    colAligns: head.map((_, index) => content.align?.[index] ?? 'left'),
    style: { head: [], border: [], compact: true, 'padding-left': fitted.padding, 'padding-right': fitted.padding },
    ...(framed ? {} : { chars: NO_LINES }),
  })
  for (const row of fitted.rows) table.push([...row])
  const text = table.toString()
  output.write(`${framed ? text : text.replace(/ +$/gm, '')}\n`)
}

/** A row of a table as lines: its first cell, then the others with their names. */
function formatRecord(head: readonly string[], [title = '', ...cells]: readonly string[]): string {
  return [title, ...cells.flatMap((cell, i) => (cell === '' ? [] : [`  ${head[i + 1] ?? ''}: ${cell}`]))].join('\n')
}

/** `1,234,567` */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `1 day`, `1,234 days` */
export function formatCountOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** `999 B`, `1.5 kB`, `12.3 MB`: powers of 1,000, as `--max-rate 10MB` means them. */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = sizeBytes
  let unit = 0
  // 999.95 and more would be printed as 1000.0
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** `850 ms`, `12.3 s`, `2 min 05 s`, `3 h 07 min` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`
  const seconds = Math.round(durationMs / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`
}

/** `1,234 rows/s`, one digit after the point below 10; without a time there is no rate. */
export function formatRate(count: number, durationMs: number, unit: string): string {
  if (durationMs <= 0) return `– ${unit}/s`
  const perSecond = (count * 1000) / durationMs
  return unit === 'B'
    ? `${formatBytes(perSecond)}/s`
    : `${perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond))} ${unit}/s`
}

function pad(number: number): string {
  return String(number).padStart(2, '0')
}
