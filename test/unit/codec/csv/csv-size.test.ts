import { expect, test } from 'vitest'
import { largestArchiveBytes, largestArchiveOf, largestCsvBytes, largestCsvOf } from '../../../../src/codec/csv/csv-size.ts'
import { decodeArchive } from '../../../../src/codec/decode-archive.ts'
import type { Interval } from '../../../../src/model/interval.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { buildArchive, buildZip, checksumOf } from '../../../support/zip-builder.ts'

const us = (day: string): number => Date.parse(day) * 1000
const DAY = { startUs: us('2024-01-01'), endUs: us('2024-01-02') }
const MONTH = { startUs: us('2024-01-01'), endUs: us('2024-02-01') }
const MIB = 2 ** 20

test.each<[Interval, typeof DAY, number]>([
  ['1h', DAY, MIB],
  ['1m', DAY, MIB],
  ['1s', DAY, 86_400 * 2 * 256],
  ['1m', MONTH, 31 * 1440 * 2 * 256],
  ['1M', MONTH, MIB],
  ['1s', MONTH, 512 * MIB],
])('%s: at least twice the rows of the period at 256 bytes each', (interval, period, bytes) => {
  expect(largestCsvBytes(interval, period)).toBe(bytes)
  expect(largestArchiveBytes(interval, period)).toBe(bytes + 64 * 1024)
})

test('ticks are bounded by what their ZIP may hold: a bomb of a megabyte never unpacks to gigabytes', () => {
  const ticks = { dataset: 'bookTicker', market: 'um', interval: '1s' } as const
  expect(largestCsvOf(ticks, DAY, MIB)).toBe(512 * MIB)
  // a day of BTCUSDT: 164 MB that hold some 2 GB
  expect(largestCsvOf(ticks, DAY, 164e6)).toBeGreaterThan(4e9)
  expect(largestCsvOf(ticks, MONTH, 2 ** 31)).toBe(16 * 1024 * MIB)
  expect(largestArchiveOf(ticks, DAY)).toBe(2 ** 31 - 1)
  // bars are bounded by their slots, whatever the ZIP
  const bars = { market: 'spot', interval: '1m' } as const
  expect(largestCsvOf(bars, DAY, 164e6)).toBe(MIB)
  expect(largestArchiveOf(bars, DAY)).toBe(MIB + 64 * 1024)
})

/** A day of ticks that says that it holds so many bytes, in a ZIP of so many, which zlib does not take. */
async function decodeDamaged(sizeBytes: number, packedBytes: number): Promise<unknown> {
  const stem = 'AAAUSDT-bookTicker-2024-01-01'
  const zip = buildZip([{ name: `${stem}.csv`, data: '', packed: Buffer.alloc(packedBytes), size: sizeBytes }])
  const series = { dataset: 'bookTicker', market: 'um', symbol: 'AAAUSDT', interval: '1s' } as const
  return await decodeArchive({ ...request({ zip, checksum: checksumOf(zip, `${stem}.zip`) }), series }).catch((error: unknown) => error)
}

test('a day of ticks of 4 GB is not refused for its size, unless its ZIP is too small for it', async () => {
  expect(await decodeDamaged(2 ** 32 - 2, 70 * MIB)).toMatchObject({ code: 'CKVD_ZIP_FORMAT' })
  expect(await decodeDamaged(2 ** 32 - 2, 60 * MIB)).toMatchObject({ code: 'CKVD_ZIP_SIZE', details: { found: 2 ** 32 - 2 } })
})

/** An archive of a day of 1h bars in which each row is as long as decimals get, and stands there twice. */
function longArchive(blankLines: number): ReturnType<typeof buildArchive> {
  const decimal = '123456789012345.12345678'
  const rows = Array.from({ length: 24 }, (_, hour) => {
    const open = us('2024-01-01') + hour * 3_600_000_000
    const prices = Array<string>(4).fill(decimal).join(',')
    return `${open},${prices},${decimal},${open + 3_599_999_999},${decimal},123456789,${decimal},${decimal},${decimal}\n`
  })
  return buildArchive('AAAUSDT-1h-2024-01-01', rows.join('').repeat(2) + '\n'.repeat(blankLines))
}

const request = (archive: ReturnType<typeof buildArchive>): Parameters<typeof decodeArchive>[0] => ({
  series: { market: 'spot', symbol: 'AAAUSDT', interval: '1h' },
  archive: { key: 'k', etag: 'e', packaging: 'daily', period: '2024-01-01' },
  zip: archive.zip,
  checksum: archive.checksum,
  days: ['2024-01-01' as UtcDay],
  startsSeries: false,
  seriesEndUs: null,
})

test('a day of the longest rows, twice, is taken; a CSV beyond the bound is refused before it is unpacked', async () => {
  expect((await decodeArchive(request(longArchive(0)))).chunks[0]).toMatchObject({ rows: 24, duplicates: 24 })
  await expect(decodeArchive(request(longArchive(2 * MIB)))).rejects.toMatchObject({ code: 'CKVD_ZIP_SIZE' })
})
