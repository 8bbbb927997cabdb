import { CkvdError } from '../../errors.ts'
import { datasetNames, datasetOf, named } from '../../dataset/registry.ts'
import { parseInterval } from '../../model/interval.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { parseUtcDay } from '../../model/utc-day.ts'

/** Reads `spot/BTCUSDT/1m`, or with the data set `spot/klines/BTCUSDT/1m`. Throws CKVD_USAGE. */
export function parseSeriesName(flag: string, text: string): Series {
  const [market = '', ...parts] = text.split('/')
  const given = parts.length > 1 && datasetNames().includes(parts[0] ?? '') ? parts.shift() : undefined
  const dataset = datasetOf({ dataset: given })
  const [symbol = '', name, ...rest] = parts
  const interval = dataset.hasInterval ? parseInterval(name ?? '') : name === undefined ? dataset.grid : undefined
  if (isMarket(market) && isSymbol(symbol) && interval !== undefined && rest.length === 0)
    return { ...named(dataset), market, symbol, interval }
  throw new CkvdError('CKVD_USAGE', `Expected \`${flag}\` to be market/symbol/interval, such as spot/BTCUSDT/1m, got "${text}" (flag).`)
}

/** Reads `spot/BTCUSDT/1m/2021-02-11`. Throws CKVD_USAGE. */
export function parseSeriesDay(flag: string, text: string): { series: Series; day: UtcDay } {
  const cut = text.lastIndexOf('/')
  const day = parseUtcDay(text.slice(cut + 1))
  if (day === undefined)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${flag}\` to be market/symbol/interval/day, such as spot/BTCUSDT/1m/2021-02-11, got "${text}" (flag).`,
    )
  return { series: parseSeriesName(flag, text.slice(0, cut)), day }
}
