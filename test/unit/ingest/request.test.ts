import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { IngestRequest } from '../../../src/index.ts'
import { ingest } from '../../../src/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'
import { runHere } from '../cli/support.ts'

const NOW = '2024-03-20T12:00:00Z'

beforeEach(() => void vi.stubEnv('CKVD_NOW', NOW))
afterEach(() => void vi.unstubAllEnvs())

/** What a command line is for the same request. */
function flagsOf(request: Readonly<Record<string, string | boolean>>): string[] {
  return Object.entries(request).flatMap(([key, value]) => {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    return value === true ? [flag] : [flag, String(value)]
  })
}

const REFUSED: readonly [string, Readonly<Record<string, string | boolean>>, (name: (key: string, flag: string) => string) => string][] = [
  [
    'all days and unexplained days only',
    { force: true, retryFailed: true },
    (name) =>
      `Expected ${name('force', '--force')} (all days) or ${name('retryFailed', '--retry-failed')} (unexplained days only), got both. Leave one out.`,
  ],
  [
    'an end after today',
    { end: '2024-03-21' },
    (name) => `Expected ${name('end', '--end')} to be at most today (2024-03-20, excluded: the running day is not closed), got 2024-03-21.`,
  ],
  [
    'a start after the end',
    { start: '2024-03-09', end: '2024-03-02' },
    (name) => `Expected ${name('start', '--start')} before ${name('end', '--end')} (which is excluded), got 2024-03-09 and 2024-03-02.`,
  ],
  [
    'a start of today without an end',
    { start: '2024-03-20' },
    (name) => `Expected ${name('start', '--start')} before ${name('end', '--end')} (which is excluded), got 2024-03-20 and 2024-03-20.`,
  ],
  [
    'a universe that is not there',
    { universe: 'nowhere.txt' },
    () => 'Could not read the universe from nowhere.txt: there is no such file or directory (ENOENT).',
  ],
]

test.each(REFUSED)('%s: the command and the library refuse it in the same words', async (_what, request, sentence) => {
  await using directory = await createTempDirectory()
  const universe = join(directory.path, 'symbols.txt')
  await writeFile(universe, 'BTCUSDT\n')
  const full = { universe, market: 'spot', ...request }
  const typed = await runHere(['ingest', ...flagsOf(full), '--lake', directory.lake, '--json'], {
    env: { CKVD_NOW: NOW },
    cwd: directory.path,
  })
  expect(typed.exit).toBe(2)
  expect(JSON.parse(typed.stdout)).toMatchObject({ error: { code: 'CKVD_USAGE', message: sentence((_key, flag) => `\`${flag}\``) } })
  await expect(ingest({ ...(full as IngestRequest), lake: directory.lake })).rejects.toMatchObject({
    code: 'CKVD_USAGE',
    message: sentence((key) => `\`${key}\``),
  })
})

test('the command and the library plan the same of the same request, defaults included', async () => {
  await using directory = await createTempDirectory()
  await using sandbox = await startSandbox({
    now: () => Date.parse(NOW),
    markets: [{ market: 'um', symbol: 'AAAUSDT', firstDay: '2024-03-01' }],
  })
  const universe = join(directory.path, 'universe.csv')
  const lines = ['um,AAAUSDT,2024-03-01,"1d,1h,1m",AAA', 'um,BBBUSDT,2024-03-01,"1d",BBB']
  await writeFile(universe, ['market,symbol,earliest_date,available_intervals,base_symbol', ...lines].join('\n'))
  const { vision, listing, spotRest, umRest, cmRest } = sandbox.urls
  const urls = [
    '--vision-url',
    vision,
    '--listing-url',
    listing,
    '--spot-rest-url',
    spotRest,
    '--um-rest-url',
    umRest,
    '--cm-rest-url',
    cmRest,
  ]
  const typed = await runHere(['ingest', '--universe', universe, '--dry-run', '--json', '--lake', directory.lake, ...urls], {
    env: { CKVD_NOW: NOW, CKVD_STATE: directory.path },
  })
  const called = await ingest({ universe, dryRun: true, lake: directory.lake, sources: sandbox.urls })
  expect(JSON.parse(typed.stdout)).toEqual(called)
  expect(called.series.map(({ symbol, interval, first, last }) => [symbol, interval, first, last])).toEqual([
    ['AAAUSDT', '1m', '2024-03-01', '2024-03-19'],
  ])
  expect(typed.stderr).toContain('symbol left out')
})

describe('the library takes what the command takes', () => {
  const range = { intervals: ['1h'], start: '2024-03-02', end: '2024-03-04' } as const
  const exchange = () =>
    startSandbox({
      now: () => Date.parse(NOW),
      markets: (['spot', 'um'] as const).flatMap((market) =>
        ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market, symbol, firstDay: '2024-03-01' })),
      ),
    })

  test.each<[string, Partial<IngestRequest>, readonly string[]]>([
    ['symbols', { symbols: ['AAA/USDT'] }, ['spot AAAUSDT']],
    ['symbols of a market', { symbols: ['AAAUSDT'], market: 'usdm' }, ['um AAAUSDT']],
    [
      'a list that symbols and market narrow',
      {
        universe: [
          { market: 'spot', symbol: 'AAAUSDT' },
          { market: 'um', symbol: 'AAAUSDT' },
          { market: 'um', symbol: 'BBBUSDT' },
        ],
        symbols: ['AAAUSDT'],
        market: 'um',
      },
      ['um AAAUSDT'],
    ],
    ['a month', { symbols: ['AAAUSDT'], start: undefined, end: undefined, month: '2024-03' }, ['spot AAAUSDT']],
  ])('%s', async (_what, request, series) => {
    await using directory = await createTempDirectory()
    await using sandbox = await exchange()
    const result = await ingest({ ...range, ...request, dryRun: true, lake: directory.lake, sources: sandbox.urls })
    expect(result.series.map(({ market, symbol }) => `${market} ${symbol}`)).toEqual(series)
  })

  test.each<[string, IngestRequest, string]>([
    [
      'neither symbols nor a universe',
      {},
      "Expected `symbols` or `universe`, got neither: for example ingest({ symbols: ['BTCUSDT'], start: '2024-01-01' }).",
    ],
    [
      'an end of a month',
      { symbols: ['AAAUSDT'], end: '2024-02' },
      'Expected `end` to be a day, got "2024-02": end 2024-02-01 leaves that month out',
    ],
    [
      'a month and a start',
      { symbols: ['AAAUSDT'], month: '2024-02', start: '2024-02-03' },
      'Expected `month` or `start` and `end`, got both',
    ],
    ['an unknown market', { symbols: ['AAAUSDT'], market: 'swap' }, 'Expected `market` to be spot, um, cm or option, got swap'],
  ])('%s is refused', async (_what, request, sentence) => {
    await using directory = await createTempDirectory()
    await expect(ingest({ ...request, lake: directory.lake })).rejects.toMatchObject({
      code: 'CKVD_USAGE',
      message: expect.stringContaining(sentence) as unknown,
    })
  })
})
