import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeCsv } from '../../../../src/codec/csv/csv.ts'
import { WasmDecoder } from '../../../../src/codec/csv/csv-wasm.ts'
import { decodeArchive } from '../../../../src/codec/decode-archive.ts'
import { encodeArrowShard } from '../../../../src/codec/arrow/arrow-writer.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { BitWriter, canonicalCode } from '../../../support/bit-writer.ts'
import { bitsOf } from '../../../support/bits.ts'
import { SHARED } from '../../../support/shared.ts'
import { readDecoderModule } from '../../../support/wasm.ts'
import { buildArchive, buildZip, checksumOf, readFirstEntry } from '../../../support/zip-builder.ts'

const decoder = new WasmDecoder(readDecoderModule())

const START_MS = Date.UTC(2024, 0, 1)

type Cells = Readonly<Record<number, string>>

/** Forms of rows as archives have them, each with other digits after the points: spot's, and that of two futures. */
const FORMS: Readonly<Record<string, Cells>> = {
  spot: { 8: '1519032.10000000' },
  um: { 2: '42283.58', 3: '42298.62', 4: '42261.02', 5: '42298.61', 6: '35.927', 8: '51519032.14730', 10: '23.187', 11: '980394.81569' },
  cm: { 2: '42283.5', 3: '42298.6', 4: '42261.0', 5: '42298.6', 6: '19431', 8: '99.33183109', 10: '9916', 11: '50.69336469' },
}

/** A plausible row of minute `i`; cells by column from 1 replace its own. */
function rowOf(i: number, cells: Cells = {}): string {
  const openMs = START_MS + i * 60_000
  const row = [
    openMs,
    '42283.58000000',
    '42298.62000000',
    '42261.02000000',
    '42298.61000000',
    '35.92724000',
    openMs + 59_999,
    '1519032.1',
    1327,
    '23.18766000',
    '980394.81569420',
    0,
  ]
  return `${row.map((cell, column) => cells[column + 1] ?? cell).join(',')}\n`
}

function rowsOf(count: number): string {
  return Array.from({ length: count }, (_, i) => rowOf(i)).join('')
}

/** What a decoder makes of a CSV: its columns as bytes, or its error. */
function outcomeOf(decode: () => ReturnType<typeof decodeCsv>): unknown {
  try {
    const { columns, rows } = decode()
    return { rows, bits: bitsOf(columns).toString('hex') }
  } catch (error) {
    const { code, message, details } = error as { code: string; message: string; details: unknown }
    return { code, message, details }
  }
}

/** Both ways into the scanner, by windows and in place behind the inflater, give what JavaScript gives. */
function expectSame(csv: Buffer): void {
  const expected = outcomeOf(() => decodeCsv(csv))
  expect(outcomeOf(() => decoder.decodeCsv(csv))).toEqual(expected)
  const inflated = decoder.inflate(deflateRawSync(csv), csv.length)
  if (inflated === undefined) throw new Error('the inflater refused what zlib deflated')
  expect(outcomeOf(() => decoder.decodeCsv(inflated))).toEqual(expected)
}

describe('the scanner', () => {
  test('gives the published values', () => {
    const { columns, rows } = decoder.decodeCsv(Buffer.from(rowsOf(3)))
    expect(rows).toBe(3)
    expect([
      columns.openTime[1],
      columns.open[1],
      columns.closeTime[1],
      columns.quoteVolume[1],
      columns.count[1],
      columns.takerBuyQuoteVolume[2],
    ]).toEqual([1704067260000000n, 42283.58, 1704067319999000n, 1519032.1, 1327n, 980394.8156942])
  })

  test.each<[string, Record<number, string>]>([
    ['microseconds', { 1: '1735689600000000', 7: '1735689659999999' }],
    ['a time of 14 digits', { 1: '17040672000000' }],
    ['a time of 17 digits', { 1: '17040672000000000' }],
    ['a time with a point in it', { 1: '1704067200000.12' }],
    ['a time of the year 2001', { 1: '1000000000000' }],
    ['a time that is cut', { 7: '170406725' }],
    ['a close time before the open time', { 7: String(START_MS - 1) }],
    ['15 digits before the point', { 6: '123456789012345.123456789' }],
    ['16 digits before the point', { 6: '1234567890123456.1' }],
    ['8 digits before the point', { 6: '12345678.1' }],
    ...[6, 8, 10, 11].map((column): [string, Cells] => [
      `8 digits before the point in column ${column} alone`,
      { [column]: '12345678.12345678' },
    ]),
    ...[6, 8, 10, 11].map((column): [string, Cells] => [`a letter in column ${column}`, { [column]: '1x345678.12345678' }]),
    ['9 digits after the point', { 6: '1.123456789' }],
    ['10 digits after the point', { 6: '1.1234567890' }],
    ['a mantissa past 2^53', { 8: '90071992.54740993', 11: '123456789.12345678' }],
    ['whole numbers', { 2: '42298', 3: '42299', 4: '0', 5: '42298', 6: '0', 8: '0', 10: '0', 11: '0' }],
    ['a leading zero', { 6: '000000000012.5' }],
    ['nothing after the point', { 6: '1.' }],
    ['nothing before the point', { 6: '.5' }],
    ['an empty cell', { 10: '' }],
    ['a sign', { 2: '-1' }],
    ['an exponent', { 6: '1e5' }],
    ['a count with a point', { 9: '1.5' }],
    ['a count of 15 digits', { 9: '123456789012345' }],
    ['a count past 2^53', { 9: '99999999999999999' }],
    ['a high below the close', { 3: '42298.60000000' }],
    ['a low above the open', { 4: '42283.59000000' }],
    ['an ignored column that is not 0', { 12: '17928899.62484339' }],
    ['an ignored column that is empty', { 12: '' }],
    ['an ignored column with a point only', { 12: '0.' }],
    ['a thirteenth column', { 12: '0,0' }],
    ['a carriage return', { 12: '0\r' }],
    ['bytes past ASCII', { 6: '1\u{e9}2' }],
    ['a nine in every place', { 2: '99999999.99999999', 3: '99999999.99999999', 4: '99999999.99999999', 5: '99999999.99999999' }],
    ['a time of the last millisecond before 2100', { 7: '4102444799999' }],
    ['a time of 2100', { 1: '4102444800000', 7: '4102444800000' }],
    ['a close time of 2100', { 7: '4102444800000' }],
    ['nothing before the point of a full fraction', { 6: '.92724000' }],
    ['an empty count', { 9: '' }],
    ['a count of 9 digits', { 9: '123456789' }],
    ['a count of 8 digits', { 9: '12345678' }],
    ['a count with a letter', { 9: '1a3' }],
    ['a colon, which comes after nine', { 2: '42283.5:000000' }],
    ['a slash, which comes before zero', { 2: '42283.5/000000' }],
    ['a slash in place of the point', { 2: '42283/58000000' }],
    ['a comma in place of the point', { 6: '35,92724000' }],
    ['a point more', { 6: '35.92.24000' }],
    ['as many bytes with the point elsewhere', { 2: '4228.358000000' }],
    ['a price of more digits', { 3: '100000.00000000' }],
    ['a price of fewer digits', { 4: '9.99000000' }],
    ['a semicolon for a comma', { 2: '42283.58000000;42298.62000000' }],
  ])('%s: in the first, a middle and the last row, as in JavaScript', (_, cells) => {
    expectSame(Buffer.from(rowOf(0, cells) + rowOf(1)))
    for (const form of [{}, ...Object.values(FORMS)]) {
      // as many as it takes the scanner to know their form, whatever it saw before
      const known = Array.from({ length: 20 }, (_, i) => rowOf(i, form)).join('')
      const row = rowOf(20, { ...form, ...cells })
      for (const csv of [known + row + rowOf(21, form), known + row, (known + row).trimEnd()]) expectSame(Buffer.from(csv))
    }
  })

  test('rows of one form and then of another, in turn and for long', () => {
    const forms = Object.values(FORMS)
    const rows = Array.from({ length: 400 }, (_, i) => rowOf(i, forms[(i < 100 ? i : i < 200 ? i >> 3 : i >> 5) % forms.length]))
    expectSame(Buffer.from(rows.join('')))
  })

  test('never reads past its memory, where a row stops anywhere', () => {
    const csv = Array.from({ length: 21 }, (_, i) => rowOf(i, FORMS['spot'])).join('')
    for (let end = csv.length - rowOf(20, FORMS['spot']).length; end < csv.length; end++) expectSame(Buffer.from(csv.slice(0, end)))
  })

  test('a file of several windows, with rows that it leaves to JavaScript at and around their ends', () => {
    // 5,000 rows are 0.65 MB; the strange ones lie 1,000 bytes around each end of a window of 256 KiB
    const rows = Array.from({ length: 5000 }, (_, i) => rowOf(i))
    let offset = 0
    const strange = rows.map((row, i) => {
      offset += row.length
      return Math.abs((offset % 262_144) - 131_072) > 130_072 ? rowOf(i, { 6: '0.123456789012345' }) : row
    })
    expect(strange.filter((row, i) => row !== rows[i]).length).toBeGreaterThan(10)
    expectSame(Buffer.from(strange.join('')))
  })

  test('a first row much longer than the others: the table grows', () => {
    expectSame(Buffer.from(rowOf(0, { 6: `1.${'0'.repeat(300)}` }) + rowsOf(5000)))
  })

  test('a header, a byte order mark, no row, no final newline', () => {
    const header = 'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n'
    for (const text of [header, header + rowsOf(2), `\uFEFF${rowsOf(2)}`, '', '\n', rowsOf(2).trimEnd(), 'nonsense\n'])
      expectSame(Buffer.from(text))
  })
})

describe('the inflater', () => {
  test.each([0, 1, 6, 9])('level %i, every strategy: what was deflated comes back', (level) => {
    const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED } = constants
    for (const strategy of [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED]) {
      for (const data of [Buffer.from(rowsOf(2000)), Buffer.alloc(100_000, 48), Buffer.from([7]), Buffer.from(rowsOf(3))]) {
        const inflated = decoder.inflate(deflateRawSync(data, { level, strategy, memLevel: 1 + (level % 9) }), data.length)
        expect(Buffer.compare(Buffer.from(inflated ?? []), data)).toBe(0)
      }
    }
  })

  test.each<[string, (data: Buffer) => Buffer, number]>([
    ['a size that is too small', (data) => data, -1],
    ['a size that is too large', (data) => data, 1],
    ['a stream that is cut', (data) => data.subarray(0, -1), 0],
    ['bytes behind the stream', (data) => Buffer.concat([data, Buffer.from([0])]), 0],
    ['a reserved block type', (data) => Buffer.concat([Buffer.from([0x07]), data.subarray(1)]), 0],
    ['a stored block whose length is no length', () => Buffer.from([1, 5, 0, 5, 0, 1, 2, 3, 4, 5]), 0],
    ['a distance before the start', () => Buffer.from([0x63, 0x00, 0x02, 0x00]), 0],
    ['nothing', () => Buffer.alloc(0), 0],
  ])('leaves %s to zlib', (_, spoil, more) => {
    const csv = Buffer.from(rowsOf(200))
    expect(decoder.inflate(spoil(deflateRawSync(csv)), csv.length + more)).toBeUndefined()
  })

  test('what is larger than 64 MiB is left to zlib', () => {
    expect(decoder.inflate(deflateRawSync(Buffer.alloc(65 * 1024 * 1024)), 65 * 1024 * 1024)).toBeUndefined()
  })
})

/** How the worker decodes, without a template for the shards. */
const CODEC = {
  inflate: (data: Uint8Array, sizeBytes: number) => decoder.inflate(data, sizeBytes),
  decodeCsv: (bytes: Uint8Array) => decoder.decodeCsv(bytes),
  encodeShard: encodeArrowShard,
}

describe('an archive', () => {
  const request = (zip: Buffer, checksum: Buffer) => ({
    series: { market: 'spot', symbol: 'BTCUSDT', interval: '1m' } as const,
    archive: { key: 'k', etag: 'e', packaging: 'daily', period: '2024-01-01' } as const,
    zip,
    checksum,
    days: ['2024-01-01' as UtcDay],
    startsSeries: false,
    seriesEndUs: null,
  })

  test('whose deflate stream is damaged gives the error of zlib', async () => {
    const csv = Buffer.from(rowsOf(1440))
    const packed = deflateRawSync(csv)
    packed[packed.length >> 1]! ^= 0x10
    const zip = buildZip([{ name: 'BTCUSDT-1m-2024-01-01.csv', data: csv, packed }])
    const both = [undefined, CODEC].map((codec) =>
      decodeArchive(request(zip, checksumOf(zip, 'BTCUSDT-1m-2024-01-01.zip')), codec).catch((error: unknown) => String(error)),
    )
    const [plain, fast] = await Promise.all(both)
    expect(plain).toMatch(/CkvdError/)
    expect(fast).toBe(plain)
  })

  test('after another one: nothing is left of it', async () => {
    const long = buildArchive('BTCUSDT-1m-2024-01-01', rowsOf(1440))
    const short = buildArchive('BTCUSDT-1m-2024-01-01', rowsOf(7))
    const first = await decodeArchive(request(long.zip, long.checksum), CODEC)
    const kept = Buffer.from(first.chunks[0]!.shard)
    const second = await decodeArchive(request(short.zip, short.checksum), CODEC)
    expect(Buffer.compare(kept, first.chunks[0]!.shard)).toBe(0)
    expect(second).toEqual(await decodeArchive(request(short.zip, short.checksum)))
  })
})

describe.skipIf(SHARED === undefined)('real archives', () => {
  test('every one decodes to the same bits', () => {
    const folder = join(SHARED ?? '', 'vision')
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.zip') && name.includes('klines'),
    )
    expect(names.length).toBeGreaterThan(50)
    for (const name of names) {
      const csv = readFirstEntry(readFileSync(join(folder, name)))
      const inflated = decoder.inflate(deflateRawSync(csv), csv.length)!
      const found = decoder.decodeCsv(inflated)
      const expected = decodeCsv(csv)
      expect(found.rows).toBe(expected.rows)
      expect(Buffer.compare(bitsOf(found.columns), bitsOf(expected.columns)), name).toBe(0)
    }
  })
})

describe('the inflater', () => {
  test('takes the longest words that deflate has, one behind the other, wherever a byte begins', () => {
    // words of 1 to 15 bits: literals of four and six bits, then a length and a distance of 15 bits with all of their extra bits
    const litlens = new Map(
      [65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 256, 284].map((symbol, i) => [symbol, Math.min(i + 1, 15)]),
    )
    const distances = new Map([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 29].map((symbol, i) => [symbol, Math.min(i + 1, 15)]))
    const litlen = canonicalCode(litlens)
    const distance = canonicalCode(distances)
    const writer = new BitWriter()
      .number(0b101, 3)
      .number(285 - 257, 5)
      .number(30 - 1, 5)
      .number(19 - 4, 4)
    // every length of a code word is written in five bits: symbols 0 to 15 of the precode, complete with 16 words of four bits
    for (const symbol of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]) writer.number(symbol < 16 ? 4 : 0, 3)
    const precode = canonicalCode(new Map(Array.from({ length: 16 }, (_, i) => [i, 4])))
    for (let symbol = 0; symbol < 285; symbol++) writer.word(precode(litlens.get(symbol) ?? 0))
    for (let symbol = 0; symbol < 30; symbol++) writer.word(precode(distances.get(symbol) ?? 0))
    for (let i = 0; i < 33_000; i++) writer.word(litlen(65 + (i % 7)))
    for (let i = 0; i < 64; i++) {
      // a round has 58 bits, and now and then a word of one bit comes before it, so that rounds begin everywhere in a byte
      if (i % 8 === 7) writer.word(litlen(65))
      writer.word(litlen(68)).word(litlen(70))
      writer
        .word(litlen(284))
        .number(i % 32, 5)
        .word(distance(29))
        .number(8191 - i, 13)
    }
    const stream = writer.word(litlen(256)).bytes()
    const expected = inflateRawSync(stream)
    const found = decoder.inflate(stream, expected.length)
    expect(found === undefined ? undefined : Buffer.compare(found, expected)).toBe(0)
  })
})
