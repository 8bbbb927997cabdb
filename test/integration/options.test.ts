import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { library } from '../support/library.ts'
import { createTempDirectory, digestTree, queryCatalog } from '../support/temp-lake.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

/** The market of options: archives alone, of which nothing can be asked of REST. */
const MARKETS: readonly SyntheticMarket[] = [
  { market: 'spot', symbol: 'BTCUSDT', firstDay: '2023-08-01' },
  { market: 'option', symbol: 'BTCBVOLUSDT', firstDay: '2023-08-01' },
  { market: 'option', symbol: 'BTCUSDT', firstDay: '2023-08-01' },
]
const NOW = '2024-06-01T12:00:00Z'

/** A data set, and what of its archives' cells is stored, in their order. */
interface Case {
  readonly dataset: string
  readonly symbol: string
  readonly days: readonly [string, string, string]
  /** a line of an archive as the cells of a row */
  readonly stored: (cells: readonly string[]) => readonly string[]
}
const INDEX: Case = {
  dataset: 'BVOLIndex',
  symbol: 'BTCBVOLUSDT',
  days: ['2024-03-05', '2024-03-06', '2024-03-07'],
  stored: ([time = '', , ...cells]) => [time, ...cells],
}
const SUMMARY: Case = {
  dataset: 'EOHSummary',
  symbol: 'BTCUSDT',
  days: ['2023-09-05', '2023-09-06', '2023-09-07'],
  stored: ([date = '', hour = '', ...cells]) => [`${date}T${hour.padStart(2, '0')}:00:00Z`, ...cells],
}
const CASES = [INDEX, SUMMARY]
/** A line of a summary that is sound but for what is given. */
function summaryLine({ date = '2023-09-05', hour = '0', contract = 'BTC-230929-27000-C', open = '' }): string {
  return [date, hour, contract, 'BTCUSDT', 'C', '230929-27000', open, ...Array<string>(19).fill('1')].join(',')
}
const rangeOf = ({ days: [start, , end] }: Case): string[] => ['--start', start, '--end', end]

async function createWorld(faults: readonly FaultRule[] = []) {
  const temp = await createTempDirectory()
  const exchange = await startExchange(NOW, { markets: MARKETS, faults })
  const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
  return {
    ...{ exchange, lake: temp.lake, path: temp.path, run },
    ingest: async (...args: string[]) => ingestResult(await run('ingest', ...args, '--market', 'option', '--json', '--quiet')),
    days: () =>
      queryCatalog<{ market: string; day: string; condition: string; evidence: string | null; duplicates: number }>(
        temp.lake,
        'SELECT market, day, condition, evidence, duplicates FROM all_days ORDER BY dataset, day',
      ),
    /** what of a series is in the lake, as CSV without its header */
    read: async (of: Case, ...flags: string[]) => {
      const args = ['fetch', of.symbol, '--market', 'option', '--data', of.dataset, ...rangeOf(of), '--format', 'csv', ...flags]
      return (await run(...args)).stdout
    },
    asked: () => exchange.sandbox.requests.filter(({ kind }) => kind === 'rest').length,
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}
type World = Awaited<ReturnType<typeof createWorld>>

/** The lines of the archives of two days, as they are published, without headers. */
async function publishedLines({ exchange }: World, { dataset, symbol, days }: Case): Promise<string[]> {
  const lines: string[] = []
  for (const day of days.slice(0, 2)) {
    const key = `data/option/daily/${dataset}/${symbol}/${symbol}-${dataset}-${day}.zip`
    const answer = await fetch(`${exchange.sandbox.urls.vision}/${key}`)
    const text = readFirstEntry(Buffer.from(await answer.arrayBuffer())).toString()
    lines.push(...text.trimEnd().split('\n').slice(1))
  }
  return lines
}

/** A cell as both sides write it: a number, a time in milliseconds, a word, nothing. */
function plain(cell: string): number | string {
  if (/^\d{4}-\d\d-\d\dT/.test(cell)) return Date.parse(cell)
  return cell === '' || cell === '""' || Number.isNaN(Number(cell)) ? cell.replaceAll('"', '') : Number(cell)
}

const cellsOf = (line: string): (number | string)[] => line.split(',').map(plain)

/** The rows of a series as the library gives them. */
async function askLibrary({ exchange, path, lake }: World, { dataset, symbol, days: [start, , end] }: Case) {
  const variables = process.env
  process.env = { ...variables, CKVD_NOW: NOW, CKVD_STATE: join(path, 'state') }
  const { CryptoKlineVisionData, DataProvider, MarketType } = library
  const options = { lake, sources: exchange.sandbox.urls, workers: 1 }
  const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.OPTIONS, options)
  try {
    return await ckvd.getData({ dataset, symbol, startTime: `${start}T00:00:00Z`, endTime: `${end}T00:00:00Z` })
  } finally {
    process.env = variables
    await ckvd.close()
  }
}

describe('what there is of options', () => {
  test.each(CASES)('$dataset: each line of the archives is stored once, and REST is never asked', async (of) => {
    await using world = await createWorld()
    const told = await world.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))
    expect(told).toMatchObject({ exit: 0, series: 1, days: { complete: 2 }, problems: [] })
    expect(world.days()).toMatchObject(Array(2).fill({ market: 'option', evidence: 'as-published' }))
    const published = (await publishedLines(world, of)).map((line) => of.stored(line.split(',')).map(plain))
    expect(published.length).toBeGreaterThan(200)
    const [, ...lines] = (await world.read(of, '--source', 'cache')).trimEnd().split('\n')
    const read = lines.map((line) => cellsOf(line).slice(0, -1))
    const sorted = (rows: (number | string)[][]) => rows.map((row) => row.join()).sort()
    expect(sorted(read)).toEqual(sorted(published))
    // in the order of their times
    expect(read.every((row, i) => i === 0 || Number(row[0]) >= Number(read[i - 1]?.[0]))).toBe(true)

    const table = await askLibrary(world, of)
    expect(table.numRows).toBe(published.length)
    const last = table.get(table.numRows - 1)?.toJSON() as Record<string, unknown>
    expect(Object.values(last).map((value) => (value === null ? '' : typeof value === 'bigint' ? Number(value) : value))).toEqual(
      read.at(-1),
    )
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0, foreign: [] })
    expect(jsonOf(await world.run('coverage', '--json'))).toMatchObject({ exit: 0 })
    expect(world.asked()).toBe(0)
  })

  test.each(CASES)('$dataset: fetched without a lake before, in parts of a day, and by a run that goes on', async (of) => {
    await using world = await createWorld()
    const whole = await world.read(of)
    expect(whole.split('\n').length).toBeGreaterThan(200)
    expect((await world.read(of)).replaceAll('CACHE', 'VISION')).toBe(whole)
    const [, start] = of.days
    const part = ['--start', `${start}T10:00:00Z`, '--end', `${start}T11:00:00Z`]
    const told = await world.run('fetch', of.symbol, '--market', 'option', '--data', of.dataset, ...part, '--format', 'csv')
    const [, ...rows] = told.stdout.trimEnd().split('\n')
    expect(rows).toEqual(
      whole
        .split('\n')
        .filter((line) => line.startsWith(`${start}T10:`))
        .map((line) => line.replace('VISION', 'CACHE')),
    )
    expect((await world.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))).stored).toBe(0)
    expect(world.asked()).toBe(0)
  })

  test.each(CASES)('$dataset: rows in any order and rows that are there twice are the same rows', async (of) => {
    await using usual = await createWorld()
    await usual.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))
    await using damaged = await createWorld([
      { kind: 'shuffled-rows', match: `${of.dataset}-${of.days[0]}` },
      { kind: 'doubled-rows', match: `${of.dataset}-` },
    ])
    expect(await damaged.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))).toMatchObject({ exit: 0, problems: [], differences: [] })
    expect((await damaged.read(of, '--source', 'cache')) === (await usual.read(of, '--source', 'cache'))).toBe(true)
    expect(damaged.days().reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe((await publishedLines(usual, of)).length)
  })

  test.each(CASES)('$dataset: a day that is not there is unexplainable, and nobody is asked about it', async (of) => {
    const [start, day] = of.days
    await using world = await createWorld([{ kind: 'unlisted', market: 'option', symbol: of.symbol, day }])
    const told = await world.ingest(of.symbol, '--data', of.dataset, '--start', start, '--end', `${start.slice(0, 8)}10`)
    expect(told).toMatchObject({ exit: 3, days: { unexplainable: 1 } })
    expect(told.problems).toMatchObject([{ day, condition: 'unexplainable' }])
    const accept = ['coverage', '--accept', `option/${of.dataset}/${of.symbol}/${day}`, '--reason', 'never published']
    expect((await world.run(...accept)).exit).toBe(0)
    expect((await world.ingest(of.symbol, '--data', of.dataset, '--start', start, '--end', `${start.slice(0, 8)}10`)).exit).toBe(0)
    expect(world.asked()).toBe(0)
  })

  test.each([
    ['another symbol', INDEX, '1709596800000,ETHBVOLUSDT,ETHBVOL,USDT,50', 'CKVD_CSV_SYMBOL', /"ETHBVOLUSDT" .*line 3, column 2/],
    ['no name', INDEX, '1709596800000,BTCBVOLUSDT,,USDT,50', 'CKVD_CSV_WORD', /a name of .* as base_asset, found "" .*line 3, column 3/],
    [
      'an hour that no day has',
      SUMMARY,
      summaryLine({ hour: '24' }),
      'CKVD_CSV_TIME',
      /an hour from 0 to 23 as hour, found "24" .*line 3, column 2/,
    ],
    [
      'a day that no calendar has',
      SUMMARY,
      summaryLine({ date: '2023-02-30' }),
      'CKVD_CSV_TIME',
      /a date such as .* as date.*line 3, column 1/,
    ],
    [
      'a contract of two words',
      SUMMARY,
      summaryLine({ contract: 'BTC 1' }),
      'CKVD_CSV_WORD',
      /as symbol, found "BTC 1" .*line 3, column 3/,
    ],
    ['a price that is none', SUMMARY, summaryLine({ open: 'NaN' }), 'CKVD_CSV_NUMBER', /a number as open, found "NaN" .*line 3, column 7/],
    ['a value below 0', INDEX, '1709596800000,BTCBVOLUSDT,BTCBVOL,USDT,-1', 'CKVD_CSV_NUMBER', /line 3, column 5/],
  ])('%s ends in quarantine, with its line and column', async (_name, of, text, code, message) => {
    await using world = await createWorld([{ kind: 'corrupt-line', match: `${of.dataset}-${of.days[0]}`, line: 3, text }])
    const told = await world.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, quarantined: 1 } })
    expect(told.problems).toMatchObject([{ code, message: expect.stringMatching(message) as string }])
    expect(world.asked()).toBe(0)
  })

  test('they are exported and queried, and a lost catalog is rebuilt from their files alone', async () => {
    await using world = await createWorld()
    for (const of of CASES) await world.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))
    const before = await digestTree(join(world.lake, 'data'))
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0, adopted: 2 * CASES.length })
    for (const of of CASES)
      expect(await world.ingest(of.symbol, '--data', of.dataset, ...rangeOf(of))).toMatchObject({ exit: 0, stored: 0 })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(before)
    const lines = (await publishedLines(world, INDEX)).map((line) => line.split(','))
    const highest = lines.reduce((most, cells) => Math.max(most, Number(cells[4])), 0)
    for (const format of ['parquet', 'csv']) {
      const out = join(world.path, format)
      expect((await world.run('export', '--data', 'BVOLIndex', '--format', format, '--out', out)).exit).toBe(0)
      const sql = 'SELECT symbol, base_asset, count(*) n, max(index_value) most FROM option_BVOLIndex GROUP BY ALL'
      const told = await runHere(['query', sql, '--from', out, '--format', 'csv'], { cwd: world.path })
      expect(told.stdout).toBe(`symbol,base_asset,n,most\nBTCBVOLUSDT,BTCBVOL,${lines.length},${highest}\n`)
    }
  })

  test('what was traded in an hour is asked of the lake in SQL, what was not is null, and behind the last day nothing is missing', async () => {
    await using world = await createWorld()
    const told = await world.ingest('BTCUSDT', 'BTCBVOLUSDT', '--data', 'all', '--start', '2023-10-22', '--end', '2023-10-26')
    expect(told).toMatchObject({ exit: 0, series: 2, days: { complete: 6, unlisted: 2 }, problems: [] })
    const of = { ...SUMMARY, days: ['2023-10-22', '2023-10-23', '2023-10-24'] as const }
    const rows = (await publishedLines(world, of)).map((line) => line.split(','))
    const calls = rows.filter((cells) => cells[4] === 'C')
    const [idle, unbid] = [calls.filter((cells) => cells[6] === ''), calls.filter((cells) => cells[12] === '""')]
    expect(Math.min(idle.length, unbid.length)).toBeGreaterThan(0)
    const volume = calls.reduce((sum, cells) => sum + Math.round(100 * Number(cells[10])), 0)
    for (const format of ['parquet', 'csv']) {
      const out = join(world.path, format)
      expect((await world.run('export', '--data', 'EOHSummary', '--format', format, '--out', out)).exit).toBe(0)
      const sql =
        'SELECT symbol, count(DISTINCT contract) c, count(*) n, count(*) - count("open") idle, count(*) - count(best_bid_price) unbid, count(best_buy_iv) iv, round(100 * sum(volume_contracts)) v FROM option_EOHSummary WHERE "type" = \'C\' GROUP BY ALL'
      const answer = await runHere(['query', sql, '--from', out, '--format', 'csv'], { cwd: world.path })
      const contracts = new Set(calls.map((cells) => cells[2])).size
      expect(answer.stdout).toBe(
        `symbol,c,n,idle,unbid,iv,v\nBTCUSDT,${contracts},${calls.length},${idle.length},${unbid.length},0,${volume}\n`,
      )
    }
    expect(world.asked()).toBe(0)
  })

  test('the listing has reports of them that an ingest takes as its universe; those of klines are of other markets', async () => {
    await using world = await createWorld()
    const listed = await runHere(['availability', '--market', 'option', '--data', 'all', '--out', join(world.path, 'reports')], {
      env: world.exchange.env,
      cwd: world.path,
    })
    expect(listed).toMatchObject({ exit: 0, stdout: expect.stringMatching(/option BVOLIndex +1 +1 +0 +2023-08-01/) as string })
    const report = join(world.path, 'reports', 'EOHSummary_earliest_dates.csv')
    const told = await world.run('ingest', '--universe', report, '--start', '2023-09-05', '--end', '2023-09-06', '--json', '--quiet')
    expect(ingestResult(told)).toMatchObject({ exit: 0, series: 1, days: { complete: 1 } })
    const bare = await runHere(['availability', '--market', 'option'], { env: world.exchange.env, cwd: world.path })
    expect(bare).toMatchObject({ exit: 2, stderr: expect.stringContaining('--data BVOLIndex,EOHSummary') as string })
    expect(world.asked()).toBe(0)
  })

  test.each([
    [['ingest', 'BTCBVOLUSDT'], 2, /option, which has BVOLIndex.*, got klines/],
    [['ingest', 'BTCBVOLUSDT', '--data', 'klines,metrics'], 2, /option, which has BVOLIndex.*, got klines, metrics/],
    [['fetch', 'BTCBVOLUSDT', '--days', '2'], 2, /klines \(spot, um, cm\), got option, which has BVOLIndex/],
    [['ingest', 'BTCUSDT', '--data', 'BVOLIndex'], 2, /a symbol of BVOLIndex, got BTCUSDT. Did you mean BTCBVOLUSDT\?/],
    [['fetch', 'BTCBVOLUSDT', '--data', 'BVOLIndex', '--days', '2', '--source', 'rest'], 2, /a source that has BVOLIndex/],
    [['ingest', 'SOLBVOLUSDT', '--data', 'BVOLIndex', '--start', '2024-03-05'], 3, /does not know option SOLBVOLUSDT BVOLIndex/],
  ])('%j is refused in words that help, and REST is not asked', async (args, exit, words) => {
    await using world = await createWorld()
    const told = await world.run(...args, '--market', 'option')
    expect(told.exit).toBe(exit)
    expect(`${told.stdout}${told.stderr}`.replace(/\s+/g, ' ')).toMatch(words)
    expect(world.asked()).toBe(0)
  })
})
