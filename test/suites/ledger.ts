import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogWrite, DayRow, RevisionRow, SeriesRow } from '../../src/lake/catalog/catalog-rows.ts'
import type { Ledger, LedgerReader } from '../../src/lake/ledger.ts'
import { CONDITIONS } from '../../src/model/condition.ts'
import type { Interval } from '../../src/model/interval.ts'
import type { Market } from '../../src/model/market.ts'
import { addDays } from '../../src/model/utc-day.ts'
import { BTC, day, ETH, barsOf, proofAround, rowOf, seriesRowOf } from '../unit/lake/lake-fixtures.ts'

/** A ledger in which nothing is recorded yet. */
export interface LedgerUnderTest {
  readonly ledger: Ledger
  /** The same ledger, opened for reading beside it; closed by `close`. */
  openReader(): LedgerReader
  /** Closes it: whatever it is asked then fails. */
  close(): void
  /** Removes what it rested on. */
  remove(): Promise<void>
}

/** What every ledger must do, wherever it keeps what is known. */
export function testLedger(name: string, create: () => Promise<LedgerUnderTest>): void {
  describe(`a ledger: ${name}`, () => {
    let under: LedgerUnderTest
    let ledger: Ledger
    beforeEach(async () => {
      under = await create()
      ledger = under.ledger
    })
    afterEach(async () => {
      under.close()
      await under.remove()
    })

    const refusalOf = async (batch: readonly CatalogWrite[]): Promise<unknown> => {
      try {
        return { recorded: await ledger.commit(batch) }
      } catch (error) {
        return error
      }
    }

    describe('days', () => {
      test('come back as they were written, in order, by half-open ranges', async () => {
        const rows: DayRow[] = ['2024-01-03', '2024-01-01', '2024-01-02'].map((date, i) =>
          rowOf(BTC, date, {
            condition: 'quarantined',
            conflicts: i,
            differingRows: 9 - i,
            evidence: `evidence ${i}`,
            error: null,
            shardSha256: 'c'.repeat(64),
            shardBytes: 2 ** 40 + i,
          }),
        )
        await ledger.commit(rows.map((row) => ({ row, gaps: [] })))
        await ledger.commit([{ row: rowOf(ETH, '2024-01-01'), gaps: [] }])
        const sorted = [...rows].sort((a, b) => (a.day < b.day ? -1 : 1))
        for (const read of [
          ledger.readDays.bind(ledger),
          (...range: Parameters<Ledger['readDays']>) => [...ledger.iterateDays(...range)],
        ]) {
          expect(read(BTC)).toEqual(sorted)
          expect(read(BTC, day('2024-01-02'), day('2024-01-03'))).toEqual(sorted.slice(1, 2))
          expect(read(BTC, day('2024-01-02'))).toEqual(sorted.slice(1))
          expect(read(BTC, day('2024-02-01'))).toEqual([])
          expect(read({ ...BTC, interval: '1M' })).toEqual([])
        }
        expect(ledger.getDay(BTC, day('2024-01-02'))).toEqual(sorted[1])
        expect(ledger.getDay(BTC, day('2024-01-04'))).toBeUndefined()
        expect(ledger.listStoredSeries()).toEqual([BTC, ETH])
      })

      test('come back as they were written, whatever they hold', async () => {
        await fc.assert(
          fc.asyncProperty(anyDay(), async (row) => {
            ledger.deleteDay(row, row.day)
            await ledger.commit([{ row, gaps: [] }])
            expect(ledger.getDay(row, row.day)).toEqual(row)
          }),
          { numRuns: 200 },
        )
      })

      test('of 1m and 1M are two series', async () => {
        const month = { ...BTC, interval: '1M' } as const
        const minute = { ...BTC, interval: '1m' } as const
        await ledger.commit([
          { row: rowOf(month, '2024-01-01', { rows: 1 }), gaps: [] },
          { row: rowOf(minute, '2024-01-01', { rows: 2 }), gaps: [] },
        ])
        expect(ledger.getDay(month, day('2024-01-01'))?.rows).toBe(1)
        expect(ledger.getDay(minute, day('2024-01-01'))?.rows).toBe(2)
      })

      test('that are settled are counted: complete, with all bars, not to be looked at again', async () => {
        const dates = ['2024-01-01', '2024-01-02', '2024-01-03']
        const settled: Partial<DayRow> = { condition: 'complete', rows: 24, expected: 24, shardSha256: 'a'.repeat(64), shardBytes: 24 * 88 }
        const write = (date: string, change: Partial<DayRow> = {}): CatalogWrite => ({
          row: rowOf(BTC, date, { ...settled, ...change }),
          gaps: [],
        })
        await ledger.commit(dates.map((date) => write(date)))
        const count = (bars = 24): number => ledger.countSettled(BTC, day('2024-01-01'), day('2024-01-04'), bars)
        expect(count()).toBe(3)
        expect(count(96)).toBe(0)
        expect(ledger.countSettled(BTC, day('2024-01-02'), day('2024-01-03'), 24)).toBe(1)
        expect(ledger.countSettled(ETH, day('2024-01-01'), day('2024-01-04'), 24)).toBe(0)
        const others: Partial<DayRow>[] = [
          { condition: 'provisional', source: 'rest' },
          { condition: 'outage', rows: 23 },
          { condition: 'partial' },
          { condition: 'disputed' },
          { condition: 'failed' },
          { expected: 23 },
          { rows: 25, expected: 25 },
          { recheck: 1 },
        ]
        for (const change of others) {
          await ledger.commit([write('2024-01-02', change)])
          expect(count()).toBe(2)
          await ledger.commit([write('2024-01-02')])
          expect(count()).toBe(3)
        }
      })

      test('that are whole are found by ranges, with their digests in order; a range with any other day is not', async () => {
        const digest = (i: number): string => String(i).repeat(64)
        const write = (series: typeof BTC, date: string, i: number, change: Partial<DayRow> = {}): CatalogWrite => ({
          row: rowOf(series, date, {
            condition: 'complete',
            rows: 24,
            expected: 24,
            shardSha256: digest(i),
            shardBytes: 24 * 88,
            ...change,
          }),
          gaps: [],
        })
        const dates = ['2024-01-02', '2024-01-01', '2024-01-03', '2024-01-04', '2024-01-05', '2024-01-06']
        await ledger.commit(dates.map((date, i) => write(BTC, date, i, i === 2 ? { condition: 'provisional', source: 'rest' } : {})))
        const range = (first: string, end: string) => ({ first: day(first), end: day(end) })
        const whole = range('2024-01-01', '2024-01-04')
        const found = [{ ...whole, rows: 72, digests: digest(1) + digest(0) + digest(2) }]
        expect(ledger.findWhole(BTC, [range('2024-01-05', '2024-01-08'), whole], 24)).toEqual(found)
        expect(ledger.findWhole(BTC, [whole], 96)).toEqual([])
        expect(ledger.findWhole(ETH, [whole], 24)).toEqual([])
        expect(ledger.findWhole(BTC, [], 24)).toEqual([])
        const others: Partial<DayRow>[] = [
          { condition: 'outage', rows: 23, shardBytes: 23 * 88 },
          { condition: 'partial' },
          { condition: 'disputed' },
          { condition: 'failed' },
          { expected: 23 },
          { rows: 25, shardBytes: 25 * 88 },
          { shardBytes: 6_474 },
        ]
        for (const change of others) {
          await ledger.commit([write(BTC, '2024-01-02', 0, change)])
          expect(ledger.findWhole(BTC, [whole], 24)).toEqual([])
          await ledger.commit([write(BTC, '2024-01-02', 0)])
          expect(ledger.findWhole(BTC, [whole], 24)).toEqual(found)
        }
      })

      test('are iterated in any number, and the caller may write or stop meanwhile', async () => {
        const dates = Array.from({ length: 2500 }, (_, i) => addDays(day('2018-01-01'), i))
        await ledger.commit(dates.map((date) => ({ row: rowOf(BTC, date), gaps: [] })))
        const seen: string[] = []
        for (const row of ledger.iterateDays(BTC)) {
          seen.push(row.day)
          if (seen.length % 500 === 0) await ledger.commit([{ row: { ...row, condition: 'pending' }, gaps: [] }])
        }
        expect(seen).toEqual(dates)
        for (const row of ledger.iterateDays(BTC, day('2018-06-01'))) {
          expect(row.day).toBe('2018-06-01')
          break
        }
        expect(ledger.readDays(BTC).filter(({ condition }) => condition === 'pending')).toHaveLength(5)
      })

      test('replace all gaps of their chunk and no others', async () => {
        const next = barsOf(BTC, '2024-01-02', { missing: [0] })
        await ledger.commit([barsOf(BTC, '2024-01-01', { missing: [0, 5, 23] }), next])
        expect(ledger.listGaps(BTC, day('2024-01-01'), day('2024-01-02'))).toHaveLength(3)
        const changed = barsOf(BTC, '2024-01-01', { missing: [7] })
        await ledger.commit([changed])
        expect(ledger.listGaps(BTC)).toEqual([...changed.gaps, ...next.gaps])
        expect(ledger.listGaps(BTC, day('2024-01-02'))).toEqual(next.gaps)
        expect(ledger.listGaps(ETH)).toEqual([])
      })

      test('are recorded all or none', async () => {
        const good = barsOf(BTC, '2024-01-01')
        const wrongGap = { ...barsOf(BTC, '2024-01-02'), gaps: barsOf(BTC, '2024-01-05', { missing: [1] }).gaps }
        expect(await refusalOf([good, wrongGap])).toMatchObject({ code: 'CKVD_BUG' })
        const wrongCondition = { row: { ...good.row, condition: 'fine' as 'complete' }, gaps: [] }
        expect(await refusalOf([good, wrongCondition])).toMatchObject({ code: 'CKVD_BUG' })
        expect(ledger.readDays(BTC)).toEqual([])
        await ledger.commit([])
        await ledger.commit([good])
        expect(ledger.readDays(BTC)).toEqual([good.row])
      })

      test('refuse a gap that begins before the chunk, at its end or behind it', async () => {
        const startUs = Date.parse('2024-01-02T00:00:00Z') * 1000
        for (const at of [startUs - 25 * 3_600_000_000, startUs, startUs + 3_600_000_000]) {
          const gap = { startUs: at, endUs: at + 3_600_000_000, bars: 1, evidence: proofAround(at, at + 3_600_000_000) }
          expect(await refusalOf([{ row: rowOf(BTC, '2024-01-01'), gaps: [gap] }])).toMatchObject({ code: 'CKVD_BUG' })
        }
        expect(ledger.readDays(BTC)).toEqual([])
      })

      test('are forgotten with their gaps, those of other days stay', async () => {
        const next = barsOf(BTC, '2024-01-02', { missing: [0] })
        await ledger.commit([barsOf(BTC, '2024-01-01', { missing: [0, 23] }), next])
        ledger.deleteDay(BTC, day('2024-01-01'))
        ledger.deleteDay(BTC, day('2024-01-05'))
        expect([ledger.readDays(BTC), ledger.listGaps(BTC)]).toEqual([[next.row], next.gaps])
      })

      test('that have bars are known by the last of them', async () => {
        expect(ledger.lastDayWithBars(BTC)).toBeNull()
        await ledger.commit([
          barsOf(BTC, '2024-01-02'),
          barsOf(BTC, '2024-01-01'),
          { row: rowOf(BTC, '2024-01-03', { condition: 'outage' }), gaps: [] },
          barsOf(ETH, '2024-01-05'),
        ])
        expect(ledger.lastDayWithBars(BTC)).toBe('2024-01-02')
      })

      test('are seen by a reader beside it when they are committed', async () => {
        const reader = under.openReader()
        expect(reader.getDay(BTC, day('2024-01-01'))).toBeUndefined()
        const item = barsOf(BTC, '2024-01-01', { missing: [4] })
        await ledger.commit([item])
        expect(reader.getDay(BTC, day('2024-01-01'))).toEqual(item.row)
        expect(reader.listGaps(BTC)).toEqual(item.gaps)
      })
    })

    describe('an acceptance', () => {
      test('keeps the condition and the evidence, and outlives a run that changes nothing', async () => {
        const row = rowOf(BTC, '2024-01-01', { condition: 'partial', evidence: 'REST is off' })
        await ledger.commit([{ row, gaps: [] }])
        ledger.setAccepted(BTC, row.day, 'known')
        const accepted = { ...row, accepted: 'known' }
        expect(ledger.getDay(BTC, row.day)).toEqual(accepted)
        await ledger.commit([{ row, gaps: [] }])
        expect(ledger.getDay(BTC, row.day)).toEqual(accepted)
        ledger.setAccepted(BTC, row.day, 'a better reason')
        expect(ledger.getDay(BTC, row.day)).toMatchObject({ accepted: 'a better reason', evidence: 'REST is off' })
        await ledger.commit([{ row: { ...row, condition: 'failed' }, gaps: [] }])
        expect(ledger.getDay(BTC, row.day)).toMatchObject({ accepted: null, evidence: 'REST is off' })
      })

      test('gives way to a later one, and is none of a day that is explained', async () => {
        const { row } = barsOf(BTC, '2024-01-01')
        const bad: DayRow = { ...row, condition: 'partial', rows: 20 }
        for (const accepted of ['known', 'a better reason', null]) await ledger.commit([{ row: { ...bad, accepted }, gaps: [] }])
        expect(ledger.getDay(BTC, row.day)).toEqual({ ...bad, accepted: 'a better reason' })
        for (const accepted of ['of no use', null]) await ledger.commit([{ row: { ...row, accepted }, gaps: [] }])
        expect(ledger.getDay(BTC, row.day)).toEqual(row)
      })

      test('is gone with a day that is explained, and does not come back', async () => {
        const { row } = barsOf(BTC, '2024-01-01')
        const bad: DayRow = { ...row, condition: 'partial', rows: 20 }
        for (const next of [bad, { ...bad, accepted: 'known' }, row, bad]) await ledger.commit([{ row: next, gaps: [] }])
        expect(ledger.getDay(BTC, row.day)).toEqual(bad)
      })
    })

    describe('series', () => {
      const known: SeriesRow = seriesRowOf(BTC, {
        firstDay: day('2017-08-17'),
        firstOpenUs: 1_502_942_400_000_000,
        firstSource: 'rest',
        lastOpenUs: 1_709_424_000_000_000,
        endedUs: 1_709_427_600_000_000,
        phase: 2,
        firstForms: 'both',
        listedAt: '2024-01-01T00:00:00.000Z',
      })

      test('are kept, listed in order, and replaced whole', () => {
        const other: SeriesRow = { ...known, market: 'um', symbol: 'ETHUSDT', firstOpenUs: null }
        const hour: SeriesRow = { ...known, interval: '4h' }
        for (const row of [other, known, hour]) ledger.putSeries(row)
        expect(ledger.getSeries(BTC)).toEqual(known)
        const later = { ...known, lastDay: day('2024-01-01'), phase: null, firstForms: null }
        ledger.putSeries(later)
        expect(ledger.getSeries(BTC)).toEqual(later)
        expect(ledger.getSeries({ ...BTC, interval: '1M' })).toBeUndefined()
        expect(ledger.listSeries()).toEqual([later, hour, other])
        expect(ledger.listStoredSeries()).toEqual([])
      })

      test('with a day, but no listing yet, are stored and not known', async () => {
        await ledger.commit([barsOf(ETH, '2024-01-01'), barsOf(BTC, '2024-01-01')])
        expect(ledger.getSeries(BTC)).toBeUndefined()
        expect([ledger.listSeries(), ledger.listStoredSeries()]).toEqual([[], [BTC, ETH]])
        ledger.putSeries(known)
        expect([ledger.listSeries(), ledger.listStoredSeries()]).toEqual([[known], [BTC, ETH]])
      })

      test('have beginnings by interval, one each, apart by symbol and market', () => {
        const rows = [
          { ...BTC, firstOpenUs: 1 },
          { ...BTC, interval: '1m' as const, firstOpenUs: 2 },
        ]
        for (const row of [...rows, { ...ETH, firstOpenUs: 3 }, { ...BTC, firstOpenUs: 4 }]) ledger.putBeginning(row)
        const found = ledger.listBeginnings(BTC)
        expect(found).toHaveLength(2)
        expect(found).toEqual(expect.arrayContaining([{ ...BTC, firstOpenUs: 4 }, rows[1]]))
        expect(ledger.listBeginnings({ market: 'um', symbol: BTC.symbol })).toEqual([])
      })

      test('are forgotten with all that is known of them, and others stay', async () => {
        ledger.putSeries(known)
        ledger.putBeginning({ ...BTC, firstOpenUs: 1 })
        await ledger.commit([barsOf(BTC, '2024-01-01', { missing: [1] }), barsOf(ETH, '2024-01-01')])
        ledger.deleteSeries(BTC)
        expect([ledger.getSeries(BTC), ledger.readDays(BTC), ledger.listGaps(BTC)]).toEqual([undefined, [], []])
        expect([ledger.listSeries(), ledger.listStoredSeries(), ledger.listBeginnings(BTC)]).toEqual([[], [ETH], []])
        expect(ledger.readDays(ETH)).toHaveLength(1)
      })
    })

    test('runs have ids of their own', () => {
      const first = ledger.startRun({ startedAt: '2024-01-01T00:00:00.000Z', command: 'ingest' })
      const second = ledger.startRun({ startedAt: '2024-01-01T00:00:00.000Z', command: 'ingest' })
      ledger.endRun(first, { endedAt: '2024-01-01T01:00:00.000Z', counts: { stored: 3 }, exit: 0 })
      expect(second).not.toBe(first)
      expect(ledger.listRuns()).toEqual([
        {
          ...{ id: first, startedAt: '2024-01-01T00:00:00.000Z', endedAt: '2024-01-01T01:00:00.000Z', command: 'ingest' },
          ...{ counts: '{"stored":3}', exit: 0 },
        },
        { id: second, startedAt: '2024-01-01T00:00:00.000Z', endedAt: null, command: 'ingest', counts: null, exit: null },
      ])
    })

    test('what changed since a time, and which versions were replaced', async () => {
      const times = ['2024-02-01T00:00:00.000Z', '2024-02-02T00:00:00.000Z', '2024-02-03T00:00:00.001Z'] as const
      const rows = times.map((updatedAt, i) => rowOf(BTC, `2024-01-0${3 - i}`, { updatedAt }))
      const revision = (name: string, number: number, replacedAt: string): RevisionRow => ({
        ...{ ...BTC, day: day(name), revision: number, archiveEtag: 'a'.repeat(32), archiveSha256: null, shardSha256: 'b'.repeat(64) },
        ...{ changedRows: number, replacedAt },
      })
      const versions = [revision('2024-01-01', 1, times[1]), revision('2024-01-01', 2, times[2]), revision('2024-01-03', 1, times[0])]
      await ledger.commit(rows.map((row) => ({ row, gaps: [] })))
      await ledger.commit([{ row: rowOf(ETH, '2024-01-09', { updatedAt: times[2] }), gaps: [] }])
      for (const one of versions) await ledger.commit([{ row: { ...rowOf(BTC, one.day), updatedAt: times[2] }, gaps: [], revision: one }])
      const [last, middle, first] = rows as [DayRow, DayRow, DayRow]
      const late = { ...last, updatedAt: times[2] }
      for (const read of [ledger, under.openReader()]) {
        expect(read.readDaysSince(BTC, times[1])).toEqual([first, middle, late])
        expect(read.readDaysSince(BTC, times[2])).toEqual([first, late])
        expect(read.readDaysSince(BTC, '2024-02-03T00:00:00.002Z')).toEqual([])
        expect(read.readRevisionsSince(BTC, times[0])).toEqual(versions)
        expect(read.readRevisionsSince(BTC, times[1])).toEqual(versions.slice(0, 2))
        expect(read.readRevisionsSince(ETH, times[0])).toEqual([])
      }
    })

    test('what fails is told with the place of the ledger', async () => {
      under.close()
      const message = expect.stringContaining(ledger.place) as string
      expect(() => ledger.getDay(BTC, day('2024-01-01'))).toThrow(expect.objectContaining({ message }))
      expect(() => ledger.putSeries(seriesRowOf(BTC))).toThrow(expect.objectContaining({ message }))
      expect(await refusalOf([barsOf(BTC, '2024-01-01')])).toMatchObject({ code: expect.stringMatching(/^CKVD_/) as string, message })
    })
  })
}

/** A row of any values that the types allow. */
export function anyDay(): fc.Arbitrary<DayRow> {
  const hex = (length: number) =>
    fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((digits) => digits.join(''))
  const oddText = fc.oneof(
    fc.constant(''),
    fc.string({ maxLength: 20 }),
    fc.constantFrom('1', '123', 'ABCDEF', '2024-01-01', 'x'.repeat(64)),
  )
  const maybe = <T>(text: fc.Arbitrary<T>) => fc.option(text, { nil: null })
  const count = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 40 }))
  const one = fc.record({
    series: fc.record({
      market: fc.constantFrom<Market>('spot', 'um', 'cm'),
      symbol: fc.constantFrom('BTCUSDT', '1INCHUSDT', 'BTCUSD_PERP'),
      interval: fc.constantFrom<Interval>('1m', '1h', '1M'),
    }),
    day: fc.integer({ min: 0, max: 20_000 }).map((days) => addDays(day('1970-01-01'), days)),
    condition: fc.constantFrom(...CONDITIONS),
    source: maybe(
      fc.constantFrom('vision-daily', 'vision-monthly', 'rest', 'vision-daily+rest', 'vision-monthly+vision-daily+rest', 'stream'),
    ),
    archiveKey: fc.constantFrom('daily', 'monthly', 'another', null),
    archiveEtag: maybe(
      fc.oneof(
        hex(32),
        hex(32).map((text) => `${text}-3`),
        oddText,
      ),
    ),
    archiveSha256: maybe(fc.oneof(hex(64), oddText)),
    shard: maybe(fc.oneof(hex(64), oddText)),
    counts: fc.tuple(count, count, count, count, count, count, count),
    texts: fc.tuple(maybe(oddText), maybe(oddText), maybe(oddText)),
    recheck: fc.constantFrom<0 | 1>(0, 1),
    updatedAt: fc.oneof(
      fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constantFrom('', '2024-01-01', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000000Z', 'now'),
    ),
  })
  return one.map((given) => {
    const { series, condition, counts, texts } = given
    const folder = series.market === 'spot' ? 'spot' : `futures/${series.market}`
    const name = series.interval === '1M' ? '1mo' : series.interval
    const period = { daily: given.day, monthly: given.day.slice(0, 7), another: '2020-8' }
    const key = (kind: 'daily' | 'monthly' | 'another') =>
      `data/${folder}/${kind === 'another' ? 'daily' : kind}/klines/${series.symbol}/${name}/${series.symbol}-${name}-${period[kind]}.zip`
    const isWhole = condition === 'complete' || condition === 'provisional'
    const shard = isWhole ? (given.shard ?? 'ab'.repeat(32)) : given.shard
    return rowOf(series, given.day, {
      ...{ condition, source: given.source, shardSha256: shard, shardBytes: shard === null ? null : counts[0] },
      ...{ archiveKey: given.archiveKey === null ? null : key(given.archiveKey), archiveEtag: given.archiveEtag },
      ...{ archiveSha256: given.archiveSha256, expected: counts[1], rows: isWhole ? counts[1] : counts[2], revision: counts[3] },
      ...{ offGrid: counts[4], duplicates: counts[5], oddRows: counts[6], recheck: given.recheck, updatedAt: given.updatedAt },
      ...{ evidence: texts[0], error: texts[1], accepted: texts[2] },
    })
  })
}
