import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chunkBytes } from '../../src/codec/arrow/chunk-bytes.ts'
import type { Pack } from '../../src/codec/arrow/pack.ts'
import { decodePack, takeChunk } from '../../src/codec/arrow/pack.ts'
import { encodePack } from '../../src/codec/arrow/pack-writer.ts'
import type { ShardMeta } from '../../src/codec/arrow/shard-meta.ts'
import { isCkvdError } from '../../src/errors.ts'
import { openLake } from '../../src/lake/lake.ts'
import { shardPath } from '../../src/lake/layout.ts'
import type { Evidence } from '../../src/model/evidence.ts'
import { doubt } from '../../src/model/evidence.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import { createColumns, KLINE_COLUMNS } from '../../src/model/kline.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { chunkOf, HOURS, putFormer } from '../support/two-formats.ts'
import { inTempDirectory } from '../unit/lake/lake-fixtures.ts'

const HOUR_US = 3_600_000_000
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })

const evidence = (startUs: number, endUs: number): fc.Arbitrary<Evidence> =>
  fc.oneof(
    fc.constant<Evidence>({ source: 'rest', beforeUs: startUs - HOUR_US, afterUs: endUs }),
    fc.constant<Evidence>({ source: 'archives', beforeUs: startUs - 2 * HOUR_US, afterUs: endUs + HOUR_US }),
    // a note stands in the catalog alone
    fc.constantFrom(doubt('rest-off'), doubt('rest-failed'), doubt('no-witness'), doubt('young')),
  )

interface RandomChunk {
  readonly meta: ShardMeta
  readonly columns: KlineColumns
}

/** A day of January 2024 with some of its hours, prices of any bits, and gaps for the hours it lacks. */
function chunkAt(number: number): fc.Arbitrary<RandomChunk> {
  const day = `2024-01-${String(number).padStart(2, '0')}` as UtcDay
  const startUs = Date.parse(day) * 1000
  const facts = fc.record({
    source: fc.constantFrom('vision-daily', 'vision-monthly', 'rest', 'vision-monthly+vision-daily+rest'),
    archiveKey: fc.constantFrom(
      null,
      `data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-${day}.zip`,
      'data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip',
      'data/another/key.zip',
    ),
    archiveSha256: fc.option(hex(64)),
    archiveEtag: fc.option(fc.oneof(hex(32), fc.constantFrom('', 'daily', '"', 'Ω-7'))),
    condition: fc.constantFrom('outage' as const, 'partial' as const, 'disputed' as const),
    offGrid: fc.nat(3),
    duplicates: fc.nat(3),
    oddRows: fc.nat(2),
  })
  const hours = fc.subarray(
    Array.from({ length: 24 }, (_, hour) => hour),
    { minLength: 1 },
  )
  return fc
    .tuple(
      facts,
      hours,
      fc.array(fc.double({ noNaN: true, min: 0, maxExcluded: true }), { minLength: 24, maxLength: 24 }),
      fc.array(evidence(startUs, startUs + HOUR_US), { minLength: 24, maxLength: 24 }),
    )
    .map(([given, there, prices, evidences]) => {
      const columns = createColumns(there.length)
      there.forEach((hour, i) => {
        columns.openTime[i] = BigInt(startUs + hour * HOUR_US)
        columns.closeTime[i] = BigInt(startUs + (hour + 1) * HOUR_US - 1000)
        columns.open[i] = columns.high[i] = columns.low[i] = columns.close[i] = prices[hour] ?? 0
      })
      const missing = Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => !there.includes(hour))
      const gaps = missing.map((hour) => {
        const gapUs = startUs + hour * HOUR_US
        return { startUs: gapUs, endUs: gapUs + HOUR_US, bars: 1, evidence: evidences[hour] ?? doubt('rest-off') }
      })
      const condition = missing.length === 0 ? 'complete' : given.condition
      return { meta: { ...HOURS, day, ...given, condition, rows: there.length, expected: 24, oddClose: 0, gaps }, columns }
    })
}

/** Some days of January, in order. */
const chunks = fc
  .uniqueArray(fc.integer({ min: 1, max: 31 }), { minLength: 1, maxLength: 5 })
  .chain((numbers) => fc.tuple(...numbers.sort((a, b) => a - b).map(chunkAt)))

function encode(list: readonly RandomChunk[]): Uint8Array {
  return encodePack(list.map(({ meta, columns }) => ({ meta, bytes: chunkBytes(columns) })))
}

/** A code, or all that a reader would believe of the bytes. */
function read(bytes: Uint8Array): { code: string } | { pack: Pack; taken: (KlineColumns | string)[] } {
  try {
    const pack = decodePack(bytes)
    const taken = pack.chunks.map((_, i) => {
      try {
        return takeChunk(pack, i).columns
      } catch (error) {
        if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT')) throw error
        return error.code
      }
    })
    return { pack, taken }
  } catch (error) {
    if (!isCkvdError(error)) throw error
    return { code: error.code }
  }
}

describe('a pack', () => {
  test('gives back every chunk as it was put: bars to the bit, facts, gaps with their evidence', () => {
    fc.assert(
      fc.property(chunks, (list) => {
        const found = decodePack(encode(list))
        expect(found).toMatchObject({ series: HOURS, period: '2024-01' })
        list.forEach(({ meta, columns }, i) => {
          const { columns: taken, meta: said, sha256 } = takeChunk(found, i)
          const { digest, ...facts } = said
          expect(facts).toEqual(meta)
          expect(sha256.startsWith(digest)).toBe(true)
          expect(Buffer.compare(chunkBytes(taken), chunkBytes(columns))).toBe(0)
        })
        expect(Buffer.compare(encode(list), encode(list))).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('of any damaged bytes is what it was, or a code', () => {
    const flip = fc.record({ at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), bit: fc.integer({ min: 0, max: 7 }) })
    const damage = fc.oneof(fc.array(flip, { minLength: 1, maxLength: 3 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }))
    fc.assert(
      fc.property(chunks, damage, (list, change) => {
        const whole = encode(list)
        const bytes = typeof change === 'number' ? whole.slice(0, Math.floor(change * whole.length)) : whole.slice()
        if (typeof change !== 'number') for (const { at, bit } of change) bytes[Math.floor(at * bytes.length)]! ^= 1 << bit
        const found = read(bytes)
        if ('code' in found) {
          expect(found.code).toBe('CKVD_SHARD_FORMAT')
          return
        }
        // bars that are believed are the bars that were put, wherever the damage is
        const put = new Map(list.map(({ meta, columns }) => [Buffer.from(chunkBytes(columns)).toString('base64'), meta.day]))
        for (const columns of found.taken)
          if (typeof columns !== 'string') expect(put.has(Buffer.from(chunkBytes(columns)).toString('base64'))).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  test('loses one chunk by a bit of its rows, and no other', () => {
    const place = fc.record({
      chunk: fc.nat(),
      row: fc.nat(),
      column: fc.constantFrom(...KLINE_COLUMNS.map(({ key }) => key)),
      bit: fc.nat(63),
    })
    fc.assert(
      fc.property(chunks, place, (list, { chunk, row, column, bit }) => {
        const index = chunk % list.length
        const bytes = encode(list)
        const { columns, starts } = decodePack(bytes)
        const at = columns[column].byteOffset + 8 * (starts[index]! + (row % list[index]!.meta.rows))
        new Uint8Array(columns[column].buffer)[at + (bit >> 3)]! ^= 1 << (bit & 7)
        const found = read(bytes)
        if ('code' in found) throw new Error(`Expected a pack that is read, found ${found.code}`)
        expect(found.taken.map((one) => (typeof one === 'string' ? one : 'whole'))).toEqual(
          list.map((_, i) => (i === index ? 'CKVD_SHARD_DIGEST' : 'whole')),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('of any bytes is a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(read(bytes)).toEqual({ code: 'CKVD_SHARD_FORMAT' })
      }),
    )
  })

  test('has bytes that depend on its chunks alone, not on the order or the groups in which they come, nor on the format they had', async () => {
    const names = ['2024-01-02', '2024-01-03', '2024-01-05', '2024-01-20', '2024-01-31']
    const list = names.map((name, i) => chunkOf(name, { price: i + 1, missing: i % 2 === 0 ? [] : [i, 9] }))
    const path = shardPath(HOURS, list[0]!.day)
    const expected = encodePack(list.map(({ meta, packed }) => ({ meta, bytes: packed.shard })))
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5, maxLength: 5 })
    const how = fc.array(fc.constantFrom('put', 'wait', 'former', 'twice'), { minLength: 5, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(order, how, async (places, ways) => {
        await inTempDirectory(async (root) => {
          await using lake = await openLake(root, { mode: 'write' })
          const open: Promise<void>[] = []
          for (const [n, i] of places.entries()) {
            const chunk = list[i]!
            const way = ways[n]
            // each writes under its own names: what was put before is there
            if (way === 'former') {
              await Promise.all(open)
              putFormer(lake, chunk.former)
              continue
            }
            if (way === 'twice') open.push(lake.writer.put(chunkOf(chunk.day, { price: 999 }).packed))
            open.push(lake.writer.put(chunk.packed))
            if (way === 'wait') await Promise.all(open)
          }
          await Promise.all(open)
          await lake.writer.upgrade(HOURS, list[0]!.day)
          expect(Buffer.compare(readFileSync(join(root, path)), expected)).toBe(0)
        })
      }),
      { numRuns: 12 },
    )
  })
})
