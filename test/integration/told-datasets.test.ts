import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonOf, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { library } from '../support/library.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

/*
 * What is told of data sets without intervals and without bars: bookDepth, of which a day is as published, metrics on a grid of five minutes,
 * fundingRate by a schedule. A day of the first two is not in the archives, and nobody can be asked for it.
 */

const NOW = '2024-06-01T12:00:00Z'
const RANGE = ['--start', '2024-03-27', '--end', '2024-03-30']
const INGEST = ['ingest', 'BTCUSDT', '--market', 'um', '--data', 'klines,bookDepth,metrics,fundingRate', '--intervals', '1h', ...RANGE]

let exchange: TestExchange
let temp: Awaited<ReturnType<typeof createTempDirectory>>
const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
const told = async (...args: string[]) => jsonOf(await run(...args, '--json', '--quiet')) as Record<string, unknown>

/** All objects of a result that name a symbol and say an interval, with their data set: those of klines need not name it. */
function intervalsIn(value: unknown): [dataset: string, interval: unknown][] {
  if (Array.isArray(value)) return value.flatMap(intervalsIn)
  if (typeof value !== 'object' || value === null) return []
  const one = value as Record<string, unknown>
  const own: [string, unknown][] = 'symbol' in one && 'interval' in one ? [[(one['dataset'] as string) ?? 'klines', one['interval']]] : []
  return [...own, ...Object.values(one).flatMap(intervalsIn)]
}

/** Rows of a CSV without quotes in what is looked at, as objects. */
function rowsOf(csv: string): Record<string, string>[] {
  const [head = '', ...lines] = csv.trimEnd().split('\n')
  const names = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i] ?? '', cell])))
}

/** A text names intervals of klines alone: `1s`, `5m` and `1h` are the grids of the others. */
function expectTold(found: readonly (readonly [string, unknown])[], none: null | '', kline = '1h'): void {
  expect(found.length).toBeGreaterThan(0)
  for (const [dataset, interval] of found) expect([dataset, interval]).toEqual([dataset, dataset === 'klines' ? kline : none])
}

beforeAll(async () => {
  temp = await createTempDirectory()
  exchange = await startExchange(NOW, {
    markets: [{ market: 'um', symbol: 'BTCUSDT', firstDay: '2024-03-01' }],
    faults: [{ kind: 'unlisted', market: 'um', symbol: 'BTCUSDT', day: '2024-03-28' }],
  })
})
afterAll(async () => {
  await exchange[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

describe('data sets without intervals and bars', { timeout: 120_000 }, () => {
  test('have no interval in any result of ingest, and a problem counts rows where they can be counted', async () => {
    const plan = await told(...INGEST, '--dry-run')
    const planned = intervalsIn(plan)
    expect(planned.map(([dataset]) => dataset).sort()).toEqual(['bookDepth', 'fundingRate', 'klines', 'metrics'])
    expectTold(planned, null)
    expectTold(
      rowsOf((await run(...INGEST, '--dry-run', '--csv')).stdout).map(({ dataset = '', interval }) => [dataset, interval]),
      '',
    )
    const result = await told(...INGEST)
    expect(result).toMatchObject({ exit: 3, problems: [{ dataset: 'metrics' }, { dataset: 'bookDepth' }] })
    expectTold(intervalsIn(result), null)
    const messages = Object.fromEntries(
      (result['problems'] as { dataset: string; message: string }[]).map(({ dataset, message }) => [dataset, message]),
    )
    expect(messages['bookDepth']).toMatch(/^all rows are missing/)
    expect(messages['metrics']).toMatch(/^288 of 288 rows are missing/)
    expectTold(intervalsIn(await told('runs')), null)
  })

  test('have none in what coverage, changes, export, verify and availability tell', async () => {
    expectTold(intervalsIn(await told('coverage')), null)
    for (const command of [
      ['coverage', '--csv'],
      ['changes', '--since', '2024-01-01', '--csv'],
    ])
      expectTold(
        rowsOf((await run(...command)).stdout).map(({ dataset = '', interval }) => [dataset, interval]),
        '',
      )
    expectTold(intervalsIn(await told('changes', '--since', '2024-01-01')), null)
    const out = join(temp.path, 'export')
    const exported = await told('export', '--data', 'all', '--format', 'csv', '--out', out)
    expect(exported).toMatchObject({ exit: 3, unexplained: [{ dataset: 'metrics' }, { dataset: 'bookDepth' }] })
    expectTold(intervalsIn(exported), null)
    expectTold(intervalsIn(JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'))), null)
    // an export of an earlier build says the grid
    const manifest = join(out, 'manifest.json')
    const text = await readFile(manifest, 'utf8')
    await writeFile(manifest, text.replaceAll('"interval":null', '"interval":"1s"'))
    expect(await told('export', '--data', 'all', '--format', 'csv', '--out', out)).toMatchObject({ files: { written: 0, removed: 0 } })
    expect(await readFile(manifest, 'utf8')).toBe(text)
    const listed = await told('availability', '--data', 'metrics', '--market', 'um', '--out', join(temp.path, 'reports'))
    expect(intervalsIn(listed)).toEqual([['metrics', null]])

    const shard = join(temp.lake, 'data/futures/um/daily/bookDepth/BTCUSDT/BTCUSDT-bookDepth-2024-03-27.parquet')
    const bytes = await readFile(shard)
    await appendFile(shard, 'x')
    expect(intervalsIn(await told('verify'))).toEqual([['bookDepth', null]])
    await writeFile(shard, bytes)
    expect(await told('verify')).toMatchObject({ exit: 0 })
    expect((await told(...INGEST))['stored']).toBe(0)
  })

  test('of what is as published nobody counts what is missing: nowhere a 0, nowhere a number', async () => {
    const { series, total } = (await told('coverage')) as { series: Record<string, unknown>[]; total: unknown }
    const by = Object.fromEntries(series.map((one) => [(one['dataset'] as string | undefined) ?? 'klines', one]))
    expect(by['bookDepth']).toMatchObject({ completeness: 'as-published', missing_bars: null, gaps: [{ bars: null }] })
    expect(by['metrics']).toMatchObject({ completeness: 'grid', missing_bars: 288, gaps: [{ bars: 288 }] })
    expect(by['fundingRate']).toMatchObject({ completeness: 'schedule', missing_bars: 0, gaps: [] })
    expect(total).toMatchObject({ missing_bars: 288 })
    expect(await told('coverage', '--data', 'bookDepth')).toMatchObject({ total: { missing_bars: null } })
    const cells = rowsOf((await run('coverage', '--csv')).stdout).map(({ dataset, missing_bars }) => [dataset, missing_bars])
    expect(Object.fromEntries(cells)).toEqual({ klines: '0', bookDepth: '', metrics: '288', fundingRate: '0' })

    const answers: unknown[] = []
    for (const format of ['parquet', 'csv']) {
      const out = join(temp.path, `export-${format}`)
      await run('export', '--data', 'all', '--format', format, '--out', out)
      const sql = `SELECT dataset, interval, day::VARCHAR AS day, rows > 0 AS has_rows, expected, missing_bars, len(gaps) AS gaps, gaps[1].bars AS bars
        FROM coverage WHERE dataset IN ('bookDepth', 'metrics') AND day < '2024-03-29' ORDER BY ALL`
      answers.push((jsonOf(await run('query', sql, '--from', out, '--json')) as { data: unknown })['data'])
    }
    expect(answers[0]).toEqual([
      { dataset: 'bookDepth', interval: null, day: '2024-03-27', has_rows: true, expected: null, missing_bars: null, gaps: 0, bars: null },
      { dataset: 'bookDepth', interval: null, day: '2024-03-28', has_rows: false, expected: null, missing_bars: null, gaps: 1, bars: null },
      { dataset: 'metrics', interval: null, day: '2024-03-27', has_rows: true, expected: 288, missing_bars: 0, gaps: 0, bars: null },
      { dataset: 'metrics', interval: null, day: '2024-03-28', has_rows: false, expected: 288, missing_bars: 288, gaps: 1, bars: 288 },
    ])
    expect(answers[1]).toEqual(answers[0])

    const asked = await run('fetch', 'BTCUSDT', '--market', 'um', '--data', 'bookDepth', '--start', '2024-03-28', '--days', '1', '--json')
    expect(asked.exit).toBe(3)
    expect(asked.stderr).toContain('Rows of um BTCUSDT bookDepth are missing')
    expect(JSON.parse(asked.stdout)).toMatchObject({ error: { details: { interval: null, bars: null, gaps: [{ bars: null }] } } })
  })

  test('have rows in every sentence, klines have bars', async () => {
    const texts = async (dataset: string): Promise<string> => {
      const coverage = await run('coverage', '--data', dataset)
      const exported = await run('export', '--data', dataset, '--out', join(temp.path, `words-${dataset}`))
      return coverage.stdout + exported.stdout
    }
    const depth = await texts('bookDepth')
    expect(depth).not.toMatch(/\bbars?\b/i)
    expect(depth).toMatch(/bookDepth +2024-03-27 +2024-03-29 .* – +\d+\n/)
    expect(depth).toContain('2024-03-29T00:00:00.000000Z  all rows: ')
    expect(depth).toContain('Rows are missing without explanation. (exit 3)')
    expect(await texts('klines')).toContain('missing bars')
    // the table of changes has klines and others
    expect((await run('changes', '--since', '2024-01-01')).stdout).toContain('rows differ')
    const onTerminal = (...args: string[]) =>
      runHere([...args, '--lake', temp.lake], { env: { ...exchange.env, NO_COLOR: '1' }, cwd: temp.path, terminal: 80 })
    const screen = await onTerminal('coverage', '--data', 'bookDepth', '--start', '2024-03-29')
    expect(screen.stdout).toMatch(/│ um BTCUSDT bookDepth │ 2024-03-29 │ 2024-03-29 │ +– │/)
    expect(screen.stdout.replaceAll('\n', ' ')).toContain('28,800 rows. The rows are as published: nothing says whether one is missing.')
    const rates = await onTerminal('fetch', 'BTCUSDT', '--market', 'um', '--funding', '--start', '2024-03-27', '--days', '1')
    expect(rates.stdout).toMatch(/funding_time │ +funding_rate │/)
    const page = join(temp.path, 'coverage.html')
    expect((await run('coverage', '--html', page)).exit).toBe(3)
    const data = JSON.parse(/<script[^>]*type="application\/json"[^>]*>([^<]*)</.exec(await readFile(page, 'utf8'))?.[1] ?? '') as {
      rows: { name: string; missing: number | null; word: string; interval: string | null }[]
    }
    expect(data.rows.map(({ name, missing, word, interval }) => [name, missing, word, interval])).toEqual(
      expect.arrayContaining([
        ['um BTCUSDT 1h', 0, 'bar', '1h'],
        ['um BTCUSDT bookDepth', null, 'row', null],
        ['um BTCUSDT metrics', 288, 'row', null],
      ]),
    )
  })

  test('a symbol that nobody knows is told without an interval, in words and in facts', async () => {
    const args = ['fetch', 'NOSUCHUSDT', '--market', 'um', '--data', 'metrics', '--start', '2024-03-27', '--days', '1']
    const { stdout, stderr } = await run(...args, '--json')
    expect(stderr).toContain('knows um NOSUCHUSDT metrics. Check the symbol and market.')
    expect(stderr).not.toContain('interval')
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'CKVD_UNKNOWN_SYMBOL', details: { dataset: 'metrics', interval: null } } })
  })

  test('a table of the library has no interval of theirs', async () => {
    const variables = process.env
    process.env = { ...variables, CKVD_NOW: NOW, CKVD_STATE: join(temp.path, 'state') }
    const { CryptoKlineVisionData, DataProvider, MarketType } = library
    const config = { lake: temp.lake, sources: exchange.sandbox.urls, workers: 1 }
    const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, config)
    try {
      const ask = { symbol: 'BTCUSDT', startTime: '2024-03-27T00:00:00Z', endTime: '2024-03-28T00:00:00Z' }
      const interval = async (more: object): Promise<string | undefined> =>
        (await ckvd.getData({ ...ask, ...more })).schema.metadata.get('ckvd.interval')
      expect(await interval({ interval: '1h' })).toBe('1h')
      for (const dataset of ['metrics', 'bookDepth', 'fundingRate']) expect(await interval({ dataset })).toBeUndefined()
      for (const dataset of ['metrics', 'bookDepth', 'fundingRate'])
        await expect(ckvd.getData({ ...ask, dataset, interval: '1h' })).rejects.toThrow(
          `Expected either interval or dataset ${dataset}, got both`,
        )
    } finally {
      process.env = variables
      await ckvd.close()
    }
  })
})

describe('intervals of data sets that have none', { timeout: 120_000 }, () => {
  const fetchOf = (dataset: string, ...more: string[]) =>
    run('fetch', 'BTCUSDT', '--market', 'um', '--data', dataset, '--start', '2024-03-27', '--days', '1', '--format', 'csv', ...more)

  test.each(['metrics', 'bookDepth', 'fundingRate'])('fetch --interval of %s is refused, its default is not', async (dataset) => {
    expect(await fetchOf(dataset, '--interval', '1m')).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringContaining(`Expected either interval or dataset ${dataset}, got both`) as string,
    })
    expect(await fetchOf(dataset)).toMatchObject({ exit: 0 })
    const config = join(temp.path, 'hours.json')
    await writeFile(config, '{"interval":"1h"}')
    expect(await fetchOf(dataset, '--config', config)).toMatchObject({ exit: 0 })
  })

  test.each([
    [['coverage']],
    [['coverage', '--condition', 'unexplainable', '--reason', 'looked at']],
    [['export', '--out', 'refused']],
    [['ingest', 'BTCUSDT', '--market', 'um', '--start', '2024-03-29', '--end', '2024-03-30']],
    [['sync']],
  ])('%j --intervals is refused where all that is named have none', async (command) => {
    const refused = await run(...command, '--data', 'fundingRate,metrics', '--intervals', '1h,5m')
    expect(refused).toMatchObject({ exit: 2, stdout: '' })
    expect(refused.stderr).toContain(
      'Expected `--intervals` with a data set that has intervals, got 1h, 5m with fundingRate, metrics, which have none.',
    )
  })

  test('--intervals is a filter beside data sets that have some; all, and the config file, ask for nothing of the others', async () => {
    const names = async (...args: string[]) =>
      ((await told('coverage', ...args))['series'] as { dataset?: string; interval: string | null }[]).map(
        ({ dataset = 'klines', interval }) => `${dataset} ${interval ?? ''}`.trim(),
      )
    expect(await names('--data', 'klines,fundingRate', '--intervals', '1h')).toEqual(['klines 1h', 'fundingRate'])
    expect(await names('--data', 'fundingRate', '--intervals', 'all')).toEqual(['fundingRate'])
    expect(await names('--intervals', '1h')).toEqual(['klines 1h'])
    const config = join(temp.path, 'minutes.json')
    await writeFile(config, '{"intervals":"1m"}')
    expect(await names('--data', 'fundingRate', '--config', config)).toEqual(['fundingRate'])
    expect(await told(...INGEST.slice(0, 4), '--data', 'fundingRate', ...RANGE, '--config', config)).toMatchObject({ exit: 0, series: 1 })
    // hours are the grid of funding rates, and no interval of theirs
    expect(await told('coverage', '--data', 'klines,metrics', '--intervals', '5m')).toMatchObject({ exit: 3, absent: ['5m'] })
    expect(await told('sync', '--dry-run', '--intervals', '1h')).toMatchObject({ series: [{ dataset: 'klines', interval: '1h' }] })
    expect((await run('sync', '--dry-run', '--intervals', '5m')).stderr).toContain('to hold 5m, found none')
    const { ingest } = library
    const config2 = { lake: temp.lake, sources: exchange.sandbox.urls }
    await expect(ingest({ ...config2, market: 'um', symbols: ['BTCUSDT'], data: ['fundingRate'], intervals: ['1h'] })).rejects.toThrow(
      'Expected `intervals` with a data set that has intervals, got 1h with fundingRate, which has none.',
    )
  })
})
