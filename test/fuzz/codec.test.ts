import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readZipEntry } from '../../src/codec/zip/zip-entry.ts'
import { decodeCsv } from '../../src/codec/csv/csv.ts'
import { WasmDecoder } from '../../src/codec/csv/csv-wasm.ts'
import { bitsOf } from '../support/bits.ts'
import { readDecoderModule } from '../support/wasm.ts'
import { buildZip } from '../support/zip-builder.ts'
import { catalogued, checkCases, mutation, PARTS } from './cases.ts'

/*
 * The inflater and the scanner of the worker, in this thread, where a case takes microseconds: test/fuzz/network.test.ts has the way through the
 * worker.
 */
const decoder = new WasmDecoder(readDecoderModule())
const STEM = 'AAAUSDT-1h-2024-03-01'
const START_MS = Date.UTC(2024, 2, 1)
const HOUR_MS = 3_600_000
const csv = Buffer.from(
  Array.from({ length: 24 }, (_, hour) => {
    const openMs = START_MS + hour * HOUR_MS
    return `${openMs},42000.${hour}0000000,42100.00000000,41900.50000000,42050.1${hour}000000,12.34500000,${openMs + HOUR_MS - 1},518000.12345678,${hour * 997},6.1,259000.5,0\n`
  }).join(''),
)

/** Bytes or undefined, as zlib has it; it may have given some of them before it met what is wrong. */
function inflateByZlib(packed: Uint8Array, sizeBytes: number): Buffer | undefined {
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength: sizeBytes })
    return bytes.length === sizeBytes ? bytes : undefined
  } catch {
    return undefined
  }
}

test('the parts of the properties are a whole', () => {
  expect(Object.values(PARTS).reduce((sum, part) => sum + part, 0)).toBe(1_000_000)
})

test('a deflate stream of any bytes is inflated as zlib does, or left to zlib', async () => {
  const streams = [1, 6, 9].map((level) => deflateRawSync(csv, { level }))
  const cases = fc.tuple(fc.constantFrom(...streams), mutation, fc.constantFrom(0, 0, 0, -1, 1, 300, -csv.length, 100_000))
  await checkCases('inflater', cases, ([stream, mutate, more]) => {
    const packed = mutate(stream)
    const sizeBytes = csv.length + more
    const fast = decoder.inflate(packed, sizeBytes)
    if (fast === undefined) return
    expect(fast.length).toBe(sizeBytes)
    const slow = inflateByZlib(packed, sizeBytes)
    if (slow !== undefined) expect(Buffer.compare(fast, slow)).toBe(0)
  })
  for (const stream of streams) expect(Buffer.compare(decoder.inflate(stream, csv.length) ?? Buffer.of(), csv)).toBe(0)
})

/** Everything that can be told of a decoding. */
function outcomeOf(decode: () => ReturnType<typeof decodeCsv>): string {
  try {
    const { columns, rows } = decode()
    return `${rows} ${bitsOf(columns).toString('latin1')}`
  } catch (error) {
    const { message } = error as Error
    return `${catalogued(error)} ${message}`
  }
}

test('a CSV of any bytes is the same columns or the same error, by WebAssembly and by JavaScript', async () => {
  await checkCases('scanner', mutation, (mutate) => {
    const bytes = mutate(csv)
    const [fast, slow] = [outcomeOf(() => decoder.decodeCsv(bytes)), outcomeOf(() => decodeCsv(bytes))]
    // a deep comparison of each case would be most of its time
    if (fast !== slow) expect(fast).toBe(slow)
  })
  expect(outcomeOf(() => decoder.decodeCsv(csv))).toMatch(/^24 /)
})

test('a ZIP of any bytes is its CSV, whole, or a code, the same with either inflater', async () => {
  const zip = buildZip([{ name: `${STEM}.csv`, data: csv }])
  const read = (bytes: Buffer, inflate?: typeof decoder.inflate): Promise<string> =>
    readZipEntry(bytes, STEM, inflate === undefined ? {} : { inflate }).then(
      (entry) => Buffer.from(entry).toString('latin1'),
      (error: unknown) => catalogued(error),
    )
  await checkCases('ZIP directory', mutation, async (mutate) => {
    const bytes = mutate(zip)
    const [fast, slow] = [await read(bytes, (data, sizeBytes) => decoder.inflate(data, sizeBytes)), await read(bytes)]
    if (fast !== slow) expect(fast).toBe(slow)
    if (!fast.startsWith('CKVD_ZIP_') && fast !== csv.toString('latin1')) expect(fast).toBe('the CSV, or a code')
  })
  expect(await read(zip)).toBe(csv.toString('latin1'))
})
