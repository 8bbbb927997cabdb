import { describe, expect, it } from 'vitest'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { ListingLie } from '../support/lying-exchange.ts'
import type { Market } from '../support/lying-exchange-bars.ts'
import { DAY_MS, dayText, msOf } from '../support/lying-exchange-bars.ts'

/* A page of the listing that is none is asked for again; a series whose listing failed is what --retry-failed is for. */

const MARKETS = ['spot', 'um', 'cm'] as const
const INTERNAL =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>'
const HTML = '<!DOCTYPE html><html><body>Please wait</body></html>'
const BAD: readonly [string, 'reset' | { status: number; body: string }][] = [
  ["S3's InternalError with status 200", { status: 200, body: INTERNAL }],
  ['HTML with status 200', { status: 200, body: HTML }],
  [
    'half a page',
    {
      status: 200,
      body: '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data',
    },
  ],
  ['503', { status: 503, body: INTERNAL.replace('InternalError', 'SlowDown') }],
  ['a reset', 'reset'],
  ['an empty body', { status: 200, body: '' }],
]
const RANGE = ['--start', '2024-03-01', '--end', '2024-03-08']

async function openWeek(market: Market): Promise<Lab> {
  const lab = await Lab.open({ market, from: '2024-02-20' })
  lab.series.publish('2024-02-20', '2024-03-20')
  return lab
}

describe.each(MARKETS)('%s: a listing page that is', (market) => {
  it.each(BAD)('%s, once: asked again', async (_, answer) => {
    await using lab = await openWeek(market)
    lab.exchange.listingLie = (_prefix, index) => (index === 0 ? answer : undefined)
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [], days: { complete: 7 } })
    expect(await lab.differences('2024-03-01', '2024-03-08')).toEqual([])
  })

  it.each(BAD)('%s, all the time: the series has failed, and --retry-failed takes it first', async (_, answer) => {
    await using lab = await openWeek(market)
    lab.exchange.listingLie = () => answer
    const told = await lab.ingest(...RANGE)
    expect([3, 4]).toContain(told.exit)
    expect(told.stored).toBe(0)
    lab.exchange.honest()
    const again = await lab.ingest(...RANGE, '--retry-failed')
    expect(again).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-08')).toEqual([])
  })

  it.each(BAD)('%s, all the time, in a lake that has half of it: --retry-failed takes the rest', async (_, answer) => {
    await using lab = await Lab.open({ market, from: '2024-03-01' }, '2024-03-09T12:00:00Z')
    lab.series.publish('2024-03-01', '2024-03-05')
    expect(await lab.ingest('--end', '2024-03-05')).toMatchObject({ exit: 0 })
    lab.series.publish('2024-03-05', '2024-03-09')
    lab.exchange.listingLie = () => answer
    const told = await lab.ingest()
    if (told.exit === 0) expect(await lab.differences('2024-03-01', '2024-03-09')).toEqual([])
    lab.exchange.honest()
    expect(await lab.ingest('--retry-failed')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-09')).toEqual([])
  })

  it("the code of S3's error is told", async () => {
    await using lab = await openWeek(market)
    lab.exchange.listingLie = () => ({ status: 200, body: INTERNAL })
    const told = await lab.ingest(...RANGE)
    expect(`${JSON.stringify(told.problems)} ${JSON.stringify(told.stopped)}`).toContain('InternalError')
  })

  it('empty: nothing is ended nor unlisted by it', async () => {
    await using lab = await openWeek(market)
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0 })
    const empty: ListingLie = (prefix) => ({
      status: 200,
      body: `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name><Prefix>${prefix}</Prefix><Marker></Marker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`,
    })
    lab.exchange.listingLie = empty
    const told = await lab.ingest('--start', '2024-03-01', '--end', '2024-03-12')
    if (told.exit === 0) expect(await lab.differences('2024-03-01', '2024-03-12')).toEqual([])
    expect(told.days['unlisted']).toBe(0)
    lab.exchange.honest()
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-12')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-12')).toEqual([])
  })
})

describe.each(['um', 'cm'] as const)('%s: what stands under daily/ only', (market) => {
  it.each(['1w', '1M'] as const)('%s is taken from there, and planned', async (interval) => {
    await using lab = await Lab.open({ market, interval, from: '2024-01-01' })
    lab.series.publish('2024-01-01', '2024-05-25')
    const { symbol } = lab.series.life
    const args = [
      'ingest',
      '--universe',
      '-',
      '--market',
      market,
      '--intervals',
      interval,
      '--lake',
      lab.lake,
      '--json',
      '--end',
      '2024-05-01',
    ]
    const planned = jsonOf(await lab.run([...args, '--dry-run'], `${symbol}\n`)) as {
      exit: number
      total: { days: number; archives: { daily: number } }
    }
    expect(planned).toMatchObject({ exit: 0, total: { days: 4 } })
    expect(planned.total.archives.daily).toBe(lab.series.closed('2024-01-01', '2024-05-01').length)
    expect(await lab.ingest('--no-rest', '--end', '2024-05-01')).toMatchObject({ exit: 0, problems: [], days: { complete: 4 } })
    expect(await lab.differences('2024-01-01', '2024-05-01')).toEqual([])
  })
})

describe.each(MARKETS)('%s: a listing that is behind', (market) => {
  const openBehind = async (isBehind: boolean): Promise<Lab> => {
    const lab = await Lab.open({ market, interval: '4h', from: '2024-04-01' })
    const { symbol } = lab.series.life
    lab.series.publish('2024-04-01', '2024-05-10')
    lab.exchange.forgotten.set(`${market}/${symbol}`, -1121)
    lab.exchange.status.set(`${market}/${symbol}`, null)
    // a symbol that trades, and whose archives are there though no listing has them
    const trading = market === 'cm' ? 'BTCUSD_PERP' : 'BTCUSDT'
    for (const interval of ['1m', '5m', '15m', '30m', '1h', '2h', '4h', '1d'] as const) {
      const series = lab.exchange.series({ market, symbol: trading, interval, from: '2024-04-01' })
      series.publish('2024-05-09', '2024-05-10')
      if (!isBehind) continue
      series.publish('2024-05-29', '2024-06-01')
      for (let ms = msOf('2024-05-29'); ms < msOf('2024-06-01'); ms += DAY_MS) series.archive(dayText(ms)).hidden = true
    }
    return lab
  }

  it('is told, and ends no series', async () => {
    await using lab = await openBehind(true)
    const told = await lab.ingest()
    expect(told).toMatchObject({ exit: 3, days: { unlisted: 0 } })
    expect(told.notes?.length).toBeGreaterThan(0)
    expect(lab.exchange.count('checksum', /2024-05-31/)).toBe(1)
  })

  it('that cannot be told from one that is not ends no series either', async () => {
    await using lab = await openBehind(false)
    const symbol = market === 'cm' ? 'BTCUSD_PERP' : 'BTCUSDT'
    const series = lab.exchange.series({ market, symbol, interval: '1d', from: '2024-04-01' }).publish('2024-05-31', '2024-06-01')
    const yesterday = series.archive('2024-05-31')
    yesterday.hidden = true
    yesterday.refuseChecksum = () => ({ status: 503, body: 'busy' })
    expect(await lab.ingest()).toMatchObject({ exit: 3, days: { unlisted: 0 } })
    expect(lab.exchange.count('checksum', /2024-05-31/)).toBeGreaterThan(0)
  })

  it('is not told where the archive host has no more either', async () => {
    await using lab = await openBehind(false)
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [], days: { complete: 39 } })
  })
})

describe('what was not asked for', () => {
  const ASK = { symbols: ['AAAUSDT'], intervals: '1h', start: '2024-03-01', end: '2024-03-04' }

  it('is not fetched where the page of the first archives shows none, and another page does', async () => {
    await using world = await createWorld({
      now: '2024-03-10T05:00:00Z',
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-01' }],
      faults: [{ kind: 'empty', match: '^/listing.*max-keys=4' }],
    })
    expect(await world.ingest(ASK)).toMatchObject({ exit: 0, stored: 3, days: { complete: 3 }, requests: { archive: 3 } })
    expect(world.days().map(({ day }) => day)).toEqual(['2024-03-01', '2024-03-02', '2024-03-03'])
  })

  it('is not fetched where no archive is listed and nothing of the range has closed', async () => {
    await using world = await createWorld({
      now: '2024-03-10T05:00:00Z',
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2023-12-01', archivesFrom: '2025-01-01' }],
    })
    expect(await world.ingest({ ...ASK, intervals: '1mo', end: '2024-03-10' })).toMatchObject({ exit: 0, stored: 0 })
    expect(world.days()).toEqual([])
  })
})
