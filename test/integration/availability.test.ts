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
      { dataset: 'klines', market: 'um', symbol: 'ETHUSDT', code: 'CKVD_LISTING', message: expect.stringContaining('ETHUSDT') as string },
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

  it('writes nothing when the symbols of a market cannot be listed whole, or no market has any', async () => {
    const many = Array.from({ length: 1001 }, (_, i) => made('um', `A${i}USDT`, '2024-05-01'))
    const broken = await serve(bucketOfSymbols([...MARKETS, ...many]), (query) =>
      query.get('prefix') === 'data/futures/um/daily/klines/' && query.has('marker') ? { status: 503, body: 'slow down' } : undefined,
    )
    expect((await run(broken)).exit).toBe(4)
    const empty = await serve(bucketOfSymbols([]))
    const { exit, stderr } = await run(empty)
    expect([exit, stderr]).toEqual([
      3,
      expect.stringContaining('below data/spot/daily/klines/, the listing has none. Check --listing-url.'),
    ])
    expect(stderr).not.toMatch(/lake|retry-failed/)
    expect((await readdir(out)).filter((name) => name.endsWith('.csv'))).toEqual([])
  })

  it.each([
    ['is empty', undefined, 'the listing has none'],
    ['is no listing', { status: 200, body: '<html>maintenance</html>' }, 'Expected a page of an S3 listing'],
  ])('writes what is there when the list of one market %s, and says what is not', async (_, answer, words) => {
    const server = await serve(
      bucketOfSymbols(answer === undefined ? MARKETS.filter(({ market }) => market !== 'um') : MARKETS),
      (query) => (query.get('prefix') === 'data/futures/um/daily/klines/' ? answer : undefined),
    )
    const { exit, stdout, stderr } = await run(server, '--html')
    expect(exit).toBe(3)
    expect(stdout).toMatch(/^spot +3 +2 +1/m)
    expect(stderr).toContain('1 market could not be listed and is in no report (exit 3)')
    expect(stderr).toContain(words)
    expect((await readdir(out)).sort()).toEqual([
      ...['.availability-cache.jsonl', 'availability.html', 'cm_earliest_dates.csv', 'spot_earliest_dates.csv'],
    ])
    expect(JSON.parse((await run(server, '--json')).stdout)).toMatchObject({
      exit: 3,
      problems: [{ market: 'um', symbol: null, code: 'CKVD_LISTING' }],
    })
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

  describe('a shortlist', () => {
    const CHOICE: readonly MadeSymbol[] = [
      ...MARKETS,
      made('um', 'BTCUSDT_240628', '2024-03-29'),
      made('um', 'ETHUSDC', '2024-01-04'),
      made('spot', 'BTCUPUSDT', '2020-05-14', '2024-04-01'),
      made('spot', 'NEWUSDT', '2024-05-30'),
    ]
    const HEAD = 'market,symbol,earliest_date,available_intervals,base_symbol\n'
    const chosen = async (...args: string[]) => {
      const server = await serve(bucketOfSymbols(CHOICE))
      const result = await run(server, ...args)
      const universe = await read('universe.csv')
      expect(universe.startsWith(HEAD)).toBe(true)
      return { ...result, names: [...universe.matchAll(/^(\w+,\w+),\d/gm)].map(([, name]) => name) }
    }

    it.each([
      [
        ['--live', '--market', 'spot'],
        ['spot,BTCUSDT', 'spot,ETHUSDT', 'spot,NEWUSDT'],
      ],
      [
        ['--kind', 'delivery,leveraged'],
        ['spot,BTCUPUSDT', 'um,BTCUSDT_240628'],
      ],
      [['--quote', 'usdc'], ['um,ETHUSDC']],
      // LUNAUSDT has 900 days; 149 of ETHUSDC from 2024-01-04 to 05-31
      [
        ['--min-days', '149', '--market', 'um', '--kind', 'perpetual'],
        ['um,BTCUSDT', 'um,ETHUSDC', 'um,ETHUSDT', 'um,LUNAUSDT'],
      ],
      [
        ['--min-days', '150', '--live', '--market', 'um'],
        ['um,BTCUSDT', 'um,ETHUSDT'],
      ],
      [
        ['--symbols', 'btcusdt,NEWUSDT'],
        ['spot,BTCUSDT', 'spot,NEWUSDT', 'um,BTCUSDT'],
      ],
    ])('by %j is written as a universe', async (args, names) => {
      const result = await chosen(...args)
      expect([result.exit, result.names]).toEqual([0, names])
    })

    it('is what --csv and --json tell, and leaves the reports whole', async () => {
      const server = await serve(bucketOfSymbols(CHOICE))
      const { stdout } = await run(server, '--live', '--quote', 'USDT', '--kind', 'spot', '--csv')
      expect(stdout.match(/^\w+,\w+/gm)).toEqual(['market,symbol', 'spot,BTCUSDT', 'spot,ETHUSDT', 'spot,NEWUSDT'])
      const json = JSON.parse((await run(server, '--live', '--quote', 'USDT', '--kind', 'spot', '--json')).stdout) as AvailabilityResult
      expect(json.symbols.map(({ symbol }) => symbol)).toEqual(['BTCUSDT', 'ETHUSDT', 'NEWUSDT'])
      expect(json.universe).toBe(join(out, 'universe.csv'))
      expect(await read('universe.csv')).toBe(
        `${HEAD}spot,BTCUSDT,2017-08-17,"1h,1m",BTC\nspot,ETHUSDT,2017-08-17,"1h,1m",ETH\nspot,NEWUSDT,2024-05-30,"1h,1m",NEW\n`,
      )
      expect(await read('spot_earliest_dates.csv')).toContain('LUNAUSDT')
      const text = await run(server, '--live', '--quote', 'USDT', '--kind', 'spot')
      expect(text.stdout).toContain('3 of 12 symbols are chosen')
      expect(text.stdout).toContain(`ckvd ingest --universe ${join(out, 'universe.csv')} --dry-run`)
    })

    it('of nothing, or of a symbol that no market has, ends with 3 and says so', async () => {
      const nothing = await chosen('--quote', 'XYZ')
      expect([nothing.exit, nothing.names]).toEqual([3, []])
      expect(nothing.stderr).toContain('No symbol is chosen')
      const absent = await chosen('--symbols', 'BTCUSDT,NOSUCHUSDT')
      expect([absent.exit, absent.names]).toEqual([3, ['spot,BTCUSDT', 'um,BTCUSDT']])
      expect(absent.stderr).toContain('NOSUCHUSDT')
    })

    it('is not written where nothing is chosen by anything', async () => {
      const server = await serve(bucketOfSymbols(CHOICE))
      expect((await run(server)).exit).toBe(0)
      expect(await readdir(out)).not.toContain('universe.csv')
    })
  })

  it.each([
    ['as it is', (csv: string) => csv],
    // what `cut -d, -f1,2,7,13-` leaves
    ['cut', (csv: string) => csv.replace(/^([^,]*,[^,]*),(?:[^,]*,){4}([^,]*),(?:[^,]*,){5}(.*)$/gm, '$1,$2,$3')],
  ])('gives --csv that feeds ingest through a pipe, %s', async (_, cut) => {
    const server = await serve(bucketOfSymbols(MARKETS))
    const csv = cut((await run(server, '--live', '--quote', 'USDT', '--csv')).stdout)
    await writeFile(join(out, 'piped.csv'), csv)
    const args = ['ingest', '--universe', join(out, 'piped.csv'), '--no-rest', '--archives', 'daily', '--dry-run', '--json']
    const { exit, stdout } = await runHere([...args, '--lake', join(out, 'lake'), '--start', '2024-05-01', '--listing-url', server.url], {
      env: { CKVD_NOW: '2024-06-01T12:00:00Z' },
    })
    const { series } = JSON.parse(stdout) as { series: { market: string; symbol: string; interval: string }[] }
    expect([exit, series.map(({ market, symbol, interval }) => `${market} ${symbol} ${interval}`).sort()]).toEqual([
      0,
      ['spot BTCUSDT 1m', 'spot ETHUSDT 1m', 'um BTCUSDT 1m', 'um ETHUSDT 1m'],
    ])
  })

  it.each([
    [['--as-of', '2024-06-02'], 'Expected `--as-of` to be at most today (2024-06-01), got 2024-06-02.'],
    [['--as-of', '2024-02-30'], 'a day of the calendar'],
    [['--quote', 'US DT'], 'Expected `--quote` to be an asset'],
    [['--recent-days', '-1'], 'Expected `--recent-days`'],
    [
      ['--kind', 'perp'],
      'Expected `--kind` to be kinds separated by commas, of spot, leveraged, perpetual, delivery, settled, option, got "perp"',
    ],
    [['--min-days', '0'], 'Expected `--min-days`'],
    [['--symbols', 'BTC,'], 'Expected `--symbols`'],
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
