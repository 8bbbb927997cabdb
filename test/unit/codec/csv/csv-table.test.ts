import { describe, expect, test } from 'vitest'
import { decodeTable } from '../../../../src/codec/csv/csv-table.ts'
import { KLINES } from '../../../../src/dataset/sets/klines.ts'
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
const PLACE = { market: 'um' as const, symbol: 'BTCUSDT', period: { startUs: 0, endUs: 0 } }
const T = 1_714_521_600_000
const decode = (text: string) => {
  const { columns, rows } = decodeTable(new TextEncoder().encode(text), THREE, PLACE)
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

/** Times as text, the symbol in each row, cells that may be empty, and rows that are called by the end of five minutes until 2024-03-02. */
const LABELLED: Dataset = {
  ...KLINES,
  name: 'labelled',
  grid: '5m',
  columns: [
    { key: 'openTime', name: 'time', header: 'create_time', type: 'timestamp', isText: true },
    { key: 'open', name: 'open_interest', type: 'float64', least: 0 },
    { key: 'ratio', name: 'ratio', type: 'float64', nullable: true },
  ],
  symbolAt: 1,
  endLabels: { um: '2024-03-02' },
}
const HEADER = 'create_time,symbol,open_interest,ratio'
const usOf = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n
const decodeDay = (market: 'um' | 'cm', day: string, lines: readonly string[]) => {
  const startUs = Number(usOf(`${day}T00:00Z`))
  const period = { startUs, endUs: startUs + 86_400_000_000 }
  const { columns } = decodeTable(new TextEncoder().encode([HEADER, ...lines, ''].join('\n')), LABELLED, {
    ...{ market, symbol: 'BTCUSDT', period },
  })
  return { times: [...columns.openTime], open: [...(columns['open'] ?? [])], ratio: [...(columns['ratio'] ?? [])] }
}

describe('rows that are called by their slot', () => {
  test.each([
    ['um', '2024-03-01', ['2024-03-01 00:05:00', '2024-03-02 00:00:02'], ['2024-03-01T00:00:00Z', '2024-03-01T23:55:02Z']],
    ['um', '2024-03-02', ['2024-03-02 00:00:00', '2024-03-02 23:55:00'], ['2024-03-02T00:00:00Z', '2024-03-02T23:55:00Z']],
    ['cm', '2024-03-01', ['2024-03-01 00:00:00', '2024-03-01 23:55:00'], ['2024-03-01T00:00:00Z', '2024-03-01T23:55:00Z']],
  ] as const)('of %s on %s have the start of it as their time', (market, day, labels, starts) => {
    const { times } = decodeDay(
      market,
      day,
      labels.map((label) => `${label},BTCUSDT,1,2`),
    )
    expect(times).toEqual(starts.map(usOf))
  })

  test('a cell that may be empty has no value, with quotes or without', () => {
    const rows = ['2024-03-02 00:05:00,BTCUSDT,5.25,""', '2024-03-02 00:10:00,BTCUSDT,0,', '2024-03-02 00:15:00,BTCUSDT,7,-0.5']
    expect(decodeDay('um', '2024-03-02', rows)).toMatchObject({ open: [5.25, 0, 7], ratio: [NaN, NaN, -0.5] })
  })

  test.each<[string, 'um' | 'cm', string, string, number]>([
    ['a label at the start of the first slot, where others are at the end', 'um', '2024-03-01 00:00:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['a label at the end of the last slot, where others are at the start', 'cm', '2024-03-02 00:00:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['another day', 'cm', '2024-02-29 12:00:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['a day that no calendar has', 'cm', '2024-02-30 12:00:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['an hour that no day has', 'cm', '2024-03-01 24:00:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['a time without seconds', 'cm', '2024-03-01 12:00,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['a day alone', 'cm', '2024-03-01,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['a time in milliseconds', 'cm', '1709294400000,BTCUSDT,1,2', 'CKVD_CSV_TIME', 1],
    ['another symbol', 'cm', '2024-03-01 12:00:00,ETHUSDT,1,2', 'CKVD_CSV_SYMBOL', 2],
    ['nothing for a value that must be there', 'cm', '2024-03-01 12:00:00,BTCUSDT,,2', 'CKVD_CSV_NUMBER', 3],
    ['a value in quotes', 'cm', '2024-03-01 12:00:00,BTCUSDT,1,"2"', 'CKVD_CSV_NUMBER', 4],
    ['a column too many', 'cm', '2024-03-01 12:00:00,BTCUSDT,1,2,3', 'CKVD_CSV_COLUMNS', 1],
  ])('%s is refused with its place', (_name, market, row, code, column) => {
    const rows = [`2024-03-01 06:00:00,BTCUSDT,1,2`, row]
    expect(() => decodeDay(market, '2024-03-01', rows)).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining({ line: 3, column }) as object }) as Error,
    )
  })
})
