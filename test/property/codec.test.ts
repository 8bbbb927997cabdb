import fc from 'fast-check'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ShardMeta } from '../../src/codec/arrow/arrow.ts'
import { decodeArrowShard, isArrowShard } from '../../src/codec/arrow/arrow.ts'
import { encodeArrowShard } from '../../src/codec/arrow/arrow-writer.ts'
import { decodeCsv } from '../../src/codec/csv/csv.ts'
import type { DecodeRequest } from '../../src/codec/decode-archive.ts'
import { decodeArchive } from '../../src/codec/decode-archive.ts'
import { decodeRestRows } from '../../src/codec/rest-rows.ts'
import { CkvdError, ERROR_CATALOGUE, isCkvdError } from '../../src/errors.ts'
import type { Evidence } from '../../src/model/evidence.ts'
import { doubt } from '../../src/model/evidence.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import { createColumns, KLINE_COLUMNS } from '../../src/model/kline.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { SHARED } from '../support/shared.ts'
import { buildArchive, buildZip, checksumOf, readFirstEntry } from '../support/zip-builder.ts'

const START_MS = Date.UTC(2024, 0, 1)

/** True for an error that the catalogue of content knows; bugs are none. */
function isContentError(error: unknown): boolean {
  return error instanceof CkvdError && error.code in ERROR_CATALOGUE && error.code !== 'CKVD_BUG'
}

function digits(min: number, max: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
}

/** Plain decimals, most of them past 2^53 as a mantissa. */
const decimal = fc.oneof(
  digits(1, 20),
  fc.tuple(digits(1, 10), digits(1, 9)).map(([a, b]) => `${a}.${b}`),
  fc.tuple(digits(7, 16), digits(7, 10)).map(([a, b]) => `${a}.${b}`),
  fc.tuple(digits(1, 30), digits(1, 30)).map(([a, b]) => `${a}.${b}`),
  // ties and their neighbours: odd multiples of half a unit in the last place
  fc.tuple(fc.bigInt(2n ** 26n, 2n ** 52n), fc.integer({ min: 1, max: 9 })).map(([whole, places]) => tieNear(whole, places)),
)

/** The decimal of `places` digits nearest to a number halfway between two doubles above `whole`. */
function tieNear(whole: bigint, places: number): string {
  const bits = BigInt(53 - whole.toString(2).length)
  const fraction = ((2n * (whole % 2n ** bits) + 1n) * 10n ** BigInt(places)) / 2n ** (bits + 1n)
  return `${whole}.${String(fraction % 10n ** BigInt(places)).padStart(places, '0')}`
}

describe('decimals', () => {
  test('every one is Number(text), in the scanner and in the last lines alike', () => {
    fc.assert(
      fc.property(fc.array(decimal, { minLength: 4, maxLength: 400 }), (texts) => {
        const rows: string[] = []
        for (let i = 0; i + 4 <= texts.length; i += 4) {
          rows.push(`${START_MS},1,1,1,1,${texts[i]},${START_MS},${texts[i + 1]},7,${texts[i + 2]},${texts[i + 3]},0\n`)
        }
        const { columns } = decodeCsv(Buffer.from(rows.join('')))
        const found = rows.flatMap((_, i) => [
          columns.volume[i],
          columns.quoteVolume[i],
          columns.takerBuyVolume[i],
          columns.takerBuyQuoteVolume[i],
        ])
        expect(found).toEqual(texts.slice(0, rows.length * 4).map(Number))
      }),
      { numRuns: 400 },
    )
  })
})

const row = fc.record({
  // few minutes, so that times repeat, and some outside of the day
  minute: fc.integer({ min: -3, max: 40 }).map((n) => (n > 35 ? n + 1410 : n)),
  late: fc.constantFrom(0, 0, 0, 20_799),
  volume: fc.constantFrom('1', '2.5'),
})

describe('chunks', () => {
  test('every row of the CSV is in a chunk, or counted as dropped, duplicate or conflict', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 80 }),
        fc.constantFrom('2024-01-01', '2024-01'),
        fc.boolean(),
        async (rows, period, startsSeries) => {
          const csv = rows.map(({ minute, late, volume }) => {
            const openMs = START_MS + minute * 60_000 + late
            return `${openMs},10,12,9,11,${volume},${openMs + 59_999},50,7,0.5,25,0\n`
          })
          const packaging = period.length > 7 ? 'daily' : 'monthly'
          const result = await decodeArchive({
            series: { market: 'spot', symbol: 'BTCUSDT', interval: '1m' },
            archive: { key: 'k', etag: 'e', packaging, period },
            ...buildArchive(`BTCUSDT-1m-${period}`, csv.join('')),
            days: null,
            startsSeries,
            seriesEndUs: null,
          })
          const sum = (pick: (chunk: (typeof result.chunks)[number]) => number): number =>
            result.chunks.reduce((total, chunk) => total + pick(chunk), 0)
          expect(sum((c) => c.rows + c.duplicates + c.conflicts) + result.dropped).toBe(rows.length)
          for (const chunk of result.chunks) {
            const { columns, meta } = decodeArrowShard(chunk.shard)
            // gaps and present slots tile what is expected
            const slots = new Set(Array.from(columns.openTime, (time) => time / 60_000_000n))
            expect(slots.size + chunk.gaps.reduce((total, gap) => total + gap.bars, 0)).toBe(chunk.expected)
            expect(meta.rows).toBe(chunk.rows)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

/** Columns with any bits that a valid bar may have. */
const columnsArbitrary = fc
  .array(
    fc.record({
      stepUs: fc.integer({ min: 1, max: 80_000_000 }),
      lengthUs: fc.integer({ min: 0, max: 60_000_000 }),
      prices: fc.array(fc.double({ min: 0, max: 1e300, noNaN: true }), { minLength: 4, maxLength: 4 }),
      amounts: fc.array(fc.double({ min: 0, max: 1e300, noNaN: true }), { minLength: 4, maxLength: 4 }),
      count: fc.bigInt(0n, 2n ** 52n),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((bars): KlineColumns => {
    const columns = createColumns(bars.length)
    let time = BigInt(START_MS) * 1000n - 1n
    bars.forEach(({ stepUs, lengthUs, prices, amounts, count }, i) => {
      time += BigInt(stepUs)
      const [low = 0, open = 0, close = 0, high = 0] = [...prices].sort((a, b) => a - b)
      const [volume = 0, quoteVolume = 0, takerBuyVolume = 0, takerBuyQuoteVolume = 0] = amounts
      const bar = {
        openTime: time,
        open,
        high,
        low,
        close,
        volume,
        closeTime: time + BigInt(lengthUs),
        quoteVolume,
        count,
        takerBuyVolume,
        takerBuyQuoteVolume,
      }
      for (const { key } of KLINE_COLUMNS) columns[key][i] = bar[key]
    })
    return columns
  })

const evidenceArbitrary: fc.Arbitrary<Evidence> = fc.oneof(
  fc.constantFrom('rest-off' as const, 'no-witness' as const, 'text' as const).map((reason) => doubt(reason)),
  fc.record({
    source: fc.constantFrom('rest' as const, 'archives' as const),
    beforeUs: fc.nat(),
    afterUs: fc.integer({ min: 2 ** 31, max: 2 ** 52 }),
  }),
)

const metaArbitrary = fc.record({
  market: fc.constantFrom('spot', 'um', 'cm'),
  symbol: fc.constantFrom('BTCUSDT', '币安人生USDT', 'BTCUSD_210625'),
  interval: fc.constantFrom('1s', '1m', '1M'),
  day: fc.constant('2024-01-01' as UtcDay),
  source: fc.constantFrom('vision-daily', 'rest', 'vision-daily+rest'),
  archiveKey: fc.constantFrom(null, 'data/spot/x.zip'),
  archiveSha256: fc.constantFrom(null, '0'.repeat(64)),
  archiveEtag: fc.constantFrom(null, '"e"'),
  condition: fc.constantFrom('complete', 'provisional', 'outage', 'partial'),
  expected: fc.nat(),
  offGrid: fc.nat(),
  duplicates: fc.nat(),
  oddClose: fc.integer({ min: 60, max: 1_000_000 }),
  oddRows: fc.nat(),
  gaps: fc
    .array(evidenceArbitrary, { maxLength: 3 })
    .map((all) =>
      all.map((evidence, i) => ({ startUs: START_MS * 1000 + 10 * i, endUs: START_MS * 1000 + 10 * i + 5, bars: i + 1, evidence })),
    ),
}) as fc.Arbitrary<Omit<ShardMeta, 'rows'>>

describe('shards', () => {
  test('decodeArrowShard(encodeArrowShard(x)) is x, bit for bit', () => {
    fc.assert(
      fc.property(columnsArbitrary, metaArbitrary, (columns, facts) => {
        const meta = { ...facts, rows: columns.openTime.length }
        const decoded = decodeArrowShard(encodeArrowShard(columns, meta))
        expect(decoded.meta).toEqual(meta)
        for (const { key } of KLINE_COLUMNS) {
          const [a, b] = [columns[key], decoded.columns[key]].map((column) =>
            Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('hex'),
          )
          expect(b, key).toBe(a)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('any bytes end in a value or CKVD_SHARD_FORMAT or CKVD_SHARD_DIGEST, and never in a throw of isArrowShard', () => {
    fc.assert(
      fc.property(columnsArbitrary, metaArbitrary, mutation, (columns, facts, mutate) => {
        const bytes = mutate(encodeArrowShard(columns, { ...facts, rows: columns.openTime.length }))
        expect(typeof isArrowShard(bytes)).toBe('boolean')
        try {
          expect(decodeArrowShard(bytes).meta.rows).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toSatisfy((e) => isCkvdError(e, 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_DIGEST'))
        }
      }),
      { numRuns: 1500 },
    )
  })
})

type Mutate = (bytes: Uint8Array) => Buffer

/** Cuts, flips, overwrites, inserts or doubles; positions are fractions, so that they fit any length. */
const mutation: fc.Arbitrary<Mutate> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('cut', 'flip', 'set', 'insert', 'double', 'drop'),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      near: fc.constantFrom('start', 'end', 'anywhere'),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((steps) => (bytes) => {
    let result = Buffer.from(bytes)
    for (const { kind, at, near, bytes: patch } of steps) {
      const reach = near === 'anywhere' ? result.length : Math.min(400, result.length)
      const index = near === 'end' ? result.length - 1 - Math.floor(at * reach) : Math.floor(at * reach)
      const [head, tail] = [result.subarray(0, Math.max(0, index)), result.subarray(Math.max(0, index))]
      if (kind === 'cut') result = Buffer.from(head)
      else if (kind === 'insert') result = Buffer.concat([head, patch, tail])
      else if (kind === 'drop') result = Buffer.concat([head, tail.subarray(patch.length)])
      else if (kind === 'double') result = Buffer.concat([result, result])
      else patch.forEach((byte, i) => (result[index + i] = kind === 'set' ? byte : (result[index + i] ?? 0) ^ byte))
    }
    return result
  })

/** Small real archives, or one made here where the folder is absent. */
function sampleArchives(): Buffer[] {
  const made = buildArchive('BTCUSDT-1h-2024-01-01', `${START_MS},10,12,9,11,1,${START_MS + 3_599_999},50,7,0.5,25,0\n`.repeat(24)).zip
  if (SHARED === undefined) return [made]
  const folders = ['spot/daily/klines/BTCUSDT/1h', 'futures/um/daily/klines/ETHUSDT/1h', 'futures/cm/daily/klines/BTCUSD_PERP/1m']
  const real = folders.flatMap((folder) => {
    const path = join(SHARED ?? '', 'vision/data', folder)
    return readdirSync(path)
      .filter((name) => name.endsWith('.zip'))
      .slice(0, 2)
      .map((name) => readFileSync(join(path, name)))
  })
  return [made, ...real]
}

describe('hostile archives', () => {
  const samples = sampleArchives()

  /** The request that a ZIP's own name calls for, with the right CHECKSUM: only what lies behind it can refuse. */
  function requestFor(sample: Buffer, zip: Buffer): DecodeRequest {
    const name = sample.subarray(30, 30 + sample.readUInt16LE(26)).toString()
    const [, symbol = '', interval = '1h', period = ''] = /^(.+)-(1[hm])-(.+)\.csv$/.exec(name) ?? []
    return {
      series: { market: 'spot', symbol, interval: interval as '1h' },
      archive: { key: 'k', etag: 'e', packaging: 'daily', period },
      zip,
      checksum: checksumOf(zip, `${symbol}-${interval}-${period}.zip`),
      days: null,
      startsSeries: false,
      seriesEndUs: null,
    }
  }

  async function endsWell(request: DecodeRequest): Promise<void> {
    try {
      expect((await decodeArchive(request)).csvRows).toBeGreaterThanOrEqual(0)
    } catch (error) {
      expect(error).toSatisfy(isContentError)
    }
  }

  test('the samples themselves decode', async () => {
    for (const sample of samples) expect((await decodeArchive(requestFor(sample, sample))).csvRows).toBeGreaterThan(0)
  })

  test('mutated ZIP bytes end in a value or a code', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...samples), mutation, (sample, mutate) => endsWell(requestFor(sample, mutate(sample)))),
      { numRuns: 1500 },
    )
  })

  test('mutated CSV bytes end in a value or a code', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...samples), mutation, async (sample, mutate) => {
        const request = requestFor(sample, sample)
        const name = sample.subarray(30, 30 + sample.readUInt16LE(26)).toString()
        const zip = buildZip([{ name, data: mutate(readFirstEntry(sample)) }])
        await endsWell({ ...request, zip, checksum: checksumOf(zip, name.replace('.csv', '.zip')) })
      }),
      { numRuns: 400 },
    )
  })

  test('any bytes as ZIP, CHECKSUM, CSV or REST body end in a value or a code', async () => {
    const sample = samples[0]!
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: fc.constantFrom(...'0123456789.,\n\r-e[]"'), maxLength: 300 }),
        async (bytes, text) => {
          const request = requestFor(sample, sample)
          await endsWell({ ...request, checksum: bytes })
          for (const csv of [bytes, Buffer.from(text)]) {
            await endsWell(requestFor(sample, Buffer.from(csv)))
            const zip = buildZip([{ name: 'BTCUSDT-1h-2024-01-01.csv', data: csv }])
            await endsWell({ ...requestFor(sample, zip) })
            try {
              expect(decodeRestRows(csv).openTime).toHaveLength(0)
            } catch (error) {
              expect(error).toSatisfy((e) => isCkvdError(e, 'CKVD_REST_BODY'))
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
