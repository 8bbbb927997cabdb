import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Life, Market } from '../support/lying-exchange-bars.ts'
import { msOf } from '../support/lying-exchange-bars.ts'

/* While REST cannot be asked, the other form of archive that is listed is: what it has is neither missing nor before the beginning. */

const MARKETS = ['spot', 'um', 'cm'] as const
const SILENT = ['--no-rest', 'refused', 'status 500'] as const

const from =
  (when: string) =>
  <R extends { openMs: number }>(rows: readonly R[]): R[] =>
    rows.filter(({ openMs }) => openMs >= msOf(when))

/** A lab of a symbol that has ended, under whatever silences REST. */
async function open(market: Market, life: Partial<Life> & Pick<Life, 'from'>): Promise<Lab> {
  const lab = await Lab.open({ market, until: '2024-02-19', ...life })
  lab.retries = 0
  return lab
}

/** REST gives nothing from now on; the flags that this takes. */
function silence({ exchange, series }: Lab, how: (typeof SILENT)[number]): string[] {
  if (how === 'refused') exchange.refused.add(series.life.market)
  if (how === 'status 500') exchange.klinesLies = [{ kind: 'status', status: 500 }]
  return how === '--no-rest' ? ['--no-rest'] : []
}

describe.each(MARKETS)('%s, of a symbol that REST has forgotten', (market) => {
  const openForgotten = async (life: Partial<Life>): Promise<Lab> => {
    const lab = await open(market, { from: '2024-01-05T04:00', until: '2024-01-20T18:00', ...life })
    lab.exchange.status.set(`${market}/${lab.series.life.symbol}`, null)
    lab.exchange.forgotten.set(`${market}/${lab.series.life.symbol}`, -1121)
    return lab
  }

  it.each<[string, string[]]>([
    ['all days', []],
    ['the last day alone', ['--start', '2024-01-20', '--end', '2024-01-21']],
    ['daily archives', ['--archives', 'daily', '--end', '2024-02-10']],
  ])('%s: the last archive of a day is cut at its end, its month is not', async (_, flags) => {
    await using lab = await openForgotten({})
    lab.series
      .publish('2024-01-05', '2024-01-21', (rows) => rows.filter(({ openMs }) => openMs < msOf('2024-01-20T12:00')))
      .publishMonth('2024-01')
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-01-20', '2024-03-01')).toEqual([])
    expect(lab.conditions().at(-1)).toBe('2024-01-20 complete 18/18')
  })

  it('holes of daily archives that the month has', async () => {
    await using lab = await openForgotten({ until: '2024-02-20T18:00' })
    lab.series
      .publish('2024-01-05', '2024-02-21', (rows, day) => (day === '2024-01-15' ? rows.toSpliced(5, 2) : rows))
      .publishMonth('2024-01')
    for (const flags of [['--start', '2024-01-14', '--end', '2024-01-18'], []])
      expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-01-01', '2024-03-01')).toEqual([])
  })
})

describe.each(MARKETS)('%s', (market) => {
  describe.each(SILENT)('%s', (silent) => {
    it.each(['1h', '4h', '15m'] as const)('%s: the first archive of a day is cut in front, its month is not', async (interval) => {
      await using lab = await open(market, { interval, from: '2024-01-11T04:00' })
      const flags = silence(lab, silent)
      lab.series.publish('2024-01-11', '2024-02-19', from('2024-01-11T12:00')).publishMonth('2024-01')
      const told = await lab.ingest('--start', '2024-01-11', '--end', '2024-01-12', ...flags)
      expect(told).toMatchObject({ exit: 0, problems: [], days: { complete: 1 } })
      expect(await lab.differences('2024-01-11', '2024-01-12')).toEqual([])
      const [day] = lab.days()
      expect(day).toMatchObject({ rows: day!.expected, source: 'vision-daily+vision-monthly' })
    })

    it('the month is cut in front in mid-day, the first archive of a day is not', async () => {
      await using lab = await open(market, { from: '2024-01-11T04:00' })
      const flags = silence(lab, silent)
      lab.series.publish('2024-01-11', '2024-02-19').publishMonth('2024-01', from('2024-01-11T12:00'))
      expect(await lab.ingest('--end', '2024-02-01', ...flags)).toMatchObject({ exit: 0, problems: [] })
      expect(await lab.differences('2024-01-11', '2024-02-01')).toEqual([])
      expect(lab.conditions()[0]).toBe('2024-01-11 complete 20/20')
    })

    it('the first archive of a day is cut in front, and its month cannot be read: partial, until it can', async () => {
      await using lab = await open(market, { from: '2024-01-11T04:00' })
      const flags = silence(lab, silent)
      lab.series.publish('2024-01-11', '2024-02-19', from('2024-01-11T12:00')).publishMonth('2024-01')
      const month = lab.series.archive('2024-01')
      month.refuse = () => ({ status: 503, body: 'no' })
      const asked = ['--start', '2024-01-11', '--end', '2024-01-12', ...flags]
      expect(await lab.ingest(...asked)).toMatchObject({ exit: 3, days: { partial: 1 } })
      delete month.refuse
      expect((await lab.ingest(...asked, '--force')).exit).toBe(0)
      expect(await lab.differences('2024-01-11', '2024-01-12')).toEqual([])
    })

    it('a hole in the archive of a day is filled from its month', async () => {
      await using lab = await open(market, { from: '2024-01-08' })
      const flags = silence(lab, silent)
      lab.series
        .publish('2024-01-08', '2024-02-19', (rows) => rows.filter(({ openMs }) => openMs % 86_400_000 !== 7 * 3_600_000))
        .publishMonth('2024-01')
      expect(await lab.ingest('--start', '2024-01-10', '--end', '2024-01-13', ...flags)).toMatchObject({ exit: 0, days: { complete: 3 } })
      expect(await lab.differences('2024-01-10', '2024-01-13')).toEqual([])
    })

    it('a hole that both forms have is not explained', async () => {
      await using lab = await open(market, { from: '2024-01-08', holes: [['2024-01-11T07:00', '2024-01-11T09:00']] })
      const flags = silence(lab, silent)
      lab.series.publish('2024-01-08', '2024-02-19').publishMonth('2024-01')
      const told = await lab.ingest('--start', '2024-01-10', '--end', '2024-01-13', ...flags)
      expect(told).toMatchObject({ exit: 3, days: { complete: 2, partial: 1 } })
    })

    it('a series that really begins in mid-day: exit 0, for the first archive of either form, read once', async () => {
      await using lab = await open(market, { from: '2024-01-11T04:00' })
      const flags = silence(lab, silent)
      lab.series.publish('2024-01-11', '2024-02-19').publishMonth('2024-01')
      const asked = ['--start', '2024-01-11', '--end', '2024-01-13', ...flags]
      const counts: number[] = []
      for (let run = 0; run < 2; run++) {
        lab.exchange.requests.length = 0
        expect(await lab.ingest(...asked)).toMatchObject({ exit: 0, problems: [] })
        counts.push(lab.exchange.count('archive'))
      }
      // two days; to know where it begins the first one and its month
      expect(counts).toEqual([4, 0])
      expect(await lab.differences('2024-01-11', '2024-01-13')).toEqual([])
    })
  })
})
