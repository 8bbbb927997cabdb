import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { COMMAND_KEYS, resolveSettings, SETTINGS } from '../../config/settings.ts'
import { parseUniverse } from '../../src/ingest/universe.ts'
import { openLake } from '../../src/lake/lake.ts'
import { createLocalReader } from '../../src/lake/local-shards.ts'
import { shardPath } from '../../src/lake/layout.ts'
import { readLakeFacts } from '../../src/lake/origin.ts'
import { lakePaths } from '../../src/lake/layout.ts'
import { adoptShard, readShard } from '../../src/lake/shards.ts'
import { runVerify } from '../../src/lake/verify.ts'
import { sha256Hex } from '../../src/memory/digest.ts'
import { parseFaultRules } from '../../src/sandbox/index.ts'
import { barsOf, BTC, BTC_5M, day } from '../unit/lake/lake-fixtures.ts'
import { catalogued, checkCases, mutation } from './cases.ts'

const DAY = day('2024-01-01')
const DAYS = ['2024-01-01', '2024-01-02', '2024-01-03']
let directory: string
let catalog: Buffer
/** a day of `5m` bars, and a month of `1h` */
let shard: Buffer
let pack: Buffer
let lakes = 0

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ckvd-fuzz-'))
  const root = join(directory, 'whole')
  const lake = await openLake(root, { mode: 'write', origin: 'sandbox' })
  for (const series of [BTC, BTC_5M]) for (const name of DAYS) await lake.writer.put(barsOf(series, name, { missing: [4] }))
  await lake.close()
  catalog = readFileSync(join(root, 'catalog.sqlite'))
  shard = readFileSync(join(root, shardPath(BTC_5M, DAY)))
  pack = readFileSync(join(root, shardPath(BTC, DAY)))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A new lake with these bytes in the place of a file. */
function lakeWith(path: string, bytes: Uint8Array): string {
  const root = join(directory, `lake-${lakes++}`)
  const target = join(root, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, bytes)
  return root
}

test.each([
  ['shard', BTC_5M, () => shard],
  ['pack', BTC, () => pack],
] as const)('a %s of any bytes is rows that it promises, or a code; none is adopted that is not whole', async (name, series, file) => {
  await checkCases(
    name,
    mutation,
    async (mutate) => {
      const bytes = mutate(file())
      const root = lakeWith(shardPath(series, DAY), bytes)
      for (const text of DAYS) {
        const { row } = barsOf(series, text, { missing: [4] })
        // a catalog that is as wrong as the file: of a file of its own all but the bytes' own digest is checked
        const expected = series === BTC_5M ? { ...row, shardSha256: sha256Hex(bytes), shardBytes: bytes.length } : row
        const read = await readShard(createLocalReader(root), series, row.day, expected).catch(
          (error: unknown) => void expect(catalogued(error)).toMatch(/^CKVD_SHARD_/),
        )
        if (read !== undefined) expect(read.columns.openTime).toHaveLength(read.meta.rows)
        const adopted = await adoptShard(createLocalReader(root), series, row.day).catch(
          (error: unknown) => void expect(['CKVD_SHARD_FORMAT', 'CKVD_SHARD_DIGEST']).toContain(catalogued(error)),
        )
        if (adopted !== undefined) {
          expect(adopted.row).toMatchObject({ symbol: 'BTCUSDT', day: row.day })
          expect(adopted.row.rows).toBeGreaterThan(0)
        }
        if (read !== undefined && adopted !== undefined) expect(adopted.row.rows).toBe(read.meta.rows)
      }
      rmSync(root, { recursive: true })
    },
    2,
  )
})

test('a catalog of any bytes is read, refused with a code, or rebuilt by verify', async () => {
  await checkCases(
    'catalog',
    mutation,
    async (mutate) => {
      const root = lakeWith('catalog.sqlite', mutate(catalog))
      for (const [series, bytes] of [
        [BTC, pack],
        [BTC_5M, shard],
      ] as const) {
        mkdirSync(dirname(join(root, shardPath(series, DAY))), { recursive: true })
        writeFileSync(join(root, shardPath(series, DAY)), bytes)
      }
      for (const mode of ['read', 'write'] as const) {
        try {
          const lake = await openLake(root, { mode })
          try {
            for (const series of lake.catalog.listStoredSeries()) lake.catalog.readDays(series)
          } finally {
            await lake.close()
          }
        } catch (error) {
          catalogued(error)
        }
      }
      try {
        const lake = await openLake(root, { mode: 'write', repair: true })
        try {
          await runVerify(lake)
          // its shard is whole: whatever the catalog was, the day is known, or named
          for (const series of [BTC, BTC_5M]) expect(lake.catalog.getDay(series, DAY)).toBeDefined()
        } finally {
          await lake.close()
        }
      } catch (error) {
        if (error instanceof Error && error.name === 'AssertionError') throw error
        catalogued(error)
      }
      rmSync(root, { recursive: true })
    },
    5,
  )
})

function originOf(root: string): unknown {
  try {
    return readLakeFacts(lakePaths(root))?.origin
  } catch (error) {
    return catalogued(error)
  }
}

test('a lake.json of any bytes is an origin or a code', async () => {
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('{"format":1,"origin":"__proto__"}', '{"__proto__":{"format":1,"origin":"sandbox"}}', '{"format":3}'),
  )
  await checkCases('lake.json', texts, (text) => {
    const root = lakeWith('lake.json', Buffer.from(text))
    expect(originOf(root)).toMatch(/^(binance|sandbox|CKVD_LAKE_IO|CKVD_CATALOG_VERSION)$/)
    rmSync(root, { recursive: true })
  })
})

const key = fc.oneof(
  fc.constantFrom(...SETTINGS.map((setting) => setting.key as string), ...COMMAND_KEYS),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'prototype', ''),
  fc.string({ maxLength: 8 }),
)
const value = fc.oneof(fc.constantFrom(0, -1, Infinity, '', '../..', '\0', 'https://a:b@c', true, null, '1e9', {}, []), fc.jsonValue())

test('a config file of any keys and values is settings or a code, and no prototype changes', async () => {
  const texts = fc.oneof(
    fc
      .array(fc.tuple(key, value), { maxLength: 3 })
      .map((entries) => `{${entries.map(([name, one]) => `${JSON.stringify(name)}: ${JSON.stringify(one)}`).join(', ')}}`),
    fc.string(),
    fc.json(),
  )
  await checkCases('config', texts, (text) => {
    const cwd = lakeWith('ckvd.config.json', Buffer.from(text))
    try {
      const { settings } = resolveSettings({ cwd, env: {} })
      expect(Number.isInteger(settings.workers) && settings.workers > 0).toBe(true)
      expect(Object.keys(JSON.parse(text) as object)).not.toContain('__proto__')
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      expect(catalogued(error)).toMatch(/^CKVD_(CONFIG|USAGE)$/)
    }
    expect(Object.keys(Object.prototype)).toEqual([])
    rmSync(cwd, { recursive: true })
  })
})

test('a universe of any bytes is series with intervals, or a code', async () => {
  const sample = Buffer.from(
    'market,symbol,earliest_date,available_intervals,base_symbol\nspot,BTCUSDT,2017-08-17,"1m,1h,1mo",BTC\num,ETHUSDT,2019-11-27,"1m,1h",ETH\n',
  )
  const options = fc.record({
    market: fc.constantFrom(undefined, 'spot' as const),
    mapMarket: fc.constantFrom(undefined, 'um' as const, 'cm' as const),
  })
  await checkCases('universe', fc.tuple(mutation, options), ([mutate, chosen]) => {
    try {
      const { series } = parseUniverse(mutate(sample), { name: 'universe.csv', symbols: undefined, intervals: 'all', ...chosen })
      expect(series.every(({ symbol, intervals }) => symbol !== '' && !/[\\/.\0]/.test(symbol) && intervals.length > 0)).toBe(true)
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      expect(catalogued(error)).toMatch(/^CKVD_(UNIVERSE|USAGE)$/)
    }
  })
})

test('fault rules of any JSON are rules or CKVD_CONFIG', async () => {
  const rules = fc.array(
    fc.oneof(
      fc.jsonValue(),
      fc.record({
        kind: fc.constantFrom('status', 'reset', '__proto__', 'constructor'),
        match: fc.string(),
        at: fc.string(),
        status: fc.integer(),
      }),
    ),
    { maxLength: 3 },
  )
  await checkCases('fault rules', rules, (list) => {
    try {
      expect(parseFaultRules(list)).toHaveLength(list.length)
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      expect(catalogued(error)).toBe('CKVD_CONFIG')
    }
  })
})
