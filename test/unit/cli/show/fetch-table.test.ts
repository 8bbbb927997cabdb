import { Table } from 'apache-arrow'
import { toRecordBatch } from '../../../../src/codec/arrow/arrow-writer.ts'
import type { Columns } from '../../../../src/model/columns.ts'
import { describe, expect, test } from 'vitest'
import { describeTable } from '../../../../src/cli/show/fetch-table.ts'
import { KLINE_COLUMNS } from '../../../../src/model/kline.ts'

/** Minutes from 2024-03-08T13:00Z on, eleven columns. */
function tableOf(rows: number) {
  const time = BigInt(Date.parse('2024-03-08T13:00:00Z')) * 1000n
  const columns = KLINE_COLUMNS.map(({ key, type }) => [
    key,
    type === 'float64'
      ? new Float64Array(rows).fill(64_123.45678)
      : BigInt64Array.from({ length: rows }, (_none, i) => time + BigInt(i) * 60_000_000n),
  ])
  return new Table(toRecordBatch(Object.fromEntries(columns) as Columns, new Map()))
}

const terminal = (columns: number) => ({ write: () => true, isTTY: true, columns })

describe('a table for people', () => {
  test('in a terminal that is too narrow for all columns: those that people look at, no cell over two lines, and a word', () => {
    const lines = describeTable(tableOf(3), terminal(100)).trimEnd().split('\n')
    expect(lines).toHaveLength(3 + 3 + 1 + 1)
    expect(lines[1]).toMatch(/│ +open_time │ +open │ +high │ +low │ +close │/)
    expect(lines[3]).toContain('2024-03-08T13:00:00.000000Z')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
    expect(lines.at(-1)).toBe('3 rows, 5 of 11 columns shown; --out FILE.csv has all')
  })

  test('in a wide one, and in a pipe, all of them', () => {
    for (const output of [terminal(400), { write: () => true, isTTY: false, columns: 80 }]) {
      const text = describeTable(tableOf(3), output)
      for (const { name } of KLINE_COLUMNS) expect(text).toContain(name)
      expect(text).toContain('2024-03-08T13:00:00.000000Z')
      expect(text.trimEnd().endsWith('3 rows')).toBe(true)
    }
  })

  test('a long one shows its ends', () => {
    const text = describeTable(tableOf(50), terminal(100))
    expect([text.includes('13:09:00.'), text.includes('13:10:00.'), text.includes('13:39:00.'), text.includes('13:40:00.')]).toEqual([
      true,
      false,
      false,
      true,
    ])
  })
})
