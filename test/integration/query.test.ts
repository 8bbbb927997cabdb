import { existsSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { readStoredChunk } from '../support/stored-chunk.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandResult } from '../support/ckvd.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { readShardFile } from '../support/foreign-reader.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, digestTree } from '../support/temp-lake.ts'

const NOW = '2024-03-05T12:00:00Z'
const CHINESE = '币安人生USDT'
const UNIVERSE = `market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-02-28,"1m,1mo"\nspot,${CHINESE},2024-02-28,"1m"\num,BBBUSDT,2024-02-28,"1h"`

let world: TempDirectory
let parquet: string
let csv: string

function query(sql: string, from: string, ...flags: string[]): Promise<CommandResult> {
  return runHere(['query', sql, '--from', from, ...flags])
}

async function rowsOf(sql: string, from: string): Promise<Record<string, unknown>[]> {
  const result = await query(sql, from, '--format', 'json')
  expect(result).toMatchObject({ exit: 0, stderr: '' })
  return jsonOf(result) as Record<string, unknown>[]
}

beforeAll(async () => {
  await using exchange = await startExchange(NOW, {
    faults: [{ kind: 'outage', market: 'um', symbol: 'BBBUSDT', from: '2024-03-01T04:00:00Z', to: '2024-03-01T06:00:00Z' }],
    markets: [
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-28' },
      { market: 'spot', symbol: CHINESE, firstDay: '2024-02-28' },
      { market: 'um', symbol: 'BBBUSDT', firstDay: '2024-02-28' },
    ],
  })
  world = await createTempDirectory()
  parquet = join(world.path, "an 'export'")
  csv = join(world.path, 'csv')
  const args = ['ingest', '--universe', '-', '--intervals', 'all', '--lake', world.lake, '--json', '--quiet']
  expect(ingestResult(await runHere(args, { env: exchange.env, stdin: UNIVERSE }))).toMatchObject({ exit: 0 })
  for (const [out, flags] of [
    [parquet, []],
    [csv, ['--format', 'csv', '--gzip']],
  ] as const) {
    expect(await runHere(['export', '--lake', world.lake, '--out', out, '--quiet', ...flags])).toMatchObject({ exit: 0 })
  }
}, 60_000)

afterAll(() => world[Symbol.asyncDispose]())

describe('ckvd query', () => {
  test('a view for each market and interval, and coverage, with the types of the shards', async () => {
    for (const from of [parquet, csv]) {
      const names = (await rowsOf('SHOW TABLES', from)).map(({ name }) => name)
      expect(names).toEqual(['coverage', 'spot_1m', 'spot_1mo', 'um_1h'])
      const columns = (await rowsOf('DESCRIBE spot_1m', from)).map(
        ({ column_name, column_type }) => `${String(column_name)} ${String(column_type)}`,
      )
      expect(columns).toEqual([
        'symbol VARCHAR',
        'open_time TIMESTAMP WITH TIME ZONE',
        ...['open', 'high', 'low', 'close', 'volume'].map((name) => `${name} DOUBLE`),
        'close_time TIMESTAMP WITH TIME ZONE',
        'quote_asset_volume DOUBLE',
        'count BIGINT',
        'taker_buy_volume DOUBLE',
        'taker_buy_quote_volume DOUBLE',
      ])
    }
  })

  test('values are those of the shards, times UTC with microseconds, from Parquet and from CSV alike', async () => {
    const path = join(world.lake, 'data/spot/daily/klines', CHINESE, '1m', `${CHINESE}-1m-2024-03-01.arrow`)
    const { columns } = readShardFile(readFileSync(path))
    const sql = `SELECT * FROM spot_1m WHERE symbol = '${CHINESE}' AND open_time >= '2024-03-01' AND open_time < '2024-03-02' ORDER BY open_time`
    for (const from of [parquet, csv]) {
      const rows = await rowsOf(sql, from)
      expect(rows).toHaveLength(1440)
      expect(rows.map(({ quote_asset_volume }) => quote_asset_volume)).toEqual([...columns[7]!])
      expect(rows.map(({ count }) => BigInt(count as number))).toEqual([...columns[8]!])
      expect(rows[1]).toMatchObject({
        symbol: CHINESE,
        open_time: '2024-03-01T00:01:00.000000Z',
        close_time: '2024-03-01T00:01:59.999000Z',
      })
    }
  })

  test('coverage tells a hole with its evidence', async () => {
    for (const from of [parquet, csv]) {
      const rows = await rowsOf("SELECT symbol, interval, day, missing_bars, gaps FROM coverage WHERE condition = 'outage'", from)
      expect(rows).toMatchObject([
        {
          symbol: 'BBBUSDT',
          interval: '1h',
          day: '2024-03-01',
          missing_bars: 2,
          gaps: [{ start: '2024-03-01T04:00:00.000000Z', end: '2024-03-01T06:00:00.000000Z', bars: 2 }],
        },
      ])
    }
  })

  test('output as a table, CSV, one JSON object and an Arrow file', async () => {
    const sql = 'SELECT symbol, open_time, close, count, NULL::DOUBLE AS nothing, [1, 2] AS list FROM um_1h ORDER BY open_time'
    const table = await query(sql, parquet, '--format', 'table')
    expect(table.stdout).toMatch(
      /^symbol +open_time +close +count +nothing +list\nBBBUSDT +2024-02-28T00:00:00\.000000Z +[\d.]+ +\d+ +\[1,2\]\n/,
    )
    expect(table.stdout).not.toContain('…')
    expect(table.stdout).toMatch(/\n\d+ rows\n$/)
    const lines = (await query(sql, parquet, '--format', 'csv')).stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('symbol,open_time,close,count,nothing,list')
    expect(lines[1]).toMatch(/^BBBUSDT,2024-02-28T00:00:00\.000000Z,[\d.]+,\d+,,"\[1,2\]"$/)

    const out = join(world.path, 'answer.arrow')
    const told = jsonOf(await query(sql, parquet, '--format', 'arrow', '--out', out, '--json'))
    const arrow = tableFromIPC(readFileSync(out))
    expect(told).toMatchObject({ command: 'query', exit: 0, rows: lines.length - 1, out })
    expect(arrow.numRows).toBe(lines.length - 1)
    expect(arrow.schema.fields.map(({ name, type }) => `${name} ${String(type)}`)).toEqual([
      'symbol Utf8',
      'open_time Timestamp<MICROSECOND, UTC>',
      'close Float64',
      'count Int64',
      'nothing Float64',
      'list Utf8',
    ])
    const { columns } = readStoredChunk(world.lake, { market: 'um', symbol: 'BBBUSDT', interval: '1h' }, '2024-02-28')!
    expect([...(arrow.getChildAt(1)!.data[0]!.values as BigInt64Array)].slice(0, 24)).toEqual([...columns[0]!])
    expect([...(arrow.getChild('close')!.toArray() as Float64Array)].slice(0, 24)).toEqual([...columns[4]!])
    expect(arrow.getChild('nothing')!.nullCount).toBe(arrow.numRows)

    const object = jsonOf(
      await query('SELECT max(count)::HUGEINT * 10::HUGEINT ^ 0 AS n, 9007199254740993 AS big FROM um_1h', parquet, '--json'),
    )
    expect(object).toMatchObject({ exit: 0, rows: 1, data: [{ big: '9007199254740993' }] })
  })

  test('the SQL may come from standard input', async () => {
    const result = await runHere(['query', '-', '--from', parquet, '--format', 'csv'], { stdin: 'SELECT count(*) AS n FROM spot_1mo\n' })
    expect(result).toMatchObject({ exit: 0, stdout: 'n\n1\n' })
  })

  test('a query only reads: nothing is written, no other file and no network is reached', async () => {
    const before = await digestTree(world.path)
    const file = join(parquet, 'data/market=spot/symbol=AAAUSDT/interval=1mo/year=2024/AAAUSDT-1mo-2024.parquet').replaceAll("'", "''")
    for (const sql of [
      `COPY (SELECT 1) TO '${file}'`,
      `EXPLAIN ANALYZE COPY (SELECT 1) TO '${file}'`,
      `/* */ EXPLAIN ANALYZE COPY (SELECT 1) TO '${file}'`,
      `COPY (SELECT 1) TO '${join(world.path, 'new.csv')}'`,
      `EXPORT DATABASE '${join(world.path, 'database')}'`,
      `ATTACH '${join(world.path, 'attached.db')}'`,
      'CREATE TABLE t AS SELECT 1',
      'DROP VIEW spot_1m',
      'SET enable_external_access = true',
      'SET allowed_paths = []',
      'INSTALL httpfs',
      "SELECT * FROM read_text('/etc/hosts')",
      `SELECT * FROM read_text('${join(world.lake, 'lake.json')}')`,
      "SELECT * FROM read_parquet('https://example.com/x.parquet')",
      "SELECT * FROM glob('/*')",
      'SELECT 1; SELECT 2',
      '',
      'SELECT * FROM um_1m',
    ]) {
      const { exit, stdout, stderr } = await query(sql, parquet)
      expect({ sql, exit, stdout }).toEqual({ sql, exit: 2, stdout: '' })
      expect(stderr).toMatch(/^error CKVD_QUERY: /)
    }
    expect(await digestTree(world.path)).toEqual(before)
    expect((await query('SELECT * FROM um_1m', parquet)).stderr).toContain('The views here are spot_1m, spot_1mo, um_1h, coverage.')
    expect(await query('EXPLAIN SELECT * FROM um_1h', parquet)).toMatchObject({ exit: 0 })
  })

  test('a manifest from elsewhere leads to no other file and no other SQL', async () => {
    const path = join(csv, 'manifest.json')
    const whole = readFileSync(path, 'utf8')
    const secret = join(world.path, 'secret.csv')
    for (const [from, to] of [
      ['"interval":"1h"', `"interval":"1h\\" AS SELECT 1; COPY (SELECT 1) TO '${secret}'; --"`],
      ['data/market=um/symbol=BBBUSDT/', 'data/market=um/symbol=BBBUSDT/../../../../'],
      ['"symbol":"BBBUSDT"', '"symbol":"../BBBUSDT"'],
    ] as const) {
      expect(whole).toContain(from)
      await writeFile(path, whole.replace(from, to))
      const { exit, stdout, stderr } = await query('SELECT 1', csv)
      expect({ to, exit, stdout }).toEqual({ to, exit: 2, stdout: '' })
      expect(stderr).toMatch(/^error CKVD_EXPORT_MANIFEST: /)
    }
    expect(existsSync(secret)).toBe(false)
    await writeFile(path, whole)
  })

  test('a file that is cut off or gone is told, never a shorter answer', async () => {
    const path = 'data/market=um/symbol=BBBUSDT/interval=1h/year=2024/BBBUSDT-1h-2024'
    await using copy = await createTempDirectory()
    const plain = join(copy.path, 'plain')
    expect(await runHere(['export', '--lake', world.lake, '--out', plain, '--format', 'csv', '--quiet'])).toMatchObject({ exit: 0 })
    const file = join(plain, `${path}.csv`)
    const lines = readFileSync(file, 'utf8').split('\n')
    await writeFile(file, `${lines.slice(0, 30).join('\n')}\n`)
    expect(await query('SELECT count(*) FROM um_1h', plain)).toMatchObject({
      ...{ exit: 4, stdout: '' },
      stderr: expect.stringMatching(/^error CKVD_EXPORT_IO: .*BBBUSDT-1h-2024.*ckvd export/) as string,
    })
    await rm(file)
    expect(await query('SELECT 1', plain)).toMatchObject({ exit: 4, stdout: '' })
  })

  test.each(['', '  ', ';', '-- nothing', '/* SELECT 1 */ ;'])('%j has no statement, and is told so', async (sql) => {
    const { exit, stderr } = await runHere(['query', '--from', parquet, '--', sql])
    expect([exit, stderr]).toEqual([2, expect.stringContaining('CKVD_QUERY: Expected a SELECT, got a text without a statement.')])
  })

  test.each([
    'SELECT count(*) FROM spot_1M',
    'FROM "spot_1M" LIMIT 1',
    'DESCRIBE SPOT_1M',
    'EXPLAIN SELECT * FROM main.spot_1M',
    'SELECT (SELECT max(close) FROM spot_1M) FROM spot_1m',
  ])('%s would be minutes: refused, with both names', async (sql) => {
    const { exit, stdout, stderr } = await query(sql, parquet)
    expect([exit, stdout, stderr]).toEqual([2, '', expect.stringContaining('Expected `spot_1m` (minutes) or `spot_1mo` (months)')])
  })

  test('a name of the query’s own, text and other capitals are left alone', async () => {
    const sql = "WITH x_1M AS (SELECT 'spot_1M' AS word) SELECT word, count(*) AS bars FROM x_1M, SPOT_1m GROUP BY ALL -- spot_1M"
    expect(await rowsOf(sql, parquet)).toEqual([{ word: 'spot_1M', bars: expect.any(Number) as number }])
  })

  test('a folder above the export may have any name but one of a partition', async () => {
    const names = ["[a]*?'", 'a', 'symbol=ZZZUSDT']
    for (const name of names) {
      const symbols = name === 'a' ? ['--symbols', 'BBBUSDT'] : []
      expect(await runHere(['export', '--lake', world.lake, '--out', join(world.path, name, 'e'), '--quiet', ...symbols])).toMatchObject({
        exit: 0,
      })
    }
    const symbols = 'SELECT DISTINCT symbol FROM spot_1m UNION SELECT symbol FROM um_1h UNION SELECT symbol FROM coverage ORDER BY ALL'
    expect((await rowsOf(symbols, join(world.path, names[0]!, 'e'))).map(({ symbol }) => symbol)).toEqual(['AAAUSDT', 'BBBUSDT', CHINESE])
    const { exit, stderr } = await query(symbols, join(world.path, names[2]!, 'e'))
    expect([exit, stderr]).toEqual([2, expect.stringMatching(/CKVD_USAGE: .*found symbol=ZZZUSDT in .*Move the export/)])
  })

  test.each(['manifest.json', 'coverage.parquet', 'coverage.csv', 'Data/mine.csv', '.ckvd/lock.sqlite'])(
    'an answer is not written over %s of the export',
    async (name) => {
      const before = await digestTree(parquet)
      const { exit, stderr } = await query('SELECT 1', parquet, '--format', 'csv', '--out', join(parquet, name))
      expect([exit, stderr]).toEqual([2, expect.stringContaining('Expected `--out` beside the files of the export')])
      expect(await digestTree(parquet)).toEqual(before)
    },
  )

  test.each([
    ['parquet', 'SELECT sum(close) FROM um_1h'],
    ['csv', 'SELECT max(open_time) FROM um_1h'],
    ['parquet', 'SELECT count(*) FROM spot_1mo'],
  ])('a damaged file of an export as %s is told with exit 4, whatever DuckDB makes of it', async (format, sql) => {
    await using copy = await createTempDirectory()
    const out = join(copy.path, 'out')
    expect(await runHere(['export', '--lake', world.lake, '--out', out, '--format', format, '--quiet'])).toMatchObject({ exit: 0 })
    const file = join(out, `data/market=um/symbol=BBBUSDT/interval=1h/year=2024/BBBUSDT-1h-2024.${format}`)
    const bytes = readFileSync(file)
    // the second line of a CSV; of Parquet the data or, for the other view, the end, which DuckDB reads before any query
    if (format === 'csv') bytes.fill('x', bytes.indexOf('\n') + 1, bytes.indexOf('\n') + 20)
    else if (sql.includes('um_1h')) bytes.fill(0xff, 4, bytes.length >> 1)
    else bytes.fill(0xff, bytes.length - 40)
    await writeFile(file, bytes)
    const { exit, stdout, stderr } = await query(sql, out)
    expect([exit, stdout, stderr]).toEqual([
      4,
      '',
      expect.stringMatching(/CKVD_EXPORT_IO: Expected the SHA-256 .*BBBUSDT-1h-2024.*Remove it and run ckvd export again/),
    ])
    await rm(file)
    expect(await runHere(['export', '--lake', world.lake, '--out', out, '--format', format, '--quiet'])).toMatchObject({ exit: 0 })
    expect(await query(sql, out)).toMatchObject({ exit: 0 })
  })

  test('an error of a query over whole files stays one of the query', async () => {
    expect(await query('SELECT CAST(symbol AS BIGINT) FROM um_1h', parquet)).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringContaining('Conversion Error') as string,
    })
  })

  test('an interrupted query ends with 130', async () => {
    const stop = new AbortController()
    const running = runHere(
      ['query', 'SELECT count(*) FROM spot_1m a, spot_1m b, spot_1m c WHERE a.close + b.close > c.close', '--from', parquet],
      {
        signal: stop.signal,
      },
    )
    setImmediate(() => stop.abort())
    expect(await running).toMatchObject({ exit: 130 })
  })

  test('what is no export, or one of Arrow files, is refused with a word; an unfinished one is told', async () => {
    expect((await query('SELECT 1', world.path)).stderr).toMatch(/^error CKVD_EXPORT_MISSING: .*ckvd export --out/)
    const arrow = join(world.path, 'arrow')
    await runHere(['export', '--lake', world.lake, '--out', arrow, '--format', 'arrow', '--quiet', '--intervals', '1h'])
    expect((await query('SELECT 1', arrow)).stderr).toMatch(/^error CKVD_USAGE: .*Arrow files/)
    expect((await query('SELECT 1', parquet, '--format', 'arrow')).stderr).toMatch(/^error CKVD_USAGE: .*--out FILE/)
    const manifest = join(arrow, 'manifest.json')
    await writeFile(manifest, '{"format": 9}')
    expect((await query('SELECT 1', arrow)).stderr).toMatch(/^error CKVD_EXPORT_MANIFEST: .*another file \(format: /)
    await writeFile(manifest, 'no JSON')
    expect((await query('SELECT 1', arrow)).stderr).toMatch(/^error CKVD_EXPORT_MANIFEST: .*another file \(Invalid input/)
    const unfinished = readFileSync(join(csv, 'manifest.json'), 'utf8').replace('"complete"', '"writing"')
    await writeFile(join(csv, 'manifest.json'), unfinished)
    expect((await query('SELECT count(*) FROM um_1h', csv)).stderr).toContain('the export is unfinished')
  })
})
