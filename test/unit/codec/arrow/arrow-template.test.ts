import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ShardMeta } from '../../../../src/codec/arrow/arrow.ts'
import { encodeRows, encodeArrowShard } from '../../../../src/codec/arrow/arrow-writer.ts'
import { FileEncoder, ShardEncoder } from '../../../../src/codec/arrow/arrow-template.ts'
import { BufferPool } from '../../../../src/memory/buffer-pool.ts'
import { datasetOf } from '../../../../src/dataset/registry.ts'
import type { KlineColumns } from '../../../../src/model/kline.ts'
import { sliceColumns } from '../../../../src/model/columns.ts'
import { createColumns, KLINE_COLUMNS } from '../../../../src/model/kline.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { readWithPolars } from '../../../support/foreign-reader.ts'

const START_US = Date.UTC(2024, 0, 1) * 1000

function bars(rows: number, seed: number): KlineColumns {
  const columns = createColumns(rows)
  for (let i = 0; i < rows; i++) {
    for (const { key, type } of KLINE_COLUMNS) columns[key][i] = type === 'float64' ? 1 + (i * seed) / 7 : BigInt(START_US + i * 60_000_000)
  }
  return columns
}

function metaOf(rows: number, more: Partial<ShardMeta> = {}): ShardMeta {
  return {
    market: 'spot',
    symbol: 'BTCUSDT',
    interval: '1m',
    day: '2024-01-01' as UtcDay,
    source: 'vision-daily',
    archiveKey: 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip',
    archiveSha256: 'ab'.repeat(32),
    archiveEtag: '0123',
    condition: 'complete',
    rows,
    expected: rows,
    offGrid: 0,
    duplicates: 0,
    oddClose: 0,
    oddRows: 0,
    gaps: [],
    ...more,
  }
}

/** The second call with a shape is the one that takes the template. */
function expectSameBytes(encoder: ShardEncoder, columns: KlineColumns, meta: ShardMeta): void {
  const expected = Buffer.from(encodeArrowShard(columns, meta))
  for (let i = 0; i < 2; i++) expect(Buffer.compare(Buffer.from(encoder.encode(columns, meta)), expected)).toBe(0)
}

describe('shards from templates', () => {
  // a bar, hours, the first day of a symbol, 1m and 3m days, either side of multiples of eight, a day and an hour of 1s
  test.each([1, 2, 7, 8, 9, 24, 31, 96, 288, 480, 720, 1439, 1440, 1441, 3600, 86_399, 86_400])(
    'of %i rows are those of the library',
    (rows) => {
      const encoder = new ShardEncoder()
      expectSameBytes(encoder, bars(rows, 3), metaOf(rows))
      expectSameBytes(
        encoder,
        bars(rows, 5),
        metaOf(rows, { day: '2024-02-29' as UtcDay, symbol: 'ETHUSDT', archiveSha256: 'cd'.repeat(32) }),
      )
    },
  )

  test('with metadata of any lengths, and rows that are views, are those of the library', () => {
    const encoder = new ShardEncoder()
    fc.assert(
      fc.property(
        fc.record({
          symbol: fc.string({ unit: fc.constantFrom('A', '币', 'é', '1'), minLength: 1, maxLength: 12 }),
          archiveKey: fc.option(fc.string({ unit: 'grapheme', maxLength: 40 })),
          archiveEtag: fc.option(fc.string({ maxLength: 40 })),
          source: fc.constantFrom('rest', 'vision-daily', 'vision-daily+rest'),
          offGrid: fc.nat(2000),
          duplicates: fc.nat(2000),
          oddClose: fc.nat(2000),
          oddRows: fc.nat(2000),
          expected: fc.nat(100_000),
        }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 9 }),
        (more, rows, start) => {
          const meta = metaOf(rows, {
            ...more,
            gaps:
              start === 0
                ? []
                : [
                    {
                      startUs: START_US,
                      endUs: START_US + start,
                      bars: start,
                      evidence: { source: 'rest', beforeUs: START_US - start, afterUs: START_US + start },
                    },
                  ],
          })
          expectSameBytes(encoder, sliceColumns(bars(50, 3), start, start + rows), meta)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('in memory that was used before are those of the library', () => {
    for (const rows of [1, 7, 24, 1441]) {
      const expected = Buffer.from(encodeArrowShard(bars(rows, 5), metaOf(rows)))
      const used = new Uint8Array(new SharedArrayBuffer(expected.length)).fill(0xff)
      const pool = new BufferPool(1 << 20)
      const encoder = new ShardEncoder()
      encoder.encode(bars(rows, 3), metaOf(rows), pool)
      pool.give(used)
      const shard = encoder.encode(bars(rows, 5), metaOf(rows), pool)
      expect(shard.buffer, 'the memory that was given').toBe(used.buffer)
      expect(Buffer.compare(Buffer.from(shard), expected), `${rows} rows`).toBe(0)
    }
  })

  test('own their whole buffer, can be read by others, and keep nothing of each other', () => {
    const encoder = new ShardEncoder()
    encoder.encode(bars(1440, 3), metaOf(1440))
    const shard = encoder.encode(bars(1440, 7), metaOf(1440, { symbol: 'ETHUSDT' }))
    expect(shard.byteLength).toBe(shard.buffer.byteLength)
    encoder.encode(bars(1440, 11), metaOf(1440))
    const { rows, closes } = readWithPolars(Buffer.from(shard))
    expect(rows).toBe(1440)
    expect(closes.slice(0, 3)).toEqual([1, 2, 3])
  })

  test('rows that the metadata does not count are refused, also after a good shard of that shape', () => {
    const encoder = new ShardEncoder()
    encoder.encode(bars(24, 3), metaOf(24))
    encoder.encode(bars(25, 3), metaOf(25))
    expect(() => encoder.encode(bars(25, 3), metaOf(24))).toThrow(expect.objectContaining({ code: 'CKVD_BUG' }) as Error)
  })
})

test('files whose greatest text stands in the footer alone are those of the library, whatever came before', () => {
  const encoder = new FileEncoder()
  const dataset = datasetOf({})
  const text = fc.string({ unit: fc.constantFrom('A', 'é', '"', '1'), maxLength: 30 })
  const key = fc.constantFrom('one', 'two', 'three', 'four')
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { minLength: 1 }),
      fc.array(text, { minLength: 4, maxLength: 4 }),
      key,
      fc.nat(30),
      (keys, texts, footerOnly, more) => {
        const metadata = new Map(keys.map((name, i) => [name, texts[i] ?? '']))
        const columns = bars(1 + more, 3)
        const expected = Buffer.from(encodeRows(columns, metadata, dataset, footerOnly))
        for (let i = 0; i < 2; i++)
          expect(Buffer.compare(Buffer.from(encoder.encode(columns, metadata, dataset, { footerOnly })), expected)).toBe(0)
      },
    ),
    { numRuns: 500 },
  )
})
