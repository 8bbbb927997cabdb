import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeShard, decodeSomeRows, encodeShard, isOwnShard } from '../../src/codec/shard-file.ts'
import type { ShardMeta } from '../../src/codec/arrow/shard-meta.ts'
import { ROW_GROUP_ROWS } from '../../src/codec/parquet/parquet-shard.ts'
import type { Dataset } from '../../src/dataset/dataset.ts'
import { registerDataset } from '../../src/dataset/registry.ts'
import { LIQUIDATIONS } from '../../src/dataset/sets/liquidations.ts'
import { isCkvdError } from '../../src/errors.ts'
import type { Columns, NumberValues, Values } from '../../src/model/columns.ts'

const START_US = Date.parse('2024-03-01T00:00:00Z') * 1000

/** Aggregate trades of spot in order: ids and times ascend. */
const rows = fc
  .array(
    fc.record({
      id: fc.integer({ min: 1, max: 9 }),
      us: fc.integer({ min: 0, max: 1_000_000 }),
      price: fc.double({ min: 0, max: 1e9, noNaN: true }),
      quantity: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      flags: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 300 },
  )
  .map((steps): Columns => {
    let [id, us] = [0, 0]
    const ids = steps.map((step) => BigInt((id += step.id)))
    return {
      aggTradeId: BigInt64Array.from(ids),
      price: Float64Array.from(steps, ({ price }) => price),
      quantity: Float64Array.from(steps, ({ quantity }) => quantity),
      firstTradeId: BigInt64Array.from(ids, (own) => own * 3n),
      lastTradeId: BigInt64Array.from(ids, (own) => own * 3n + 2n),
      openTime: BigInt64Array.from(steps, (step) => BigInt(START_US + (us += step.us))),
      isBuyerMaker: Uint8Array.from(steps, ({ flags }) => flags & 1),
      isBestMatch: Uint8Array.from(steps, ({ flags }) => flags >> 1),
    }
  })

/** Liquidations, each of another time: words are text in the file. */
const orders = fc
  .array(
    fc.record({
      us: fc.integer({ min: 1, max: 1_000_000 }),
      amounts: fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 5, maxLength: 5 }),
      words: fc.tuple(fc.nat(1), fc.nat(7), fc.nat(4), fc.nat(6)),
    }),
    { minLength: 1, maxLength: 100 },
  )
  .map((steps): Columns => {
    let us = 0
    const word = (i: number) => Uint8Array.from(steps, ({ words }) => words[i] ?? 0)
    const amount = (i: number) => Float64Array.from(steps, ({ amounts }) => amounts[i] ?? 0)
    return {
      openTime: BigInt64Array.from(steps, (step) => BigInt(START_US + (us += step.us))),
      ...{
        side: word(0),
        orderType: word(1),
        timeInForce: word(2),
        originalQuantity: amount(0),
        price: amount(1),
        averagePrice: amount(2),
      },
      ...{ orderStatus: word(3), lastFillQuantity: amount(3), accumulatedFillQuantity: amount(4) },
    }
  })

/** The data set whose rows have names: it exists nowhere. */
const NAMED: Dataset = {
  ...LIQUIDATIONS,
  name: 'toyNames',
  folder: 'toyNames',
  columns: [
    { key: 'openTime', name: 'time', type: 'timestamp' },
    { key: 'contract', name: 'contract', type: 'text' },
    { key: 'price', name: 'price', type: 'float64', nullable: true },
  ],
  completeness: { kind: 'as-published', apart: ['contract'] },
}
registerDataset(NAMED)

/** Rows with names, each of another time. */
const names = fc
  .array(
    fc.record({
      us: fc.integer({ min: 1, max: 1_000_000 }),
      contract: fc.string({ unit: fc.constantFrom(...'!#AZaz09-_~'), minLength: 1, maxLength: 64 }),
      price: fc.oneof(fc.constant(NaN), fc.double({ min: 0, max: 1e9, noNaN: true })),
    }),
    { minLength: 1, maxLength: 100 },
  )
  .map((steps): Columns => {
    let us = 0
    return {
      openTime: BigInt64Array.from(steps, (step) => BigInt(START_US + (us += step.us))),
      contract: steps.map(({ contract }) => contract),
      price: Float64Array.from(steps, ({ price }) => price),
    }
  })

function bytesOf(values: Values | undefined): Buffer {
  return Buffer.from((values as NumberValues).slice().buffer)
}

function metaOf(columns: Columns): ShardMeta {
  const { openTime } = columns
  const of =
    'side' in columns
      ? { dataset: 'liquidationSnapshot', market: 'cm' as const }
      : { dataset: 'contract' in columns ? NAMED.name : 'aggTrades', market: 'spot' as const }
  return {
    ...{ ...of, symbol: 'BTCUSDT', interval: '1s', day: '2024-03-01' as ShardMeta['day'] },
    ...{ source: 'vision-daily', archiveKey: 'key', archiveSha256: 'ab'.repeat(32), archiveEtag: 'etag', condition: 'complete' },
    ...{ rows: openTime.length, expected: openTime.length, offGrid: 0, duplicates: 0, oddClose: 0, oddRows: 0, gaps: [] },
  }
}

describe('a shard of ticks', () => {
  test('gives back what was put in, bit for bit, and is the same bytes each time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(rows, orders, names), async (columns) => {
        const bytes = await encodeShard(columns, metaOf(columns))
        expect(isOwnShard(bytes)).toBe(true)
        const found = decodeShard<Columns>(bytes)
        expect(found.meta).toEqual(metaOf(columns))
        expect(found.columns).toEqual(columns)
        expect(await encodeShard(found.columns, found.meta)).toEqual(bytes)
      }),
      { numRuns: 60 },
    )
  })

  test('at the edges of its row groups as well', async () => {
    for (const length of [ROW_GROUP_ROWS - 1, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 1, 2 * ROW_GROUP_ROWS]) {
      const ids = () => BigInt64Array.from({ length }, (_none, i) => BigInt(i))
      const amounts = () => new Float64Array(length).fill(1.5)
      const flags = () => Uint8Array.from({ length }, (_none, i) => Number(i % 3 === 0))
      const columns: Columns = {
        ...{ aggTradeId: ids(), price: amounts(), quantity: amounts(), firstTradeId: ids(), lastTradeId: ids() },
        openTime: ids().map((id) => BigInt(START_US) + id),
        ...{ isBuyerMaker: flags(), isBestMatch: flags() },
      }
      const found = decodeShard<Columns>(await encodeShard(columns, metaOf(columns))).columns
      expect(Object.keys(found)).toEqual(Object.keys(columns))
      for (const key of Object.keys(columns)) expect(bytesOf(found[key]).equals(bytesOf(columns[key]))).toBe(true)
    }
  })

  test('gives the row groups in which a range lies, with a row on either side of it', async () => {
    // five rows share each time
    const length = 3 * ROW_GROUP_ROWS + 1000
    const timeOf = (i: number): number => START_US + Math.floor(i / 5) * 1_000_000
    const ids = () => BigInt64Array.from({ length }, (_none, i) => BigInt(i))
    const amounts = () => Float64Array.from({ length }, (_none, i) => i / 8)
    const columns: Columns = {
      ...{ aggTradeId: ids(), price: amounts(), quantity: amounts(), firstTradeId: ids(), lastTradeId: ids() },
      openTime: BigInt64Array.from({ length }, (_none, i) => BigInt(timeOf(i))),
      ...{ isBuyerMaker: new Uint8Array(length), isBestMatch: new Uint8Array(length) },
    }
    const bytes = await encodeShard(columns, metaOf(columns))
    const times = Array.from({ length }, (_none, i) => timeOf(i))
    const place = fc.oneof(
      fc.integer({ min: -1, max: length + 5 }),
      fc.constantFrom(0, ROW_GROUP_ROWS - 1, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 5, 2 * ROW_GROUP_ROWS, length),
    )
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 150_000 }), fc.boolean(), (at, rows, isOff) => {
        const range = { startUs: timeOf(at) + Number(isOff), endUs: timeOf(at + rows) + Number(isOff) }
        const { columns: found, meta } = decodeSomeRows(bytes, { range, keys: ['aggTradeId', 'price', 'openTime'] })
        expect(meta.rows).toBe(length)
        const from = Number(found['aggTradeId']?.[0])
        const to = from + found.openTime.length
        for (const key of ['aggTradeId', 'price', 'openTime'])
          expect(bytesOf(found[key]).equals(bytesOf(columns[key]?.slice(from, to)))).toBe(true)
        expect(Object.keys(found)).toEqual(['aggTradeId', 'price', 'openTime'])
        // all rows of the range, one before and one behind it, and of no group in which none of them lies
        const first = times.findIndex((time) => time >= range.startUs)
        const end = times.findIndex((time) => time >= range.endUs)
        const wanted = [Math.max(0, (first < 0 ? length : first) - 1), Math.min(length, (end < 0 ? length : end) + 1)] as const
        expect(from).toBe(Math.floor(wanted[0] / ROW_GROUP_ROWS) * ROW_GROUP_ROWS)
        expect(to).toBe(Math.min(length, Math.ceil(wanted[1] / ROW_GROUP_ROWS) * ROW_GROUP_ROWS))
      }),
      { numRuns: 60 },
    )
  })

  test('that is damaged ends in what it was, or in an error of the catalogue', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(rows, orders, names),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (columns, at, xor, isCut) => {
          const whole = await encodeShard(columns, metaOf(columns))
          const place = at % whole.length
          const bytes = isCut ? whole.slice(0, place) : whole.map((byte, i) => (i === place ? byte ^ xor : byte))
          try {
            expect(decodeShard<Columns>(bytes).columns).toEqual(columns)
          } catch (error) {
            if (!isCkvdError(error, 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_DIGEST')) throw error
          }
        },
      ),
      { numRuns: 250, endOnFailure: true },
    )
  })
})
