import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Interval, Life, Market } from '../support/lying-exchange-bars.ts'
import { msOf, rowAt, slots } from '../support/lying-exchange-bars.ts'

/* A series begins where REST's first bar of all is. A first archive that begins in mid-day may be cut. */

const MARKETS = ['spot', 'um', 'cm'] as const

const from =
  (when: string) =>
  <R extends { openMs: number }>(rows: readonly R[]): R[] =>
    rows.filter(({ openMs }) => openMs >= msOf(when))

async function openCut(market: Market, interval: Interval = '1h'): Promise<Lab> {
  const lab = await Lab.open({ market, interval, from: '2024-02-20' })
  lab.series.publish('2024-03-01', '2024-03-04', from('2024-03-01T03:00'))
  return lab
}

const EARLY = ['--start', '2024-02-20', '--end', '2024-03-04']
const LATE = ['--end', '2024-03-04']

describe.each(MARKETS)('%s: the first archive is cut in front', (market) => {
  it.each<[string, string[][]]>([
    ['the range that the listing gives', [LATE]],
    ['the same twice', [LATE, LATE]],
    ['first that, then an earlier start', [LATE, EARLY]],
    ['an earlier start, then that', [EARLY, LATE]],
    ['the first day alone', [['--start', '2024-03-01', '--end', '2024-03-02']]],
    ['the last day, then all', [['--start', '2024-03-03', '--end', '2024-03-04'], LATE]],
  ])('%s: the day has all of its bars', async (_, runs) => {
    await using lab = await openCut(market)
    for (const flags of runs) expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions()).toContain('2024-03-01 complete 24/24')
    const first = runs.some((flags) => flags === EARLY) ? '2024-02-20' : '2024-03-01'
    expect(await lab.differences(first, runs.at(-1)!.at(-1)!)).toEqual([])
  })

  it.each(['1m', '15m', '12h'] as const)('%s', async (interval: Interval) => {
    await using lab = await openCut(market, interval)
    expect(await lab.ingest(...LATE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-04')).toEqual([])
  })

  it('of a month', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publishMonth('2024-03', from('2024-03-05T11:00'))
    expect(await lab.ingest('--end', '2024-04-01')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.ingest('--start', '2024-02-20', '--end', '2024-04-01')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-02-20', '2024-04-01')).toEqual([])
  })

  it.each(['listed', 'forgotten'])('by days that its month has, in which the range ends: %s', async (told) => {
    await using lab = await Lab.open({ market, from: '2024-01-10T05:00' })
    lab.series.publish('2024-01-12', '2024-02-19').publishMonth('2024-01')
    const key = `${market}/${market === 'cm' ? 'AAAUSD_PERP' : 'AAAUSDT'}`
    if (told === 'forgotten') {
      lab.exchange.status.set(key, null)
      lab.exchange.forgotten.set(key, -1121)
    }
    for (const stored of [5, 0]) expect(await lab.ingest('--end', '2024-01-15')).toMatchObject({ exit: 0, stored })
    expect(await lab.differences('2024-01-10', '2024-01-15')).toEqual([])
  })

  it.each([
    ['a start in that month', [['--start', '2024-01-05', '--end', '2024-02-19']]],
    [
      'the days that are listed, then a start in that month',
      [
        ['--start', '2024-01-12', '--end', '2024-01-20'],
        ['--start', '2024-01-05', '--end', '2024-02-19'],
      ],
    ],
    ['a start in the month before', [['--start', '2023-12-20', '--end', '2024-01-25']]],
  ])('by days that its month alone has, of a symbol that REST has forgotten: %s', async (_, runs) => {
    await using lab = await Lab.open({ market, from: '2024-01-08T05:00', until: '2024-02-19' })
    lab.series.publish('2024-01-12', '2024-02-19').publishMonth('2024-01')
    lab.exchange.status.set(`${market}/${lab.series.life.symbol}`, null)
    lab.exchange.forgotten.set(`${market}/${lab.series.life.symbol}`, -1121)
    for (const flags of runs) expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    const [, start = '', , end = ''] = runs.at(-1)!
    expect(await lab.differences(start, end)).toEqual([])
    lab.exchange.requests.length = 0
    expect(await lab.ingest(...runs.at(-1)!)).toMatchObject({ exit: 0, stored: 0, requests: { archive: 0 } })
  })

  it('and the first archive holds bars of another interval, from midnight on: it tells of no beginning', async () => {
    await using lab = await Lab.open({ market, interval: '4h', from: '2024-01-11T03:00', until: '2024-01-14T12:00' })
    const quarters = [...slots('15m', msOf('2024-01-11'), msOf('2024-01-12'))].map((ms) =>
      rowAt({ ...lab.series.life, interval: '15m' }, ms),
    )
    lab.series
      .publish('2024-01-12', '2024-01-15')
      .publishMonth('2024-01')
      .publish('2024-01-11', '2024-01-12', () => quarters)
    lab.exchange.status.set(`${market}/${lab.series.life.symbol}`, null)
    lab.exchange.forgotten.set(`${market}/${lab.series.life.symbol}`, -1121)
    expect(await lab.ingest('--end', '2024-01-20')).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions()).toContain('2024-01-11 complete 5/5')
  })

  it('by whole days: those are asked of REST where they are asked for', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publish('2024-03-03', '2024-03-06')
    expect(await lab.ingest('--start', '2024-01-01', '--end', '2024-03-06')).toMatchObject({ exit: 0, days: { partial: 0, outage: 0 } })
    expect(await lab.differences('2024-01-01', '2024-03-06')).toEqual([])
  })

  it.each([
    ['180 days', '2023-08-28'],
    ['210 days', '2023-07-29'],
    ['two years', '2022-02-24'],
  ])('and before it nothing has opened for %s: its bars, and those before', async (_, until) => {
    await using lab = await Lab.open({ market, from: '2022-02-20T05:00', holes: [[until, '2024-02-24']] })
    lab.series.publish('2024-03-01', '2024-03-04', from('2024-03-01T03:00'))
    const told = await lab.ingest('--start', '2024-03-01', '--end', '2024-03-04')
    expect(told).toMatchObject({ exit: 0, problems: [], days: { complete: 3 } })
    expect(await lab.differences('2024-03-01', '2024-03-04')).toEqual([])
    expect(await lab.ingest('--start', '2022-02-01', '--end', '2024-03-04')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2022-02-01', '2024-03-04')).toEqual([])
  })

  it('and REST answers nothing to the first bar of all: partial, which heals by itself', async () => {
    await using lab = await openCut(market)
    lab.exchange.klinesLies = [{ kind: 'empty' }]
    expect(await lab.ingest(...LATE)).toMatchObject({ exit: 3, days: { complete: 2, partial: 1 } })
    expect(await lab.ingest(...EARLY)).toMatchObject({ exit: 3, days: { unlisted: 0 } })
    lab.exchange.honest()
    expect(await lab.ingest(...EARLY)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-02-20', '2024-03-04')).toEqual([])
  })

  it('and REST lies about the first bar: later than ours, it is not believed', async () => {
    await using lab = await openCut(market)
    lab.exchange.klinesLies = [{ kind: 'rows', edit: (rows) => rows.filter(({ openMs }) => openMs >= msOf('2024-03-02')) }]
    const told = await lab.ingest(...LATE)
    // the archives' first bar is the beginning then, or nothing is
    expect(lab.conditions()[0]).toMatch(told.exit === 0 ? /^2024-03-01 complete 2[14]\// : /^2024-03-01 partial 21\/24/)
    expect((await lab.differences('2024-03-01', '2024-03-04')).filter((one) => one > 'missing 2024-03-01T03')).toEqual([])
  })

  it.each([
    ['--no-rest', ['--no-rest'], false],
    ['a refused address', [], true],
  ] as const)('and %s: begun at its first bar provisionally, told as a note; opened again when REST answers', async (_, flags, refused) => {
    await using lab = await openCut(market)
    if (refused) lab.exchange.refused.add(market)
    const told = await lab.ingest(...LATE, ...flags)
    expect(told).toMatchObject({ exit: 0, problems: [], days: { complete: 3 } })
    expect(told.notes?.length).toBeGreaterThan(0)
    lab.exchange.honest()
    expect(await lab.ingest(...LATE)).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions()).toContain('2024-03-01 complete 24/24')
    expect(await lab.differences('2024-03-01', '2024-03-04')).toEqual([])
  })
})

describe.each(MARKETS)('%s: a series that really begins in mid-day', (market) => {
  it.each(['1m', '1h', '4h'] as const)(
    'of %s expects nothing before its first bar, and says so in every order of runs',
    async (interval) => {
      await using lab = await Lab.open({ market, interval, from: '2024-03-01T08:00' })
      lab.series.publish('2024-03-01', '2024-03-04')
      for (const flags of [LATE, EARLY, LATE]) expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
      expect(await lab.differences('2024-02-20', '2024-03-04')).toEqual([])
      const [first] = lab.days()
      expect([first!.day, first!.condition, first!.rows]).toEqual(['2024-03-01', 'complete', first!.expected])
    },
  )

  it.each([
    ['monthly archives alone, of which there is none yet', ['--archives', 'monthly', '--end', '2024-03-04']],
    ['an earlier start, of days without archives', ['--start', '2024-02-20', '--end', '2024-03-02']],
  ])('%s: the first day is from REST, from its first bar on', async (name, flags) => {
    await using lab = await Lab.open({ market, from: '2024-03-01T08:00' })
    lab.series.publish(name.startsWith('monthly') ? '2024-03-01' : '2024-03-02', '2024-03-10')
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions()[0]).toBe('2024-03-01 provisional 16/16')
    expect(await lab.differences('2024-02-20', flags.at(-1)!)).toEqual([])
  })

  it('costs one request a symbol, whatever intervals are asked', async () => {
    await using lab = await Lab.open({ market, interval: '1h', from: '2024-03-01T08:00' })
    const { symbol } = lab.series.life
    lab.series.publish('2024-03-01', '2024-03-04')
    for (const interval of ['2h', '4h', '8h'] as const) {
      lab.exchange.series({ market, symbol, interval, from: '2024-03-01T08:00' }).publish('2024-03-01', '2024-03-04')
    }
    const told = await lab.ingest('--intervals', '1h,2h,4h,8h', ...LATE)
    expect(told).toMatchObject({ exit: 0, problems: [], days: { complete: 12 } })
    expect(lab.exchange.count('klines')).toBeLessThanOrEqual(2)
    const before = lab.exchange.count('klines')
    await lab.ingest('--intervals', '1h,2h,4h,8h', ...LATE)
    expect(lab.exchange.count('klines')).toBe(before)
  })
})

describe('a symbol that REST does not know any more', () => {
  it('begins with the earliest bar of its archives', async () => {
    await using lab = await Lab.open({ from: '2021-03-01T08:00', until: '2021-03-10T04:00' })
    lab.series.publish('2021-03-01', '2021-03-11')
    lab.exchange.forgotten.set('spot/AAAUSDT', -1121)
    lab.exchange.status.set('spot/AAAUSDT', null)
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions().at(0)).toBe('2021-03-01 complete 16/16')
    expect(lab.conditions().at(-1)).toBe('2021-03-10 complete 4/4')
  })

  it('and an archive of another interval begins earlier: what is missing is not explained', async () => {
    await using lab = await Lab.open({ from: '2021-03-01T00:00', until: '2021-03-10T04:00' })
    lab.series.publish('2021-03-01', '2021-03-11', from('2021-03-01T08:00'))
    lab.exchange.series({ ...lab.series.life, interval: '1m' }).publish('2021-03-01', '2021-03-11')
    lab.exchange.forgotten.set('spot/AAAUSDT', -1121)
    lab.exchange.status.set('spot/AAAUSDT', null)
    expect(await lab.ingest()).toMatchObject({ exit: 3, days: { partial: 1 } })
    expect(lab.condition('2021-03-01')).toBe('partial')
  })

  it('in its first life: REST begins with the second, the archives with the first', async () => {
    await using lab = await Lab.open({ from: '2023-01-01T06:00', holes: [['2023-02-10T05:00', '2024-03-01T10:00']] })
    lab.series.publish('2023-01-01', '2023-02-11').publish('2024-03-01', '2024-05-31')
    lab.exchange.klinesLies = [{ kind: 'since', since: '2024-03-01T10:00' }]
    const told = await lab.ingest()
    // nothing shows both sides of the time between: it cannot be an outage
    expect(told.days).toMatchObject({ outage: 0 })
    expect(told.exit).toBe(3)
    expect(lab.conditions()[0]).toBe('2023-01-01 complete 18/18')
  })
})

describe.each(['trading', 'forgotten'])('an earlier run has not looked for the beginning of a symbol that is %s', (told) => {
  const months = async (life: Partial<Life> = {}): Promise<Lab> => {
    const lab = await Lab.open({ market: 'spot', from: '2023-12-20T05:00', until: '2024-02-19', ...life })
    const key = `spot/${lab.series.life.symbol}`
    if (told === 'forgotten') {
      lab.exchange.status.set(key, null)
      lab.exchange.forgotten.set(key, -1121)
    }
    return lab
  }

  it.each<[string, string[][]]>([
    ['a late start', [['--start', '2024-01-25', '--end', '2024-02-19'], []]],
    ['its first listed day', [['--start', '2024-01-12', '--end', '2024-02-19'], []]],
    ['its first listed day without REST', [['--start', '2024-01-12', '--end', '2024-02-19', '--no-rest'], []]],
    ['daily archives alone', [['--end', '2024-02-13', '--archives', 'daily'], ['--end', '2024-01-26'], []]],
    [
      'a late start, then the months',
      [['--start', '2024-01-25', '--no-rest'], ['--archives', 'monthly', '--no-rest', '--end', '2024-02-01'], []],
    ],
    ['a late start, then an earlier one', [['--start', '2024-01-12'], ['--start', '2024-01-05'], []]],
    [
      'a late start, then an earlier one, without REST',
      [['--start', '2024-01-12', '--no-rest'], ['--start', '2024-01-05', '--no-rest'], []],
    ],
  ])('%s: what months alone have is not passed over', async (_, runs) => {
    for (const from of ['2023-12-20T05:00', '2024-01-08T05:00', '2024-01-08']) {
      await using lab = await months({ from })
      lab.series.publish('2024-01-12', '2024-02-19').publishMonth('2024-01')
      if (from < '2024') lab.series.publishMonth('2023-12')
      for (const flags of runs) expect((await lab.ingest(...flags)).stopped, flags.join(' ')).toBeNull()
      const last = await lab.ingest()
      expect({ from, exit: last.exit, problems: last.problems, stored: last.stored }).toEqual({ from, exit: 0, problems: [], stored: 0 })
      expect(await lab.differences(from.slice(0, 10), '2024-02-19')).toEqual([])
    }
  })

  it('and its month begins later than its first day, whose archive is cut at its end: what is missing is told', async () => {
    await using lab = await months({ from: '2024-01-15' })
    lab.series
      .publish('2024-01-20', '2024-02-19', (rows) =>
        rows.filter(({ openMs }) => openMs < msOf('2024-01-20T12:00') || openMs >= msOf('2024-01-21')),
      )
      .publishMonth('2024-01', (rows) => rows.filter(({ openMs }) => openMs >= msOf('2024-01-28')))
    expect(await lab.ingest('--start', '2024-01-13', '--end', '2024-01-26', '--no-rest')).toMatchObject({ exit: 3, days: { partial: 1 } })
    expect(lab.conditions()).toContain('2024-01-20 partial 12/24')
  })

  it('and its first archive is withdrawn: days before the first bar that is held heal', async () => {
    await using lab = await months({ from: '2024-01-20T05:00' })
    lab.series.publish('2024-01-20', '2024-02-19').publishMonth('2024-01')
    lab.exchange.klinesLies = [{ kind: 'status', status: 500 }]
    await lab.ingest('--start', '2024-01-05', '--end', '2024-01-20', '--archives', 'monthly')
    await lab.ingest()
    lab.series.unpublish('2024-01')
    lab.exchange.honest()
    expect(await lab.ingest('--start', '2024-01-05')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-01-05', '2024-02-19')).toEqual([])
  })

  it.each(['3d', '1w'] as const)('%s: nor what its first archive has of the month before', async (interval) => {
    const open = async (): Promise<Lab> => {
      const lab = await months({ interval, from: '2023-11-25', until: '2024-02-26' })
      lab.series.publishMonth('2023-12', (rows) => [...lab.series.closed('2023-11-25', '2023-12-01').slice(-1), ...rows])
      lab.series.publishMonth('2024-01').publishMonth('2024-02')
      return lab
    }
    await using lab = await open()
    for (const flags of [['--start', '2024-01-01'], ['--start', '2023-12-01'], []])
      expect(await lab.ingest(...flags)).toMatchObject({ exit: 0 })
    await using fresh = await open()
    await fresh.ingest()
    expect(lab.conditions()).toEqual(fresh.conditions())
    expect(lab.conditions()[0]).toMatch(/^2023-11-01 complete/)
  })
})
