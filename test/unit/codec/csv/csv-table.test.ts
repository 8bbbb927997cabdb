import { describe, expect, test } from 'vitest'
import { decodeTable } from '../../../../src/codec/csv/csv-table.ts'
import { KLINES } from '../../../../src/dataset/klines.ts'
import type { Dataset } from '../../../../src/dataset/dataset.ts'

const THREE: Dataset = {
  ...KLINES,
  name: 'three',
  columns: [
    { key: 'openTime', name: 'time', header: 'calc_time', type: 'timestamp' },
    { key: 'rate', name: 'rate', type: 'float64', least: -1, most: 1 },
    { key: 'hours', name: 'hours', type: 'int64' },
  ],
}
const T = 1_714_521_600_000
const decode = (text: string) => {
  const { columns, rows } = decodeTable(new TextEncoder().encode(text), THREE)
  return { rows, cells: ['openTime', 'rate', 'hours'].map((key) => [...(columns[key] ?? [])]) }
}
const ROWS = {
  rows: 2,
  cells: [
    [BigInt(T) * 1000n, BigInt(T + 1) * 1000n],
    [-0.0001, 1e-5],
    [8n, -4n],
  ],
}

describe('a CSV that is read by the description of its columns', () => {
  test.each([
    ['with its header', `calc_time,rate,hours\n${T},-0.0001,8\n${T + 1},1e-5,-4\n`],
    ['without header and final newline', `${T},-0.0001,8\n${T + 1},1e-5,-4`],
    [
      'with a byte order mark, CRLF, its header in capitals and blank lines at the end',
      `\uFEFFCALC_TIME,Rate,HOURS\r\n${T},-0.0001,8\r\n${T + 1},1e-5,-4\r\n\r\n`,
    ],
    ['in microseconds', `${T}000,-0.0001,8\n${T + 1}000,1e-5,-4\n`],
  ])('%s', (_name, text) => expect(decode(text)).toEqual(ROWS))

  test('of no rows has none', () => {
    expect(decode('')).toEqual({ rows: 0, cells: [[], [], []] })
    expect(decode('calc_time,rate,hours\n')).toEqual({ rows: 0, cells: [[], [], []] })
  })

  test.each<[string, string, string, number, number, string]>([
    ['another header', 'time,rate,hours', 'CKVD_CSV_HEADER', 1, 1, 'time'],
    ['a cell too few', `${T},0,8\n${T},0`, 'CKVD_CSV_COLUMNS', 2, 1, `${T},0`],
    ['an empty line between rows', `${T},0,8\n\n${T},0,8`, 'CKVD_CSV_COLUMNS', 2, 1, ''],
    ['a time of seconds', `${T},0,8\n1714521600,0,8`, 'CKVD_CSV_TIME', 2, 1, '1714521600'],
    ['a time with a sign', `${T},0,8\n-${T},0,8`, 'CKVD_CSV_TIME', 2, 1, `-${T}`],
    ['a word for a number', `${T},0,8\n${T},NaN,8`, 'CKVD_CSV_NUMBER', 2, 2, 'NaN'],
    ['a number in hexadecimal', `${T},0,8\n${T},0x1,8`, 'CKVD_CSV_NUMBER', 2, 2, '0x1'],
    ['nothing for a number', `${T},0,8\n${T},,8`, 'CKVD_CSV_NUMBER', 2, 2, ''],
    ['a number past its bounds', `${T},0,8\n${T},1.01,8`, 'CKVD_CSV_NUMBER', 2, 2, '1.01'],
    ['a fraction for a count', `${T},0,8\n${T},0,8.5`, 'CKVD_CSV_NUMBER', 2, 3, '8.5'],
    ['a count past what a double holds', `${T},0,8\n${T},0,9007199254740993`, 'CKVD_CSV_NUMBER', 2, 3, '9007199254740993'],
  ])('%s is refused with its place', (_name, text, code, line, column, found) => {
    expect(() => decode(text)).toThrow(expect.objectContaining({ code, details: { line, column, found } }) as Error)
  })

  test('a line longer than any row is not looked at', () => {
    expect(() => decode(`${T},0,8\n${'1'.repeat(70_000)}`)).toThrow(/found a line of 70000 bytes/)
  })
})
