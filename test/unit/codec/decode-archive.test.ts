import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeArrowShard } from '../../../src/codec/arrow/arrow.ts'
import { shardRows } from '../../../src/codec/shard-rows.ts'
import type { DecodeRequest } from '../../../src/codec/decode-archive.ts'
import type { DecodedChunk } from '../../../src/codec/decoded-chunk.ts'
import { decodeArchive, joinChunk, runDecodeTask } from '../../../src/codec/decode-archive.ts'
import { findOddRows } from '../../../src/codec/csv/odd-rows.ts'
import type { Interval } from '../../../src/model/interval.ts'
import type { KlineColumns } from '../../../src/model/kline.ts'
import { gridOf } from '../../../src/model/interval.ts'
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

const FIVE_MS = 300_000

/** The rows of a day of `5m`, whose chunk is a file that tells of itself; one of `1h` is its rows alone, and stands in a pack. */
function fives(day: string): string[] {
  const startMs = Date.parse(`${day}T00:00Z`)
  return Array.from({ length: 288 }, (_, i) => startMs + i * FIVE_MS).map((ms) => `${ms},10,12,9,11,1,${ms + FIVE_MS - 1},50,7,0.5,25,0`)
}

function columnsOf(chunk: DecodedChunk | undefined, interval: Interval = '1h'): KlineColumns {
  return shardRows({ interval }, chunk!.shard)
}

/** A row of `row` that closes with its bar, which may be longer than an hour; one of another hour's end stays as it is. */
function closedWith(line: string, interval: Interval): string {
  const cells = line.split(',')
  const openMs = Number(cells[0])
  const days = {
    '1d': 1,
    '3d': 3,
    '1w': 7,
    '1M': new Date(openMs + 32 * 24 * HOUR_MS).setUTCDate(1) / (24 * HOUR_MS) - openMs / (24 * HOUR_MS),
  }
  const length = interval in days ? days[interval as keyof typeof days] * 24 * HOUR_MS : HOUR_MS
  if (Number(cells[6]) === openMs + HOUR_MS - 1) cells[6] = String(openMs + length - 1)
  return cells.join(',')
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
    ...buildArchive(stem, rows.map((line) => `${closedWith(line, interval)}\n`).join('')),
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
      gaps: [],
      condition: 'complete',
      firstOpenUs: us('2024-01-01T00:00'),
      lastOpenUs: us('2024-01-01T23:00'),
    })
    expect(chunk!.shardSha256).toBe(createHash('sha256').update(chunk!.shard).digest('hex'))
    expect(chunk!.shard).toHaveLength(24 * 11 * 8)
    expect([...columnsOf(chunk).openTime]).toEqual(
      Array.from({ length: 24 }, (_, i) => BigInt(us('2024-01-01T00:00') + i * HOUR_MS * 1000)),
    )
  })

  test('of bars of some minutes becomes a file that states its provenance', async () => {
    const input = request(fives('2024-01-01'), { interval: '5m' })
    const [chunk] = (await decodeArchive(input)).chunks
    expect(chunk).toMatchObject({ rows: 288, expected: 288, condition: 'complete', gaps: [] })
    expect(chunk!.shardSha256).toBe(createHash('sha256').update(chunk!.shard).digest('hex'))
    expect(decodeArrowShard(chunk!.shard).meta).toEqual({
      market: 'spot',
      symbol: 'BTCUSDT',
      interval: '5m',
      day: '2024-01-01',
      source: 'vision-daily',
      archiveKey: input.archive.key,
      archiveSha256: createHash('sha256').update(input.zip).digest('hex'),
      archiveEtag: '"e"',
      condition: 'complete',
      rows: 288,
      expected: 288,
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
    const evidence = { reason: 'not-asked', source: null, note: null }
    expect(chunk!.gaps).toEqual(gaps)
    const lacking = fives('2024-01-01').toSpliced(60, 24).toSpliced(0, 12)
    const [file] = (await decodeArchive(request(lacking, { interval: '5m' }))).chunks
    expect(decodeArrowShard(file!.shard).meta.gaps).toEqual([
      { ...gaps[0], bars: 12, evidence },
      { ...gaps[1], bars: 24, evidence },
    ])
  })

  test('with rows out of order is sorted', async () => {
    const [chunk] = (await decodeArchive(request(hours('2024-01-01').reverse()))).chunks
    expect(chunk).toMatchObject({ rows: 24, gaps: [], condition: 'complete' })
    const { openTime } = columnsOf(chunk)
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
    expect(columnsOf(chunk).volume[3]).toBe(2)
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
    expect([...columnsOf(chunks[0], '1w').openTime].map(Number)).toEqual([us('2024-01-08T00:00'), us('2024-01-15T00:00')])
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

  test('its own bars outside of them deny them: all of the chunk is expected on that side', async () => {
    const chunkOf = async (more: Partial<Parameters<typeof request>[1]>, rows = hours('2024-01-01', 3)) =>
      (await decodeArchive(request(rows, more))).chunks[0]
    expect(await chunkOf({ seriesStartUs: us('2024-01-09T00:00') })).toMatchObject({ rows: 21, expected: 24, condition: 'partial' })
    expect(await chunkOf({ seriesStartUs: us('2024-01-01T05:00') })).toMatchObject({ rows: 21, expected: 24, condition: 'partial' })
    const ended = { seriesEndUs: us('2024-01-01T05:00') }
    expect(await chunkOf(ended, hours('2024-01-01', 0, 9))).toMatchObject({ rows: 9, expected: 24, condition: 'partial' })
    expect(await chunkOf(ended, hours('2024-01-01'))).toMatchObject({ rows: 24, expected: 24, condition: 'complete' })
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
    const whole = await decodeArchive(request(fives('2024-02-01'), { period: '2024-02', interval: '5m' }))
    expect(decodeArrowShard(whole.chunks[0]!.shard).meta).toMatchObject({ source: 'vision-monthly', day: '2024-02-01' })
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
    expect(chunk!.gaps).toHaveLength(1)
    expect(columnsOf(chunk, '1w').openTime).toHaveLength(4)
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
    expect(columnsOf(result.chunks[0], '1w').openTime).toEqual(BigInt64Array.of(BigInt(us('2024-02-26T00:00'))))
  })

  test('that are wanted and not there are absent, unless the series begins later', async () => {
    const inner = rows.slice(1, 5)
    const days = [day('2024-02-01'), day('2024-03-01')]
    expect((await decodeArchive(request(inner, { ...archive, days }))).absentDays).toEqual(['2024-02-01'])
    expect((await decodeArchive(request(inner, { ...archive, days, startsSeries: true }))).absentDays).toEqual([])
  })
})

describe('a month whose bars stand in several archives', () => {
  const week = (opens: readonly string[], volume = '1'): Promise<DecodedChunk | undefined> =>
    decodeArchive(
      request(
        opens.map((text) => row(`${text}T00`, volume)),
        { period: '2024-03', interval: '1w' },
      ),
    ).then(({ chunks }) => chunks[0])
  const join = async (...parts: readonly (readonly string[])[]): Promise<DecodedChunk | undefined> => {
    const chunks = await Promise.all(parts.map((opens, i) => week(opens, String(i + 1))))
    return joinChunk({
      series: { market: 'um', symbol: 'BTCUSDT', interval: '1w' },
      day: day('2024-03-01'),
      parts: chunks.filter((chunk) => chunk !== undefined).map((chunk) => columnsOf(chunk, '1w')),
      archive: { key: 'k', etag: 'e', packaging: 'monthly', period: '2024-03', sha256: 'a'.repeat(64) },
      sources: ['vision-monthly', 'vision-daily'],
      seriesStartUs: null,
      seriesEndUs: null,
    })
  }

  test('is one shard, in order, whole when no part is missing', async () => {
    const chunk = await join(['2024-03-04', '2024-03-18'], ['2024-03-11'], ['2024-03-25'])
    expect(chunk).toMatchObject({ day: '2024-03-01', rows: 4, expected: 4, condition: 'complete', gaps: [], conflicts: 0 })
    expect([...columnsOf(chunk, '1w').volume]).toEqual([1, 2, 1, 3])
  })

  test('takes a bar that two have from the first, and counts where they differ', async () => {
    const chunk = await join(['2024-03-04', '2024-03-18'], ['2024-03-18', '2024-03-11'])
    expect(chunk).toMatchObject({ rows: 3, condition: 'partial', conflicts: 1 })
    expect([...columnsOf(chunk, '1w').volume]).toEqual([1, 2, 1])
  })

  test('is nothing without a bar', async () => {
    expect(await join([])).toBeUndefined()
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

  test('close with their own three days: none is odd', async () => {
    const [chunk] = (await decodeArchive(request(rows, archive))).chunks
    expect(chunk).toMatchObject({ oddClose: 0, rows: 10 })
    for (const series of [{ interval: '3d' as const }, { interval: '3d' as const, phase: 0 as const }])
      expect(findOddRows(columnsOf(chunk, '3d'), gridOf(series)).oddClose).toBe(0)
  })
})

describe('odd rows', () => {
  const withCells = (line: string, cells: Readonly<Record<number, string | number>>): string =>
    line
      .split(',')
      .map((cell, i) => cells[i] ?? cell)
      .join(',')
  const hour = (n: number, cells: Readonly<Record<number, string | number>>): string[] =>
    hours('2024-01-01').map((line, i) => (i === n ? withCells(line, cells) : line))
  const five = (n: number, cells: Readonly<Record<number, string | number>>): string[] =>
    fives('2024-01-01').map((line, i) => (i === n ? withCells(line, cells) : line))
  const endMs = Date.parse('2024-01-01T06:00Z')
  const fiveEndMs = Date.parse('2024-01-01T00:30Z')

  test.each<[string, (endMs: number, lengthMs: number) => number]>([
    ['before its open', (end, length) => end - 2 * length],
    ['as it opens', (end, length) => end - length],
    ['early', (end) => end - 60_000],
    ['a millisecond early', (end) => end - 2],
    ['a millisecond late', (end) => end],
    ['late', (end, length) => end + 5 * length - 1],
  ])('a bar that closes %s is kept and counted', async (_name, closeOf) => {
    const closeMs = closeOf(endMs, HOUR_MS)
    const [chunk] = (await decodeArchive(request(hour(5, { 6: closeMs })))).chunks
    expect(chunk).toMatchObject({ rows: 24, oddClose: 1, oddRows: 0, condition: 'complete' })
    expect(columnsOf(chunk).closeTime[5]).toBe(BigInt(closeMs) * 1000n)
    const fiveCloseMs = closeOf(fiveEndMs, FIVE_MS)
    const [file] = (await decodeArchive(request(five(5, { 6: fiveCloseMs }), { interval: '5m' }))).chunks
    const { columns, meta } = decodeArrowShard(file!.shard)
    expect([columns.closeTime[5], meta.oddClose, meta.oddRows]).toEqual([BigInt(fiveCloseMs) * 1000n, 1, 0])
  })

  test('a bar that closes with the last microsecond of its slot is not odd, with the one before it is', async () => {
    const oddOf = async (closeUs: number) => (await decodeArchive(request(hour(5, { 6: closeUs })))).chunks[0]?.oddClose
    expect(await oddOf(endMs * 1000 - 1)).toBe(0)
    expect(await oddOf(endMs * 1000 - 2)).toBe(1)
  })

  test.each<[string, Readonly<Record<number, string | number>>]>([
    ['a high below its close', { 2: '10.5' }],
    ['a high below its low', { 1: 8, 2: 8, 3: '8.5', 4: 8 }],
    ['a low above its open', { 3: '10.5' }],
    ['a negative price', { 3: '-9' }],
    ['a negative volume', { 5: '-1' }],
    ['a negative quote volume', { 7: '-50.25' }],
    ['a negative count', { 8: '-7' }],
    ["a negative taker's volume", { 9: '-0.5' }],
    ["a negative taker's quote volume", { 10: '-25' }],
  ])('a bar with %s is data: counted', async (_name, cells) => {
    // the last rows of a CSV are read by the slow path in any case, the first by the scanner where it takes them
    for (const n of [0, 23]) {
      const [chunk] = (await decodeArchive(request(hour(n, cells)))).chunks
      expect(chunk).toMatchObject({ rows: 24, oddClose: 0, oddRows: 1, gaps: [], condition: 'complete' })
      const [file] = (await decodeArchive(request(five(n === 0 ? 0 : 287, cells), { interval: '5m' }))).chunks
      expect(decodeArrowShard(file!.shard).meta).toMatchObject({ rows: 288, oddClose: 0, oddRows: 1, gaps: [] })
    }
  })

  test('are counted by chunk', async () => {
    const rows = [
      ...hours('2024-02-01'),
      ...hours('2024-02-02').map((line, i) => (i % 8 === 1 ? withCells(line, { 5: '-1', 6: 1706832000000 }) : line)),
    ]
    const result = await decodeArchive(request(rows, { period: '2024-02' }))
    expect(result.chunks.map(({ oddClose, oddRows }) => [oddClose, oddRows])).toEqual([
      [0, 0],
      [3, 3],
    ])
  })

  test('what is no finite number is still refused', async () => {
    for (const text of ['NaN', 'Infinity', '-Infinity', '9'.repeat(400)]) {
      await expect(decodeArchive(request(hour(5, { 5: text })))).rejects.toThrow(
        expect.objectContaining({ code: 'CKVD_CSV_NUMBER' }) as Error,
      )
    }
  })
})

describe('bars of another interval', () => {
  /** A day of bars, or a part of it, each so many minutes after the one before. */
  const bars = (minutes: number, count = 1440 / minutes, lengthMinutes = minutes): string[] =>
    Array.from({ length: count }, (_, i) => {
      const openMs = Date.parse('2024-01-01T00:00Z') + i * minutes * 60_000
      return `${openMs},10,12,9,11,1,${openMs + lengthMinutes * 60_000 - 1},50,7,0.5,25,0`
    })

  test.each<[string, Interval, readonly string[], string]>([
    ['1m for 5m', '5m', bars(1), '1440 of 1440 bars that close 1m after they open'],
    ['5m for 1m', '1m', bars(5), '288 of 288 bars that close 5m after they open'],
    ['an hour of 1m for 5m', '5m', bars(1, 60), '60 of 60 bars that close 1m after they open'],
    ['15m for 1h, as if they were 1h', '1h', bars(15, 96, 60), '96 bars where there is room for 24'],
    ['1h for 12h', '12h', bars(60), '24 of 24 bars that close 1h after they open'],
    ['30m for 1h', '1h', bars(30), '48 of 48 bars that close 30m after they open'],
    ['20 minutes for 30m', '30m', bars(20, 30), '30 of 30 bars that close 1200 s after they open'],
    ['one of 1m for 1h', '1h', bars(1, 1), '1 of 1 bars that close 1m after they open'],
  ])('%s are refused, naming what was found', async (_name, interval, rows, found) => {
    const refusal = expect.objectContaining({
      code: 'CKVD_CSV_INTERVAL',
      message: expect.stringContaining(`Expected ${interval} bars, found ${found}`) as string,
    }) as Error
    await expect(decodeArchive(request(rows, { interval }))).rejects.toThrow(refusal)
  })

  test('one day of them in a month is enough', async () => {
    const minutes = bars(1, 50).map((line) => line.replaceAll('17040', '17044'))
    const rows = [...hours('2024-01-01'), ...minutes, ...hours('2024-01-08')]
    await expect(decodeArchive(request(rows, { period: '2024-01' }))).rejects.toThrow(
      expect.objectContaining({ code: 'CKVD_CSV_INTERVAL' }) as Error,
    )
  })

  test('a single early close is none, even as long after the opening as an interval', async () => {
    const rows = hours('2024-01-01')
    rows[3] = row('2024-01-01T03').replace(String(Date.parse('2024-01-01T04:00Z') - 1), String(Date.parse('2024-01-01T03:01Z') - 1))
    expect((await decodeArchive(request(rows))).chunks[0]).toMatchObject({ rows: 24, oddClose: 1 })
  })

  test('bars that all open late and close with their slots are of their interval', async () => {
    const late = hours('2024-01-01').map((line) => line.replace(/^(\d+)/, (text) => String(Number(text) + 14_789)))
    expect((await decodeArchive(request(late))).chunks[0]).toMatchObject({ rows: 24, offGrid: 24, oddClose: 0 })
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
