import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeTable } from '../../../../src/codec/csv/csv-table.ts'
import { WasmBatch } from '../../../../src/codec/csv/csv-wasm-batch.ts'
import { WasmDecoder } from '../../../../src/codec/csv/csv-wasm.ts'
import { RowColumns } from '../../../../src/codec/csv/row-columns.ts'
import { scanTable } from '../../../../src/codec/csv/table-scan.ts'
import { encodeArrowShard } from '../../../../src/codec/arrow/arrow-writer.ts'
import { decodeArchive } from '../../../../src/codec/decode-archive.ts'
import { readZipPieces } from '../../../../src/codec/zip/zip-pieces.ts'
import { registerDataset } from '../../../../src/dataset/registry.ts'
import type { Dataset } from '../../../../src/dataset/dataset.ts'
import { FUNDING_RATE } from '../../../../src/dataset/sets/funding.ts'
import { METRICS } from '../../../../src/dataset/sets/metrics.ts'
import type { Columns } from '../../../../src/model/columns.ts'
import { SHARED } from '../../../support/shared.ts'
import { bytesOf, errorOf, outcomeOf } from '../../../support/table-outcome.ts'
import { AGG_TRADES, onSpot, TRADES } from '../../../support/trade-datasets.ts'
import { openDecoderModule, readDecoderModule } from '../../../support/wasm.ts'
import { buildArchive, readFirstEntry } from '../../../support/zip-builder.ts'

const decoder = new WasmDecoder(readDecoderModule())
const PLACE = { market: 'um' as const, symbol: 'BTCUSDT', period: { startUs: 0, endUs: 0 } }
const HEADER = 'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n'
const START_MS = Date.UTC(2024, 0, 1)

/** A row of aggregate trades; cells by column from 1 replace its own. */
function rowOf(i: number, cells: Readonly<Record<number, string>> = {}): string {
  const row = [2_012_345_678 + i, `${42_283 + (i % 100)}.58`, `0.${100 + (i % 900)}`, 5_123_456_789 + 2 * i, 5_123_456_790 + 2 * i]
  return `${[...row, START_MS + i, i % 3 === 0].map((cell, column) => cells[column + 1] ?? cell).join(',')}\n`
}

function rowsOf(count: number): string {
  return Array.from({ length: count }, (_, i) => rowOf(i)).join('')
}

/** From elsewhere and in place behind the inflater: what the exact decoder gives. */
function expectSame(csv: Buffer, dataset: Dataset = AGG_TRADES): void {
  const expected = outcomeOf(() => decodeTable(csv, dataset, PLACE))
  expect(outcomeOf(() => decoder.decodeTable(csv, dataset, PLACE))).toEqual(expected)
  const inflated = decoder.inflate(deflateRawSync(csv), csv.length)
  if (inflated === undefined) throw new Error('the inflater refused what zlib deflated')
  expect(outcomeOf(() => decoder.decodeTable(inflated, dataset, PLACE))).toEqual(expected)
}

/** Counts the rows that the scanner leaves to the exact reader. */
class CountingBatch extends WasmBatch {
  pushed = 0
  override push(values: readonly number[]): void {
    this.pushed++
    super.push(values)
  }
}

/** How many rows of a CSV are read exactly. */
function countExact(csv: Buffer, dataset: Dataset): number {
  const wasm = openDecoderModule()
  const batch = new CountingBatch(wasm, dataset.columns, 1000, wasm.inputOffset())
  scanTable(csv, { dataset, place: PLACE, onBatch: () => undefined }, batch)
  return batch.pushed
}

describe('the scanner of tables', () => {
  test('takes all rows of the usual form, but for the first line, and only these', () => {
    expect(countExact(Buffer.from(HEADER + rowsOf(20_000)), AGG_TRADES)).toBe(0)
    expect(countExact(Buffer.from(rowsOf(20_000)), AGG_TRADES)).toBe(1)
    expect(countExact(Buffer.from(HEADER + rowsOf(9) + rowOf(9, { 2: '1e-5' }) + rowsOf(20_000)), AGG_TRADES)).toBe(1)
  })

  test('gives the published values', () => {
    const { columns, rows } = decoder.decodeTable(Buffer.from(HEADER + rowsOf(3)), AGG_TRADES, PLACE)
    expect({ rows, columns }).toEqual({
      rows: 3,
      columns: {
        id: BigInt64Array.of(2_012_345_678n, 2_012_345_679n, 2_012_345_680n),
        price: Float64Array.of(42_283.58, 42_284.58, 42_285.58),
        quantity: Float64Array.of(0.1, 0.101, 0.102),
        firstId: BigInt64Array.of(5_123_456_789n, 5_123_456_791n, 5_123_456_793n),
        lastId: BigInt64Array.of(5_123_456_790n, 5_123_456_792n, 5_123_456_794n),
        openTime: BigInt64Array.of(1_704_067_200_000_000n, 1_704_067_200_001_000n, 1_704_067_200_002_000n),
        isBuyerMaker: Uint8Array.of(1, 0, 0),
      },
    })
  })

  test('with any one byte of a row changed gives what the exact decoder gives', () => {
    const before = rowsOf(2)
    const row = rowOf(2, { 2: '-0.123456789', 6: '1735689600000123', 7: 'False' })
    const strange = [...'0159.,-/:;+eETtFf\r\n', '\0', '\u{80}', '\u{b0}', '\u{ff}']
    const dataset = { ...AGG_TRADES, columns: AGG_TRADES.columns.map((column) => ({ ...column, least: -1e300 })) }
    expectSame(Buffer.from(before + row + rowOf(3)), dataset)
    for (let at = 0; at < row.length; at++)
      for (const byte of strange)
        expectSame(Buffer.from(before + row.slice(0, at) + byte + row.slice(at + 1) + rowOf(3), 'latin1'), dataset)
  })

  test.each<[string, Readonly<Record<number, string>>]>([
    ['a price with an exponent', { 2: '1e-5' }],
    ['15 digits before the point and 9 after it', { 2: '123456789012345.123456789' }],
    ['15 digits after the point', { 2: '0.123456789012345' }],
    ['4 digits before the point and 15 after it, a mantissa past 2^53', { 2: '9007.199254740993123' }],
    ['16 digits before the point', { 2: '9007199254740993' }],
    ['20 digits, a mantissa just past 2^64', { 2: '1844674408.0000000000' }],
    ['a price below its bound', { 2: '-0.5' }],
    ['zero with a sign', { 2: '-0', 4: '-0' }],
    ['an id of 16 digits', { 4: '9007199254740991' }],
    ['an id past 2^53', { 4: '9007199254740993' }],
    ['an id of 15 digits with a sign', { 4: '-123456789012345' }],
    ['an id with a sign below its bound', { 1: '-5' }],
    ['an id of 8 digits', { 4: '12345678' }],
    ['a time of 2100', { 6: '4102444800000' }],
    ['the last millisecond before 2100', { 6: '4102444799999' }],
    ['a time of 14 digits', { 6: '17040672000001' }],
    ['True', { 7: 'True' }],
    ['False', { 7: 'False' }],
    ['TRUE', { 7: 'TRUE' }],
    ['a flag that is a number', { 7: '1' }],
    ['a flag with more behind it', { 7: 'trues' }],
    ['a flag too many', { 7: 'true,false' }],
    ['nothing', { 3: '' }],
    ['a carriage return', { 7: 'true\r' }],
    ['a blank line', { 7: 'true\n' }],
    ['bytes past ASCII', { 3: '1\u{e9}2' }],
  ])('%s: in the first, a middle and the last row, as the exact decoder', (_name, cells) => {
    const known = rowsOf(20)
    for (const text of [rowOf(0, cells) + rowOf(1), known + rowOf(20, cells) + rowOf(21), known + rowOf(20, cells)])
      for (const csv of [text, HEADER + text, text.trimEnd()]) expectSame(Buffer.from(csv))
  })

  test('a header alone, a byte order mark, no row, blank lines, another header', () => {
    for (const text of [HEADER, HEADER.trimEnd(), `\uFEFF${HEADER}${rowsOf(2)}`, '', '\n', '\r', '\r\n\n', '\uFEFF', 'nonsense\n'])
      expectSame(Buffer.from(text))
    for (const text of [`${rowsOf(3)}\n\r\n`, `${rowsOf(3)}\n${rowOf(3)}`, `${rowsOf(3)}\n\r${rowOf(3)}`, rowOf(0) + HEADER])
      expectSame(Buffer.from(text))
  })

  test('never reads past its memory, where a row stops anywhere', () => {
    const csv = rowsOf(21)
    for (let end = csv.length - rowOf(20).length; end < csv.length; end++) expectSame(Buffer.from(csv.slice(0, end)))
  })

  test('several windows, with rows that it leaves to JavaScript all over them', () => {
    // 20,000 rows are five windows of 256 KiB
    const rows = Array.from({ length: 20_000 }, (_, i) => rowOf(i, i % 97 === 0 ? { 3: '1e-5' } : {})).join('')
    expect(rows.length).toBeGreaterThan(5 * 256 * 1024)
    expectSame(Buffer.from(HEADER + rows))
    expectSame(Buffer.from(rows.replaceAll('\n', '\r\n')))
    expectSame(Buffer.from(`${rows}${rowOf(7, { 7: 'maybe' })}`))
  })

  test('a line longer than any row and than a window, told with its length, whole and in pieces', async () => {
    for (const bytes of [65_537, 70_000, 300_000, 600_001]) {
      for (const head of ['', '\uFEFF', rowsOf(3)])
        for (const tail of ['', '\n', '\r\n', `\n${rowOf(3)}`]) {
          const csv = Buffer.from(head + '7'.repeat(bytes) + tail)
          expectSame(csv)
          const expected = outcomeOf(() => decodeTable(csv, AGG_TRADES, PLACE))
          const options = { dataset: AGG_TRADES, place: PLACE, batchRows: 2, onBatch: () => undefined }
          expect(await decoder.scanPieces(piecesOf(csv, 50_000), options).catch(errorOf)).toEqual(expected)
        }
    }
  })

  test('blank lines at the end that are longer than any row, in pieces', async () => {
    const blank = Buffer.from(`${rowsOf(3)}\n${'\r'.repeat(200_000)}`)
    const options = { dataset: AGG_TRADES, place: PLACE, batchRows: 2, onBatch: () => undefined }
    expect(await decoder.scanPieces(piecesOf(blank, 50_000), options)).toBe(3)
    const damaged = Buffer.concat([blank, Buffer.from('7')])
    const expected = outcomeOf(() => decodeTable(damaged, AGG_TRADES, PLACE))
    expect(await decoder.scanPieces(piecesOf(damaged, 50_000), options).catch(errorOf)).toEqual(expected)
  })

  test('a first row much longer than the others: the columns grow', () => {
    expectSame(Buffer.from(HEADER + rowOf(0, { 3: `1.${'0'.repeat(300)}` }) + rowsOf(9000)))
  })

  test('batches have as many rows as was asked for, the last one the rest', () => {
    const sizes: number[] = []
    const ids: bigint[] = []
    const onBatch = (columns: Columns): void => {
      sizes.push(columns.openTime.length)
      ids.push(...(columns['id'] as BigInt64Array))
    }
    expect(decoder.scanTable(Buffer.from(HEADER + rowsOf(25)), { dataset: AGG_TRADES, place: PLACE, batchRows: 10, onBatch })).toBe(25)
    expect(sizes).toEqual([10, 10, 5])
    expect(ids).toEqual(Array.from({ length: 25 }, (_, i) => 2_012_345_678n + BigInt(i)))
    expect(decoder.scanTable(Buffer.from(HEADER), { dataset: AGG_TRADES, place: PLACE, batchRows: 10, onBatch })).toBe(0)
    expect(sizes).toHaveLength(3)
  })

  test('a data set that it does not know is decoded all the same', () => {
    const startUs = Date.UTC(2024, 3, 5) * 1000
    const place = { market: 'cm' as const, symbol: 'BTCUSD_PERP', period: { startUs, endUs: startUs + 86_400_000_000 } }
    const csv = Buffer.from('2024-04-05 00:00:00,BTCUSD_PERP,1.5,2,"",,0.5,0.25\n2024-04-05 00:05:00,BTCUSD_PERP,2.5,3,1,2,3,4\n')
    expect(decoder.decodeTable(csv, METRICS, place)).toEqual(decodeTable(csv, METRICS, place))
    const found: Columns[] = []
    const onBatch = (columns: Columns): void => void found.push(columns)
    expect(decoder.scanTable(csv, { dataset: METRICS, place, batchRows: 9, onBatch })).toBe(2)
    expect(found.map(bytesOf)).toEqual([bytesOf(decodeTable(csv, METRICS, place).columns)])
  })

  test('columns stay as they are when the next CSV is decoded', () => {
    const first = decoder.decodeTable(Buffer.from(rowsOf(50)), AGG_TRADES, PLACE)
    const before = bytesOf(first.columns)
    decoder.decodeTable(Buffer.from(rowsOf(90).replaceAll('1', '2')), AGG_TRADES, PLACE)
    expect(bytesOf(first.columns)).toEqual(before)
  })
})

// eslint-disable-next-line @typescript-eslint/require-await -- an asynchronous source that has all it gives
async function* piecesOf(csv: Uint8Array, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < csv.length; at += bytes) yield csv.subarray(at, at + bytes)
}

/** The values of a file by its text alone. */
function readText(csv: Buffer, { columns }: Dataset): Record<string, unknown[]> {
  const lines = csv.toString('latin1').trimEnd().split('\n')
  if (!/^\d/.test(lines[0] ?? '')) lines.shift()
  const values = columns.map((): unknown[] => [])
  for (const line of lines)
    line.split(',').forEach((text, i) => {
      const type = columns[i]?.type
      if (type === 'bool') values[i]?.push(Number(text.toLowerCase() === 'true'))
      else if (type === 'float64') values[i]?.push(Number(text))
      else values[i]?.push(BigInt(type === 'timestamp' && text.length === 13 ? `${text}000` : text))
    })
  return Object.fromEntries(columns.map(({ key }, i) => [key, values[i] ?? []]))
}

describe('an archive', () => {
  test('is decoded to the same shards with the scanner, which is asked once', async () => {
    registerDataset({ ...AGG_TRADES, name: 'toyTrades', folder: 'toyTrades' })
    const { zip, checksum } = buildArchive('BTCUSDT-toyTrades-2024-01-01', HEADER + rowsOf(5000))
    const request = {
      series: { dataset: 'toyTrades', market: 'um', symbol: 'BTCUSDT', interval: '1h' } as const,
      archive: { key: 'k', etag: 'e', packaging: 'daily', period: '2024-01-01' } as const,
      ...{ zip, checksum, days: null, startsSeries: false, seriesEndUs: null },
    }
    let asked = 0
    const decoded = await decodeArchive(request, {
      inflate: (data, sizeBytes) => decoder.inflate(data, sizeBytes),
      decodeCsv: (bytes) => decoder.decodeCsv(bytes),
      decodeTable(bytes, dataset, place) {
        asked++
        return decoder.decodeTable(bytes, dataset, place)
      },
      encodeShard: encodeArrowShard,
    })
    expect(asked).toBe(1)
    expect(decoded.csvRows).toBe(5000)
    expect(decoded).toEqual(await decodeArchive(request))
  })

  test('is scanned piece by piece, without its CSV as a whole', async () => {
    const csv = Buffer.from(HEADER + rowsOf(20_000))
    const { zip } = buildArchive('BTCUSDT-toyTrades-2024-01-01', csv.toString())
    const all = new RowColumns(AGG_TRADES.columns, 1)
    const options = { dataset: AGG_TRADES, place: PLACE, batchRows: 3000, onBatch: (columns: Columns) => all.add(columns) }
    expect(await readZipPieces(zip, 'BTCUSDT-toyTrades-2024-01-01', {}, (pieces) => decoder.scanPieces(pieces, options))).toBe(20_000)
    expect(bytesOf(all.columns())).toEqual(bytesOf(decodeTable(csv, AGG_TRADES, PLACE).columns))
  })
})

describe.skipIf(SHARED === undefined)('real files', () => {
  const samples = join(SHARED ?? '', 'samples')
  const archive = (path: string): Buffer => readFirstEntry(readFileSync(join(samples, 'data/futures', path)))
  const spot = SHARED === undefined ? [] : readdirSync(join(samples, 'spot')).sort()
  const packed = (name: string): Buffer => gunzipSync(readFileSync(join(samples, 'spot', name)))

  test.each<[string, Dataset, () => Buffer, number | undefined]>([
    ['cm aggTrades', AGG_TRADES, () => archive('cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip'), 105_280],
    ['um fundingRate', FUNDING_RATE, () => archive('um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.zip'), 90],
    ...spot.map((name): [string, Dataset, () => Buffer, number | undefined] => [
      name,
      onSpot(name.includes('aggTrades') ? AGG_TRADES : TRADES),
      () => packed(name),
      name.includes('aggTrades') ? 1175 : undefined,
    ]),
  ])('%s: every cell is the text of the file, and the columns are those of the exact decoder', (_name, dataset, read, rows) => {
    const csv = read()
    const found = decoder.decodeTable(csv, dataset, PLACE)
    const expected = readText(csv, dataset)
    for (const [key, values] of Object.entries(expected)) {
      const column = found.columns[key]
      expect(column?.length).toBe(values.length)
      expect(values.findIndex((value, i) => !Object.is(column?.[i], value))).toBe(-1)
    }
    expect(found.rows).toBe(rows ?? expected['openTime']?.length)
    expect(bytesOf(found.columns)).toEqual(bytesOf(decodeTable(csv, dataset, PLACE).columns))
    expect(countExact(csv, dataset)).toBe(/^[a-z]/.test(csv.toString('latin1', 0, 1)) ? 0 : 1)
  })
})
