import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { KlinesLie } from '../support/lying-exchange.ts'
import type { Market } from '../support/lying-exchange-bars.ts'
import { DAY_MS, msOf } from '../support/lying-exchange-bars.ts'

/* A page that is shorter than asked ends nothing while the bar at the far end of its window has not been seen. */

const MARKETS = ['spot', 'um', 'cm'] as const

async function openHole(market: Market, interval: '1m' | '1h' = '1m', from = '2024-02-28'): Promise<Lab> {
  const lab = await Lab.open({ market, interval, from })
  lab.series.publish(from, '2024-03-02').publish('2024-03-05', '2024-03-07')
  return lab
}

const RANGE = ['--start', '2024-03-01', '--end', '2024-03-06']

describe.each(MARKETS)('%s: three days that no archive has', (market) => {
  it.each([500, 499, 100, 7])('come whole from a server that gives %i rows at most', async (rows) => {
    await using lab = await openHole(market, rows === 7 ? '1h' : '1m')
    lab.exchange.klinesLies = [{ kind: 'cap', rows }]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { outage: 0, partial: 0 } })
    expect(await lab.differences('2024-03-01', '2024-03-06')).toEqual([])
  })

  it('come whole from a server whose maximum changes from answer to answer', async () => {
    await using lab = await openHole(market)
    lab.exchange.klinesLies = [
      { kind: 'cap', rows: 400, when: ({ index }) => index % 3 === 0 },
      { kind: 'cap', rows: 50, when: ({ index }) => index % 3 === 1 },
    ]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { outage: 0, partial: 0 } })
    expect(await lab.differences('2024-03-01', '2024-03-06')).toEqual([])
  })

  it('come whole from a server that gives one row, and an outage among them stays partial there', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-28', holes: [['2024-03-03T10:00', '2024-03-03T12:00']] })
    lab.series.publish('2024-02-28', '2024-03-02').publish('2024-03-05', '2024-03-07')
    lab.exchange.klinesLies = [{ kind: 'cap', rows: 1 }]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 3, days: { outage: 0, partial: 1 } })
    expect(await lab.differences('2024-03-01', '2024-03-06')).toEqual([])
    lab.exchange.honest()
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { outage: 1, partial: 0 } })
  })

  it.each([1, 2])('come whole from a server that looks %i days ahead', async (days) => {
    await using lab = await openHole(market)
    lab.exchange.klinesLies = [{ kind: 'lookahead', days }]
    const told = await lab.ingest(...RANGE)
    const differences = await lab.differences('2024-03-01', '2024-03-06')
    expect(told.days['outage']).toBe(0)
    expect(told.exit).toBe(differences.length === 0 ? 0 : 3)
    // cm is read from its end, which such a server may never show
    if (market !== 'cm') expect(differences).toEqual([])
  })

  it.each<[string, KlinesLie[]]>([
    ['gives the rows of the other end', [{ kind: 'wrong-end' }]],
    ['gives the rows of the other end, 100 at most', [{ kind: 'wrong-end' }, { kind: 'cap', rows: 100 }]],
    ['gives the rows of the other end now and then', [{ kind: 'wrong-end', when: ({ index }) => index % 2 === 1 }]],
    ['lags', [{ kind: 'lag', since: '2024-03-03T12:34' }]],
    [
      'lags and gives 100 rows',
      [
        { kind: 'lag', since: '2024-03-03T12:34' },
        { kind: 'cap', rows: 100 },
      ],
    ],
    ['lags at first', [{ kind: 'lag', since: '2024-03-03T12:34', when: ({ index }) => index < 3 }]],
    [
      'looks a day ahead and gives 300 rows',
      [
        { kind: 'lookahead', days: 1 },
        { kind: 'cap', rows: 300 },
      ],
    ],
    ['fails in the middle', [{ kind: 'status', status: 502, when: ({ index }) => index === 2 || index === 3 }]],
  ])('from a server that %s: all of them, or partial; never an outage', async (_, lies) => {
    await using lab = await openHole(market)
    lab.exchange.klinesLies = lies
    const told = await lab.ingest(...RANGE)
    expect(told.days).toMatchObject({ outage: 0, unlisted: 0 })
    const differences = await lab.differences('2024-03-01', '2024-03-06')
    expect(differences.filter((one) => !one.startsWith('missing'))).toEqual([])
    expect(told.exit).toBe(differences.length === 0 ? 0 : 3)
    lab.exchange.honest()
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-06')).toEqual([])
  })

  it('cost an honest server no more than they must', async () => {
    await using lab = await openHole(market)
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0 })
    const rows = 3 * 1440
    // pages of 1,000 or 499 rows, a row for each seam and each witness, and one request to spare
    const pages = Math.ceil(rows / (market === 'spot' ? 998 : 497))
    expect(lab.exchange.count('klines')).toBeLessThanOrEqual(pages + 1)
    expect(lab.exchange.weight()).toBeLessThanOrEqual(2 * (pages + 1))
    expect(lab.exchange.count('exchangeInfo')).toBe(0)
  })
})

describe.each(MARKETS)('%s: the days after the last archive', (market) => {
  it.each<[string, KlinesLie[]]>([
    ['500 rows', [{ kind: 'cap', rows: 500 }]],
    ['100 rows', [{ kind: 'cap', rows: 100 }]],
    ['a day ahead', [{ kind: 'lookahead', days: 1 }]],
  ])('come whole from a server of %s', async (_, lies) => {
    await using lab = await Lab.open({ market, interval: '5m', from: '2024-05-10' })
    lab.series.publish('2024-05-10', '2024-05-28')
    lab.exchange.klinesLies = lies
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-05-10', '2024-06-01')).toEqual([])
  })

  it('a server that lags some hours: the day is not called whole, nor the series ended', async () => {
    await using lab = await Lab.open({ market, from: '2024-05-10' })
    lab.series.publish('2024-05-10', '2024-05-31')
    lab.exchange.klinesLies = [{ kind: 'lag', since: '2024-05-31T18:00' }]
    const told = await lab.ingest()
    expect(told.days).toMatchObject({ complete: 21, provisional: 0, unlisted: 0, outage: 0 })
    lab.exchange.honest()
    expect(await lab.ingest()).toMatchObject({ exit: 0, days: { provisional: 1 } })
    expect(await lab.differences('2024-05-10', '2024-06-01')).toEqual([])
  })
})

describe('fetch --source rest', () => {
  it.each(MARKETS.flatMap((market) => [500, 100].map((rows) => [market, rows] as const)))(
    '%s from a server of %i rows: every bar, or exit 3',
    async (market, rows) => {
      await using lab = await openHole(market)
      lab.exchange.klinesLies = [{ kind: 'cap', rows }]
      const { symbol } = lab.series.life
      const args = ['fetch', symbol, '--market', market, '--interval', '1m', '--start', '2024-03-02', '--end', '2024-03-05']
      const result = await lab.run([...args, '--source', 'rest', '--format', 'csv', '--lake', lab.lake])
      expect(result.exit, result.stderr).toBe(0)
      const opens = result.stdout.trim().split('\n').slice(1)
      expect(opens).toHaveLength((3 * DAY_MS) / 60_000)
      expect(msOf(opens[0]!.split(',')[0]!)).toBe(msOf('2024-03-02'))
    },
  )

  it('from a server that answers nothing: refused', async () => {
    await using lab = await openHole('spot')
    lab.exchange.klinesLies = [{ kind: 'empty', when: ({ index }) => index >= 1 }]
    const args = ['fetch', 'AAAUSDT', '--interval', '1m', '--start', '2024-03-02', '--end', '2024-03-05', '--source', 'rest']
    expect((await lab.run([...args, '--format', 'csv', '--lake', lab.lake])).exit).toBe(3)
  })
})
