import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCsv } from '../../src/codec/csv/csv.ts'
import { scanPlainPieces } from '../../src/codec/csv/table-scan.ts'
import { encodeArrowShard } from '../../src/codec/arrow/arrow-writer.ts'
import type { DayCodec, DecodeRequest } from '../../src/codec/decode-archive.ts'
import { decodeArchive } from '../../src/codec/decode-archive.ts'

import { decodeTicks } from '../../src/codec/ticks/decode-ticks.ts'
import type { Market } from '../../src/model/market.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { errorOf } from '../support/table-outcome.ts'
import { decodeWholeTicks } from '../support/whole-ticks.ts'
import { buildArchive } from '../support/zip-builder.ts'

const DAY_MS = 86_400_000
const at = (day: string): number => Date.parse(day)

/** The archive's period, the days near which its rows stand, and those that may be wanted. */
const PERIODS = {
  daily: { period: '2024-03-12', startMs: at('2024-03-12'), endMs: at('2024-03-13'), days: [-1, 0, 0, 0, 0, 0, 1] },
  monthly: { period: '2024-03', startMs: at('2024-03-01'), endMs: at('2024-04-01'), days: [-2, -1, 0, 0, 1, 2, 9, 29, 30, 30, 31, 32] },
} as const

/** How a row of each data set is written: its number, its time, and a choice that tells it from others of its id and time. */
const LINES: Readonly<Record<string, { market: Market; line: (id: number, ms: number, choice: number) => string }>> = {
  aggTrades: { market: 'spot', line: (id, ms, choice) => `${id},${choice}.5,0.25,${3 * id},${3 * id + 2},${ms},True,True` },
  trades: { market: 'um', line: (id, ms, choice) => `${id},100.5,${choice},${choice}.25,${ms},true` },
  bookTicker: { market: 'um', line: (id, ms, choice) => `${id},1.5,${choice},1.6,4,${ms},${ms + 3}` },
  bookDepth: { market: 'um', line: (_id, ms, choice) => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')},${choice - 2},1,2` },
  BVOLIndex: { market: 'option', line: (_id, ms, choice) => `${ms},BTCUSDT,BTCBVOL,USDT,${choice}.5` },
  EOHSummary: {
    market: 'option',
    line: (_id, ms, choice) => {
      const [date = '', time = ''] = new Date(ms).toISOString().split('T')
      return `${date},${Number(time.slice(0, 2))},BTC-231027-33000-${'CPXYZW'[choice]},BTCUSDT,C,33000,,${choice},0E-8${',1'.repeat(17)}`
    },
  },
  liquidationSnapshot: { market: 'cm', line: (_id, ms, choice) => `${ms},SELL,LIMIT,IOC,${choice},2,2.5,FILLED,1,1` },
}

interface Step {
  readonly day: number
  readonly ms: number
  readonly id: number
  readonly choice: number
  /** moves a row to another place, or repeats it there, or is a row of another form; most are none of these */
  readonly odd: 'none' | 'moved' | 'twice' | 'again' | 'wrong'
  readonly place: number
}

/** @param oddness of a thousand rows so many are odd */
function stepsOf(days: readonly number[], oddness: number): fc.Arbitrary<readonly Step[]> {
  const odd = fc.oneof(
    { weight: 1000 - oddness, arbitrary: fc.constant('none' as const) },
    { weight: oddness, arbitrary: fc.constantFrom<Step['odd']>('moved', 'moved', 'twice', 'again', 'wrong') },
  )
  return fc.array(
    fc.record({
      day: fc.constantFrom(...days),
      // some share their time, some open with their day or end with it
      ms: fc.oneof(fc.nat(DAY_MS - 1), fc.constantFrom(0, 1000, 1000, DAY_MS - 1, DAY_MS - 1)),
      id: fc.constantFrom(1, 1, 1, 1, 2, 5),
      choice: fc.nat(4),
      odd,
      place: fc.nat(),
    }),
    { maxLength: 40 },
  )
}

/** Lines in order, and then what is odd among them. */
function csvOf(steps: readonly Step[], startMs: number, line: (id: number, ms: number, choice: number) => string): string {
  let id = 1000
  const inOrder = steps
    .map((step) => ({ ...step, timeMs: startMs + step.day * DAY_MS + step.ms }))
    .sort((a, b) => a.timeMs - b.timeMs || a.choice - b.choice)
    .map((step) => ({ ...step, text: line((id += step.id), step.timeMs, step.choice), other: line(id, step.timeMs + 1, step.choice + 1) }))
  const lines = inOrder.map(({ text }) => text)
  for (const { odd, place, text, other } of inOrder) {
    const target = place % (lines.length + 1)
    if (odd === 'moved') lines.splice(lines.indexOf(text), 1)
    if (odd === 'moved' || odd === 'twice') lines.splice(target, 0, text)
    if (odd === 'again') lines.splice(target, 0, other)
    if (odd === 'wrong') lines.splice(target, 0, `${text},1`)
  }
  return lines.map((text) => `${text}\n`).join('')
}

const cases = fc
  .record({
    name: fc.constantFrom('aggTrades', ...Object.keys(LINES)),
    packaging: fc.constantFrom('daily' as const, 'monthly' as const),
    oddness: fc.constantFrom(0, 0, 20, 200),
  })
  .chain(({ name, packaging, oddness }) => {
    const { days, startMs } = PERIODS[packaging]
    const time = fc.oneof(fc.constant(null), fc.tuple(fc.constantFrom(...days), fc.nat(DAY_MS)))
    return fc.record({
      name: fc.constant(name),
      packaging: fc.constant(packaging),
      steps: stepsOf(days, oddness),
      wanted: fc.oneof(fc.constant(null), fc.subarray([...new Set(days)])),
      startsSeries: fc.boolean(),
      start: time.map((own) => (own === null ? null : (startMs + own[0] * DAY_MS + own[1]) * 1000)),
      end: time.map((own) => (own === null ? null : (startMs + own[0] * DAY_MS + own[1]) * 1000)),
      batchRows: fc.constantFrom(1, 2, 7, 1000),
      cut: fc.integer({ min: 1, max: 4000 }),
    })
  })

/** Reads as the plain codec does, in batches of some rows and from pieces of some bytes. */
function codecOf(batchRows: number, cut: number): DayCodec {
  return {
    decodeCsv: (bytes) => decodeCsv(bytes),
    encodeShard: (columns, meta) => encodeArrowShard(columns, meta),
    scanPieces: (pieces, options) => scanPlainPieces(cutPieces(pieces, cut), { ...options, batchRows }),
  }
}

async function* cutPieces(pieces: AsyncIterable<Uint8Array>, cut: number): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) for (let at = 0; at < piece.length; at += cut) yield piece.subarray(at, at + cut)
}

function requestOf(
  o: { name: string; packaging: 'daily' | 'monthly'; wanted: readonly number[] | null; startsSeries: boolean },
  csv: string,
  bounds: { start: number | null; end: number | null },
): DecodeRequest {
  const { period, startMs } = PERIODS[o.packaging]
  const market = LINES[o.name]?.market ?? 'spot'
  const { zip, checksum } = buildArchive(`BTCUSDT-${o.name}-${period}`, csv)
  return {
    series: { dataset: o.name, market, symbol: 'BTCUSDT', interval: '1s' },
    archive: { key: 'key', etag: 'etag', packaging: o.packaging, period },
    ...{ zip, checksum },
    days: o.wanted?.map((day) => new Date(startMs + day * DAY_MS).toISOString().slice(0, 10) as UtcDay) ?? null,
    startsSeries: o.startsSeries,
    ...{ seriesStartUs: bounds.start, seriesEndUs: bounds.end },
  }
}

function rangeOf(packaging: 'daily' | 'monthly') {
  const { startMs, endMs } = PERIODS[packaging]
  return { startUs: startMs * 1000, endUs: endMs * 1000 }
}

/** What is told of an error, without where its archive is: that stands in the message alone. */
function withoutPlace(error: unknown): unknown {
  const { code, message } = errorOf(error) as { code: string; message: string }
  const line = /line \d+, column \d+/.exec(message)?.[0]
  return { code, line, text: message.replace(/ \([^()]*\)$/, '') }
}

describe('an archive of ticks that is read as a stream', () => {
  test('gives what one gives that is decoded as a whole: chunks to the byte, days without a row, rows beside it, or the same error', async () => {
    let failed = 0
    let inOrder = 0
    await fc.assert(
      fc.asyncProperty(cases, async (o) => {
        const csv = csvOf(o.steps, PERIODS[o.packaging].startMs, LINES[o.name]?.line ?? (() => ''))
        const request = requestOf(o, csv, o)
        const expected: unknown = await decodeWholeTicks(request, Buffer.from(csv), rangeOf(o.packaging)).catch(withoutPlace)
        const found: unknown = await decodeArchive(request, codecOf(o.batchRows, o.cut)).catch(withoutPlace)
        if (o.steps.length > 0 && o.steps.every(({ odd }) => odd === 'none')) inOrder++
        if ('code' in (expected as object)) failed++
        expect(found).toEqual(expected)
      }),
      { numRuns: 500 },
    )
    // both ways were taken, and errors met
    expect(Math.min(failed, inOrder)).toBeGreaterThan(15)
  })

  test('has row groups of the same rows, wherever its days begin', async () => {
    const { line } = LINES['aggTrades'] ?? { line: () => '' }
    const text = (rows: number, day: number, firstId: number): string =>
      Array.from({ length: rows }, (_none, i) => `${line(firstId + i, PERIODS.monthly.startMs + day * DAY_MS + 100 * i, i % 7)}\n`).join('')
    const csv = text(1000, 8, 1) + text(140_000, 9, 1001) + text(65_536, 10, 141_001) + text(10, 11, 206_537)
    const request = requestOf({ name: 'aggTrades', packaging: 'monthly', wanted: [9, 10], startsSeries: false }, csv, {
      start: null,
      end: null,
    })
    const expected = await decodeWholeTicks(request, Buffer.from(csv), rangeOf('monthly'))
    expect(expected.chunks.map(({ day, rows }) => [day, rows])).toEqual([
      ['2024-03-10', 140_000],
      ['2024-03-11', 65_536],
    ])
    for (const batchRows of [65_536, 50_000]) expect(await decodeArchive(request, codecOf(batchRows, 1 << 20))).toEqual(expected)
  })
})

describe('rows of ticks that are not in order', () => {
  const { line } = LINES['bookTicker'] ?? { line: () => '' }
  const text = (ids: readonly number[], day: number): string =>
    ids.map((id) => `${line(id, PERIODS.monthly.startMs + day * DAY_MS + id, 1)}\n`).join('')
  const decodeWith = (csv: string, wanted: readonly number[], mostHeldRows: number) => {
    const request = requestOf({ name: 'bookTicker', packaging: 'monthly', wanted, startsSeries: false }, csv, { start: null, end: null })
    const place = { range: rangeOf('monthly'), stem: 'BTCUSDT-bookTicker-2024-03', maxBytes: 1e6, archiveSha256: '', mostHeldRows }
    return decodeTicks(request, place, scanPlainPieces)
  }

  test('are held as far as their days are wanted, and refused where these are too many, with what is wrong', async () => {
    const csv = text([1, 3, 2, 4], 3) + text([10, 11, 12], 4) + text([20, 22, 21], 5)
    expect((await decodeWith(csv, [3], 4)).chunks).toMatchObject([{ rows: 4, duplicates: 0 }])
    expect((await decodeWith(csv, [4], 3)).chunks).toMatchObject([{ rows: 3 }])
    await expect(decodeWith(csv, [3], 3)).rejects.toMatchObject({ code: 'CKVD_CSV_ORDER', details: { mostRows: 3 } })
    await expect(decodeWith(csv, [4, 5], 5)).rejects.toMatchObject({ code: 'CKVD_CSV_ORDER' })
  })

  test('tell what is missing since the day before by its last row: of those of one time the one that stands last', async () => {
    const trade = LINES['aggTrades']?.line ?? (() => '')
    const lastMs = PERIODS.monthly.startMs + 4 * DAY_MS - 1
    const csv = [trade(7, lastMs, 1), trade(6, lastMs, 1), trade(11, lastMs + 2, 1), trade(5, lastMs, 1), trade(10, lastMs + 1, 1)].join(
      '\n',
    )
    const request = requestOf({ name: 'aggTrades', packaging: 'monthly', wanted: [4], startsSeries: false }, csv, {
      start: null,
      end: null,
    })
    const { chunks } = await decodeArchive(request)
    expect(chunks).toMatchObject([{ rows: 2, gaps: [{ bars: 4, ids: [{ first: 6, last: 9 }] }] }])
    expect(chunks).toEqual((await decodeWholeTicks(request, Buffer.from(csv), rangeOf('monthly'))).chunks)
  })

  test('of an archive in order no row is held', async () => {
    expect((await decodeWith(text([1, 2, 3, 4], 3) + text([10, 11, 12], 4), [3, 4], 0)).chunks).toMatchObject([{ rows: 4 }, { rows: 3 }])
  })
})
