import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CryptoKlineVisionData, fetchMarketData, ingest, resample, runs } from '../../../src/index.ts'
import { runHere } from './support.ts'

/*
 * Names as the Python package has them, or as they are mistyped: whoever uses one is told the right one.
 */

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ckvd-names-'))
})
afterEach(() => rmSync(cwd, { recursive: true }))

type Call = (options: never) => unknown

const create: Call = (options) => CryptoKlineVisionData.create('binance', 'spot', options)
const getData: Call = (options) => CryptoKlineVisionData.create('binance', 'spot', { sandbox: true }).getData(options)
const bars = { columns: {} } as never

async function messageOf(call: Call, options: object): Promise<string> {
  const error: unknown = await Promise.resolve()
    .then(() => call(options as never))
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CKVD_USAGE' })
  return (error as Error).message
}

test.each<[string, Call, object, string]>([
  ['create', create, { cacheDir: './x' }, 'Did you mean `lake`?'],
  ['create', create, { cache_dir: './x' }, 'Did you mean `lake`?'],
  ['create', create, { retryCount: 3 }, 'Did you mean `maxRetries`?'],
  ['create', create, { retry_count: 3 }, 'Did you mean `maxRetries`?'],
  ['create', create, { use_cache: false }, 'Did you mean `useCache`?'],
  ['create', create, { enforce_source: 'VISION' }, 'Did you mean `enforceSource`?'],
  ['create', create, { quiet_mode: true }, 'Did you mean `logLevel`?'],
  ['create', create, { chart_type: 'KLINES' }, 'Did you mean `chartType`, an option of `getData` and `fetchMarketData`?'],
  ['create', create, { symbol: 'BTCUSDT' }, 'It is an option of `getData` and `fetchMarketData`.'],
  ['create', create, { http_timeout: 3 }, '`http_timeout` is not an option. Known options: lake, '],
  ['create', create, { sources: { visionn: 'http://127.0.0.1' } }, 'Did you mean `vision`?'],
  ['getData', getData, { symbol: 'BTCUSDT', start_time: '2024-01-01T00:00:00Z' }, 'Did you mean `startTime`?'],
  ['getData', getData, { symbol: 'BTCUSDT', endtime: '2024-01-01T00:00:00Z' }, 'Did you mean `endTime`?'],
  ['getData', getData, { symbol: 'BTCUSDT', auto_reindex: true }, 'Did you mean `autoReindex`?'],
  ['getData', getData, { symbol: 'BTCUSDT', intreval: '1h' }, 'Did you mean `interval`?'],
  [
    'getData',
    getData,
    { symbol: 'BTCUSDT', cacheDir: './x' },
    'Did you mean `lake`, an option of `create`, `fetchMarketData` and `ingest`?',
  ],
  ['fetchMarketData', fetchMarketData, { provider: 'BINANCE', market_type: 'SPOT' }, 'Did you mean `marketType`?'],
  ['fetchMarketData', fetchMarketData, { provider: 'BINANCE', marketType: 'SPOT', cacheDir: './x' }, 'Did you mean `lake`?'],
  ['ingest', ingest, { symbol: 'BTCUSDT' }, 'Did you mean `symbols`?'],
  ['ingest', ingest, { start_time: '2024-01-01' }, 'Did you mean `start`?'],
  ['ingest', ingest, { cache_dir: './x' }, 'Did you mean `lake`, an option of `create`, `fetchMarketData` and `ingest`?'],
  ['runs', runs, { cacheDir: './x' }, 'Did you mean `lake`?'],
  ['resample', (options: never) => resample(bars, options), { interval: '1h' }, 'Known options: to, from, includeIncomplete.'],
])('%s: %o', async (_name, call, options, words) => {
  expect(await messageOf(call, options)).toContain(words)
})

test('a client made from one object of options says how its three words are', () => {
  expect(() => CryptoKlineVisionData.create({ provider: 'BINANCE', market_type: 'SPOT' } as never, undefined as never)).toThrow(
    'Expected `create(provider, marketType, options)`',
  )
})

test('an interval may have the name of its member', async () => {
  await using client = CryptoKlineVisionData.create('binance', 'spot', { lake: join(cwd, 'lake'), sandbox: true, workers: 1 })
  const day = { symbol: 'BTCUSDT', startTime: '2024-03-01T00:00:00Z', endTime: '2024-03-02T00:00:00Z' }
  expect((await client.getData({ ...day, interval: 'HOUR_1' as never, enforceSource: 'REST' as never })).numRows).toBe(24)
})

describe('the command', () => {
  test.each([
    [['fetch', 'BTCUSDT', '--start-time', '2024-01-01'], "Unknown option '--start-time'. Did you mean --start?"],
    [['fetch', 'BTCUSDT', '--end_time=2024-01-01'], "Unknown option '--end_time'. Did you mean --end?"],
    [['fetch', 'BTCUSDT', '--cacheDir', 'x'], "Unknown option '--cacheDir'. Did you mean --lake?"],
    [['fetch', 'BTCUSDT', '--enforce-source', 'REST'], "Unknown option '--enforce-source'. Did you mean --source?"],
    [['fetch', '--symbol', 'BTCUSDT'], "Unknown option '--symbol'. It is no flag but a word of its own: ckvd fetch SYMBOL"],
    [['ingest', '--symbol', 'BTCUSDT'], "Unknown option '--symbol'. Did you mean --symbols?"],
    [['ingest', 'BTCUSDT', '--retry-count', '3'], "Unknown option '--retry-count'. Did you mean --max-retries?"],
    [['ingest', 'BTCUSDT', '--interval', '1h'], "Unknown option '--interval'. Did you mean --intervals?"],
    [['ingest', 'BTCUSDT', '--strat', '2024-01-01'], "Unknown option '--strat'. Did you mean --start?"],
  ])('%j', async (words, message) => {
    const { exit, stdout, stderr } = await runHere(words, { cwd })
    expect([exit, stdout, stderr.split('\n')[0]]).toEqual([2, '', `error CKVD_USAGE: ${message}`])
  })

  test('of the config file', async () => {
    writeFileSync(join(cwd, 'ckvd.config.json'), '{"cacheDir": "x"}')
    const { exit, stderr } = await runHere(['config'], { cwd })
    expect([exit, stderr]).toEqual([2, expect.stringContaining('Did you mean lake?')])
  })

  test.each([
    [{ CKVD_CACHE_DIR: '/x' }, ['CKVD_CACHE_DIR: did you mean CKVD_LAKE?']],
    [{ CKVD_CACHE_DIR: '/x', CKVD_LAKE: '/y' }, []],
    [{ CKVD_SANBOX: '1' }, ['CKVD_SANBOX: did you mean CKVD_SANDBOX?']],
    [{ CKVD_RUN: '7', CKVD_RUN_EXIT: '0', CKVD_SOMETHING: 'else' }, []],
  ])('warns of a variable that nothing reads: %o', async (env, words) => {
    const { exit, stderr } = await runHere(['config', '--json'], { cwd, env })
    expect(exit).toBe(0)
    const warned = stderr.split('\n').filter((line) => line.includes('nothing here reads'))
    expect(warned).toEqual(words.map((text) => expect.stringContaining(text) as unknown))
  })
})
