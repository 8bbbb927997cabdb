import { CkvdError } from '../../errors.ts'
import { parseInterval } from '../../model/interval.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { parseUtcDay } from '../../model/utc-day.ts'

/** Reads `spot/BTCUSDT/1m`. Throws CKVD_USAGE. */
export function parseSeriesName(flag: string, text: string): Series {
  const [market = '', symbol = '', name = '', ...rest] = text.split('/')
  const interval = parseInterval(name)
  if (isMarket(market) && isSymbol(symbol) && interval !== undefined && rest.length === 0) return { market, symbol, interval }
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
