import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonOf } from '../support/ckvd.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Life, Market } from '../support/lying-exchange-bars.ts'
import { msOf } from '../support/lying-exchange-bars.ts'

/*
 * Archives are restricted to one form, and nobody but the archives can tell what there was: days that only the other form has are
 * neither before the beginning of the series nor after its end.
 */

const MARKETS = ['spot', 'um', 'cm'] as const
const SILENT = ['--no-rest', 'refused', 'status 500'] as const
type Silent = (typeof SILENT)[number] | 'forgotten'

/** A lab of a symbol that has ended, under whatever silences REST. */
async function open(market: Market, how: Silent, life: Partial<Life> & Pick<Life, 'from'>): Promise<Lab> {
  const lab = await Lab.open({ market, until: '2024-02-21T18:00', ...life })
  lab.retries = 0
  const { exchange, series } = lab
  const name = `${market}/${series.life.symbol}`
  if (how === 'refused') exchange.refused.add(market)
  if (how === 'status 500') exchange.klinesLies = [{ kind: 'status', status: 500 }]
  if (how === 'forgotten') {
    exchange.status.set(name, null)
    exchange.forgotten.set(name, -1121)
  }
  return lab
}

/** What coverage, export and fetch of the lake say of a day that is not explained. */
async function tellings(lab: Lab, day: string, next: string): Promise<{ exits: (number | null)[]; reasons: string[] }> {
  const { market, symbol, interval } = lab.series.life
  const range = ['--start', day, '--end', next, '--lake', lab.lake]
  const coverage = await lab.run(['coverage', ...range, '--json'])
  const exported = await lab.run(['export', ...range, '--format', 'csv', '--out', join(lab.directory.path, 'out'), '--json'])
  const fetched = await lab.run(['fetch', symbol, '--market', market, '--interval', interval, '--source', 'cache', ...range])
  const [series] = (jsonOf(coverage) as { series: { unexplained: { reason: string }[] }[] }).series
  const { unexplained } = jsonOf(exported) as { unexplained: { reason: string }[] }
  const reasons = [...series!.unexplained, ...unexplained].map(({ reason }) => reason)
  return { exits: [coverage.exit, exported.exit, fetched.exit], reasons: [...reasons, fetched.stderr] }
}

describe.each(MARKETS)('%s', (market) => {
  describe.each<Silent>([...SILENT, 'forgotten'])('REST is silent: %s', (how) => {
    const flags = how === '--no-rest' ? ['--no-rest'] : []

    it.each<[string, Partial<Life> & Pick<Life, 'from'>, string[], string, string[], number]>([
      ['its month', { from: '2024-01-05T04:00' }, ['2024-01'], '2024-01-01', ['2024-01-05', '2024-01-10'], 4],
      ['its month, asked for in its midst', { from: '2024-01-05T04:00' }, ['2024-01'], '2024-01-08', ['2024-01-08', '2024-01-10'], 0],
      ['months before it', { from: '2023-11-29T07:00' }, ['2023-11', '2023-12'], '2023-11-28', ['2023-11-29', '2024-01-10'], 1],
      ['its month, bars of 15m', { from: '2024-01-09T04:15', interval: '15m' }, ['2024-01'], '2024-01-09', ['2024-01-09', '2024-01-10'], 0],
      ['its month, bars of days', { from: '2024-01-05', interval: '1d' }, ['2024-01'], '2024-01-04', ['2024-01-05', '2024-01-10'], 1],
    ])('--archives daily: days before the first archive of a day that %s has', async (_, life, months, start, [first, last], unlisted) => {
      await using lab = await open(market, how, life)
      lab.series.publish('2024-01-11', '2024-02-22')
      for (const month of months) lab.series.publishMonth(month)
      const range = ['--start', start, '--end', '2024-01-15', ...flags]
      const days = (msOf(last!) - msOf(first!)) / 86_400_000 + 1
      for (let run = 0; run < 2; run++) {
        const told = await lab.ingest('--archives', 'daily', ...range)
        expect(told).toMatchObject({ exit: 3, days: { partial: days, unlisted, complete: 4 } })
        if (run === 0) expect(told.problems.map(({ message }) => message).join()).toContain('without --archives')
        expect([lab.condition(first!), lab.condition(last!)]).toEqual(['partial', 'partial'])
      }
      const next = new Date(msOf(last!) + 86_400_000).toISOString().slice(0, 10)
      const { exits, reasons } = await tellings(lab, last!, next)
      expect(exits).toEqual([3, 3, 3])
      const missing = months.includes('2024-01') ? 0 : 10
      const healed = await lab.ingest(...range)
      expect(healed.days).toMatchObject({ partial: missing, unlisted, complete: days + 4 - missing })
      expect(new Set(reasons.slice(0, 2)).size).toBe(1)
      expect(reasons[2]).toContain(reasons[0])
    })

    it.each(['1h', '4h'] as const)('%s: --archives daily, and no month begins earlier: nothing is missing', async (interval) => {
      await using lab = await open(market, how, { from: '2024-01-11T08:00', interval })
      lab.series.publish('2024-01-11', '2024-02-22').publishMonth('2024-01')
      for (let run = 0; run < 2; run++) {
        const told = await lab.ingest('--archives', 'daily', '--start', '2023-12-20', '--end', '2024-01-15', ...flags)
        expect(told).toMatchObject({ exit: 0, problems: [], days: { unlisted: 22, complete: 4 } })
      }
      expect(await lab.differences('2023-12-20', '2024-01-15')).toEqual([])
    })

    it('--archives daily, and the first month cannot be read: not explained, until it can', async () => {
      await using lab = await open(market, how, { from: '2024-01-11' })
      lab.series.publish('2024-01-11', '2024-02-22').publishMonth('2024-01')
      const month = lab.series.archive('2024-01')
      month.refuse = () => ({ status: 503, body: 'no' })
      const asked = ['--archives', 'daily', '--start', '2024-01-09', '--end', '2024-01-15', ...flags]
      expect(await lab.ingest(...asked)).toMatchObject({ exit: 3, days: { partial: 2, complete: 4 } })
    })

    it('--archives monthly: days before the first month that archives of days have', async () => {
      await using lab = await open(market, how, { from: '2024-01-05T04:00', until: '2024-03-20' })
      lab.series.publish('2024-01-05', '2024-03-20').publishMonth('2024-02')
      const told = await lab.ingest('--archives', 'monthly', '--start', '2024-01-01', '--end', '2024-02-05', ...flags)
      expect(told).toMatchObject({ exit: 3, days: { partial: 27, unlisted: 4, complete: 4 } })
      const healed = await lab.ingest('--start', '2024-01-01', '--end', '2024-02-05', ...flags)
      expect(healed).toMatchObject({ exit: 0, days: { partial: 0, unlisted: 4, complete: 31 } })
      expect(await lab.differences('2024-01-01', '2024-02-05')).toEqual([])
    })
  })

  describe('a symbol that has gone', () => {
    it.each<[string, string, string[], [string, string], number]>([
      ['archives of days', 'daily', ['--start', '2024-01-10'], ['2024-02-16', '2024-02-21'], 37],
      ['archives of days, a run behind them', 'daily', ['--start', '2024-02-17'], ['2024-02-17', '2024-02-21'], 0],
      ['archives of months', 'monthly', ['--start', '2024-01-10'], ['2024-02-01', '2024-02-21'], 22],
    ])('%s end before it has: those of the other form go on', async (_, archives, flags, [first, last], complete) => {
      await using lab = await open(market, 'forgotten', { from: '2024-01-05T04:00' })
      lab.series.publish('2024-01-05', archives === 'daily' ? '2024-02-16' : '2024-02-22').publishMonth('2024-01')
      if (archives === 'daily') lab.series.publishMonth('2024-02')
      const days = (msOf(last) - msOf(first)) / 86_400_000 + 1
      for (let run = 0; run < 2; run++) {
        const told = await lab.ingest('--archives', archives, ...flags)
        expect(told).toMatchObject({ exit: 3, days: { partial: days, complete } })
        expect([lab.condition(first), lab.condition(last), lab.condition('2024-02-22')]).toEqual(['partial', 'partial', undefined])
        if (run === 0) expect(told.problems.map(({ message }) => message).join()).toContain('without --archives')
      }
      const { exits, reasons } = await tellings(lab, last, '2024-02-22')
      expect(exits).toEqual([3, 3, 3])
      expect(new Set(reasons.slice(0, 2)).size).toBe(1)
      expect(reasons[2]).toContain(reasons[0])
      expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [], days: { partial: 0, complete: complete + days } })
      expect(await lab.differences(flags[1]!, '2024-03-10')).toEqual([])
    })

    it('archives of another interval begin earlier: days before the first one are not explained', async () => {
      await using lab = await open(market, 'forgotten', { from: '2024-01-05' })
      lab.series.publish('2024-01-11', '2024-02-22')
      const { symbol } = lab.series.life
      lab.exchange
        .series({ market, symbol, interval: '15m', from: '2024-01-05', until: '2024-02-21T18:00' })
        .publish('2024-01-05', '2024-02-22')
      const told = await lab.ingest('--start', '2024-01-01', '--end', '2024-01-15')
      expect(told).toMatchObject({ exit: 3, days: { unlisted: 4, partial: 6, complete: 4 } })
    })

    it('and REST, which told a later first bar, tells the right one now: they heal', async () => {
      await using lab = await Lab.open({ market, interval: '15m', from: '2024-02-10T06:30' }, '2024-03-15T00:00:00Z')
      lab.series.publish('2024-02-11', '2024-03-14', (rows, day) => (day === '2024-02-11' ? rows.slice(30) : rows))
      const { symbol } = lab.series.life
      lab.exchange.series({ market, symbol, interval: '8h', from: '2024-02-10' }).publish('2024-02-10', '2024-03-14')
      lab.exchange.klinesLies = [{ kind: 'since', since: '2024-02-20' }]
      const asked = ['--start', '2024-02-08', '--end', '2024-03-01']
      expect((await lab.ingest(...asked)).exit).toBe(3)
      lab.exchange.honest()
      expect(await lab.ingest(...asked)).toMatchObject({ exit: 0, problems: [], days: { partial: 0, unlisted: 2 } })
      expect(await lab.differences('2024-02-08', '2024-03-01')).toEqual([])
    })
  })
})
