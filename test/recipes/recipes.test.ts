import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { XMLParser } from 'fast-xml-parser'
import Database from 'libsql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { readShardFile } from '../support/foreign-reader.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'
import type { ScriptResult } from './support.ts'
import { findMissing, readCode, RECIPES, runNode, runPython } from './support.ts'

/*
 * The pages of docs/recipes that read a lake and its export, run as they stand. What they leave in `bars` and `exported` is the lake's, and
 * what they leave in `all_symbols` is that of each symbol.
 */

const NAMES = [
  ...['open_time', 'open', 'high', 'low', 'close', 'volume', 'close_time', 'quote_asset_volume', 'count'],
  ...['taker_buy_volume', 'taker_buy_quote_volume'],
]
const TIMES = ['open_time', 'close_time']
const SYMBOLS = ['BTCUSDT', 'ETHUSDT']
/** a week of minutes and hours of both */
const ALL_ROWS = 2 * (7 * 1440 + 7 * 24)

let exchange: TestExchange
let temp: TempDirectory
/** the bytes of the week's hours of each symbol, column by column, from the packs themselves */
let truths: Record<string, Record<string, string>>
/** those of the series that the pages read alone */
let truth: Record<string, string>

beforeAll(async () => {
  const markets = SYMBOLS.map((symbol) => ({ market: 'spot', symbol, firstDay: '2024-12-20' }) as const)
  exchange = await startExchange('2025-01-10T12:00:00Z', { markets })
  temp = await createTempDirectory()
  // the two commands of docs/recipes/README.md: across the day from which spot archives are in microseconds
  const range = ['--start', '2024-12-30', '--end', '2025-01-06']
  const ingest = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1m,1h', ...range, '--lake', 'lake', '--quiet']
  const around = { env: exchange.env, cwd: temp.path, stdin: 'BTCUSDT\nETHUSDT\n' }
  expect(await runHere(ingest, around)).toMatchObject({ exit: 0 })
  expect(await runHere(['export', '--lake', 'lake', '--out', 'export', '--quiet'], around)).toMatchObject({ exit: 0 })

  truths = Object.fromEntries(SYMBOLS.map((symbol) => [symbol, readTruth(join(temp.path, `lake/data/spot/monthly/klines/${symbol}/1h`))]))
  truth = truths['BTCUSDT']!
  const closes = new BigInt64Array(new Uint8Array(Buffer.from(truth['close_time']!, 'base64')).buffer)
  expect([closes.length, closes[0]! % 1_000_000n, closes.at(-1)! % 1_000_000n]).toEqual([168, 999_000n, 999_999n])
})
afterAll(async () => {
  await exchange[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

/** A series' columns as bytes: its two packs, December and January, one after the other. */
function readTruth(folder: string): Record<string, string> {
  const packs = readdirSync(folder)
    .sort()
    .map((name) => readShardFile(readFileSync(join(folder, name))))
  expect(packs.length).toBe(2)
  const bytesOf = (i: number): Buffer =>
    Buffer.concat(packs.map(({ columns }) => Buffer.from(columns[i]!.buffer, columns[i]!.byteOffset, columns[i]!.byteLength)))
  return Object.fromEntries(NAMES.map((name, i) => [name, bytesOf(i).toString('base64')]))
}

/** Each named table has the lake's rows, values and types; one that has a symbol's name those of the symbol. */
function checkSeen(result: ScriptResult, tables: readonly string[], typeOf: (name: string) => string): void {
  expect([result.exit, result.stderr]).toEqual([0, ''])
  expect(Object.keys(result.seen)).toEqual([...tables, ...SYMBOLS])
  for (const [table, { types, values }] of Object.entries(result.seen)) {
    expect([table, values]).toEqual([table, truths[table] ?? truth])
    expect([table, types]).toEqual([table, Object.fromEntries(NAMES.map((name) => [name, typeOf(name)]))])
  }
}

const typeNames = (time: string, double: string, count: string) => (name: string) =>
  TIMES.includes(name) ? time : name === 'count' ? count : double

/** How a table of a Python tool is told: `columns` gives type and values (times as integers of microseconds) of each name. */
const PYTHON_END = `
import base64, json, struct
SYMBOLS = ${JSON.stringify(SYMBOLS)}
def tell(name, columns):
    names = ${JSON.stringify(NAMES)}
    pack = lambda n, v: base64.b64encode(struct.pack("<%d%s" % (len(v), "q" if n in ("open_time", "close_time", "count") else "d"), *v)).decode()
    seen = {n: columns(n) for n in names}
    print("@seen " + json.dumps({"name": name, "types": {n: t for n, (t, v) in seen.items()}, "values": {n: pack(n, v) for n, (t, v) in seen.items()}}))
`

/** What each page that scans files says of a scan of all of them. */
const WARNING = /^The path is the symbol: no column holds it\..*$/m
  .exec(readFileSync(join(RECIPES, 'polars.md'), 'utf8'))![0]
  .split(' So ')[0]!

const PYTHON_PAGES = [
  {
    page: 'python-polars.md',
    modules: ['polars'],
    end: 'for name, t in (("bars", bars), ("exported", exported), *((s, all_symbols.filter(symbol=s)) for s in SYMBOLS)):\n    tell(name, lambda n: (str(t[n].dtype), t[n].to_physical().to_list()))',
    naive: 'pl.scan_ipc("lake/data/**/*.arrow").collect()',
    types: typeNames("Datetime(time_unit='us', time_zone='UTC')", 'Float64', 'Int64'),
    prints: /shape: \(7, 5\)[\s\S]*shape: \(0, 5\)/,
  },
  {
    page: 'python-pyarrow.md',
    modules: ['pyarrow'],
    end: 'for name, t in (("bars", bars), ("exported", exported), *((s, all_symbols.filter(pc.field("symbol") == s)) for s in SYMBOLS)):\n    tell(name, lambda n: (str(t[n].type), t[n].cast("int64" if "time" in n else t[n].type).to_pylist()))',
    naive: 'ds.dataset("lake/data", format="ipc").to_table()',
    types: typeNames('timestamp[us, tz=UTC]', 'double', 'int64'),
    prints: /^168 [\d.]+ [\d.]+\n\[{'symbol': 'BTCUSDT', [^}]+}, {'symbol': 'ETHUSDT', [^}]+}\]\n$/,
  },
  {
    page: 'python-pandas.md',
    modules: ['pandas', 'pyarrow'],
    end: 'for name, t in (("bars", bars), ("exported", exported), *((s, all_symbols[all_symbols["symbol"] == s]) for s in SYMBOLS)):\n    tell(name, lambda n: (str(t[n].dtype), (t[n].astype("int64") if "time" in n else t[n]).tolist()))',
    naive: 'ds.dataset("lake/data", format="ipc").to_table().to_pandas()',
    types: typeNames('datetime64[us, UTC]', 'float64', 'int64'),
    prints: /2025-01-05 00:00:00\+00:00/,
  },
  {
    page: 'python-duckdb.md',
    modules: ['duckdb', 'pyarrow'],
    end: `
for name, t in (("bars", bars), ("exported", exported), *((s, all_symbols.filter("symbol = '%s'" % s)) for s in SYMBOLS)):
    types = dict(zip(t.columns, t.types))
    values = lambda n: duckdb.sql(f"SELECT {'epoch_us(%s)' % n if 'time' in n else n} FROM t").fetchall()
    tell(name, lambda n: (str(types[n]), [value for (value,) in values(n)]))`,
    naive: 'duckdb.arrow(ds.dataset("lake/data", format="ipc").to_table())',
    types: typeNames('TIMESTAMP WITH TIME ZONE', 'DOUBLE', 'BIGINT'),
    prints: /BTCUSDT[\s\S]*complete/,
  },
].map((page) => ({ ...page, missing: findMissing(page.modules) }))

for (const { page, missing } of PYTHON_PAGES)
  if (missing !== undefined) console.warn(`skipped: docs/recipes/${page} (${missing}; CKVD_TEST_PYTHON names another)`)

describe('recipes in Python', () => {
  for (const { page, missing, end, naive, types, prints } of PYTHON_PAGES) {
    test.skipIf(missing !== undefined)(page, async () => {
      const result = await runPython(readCode(page, 'python'), `${PYTHON_END}${end}`, temp.path)
      checkSeen(result, ['bars', 'exported'], types)
      expect(result.stdout).toMatch(prints)
    })

    test.skipIf(missing !== undefined)(`${page}: a scan of the whole lake mixes symbols and intervals, as its warning says`, async () => {
      const end = `naive = ${naive}\nprint(json.dumps(["naive", len(naive), list(naive.column_names if "pyarrow" in str(type(naive)) else naive.columns)]))`
      const result = await runPython(readCode(page, 'python'), `import json\n${end}`, temp.path)
      expect([result.exit, result.stderr]).toEqual([0, ''])
      expect(JSON.parse(result.stdout.trimEnd().split('\n').at(-1)!)).toEqual(['naive', ALL_ROWS, NAMES])
      expect(readFileSync(join(RECIPES, page), 'utf8')).toContain(WARNING)
    })
  }
})

test("the lines of docs/lake.md prove each chunk of a pack, and their digests are the catalog's", async () => {
  const { exit, stdout, stderr } = await runNode('lake', readCode('../lake.md', 'js'), '', temp.path)
  expect([exit, stderr]).toEqual([0, ''])
  const catalog = new Database(join(temp.path, 'lake/catalog.sqlite'), { readonly: true })
  const days = catalog
    .prepare(
      "SELECT day, shard_sha256, shard_bytes FROM days WHERE symbol = 'BTCUSDT' AND interval = '1h' AND day >= '2025-01-01' ORDER BY day",
    )
    .all() as { day: string; shard_sha256: string; shard_bytes: number }[]
  catalog.close()
  expect(days.map(({ day, shard_bytes }) => [day, shard_bytes])).toEqual([1, 2, 3, 4, 5].map((day) => [`2025-01-0${day}`, 24 * 88]))
  expect(stdout.trimEnd().split('\n')).toEqual(days.map(({ day, shard_sha256 }) => `${day} ${shard_sha256} proved`))
})

const README_MISSING = findMissing(['pandas', 'pyarrow'])

test.skipIf(README_MISSING !== undefined)('the lines of Python in README read a week of minutes', async () => {
  // the quickstart's lake has another name
  const result = await runPython(readCode('../../README.md', 'python').replaceAll('"sandbox-lake/', '"lake/'), '', temp.path)
  expect([result.exit, result.stderr]).toEqual([0, ''])
  expect(result.stdout).toMatch(/2024-12-30 00:00:00\+00:00[\s\S]*2025-01-05 23:59:00\+00:00[\s\S]*\[10080 rows x 6 columns\]/)
})

/** The same in JavaScript: `columns` gives type and values (times as bigints of microseconds). */
const NODE_END = `
function tell(name, columns) {
  const seen = ${JSON.stringify(NAMES)}.map((column) => [column, columns(column)])
  const pack = (column, values) => {
    const array = /time|count/.test(column) ? BigInt64Array.from(values, BigInt) : Float64Array.from(values)
    return Buffer.from(array.buffer).toString('base64')
  }
  const types = Object.fromEntries(seen.map(([column, { type }]) => [column, type]))
  const values = Object.fromEntries(seen.map(([column, { values }]) => [column, pack(column, values)]))
  console.log('@seen ' + JSON.stringify({ name, types, values }))
}
`

interface SvgLine {
  readonly y1: string
  readonly y2: string
  readonly stroke: string
}

/** The lines of each mark that Plot calls a rule. */
function readLines(svg: string): SvgLine[][] {
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', isArray: (name) => name === 'g' || name === 'line' })
  const groups = (parser.parse(svg) as { svg: { g: ({ line?: SvgLine[] } & Record<string, string>)[] } }).svg.g
  return groups.filter((group) => group['aria-label'] === 'rule').map(({ line }) => line ?? [])
}

describe('recipes in JavaScript', () => {
  test('polars.md, the lake and the export', async () => {
    const end = `
      const ofSymbol = (symbol) => allSymbols.filter(pl.col('symbol').eq(pl.lit(symbol)))
      const frames = { bars, exported, ...Object.fromEntries(${JSON.stringify(SYMBOLS)}.map((symbol) => [symbol, ofSymbol(symbol)])) }
      for (const [name, frame] of Object.entries(frames)) {
        const physical = (column) => (/time/.test(column) ? frame.getColumn(column).cast(pl.Int64) : frame.getColumn(column))
        tell(name, (column) => ({ type: String(frame.schema[column]), values: physical(column).toArray() }))
      }`
    const code = `${readCode('polars.md', 'js', 1)}\n${readCode('polars.md', 'js', 2)}`
    const result = await runNode('polars', code, NODE_END + end, temp.path)
    checkSeen(result, ['bars', 'exported'], typeNames('DataType(Datetime(us,UTC))', 'DataType(Float64)', 'DataType(Int64)'))
    expect(result.stdout).toBe('168 168\n2\n')
  })

  test('polars.md: a scan of the whole lake mixes symbols and intervals, as its warning says', async () => {
    const code = `
      import pl from 'nodejs-polars'
      const naive = pl.scanIPC('lake/data/**/*.arrow').collectSync()
      const bars = naive.filter(pl.col('open_time').cast(pl.Int64).eq(1735603200000000)) // 2024-12-31
      console.log(JSON.stringify([naive.height, naive.columns, bars.height]))`
    const result = await runNode('naive', code, '', temp.path)
    // the first minute and the first hour of both symbols
    expect([result.exit, result.stderr, JSON.parse(result.stdout)]).toEqual([0, '', [ALL_ROWS, NAMES, 4]])
  })

  test('duckdb.md', async () => {
    const end = `
      const all = \`SELECT * FROM klines WHERE "interval" = '1h' AND symbol = $1 ORDER BY open_time\`
      const bySymbol = await Promise.all(${JSON.stringify(SYMBOLS)}.map(async (symbol) => [symbol, await connection.runAndReadAll(all, [symbol])]))
      for (const [name, reader] of Object.entries({ bars, ...Object.fromEntries(bySymbol) })) {
        const columns = reader.getColumnsObject()
        tell(name, (column) => ({
          type: String(reader.columnType(reader.columnNames().indexOf(column))),
          values: columns[column].map((value) => value.micros ?? value),
        }))
      }`
    const result = await runNode('duckdb', readCode('duckdb.md', 'js'), NODE_END + end, temp.path)
    checkSeen(result, ['bars'], typeNames('TIMESTAMP WITH TIME ZONE', 'DOUBLE', 'BIGINT'))
    expect(result.stdout).toMatch(/^2024-12-30T00:00:00.000Z \d/)
    expect(result.stdout).toContain('2025-01-05')
  })

  test('arquero.md', async () => {
    const end = `
      const ofSymbol = (symbol) => allSymbols.filter(escape((row) => row.symbol === symbol)).reify()
      const tables = { bars, ...Object.fromEntries(${JSON.stringify(SYMBOLS)}.map((symbol) => [symbol, ofSymbol(symbol)])) }
      for (const [name, table] of Object.entries(tables))
        tell(name, (column) => ({
          type: typeof table.get(column, 0),
          values: [...table.array(column)].map((value) => (/time/.test(column) ? Math.round(value * 1000) : value)),
        }))`
    const result = await runNode('arquero', readCode('arquero.md', 'js'), NODE_END + end, temp.path)
    checkSeen(result, ['bars'], typeNames('number', 'number', 'number'))
    expect(result.stdout).toMatch(/2025-01-05/)
  })

  test('observable-plot.md draws each candle where its prices are', async () => {
    const result = await runNode('plot', readCode('observable-plot.md', 'js'), 'console.log(JSON.stringify(candles))', temp.path)
    expect([result.exit, result.stderr]).toEqual([0, ''])
    expect(result.stdout).toMatch(/^42 candles in candles.svg$/m)
    const [wicks, bodies] = readLines(readFileSync(join(temp.path, 'candles.svg'), 'utf8'))
    expect([wicks?.length, bodies?.length]).toEqual([42, 42])
    // prices of four hours, from the lake's own hours
    const column = (name: string): number[] => [...new Float64Array(new Uint8Array(Buffer.from(truth[name]!, 'base64')).buffer)]
    const fours = (name: string): number[][] => Array.from({ length: 42 }, (_none, i) => column(name).slice(i * 4, i * 4 + 4))
    const [highs, lows] = [fours('high').map((four) => Math.max(...four)), fours('low').map((four) => Math.min(...four))]
    const y = (line: SvgLine | undefined, name: 'y1' | 'y2'): number => Number(line?.[name])
    // the scale is a straight line through the first two wicks' ends; all others lie on it
    const [at, from] = [y(wicks?.[0], 'y1'), y(wicks?.[0], 'y2')]
    const scale = (price: number): number => at + ((price - lows[0]!) / (highs[0]! - lows[0]!)) * (from - at)
    wicks?.forEach((line, i) => {
      expect([y(line, 'y1'), y(line, 'y2')]).toEqual([expect.closeTo(scale(lows[i]!), 6), expect.closeTo(scale(highs[i]!), 6)])
    })
    const colors = fours('open').map((opens, i) => (fours('close')[i]![3]! < opens[0]! ? '#c62828' : '#2e7d32'))
    expect(bodies?.map(({ stroke }) => stroke)).toEqual(colors)
  })
})

test('every page of docs/recipes is run by a test and listed in the index', () => {
  const run = [...PYTHON_PAGES.map(({ page }) => page), 'polars.md', 'duckdb.md', 'arquero.md', 'observable-plot.md']
  // with the library alone, in test/integration/library-examples.test.ts
  const others = ['arrow.md', 'plain-loop.md']
  const pages = readdirSync(RECIPES).filter((name) => name !== 'README.md')
  expect(pages.sort()).toEqual([...run, ...others].sort())
  const index = readFileSync(join(RECIPES, 'README.md'), 'utf8')
  expect(pages.filter((page) => !index.includes(`(${page})`))).toEqual([])
})
