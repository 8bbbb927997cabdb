import { expect, test } from 'vitest'
import { largestArchiveBytes, largestCsvBytes } from '../../../../src/codec/csv/csv-size.ts'
import { decodeArchive } from '../../../../src/codec/decode-archive.ts'
import type { Interval } from '../../../../src/model/interval.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { buildArchive } from '../../../support/zip-builder.ts'

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
