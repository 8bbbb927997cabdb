import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Polars from 'nodejs-polars'
import { describe, expect, test } from 'vitest'
import { startExchange } from '../support/exchange.ts'
import { library, valuesOf } from '../support/library.ts'
import { SHARED } from '../support/shared.ts'
import { createTempDirectory } from '../support/temp-lake.ts'
import { buildArchive } from '../support/zip-builder.ts'

// the package has no ESM entry that the test runner can resolve
const polars = createRequire(import.meta.url)('nodejs-polars') as typeof Polars

const MARKETS = [
  ['spot', library.MarketType.SPOT, 'btcusdt_spot_1h_2024w01', 'BTCUSDT', 'data/spot'],
  ['um', library.MarketType.FUTURES_USDT, 'btcusdt_futures_usdt_1h_2024w01', 'BTCUSDT', 'data/futures/um'],
  ['cm', library.MarketType.FUTURES_COIN, 'btcusd_perp_coin_1h_2024w01', 'BTCUSD_PERP', 'data/futures/cm'],
] as const

type GoldenRow = Record<string, number | string | Date>

/** Epoch milliseconds of a time, which Polars gives as a `Date`. */
function msOf(time: GoldenRow[string] | undefined): number {
  if (!(time instanceof Date)) throw new Error(`Expected a Date, got ${String(time)}.`)
  return time.getTime()
}

/** 168 hours that the original Python package produced from the real archives (SHARED/golden). */
async function readGolden(name: string): Promise<GoldenRow[]> {
  const frame = polars.readParquet(await readFile(join(SHARED ?? '', 'golden', `${name}.parquet`)))
  return frame.toRecords() as GoldenRow[]
}

/** The rows as daily archives: the text of a double is the shortest that reads back as the same double. */
async function writeArchives(folder: string, root: string, symbol: string, rows: readonly GoldenRow[]): Promise<void> {
  const days = new Map<string, GoldenRow[]>()
  for (const row of rows) {
    const day = new Date(msOf(row['open_time'])).toISOString().slice(0, 10)
    days.set(day, [...(days.get(day) ?? []), row])
  }
  const target = join(folder, root, 'daily/klines', symbol, '1h')
  await mkdir(target, { recursive: true })
  for (const [day, own] of days) {
    const lines = own.map((row) =>
      [
        msOf(row['open_time']),
        ...['open', 'high', 'low', 'close', 'volume'].map((name) => row[name]),
        msOf(row['close_time']),
        ...['quote_asset_volume', 'count', 'taker_buy_volume', 'taker_buy_quote_volume'].map((name) => row[name]),
        0,
      ].join(','),
    )
    const { zip, checksum } = buildArchive(`${symbol}-1h-${day}`, `${lines.join('\n')}\n`)
    await writeFile(join(target, `${symbol}-1h-${day}.zip`), zip)
    await writeFile(join(target, `${symbol}-1h-${day}.zip.CHECKSUM`), checksum)
  }
}

describe.skipIf(SHARED === undefined)('168 hours of 2024-01-01..07 as the original produced them', () => {
  test.each(MARKETS)('%s: equal, column by column', async (_market, marketType, name, symbol, root) => {
    await using temp = await createTempDirectory()
    const golden = await readGolden(name)
    expect(golden).toHaveLength(168)
    await writeArchives(temp.path, root, symbol, golden)
    await using exchange = await startExchange('2024-02-01T00:00:00Z', { archive: temp.path })
    await using ckvd = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, marketType, {
      lake: temp.lake,
      sources: exchange.sandbox.urls,
      workers: 1,
    })
    const table = await ckvd.getData({ symbol, interval: '1h', startTime: '2024-01-01T00:00:00Z', endTime: '2024-01-08T00:00:00Z' })
    // from the archives, not from the REST API beside them
    expect(exchange.requests('archive')).toHaveLength(7)
    const values = valuesOf(table)
    const times = (column: string) => golden.map((row) => BigInt(msOf(row[column])) * 1000n)
    expect(values['open_time']).toEqual(times('open_time'))
    expect(values['close_time']).toEqual(times('close_time'))
    for (const column of ['open', 'high', 'low', 'close', 'volume', 'quote_asset_volume', 'taker_buy_volume', 'taker_buy_quote_volume']) {
      expect(values[column], column).toEqual(golden.map((row) => Number(row[column])))
    }
    expect(values['count']).toEqual(golden.map((row) => BigInt(Number(row['count']))))
  })
})
