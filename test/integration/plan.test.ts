import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DryRunResult } from '../../src/ingest/dry-run.ts'
import { ingestCommand, ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { SHARED } from '../support/shared.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'

let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, {
    markets: [
      // 658 days: their daily archives and CHECKSUMs take two pages of a listing
      { market: 'spot', symbol: 'LONGUSDT', firstDay: '2022-06-01' },
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' },
      { market: 'um', symbol: 'AAAUSDT', firstDay: '2024-03-11', opensAt: '07:00' },
    ],
  })
})

afterAll(() => exchange[Symbol.asyncDispose]())

beforeEach(() => {
  exchange.sandbox.setFaults([])
  exchange.sandbox.clearRequests()
})

function ingest(lake: string, symbols: string, ...flags: string[]) {
  const args = ingestCommand(lake, '--json', '--quiet', ...flags)
  return runHere(args, { env: exchange.env, stdin: symbols })
}

async function dryRun(lake: string, symbols: string, ...flags: string[]): Promise<DryRunResult> {
  return jsonOf(await ingest(lake, symbols, '--dry-run', ...flags)) as DryRunResult
}

/** Sizes of archives as their own answers state them. */
async function sizeOf(keys: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    keys.map(async (key) =>
      Number((await fetch(`${exchange.sandbox.urls.vision}/${key}`, { method: 'HEAD' })).headers.get('content-length')),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function days(prefix: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${prefix}-${String(from + i).padStart(2, '0')}.zip`)
}

describe('--dry-run', () => {
  test('prints archives, bytes and days a series and in sum, and touches nothing', async () => {
    await using directory = await createTempDirectory()
    const result = await dryRun(directory.lake, 'AAAUSDT', '--start', '2024-01-15', '--end', '2024-03-11')
    expect([...exchange.requests('archive'), ...exchange.requests('checksum'), ...exchange.requests('rest')]).toEqual([])
    const daily = 'data/spot/daily/klines/AAAUSDT/1h/AAAUSDT-1h-2024'
    // one daily archive of the month is a sample with which the month is compared; all are of one size here
    const sample = days(`${daily}-02`, 7, 7)
    const bytes = await sizeOf([
      `${daily}-02.zip`.replace('daily', 'monthly'),
      ...sample,
      ...days(`${daily}-01`, 15, 31),
      ...days(`${daily}-03`, 1, 10),
    ])
    const numbers = { days: 17 + 29 + 10, stored: 0, archives: { daily: 28, monthly: 1 }, rest_days: 0, bytes }
    expect(result).toMatchObject({ command: 'ingest', exit: 0, total: numbers })
    // three files in whole blocks, two folders, and what the catalog keeps of 56 days
    const bars = (17 + 29 + 10) * 24 * 88
    expect(result.total.disk_bytes).toBeGreaterThan(bars + 2 * 4096)
    expect(result.total.disk_bytes).toBeLessThan(bars + 3 * 2 * 4096 + 2 * 4096 + 56 * 200)
    const { disk_bytes } = result.total
    expect(result.series).toEqual([
      {
        dataset: 'klines',
        market: 'spot',
        symbol: 'AAAUSDT',
        interval: '1h',
        first: '2024-01-15',
        last: '2024-03-10',
        ...numbers,
        disk_bytes,
      },
    ])
    expect(Object.keys(result)).toEqual(expect.arrayContaining(['command', 'exit', 'series', 'total']))
    expect(await listFiles(directory.path)).toEqual([])
  })

  test('leaves a lake that is there as it is, and counts what it holds', async () => {
    await using directory = await createTempDirectory()
    await ingest(directory.lake, 'AAAUSDT', '--start', '2024-03-01', '--end', '2024-03-06')
    const before = await digestTree(directory.path)
    const result = await dryRun(directory.lake, 'AAAUSDT', '--start', '2024-03-01', '--end', '2024-03-09')
    expect(result.total).toMatchObject({ days: 8, stored: 5, archives: { daily: 3, monthly: 0 } })
    expect(await digestTree(directory.path)).toEqual(before)
  })

  test('the table for people has the same numbers', async () => {
    await using directory = await createTempDirectory()
    const args = ingestCommand(directory.lake, '--dry-run', '--start', '2024-03-01', '--end', '2024-03-06')
    const { exit, stdout } = await runHere(args, { env: exchange.env, stdin: 'AAAUSDT' })
    expect(exit).toBe(0)
    expect(stdout).toMatch(/spot AAAUSDT 1h.*2024-03-01.*2024-03-05.*5.*0.*5.*0.*0/)
    expect(stdout).toMatch(/sum of 1/)
  })
})

describe('which archives are taken', () => {
  test.each([
    // a sample of one day is compared with the month
    ['auto', { daily: 27 + 1, monthly: 1 }, 0],
    ['daily', { daily: 56, monthly: 0 }, 0],
    // March has no monthly archive yet: REST is left
    ['monthly', { daily: 0, monthly: 2 }, 10],
  ])('--archives %s', async (choice, archives, restDays) => {
    await using directory = await createTempDirectory()
    const planned = await dryRun(directory.lake, 'AAAUSDT', '--start', '2024-01-15', '--end', '2024-03-11', '--archives', choice)
    expect(planned.total).toMatchObject({ days: 56, archives, rest_days: restDays })
    exchange.sandbox.clearRequests()
    const result = ingestResult(
      await ingest(directory.lake, 'AAAUSDT', '--start', '2024-01-15', '--end', '2024-03-11', '--archives', choice),
    )
    expect(result).toMatchObject({ exit: 0, stored: 56, problems: [] })
    expect(exchange.requests('archive')).toHaveLength(archives.daily + archives.monthly)
    expect(exchange.requests('archive', /\/monthly\//)).toHaveLength(archives.monthly)
  })

  test('3d, 1w and 1M come from monthly archives, a chunk a month in a pack of the year, 1M written 1mo', async () => {
    await using directory = await createTempDirectory()
    const result = ingestResult(
      await ingest(directory.lake, 'AAAUSDT', '--intervals', '3d,1w,1mo', '--start', '2024-01-10', '--end', '2024-03-01', '--no-rest'),
    )
    expect(result).toMatchObject({ exit: 0, stored: 6, problems: [] })
    expect(await listFiles(join(directory.lake, 'data/spot'))).toEqual([
      'yearly/klines/AAAUSDT/1mo/AAAUSDT-1mo-2024.arrow',
      'yearly/klines/AAAUSDT/1w/AAAUSDT-1w-2024.arrow',
      'yearly/klines/AAAUSDT/3d/AAAUSDT-3d-2024.arrow',
    ])
    const chunks = await readStoredChunks(directory.lake)
    expect(chunks.map(({ metadata, day }) => `${metadata.get('ckvd.interval')} ${day}`)).toEqual(
      ['1M', '1w', '3d'].flatMap((interval) => [`${interval} 2024-01-01`, `${interval} 2024-02-01`]),
    )
    expect(exchange.requests('archive', /\/daily\//)).toEqual([])
    const rows = queryCatalog<{ interval: string; day: string }>(directory.lake, 'SELECT interval, day FROM days ORDER BY interval, day')
    expect(rows.map(({ interval, day }) => `${interval} ${day}`)).toEqual([
      '1M 2024-01-01',
      '1M 2024-02-01',
      '1w 2024-01-01',
      '1w 2024-02-01',
      '3d 2024-01-01',
      '3d 2024-02-01',
    ])
  })

  test('a month is a chunk of 3d, 1w and 1M only once its last bar has closed', async () => {
    await using directory = await createTempDirectory()
    // 2024-02-26 opens a week that closes on 2024-03-04
    const planAt = async (now: string) => {
      const args = ingestCommand(directory.lake, '--intervals', '1w', '--json', '--dry-run', '--start', '2024-02-01')
      return (jsonOf(await runHere(args, { env: { ...exchange.env, CKVD_NOW: now }, stdin: 'AAAUSDT' })) as DryRunResult).total.days
    }
    expect(await planAt('2024-03-03T23:59:00Z')).toBe(0)
    expect(await planAt('2024-03-04T00:00:00Z')).toBe(1)
  })
})

describe('a listing that fails', () => {
  test.each([
    ['with an error on its second page', { kind: 'status' as const, status: 500, match: '/listing.*LONGUSDT.*marker=' }, 'CKVD_HTTP_BUSY'],
    ['with a second page that is cut', { kind: 'listing-cut' as const, match: '/listing.*LONGUSDT.*marker=' }, 'CKVD_LISTING'],
    ['with an HTML page instead of its second page', { kind: 'html' as const, match: '/listing.*LONGUSDT.*marker=' }, 'CKVD_LISTING'],
  ])('%s fails its series and no other, and never shortens it', async (_name, fault, code) => {
    exchange.sandbox.setFaults([fault])
    await using directory = await createTempDirectory()
    const result = ingestResult(await ingest(directory.lake, 'LONGUSDT\nAAAUSDT', '--archives', 'daily', '--end', '2024-01-15'))
    expect(result).toMatchObject({
      exit: 3,
      series: 2,
      stored: 5,
      days: { complete: 5, failed: 1 },
      problems: [{ symbol: 'LONGUSDT', interval: '1h', day: null, condition: 'failed', code }],
    })
    expect(exchange.requests('archive', /LONGUSDT/)).toEqual([])
    expect((await listFiles(join(directory.lake, 'data'))).every((file) => file.includes('AAAUSDT'))).toBe(true)
    const planned = await dryRun(directory.lake, 'LONGUSDT\nAAAUSDT', '--archives', 'daily', '--end', '2024-01-15')
    expect(planned).toMatchObject({ exit: 3, problems: [{ symbol: 'LONGUSDT', code }] })
    expect(planned.series.map(({ symbol }) => symbol)).toEqual(['AAAUSDT'])
  })

  test('is read page by page, never an archive at a time, and from the first day that is not settled', async () => {
    await using directory = await createTempDirectory()
    const planned = await dryRun(directory.lake, 'LONGUSDT', '--archives', 'daily')
    expect(planned.total.archives.daily).toBe(658)
    expect(exchange.requests('listing').length).toBeLessThanOrEqual(3)
    await ingest(directory.lake, 'LONGUSDT', '--start', '2024-03-01', '--end', '2024-03-10')
    exchange.sandbox.clearRequests()
    await ingest(directory.lake, 'LONGUSDT', '--start', '2024-03-01', '--end', '2024-03-12')
    const markers = exchange.requests('listing', /marker=/).map(({ path }) => /marker=([^&]*)/.exec(path)?.[1])
    expect(markers).toEqual(['data/spot/daily/klines/LONGUSDT/1h/LONGUSDT-1h-2024-03-10'])
  })

  test('a symbol that neither the listing nor REST knows fails, and only it', async () => {
    await using directory = await createTempDirectory()
    const result = ingestResult(await ingest(directory.lake, 'NOSUCHUSDT\nAAAUSDT', '--start', '2024-03-01', '--end', '2024-03-03'))
    expect(result).toMatchObject({
      exit: 3,
      stored: 2,
      problems: [{ symbol: 'NOSUCHUSDT', day: null, condition: 'failed', code: 'CKVD_UNKNOWN_SYMBOL' }],
    })
  })
})

describe('the universe on the command line', () => {
  test('a file with a byte order mark, CRLF, blank lines and lower case; all intervals that the listing has', async () => {
    await using directory = await createTempDirectory()
    const file = join(directory.path, 'list.txt')
    await writeFile(file, '\uFEFFaaausdt\r\n\r\n')
    const args = [
      'ingest',
      '--universe',
      'list.txt',
      '--market',
      'um',
      '--intervals',
      'all',
      '--lake',
      directory.lake,
      '--json',
      '--dry-run',
    ]
    const planned = jsonOf(await runHere(args, { env: exchange.env, cwd: directory.path })) as DryRunResult
    const chunked = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d']
    expect(
      planned.series
        .filter(({ days }) => days > 0)
        .map(({ symbol, interval, first, days }) => `${symbol} ${interval} ${first} ${days}`)
        .sort(),
    ).toEqual(chunked.map((interval) => `AAAUSDT ${interval} 2024-03-11 9`).sort())
  })

  test.each([
    [
      'an unknown market',
      'market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-01-10,1h\nswap,BBBUSDT,2024-01-10,1h\n',
      /line 3, column 1 \(market\).*swap/,
    ],
    ['an impossible date', 'market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-02-30,1h\n', /line 2, column 3.*2024-02-30/],
    [
      'a symbol that would leave its folder',
      'market,symbol,earliest_date,available_intervals\nspot,../AAA,2024-01-10,1h\n',
      /line 2, column 2/,
    ],
    [
      'a series twice',
      'market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-01-10,1h\nspot,aaausdt,2024-01-10,1h\n',
      /line 3/,
    ],
  ])('%s refuses the whole file with line and column, exit 2, before any request', async (_name, text, message) => {
    await using directory = await createTempDirectory()
    const result = await runHere(['ingest', '--universe', '-', '--intervals', '1h', '--lake', directory.lake], {
      env: exchange.env,
      stdin: text,
    })
    expect(result.exit).toBe(2)
    expect(result.stderr).toMatch(message)
    expect(exchange.sandbox.requests).toEqual([])
    expect(await listFiles(directory.path)).toEqual([])
  })

  test.skipIf(SHARED === undefined)('the broken list of the seed is refused with line and column', async () => {
    await using directory = await createTempDirectory()
    const broken = await readFile(join(SHARED ?? '', 'seed/consolidated_base_symbols.csv'), 'utf8')
    const result = await runHere(['ingest', '--universe', '-', '--lake', directory.lake], { env: exchange.env, stdin: broken })
    expect(result.exit).toBe(2)
    expect(result.stderr).toMatch(/standard input, line \d+, column \d+: expected .*, found /)
    expect(await listFiles(directory.path)).toEqual([])
  })
})
