import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeShard } from '../../../src/codec/arrow.ts'
import type { DecodeRequest } from '../../../src/codec/decode-day.ts'
import { decodeArchive, runDecodeTask } from '../../../src/codec/decode-day.ts'
import type { Interval } from '../../../src/model/interval.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'
import { buildArchive, buildZip, checksumOf } from '../../support/zip-builder.ts'

const HOUR_MS = 3_600_000

/** A CSV row that opens at an ISO time, `2024-01-01T05`; `volume` tells rows apart. */
function row(time: string, volume = '1'): string {
  const ms = Date.parse(`${time}${time.length === 13 ? ':00' : ''}Z`)
  return `${ms},10,12,9,11,${volume},${ms + HOUR_MS - 1},50,7,0.5,25,0`
}

function hours(day: string, from = 0, to = 24): string[] {
  return Array.from({ length: to - from }, (_, i) => row(`${day}T${String(from + i).padStart(2, '0')}`))
}

interface Change extends Partial<Omit<DecodeRequest, 'archive' | 'series'>> {
  readonly period?: string
  readonly interval?: Interval
}

function request(rows: readonly string[], { period = '2024-01-01', interval = '1h', ...rest }: Change = {}): DecodeRequest {
  const packaging = period.length > 7 ? 'daily' : 'monthly'
  const stem = `BTCUSDT-${interval === '1M' ? '1mo' : interval}-${period}`
  return {
    series: { market: 'spot', symbol: 'BTCUSDT', interval },
    archive: { key: `data/spot/${packaging}/klines/BTCUSDT/${interval}/${stem}.zip`, etag: '"e"', packaging, period },
    ...buildArchive(stem, rows.map((line) => `${line}\n`).join('')),
    days: null,
    startsSeries: false,
    seriesEndUs: null,
    ...rest,
  }
}

const us = (time: string): number => Date.parse(`${time}Z`) * 1000
const day = (text: string): UtcDay => text as UtcDay

describe('a daily archive', () => {
  test('that is whole becomes one complete shard with its provenance', async () => {
    const input = request(hours('2024-01-01'))
    const result = await decodeArchive(input)
    const digest = createHash('sha256').update(input.zip).digest('hex')
    const [chunk] = result.chunks
    expect(result).toMatchObject({
      archiveSha256: digest,
      csvRows: 24,
      absentDays: [],
      dropped: 0,
      firstOpenUs: us('2024-01-01T00:00'),
      lastOpenUs: us('2024-01-01T23:00'),
    })
    expect(chunk).toMatchObject({
      day: '2024-01-01',
      rows: 24,
      expected: 24,
      offGrid: 0,
      duplicates: 0,
      conflicts: 0,
      conflictNote: '',
      oddClose: 0,
      oddRows: 0,
      oddRowTimes: [],
      gaps: [],
      condition: 'complete',
      firstOpenUs: us('2024-01-01T00:00'),
      lastOpenUs: us('2024-01-01T23:00'),
    })
    expect(chunk!.shardSha256).toBe(createHash('sha256').update(chunk!.shard).digest('hex'))
    expect(decodeShard(chunk!.shard).meta).toEqual({
      market: 'spot',
      symbol: 'BTCUSDT',
      interval: '1h',
      day: '2024-01-01',
      source: 'vision-daily',
      archiveKey: input.archive.key,
      archiveSha256: digest,
      archiveEtag: '"e"',
      condition: 'complete',
      rows: 24,
      expected: 24,
      offGrid: 0,
      duplicates: 0,
      oddClose: 0,
      oddRows: 0,
      gaps: [],
    })
  })

  test('that lacks bars is partial, and its shard says which', async () => {
    const rows = [...hours('2024-01-01', 1, 5), ...hours('2024-01-01', 7, 23)]
    const [chunk] = (await decodeArchive(request(rows))).chunks
    const gaps = [
      { startUs: us('2024-01-01T00:00'), endUs: us('2024-01-01T01:00'), bars: 1 },
      { startUs: us('2024-01-01T05:00'), endUs: us('2024-01-01T07:00'), bars: 2 },
      { startUs: us('2024-01-01T23:00'), endUs: us('2024-01-02T00:00'), bars: 1 },
    ]
    expect(chunk).toMatchObject({ condition: 'partial', expected: 24, rows: 20, gaps })
    expect(decodeShard(chunk!.shard).meta.gaps).toEqual(gaps.map((gap) => ({ ...gap, evidence: 'not in the archive' })))
  })

  test('with rows out of order is sorted', async () => {
    const [chunk] = (await decodeArchive(request(hours('2024-01-01').reverse()))).chunks
    expect(chunk).toMatchObject({ rows: 24, gaps: [], condition: 'complete' })
    const { openTime } = decodeShard(chunk!.shard).columns
    expect(openTime).toEqual(BigInt64Array.from(openTime, (_, i) => BigInt(us('2024-01-01T00:00')) + BigInt(i * HOUR_MS * 1000)))
  })

  test('with identical rows counts and collapses them', async () => {
    const all = hours('2024-01-01')
    const result = await decodeArchive(request([...all, all[3]!, all[3]!, all[20]!]))
    expect(result.csvRows).toBe(27)
    expect(result.chunks[0]).toMatchObject({ rows: 24, duplicates: 3, conflicts: 0, gaps: [] })
  })

  test('with two bars for one time keeps the later row and notes both', async () => {
    const all = hours('2024-01-01')
    const [chunk] = (await decodeArchive(request([...all, row('2024-01-01T03', '2')]))).chunks
    expect(chunk).toMatchObject({ rows: 24, duplicates: 0, conflicts: 1, conflictNote: '2024-01-01T03:00:00.000000Z: volume 1 then 2' })
    expect(decodeShard(chunk!.shard).columns.volume[3]).toBe(2)
  })

  test('with many conflicts notes five and counts the rest', async () => {
    const again = hours('2024-01-01').map((line) => line.replace(',11,1,', ',11,3,'))
    const [chunk] = (await decodeArchive(request([...hours('2024-01-01'), ...again]))).chunks
    expect(chunk!.conflicts).toBe(24)
    expect(chunk!.conflictNote.split('; ')).toHaveLength(6)
    expect(chunk!.conflictNote).toMatch(/; and 19 more$/)
  })

  test('drops and counts rows of other days', async () => {
    const result = await decodeArchive(request([row('2023-12-31T23'), ...hours('2024-01-01'), row('2024-01-02T00')]))
    expect(result).toMatchObject({ dropped: 2, csvRows: 26, firstOpenUs: us('2024-01-01T00:00'), lastOpenUs: us('2024-01-01T23:00') })
    expect(result.chunks.map((chunk) => [chunk.day, chunk.rows])).toEqual([['2024-01-01', 24]])
    expect(result.strays).toEqual([
      { day: '2023-12-31', rows: 1 },
      { day: '2024-01-02', rows: 1 },
    ])
  })

  test('of bars longer than a day is a part of its month, whatever day of the month they open on', async () => {
    const rows = ['2024-01-08', '2024-01-15'].map((text) => row(`${text}T00`))
    const { chunks, strays } = await decodeArchive(request(rows, { period: '2024-01-15', interval: '1w' }))
    expect(chunks).toMatchObject([{ day: '2024-01-01', rows: 2, expected: 5, condition: 'partial' }])
    expect(chunks[0]!.gaps.map(({ bars }) => bars)).toEqual([1, 2])
    expect(decodeShard(chunks[0]!.shard).meta.source).toBe('vision-daily')
    expect(strays).toEqual([])
  })

  test('whose day is not wanted is dropped whole', async () => {
    const result = await decodeArchive(request(hours('2024-01-01'), { days: [day('2024-01-02')] }))
    expect(result).toMatchObject({ chunks: [], absentDays: [], dropped: 24 })
  })

  test('without rows leaves its day absent', async () => {
    expect(await decodeArchive(request([]))).toMatchObject({
      chunks: [],
      absentDays: ['2024-01-01'],
      csvRows: 0,
      firstOpenUs: null,
      lastOpenUs: null,
    })
  })

  test('off-grid bars fill their slots and are counted; two in one slot are both kept', async () => {
    const rows = hours('2024-01-01')
    rows[5] = row('2024-01-01T05:00:20.799')
    rows.push(row('2024-01-01T06:00:14.789'))
    const [chunk] = (await decodeArchive(request(rows))).chunks
    expect(chunk).toMatchObject({ rows: 25, expected: 24, offGrid: 2, gaps: [], condition: 'complete' })
  })

  test('all off-grid is complete all the same', async () => {
    const rows = Array.from({ length: 24 }, (_, i) => row(`2024-01-01T${String(i).padStart(2, '0')}:00:17.592`))
    expect((await decodeArchive(request(rows))).chunks[0]).toMatchObject({ rows: 24, offGrid: 24, gaps: [], condition: 'complete' })
  })

  test('a bar in a neighbour slot does not hide a missing one', async () => {
    const rows = hours('2024-01-01').filter((_, i) => i !== 5)
    rows.push(row('2024-01-01T06:30'))
    const [chunk] = (await decodeArchive(request(rows))).chunks
    expect(chunk).toMatchObject({ rows: 24, expected: 24, condition: 'partial', gaps: [{ startUs: us('2024-01-01T05:00'), bars: 1 }] })
  })
})

describe('the ends of a series', () => {
  test('bars before its first row are not expected where the series starts', async () => {
    const [chunk] = (await decodeArchive(request(hours('2024-01-01', 9), { startsSeries: true }))).chunks
    expect(chunk).toMatchObject({ rows: 15, expected: 15, gaps: [], condition: 'complete' })
  })

  test('a first bar off the grid is in its slot', async () => {
    const rows = [row('2024-01-01T09:00:05'), ...hours('2024-01-01', 10)]
    expect((await decodeArchive(request(rows, { startsSeries: true }))).chunks[0]).toMatchObject({ rows: 15, expected: 15, gaps: [] })
  })

  test('a first bar known from elsewhere decides', async () => {
    const [chunk] = (await decodeArchive(request(hours('2024-01-01', 9), { startsSeries: true, seriesStartUs: us('2024-01-01T08:00') })))
      .chunks
    expect(chunk).toMatchObject({ expected: 16, gaps: [{ startUs: us('2024-01-01T08:00'), bars: 1 }] })
  })

  test('bars at or after its end are not expected', async () => {
    const [chunk] = (await decodeArchive(request(hours('2024-01-01', 0, 3), { seriesEndUs: us('2024-01-01T04:00') }))).chunks
    expect(chunk).toMatchObject({ rows: 3, expected: 4, gaps: [{ startUs: us('2024-01-01T03:00'), bars: 1 }] })
  })

  test('in a monthly archive days before the start and after the end are neither chunk nor absent', async () => {
    const rows = [...hours('2024-01-10', 5), ...hours('2024-01-12', 0, 7)]
    const result = await decodeArchive(request(rows, { period: '2024-01', startsSeries: true, seriesEndUs: us('2024-01-12T07:00') }))
    expect(result.chunks.map((chunk) => [chunk.day, chunk.rows, chunk.expected, chunk.condition])).toEqual([
      ['2024-01-10', 19, 19, 'complete'],
      ['2024-01-12', 7, 7, 'complete'],
    ])
    expect(result.absentDays).toEqual(['2024-01-11'])
  })
})

describe('a monthly archive', () => {
  test('is split into days; wanted ones without a row are absent; rows of other months are dropped', async () => {
    const rows = [row('2024-01-31T23'), ...hours('2024-02-01'), ...hours('2024-02-29', 0, 5), row('2024-03-01T00')]
    const result = await decodeArchive(
      request(rows, { period: '2024-02', days: [day('2024-02-01'), day('2024-02-02'), day('2024-02-29')] }),
    )
    expect(result.chunks.map((chunk) => [chunk.day, chunk.rows, chunk.condition])).toEqual([
      ['2024-02-01', 24, 'complete'],
      ['2024-02-29', 5, 'partial'],
    ])
    expect(result).toMatchObject({ absentDays: ['2024-02-02'], dropped: 2 })
    expect(decodeShard(result.chunks[0]!.shard).meta.source).toBe('vision-monthly')
  })

  test('gives all of its days when none are named', async () => {
    const result = await decodeArchive(request(hours('2024-02-03'), { period: '2024-02' }))
    expect(result.chunks).toHaveLength(1)
    expect(result.absentDays).toHaveLength(28)
  })

  test('may have a month that is not padded', async () => {
    const result = await decodeArchive(request(hours('2020-08-31'), { period: '2020-8' }))
    expect(result.chunks.map((chunk) => chunk.day)).toEqual(['2020-08-31'])
  })

  test.each<[Interval, readonly string[], number]>([
    ['1w', ['2024-01-01', '2024-01-08', '2024-01-15', '2024-01-22', '2024-01-29'], 5],
    // 2024-01-01 is day 19,723 since 1970-01-01, which is 1 modulo 3
    [
      '3d',
      [
        '2024-01-01',
        '2024-01-04',
        '2024-01-07',
        '2024-01-10',
        '2024-01-13',
        '2024-01-16',
        '2024-01-19',
        '2024-01-22',
        '2024-01-25',
        '2024-01-28',
        '2024-01-31',
      ],
      11,
    ],
    ['1M', ['2024-01-01'], 1],
  ])('of %s bars is one chunk, named by the first day', async (interval, days, expected) => {
    const rows = days.map((text) => row(`${text}T00`))
    const result = await decodeArchive(request(rows, { period: '2024-01', interval }))
    expect(result.chunks.map((chunk) => chunk.day)).toEqual(['2024-01-01'])
    expect(result.chunks[0]).toMatchObject({ condition: 'complete', gaps: [], expected, offGrid: 0 })
  })

  test('of weeks that lacks one is partial, though the gap reaches into the next month', async () => {
    const rows = ['2024-01-01', '2024-01-08', '2024-01-15', '2024-01-22'].map((text) => row(`${text}T00`))
    const [chunk] = (await decodeArchive(request(rows, { period: '2024-01', interval: '1w' }))).chunks
    expect(chunk).toMatchObject({
      condition: 'partial',
      expected: 5,
      gaps: [{ startUs: us('2024-01-29T00:00'), endUs: us('2024-02-05T00:00'), bars: 1 }],
    })
    expect(decodeShard(chunk!.shard).meta.gaps).toHaveLength(1)
  })
})

describe('rows that open in another month than that of their archive', () => {
  const march = ['2024-02-26', '2024-03-04', '2024-03-11', '2024-03-18', '2024-03-25', '2024-04-01', '2024-04-08', '2024-05-06']
  const rows = march.map((text) => row(`${text}T00`))
  const archive = { period: '2024-03', interval: '1w' } as const

  test('are told, those of the month before and after by month, and begin the series', async () => {
    const result = await decodeArchive(request(rows, archive))
    expect(result.chunks.map(({ day, rows: count }) => [day, count])).toEqual([['2024-03-01', 4]])
    expect(result.strays).toEqual([
      { day: '2024-02-01', rows: 1 },
      { day: '2024-04-01', rows: 2 },
    ])
    expect(result).toMatchObject({ dropped: 4, firstOpenUs: us('2024-02-26T00:00'), lastOpenUs: us('2024-04-08T00:00') })
  })

  test('are given when the month in which they open is wanted', async () => {
    const days = ['2024-02-01', '2024-03-01', '2024-04-01'].map(day)
    const result = await decodeArchive(request(rows, { ...archive, days, startsSeries: true }))
    expect(result.chunks.map((chunk) => [chunk.day, chunk.rows, chunk.expected, chunk.condition])).toEqual([
      ['2024-02-01', 1, 1, 'complete'],
      ['2024-03-01', 4, 4, 'complete'],
      ['2024-04-01', 2, 5, 'partial'],
    ])
    expect(result.dropped).toBe(1)
    expect(decodeShard(result.chunks[0]!.shard).columns.openTime).toEqual(BigInt64Array.of(BigInt(us('2024-02-26T00:00'))))
  })

  test('that are wanted and not there are absent, unless the series begins later', async () => {
    const inner = rows.slice(1, 5)
    const days = [day('2024-02-01'), day('2024-03-01')]
    expect((await decodeArchive(request(inner, { ...archive, days }))).absentDays).toEqual(['2024-02-01'])
    expect((await decodeArchive(request(inner, { ...archive, days, startsSeries: true }))).absentDays).toEqual([])
  })
})

describe('bars of 3d that all open on other days than most', () => {
  // 2023-06-15 is day 19,523 since 1970-01-01, which is 2 modulo 3
  const opens = [
    '2023-06-03',
    '2023-06-06',
    '2023-06-09',
    '2023-06-12',
    '2023-06-15',
    '2023-06-18',
    '2023-06-21',
    '2023-06-24',
    '2023-06-27',
  ]
  const rows = [...opens, '2023-06-30'].map((text) => row(`${text}T00`))
  const archive = { period: '2023-06', interval: '3d' } as const

  test('have a grid of their own', async () => {
    const result = await decodeArchive(request(rows, archive))
    expect(result.phase).toBe(2)
    expect(result.chunks).toMatchObject([{ rows: 10, expected: 10, offGrid: 0, gaps: [], condition: 'complete' }])
  })

  test('have it where one is missing, too: the gap lies on it', async () => {
    const { chunks, phase } = await decodeArchive(request(rows.toSpliced(4, 1), archive))
    expect(phase).toBe(2)
    expect(chunks[0]).toMatchObject({ expected: 10, gaps: [{ startUs: us('2023-06-15T00:00'), endUs: us('2023-06-18T00:00'), bars: 1 }] })
  })

  test('have the usual one when one of them does not agree', async () => {
    const result = await decodeArchive(request([...rows, row('2023-06-16T00')], archive))
    expect(result.phase).toBe(1)
    expect(result.chunks).toMatchObject([{ rows: 11, expected: 10, offGrid: 11 }])
  })

  test('an archive without rows takes the phase of its series', async () => {
    const empty = request([], archive)
    // a series that begins and ends on the 30th: on the usual grid a slot opens on the 29th, on its own none before the end
    const on30th = { seriesStartUs: us('2023-06-30T00:00'), seriesEndUs: us('2023-06-30T00:00') }
    const absentOf = async (phase: 1 | 2) => (await decodeArchive({ ...empty, ...on30th, series: { ...empty.series, phase } })).absentDays
    expect([await absentOf(1), await absentOf(2)]).toEqual([['2023-06-01'], []])
  })

  test('the phase of other intervals is not told', async () => {
    expect((await decodeArchive(request(hours('2024-01-01')))).phase).toBeNull()
  })
})

describe('trust', () => {
  const rows = hours('2024-01-01')

  test('no CHECKSUM, no data', async () => {
    await expect(decodeArchive(request(rows, { checksum: null }))).rejects.toThrow(
      expect.objectContaining({ code: 'CKVD_CHECKSUM_MISSING' }) as Error,
    )
  })

  test('a wrong CHECKSUM, no data; distrust hands it out for a comparison', async () => {
    const checksum = checksumOf(Buffer.from('another file'), 'BTCUSDT-1h-2024-01-01.zip')
    await expect(decodeArchive(request(rows, { checksum }))).rejects.toThrow(
      expect.objectContaining({ code: 'CKVD_CHECKSUM_MISMATCH' }) as Error,
    )
    await expect(decodeArchive(request(rows, { checksum, distrust: true }))).resolves.toMatchObject({ csvRows: 24 })
    await expect(decodeArchive(request(rows, { checksum: null, distrust: true }))).resolves.toMatchObject({ csvRows: 24 })
  })

  test('the ZIP inside is checked all the same', async () => {
    const zip = buildZip([{ name: 'BTCUSDT-1h-2024-01-01.csv', data: rows.join('\n'), crc: 7 }])
    await expect(decodeArchive(request(rows, { zip, distrust: true }))).rejects.toThrow(
      expect.objectContaining({ code: 'CKVD_ZIP_CRC' }) as Error,
    )
  })
})

describe('errors', () => {
  test('say where: series, period, line, column; key in the details', async () => {
    const rows = hours('2024-01-01')
    rows[7] = rows[7]!.replace(',0.5,', ',half,')
    const input = request(rows)
    await expect(decodeArchive(input)).rejects.toThrow(
      expect.objectContaining({
        code: 'CKVD_CSV_NUMBER',
        message: 'Expected a plain decimal number as taker_buy_volume, found "half" (spot BTCUSDT 1h 2024-01-01, line 8, column 10)',
        details: {
          line: 8,
          column: 10,
          found: 'half',
          market: 'spot',
          symbol: 'BTCUSDT',
          interval: '1h',
          period: '2024-01-01',
          key: input.archive.key,
        },
      }) as Error,
    )
  })

  test.each<[string, Partial<DecodeRequest['archive']>]>([
    ['no period', { period: 'latest' }],
    ['a day that does not exist', { period: '2023-02-29' }],
    ['a month in a daily archive', { period: '2024-01', packaging: 'daily' }],
    ['a month without a zero in a daily archive', { period: '2024-1' }],
  ])('%s is a bug of the caller', async (_, archive) => {
    const input = request([])
    await expect(decodeArchive({ ...input, archive: { ...input.archive, ...archive } })).rejects.toThrow(
      expect.objectContaining({ code: 'CKVD_BUG' }) as Error,
    )
  })
})

describe('runDecodeTask', () => {
  test('gives an outcome for each request, errors as data with the archive, and shards that can be transferred', async () => {
    const good = request(hours('2024-01-01'))
    const bad = request([], { checksum: null })
    const broken = { ...good, zip: null as unknown as Uint8Array }
    const outcomes = await runDecodeTask([good, bad, broken])
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.result.csvRows : outcome.error.code))).toEqual([
      24,
      'CKVD_CHECKSUM_MISSING',
      'CKVD_BUG',
    ])
    expect(outcomes[1]).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('spot BTCUSDT 1h 2024-01-01') as string },
      zip: bad.zip,
    })
    const shards = outcomes.flatMap((outcome) => (outcome.ok ? outcome.result.chunks.map(({ shard }) => shard) : []))
    const digest = createHash('sha256').update(shards[0]!).digest('hex')
    const moved = structuredClone(outcomes, { transfer: shards.map(({ buffer }) => buffer as ArrayBuffer) })
    expect(shards[0]).toHaveLength(0)
    expect(moved[0]!.ok && createHash('sha256').update(moved[0]!.result.chunks[0]!.shard).digest('hex')).toBe(digest)
  })
})
