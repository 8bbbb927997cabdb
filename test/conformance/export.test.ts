import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportResult } from '../../src/export/export-tally.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import type { ForeignDuckDb } from '../support/export-reader.ts'
import { hiveTable, openDuckDb, readArrowRows, readCsvRows, readParquetWithPolars } from '../support/export-reader.ts'
import { SHARD_SCHEMA } from '../support/foreign-reader.ts'
import { archives, readCells } from '../support/real-archives.ts'
import { SHARED } from '../support/shared.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'

const NOW = '2026-07-01T12:00:00Z'

type Cells = readonly (bigint | number)[]

/** `market=spot/symbol=BTCUSDT/interval=1m` → the rows of all archives of that series, by open time; a repeated one once. */
function expectedRows(): Map<string, Cells[]> {
  const series = new Map<string, Map<bigint, Cells>>()
  for (const { key, market, symbol, interval } of archives) {
    const name = `market=${market}/symbol=${symbol}/interval=${interval}`
    const rows = series.get(name) ?? new Map<bigint, Cells>()
    for (const cells of readCells(key)) if (!rows.has(cells[0] as bigint)) rows.set(cells[0] as bigint, cells)
    series.set(name, rows)
  }
  return new Map([...series].map(([name, rows]) => [name, [...rows.values()].sort((a, b) => Number((a[0] as bigint) - (b[0] as bigint)))]))
}

/** The first cell that is not bit for bit the expected one. */
function firstDifference(found: readonly Cells[], expected: readonly Cells[]): unknown {
  const row = expected.findIndex((cells, i) => cells.some((cell, j) => !Object.is(cell, found[i]?.[j])))
  return row < 0 ? undefined : { row, found: found[row], expected: expected[row] }
}

describe.skipIf(SHARED === undefined)('the real archives, exported', () => {
  let world: TempDirectory
  let expected: Map<string, Cells[]>
  let duck: ForeignDuckDb

  async function exportLake(out: string, ...flags: string[]): Promise<ExportResult> {
    const result = jsonOf(await runHere(['export', '--lake', world.lake, '--out', out, '--json', '--quiet', ...flags])) as ExportResult
    expect(result).toMatchObject({ exit: 0, unexplained: [], problems: [] })
    expect(result.rows).toBe([...expected.values()].reduce((sum, rows) => sum + rows.length, 0))
    return result
  }

  beforeAll(async () => {
    world = await createTempDirectory()
    expected = expectedRows()
    duck = await openDuckDb()
    await using exchange = await startExchange(NOW, { archive: join(SHARED ?? '', 'vision') })
    for (const market of ['spot', 'um', 'cm'] as const) {
      const symbols = [...new Set(archives.filter((archive) => archive.market === market).map(({ symbol }) => symbol))]
      const args = ['ingest', '--universe', '-', '--market', market, '--intervals', 'all', '--lake', world.lake, '--json', '--quiet']
      expect(ingestResult(await runHere(args, { env: exchange.env, stdin: symbols.join('\n') }))).toMatchObject({ exit: 0, problems: [] })
    }
  }, 60_000)

  afterAll(async () => {
    duck[Symbol.dispose]()
    await world[Symbol.asyncDispose]()
  })

  test('as Parquet: polars and DuckDB each read every cell as the CSV has it, times to the microsecond', async () => {
    const out = join(world.path, 'parquet')
    await exportLake(out)
    expect(expected.size).toBeGreaterThan(5)
    for (const [name, rows] of expected) {
      const files = await listFiles(join(out, 'data', name))
      const read = files.map((file) => readParquetWithPolars(join(out, 'data', name, file)))
      expect(read.map(({ schema, nulls }) => ({ schema, nulls }))).toEqual(files.map(() => ({ schema: SHARD_SCHEMA, nulls: 0 })))
      const found = read.flatMap(({ columns }) => columns[0]!.map((_, row) => columns.map((values) => values[row]!)))
      expect(found, name).toHaveLength(rows.length)
      expect(firstDifference(found, rows), name).toBeUndefined()

      const [market, symbol, interval] = name.split('/').map((part) => part.split('=')[1])
      const columns = SHARD_SCHEMA.map((field) => `"${field.split(' ')[0]}"`).join(', ')
      const where = `market = '${market}' AND symbol = '${symbol}' AND interval = '${interval}'`
      const asked = (await duck.rows(`SELECT ${columns} FROM ${hiveTable(out)} WHERE ${where} ORDER BY open_time`)) as Cells[]
      expect(asked, name).toHaveLength(rows.length)
      expect(firstDifference(asked, rows), name).toBeUndefined()
    }
  }, 60_000)

  test('as CSV and as Arrow: the same cells', async () => {
    for (const [format, flags] of [
      ['csv', ['--format', 'csv', '--gzip']],
      ['arrow', ['--format', 'arrow']],
    ] as const) {
      const out = join(world.path, format)
      await exportLake(out, ...flags)
      for (const [name, rows] of expected) {
        const files = (await listFiles(join(out, 'data', name))).map((file) => join(out, 'data', name, file))
        const found = files.flatMap((file) => (format === 'csv' ? readCsvRows(file) : readArrowRows(file)))
        expect(found, `${format} ${name}`).toHaveLength(rows.length)
        expect(firstDifference(found, rows), `${format} ${name}`).toBeUndefined()
      }
    }
  }, 60_000)
})
