import fc from 'fast-check'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeCsv } from '../../src/codec/csv/csv.ts'
import { WasmDecoder } from '../../src/codec/csv/csv-wasm.ts'
import { bitsOf } from '../support/bits.ts'
import { readDecoderModule } from '../support/wasm.ts'

const decoder = new WasmDecoder(readDecoderModule())
const START_MS = Date.UTC(2024, 0, 1)

function digits(min: number, max: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
}

const decimal = fc.oneof(
  digits(1, 16),
  fc.tuple(digits(1, 16), digits(1, 10)).map(([whole, fraction]) => `${whole}.${fraction}`),
  fc.tuple(digits(8, 15), digits(7, 9)).map(([whole, fraction]) => `${whole}.${fraction}`),
)

describe('decimals', () => {
  test('every one is Number(text)', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(decimal, decimal, decimal, decimal), { minLength: 1, maxLength: 100 }), (rows) => {
        const csv = rows.map(([a, b, c, d]) => `${START_MS},1,1,1,1,${a},${START_MS},${b},7,${c},${d},0\n`).join('')
        const { columns } = decoder.decodeCsv(Buffer.from(csv))
        const found = rows.map((_, i) => [
          columns.volume[i],
          columns.quoteVolume[i],
          columns.takerBuyVolume[i],
          columns.takerBuyQuoteVolume[i],
        ])
        expect(found).toEqual(rows.map((row) => row.map(Number)))
      }),
      { numRuns: 300 },
    )
  })
})

const time = fc.oneof(fc.constant(String(START_MS)), fc.constant(`${START_MS}123`), digits(12, 18), fc.constant('1704067200000.1'))
const cell = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('1', '1.5', '0', '0.00000000', '2.25000000', '-1', '-0.5') },
  { weight: 1, arbitrary: decimal },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }) },
)
const line = fc
  .tuple(
    time,
    fc.array(cell, { minLength: 5, maxLength: 5 }),
    time,
    fc.array(cell, { minLength: 5, maxLength: 5 }),
    fc.constantFrom('\n', '\n', '\r\n', ''),
  )
  .map(([open, prices, close, rest, end]) => `${[open, ...prices, close, ...rest].join(',')}${end}`)

/** Everything that can be told of a decoding. */
function outcomeOf(decode: () => ReturnType<typeof decodeCsv>): unknown {
  try {
    const { columns, rows } = decode()
    return { rows, bits: bitsOf(columns).toString('hex') }
  } catch (error) {
    const { code, message, details } = error as { code: unknown; message: unknown; details: unknown }
    return { code, message, details }
  }
}

describe('any CSV', () => {
  test('gives the columns or the error that JavaScript gives', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const csv = Buffer.from(lines.join(''))
        const expected = outcomeOf(() => decodeCsv(csv))
        expect(outcomeOf(() => decoder.decodeCsv(csv))).toEqual(expected)
        const inflated = decoder.inflate(deflateRawSync(csv), csv.length)
        expect(inflated).toBeDefined()
        expect(outcomeOf(() => decoder.decodeCsv(inflated as Uint8Array))).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
  })
})

/** Rows as archives have them, all of one form: digits after the points, and of the prices before them, are the same everywhere. */
const alike = fc
  .record({
    isMicros: fc.boolean(),
    // most often eight digits after the point, as on spot; more than eight, and none, are of no usual form
    fractions: fc.tuple(...[0, 1, 2].map(() => fc.oneof(fc.constant(8), fc.integer({ min: 0, max: 9 })))),
    whole: fc.integer({ min: 1, max: 9 }),
    numbers: fc.array(fc.array(fc.bigInt(0n, 10n ** 18n), { minLength: 8, maxLength: 8 }), { minLength: 20, maxLength: 40 }),
    amountDigits: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ isMicros, fractions, whole, numbers, amountDigits }) => {
    const [price = 0, volume = 0, quote = 0] = fractions
    const decimal = (number: bigint, digits: number, fraction: number): string => {
      const digitsOf = String(number).padStart(18, '0')
      return `${digitsOf.slice(0, digits)}${fraction === 0 ? '' : `.${digitsOf.slice(18 - fraction)}`}`
    }
    return numbers.map((row, i) => {
      const [a = 0n, b = 0n, c = 0n, d = 0n, ...amounts] = row
      const prices = [a, b, c, d].map((number) => decimal(number, whole, price)).sort((x, y) => Number(x) - Number(y))
      const times = [START_MS + i * 60_000, START_MS + i * 60_000 + 59_999].map((time) => `${time}${isMicros ? '999' : ''}`)
      const [e = '', f = '', g = '', h = ''] = amounts.map((number, k) =>
        decimal(number, 1 + Number(number % BigInt(amountDigits)), k % 2 === 0 ? volume : quote),
      )
      return `${times[0]},${prices[1]},${prices[3]},${prices[0]},${prices[2]},${e},${times[1]},${f},${i * i * 997},${g},${h},0\n`
    })
  })
/** Bytes that end a number, or are just beside the digits in ASCII, or in no text at all. */
const strange = fc.constantFrom(...'0159.,-/:;+ e\n\r\0'.split('').map((char) => char.charCodeAt(0)), 0x80, 0xb0, 0xff)

describe('rows of one form', () => {
  test('give the columns that JavaScript gives, and with bytes changed the columns or the error', () => {
    fc.assert(
      fc.property(alike, fc.array(fc.tuple(fc.nat(), strange), { maxLength: 3 }), fc.boolean(), (rows, changes, isCut) => {
        const csv = Buffer.from(rows.join(''))
        for (const [at, byte] of changes) csv[at % csv.length] = byte
        const bytes = isCut ? csv.subarray(0, csv.length - (changes.length + 1)) : csv
        expect(outcomeOf(() => decoder.decodeCsv(bytes))).toEqual(outcomeOf(() => decodeCsv(bytes)))
      }),
      { numRuns: 4000 },
    )
  })
})

const text = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc
    .array(fc.constantFrom('1704067200000,', '0.00000000,', '42283.58000000,', '7,', '\n'), { maxLength: 3000 })
    .map((parts) => Buffer.from(parts.join(''))),
)
const options = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.integer({ min: 0, max: 4 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
  windowBits: fc.integer({ min: 9, max: 15 }),
})

describe('deflate streams', () => {
  test('of all levels and strategies come back, and damaged ones are taken exactly where zlib takes them', () => {
    fc.assert(
      fc.property(text, options, fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 3 }), (data, how, flips) => {
        const packed = deflateRawSync(data, how)
        expect(Buffer.compare(Buffer.from(decoder.inflate(packed, data.length) ?? 'refused'), Buffer.from(data))).toBe(0)
        for (const [at, bit] of flips) packed[at % packed.length]! ^= 1 << bit
        expect(decoder.inflate(packed, data.length)).toEqual(inflateWhole(packed, data.length))
      }),
      { numRuns: 3000 },
    )
  })
})

/** What zlib gives of a stream that fills its input and has that size; undefined otherwise. */
function inflateWhole(packed: Buffer, sizeBytes: number): Uint8Array | undefined {
  try {
    const { buffer, engine } = inflateRawSync(packed, { maxOutputLength: Math.max(1, sizeBytes), info: true }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    return buffer.length === sizeBytes && engine.bytesWritten === packed.length ? new Uint8Array(buffer) : undefined
  } catch {
    return undefined // damaged, or larger
  }
}
