import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DryRunResult } from '../../src/index.ts'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'

const MARKETS = [
  { market: 'spot', symbol: 'BTCUSDT', firstDay: '2024-01-01' },
  { market: 'spot', symbol: 'ETHUSDT', firstDay: '2024-01-01' },
  { market: 'um', symbol: 'BTCUSDT', firstDay: '2024-01-01' },
  { market: 'um', symbol: '1000PEPEUSDT', firstDay: '2024-01-01' },
  { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2024-01-01' },
] as const

const RANGE = ['--intervals', '1h', '--start', '2024-02-01', '--end', '2024-02-03'] as const

let world: World

beforeAll(async () => {
  world = await createWorld({ now: '2024-03-10T12:00:00Z', markets: MARKETS })
})
afterAll(() => world[Symbol.asyncDispose]())

/** `market symbol` of each series of a plan. */
async function planned(args: readonly string[], stdin = ''): Promise<string[]> {
  const { series } = jsonOf(await world.ckvd(['ingest', ...args, ...RANGE, '--dry-run', '--json'], stdin)) as DryRunResult
  return series.map(({ market, symbol }) => `${market} ${symbol}`)
}

test('symbols are arguments, spot by default: they are stored', async () => {
  const { exit, stdout } = await world.ckvd(['ingest', 'BTCUSDT', 'ETHUSDT', ...RANGE])
  expect([exit, stdout]).toEqual([0, expect.stringContaining('Every requested day is stored')])
  expect(world.days().map(({ symbol, day, condition }) => `${symbol} ${day} ${condition}`)).toEqual([
    'BTCUSDT 2024-02-01 complete',
    'BTCUSDT 2024-02-02 complete',
    'ETHUSDT 2024-02-01 complete',
    'ETHUSDT 2024-02-02 complete',
  ])
})

describe('what is asked for', () => {
  const SPOT = ['spot BTCUSDT', 'spot ETHUSDT']
  test.each([
    ['symbols', ['btcusdt', 'ETHUSDT', 'BTCUSDT'], SPOT],
    ['symbols with commas', ['BTCUSDT,ETHUSDT'], SPOT],
    ['--symbols', ['--symbols', 'BTCUSDT,ETHUSDT'], SPOT],
    ['symbols and --symbols', ['ETHUSDT', '--symbols', 'BTCUSDT'], SPOT],
    ['as other programs write symbols', ['BTC/USDT', 'eth/usdt'], SPOT],
    ['as ccxt writes contracts', ['BTC/USDT:USDT', '--market', 'um'], ['um BTCUSDT']],
    ['as ccxt writes COIN-M contracts', ['BTC/USD:BTC', '--market', 'cm'], ['cm BTCUSD_PERP']],
    ['a pair of COIN-M', ['BTC/USD', '--market', 'coinm'], ['cm BTCUSD_PERP']],
    ['--market usdm', ['BTCUSDT', '--market', 'usdm'], ['um BTCUSDT']],
    ['--market usd-m', ['BTCUSDT', '--market', 'USD-M'], ['um BTCUSDT']],
    ['--market futures/um', ['BTCUSDT', '--market', 'futures/um'], ['um BTCUSDT']],
    ['--market futures/cm', ['BTCUSD_PERP', '--market', 'futures/cm'], ['cm BTCUSD_PERP']],
  ])('%s', async (_what, args, series) => {
    expect(await planned(args)).toEqual(series)
  })

  test.each([
    ['a plain list is of spot', [], 'BTCUSDT\nETHUSDT\n', SPOT],
    ['a plain list with --market', ['--market', 'um'], 'BTCUSDT\n1000PEPEUSDT\n', ['um 1000PEPEUSDT', 'um BTCUSDT']],
    ['a plain list as other programs write it', [], 'BTC/USDT\n', ['spot BTCUSDT']],
    ['symbols filter a list', ['ETH/USDT'], 'BTCUSDT\nETHUSDT\n', ['spot ETHUSDT']],
    [
      'a CSV keeps its markets',
      [],
      'market,symbol,earliest_date,available_intervals\nspot,BTCUSDT,2024-01-01,1h\nusdm,BTCUSDT,2024-01-01,1h\n',
      ['spot BTCUSDT', 'um BTCUSDT'],
    ],
  ])('%s', async (_what, args, stdin, series) => {
    expect(await planned(['--universe', '-', ...args], stdin)).toEqual(series)
  })
})

describe('what is refused names the line that works', () => {
  const run = (args: readonly string[]) => world.ckvd(['ingest', ...args, '--start', '2024-02-01', '--dry-run'])
  test.each([
    ['nothing', [], /Expected symbols or `--universe FILE`, got neither: for example `ckvd ingest BTCUSDT --start 2024-01-01`/],
    ['a symbol for a universe', ['--universe', 'BTCUSDT'], /no such file.* Did you mean `ckvd ingest BTCUSDT`\?/],
    ['a symbol of another market', ['BTCUSDT', '--market', 'cm'], /Did you mean BTCUSD_PERP\?/],
    ['what is no symbol', ['BTC USDT'], /Expected `symbols` to be symbols .*, such as BTCUSDT,ETHUSDT, got "BTC USDT"/],
    ['an interval that the market has not', ['BTCUSDT', '--market', 'um', '--intervals', '1s'], /no symbol with interval 1s/],
    ['--map-market without a universe', ['BTCUSDT', '--map-market', 'um'], /`--universe FILE` with `--map-market um`/],
  ])('%s', async (_what, args, message) => {
    const { exit, stdout, stderr } = await run(args)
    expect([exit, stdout, stderr]).toEqual([2, '', expect.stringMatching(message)])
  })
})

describe('near misses are named, from the listing', () => {
  test.each([
    ['a letter too many', 'BTCUSDTT', 'spot', 'Did you mean BTCUSDT?'],
    ['two letters swapped', 'BTCUSTD', 'spot', 'Did you mean BTCUSDT?'],
    ['a base alone', 'ETH', 'spot', 'Did you mean ETHUSDT?'],
    ['with a hyphen', 'btc-usdt', 'spot', 'Did you mean BTCUSDT?'],
    ['of another market', '1000PEPEUSDT', 'spot', 'It is listed in um: --market um.'],
    ['a start of a name', 'PEPEUSDT', 'um', 'Did you mean 1000PEPEUSDT?'],
  ])('%s', async (_what, symbol, market, advice) => {
    const ingested = await world.ckvd(['ingest', symbol, '--market', market, ...RANGE])
    expect([ingested.exit, ingested.stdout]).toEqual([3, expect.stringContaining(advice)])
    const range = ['--interval', '1h', '--start', '2024-02-01', '--end', '2024-02-03']
    const fetched = await world.ckvd(['fetch', symbol, '--market', market, ...range])
    expect([fetched.exit, fetched.stdout, fetched.stderr]).toEqual([3, '', expect.stringContaining(advice)])
  })

  test('without REST, too; and nothing where nothing is near', async () => {
    const near = await world.ckvd(['ingest', 'BTCUSDTT', ...RANGE, '--no-rest'])
    expect(near.stdout).toContain('Did you mean BTCUSDT?')
    const far = await world.ckvd(['ingest', 'QQQQQQQQ', ...RANGE])
    expect(far.stdout).toContain('Neither the archive listing nor REST knows spot QQQQQQQQ 1h.')
    expect(far.stdout).not.toMatch(/Did you mean|listed in/)
  })

  test('many are looked up in one reading of the listing', async () => {
    world.clearRequests()
    await world.ckvd(['ingest', 'BTCUSDTT', 'BTCUSTD', 'EHTUSDT', ...RANGE])
    expect(world.requests('listing', /prefix=data\/spot\/daily\/klines\/(&|$)/)).toHaveLength(1)
  })
})

describe('ranges as users write them', () => {
  async function rangeOf(...flags: string[]): Promise<unknown> {
    const args = ['ingest', 'BTCUSDT', '--intervals', '1h', ...flags, '--dry-run', '--json']
    return (jsonOf(await world.ckvd(args)) as DryRunResult).series.map(({ first, last }) => [first, last])
  }

  test.each([
    ['--start of a month', ['--start', '2024-02', '--end', '2024-02-04'], ['2024-02-01', '2024-02-03']],
    ['--month', ['--month', '2024-02'], ['2024-02-01', '2024-02-29']],
    ['--month that still runs', ['--month', '2024-03'], ['2024-03-01', '2024-03-09']],
  ])('%s', async (_what, flags, range) => {
    expect(await rangeOf(...flags)).toEqual([range])
  })

  test.each([
    ['ingest', ['BTCUSDT', '--dry-run']],
    ['fetch', ['BTCUSDT', '--interval', '1h']],
    ['coverage', []],
    ['export', ['--out', 'export']],
    ['resample', ['--to', '1d']],
  ])('%s: an --end of a month is refused with both readings, --month with its first day is one month', async (command, args) => {
    const end = await world.ckvd([command, ...args, '--start', '2024-01-01', '--end', '2024-02'])
    expect([end.exit, end.stderr]).toEqual([
      2,
      expect.stringContaining(
        'Expected `--end` to be a day, got "2024-02": --end 2024-02-01 leaves that month out, --end 2024-03-01 takes it in (the end is excluded).',
      ),
    ])
    const both = await world.ckvd([command, ...args, '--month', '2024-02', '--end', '2024-02-04'])
    expect([both.exit, both.stderr]).toEqual([2, expect.stringContaining('Expected `--month` or `--start` and `--end`, got both')])
    const none = await world.ckvd([command, ...args, '--month', '2024-13'])
    expect([none.exit, none.stderr]).toEqual([2, expect.stringContaining('Expected `--month` to be a month as YYYY-MM, got "2024-13"')])
    const ahead = await world.ckvd([command, ...args, '--month', '2024-04'])
    expect([ahead.exit, ahead.stderr]).toEqual([2, expect.stringContaining('Expected `--month` to have begun')])
  })

  test('fetch takes a month', async () => {
    const lines = async (...flags: string[]) =>
      (await world.ckvd(['fetch', 'BTC/USDT', '--interval', '4h', '--format', 'csv', ...flags])).stdout
        .split('\n')
        .map((line) => line.replace(/,\w+$/, '')) // the source, which is the lake the second time
    const month = await lines('--month', '2024-02')
    expect([month.length - 2, month[1]?.slice(0, 10), month.at(-2)?.slice(0, 13)]).toEqual([29 * 6, '2024-02-01', '2024-02-29T20'])
    expect(await lines('--start', '2024-02', '--end', '2024-03-01')).toEqual(month)
  })
})

describe('an end on the last day of a month', () => {
  const HINT = '2024-02-29 itself is left out (the end is excluded). One day more, --end 2024-03-01, takes the whole month in one archive.'
  const plan = async (...flags: string[]) => {
    const { stdout } = await world.ckvd(['ingest', 'BTCUSDT', '--intervals', '1h', ...flags, '--dry-run'])
    return stdout
  }

  test('the plan says that the day is left out', async () => {
    expect(await plan('--start', '2024-02-01', '--end', '2024-02-29')).toContain(HINT)
    const run = await world.ckvd(['ingest', 'ETHUSDT', '--intervals', '1d', '--start', '2024-02-01', '--end', '2024-02-29'])
    expect(run.stderr).toContain(HINT)
  })

  test('of a month that is not taken whole it speaks of the day alone', async () => {
    const text = await plan('--start', '2024-02-10', '--end', '2024-02-29')
    expect(text).toContain('2024-02-29 itself is left out (the end is excluded). --end 2024-03-01 takes it in.')
    expect(text).not.toContain('archive.')
  })

  test.each([
    ['any other day', '2024-02-28'],
    ['the day after the month', '2024-03-01'],
  ])('%s is no reason to speak', async (_what, end) => {
    expect(await plan('--start', '2024-02-01', '--end', end)).not.toContain('left out')
  })
})

describe('--dry-run --csv', () => {
  test('prints a line an archive', async () => {
    const args = ['ingest', 'ETHUSDT', 'BTCUSDT', '--intervals', '1d', '--start', '2024-01-30', '--end', '2024-03-03', '--dry-run']
    const { exit, stdout } = await world.ckvd([...args, '--csv'])
    const [head, ...lines] = stdout.trimEnd().split('\n')
    expect([exit, head]).toEqual([0, 'market,symbol,interval,packaging,day,bytes,url,dataset'])
    const rows = lines.map((line) => line.split(','))
    const { total } = jsonOf(await world.ckvd([...args, '--json'])) as DryRunResult
    expect(rows).toHaveLength(total.archives.daily + total.archives.monthly)
    expect(rows.reduce((sum, row) => sum + Number(row[5]), 0)).toBe(total.bytes)
    const eth = rows.filter(([, symbol]) => symbol === 'ETHUSDT')
    expect(eth.map(([market, , interval, packaging, day]) => [market, interval, packaging, day].join(' '))).toContain(
      'spot 1d monthly 2024-02-01',
    )
    const url = eth.find(([, , , packaging]) => packaging === 'monthly')?.[6] ?? ''
    expect(url).toMatch(/\/data\/spot\/monthly\/klines\/ETHUSDT\/1d\/ETHUSDT-1d-2024-02\.zip$/)
    expect((await fetch(url)).status).toBe(200)
  })

  test('belongs to --dry-run', async () => {
    const { exit, stderr } = await world.ckvd(['ingest', 'BTCUSDT', '--csv'])
    expect([exit, stderr]).toEqual([2, expect.stringContaining('Expected `--dry-run` with `--csv`')])
  })
})

test('symbols of a list that are not in it are refused', async () => {
  const path = join(world.folder, 'list.txt')
  await writeFile(path, 'BTCUSDT\n')
  const { exit, stderr } = await world.ckvd(['ingest', 'ETHUSDT', '--universe', path])
  expect([exit, stderr]).toEqual([2, expect.stringContaining('it has no ETHUSDT')])
})
