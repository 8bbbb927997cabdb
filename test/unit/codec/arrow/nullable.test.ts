import { tableFromIPC } from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import { decodeArrowShard } from '../../../../src/codec/arrow/arrow.ts'
import { parseArrowFile } from '../../../../src/codec/arrow/arrow-file.ts'
import { ShardEncoder } from '../../../../src/codec/arrow/arrow-template.ts'
import { encodeArrowShard } from '../../../../src/codec/arrow/arrow-writer.ts'
import type { ShardMeta } from '../../../../src/codec/arrow/shard-meta.ts'
import { encodeRowsCsv } from '../../../../src/codec/export/csv-text.ts'
import type { Dataset } from '../../../../src/dataset/dataset.ts'
import { registerDataset } from '../../../../src/dataset/registry.ts'
import type { Columns } from '../../../../src/model/columns.ts'
import { sameAsTold } from '../../../../src/model/columns.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'

/** A data set that this file alone describes: a value of it may be missing. */
const HOLEY: Dataset = {
  name: 'holey',
  folder: 'holey',
  hasInterval: false,
  grid: '1h',
  markets: ['um'],
  chunking: 'day',
  columns: [
    { key: 'openTime', name: 'time', type: 'timestamp' },
    { key: 'here', name: 'here', type: 'float64' },
    { key: 'maybe', name: 'maybe', type: 'float64', nullable: true },
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'grid' },
  rest: null,
}
registerDataset(HOLEY)

const START_US = BigInt(Date.parse('2024-03-01T00:00Z')) * 1000n
function rowsOf(maybe: readonly number[]): Columns {
  return {
    openTime: BigInt64Array.from(maybe, (_value, i) => START_US + BigInt(i) * 3_600_000_000n),
    here: Float64Array.from(maybe, (_value, i) => i + 0.5),
    maybe: Float64Array.from(maybe),
  }
}
const metaOf = (rows: number): ShardMeta => ({
  ...{ dataset: 'holey', market: 'um', symbol: 'BTCUSDT', interval: '1h', day: '2024-03-01' as UtcDay, source: 'vision-daily' },
  ...{ archiveKey: null, archiveSha256: null, archiveEtag: null, condition: 'complete', rows, expected: 24 },
  ...{ offGrid: 0, duplicates: 0, oddClose: 0, oddRows: 0, gaps: [] },
})
const encode = (maybe: readonly number[]) => encodeArrowShard(rowsOf(maybe), metaOf(maybe.length))
const SOME = [1, NaN, -2, NaN, 0, 5, 6, 7, NaN, 9]

describe('a column in which values may be missing', () => {
  test.each([
    ['some', SOME],
    ['none', [1, 2, 3]],
    ['all', [NaN, NaN]],
  ])('%s missing: read back, and null to every reader of Arrow', (_name, maybe) => {
    const bytes = encode(maybe)
    expect([...(decodeArrowShard<Columns>(bytes).columns['maybe'] ?? [])]).toEqual(maybe)
    const column = tableFromIPC(bytes).getChild('maybe')
    expect([...(column ?? [])]).toEqual(maybe.map((value) => (Number.isNaN(value) ? null : value)))
    expect(column?.nullCount).toBe(maybe.filter(Number.isNaN).length)
  })

  test('files of one shape with values missing elsewhere have their own bytes, each time the same', () => {
    const encoder = new ShardEncoder()
    for (const maybe of [SOME, SOME.toReversed(), SOME.map((_value, i) => i), SOME])
      expect(Buffer.compare(encoder.encode(rowsOf(maybe), metaOf(maybe.length)), encode(maybe))).toBe(0)
  })

  test('a file whose nulls are not where its values are missing is refused', () => {
    const bytes = encode(SOME)
    const { validity } = parseArrowFile(bytes).columns[2] ?? { validity: { start: 0, sizeBytes: 0 } }
    expect(validity.sizeBytes).toBeGreaterThan(0)
    bytes[validity.start] = (bytes[validity.start] ?? 0) ^ 0b11
    expect(() => decodeArrowShard(bytes)).toThrow(expect.objectContaining({ code: 'CKVD_SHARD_FORMAT' }) as Error)
  })

  test('a value that must be there and is not is refused', () => {
    const rows = { ...rowsOf([1, 2]), here: Float64Array.of(NaN, 1) }
    expect(() => decodeArrowShard(encodeArrowShard(rows, metaOf(2)))).toThrow(/finite numbers/)
    const infinite = rowsOf([1, Infinity])
    expect(() => decodeArrowShard(encodeArrowShard(infinite, metaOf(2)))).toThrow(/finite numbers/)
  })

  test('is an empty cell of a CSV', () => {
    const text = new TextDecoder().decode(encodeRowsCsv(rowsOf([1, NaN]), HOLEY.columns))
    expect(text.split('\n').map((line) => line.split(',').at(-1))).toEqual(['maybe', '1', '', ''])
  })

  test('two rows without a value are the same to two sources, one with and one without are not', () => {
    const [a, b] = [rowsOf([NaN, 1]), rowsOf([NaN, NaN])]
    expect([sameAsTold(a, 0, b, 0, []), sameAsTold(a, 1, b, 1, []), sameAsTold(a, 1, b, 1, ['maybe'])]).toEqual([true, false, true])
  })
})
