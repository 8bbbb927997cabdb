import { createHash } from 'node:crypto'
import type { Data } from 'apache-arrow'
import { Field, makeData, RecordBatch, Schema, Struct, tableFromIPC } from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import { arrowType, ShardWriter } from '../../../src/codec/arrow/arrow-writer.ts'
import type { FundingMeta, FundingRow } from '../../../src/codec/funding.ts'
import {
  decodeFunding,
  decodeFundingArchive,
  decodeFundingRest,
  encodeFunding,
  FUNDING_COLUMNS,
  fundingColumns,
  fundingRows,
} from '../../../src/codec/funding.ts'
import { buildArchive } from '../../support/zip-builder.ts'

const STEM = 'BTCUSDT-fundingRate-2026-04'
const HEADER = 'calc_time,funding_interval_hours,last_funding_rate'
const META: FundingMeta = {
  market: 'um',
  symbol: 'BTCUSDT',
  month: '2026-04',
  archiveKey: `data/futures/um/monthly/fundingRate/BTCUSDT/${STEM}.zip`,
  archiveSha256: 'a'.repeat(64),
  archiveEtag: 'b'.repeat(32),
}
const ROWS: FundingRow[] = [
  [1_775_001_600_000_000, 8, 0.0001],
  [1_775_030_400_003_000, 8, -0.00012345],
  [1_775_059_200_000_000, 0, 1e-8],
]

describe('a funding archive', () => {
  const decode = (csv: string) => {
    const { zip, checksum } = buildArchive(STEM, csv)
    return decodeFundingArchive(zip, checksum, STEM)
  }

  it.each([
    ['with a header', [HEADER, '1775001600000,8,0.00010000', '1775030400003,8,-0.00012345', '1775059200000,0,1e-8', ''].join('\n')],
    [
      'without one, lines ended as on Windows',
      ['1775001600000,8,0.0001', '1775030400003,8,-1.2345E-4', '1775059200000,0,1E-08'].join('\r\n'),
    ],
  ])('%s is its rows, times in microseconds', async (_name, csv) => {
    const { rows, sha256 } = await decode(csv)
    expect(rows).toEqual(ROWS)
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    ['calc_time,hours,rate', 'CKVD_CSV_HEADER', 1],
    [`${HEADER}\n1775001600000,8`, 'CKVD_CSV_COLUMNS', 2],
    [`${HEADER}\n1775001600000,8,0.1,9`, 'CKVD_CSV_COLUMNS', 2],
    [`1775001600000,8,0.1\n${HEADER}`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n177500160000,8,0.1`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n17750016000000,8,0.1`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,,0.1`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,100,0.1`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,8,.1`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,8,1.`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,8,1e123`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\n1775001600000,8,0.1\n1775030400003,8,x0.1`, 'CKVD_CSV_NUMBER', 3],
    [`${HEADER}\n1775001600000,8,0.1x`, 'CKVD_CSV_NUMBER', 2],
    [`${HEADER}\nx1775001600000,8,0.1`, 'CKVD_CSV_NUMBER', 2],
  ])('with %j is refused with its line', async (csv, code, line) => {
    await expect(decode(csv)).rejects.toMatchObject({ code, details: { line } })
  })

  it('without a CHECKSUM, or with one of other bytes, is refused', async () => {
    const { zip } = buildArchive(STEM, HEADER)
    await expect(decodeFundingArchive(zip, null, STEM)).rejects.toMatchObject({ code: 'CKVD_CHECKSUM_MISSING' })
    const { checksum } = buildArchive(STEM, `${HEADER}\n`)
    await expect(decodeFundingArchive(zip, checksum, STEM)).rejects.toMatchObject({ code: 'CKVD_CHECKSUM_MISMATCH' })
  })
})

describe('funding rates of REST', () => {
  const decode = (body: unknown) => decodeFundingRest(new TextEncoder().encode(JSON.stringify(body)), 'http://rest')

  it('are rows without hours', () => {
    expect(decode([])).toEqual([])
    expect(
      decode([
        { symbol: 'BTCUSDT', fundingTime: 1_775_001_600_000, fundingRate: '0.00010000', markPrice: '1' },
        { fundingTime: 1_775_030_400_003, fundingRate: '-12' },
      ]),
    ).toEqual([
      [1_775_001_600_000_000, 0, 0.0001],
      [1_775_030_400_003_000, 0, -12],
    ])
  })

  it.each([
    [{ fundingTime: 1_775_001_600_000, fundingRate: '0.1' }],
    [[{ fundingTime: 1_775_001_600_000 }]],
    [[{ fundingTime: '1775001600000', fundingRate: '0.1' }]],
    [[{ fundingTime: 1_775_001_600, fundingRate: '0.1' }]],
    [[{ fundingTime: 1_775_001_600_000_000, fundingRate: '0.1' }]],
    [[{ fundingTime: 1_775_001_600_000.5, fundingRate: '0.1' }]],
    [[{ fundingTime: 1_775_001_600_000, fundingRate: 0.1 }]],
    [[{ fundingTime: 1_775_001_600_000, fundingRate: '.1' }]],
    [[{ fundingTime: 1_775_001_600_000, fundingRate: '1.' }]],
    [[{ fundingTime: 1_775_001_600_000, fundingRate: '0.1x' }]],
    [[{ fundingTime: 1_775_001_600_000, fundingRate: 'x0.1' }]],
  ])('that are %j are refused', (body) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
  })
})

/** Three columns, eight bytes a value. */
function columnBytes(rows: readonly FundingRow[]): Buffer {
  const bytes = Buffer.alloc(rows.length * 3 * 8)
  rows.forEach(([timeUs, hours, rate], i) => {
    bytes.writeBigInt64LE(BigInt(timeUs), i * 8)
    bytes.writeBigInt64LE(BigInt(hours), (rows.length + i) * 8)
    bytes.writeDoubleLE(rate, (2 * rows.length + i) * 8)
  })
  return bytes
}

describe('a stored month of funding rates', () => {
  it('is what was stored, and any Arrow reader reads it', () => {
    const bytes = encodeFunding(fundingColumns(ROWS), META)
    expect(fundingRows(decodeFunding(bytes, META))).toEqual(ROWS)
    // in a buffer in which it begins at an odd byte, too
    const shifted = new Uint8Array(bytes.length + 1)
    shifted.set(bytes, 1)
    expect(fundingRows(decodeFunding(shifted.subarray(1), META))).toEqual(ROWS)
    const table = tableFromIPC(bytes)
    expect(table.schema.fields.map(({ name, type, nullable }) => `${name} ${String(type)} ${nullable}`)).toEqual([
      'funding_time Timestamp<MICROSECOND, UTC> false',
      'funding_interval_hours Int64 false',
      'funding_rate Float64 false',
    ])
    expect([...(table.getChild('funding_rate') ?? [])]).toEqual(ROWS.map(([, , rate]) => rate))
    expect(Object.fromEntries(table.schema.metadata)).toEqual({
      'ckvd.format': '1',
      'ckvd.chart': 'fundingRate',
      'ckvd.market': 'um',
      'ckvd.symbol': 'BTCUSDT',
      'ckvd.month': '2026-04',
      'ckvd.source': 'vision-monthly',
      'ckvd.archive.key': META.archiveKey,
      'ckvd.archive.sha256': META.archiveSha256,
      'ckvd.archive.etag': META.archiveEtag,
      'ckvd.rows': '3',
      'ckvd.digest': createHash('sha256').update(columnBytes(ROWS)).digest('hex'),
    })
  })

  it('with a byte of its rates changed is refused', () => {
    const bytes = Buffer.from(encodeFunding(fundingColumns(ROWS), META))
    for (const [, , rate] of ROWS) {
      const at = bytes.indexOf(Buffer.from(Float64Array.of(rate).buffer))
      bytes[at + 6]! ^= 1
      expect(() => decodeFunding(bytes, META)).toThrow(expect.objectContaining({ code: 'CKVD_SHARD_FORMAT' }) as Error)
      bytes[at + 6]! ^= 1
    }
    expect(fundingRows(decodeFunding(bytes, META))).toEqual(ROWS)
  })

  it('of no rates is one', () => {
    expect(fundingRows(decodeFunding(encodeFunding(fundingColumns([]), META), META))).toEqual([])
  })

  it('with nulls, or with fewer values than rows, is refused', () => {
    const fileWith = (values: number, nullCount: number): Uint8Array => {
      const fields = FUNDING_COLUMNS.map(({ name, type }) => new Field(name, arrowType(type), false))
      const nullBitmap = nullCount === 0 ? null : new Uint8Array(8)
      const children = fields.map(
        ({ type }) => makeData({ type, length: 9, nullCount, nullBitmap, data: new Float64Array(values) } as never) as Data,
      )
      const { metadata } = tableFromIPC(encodeFunding(fundingColumns(ROWS), META)).schema
      metadata.delete('ckvd.digest')
      const writer = new ShardWriter()
      writer.write(new RecordBatch(new Schema(fields, metadata), makeData({ type: new Struct(fields), length: 9, nullCount: 0, children })))
      return writer.finish().toUint8Array(true)
    }
    const refused = expect.objectContaining({ code: 'CKVD_SHARD_FORMAT' }) as Error
    expect(decodeFunding(fileWith(9, 0), META).rate).toHaveLength(9)
    expect(() => decodeFunding(fileWith(9, 1), META)).toThrow(refused)
    expect(() => decodeFunding(fileWith(8, 0), META)).toThrow(refused)
  })

  it('of another contract or month, of other columns, or cut anywhere, is refused', () => {
    const refused = expect.objectContaining({ code: 'CKVD_SHARD_FORMAT' }) as Error
    const bytes = encodeFunding(fundingColumns(ROWS), META)
    for (const other of [{ market: 'cm' }, { symbol: 'ETHUSDT' }, { month: '2026-05' }])
      expect(() => decodeFunding(bytes, { ...META, ...other }), JSON.stringify(other)).toThrow(refused)
    const renamed = Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('funding_rate', 'funding_mate'), 'latin1')
    expect(() => decodeFunding(renamed, META)).toThrow(refused)
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeFunding(bytes.subarray(0, length), META), `cut at ${length}`).toThrow(refused)
  })
})
