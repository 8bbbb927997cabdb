import { describe, expect, it } from 'vitest'
import { jsonOf } from '../support/ckvd.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { InfoLie } from '../support/lying-exchange.ts'
import type { Interval, Market } from '../support/lying-exchange-bars.ts'
import { DAY_MS, dayText, msOf } from '../support/lying-exchange-bars.ts'

/* A series ends by what the exchange says and by silence up to now, never because a range that was asked ends. */

const MARKETS = ['spot', 'um', 'cm'] as const

/** exchangeInfo that shows nothing: it cannot be had, or is none. */
const NO_INFO: readonly [string, InfoLie][] = [
  ['absent', { kind: 'absent' }],
  ['an error', { kind: 'status', status: 500 }],
  ['of two days ago', { kind: 'stale', days: 2 }],
  ['cut in half', { kind: 'truncated' }],
  ['without symbols', { kind: 'empty' }],
  ['without a symbol that trades', { kind: 'none-trading' }],
  ['a page of HTML', { kind: 'html' }],
]

/** A symbol whose archives end in 2021 and that nobody knows any more. */
async function openForgotten(market: Market, code: -1121 | -1122 = -1121, symbol?: string): Promise<Lab> {
  const lab = await Lab.open({
    market,
    interval: '4h',
    from: '2021-05-01T04:00',
    until: '2021-06-25T08:00',
    ...(symbol === undefined ? {} : { symbol }),
  })
  lab.series.publish('2021-05-01', '2021-06-26')
  const { symbol: name } = lab.series.life
  lab.exchange.forgotten.set(`${market}/${name}`, code)
  lab.exchange.status.set(`${market}/${name}`, null)
  return lab
}

describe.each(MARKETS)('%s: the end of the asked range', (market) => {
  it('is not the end of the series: an outage up to it is one', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20', holes: [['2024-03-05T20:00', '2024-03-06']] })
    lab.series.publish('2024-02-20', '2024-03-04')
    const told = await lab.ingest('--start', '2024-03-01', '--end', '2024-03-06')
    expect(told).toMatchObject({ exit: 0, days: { complete: 3, provisional: 1, outage: 1 } })
    expect(lab.conditions().at(-1)).toBe('2024-03-05 outage 20/24')
    expect(lab.exchange.count('exchangeInfo')).toBe(0)
  })

  it.each([
    ['a day', '2024-03-05', '2024-03-07'],
    ['two weeks', '2024-03-04T07:00', '2024-03-20T11:00'],
  ])('may lie in an outage of %s, after the last archive', async (_, from, to) => {
    await using lab = await Lab.open({ market, from: '2024-02-20', holes: [[from, to]] })
    lab.series.publish('2024-02-20', '2024-03-04')
    const told = await lab.ingest('--start', '2024-03-01', '--end', '2024-03-07')
    expect(told).toMatchObject({ exit: 0, days: { unlisted: 0, partial: 0 } })
    expect(told.days['outage']).toBeGreaterThanOrEqual(2)
    expect(await lab.differences('2024-03-01', '2024-03-07')).toEqual([])
  })

  it.each([1, 3, 9])('of %i days, run after run, ends nothing', async (days) => {
    await using lab = await Lab.open({ market, from: '2024-02-20' }, '2024-04-01T00:00:00Z')
    lab.series.publish('2024-02-20', '2024-03-04')
    for (let day = 1; day + days <= 19; day += days) {
      const text = (n: number): string => `2024-03-${String(n).padStart(2, '0')}`
      expect(await lab.ingest('--start', text(day), '--end', text(day + days))).toMatchObject({ exit: 0, days: { unlisted: 0 } })
    }
    expect(await lab.differences('2024-03-01', '2024-03-19')).toEqual([])
  })

  it('a day that is nowhere yet is pending in a narrow run, and in every command', async () => {
    await using lab = await Lab.open({ market, from: '2024-01-01' }, '2024-01-11T01:00:00Z')
    lab.series.publish('2024-01-01', '2024-01-11')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    lab.exchange.at('2024-01-15T01:00:00Z')
    lab.series.publish('2024-01-11', '2024-01-14')
    lab.exchange.klinesLies = [{ kind: 'lag', since: '2024-01-14' }]
    expect(await lab.ingest('--start', '2024-01-14', '--end', '2024-01-15')).toMatchObject({
      exit: 0,
      days: { pending: 1, unlisted: 0, outage: 0 },
    })
    expect(lab.condition('2024-01-14')).toBe('pending')
    const args = ['--lake', lab.lake, '--json', '--start', '2024-01-14', '--end', '2024-01-15']
    const coverage = jsonOf(await lab.run(['coverage', ...args])) as { series: { days: Record<string, number> }[] }
    expect(coverage.series[0]!.days['pending']).toBe(1)
    lab.exchange.honest()
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-01-01', '2024-01-15')).toEqual([])
  })
})

describe.each(MARKETS)('%s: a symbol that has ended and that klines still serve', (market) => {
  const life = { from: '2024-02-20', until: '2024-03-10T07:00' } as const

  it.each(['named with another status', 'not named'] as const)(
    '%s in exchangeInfo: nothing is expected after its last bar',
    async (how) => {
      await using lab = await Lab.open({ market, ...life })
      if (how === 'not named') lab.exchange.status.set(`${market}/${lab.series.life.symbol}`, null)
      lab.series.publish('2024-02-20', '2024-03-09')
      expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
      expect(lab.conditions().at(-1)).toBe('2024-03-10 provisional 7/7')
      expect(await lab.differences('2024-02-20', '2024-06-01')).toEqual([])
      expect(lab.exchange.count('exchangeInfo')).toBe(1)
      // and a range that lies after it
      expect(await lab.ingest('--start', '2024-04-01', '--end', '2024-04-20')).toMatchObject({ exit: 0, days: { unlisted: 19 } })
    },
  )

  it.each<[string, InfoLie | undefined]>([...NO_INFO, ['one that calls it trading', undefined]])(
    'and exchangeInfo is %s: silence alone ends nothing; one problem for the series',
    async (_, lie) => {
      await using lab = await Lab.open({ market, ...life })
      lab.series.publish('2024-02-20', '2024-03-11')
      const { symbol } = lab.series.life
      if (lie === undefined) lab.exchange.status.set(`${market}/${symbol}`, { symbol, status: 'TRADING' })
      else lab.exchange.infoLies[market] = lie
      const told = await lab.ingest()
      expect(told).toMatchObject({ exit: 3, days: { unlisted: 0, outage: 0 } })
      expect(told.problems).toHaveLength(1)
      expect(told.problems[0]).toMatchObject({ day: null, condition: 'partial' })
      expect(await lab.differences('2024-02-20', '2024-06-01')).toEqual([])
      lab.exchange.honest()
      lab.exchange.status.clear()
      expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    },
  )

  it.each([
    ['off', ['--no-rest'], 'daily'],
    ['off', ['--no-rest'], 'monthly'],
    ['refused', [], 'daily'],
    ['refused', [], 'monthly'],
  ] as const)('and REST is %s: one problem for the series, run after run (%s %s archives)', async (rest, flags, archives) => {
    await using lab = await Lab.open({ market, from: '2024-02-20T05:00', until: '2024-03-10T07:00' })
    if (archives === 'daily') lab.series.publish('2024-02-20', '2024-03-11')
    else lab.series.publishMonth('2024-02').publishMonth('2024-03')
    if (rest === 'refused') lab.exchange.refused.add(market)
    for (let run = 0; run < 2; run++) {
      const told = await lab.ingest(...flags, '--end', '2024-04-10')
      expect(told.exit).toBe(3)
      expect(told.problems).toHaveLength(1)
      // the day in which it ended, and those up to the end of the range
      expect(told.problems[0]).toMatchObject({ day: null, days: 31, condition: 'partial' })
      // it begins in mid-day: that nobody could be asked is told by each run
      expect(told.notes?.join()).toContain('begin')
    }
    lab.exchange.honest()
    expect(await lab.ingest('--end', '2024-04-10')).toMatchObject({ exit: 0, problems: [], notes: [] })
    expect(await lab.differences('2024-02-20', '2024-04-10')).toEqual([])
  })

  it('is silent for two days only: they are pending', async () => {
    await using lab = await Lab.open({ market, from: '2024-05-10', until: '2024-05-30T07:00' })
    const { symbol } = lab.series.life
    lab.exchange.status.set(`${market}/${symbol}`, { symbol, status: 'TRADING' })
    lab.series.publish('2024-05-10', '2024-05-30')
    expect(await lab.ingest()).toMatchObject({ exit: 0, days: { unlisted: 0, partial: 0 } })
    expect(lab.condition('2024-05-31')).toBe('pending')
  })
})

describe.each(MARKETS)('%s: a symbol that has ended within a month that has an archive', (market) => {
  const life = { from: '2024-02-20', until: '2024-03-10T07:00' } as const

  it.each<[string, 'listed' | 'unlisted' | 'forgotten', string[]]>([
    ['named with another status', 'listed', []],
    ['not named', 'unlisted', ['--archives', 'monthly']],
    ['known to nobody', 'forgotten', []],
    ['known to nobody, the month alone', 'forgotten', ['--start', '2024-03-01', '--end', '2024-04-01']],
    ['not named, the last day alone', 'unlisted', ['--start', '2024-03-10', '--end', '2024-03-11']],
    ['not named, days before and after its end', 'unlisted', ['--start', '2024-03-08', '--end', '2024-03-20', '--archives', 'monthly']],
  ])('%s: ends with its last bar', async (_, told, flags) => {
    await using lab = await Lab.open({ market, ...life })
    const name = `${market}/${lab.series.life.symbol}`
    if (told !== 'listed') lab.exchange.status.set(name, null)
    if (told === 'forgotten') lab.exchange.forgotten.set(name, -1121)
    lab.series.publish('2024-02-20', '2024-03-11').publishMonth('2024-02').publishMonth('2024-03')
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions().at(-1)).toBe('2024-03-10 complete 7/7')
  })
})

describe.each(MARKETS)('%s: a symbol that klines do not know any more', (market) => {
  it.each([
    ['days after its end', ['--start', '2021-07-10', '--end', '2021-07-20'], 10],
    ['its last day and days after it', ['--start', '2021-06-25', '--end', '2021-07-05'], 9],
    ['its last day', ['--start', '2021-06-25', '--end', '2021-06-26'], 0],
  ])('%s alone are asked for: nothing is expected there', async (_, flags, unlisted) => {
    await using lab = await openForgotten(market)
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [], days: { unlisted, partial: 0 } })
  })

  it.each([-1121, -1122] as const)('%i, and a whole exchangeInfo that does not name it: ended with its last archive', async (code) => {
    await using lab = await openForgotten(market, code)
    const told = await lab.ingest()
    expect(told).toMatchObject({ exit: 0, problems: [], days: { complete: 56, partial: 0 } })
    expect(lab.conditions().at(-1)).toBe('2021-06-25 complete 2/2')
    expect(lab.exchange.count('exchangeInfo')).toBe(1)
    expect(lab.exchange.count('klines')).toBeLessThanOrEqual(3)
  })

  it('named with another status: ended', async () => {
    await using lab = await openForgotten(market)
    const { symbol } = lab.series.life
    lab.exchange.status.set(`${market}/${symbol}`, { symbol, status: market === 'spot' ? 'BREAK' : 'SETTLING' })
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
  })

  it('named as trading: one problem', async () => {
    await using lab = await openForgotten(market)
    const { symbol } = lab.series.life
    lab.exchange.status.set(`${market}/${symbol}`, { symbol, status: 'TRADING' })
    const told = await lab.ingest()
    expect(told.exit).toBe(3)
    expect(told.problems).toHaveLength(1)
  })

  it.each(NO_INFO)('exchangeInfo is %s: one problem for the series, not one for each day', async (_, lie) => {
    await using lab = await openForgotten(market)
    lab.exchange.infoLies[market] = lie
    const told = await lab.ingest()
    expect(told).toMatchObject({ exit: 3, days: { unlisted: 0 } })
    expect(told.problems).toHaveLength(1)
    expect(told.problems[0]).toMatchObject({ day: null })
    lab.exchange.honest()
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
  })

  it('twenty of them cost one exchangeInfo', async () => {
    await using lab = await openForgotten(market)
    const names: string[] = []
    for (let i = 0; i < 20; i++) {
      const symbol = market === 'cm' ? `B${i}USD_PERP` : `B${i}USDT`
      lab.exchange.series({ ...lab.series.life, symbol }).publish('2021-05-01', '2021-06-26')
      lab.exchange.forgotten.set(`${market}/${symbol}`, -1121)
      lab.exchange.status.set(`${market}/${symbol}`, null)
      names.push(symbol)
    }
    const args = ['ingest', '--universe', '-', '--market', market, '--intervals', '4h', '--lake', lab.lake, '--json']
    const told = await lab.run(args, names.join('\n'))
    expect(told.exit, told.stdout).toBe(0)
    expect(lab.exchange.count('exchangeInfo')).toBe(1)
    expect(lab.exchange.count('klines')).toBeLessThanOrEqual(60)
  })
})

describe('a contract with a date in its name', () => {
  it.each([
    ['cm', 'BTCUSD_210625'],
    ['um', 'BTCUSDT_210625'],
  ] as const)('%s %s ends with it, whatever exchangeInfo says', async (market, symbol) => {
    await using lab = await openForgotten(market, -1121, symbol)
    lab.exchange.infoLies[market] = { kind: 'absent' }
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [], days: { complete: 56, partial: 0 } })
  })

  describe.each(['um', 'cm'] as const)('%s, that nobody knows any more', (market) => {
    const symbol = market === 'um' ? 'AAAUSDT_240329' : 'AAAUSD_240329'
    it.each<[Interval, string, string, string[]]>([
      ['1h', '2024-03-29T05:00', '2024-03-29 partial 5/8', []],
      ['15m', '2024-03-29T07:45', '2024-03-29 partial 31/32', []],
      ['1h', '2024-03-27T00:00', '2024-03-29 partial 0/8', []],
      ['1d', '2024-03-28T00:00', '2024-03-29 partial 0/1', []],
      ['1h', '2024-03-29T05:00', '2024-03-29 partial 5/8', ['--archives', 'daily']],
    ])('%s bars: archives end at %s, before its date: what is missing up to that is told once', async (interval, until, last, flags) => {
      await using lab = await Lab.open({ market, symbol, interval, from: '2024-01-05', until: '2024-03-29T08:00' }, '2024-05-15T00:00:00Z')
      lab.series.publish('2024-01-05', dayText(msOf(until) - 1 + DAY_MS), (rows) => rows.filter(({ openMs }) => openMs < msOf(until)))
      lab.exchange.forgotten.set(`${market}/${symbol}`, -1121)
      const asked = ['--start', '2024-03-20', ...flags]
      for (let run = 0; run < 2; run++) {
        const told = await lab.ingest(...asked)
        expect(told.exit).toBe(3)
        expect(told.problems).toHaveLength(1)
        expect(told.problems[0]!.message).toContain('delivered at 2024-03-29T08:00')
        expect(lab.conditions().at(-1)).toBe(last)
      }
      lab.exchange.forgotten.clear()
      expect(await lab.ingest(...asked)).toMatchObject({ exit: 0, problems: [] })
      expect(await lab.differences('2024-03-20', '2024-05-15')).toEqual([])
    })
  })

  it('that has not come goes on', async () => {
    await using lab = await Lab.open({ market: 'cm', symbol: 'BTCUSD_240628', from: '2024-05-01T08:00' })
    lab.series.publish('2024-05-01', '2024-05-28')
    expect(await lab.ingest()).toMatchObject({ exit: 0, days: { provisional: 4, unlisted: 0 } })
    expect(await lab.differences('2024-05-01', '2024-06-01')).toEqual([])
  })
})
