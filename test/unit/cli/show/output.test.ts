import { wrapText } from '../../../../src/cli/show/wrap-text.ts'
import { describe, expect, test } from 'vitest'
import { jsonLine } from '../../../../src/cli/show/json-line.ts'
import { formatBytes, formatCount, formatDuration, formatRate, printTable } from '../../../../src/cli/show/output.ts'
import type { TableContent } from '../../../../src/cli/show/output.ts'

function print(content: TableContent, terminal?: { columns: number }): string {
  let text = ''
  printTable({ write: (piece) => (text += piece), ...(terminal === undefined ? {} : { isTTY: true, ...terminal }) }, content)
  return text
}

const CONTENT: TableContent = {
  head: ['symbol', 'days'],
  rows: [
    ['BTCUSDT', '1,826'],
    ['币安人生USDT', '7'],
  ],
  align: ['left', 'right'],
}

describe('printTable', () => {
  test('in a pipe: plain columns, no escape, no trailing blank', () => {
    expect(print(CONTENT)).toBe('symbol         days\nBTCUSDT       1,826\n币安人生USDT      7\n')
  })

  test('on a terminal: framed, and never wider than it', () => {
    const long = { head: ['a', 'b'], rows: [['x'.repeat(200), 'y'.repeat(30)]] }
    const lines = print(long, { columns: 60 }).trimEnd().split('\n')
    expect(lines[0]).toMatch(/^┌/)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
    // wrapped, not cut: every character is still there
    expect(lines.join('').match(/x/g)).toHaveLength(200)
    expect(lines.join('').match(/y/g)).toHaveLength(30)
  })

  const COVERAGE: TableContent = {
    head: ['series', 'first', 'last', 'complete', 'rows', 'missing bars', 'never requested'],
    rows: [['spot BTCUSDT 1m', '2026-09-25', '2026-10-02', '8', '11,520', '0', '3,326']],
    align: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
  }
  const words = (text: string) => text.split(/[\s│┌┐└┘├┤┬┴┼─]+/).filter((word) => word !== '')

  test('where it is narrow words of the head give way first, then the blanks, then words of cells: none is broken', () => {
    expect(print(COVERAGE, { columns: 90 }).split('\n').slice(0, 5)).toEqual([
      '┌─────────────────┬────────────┬────────────┬──────────┬────────┬─────────┬───────────┐',
      '│ series          │ first      │ last       │ complete │   rows │ missing │     never │',
      '│                 │            │            │          │        │    bars │ requested │',
      '├─────────────────┼────────────┼────────────┼──────────┼────────┼─────────┼───────────┤',
      '│ spot BTCUSDT 1m │ 2026-09-25 │ 2026-10-02 │        8 │ 11,520 │       0 │     3,326 │',
    ])
    expect(print(COVERAGE, { columns: 80 })).toContain('\n│spot BTCUSDT 1m│2026-09-25│2026-10-02│       8│11,520│      0│    3,326│\n')
    for (let columns = 66; columns < 120; columns++) {
      const text = print(COVERAGE, { columns })
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns)
      expect(words(text).sort()).toEqual([...COVERAGE.head, ...COVERAGE.rows.flat()].flatMap(words).sort())
    }
  })

  test('what is longer than any room is broken after a sign, and lines of a cell stay lines', () => {
    const text = print(
      {
        head: ['key', 'value'],
        rows: [
          ['url', 'https://data-api.binance.vision/a'],
          ['plan', 'one\n  two'],
        ],
      },
      { columns: 30 },
    )
    expect(text).toContain('│url │https://data-api.│\n│    │binance.vision/a │\n')
    expect(text).toContain('│plan│one              │\n│    │  two            │\n')
  })
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
  [12_345_678, '12.3 MB'],
  [5e15, '5000.0 TB'],
])('formatBytes(%d) is %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [999.6, '1.0 s'],
  [59_949, '59.9 s'],
  [59_951, '1 min 00 s'],
  [125_000, '2 min 05 s'],
  [3_599_600, '1 h 00 min'],
  [11_220_000, '3 h 07 min'],
])('formatDuration(%d) is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test('formatCount and formatRate', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567')
  expect(formatCount(12_345_678_901_234_567_890n)).toBe('12,345,678,901,234,567,890')
  expect(formatRate(2469, 2000, 'rows')).toBe('1,235 rows/s')
  expect(formatRate(5, 2000, 'archives')).toBe('2.5 archives/s')
  expect(formatRate(3_000_000, 2000, 'B')).toBe('1.5 MB/s')
  expect(formatRate(3, 0, 'rows')).toBe('– rows/s')
})

test('jsonLine keeps bigints: as numbers where exact, else as text', () => {
  expect(jsonLine({ a: 5n, b: 9_007_199_254_740_993n, c: [1n] })).toBe('{"a":5,"b":"9007199254740993","c":[1]}\n')
})

test('a line that is too wide goes on under the text that a term begins, colours not counted', () => {
  expect(wrapText('  3     finished, but some days are partial or disputed', 30)).toBe(
    '  3     finished, but some\n        days are partial or\n        disputed',
  )
  expect(wrapText('  a plain line that is indented', 20)).toBe('  a plain line that\n  is indented')
  expect(wrapText('\u001b[31merror CKVD_BUG:\u001b[39m a', 20)).toBe('\u001b[31merror CKVD_BUG:\u001b[39m a')
  // a number stays with its unit
  expect(wrapText('172,799 rows written in 4.7 s', 28)).toBe('172,799 rows written in\n4.7 s')
  expect(wrapText('45 files, 44.1 MB in 3.9 s', 14)).toBe('45 files,\n44.1 MB in\n3.9 s')
  expect(wrapText('45 files, 3 min 05 s', 14)).toBe('45 files,\n3 min 05 s')
  expect(wrapText('a word/that/is/longer/than/the/width', 12)).toBe('a\nword/that/is/longer/than/the/width')
})
