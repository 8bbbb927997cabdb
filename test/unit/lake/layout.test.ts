import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  archivePath,
  formerPath,
  joinLake,
  lakePaths,
  parseShardPath,
  quarantinePath,
  quarantineReasonPath,
  shardPath,
} from '../../../src/lake/layout.ts'
import { INTERVALS, isLongerThanDay } from '../../../src/model/interval.ts'
import { MARKETS } from '../../../src/model/market.ts'
import { day } from './lake-fixtures.ts'

describe('paths of funding rates', () => {
  it.each([
    ['um', 'BTCUSDT', '2026-04-30', 'data/futures/um/yearly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026.arrow'],
    ['cm', 'BTCUSD_PERP', '2020-12-01', 'data/futures/cm/yearly/fundingRate/BTCUSD_PERP/BTCUSD_PERP-fundingRate-2020.arrow'],
  ] as const)('are those of packs of a year: %s %s %s', (market, symbol, name, path) => {
    const series = { dataset: 'fundingRate', market, symbol, interval: '1h' } as const
    expect(shardPath(series, day(name))).toBe(path)
    expect(parseShardPath(path)).toMatchObject({ kind: 'pack', series, period: name.slice(0, 4) })
  })

  it.each([
    // where a month was kept before its chunks stood in the ledger
    'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.arrow',
    'data/spot/yearly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.arrow',
    'data/futures/um/yearly/fundingRate/BTCUSDT/ETHUSDT-fundingRate-2026.arrow',
    'data/futures/um/yearly/fundingRate/BTCUSDT/1h/BTCUSDT-fundingRate-2026.arrow',
    'data/futures/um/yearly/fundingRate/BTCUSDT/BTCUSDT-1h-2026.arrow',
  ])('%j is none', (path) => expect(parseShardPath(path)).toBeUndefined())
})

describe('shard paths', () => {
  it.each([
    ['spot', 'BTCUSDT', '1m', '2024-01-01', 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow'],
    ['um', 'ETHUSDT', '1s', '2024-02-29', 'data/futures/um/daily/klines/ETHUSDT/1s/ETHUSDT-1s-2024-02-29.arrow'],
    ['spot', 'BTCUSDT', '5m', '2024-12-31', 'data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2024-12-31.arrow'],
  ] as const)('of days of some minutes lie where the archive lies: %s %s %s %s', (market, symbol, interval, name, path) => {
    const series = { market, symbol, interval }
    expect(shardPath(series, day(name))).toBe(path)
    expect(formerPath(series, day(name))).toBe(path)
    expect(parseShardPath(path)).toEqual({ kind: 'chunk', series, day: name })
  })

  const JUNE = { period: '2021-06', first: '2021-06-01', end: '2021-07-01' }
  const year = (name: string) => ({ period: name, first: `${name}-01-01`, end: `${Number(name) + 1}-01-01` })
  it.each([
    ['spot', 'BTCUSDT', '15m', '2021-06-01', 'spot/monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2021-06', JUNE],
    ['um', '币安人生USDT', '30m', '2021-06-17', 'futures/um/monthly/klines/币安人生USDT/30m/币安人生USDT-30m-2021-06', JUNE],
    ['cm', 'BTCUSD_210625', '1h', '2021-06-30', 'futures/cm/monthly/klines/BTCUSD_210625/1h/BTCUSD_210625-1h-2021-06', JUNE],
    ['spot', 'BTCUSDT', '2h', '2024-02-29', 'spot/yearly/klines/BTCUSDT/2h/BTCUSDT-2h-2024', year('2024')],
    ['cm', 'BTCUSD_210625', '1d', '2021-12-31', 'futures/cm/yearly/klines/BTCUSD_210625/1d/BTCUSD_210625-1d-2021', year('2021')],
    ['spot', 'BTCUSDT', '1M', '2024-01-01', 'spot/yearly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024', year('2024')],
    ['um', '币安人生USDT', '1w', '2025-12-01', 'futures/um/yearly/klines/币安人生USDT/1w/币安人生USDT-1w-2025', year('2025')],
    ['cm', 'ADAUSD_PERP', '3d', '2022-05-01', 'futures/cm/yearly/klines/ADAUSD_PERP/3d/ADAUSD_PERP-3d-2022', year('2022')],
  ] as const)('of coarser bars are a pack of a month or a year: %s %s %s %s', (market, symbol, interval, name, stem, period) => {
    const series = { market, symbol, interval }
    expect(shardPath(series, day(name))).toBe(`data/${stem}.arrow`)
    expect(parseShardPath(`data/${stem}.arrow`)).toEqual({ kind: 'pack', series, ...period })
  })

  it.each([
    ['cm', 'BTCUSD_210625', '1d', '2021-06-01', 'data/futures/cm/daily/klines/BTCUSD_210625/1d/BTCUSD_210625-1d-2021-06-01.arrow'],
    ['spot', 'BTCUSDT', '1h', '2024-01-31', 'data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01-31.arrow'],
    ['spot', 'BTCUSDT', '1M', '2024-01-01', 'data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-01.arrow'],
    ['um', '币安人生USDT', '1w', '2025-12-01', 'data/futures/um/monthly/klines/币安人生USDT/1w/币安人生USDT-1w-2025-12.arrow'],
    ['cm', 'ADAUSD_PERP', '3d', '2022-05-01', 'data/futures/cm/monthly/klines/ADAUSD_PERP/3d/ADAUSD_PERP-3d-2022-05.arrow'],
  ] as const)(
    'of the first format lay where the archive lies, and are still known: %s %s %s %s',
    (market, symbol, interval, name, path) => {
      const series = { market, symbol, interval }
      expect(formerPath(series, day(name))).toBe(path)
      expect(parseShardPath(path)).toEqual({ kind: 'chunk', series, day: name })
    },
  )

  it('are read back for every market and interval', () => {
    for (const market of MARKETS) {
      for (const interval of INTERVALS) {
        const series = { market, symbol: '1000SATSUSDT', interval }
        const name = day(isLongerThanDay(interval) ? '2024-03-01' : '2024-03-17')
        expect(parseShardPath(formerPath(series, name))).toEqual({ kind: 'chunk', series, day: name })
        const found = parseShardPath(shardPath(series, name))
        expect(found).toMatchObject({ series })
        if (found?.kind === 'pack') expect(found.first <= name && name < found.end).toBe(true)
        else expect(found).toMatchObject({ kind: 'chunk', day: name })
      }
    }
  })

  it.each([
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-02-29.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-1-1.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/ETHUSDT-1m-2024-01-01.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1h-2024-01-01.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip',
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.arrow',
    'data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow',
    'data/spot/monthly/klines/BTCUSDT/1M/BTCUSDT-1M-2024-01.arrow',
    'data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-01-01.arrow',
    'data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-13.arrow',
    'data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01-01.arrow',
    'data/spot/yearly/klines/BTCUSDT/1h/BTCUSDT-1h-2024.arrow',
    'data/spot/yearly/klines/BTCUSDT/1d/BTCUSDT-1d-2024-01.arrow',
    'data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2024-01.arrow',
    'data/spot/yearly/klines/BTCUSDT/1d/BTCUSDT-1d-24.arrow',
    'data/spot/yearly/klines/BTCUSDT/1M/BTCUSDT-1M-2024.arrow',
    'data/spot/yearly/klines/BTCUSDT/1m/BTCUSDT-1m-2024.arrow',
    'data/spot/daily/klines/BTC.USDT/1m/BTC.USDT-1m-2024-01-01.arrow',
    'data/futures/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow',
    'data/okx/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow',
    '/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow',
    'data/spot/daily/klines/BTCUSDT/1m/../1m/BTCUSDT-1m-2024-01-01.arrow',
    '',
  ])('of anything else are refused: %s', (path) => {
    expect(parseShardPath(path)).toBeUndefined()
  })
})

describe('paths of archives', () => {
  const key = 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip'
  const sha256 = '0123456789abcdef'.repeat(4)

  it('mirror the key, under quarantine with the digest in the name', () => {
    const kept = 'quarantine/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.0123456789ab.zip'
    expect(quarantinePath(key, sha256)).toBe(kept)
    expect(quarantineReasonPath(key, sha256)).toBe(`${kept}.reason.json`)
    expect(archivePath(key)).toBe(`archives/${key}`)
  })

  it('do not mistake a dot in a folder for an ending', () => {
    expect(quarantinePath('a.b/c', sha256)).toBe('quarantine/a.b/c.0123456789ab')
  })
})

describe('joinLake', () => {
  it('joins a path inside the lake', () => {
    expect(joinLake('/lake', 'data/spot/x.arrow')).toBe(join('/lake', 'data', 'spot', 'x.arrow'))
    expect(lakePaths('/lake').catalog).toBe(join('/lake', 'catalog.sqlite'))
  })

  it.each(['../x', 'data/../../x', '/etc/passwd', 'data//x', '', '.', 'data/./x', 'data\\..\\x', 'C:/x', 'data/x\0.arrow', 'data/'])(
    'refuses %j',
    (path) => {
      expect(() => joinLake('/lake', path)).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_IO' }))
    },
  )
})
