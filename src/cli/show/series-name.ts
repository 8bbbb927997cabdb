import { CkvdError } from '../../errors.ts'
import { datasetNames, datasetOf, named } from '../../dataset/registry.ts'
import { parseInterval } from '../../model/interval.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, parseUtcDay } from '../../model/utc-day.ts'

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

/** A series, and days of it, half-open; absent: all. */
export interface SeriesDays {
  readonly series: Series
  readonly days?: { readonly start: UtcDay; readonly end: UtcDay; readonly isOne: boolean }
}

/** Reads `spot/BTCUSDT/1m`, `spot/BTCUSDT/1m/2021-02-11` or, the end excluded, `spot/BTCUSDT/1m/2021-02-11..2021-02-14`. Throws CKVD_USAGE. */
export function parseSeriesDays(flag: string, text: string): SeriesDays {
  const cut = text.lastIndexOf('/')
  const [from = '', to] = text.slice(cut + 1).split('..')
  const start = parseUtcDay(from)
  // what is no day is the end of a series' name
  if (start === undefined && to === undefined && !/^\d{4}-/.test(from)) return { series: parseSeriesName(flag, text) }
  const end = start === undefined ? undefined : to === undefined ? addDays(start, 1) : parseUtcDay(to)
  if (start === undefined || end === undefined || start >= end)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${flag}\` to be market/symbol/interval/day, such as spot/BTCUSDT/1m/2021-02-11, or days, the end excluded (spot/BTCUSDT/1m/2021-02-11..2021-02-14), got "${text}" (flag).`,
    )
  return { series: parseSeriesName(flag, text.slice(0, cut)), days: { start, end, isOne: to === undefined } }
}
