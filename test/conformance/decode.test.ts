import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import type * as Polars from 'nodejs-polars'
import { describe, expect, test } from 'vitest'
import { shardRows } from '../../src/codec/shard-rows.ts'
import type { DecodeRequest, DecodeResult } from '../../src/codec/decode-archive.ts'
import { decodeArchive } from '../../src/codec/decode-archive.ts'
import { decodeRestRows } from '../../src/codec/rest-rows.ts'
import type { Interval } from '../../src/model/interval.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import { KLINE_COLUMNS, concatColumns } from '../../src/model/kline.ts'
import { SHARD_SCHEMA } from '../support/foreign-reader.ts'
import { SHARED } from '../support/shared.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

const polars = createRequire(import.meta.url)('nodejs-polars') as typeof Polars

/** Klines archives of the folder of real ones, as paths like `data/spot/daily/klines/…`. */
function findArchives(root: string): string[] {
  return readdirSync(join(root, 'vision/data'), { recursive: true, withFileTypes: true })
    .filter((file) => file.name.endsWith('.zip') && file.parentPath.includes('/klines/'))
    .map((file) => relative(join(root, 'vision'), join(file.parentPath, file.name)))
    .sort()
}

function requestFor(root: string, key: string): DecodeRequest {
  const [, market, packaging, symbol = '', interval = '', period = ''] =
    /^data\/(?:futures\/)?(spot|um|cm)\/(daily|monthly)\/klines\/([^/]+)\/([^/]+)\/.*?-(\d{4}-[\d-]+)\.zip$/.exec(key) ?? []
  return {
    series: { market: market as 'spot', symbol, interval: interval as Interval },
    archive: { key, etag: '"etag"', packaging: packaging as 'daily', period },
    zip: readFileSync(join(root, 'vision', key)),
    checksum: readFileSync(join(root, 'vision', `${key}.CHECKSUM`)),
    days: null,
    startsSeries: false,
    seriesEndUs: null,
  }
}

/** The independent reader: split and BigInt / Number, as the contract words it. */
function readCells(zip: Buffer): (bigint | number)[][] {
  const lines = readFirstEntry(zip).toString('utf8').trimEnd().split(/\r?\n/)
  const rows = lines.filter((line) => /^\d/.test(line)).map((line) => line.split(','))
  const time = (text: string): bigint => (text.length === 13 ? BigInt(text) * 1000n : BigInt(text))
  return rows.map((cells) => cells.slice(0, 11).map((cell, i) => (i === 0 || i === 6 ? time(cell) : i === 8 ? BigInt(cell) : Number(cell))))
}

function cellsOf(columns: KlineColumns): (bigint | number)[][] {
  return Array.from(columns.openTime, (_, row) => KLINE_COLUMNS.map(({ key }) => columns[key][row]!))
}

function rowsOf(result: DecodeResult, { series }: DecodeRequest): KlineColumns {
  return concatColumns(result.chunks.map(({ shard }) => shardRows(series, shard)))
}

describe.skipIf(SHARED === undefined)('real archives', () => {
  const root = SHARED ?? ''
  const archives = SHARED === undefined ? [] : findArchives(SHARED)

  test('there are archives of every market, daily and monthly', () => {
    expect(archives.length).toBeGreaterThan(150)
    const kinds = new Set(archives.map((key) => key.split('/').slice(1, -3).join('/')))
    expect([...kinds].sort()).toEqual([
      'futures/cm/daily/klines',
      'futures/um/daily/klines',
      'futures/um/monthly/klines',
      'spot/daily/klines',
      'spot/monthly/klines',
    ])
  })

  const byFolder = new Map<string, string[]>()
  for (const key of archives) byFolder.set(dirname(key), [...(byFolder.get(dirname(key)) ?? []), key])

  test.each([...byFolder.keys()])('%s: every cell is the published decimal, every row is there', async (folder) => {
    for (const key of byFolder.get(folder) ?? []) {
      const request = requestFor(root, key)
      const expected = readCells(request.zip as Buffer)
      const result = await decodeArchive(request)
      expect(result.csvRows).toBe(expected.length)
      expect(result.dropped).toBe(0)
      const found = cellsOf(rowsOf(result, request))
      // compared as text first: an array of 40,000 rows is printed for minutes when it differs
      const wrong = expected.findIndex((cells, row) => cells.some((cell, i) => !Object.is(cell, found[row]?.[i])))
      expect({ key, rows: found.length, wrong, row: found[wrong] }).toEqual({ key, rows: expected.length, wrong: -1, row: undefined })
    }
  })

  test.each([
    ['data/futures/um/monthly/klines/ALGOUSDT/1m/ALGOUSDT-1m-2024-02.zip', 29],
    ['data/futures/um/monthly/klines/BTCUSDT/5m/BTCUSDT-5m-2025-01.zip', 31],
  ])('%s holds the same bytes, column by column, as its daily archives', async (monthly, days) => {
    const prefix = monthly.replace('/monthly/', '/daily/').replace('.zip', '-')
    const daily = archives.filter((key) => key.startsWith(prefix))
    expect(daily).toHaveLength(days)
    const rows = async (key: string): Promise<KlineColumns> => {
      const request = requestFor(root, key)
      return rowsOf(await decodeArchive(request), request)
    }
    const month = await rows(monthly)
    const joined = concatColumns(await Promise.all(daily.map(rows)))
    for (const { key } of KLINE_COLUMNS) {
      const [a, b] = [month[key], joined[key]].map((column) => Buffer.from(column.buffer, column.byteOffset, column.byteLength))
      expect(a!.equals(b!), key).toBe(true)
    }
  })

  test('the outages of spot BTCUSDT 1h in 2021-02 and 2021-03 are gaps, and nothing else is', async () => {
    const gaps = async (period: string) => {
      const result = await decodeArchive(requestFor(root, `data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-${period}.zip`))
      return result.chunks.flatMap((chunk) => chunk.gaps.map((gap) => [chunk.day, chunk.condition, gap.startUs / 1000, gap.bars]))
    }
    expect(await gaps('2021-02')).toEqual([['2021-02-11', 'partial', Date.parse('2021-02-11T04:00:00Z'), 1]])
    expect(await gaps('2021-03')).toEqual([['2021-03-06', 'partial', Date.parse('2021-03-06T02:00:00Z'), 1]])
  })

  test('a foreign reader sees the same shard: polars', async () => {
    const request = requestFor(root, 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2020-01-01.zip')
    const [chunk] = (await decodeArchive(request)).chunks
    const frame = polars.readIPC(Buffer.from(chunk!.shard))
    const schema = Object.entries(frame.schema as Record<string, unknown>).map(([name, type]) => `${name} ${String(type)}`)
    expect(schema).toEqual(SHARD_SCHEMA)
    const expected = readCells(request.zip as Buffer)
    expect(frame.height).toBe(expected.length)
    expect(frame.getColumn('quote_asset_volume').toArray()).toEqual(expected.map((cells) => cells[7]))
    const count = frame.getColumn('count').toArray() as (bigint | number)[]
    expect(count.map(BigInt)).toEqual(expected.map((cells) => cells[8]))
  })

  test('the recorded REST answers', () => {
    const bodies = readdirSync(join(root, 'rest')).filter((name) => /_klines\.\d+\.json$/.test(name))
    expect(bodies.length).toBeGreaterThan(20)
    for (const name of bodies) {
      const body = readFileSync(join(root, 'rest', name))
      const json = JSON.parse(body.toString()) as (number | string)[][]
      if (!Array.isArray(json)) {
        expect(() => decodeRestRows(body), name).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
        continue
      }
      const expected = json.map((row) =>
        row.slice(0, 11).map((cell, i) => (i === 0 || i === 6 ? BigInt(cell) * 1000n : i === 8 ? BigInt(cell) : Number(cell))),
      )
      expect(cellsOf(decodeRestRows(body)), name).toEqual(expected)
    }
  })
})
