import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readShardFile, readWithPolars, SHARD_SCHEMA } from '../support/foreign-reader.ts'
import { ingestResult, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { archives, daysOf, isoDay, readCells } from '../support/real-archives.ts'
import { SHARED } from '../support/shared.ts'
import type { StoredChunk } from '../support/stored-chunk.ts'
import { bytesOf, readChunks, readStoredChunk, readStoredChunks, storedPath } from '../support/stored-chunk.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'

const NOW = '2026-07-01T12:00:00Z'
/** Real outages: bars of these days are missing in every archive (BINANCE.md, section 2). */
const OUTAGES = ['2021-02-11', '2021-03-06']

/** Path of the file and day of every chunk that the folder's archives have, with its rows. */
function expectedShards(): Map<string, (bigint | number)[][]> {
  const shards = new Map<string, (bigint | number)[][]>()
  for (const { key, market, symbol, interval } of archives) {
    for (const cells of readCells(key)) {
      const day = isoDay(Number((cells[0] as bigint) / 1000n))
      const name = `${storedPath({ market, symbol, interval }, day)} ${day}`
      const rows = shards.get(name)
      if (rows === undefined) shards.set(name, [cells])
      else if (rows.every((row) => row[0] !== cells[0])) rows.push(cells)
    }
  }
  return shards
}

interface Run {
  readonly market: string
  readonly symbol: string
  readonly interval: string
  readonly start: string
  readonly end: string
}

/** Days without a hole between them, series by series. */
function findRuns(): Run[] {
  const days = new Map<string, Set<string>>()
  for (const archive of archives) {
    const series = `${archive.market} ${archive.symbol} ${archive.interval}`
    const known = days.get(series) ?? new Set()
    for (const day of daysOf(archive)) known.add(day)
    days.set(series, known)
  }
  return [...days].flatMap(([series, known]) => {
    const [market = '', symbol = '', interval = ''] = series.split(' ')
    const starts = [...known].filter((day) => !known.has(isoDay(Date.parse(day) - 86_400_000)))
    return starts.map((start) => {
      let endMs = Date.parse(start)
      while (known.has(isoDay(endMs))) endMs += 86_400_000
      return { market, symbol, interval, start, end: isoDay(endMs) }
    })
  })
}

describe.skipIf(SHARED === undefined)('the real archives, through the command', () => {
  let exchange: TestExchange
  let whole: TempDirectory

  async function ingest(lake: string, market: string, symbols: readonly string[], ...flags: string[]) {
    const stdin = symbols.join('\n')
    const common = ['ingest', '--universe', '-', '--market', market, '--lake', lake, '--json', '--quiet']
    return ingestResult(await runHere([...common, ...flags], { env: exchange.env, stdin }))
  }

  beforeAll(async () => {
    exchange = await startExchange(NOW, { archive: join(SHARED ?? '', 'vision') })
    whole = await createTempDirectory()
  })

  afterAll(async () => {
    await exchange[Symbol.asyncDispose]()
    await whole[Symbol.asyncDispose]()
  })

  test('every series with --intervals all and the default range: exit 0, each day with an archive stored, what is missing told', async () => {
    for (const market of ['spot', 'um', 'cm'] as const) {
      const symbols = [...new Set(archives.filter((archive) => archive.market === market).map(({ symbol }) => symbol))]
      const result = await ingest(whole.lake, market, symbols, '--intervals', 'all')
      expect(result).toMatchObject({ exit: 0, problems: [], days: { partial: 0, quarantined: 0, failed: 0 } })
    }
    type Row = { market: string; symbol: string; interval: string; day: string; condition: string; source: string | null }
    const rows = queryCatalog<Row>(whole.lake, 'SELECT market, symbol, interval, day, condition, source FROM days')
    const found = new Map(rows.map((row) => [`${row.market} ${row.symbol} ${row.interval} ${row.day}`, row]))
    for (const archive of archives) {
      for (const day of daysOf(archive)) {
        const row = found.get(`${archive.market} ${archive.symbol} ${archive.interval} ${day}`)
        const isOutage = archive.interval === '1h' && OUTAGES.includes(day)
        expect(row, `${archive.key} ${day}`).toMatchObject({ condition: isOutage ? 'outage' : 'complete' })
        expect(row?.source).toMatch(/^vision-(daily|monthly)$/)
      }
    }
  }, 60_000)

  test('every cell of every shard is Number(text) of the CSV, its times the integers of the CSV in microseconds', async () => {
    const expected = expectedShards()
    const found = new Map<string, StoredChunk>()
    for (const file of await listFiles(join(whole.lake, 'data'))) {
      const bytes = readFileSync(join(whole.lake, 'data', file))
      const { batches, nullable } = readShardFile(bytes)
      expect({ file, batches, nullable }).toEqual({ file, batches: 1, nullable: [] })
      for (const chunk of readChunks(bytes)) found.set(`data/${file} ${chunk.day}`, chunk)
    }
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, rows] of expected) {
      const chunk = found.get(name)!
      expect({ name, rows: chunk.rows }).toEqual({ name, rows: rows.length })
      const wrong = rows.findIndex((cells, row) => cells.some((cell, i) => !Object.is(cell, chunk.columns[i]?.[row])))
      expect({ name, wrong, cells: chunk.columns.map((column) => column[wrong]) }).toEqual({
        name,
        wrong: -1,
        cells: chunk.columns.map(() => undefined),
      })
    }
  })

  test('polars, an independent reader, sees the columns and types of the contract in every shard', async () => {
    const files = await listFiles(join(whole.lake, 'data'))
    expect(files.length).toBeGreaterThan(70)
    let chunks = 0
    for (const file of files) {
      const bytes = readFileSync(join(whole.lake, 'data', file))
      const { schema, rows, nulls, closes } = readWithPolars(bytes)
      expect(schema, file).toEqual(SHARD_SCHEMA)
      expect(nulls).toBe(0)
      const { metadata, columns } = readShardFile(bytes)
      expect(closes).toEqual([...(columns[4] ?? [])])
      const [, symbol = '', interval = '', period = ''] = /^(.+)-([^-]+)-(\d{4}(?:-\d{2}){0,2})\.arrow$/.exec(basename(file)) ?? []
      const of = { 'ckvd.symbol': symbol, 'ckvd.interval': interval }
      const isDay = period.length === 10
      expect(Object.fromEntries(metadata)).toMatchObject(
        isDay
          ? { ...of, 'ckvd.format': '1', 'ckvd.day': period, 'ckvd.rows': String(rows) }
          : { ...of, 'ckvd.format': '2', 'ckvd.dataset': 'klines', 'ckvd.period': period },
      )
      const inFile = readChunks(bytes)
      expect(inFile.every(({ day }) => day.startsWith(period))).toBe(true)
      expect(inFile.reduce((sum, chunk) => sum + chunk.rows, 0)).toBe(rows)
      chunks += inFile.length
    }
    expect(chunks).toBeGreaterThan(200)
  })

  test('each stretch of days by --start and --end, without REST: the same bytes; only the bars that no archive has are unexplained', async () => {
    await using parts = await createTempDirectory()
    const unexplained: string[] = []
    for (const { market, symbol, interval, start, end } of findRuns()) {
      const result = await ingest(parts.lake, market, [symbol], '--intervals', interval, '--start', start, '--end', end, '--no-rest')
      unexplained.push(
        ...result.problems.map(
          (problem) => `${problem.market} ${problem.symbol} ${problem.interval} ${problem.day} ${problem.condition} ${problem.code}`,
        ),
      )
      expect(result.exit).toBe(result.problems.length > 0 ? 3 : 0)
      expect(result.requests.rest).toBe(0)
    }
    expect(unexplained).toEqual(OUTAGES.map((day) => `spot BTCUSDT 1h ${day} partial CKVD_PARTIAL`))
    // the packs of the months that hold such a day are compared day by day
    const isOutage = (line: string): boolean => OUTAGES.some((day) => line.includes(`-1h-${day.slice(0, 7)}.arrow`))
    const digests = (await digestTree(join(parts.lake, 'data'))).filter((line) => !isOutage(line))
    expect(digests).toEqual((await digestTree(join(whole.lake, 'data'))).filter((line) => !isOutage(line)))
    const months = async (lake: string): Promise<unknown[]> =>
      (await readStoredChunks(lake))
        .filter(
          ({ day, metadata }) =>
            OUTAGES.some((one) => one.slice(0, 7) === day.slice(0, 7) && one !== day) && metadata.get('ckvd.interval') === '1h',
        )
        .map((chunk) => [Object.fromEntries(chunk.metadata), bytesOf(chunk).toString('base64')])
    expect(await months(whole.lake)).toHaveLength(27 + 30)
    expect(await months(parts.lake)).toEqual(await months(whole.lake))
  }, 60_000)

  test('daily archives instead of monthly ones: the same column bytes, only the provenance differs', async () => {
    await using daily = await createTempDirectory()
    for (const [market, symbol, interval, start, end] of [
      ['um', 'ALGOUSDT', '1m', '2024-02-01', '2024-03-01'],
      ['um', 'BTCUSDT', '5m', '2025-01-01', '2025-02-01'],
      ['spot', 'BTCUSDT', '1h', '2024-12-01', '2025-02-01'],
    ] as const) {
      const result = await ingest(
        daily.lake,
        market,
        [symbol],
        '--intervals',
        interval,
        '--start',
        start,
        '--end',
        end,
        '--archives',
        'daily',
      )
      expect(result).toMatchObject({ exit: 0, problems: [] })
    }
    const chunks = await readStoredChunks(daily.lake)
    expect(chunks).toHaveLength(29 + 31 + 62)
    for (const one of chunks) {
      const [market = '', symbol = '', interval = ''] = ['market', 'symbol', 'interval'].map((key) => one.metadata.get(`ckvd.${key}`))
      const other = readStoredChunk(whole.lake, { market, symbol, interval }, one.day)!
      expect(bytesOf(one).equals(bytesOf(other)), `${symbol} ${one.day}`).toBe(true)
      const [facts, otherFacts] = [one, other].map(({ metadata }) => Object.fromEntries(metadata))
      expect([facts?.['ckvd.source'], otherFacts?.['ckvd.source']]).toEqual(['vision-daily', 'vision-monthly'])
      const provenance = ['ckvd.source', 'ckvd.archive.key', 'ckvd.archive.sha256', 'ckvd.archive.etag']
      for (const name of provenance) otherFacts![name] = facts![name]!
      expect(otherFacts).toEqual(facts)
    }
  }, 60_000)
})
