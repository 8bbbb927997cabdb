import { describe, expect, test } from 'vitest'
import { decodeCsv } from '../../../../src/codec/csv/csv.ts'
import type { ErrorCode } from '../../../../src/errors.ts'
import { KLINE_COLUMNS } from '../../../../src/model/kline.ts'

const ROW =
  '1577836800000,7195.24000000,7196.25000000,7183.14000000,7186.68000000,51.64281200,1577836859999,371233.51835535,493,19.59823000,140888.41428273,0'
const HEADER = 'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore'
const VALUES = [
  1577836800000000n,
  7195.24,
  7196.25,
  7183.14,
  7186.68,
  51.642812,
  1577836859999000n,
  371233.51835535,
  493n,
  19.59823,
  140888.41428273,
]

function decode(text: string) {
  const { columns, rows } = decodeCsv(Buffer.from(text))
  return { rows, cells: Array.from({ length: rows }, (_, row) => KLINE_COLUMNS.map(({ key }) => columns[key][row])) }
}

/** The row with cells replaced; keys are columns from 1. */
function rowWith(cells: Record<number, string>): string {
  return ROW.split(',')
    .map((cell, i) => cells[i + 1] ?? cell)
    .join(',')
}

/** The text once as it is, read by the slow path, and once before rows enough that the scanner takes it. */
const SCANNED = `\n${`${ROW}\n`.repeat(8)}`

describe('what is accepted', () => {
  test.each([
    ['LF', `${ROW}\n${ROW}\n`],
    ['no final newline', `${ROW}\n${ROW}`],
    ['CRLF', `${ROW}\r\n${ROW}\r\n`],
    ['trailing blank lines', `${ROW}\n${ROW}\n\n\r\n\n`],
    ['a byte order mark', `\uFEFF${ROW}\n${ROW}\n`],
    ['a header', `${HEADER}\n${ROW}\n${ROW}\n`],
    ['a header with CRLF and a byte order mark', `\uFEFF${HEADER}\r\n${ROW}\r\n${ROW}`],
    ['a header in upper case', `${HEADER.toUpperCase()}\n${ROW}\n${ROW}`],
    [
      'other names',
      `open_time,open,high,low,close,volume,close_time,quote_asset_volume,number_of_trades,taker_buy_base_asset_volume,tbqav,ignore\n${ROW}\n${ROW}`,
    ],
  ])('%s', (_, text) => {
    expect(decode(text)).toEqual({ rows: 2, cells: [VALUES, VALUES] })
  })

  test.each([
    ['nothing', ''],
    ['a header alone', HEADER],
    ['a header and a newline', `${HEADER}\n`],
    ['only line ends', '\n\r\n\n'],
  ])('%s has no rows', (_, text) => {
    expect(decode(text)).toEqual({ rows: 0, cells: [] })
  })

  test.each([
    ['CRLF', '\r\n'],
    ['LF', '\n'],
  ])('many rows with %s', (_, end) => {
    const { cells, rows } = decode(`${ROW}${end}`.repeat(3000))
    expect(rows).toBe(3000)
    expect(cells.every((row) => row.every((cell, i) => cell === VALUES[i]))).toBe(true)
  })

  test('rows much shorter than the first: the table grows', () => {
    const short = '1577836800000,1,1,1,1,1,1577836859999,1,1,1,1,0'
    expect(decode(`${rowWith({ 6: '1.000000000000000000000000000000' })}\n${`${short}\n`.repeat(2000)}`).rows).toBe(2001)
  })

  test('times in milliseconds and microseconds, each by its own digits', () => {
    const { cells } = decode(`${rowWith({ 1: '1735689600000000', 7: '1735689659999' })}\n${rowWith({ 7: '1735689659999999' })}${SCANNED}`)
    expect(cells.slice(0, 2).map((row) => [row[0], row[6]])).toEqual([
      [1735689600000000n, 1735689659999000n],
      [1577836800000000n, 1735689659999999n],
    ])
  })

  test.each([
    '0',
    '0.00000000',
    '00012.50',
    '123456789012.12345678',
    '9007199254740993',
    '123456789012345678901234567890',
    '90071992.54740993',
    '0.000000000000000000000001',
    '4503599627370497.5',
  ])('the decimal %s is correctly rounded', (text) => {
    const row = rowWith({ 6: text, 8: text, 10: text, 11: text })
    for (const csv of [row, `${row}${SCANNED}`])
      expect(decode(csv).cells[0]?.filter((_, i) => [5, 7, 9, 10].includes(i))).toEqual(Array(4).fill(Number(text)))
  })

  test('a view inside a larger buffer', () => {
    const larger = Buffer.from(`xxx${`${ROW}\n`.repeat(9)}999`)
    const { columns, rows } = decodeCsv(larger.subarray(3, larger.length - 3))
    expect(rows).toBe(9)
    expect(columns.open[8]).toBe(7195.24)
  })
})

describe('what is refused, with line and column', () => {
  test.each<[string, string, ErrorCode, number, string]>([
    ['11 columns', ROW.slice(0, ROW.lastIndexOf(',')), 'CKVD_CSV_COLUMNS', 11, 'Expected 12 columns, found 11'],
    ['13 columns', `${ROW},0`, 'CKVD_CSV_COLUMNS', 12, 'Expected 12 columns, found 13'],
    ['a plus', rowWith({ 2: '+7195.24' }), 'CKVD_CSV_NUMBER', 2, '"+7195.24"'],
    ['a sign in a time', rowWith({ 7: '-1577836859999' }), 'CKVD_CSV_NUMBER', 7, '"-1577836859999"'],
    ['what is not a number', rowWith({ 6: 'NaN' }), 'CKVD_CSV_NUMBER', 6, '"NaN"'],
    ['an exponent', rowWith({ 6: '5e3' }), 'CKVD_CSV_NUMBER', 6, '"5e3"'],
    ['a blank', rowWith({ 3: ' 7196.25' }), 'CKVD_CSV_NUMBER', 3, '" 7196.25"'],
    ['quotes', rowWith({ 4: '"7183.14"' }), 'CKVD_CSV_NUMBER', 4, ''],
    ['an empty cell', rowWith({ 5: '' }), 'CKVD_CSV_NUMBER', 5, '""'],
    ['no digit after the point', rowWith({ 6: '51.' }), 'CKVD_CSV_NUMBER', 6, '"51."'],
    ['no digit before the point', rowWith({ 6: '.5' }), 'CKVD_CSV_NUMBER', 6, '".5"'],
    ['two points', rowWith({ 6: '5.1.2' }), 'CKVD_CSV_NUMBER', 6, '"5.1.2"'],
    ['a colon, the byte after 9', rowWith({ 6: '5:' }), 'CKVD_CSV_NUMBER', 6, '"5:"'],
    ['a colon after the point', rowWith({ 6: '5.123:5678' }), 'CKVD_CSV_NUMBER', 6, '"5.123:5678"'],
    ['a colon in a time', rowWith({ 7: '157783685:999' }), 'CKVD_CSV_NUMBER', 7, '"157783685:999"'],
    ['a slash, the byte before 0', rowWith({ 6: '5/' }), 'CKVD_CSV_NUMBER', 6, '"5/"'],
    ['a decimal that overflows', rowWith({ 6: '9'.repeat(400) }), 'CKVD_CSV_NUMBER', 6, ''],
    ['a count with a fraction', rowWith({ 9: '493.0' }), 'CKVD_CSV_NUMBER', 9, '"493.0"'],
    ['a count beyond 2^53', rowWith({ 9: '9007199254740993' }), 'CKVD_CSV_NUMBER', 9, ''],
    ['text in the ignored column', rowWith({ 12: 'x' }), 'CKVD_CSV_NUMBER', 12, '"x"'],
    ['a time with a point', rowWith({ 1: '1577836800000.0' }), 'CKVD_CSV_NUMBER', 1, ''],
    ['a time in seconds', rowWith({ 7: '1577836859' }), 'CKVD_CSV_TIME', 7, '"1577836859"'],
    ['a time in nanoseconds', rowWith({ 1: '1577836800000000000' }), 'CKVD_CSV_TIME', 1, ''],
    ['a time in 2008', rowWith({ 1: '1230767999999' }), 'CKVD_CSV_TIME', 1, ''],
    ['a time in 2100', rowWith({ 7: '4102444800000000' }), 'CKVD_CSV_TIME', 7, ''],
  ])('%s', (_, row, code, column, words) => {
    // last lines are read by the slow path, lines further up by the scanner: both must say the same
    for (const tail of ['', '\n', SCANNED]) {
      const refusal = expect.objectContaining({
        code,
        message: expect.stringContaining(words) as string,
        details: expect.objectContaining({ line: 3, column }) as object,
      }) as Error
      expect(() => decode(`${HEADER}\n${ROW}\n${row}${tail}`)).toThrow(refusal)
    }
  })

  test('a blank line in the middle', () => {
    expect(() => decode(`${ROW}\n\n${ROW}\n`)).toThrow(
      expect.objectContaining({
        code: 'CKVD_CSV_COLUMNS',
        message: 'Expected 12 columns, found an empty line (line 2, column 1)',
      }) as Error,
    )
  })

  test('the cell that was found, cut to forty characters', () => {
    const refusal = expect.objectContaining({
      code: 'CKVD_CSV_NUMBER',
      details: { line: 1, column: 2, found: `${'x'.repeat(40)}…` },
    }) as Error
    expect(() => decode(rowWith({ 2: 'x'.repeat(1000) }))).toThrow(refusal)
  })

  test('a line that is too long to be one', () => {
    expect(() => decode(`${ROW}\n${'1'.repeat(5_000_000)}`)).toThrow(expect.objectContaining({ code: 'CKVD_CSV_COLUMNS' }) as Error)
  })

  test.each([
    ['an HTML page', '<html>\n', 1, '<html>'],
    ['another first column', HEADER.replace('open_time', 'time'), 1, 'time'],
    ['eleven names', HEADER.replace(',ignore', ''), 11, 'taker_buy_quote_volume'],
    ['thirteen names', `${HEADER},more`, 12, 'ignore'],
    ['names in another order', HEADER.replace('quote_volume,count', 'count,quote_volume'), 8, 'count'],
    ['a number with a sign', `-${ROW}`, 1, '-1577836800000'],
  ])('as a header: %s', (_, text, column, found) => {
    expect(() => decode(`${text}\n${ROW}`)).toThrow(
      expect.objectContaining({ code: 'CKVD_CSV_HEADER', details: { line: 1, column, found } }) as Error,
    )
  })

  test.each([
    [0xee, 0xbb, 0xbf],
    [0xef, 0xba, 0xbf],
    [0xef, 0xbb, 0xbe],
  ])('bytes that are no byte order mark: %i %i %i', (...mark) => {
    expect(() => decodeCsv(Buffer.concat([Buffer.from(mark), Buffer.from(ROW)]))).toThrow(
      expect.objectContaining({ code: 'CKVD_CSV_HEADER' }) as Error,
    )
  })

  test.each(['x', 'x\n', '\r', '\rx', '\n\rx\n', ' \n'])('%j after the last row', (tail) => {
    expect(() => decode(`${ROW}\n${tail}`)).toThrow(expect.objectContaining({ code: 'CKVD_CSV_COLUMNS' }) as Error)
  })
})
