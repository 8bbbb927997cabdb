import { describe, expect, test } from 'vitest'
import { decodeCsv } from '../../../../src/codec/csv/csv.ts'
import { scanRows } from '../../../../src/codec/csv/csv-scan.ts'
import type { Bar } from '../../../../src/codec/csv/csv-row.ts'
import { parseRow } from '../../../../src/codec/csv/csv-row.ts'
import { RowTable } from '../../../../src/codec/csv/row-table.ts'
import type { CkvdError } from '../../../../src/errors.ts'
import type { KlineColumns } from '../../../../src/model/kline.ts'
import { KLINE_COLUMNS } from '../../../../src/model/kline.ts'

const ROW =
  '1577836800000,7195.24000000,7196.25000000,7183.14000000,7186.68000000,51.64281200,1577836859999,371233.51835535,493,19.59823000,140888.41428273,0'
/** The scanner reads no row that begins in the last 336 bytes: it never looks past the end. */
const REST = `${ROW}\n`.repeat(2)

const cellsOf = (columns: KlineColumns, row: number): number[] => KLINE_COLUMNS.map(({ key }) => Number(columns[key][row]))

/** What the scanner makes of a row before others: where it stops, and the cells that it took. */
function scan(row: string, capacity = 16): { taken: boolean; cells: number[] } {
  const bytes = Buffer.from(`${row}${REST}`)
  const table = new RowTable(capacity)
  const at = scanRows(bytes, 0, table)
  expect([0, row.length]).toContain(at)
  expect(table.rows).toBe(at === 0 ? 0 : 1)
  return { taken: at > 0, cells: at === 0 ? [] : cellsOf(table.columns(), 0) }
}

function rowWith(cells: Readonly<Record<number, string>>): string {
  return ROW.split(',')
    .map((cell, i) => cells[i] ?? cell)
    .join(',')
}

describe('the scanner', () => {
  const usual: readonly [string, string][] = [
    ['a row as spot archives have it', ROW],
    ['microseconds', rowWith({ 0: '1735689600000000', 6: '1735689659999999' })],
    ['milliseconds before microseconds', rowWith({ 6: '1577836859999999' })],
    ['the first and last times of all', rowWith({ 0: '1230768000000', 6: '4102444799999' })],
    ['a bar that closes as it opens', rowWith({ 6: '1577836800000' })],
    ['no digit after the point', rowWith({ 5: '7', 7: '123456789', 9: '0', 10: '999999999' })],
    ['ten to fifteen digits before the point', rowWith({ 5: '1234567890', 7: '123456789012345', 8: '999999999999999' })],
    ['a number of trades of more than 32 bits', rowWith({ 8: '4294967297' })],
    ['four prices that are one', rowWith({ 1: '5', 2: '5.0', 3: '5.00', 4: '5.000' })],
    ['a price of zero', rowWith({ 1: '0', 2: '0.00000001', 3: '0.0', 4: '0.00000001' })],
    ['a decimal in the last column', rowWith({ 11: '17.5' })],
    ...Array.from({ length: 9 }, (_, i): [string, string] => [
      `${i + 1} digits after the point`,
      rowWith({ 5: `90071992547409.${'987654321'.slice(0, i + 1)}` }),
    ]),
    ['digits after the point of which some are zero', rowWith({ 5: '1.00001', 7: '1.10000000', 9: '1.00000000', 10: '1.000000009' })],
  ]

  test.each(usual)('takes %s, with the cells of parseRow', (_name, row) => {
    for (const end of ['\n', '\r\n']) expect(scan(`${row}${end}`)).toEqual({ taken: true, cells: [...parseRow(row, 1)] })
  })

  test.each<[string, string]>([
    ['sixteen digits before the point', rowWith({ 5: '1234567890123456' })],
    ['ten digits after the point', rowWith({ 5: '1.0000000001' })],
    ['a minus', rowWith({ 5: '-5' })],
    ['a minus before each price', rowWith({ 1: '-2', 2: '-1.5', 3: '-3.25', 4: '-2' })],
    ['less than no trades', rowWith({ 8: '-4294967297' })],
    ['a close before the open', rowWith({ 6: '1577836799999' })],
    ['a high below the open', rowWith({ 2: '7195.23' })],
    ['a high below the close', rowWith({ 1: '7184', 2: '7186.67' })],
    ['a low above the open', rowWith({ 3: '7195.25', 4: '7195.5' })],
    ['a low above the close', rowWith({ 3: '7187', 4: '7186.68' })],
  ])('leaves %s to parseRow, which takes it', (_name, row) => {
    expect(scan(`${row}\n`).taken).toBe(false)
    const { columns, rows } = decodeCsv(Buffer.from(`${row}\n${REST}`))
    expect([rows, cellsOf(columns, 0)]).toEqual([3, [...parseRow(row, 1)]])
  })

  test.each<[string, string]>([
    ['no digit before the point', rowWith({ 5: '.5' })],
    ['no digit after it', rowWith({ 5: '5.' })],
    ['two points', rowWith({ 5: '5.5.5' })],
    ['two minuses', rowWith({ 5: '--5' })],
    ['a plus', rowWith({ 5: '+5' })],
    ['a minus alone', rowWith({ 5: '-' })],
    ['not a number', rowWith({ 5: 'NaN' })],
    ['no finite number', rowWith({ 5: 'Infinity' })],
    ['a minus before a time', rowWith({ 6: '-1577836859999' })],
    ['an exponent', rowWith({ 5: '5e3' })],
    ['an empty cell', rowWith({ 5: '' })],
    ['eleven columns', ROW.slice(0, ROW.lastIndexOf(','))],
    ['thirteen columns', `${ROW},0`],
    ['a time of twelve digits', rowWith({ 0: '157783680000' })],
    ['a time of fourteen digits', rowWith({ 0: '15778368000000' })],
    ['a time of seventeen digits', rowWith({ 0: '15778368000000000' })],
    ['a time before 2009', rowWith({ 0: '1230767999999' })],
    ['a time of 2100', rowWith({ 6: '4102444800000' })],
    ['a carriage return inside', `${ROW.slice(0, 20)}\r${ROW.slice(20)}`],
  ])('leaves %s to parseRow, which refuses it', (_name, row) => {
    expect(scan(`${row}\n`).taken).toBe(false)
    expect(() => decodeCsv(Buffer.from(`${ROW}\n${row}\n${REST}`))).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ line: 2 }) as unknown }) as Error,
    )
  })

  test('takes all rows but those of the last 336 bytes, into a table that grows', () => {
    const text = `${ROW}\n`.repeat(40)
    for (const capacity of [1, 2, 100]) {
      const table = new RowTable(capacity)
      const at = scanRows(Buffer.from(text), 0, table)
      expect([at, table.rows]).toEqual([38 * (ROW.length + 1), 38])
      for (let row = 0; row < table.rows; row++) expect(cellsOf(table.columns(), row)).toEqual([...parseRow(ROW, 1)])
    }
  })

  test('with any one byte of a row changed reads what parseRow reads, or refuses what it refuses', () => {
    const samples = [ROW, rowWith({ 0: '1735689600000000', 5: '123456789012.000000001', 6: '1735689659999999' })]
    const bytes = ['0', '9', '/', ':', '.', '-', '+', ' ', ',', 'e', 'x', '"', '\r', '\t', '\u0000', '\u007f', '\u0080', '\u00b0', '\u00ff']
    let [same, refused] = [0, 0]
    for (const sample of samples) {
      for (let at = 0; at < sample.length; at++) {
        for (const byte of bytes) {
          // before the line's end it belongs to it
          if (byte === '\r' && at === sample.length - 1) continue
          const row = `${sample.slice(0, at)}${byte}${sample.slice(at + 1)}`
          const slow = outcomeOf(() => [...parseRow(row, 2)])
          const fast = outcomeOf(() => cellsOf(decodeCsv(Buffer.from(`${ROW}\n${row}\n${REST}`, 'latin1')).columns, 1))
          if (JSON.stringify(fast) !== JSON.stringify(slow)) expect({ row, outcome: fast }).toEqual({ row, outcome: slow })
          if (Array.isArray(slow)) same++
          else refused++
        }
      }
    }
    expect(Math.min(same, refused)).toBeGreaterThan(500)
  })
})

function outcomeOf(read: () => number[]): unknown {
  try {
    return read()
  } catch (error) {
    const { code, details } = error as CkvdError
    return { code, line: details['line'], column: details['column'] }
  }
}

describe('a table of rows', () => {
  test('grows as bars are pushed, and keeps those that it has', () => {
    const bars = Array.from({ length: 20 }, (_, n): Bar => [
      1577836800000000 + n,
      n,
      n + 0.5,
      n / 4,
      n,
      2 ** 40 + n,
      1577836859999000,
      n,
      2 ** 33 + n,
      0,
      n,
    ])
    for (const capacity of [0, 1, 3, 20]) {
      const table = new RowTable(capacity)
      for (const bar of bars) table.push(bar)
      expect(table.rows).toBe(20)
      bars.forEach((bar, row) => expect(cellsOf(table.columns(), row)).toEqual([...bar]))
    }
  })
})
