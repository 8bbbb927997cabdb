import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandResult } from '../support/ckvd.ts'
import { jsonOf, runHere, startNode } from '../support/ckvd.ts'
import { MAIN } from '../support/dist.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { columnsOf, fetchTruth, valuesOf } from '../support/library.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const NOW = '2024-03-10T12:34:56Z'

let exchange: TestExchange
let temp: TempDirectory

beforeAll(async () => {
  exchange = await startExchange(NOW)
  temp = await createTempDirectory()
})
afterAll(async () => {
  await temp[Symbol.asyncDispose]()
  await exchange[Symbol.asyncDispose]()
})

const ckvd = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })

/** Runs a built program to its end. */
function runBin(name: string, args: readonly string[]): Promise<CommandResult> {
  return startNode([join(MAIN, '..', name), ...args], { env: exchange.env, cwd: temp.path }).ended
}

describe('ckvd fetch', () => {
  const range = ['--interval', '4h', '--start', '2024-03-08', '--end', '2024-03-10']

  test('csv, json, arrow and --json give the exchange’s rows; whole days are stored', async () => {
    const truth = columnsOf(
      await fetchTruth(
        exchange.sandbox,
        { market: 'um', symbol: 'BTCUSDT', interval: '4h' },
        { startMs: Date.parse('2024-03-08'), endMs: Date.parse('2024-03-10'), nowMs: Date.parse(NOW) },
      ),
    )
    const csv = await ckvd('fetch', 'btcusdt', '--market', 'um', ...range, '--format', 'csv')
    expect([csv.exit, csv.stderr]).toEqual([0, ''])
    const lines = csv.stdout.trim().split('\n')
    expect(lines[0]).toBe(
      'open_time,open,high,low,close,volume,close_time,quote_asset_volume,count,taker_buy_volume,taker_buy_quote_volume,_data_source',
    )
    expect(lines.slice(1).map((line) => Number(line.split(',')[4]))).toEqual(truth['close'])
    expect(lines[1]?.split(',').filter((_cell, i) => i === 0 || i === 11)).toEqual(['2024-03-08T00:00:00.000000Z', 'VISION'])
    expect((await readStoredChunks(temp.lake)).map(({ day }) => day)).toEqual(['2024-03-08', '2024-03-09'])

    const json = JSON.parse((await ckvd('fetch', 'BTCUSDT', '--market', 'um', ...range, '--format', 'json')).stdout) as Record<
      string,
      unknown
    >[]
    expect(json.map((row) => row['volume'])).toEqual(truth['volume'])
    expect(new Set(json.map((row) => row['_data_source']))).toEqual(new Set(['CACHE']))

    const arrow = await ckvd('fetch', 'BTCUSDT', '--market', 'um', ...range, '--format', 'arrow', '--out', 'bars.arrow', '--json')
    expect(jsonOf(arrow)).toMatchObject({ command: 'fetch', exit: 0, symbol: 'BTCUSDT', rows: 12, gaps: [], out: 'bars.arrow' })
    expect(valuesOf(tableFromIPC(await readFile(join(temp.path, 'bars.arrow'))))['open']).toEqual(truth['open'])

    const whole = jsonOf(await ckvd('fetch', 'BTCUSDT', '--market', 'um', ...range, '--json')) as {
      bars: { count: number }[]
      steps: unknown
    }
    expect(whole.bars.map(({ count }) => BigInt(count))).toEqual(truth['count'])
    expect(whole.steps).toMatchObject([{ source: 'CACHE', days: 2, rows: 12 }])
  })

  test('in a pipe every row is there, right to the last one', async () => {
    const { exit, stdout } = await ckvd('fetch', 'BTCUSDT', '--market', 'um', '--interval', '1h', '--days', '2')
    expect(exit).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(1 + 47)
    // two days up to now: the first bar that opens inside, the last one that has closed
    expect([lines[1], lines.at(-1)].map((line) => line?.slice(0, 27))).toEqual([
      '2024-03-08T13:00:00.000000Z',
      '2024-03-10T11:00:00.000000Z',
    ])
  })

  test.each([
    ['a symbol of another market', ['BTCUSD_PERP', '--days', '1'], 2, 'CKVD_SYMBOL_FORMAT'],
    ['an interval that there is not', ['BTCUSDT', '--interval', '7m'], 2, 'CKVD_USAGE'],
    ['an interval that the market has not', ['BTCUSDT', '--market', 'um', '--interval', '1s'], 3, 'CKVD_UNKNOWN_INTERVAL'],
    ['an Arrow file for the terminal', ['BTCUSDT', '--format', 'arrow'], 2, 'CKVD_USAGE'],
    ['a symbol that nobody knows', ['NOSUCHUSDT', ...range], 3, 'CKVD_UNKNOWN_SYMBOL'],
    ['the lake alone without the days', ['ETHUSDT', ...range, '--source', 'cache'], 3, 'CKVD_PARTIAL'],
    ['a file among the shards', ['BTCUSDT', ...range, '--out', join('lake', 'data', 'bars.csv'), '--format', 'csv'], 2, 'CKVD_USAGE'],
    ['a file in no directory', ['BTCUSDT', ...range, '--out', join('none', 'bars.csv'), '--format', 'csv'], 4, 'CKVD_REPORT_IO'],
    ['a naive time', ['BTCUSDT', '--start', '2024-03-08T00:00'], 2, 'CKVD_TIME'],
    ['no symbol', [], 2, 'CKVD_USAGE'],
  ])('%s', async (_what, args, exit, code) => {
    const result = await ckvd('fetch', ...args)
    expect([result.exit, result.stdout]).toEqual([exit, ''])
    expect(result.stderr).toContain(`error ${code}: `)
  })
})

describe('messages name the flags of the command, not options of the library', () => {
  test.each([
    [['--start', '2024-03-08', '--end', '2024-03-09', '--days', '1'], 'Expected two of `--start`, `--end` and `--days`, got all three.'],
    [['--end', 'yesterday'], 'Expected `--end` to be a day such as 2024-01-01 (UTC), or a time with a zone such as 2024-01-01T00:00:00Z'],
    [['--start', '2024-03-08T00:00'], 'Expected `--start` to be a time with a zone'],
    [['--start', '2024-03-10', '--days', '3'], 'Expected `--start plus --days` to be at most now'],
    [['--funding'], 'Expected `--market um` or `--market cm` with `--funding`, got spot'],
    [['--source', 'cache', '--days', '2'], 'Only cache was asked: source auto asks all.'],
    [['--out', 'none/bars.csv'], 'bars.csv: there is no such file or directory (ENOENT). Name another place'],
  ])('fetch %j', async (flags, message) => {
    const { stderr } = await ckvd('fetch', 'ETHUSDT', ...flags)
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/startTime|endTime|enforceSource|chartType|Date\b/)
  })

  test('a lake that is switched off is no source of its own', async () => {
    const { exit, stderr } = await runHere(['fetch', 'ETHUSDT', '--source', 'cache', '--lake', temp.lake], {
      env: { ...exchange.env, CKVD_ENABLE_CACHE: 'false' },
      cwd: temp.path,
    })
    expect([exit, stderr]).toEqual([2, expect.stringContaining('the lake is switched off (CKVD_ENABLE_CACHE)')])
  })

  test.each([
    [['ingest', '--universe', 'none.csv'], 2],
    [['coverage', '--config', 'none.json'], 2],
    [['coverage', '--html', 'file/page.html'], 4],
  ])('%j: what the operating system says, in words', async (args, exit) => {
    await ckvd('fetch', 'ETHUSDT', '--days', '2', '--format', 'csv', '--out', 'file')
    const result = await ckvd(...args)
    expect([result.exit, result.stdout]).toEqual([exit, ''])
    expect(result.stderr).toMatch(/: (there is no such file or directory \(ENOENT\)|something is there already \(EEXIST\))\./)
  })
})

describe('the demonstrations', () => {
  test('ckvd-demo-cli shows every step of the protocol with source, rows and time', async () => {
    const { exit, stdout, stderr } = await runBin('demo-cli.js', [
      '--sandbox',
      '--lake',
      join(temp.path, 'demo'),
      '-s',
      'ETHUSDT',
      '-i',
      '1h',
      '-d',
      '2',
    ])
    expect([exit, stderr]).toEqual([0, ''])
    expect(stdout.match(/^\d\. .*$/gm)).toHaveLength(4)
    expect(stdout.match(/^(CACHE|VISION|REST) +\d+ +\d+ /gm)?.map((line) => line.replace(/ +/g, ' ').trim())).toEqual([
      'VISION 2 48',
      'REST 1 12',
      'CACHE 2 48',
      'REST 1 12',
      'CACHE 2 48',
      'REST 1 1',
    ])
  })

  test('ckvd-demo-module shows each call as code, and what it returned', async () => {
    const { exit, stdout } = await runBin('demo-module.js', ['--sandbox', '--lake', join(temp.path, 'demo2'), '--json'])
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ exit: 0, lessons: [{ rows: 72 }, { rows: 72 }, { rows: 71 }, { rows: 23 }] })
  })

  test('wrong usage of a demonstration', async () => {
    const { exit, stderr } = await runBin('demo-cli.js', ['-d', 'many'])
    expect([exit, stderr]).toEqual([2, expect.stringContaining('--days') as string])
  })
})
