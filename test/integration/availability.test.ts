import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CkvdError } from '../../src/errors.ts'
import type { AvailabilityResult } from '../../src/report/availability/availability-run.ts'
import type { ListingServer, MadeSymbol } from '../support/listing-server.ts'
import { bucketOfSymbols, startListingServer } from '../support/listing-server.ts'
import { runHere } from '../unit/cli/support.ts'

let out: string
const servers: ListingServer[] = []
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'ckvd-availability-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await rm(out, { recursive: true })
})

const serve: typeof startListingServer = async (bucket, spoil) => {
  const server = await startListingServer(bucket, spoil)
  servers.push(server)
  return server
}

const run = (server: ListingServer, ...args: string[]) =>
  runHere(['availability', '--out', out, '--listing-url', server.url, '--max-retries', '0', ...args], {
    env: { CKVD_NOW: '2024-06-01T12:00:00Z' },
  })
const read = (name: string) => readFile(join(out, name), 'utf8')

const made = (
  market: MadeSymbol['market'],
  symbol: string,
  first: string,
  last = '2024-05-31',
  more: Partial<MadeSymbol> = {},
): MadeSymbol => ({
  ...{ market, symbol, first, last, intervals: ['1m', '1h'] },
  ...more,
})

/** Three bases in all markets but for one, which ended; LUNAUSDT has a hole. */
const MARKETS = [
  ...[made('spot', 'BTCUSDT', '2017-08-17'), made('um', 'BTCUSDT', '2019-12-31'), made('cm', 'BTCUSD_PERP', '2020-08-11')],
  ...[made('spot', 'ETHUSDT', '2017-08-17'), made('um', 'ETHUSDT', '2019-12-31'), made('cm', 'ETHUSD_PERP', '2020-08-11')],
  ...[
    made('spot', 'LUNAUSDT', '2020-08-21', '2023-02-10', { missing: ['2022-05-14', '2022-05-15', '2022-05-30'] }),
    made('um', 'LUNAUSDT', '2021-01-28', '2022-05-12'),
  ],
]

describe('ckvd availability', () => {
  it('finds the last day of every series wherever it ended, by few requests', async () => {
    const lasts = Array.from({ length: 119 }, (_, i) => new Date(Date.UTC(2015, 0, 1 + i * 29)).toISOString().slice(0, 10))
    const symbols = lasts.map((last, i) => made('um', `S${i}USDT`, i % 2 === 0 ? '2014-06-01' : last, last))
    const server = await serve(bucketOfSymbols(symbols))
    expect((await run(server, '--market', 'um', '--as-of', '2024-05-20')).exit).toBe(0)
    const cached = (await read('.availability-cache.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { symbol: string; days: { kind: string; last: string } })
    expect(cached.map(({ symbol, days }) => [symbol, days.kind, days.last]).sort()).toEqual(
      lasts.map((last, i) => [`S${i}USDT`, 'ends', last]).sort(),
    )
    // for its intervals, its first day, the guess, and at most 4 for halving ten years
    const costs = lasts.map((_, i) => server.requests.filter((url) => url.includes(`klines/S${i}USDT/`)).length)
    expect(Math.max(...costs)).toBeLessThanOrEqual(7)
    expect(costs.at(-1)).toBe(3)
  })

  it('lists each symbol anew only when the cache is too old, of another listing, or tells too little', async () => {
    const server = await serve(bucketOfSymbols(MARKETS))
    const cost = async (...args: string[]) => {
      const before = server.requests.length
      const result = await run(server, ...args)
      expect(result.exit).toBe(0)
      return server.requests.length - before
    }
    const symbolLists = 3
    const first = await cost()
    expect(first).toBeGreaterThan(symbolLists + 8 * 3 - 1)
    expect(await cost()).toBe(symbolLists)
    expect(await cost('--json')).toBeGreaterThan(symbolLists + 8 * 2)
    expect(await cost('--html')).toBe(symbolLists)
    expect(await cost('--as-of', '2022-01-01')).toBe(symbolLists)
    expect(await cost('--max-age', '0')).toBe(first)
    const other = await serve(bucketOfSymbols(MARKETS))
    await run(other)
    expect(other.requests.length).toBe(first)
  })

  it('goes on where an interrupted run stopped, also after a torn line', async () => {
    const interrupt = new AbortController()
    let asked = 0
    const server = await serve(bucketOfSymbols(MARKETS), (query) => {
      if (query.get('prefix')?.endsWith('/1m/') === true && ++asked === 8) interrupt.abort(new CkvdError('CKVD_ABORTED', 'Interrupted.'))
      return undefined
    })
    const args = ['availability', '--out', out, '--listing-url', server.url, '--concurrency', '1']
    const stopped = await runHere(args, { env: { CKVD_NOW: '2024-06-01T12:00:00Z' }, signal: interrupt.signal })
    expect(stopped.exit).toBe(130)
    expect(await readdir(out)).toEqual(['.availability-cache.jsonl'])
    await appendFile(join(out, '.availability-cache.jsonl'), '{"format":1,"url":"')
    const before = server.requests.length
    const { exit, stdout } = await runHere(args, { env: { CKVD_NOW: '2024-06-01T12:00:00Z' } })
    expect({ exit, cached: /(\d) symbols from the cache/.exec(stdout)?.[1] }).toEqual({ exit: 0, cached: '3' })
    expect(server.requests.slice(before).some((url) => url.includes('spot/daily/klines/BTCUSDT'))).toBe(false)
    expect(
      (await read('.availability-cache.jsonl'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { symbol: string }).symbol),
    ).toHaveLength(8)
  })

  it('fails a symbol whose second page is an error, says so, and nothing else', async () => {
    const server = await serve(bucketOfSymbols(MARKETS), (query) => {
      const second = query.get('prefix') === 'data/futures/um/daily/klines/ETHUSDT/1m/' && query.has('marker')
      return second ? { status: 200, body: '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>' } : undefined
    })
    const { exit, stdout, stderr } = await run(server, '--json')
    expect(exit).toBe(3)
    const result = JSON.parse(stdout) as AvailabilityResult
    expect(result.problems).toEqual([
      { market: 'um', symbol: 'ETHUSDT', code: 'CKVD_LISTING', message: expect.stringContaining('ETHUSDT') as string },
    ])
    expect(result.symbols.map(({ market, symbol }) => `${market} ${symbol}`)).toEqual(
      MARKETS.map(({ market, symbol }) => `${market} ${symbol}`)
        .filter((name) => name !== 'um ETHUSDT')
        .sort(byMarket),
    )
    expect(await read('um_earliest_dates.csv')).not.toContain('ETHUSDT')
    expect(await read('spot_earliest_dates.csv')).toContain('ETHUSDT')
    const text = await run(server)
    expect([text.exit, text.stderr]).toEqual([3, expect.stringContaining('um ETHUSDT  CKVD_LISTING: Expected a page of an S3 listing')])
    expect(stderr).toBe('')
  })

  it('writes nothing when the symbols of a market cannot be listed whole, or the listing is empty', async () => {
    const many = Array.from({ length: 1001 }, (_, i) => made('um', `A${i}USDT`, '2024-05-01'))
    const broken = await serve(bucketOfSymbols([...MARKETS, ...many]), (query) =>
      query.get('prefix') === 'data/futures/um/daily/klines/' && query.has('marker') ? { status: 503, body: 'slow down' } : undefined,
    )
    expect((await run(broken)).exit).toBe(4)
    const empty = await serve(bucketOfSymbols(MARKETS.filter(({ market }) => market !== 'cm')))
    const { exit, stderr } = await run(empty)
    expect([exit, stderr]).toEqual([
      3,
      expect.stringContaining('Expected symbols of cm below data/futures/cm/daily/klines/, the listing has none.'),
    ])
    expect((await readdir(out)).filter((name) => name.endsWith('.csv'))).toEqual([])
  })

  it('stops early when symbol after symbol fails, instead of waiting for two thousand of them', async () => {
    const many = Array.from({ length: 200 }, (_, i) => made('um', `A${i}USDT`, '2024-05-01'))
    const server = await serve(bucketOfSymbols(many), (query) =>
      query.get('prefix')?.includes('USDT/') === true ? { status: 503, body: '' } : undefined,
    )
    const { exit, stderr } = await run(server, '--market', 'um', '--concurrency', '4')
    expect([exit, stderr]).toEqual([4, expect.stringContaining('CKVD_UNREACHABLE')])
    expect(server.requests.length).toBeLessThan(20)
  })

  it('gives the universe as it was on a day', async () => {
    const server = await serve(bucketOfSymbols(MARKETS))
    const then = await run(server, '--as-of', '2022-05-12')
    expect([then.exit, then.stdout]).toEqual([0, expect.stringMatching(/^spot +3 +3 +0 +2017-08-17 +2022-05-12/m)])
    expect((await read('spot_um_usdt_filtered.csv')).match(/^spot,\w+/gm)).toEqual(['spot,BTCUSDT', 'spot,ETHUSDT', 'spot,LUNAUSDT'])
    expect((await run(server)).exit).toBe(0)
    expect((await read('spot_um_usdt_filtered.csv')).match(/^spot,\w+/gm)).toEqual(['spot,BTCUSDT', 'spot,ETHUSDT'])
    expect(await read('spot_earliest_dates.csv')).toContain('LUNAUSDT,2020-08-21')
    expect((await run(server, '--as-of', '2020-08-01')).exit).toBe(0)
    expect(await read('cm_earliest_dates.csv')).toBe('market,symbol,earliest_date,available_intervals\n')
  })

  it('feeds ingest unchanged, and a line taken out takes its symbol out', async () => {
    const server = await serve(bucketOfSymbols(MARKETS))
    expect((await run(server)).exit).toBe(0)
    const plan = async (file: string) => {
      const args = [
        'ingest',
        '--universe',
        join(out, file),
        '--no-rest',
        '--archives',
        'daily',
        '--dry-run',
        '--json',
        '--lake',
        join(out, 'lake'),
      ]
      const { exit, stdout } = await runHere([...args, '--start', '2024-05-01', '--listing-url', server.url], {
        env: { CKVD_NOW: '2024-06-01T12:00:00Z' },
      })
      const result = JSON.parse(stdout) as { series: { symbol: string; days: number }[] }
      return { exit, series: result.series.map(({ symbol, days }) => `${symbol} ${days}`).sort() }
    }
    expect(await plan('spot_synchronal.csv')).toEqual({ exit: 0, series: ['BTCUSDT 31', 'ETHUSDT 31'] })
    const lines = (await read('spot_synchronal.csv')).split('\n')
    await writeFile(join(out, 'mine.csv'), lines.filter((line) => !line.startsWith('spot,BTCUSDT')).join('\n'))
    expect(await plan('mine.csv')).toEqual({ exit: 0, series: ['ETHUSDT 31'] })
  })

  it('lists one market alone, and tells days as CSV and as a table that fits', async () => {
    const server = await serve(bucketOfSymbols(MARKETS))
    const csv = await run(server, '--market', 'spot', '--csv')
    expect(csv.stdout.split('\n').at(-2)).toBe('spot,LUNAUSDT,spot,,LUNA,USDT,2020-08-21,2023-02-10,false,901,3,1m,"1h,1m"')
    expect((await readdir(out)).sort()).toEqual(['.availability-cache.jsonl', 'spot_earliest_dates.csv'])
    const text = await run(server)
    expect(text.stdout).toMatch(/^spot +3 +2 +1 +2017-08-17 +2024-05-31/m)
    expect(
      Math.max(
        ...text.stdout
          .split('\nAs of')[0]!
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80)
  })

  it.each([
    [['--as-of', '2024-06-02'], 'Expected `--as-of` to be at most today (2024-06-01), got 2024-06-02.'],
    [['--as-of', '2024-02-30'], 'a day of the calendar'],
    [['--quote', 'US DT'], 'Expected `--quote` to be an asset'],
    [['--recent-days', '-1'], 'Expected `--recent-days`'],
  ])('refuses %j', async (args, message) => {
    const server = await serve(bucketOfSymbols(MARKETS))
    const { exit, stderr } = await run(server, ...args)
    expect([exit, stderr]).toEqual([2, expect.stringContaining(message)])
    expect([server.requests.length, await readdir(out)]).toEqual([0, []])
  })

  it('works on the sandbox exchange', async () => {
    const { exit, stdout } = await runHere(['availability', '--sandbox', '--out', out], { env: { CKVD_NOW: '2024-06-01T12:00:00Z' } })
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^spot +\d+/m)
    expect((await read('spot_synchronal.csv')).split('\n').length).toBeGreaterThan(2)
  })
})

function byMarket(a: string, b: string): number {
  const rank = (name: string) => `${['spot', 'um', 'cm'].indexOf(name.split(' ')[0] ?? '')}${name}`
  return rank(a) < rank(b) ? -1 : 1
}
