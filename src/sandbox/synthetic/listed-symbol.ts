import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { intervalsOf } from '../../../config/markets.ts'
import { CkvdError } from '../../errors.ts'
import type { Interval } from '../../model/interval.ts'
import type { Market, RestMarket } from '../../model/market.ts'
import { hasRest } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays } from '../../model/utc-day.ts'
import type { SyntheticMarket } from '../options.ts'
import type { Profile } from './profile.ts'
import { baseOf, createProfile } from './profile.ts'
import { hashText, unitOf } from './random.ts'
import { MS_PER_DAY } from '../grid.ts'

/** A symbol of the synthetic exchange, ready for use. Days are counted from 1970-01-01. */
export interface ListedSymbol {
  /** `spot/BTCUSDT` */
  readonly id: string
  readonly market: Market
  readonly symbol: string
  readonly intervals: readonly Interval[]
  readonly profile: Profile
  readonly firstDay: number
  /** Infinity while the symbol trades */
  readonly lastDay: number
  /** first bar's opening, and end (excluded) of the last one */
  readonly firstMs: number
  readonly endMs: number
  readonly firstArchiveDay: number
  readonly afterEnd: 'listed' | 'unlisted' | 'forgotten'
}

export function createListedSymbol(entry: SyntheticMarket, seed: number): ListedSymbol {
  const { market, symbol } = entry
  const lastDay = entry.lastDay === undefined ? Infinity : dayIndex(entry.lastDay)
  const closesMs = entry.closesAt === undefined ? MS_PER_DAY : Date.parse(`1970-01-01T${entry.closesAt}Z`)
  return {
    id: `${market}/${symbol}`,
    market,
    symbol,
    intervals: (entry.intervals ?? intervalsOf(market)).filter((interval) => intervalsOf(market).includes(interval)),
    // what is told of options follows the bars that spot has of what they are on
    profile: hasRest(market) ? createProfile(market, symbol, seed) : createProfile('spot', underlyingOf(symbol), seed),
    firstDay: dayIndex(entry.firstDay),
    lastDay,
    firstMs: Date.parse(`${entry.firstDay}T${entry.opensAt ?? '00:00'}Z`),
    endMs: lastDay * MS_PER_DAY + closesMs,
    firstArchiveDay: dayIndex(entry.archivesFrom ?? entry.firstDay),
    afterEnd: entry.afterEnd ?? (/_\d{6}$/.test(symbol) ? 'unlisted' : 'listed'),
  }
}

/** What an index of options, or a summary of them, is about: `BTCUSDT` of `BTCBVOLUSDT` and of itself. */
function underlyingOf(symbol: string): string {
  return symbol.replace(VOLATILITY, '')
}

/** What names an index of volatility in its symbol. */
export const VOLATILITY = 'BVOL'

function dayIndex(day: string): number {
  return Date.parse(`${day}T00:00Z`) / MS_PER_DAY
}

/** What the default exchange lists besides the universe: a delisted symbol, contracts with delivery, odd names. */
const ODD_MARKETS: readonly SyntheticMarket[] = [
  { market: 'spot', symbol: 'WAVESUSDT', firstDay: '2019-01-23', lastDay: '2024-06-17', closesAt: '03:00' },
  { market: 'um', symbol: 'WAVESUSDT', firstDay: '2020-08-14', lastDay: '2024-06-11', closesAt: '09:00' },
  { market: 'spot', symbol: '1000SATSUSDT', firstDay: '2023-12-12', opensAt: '07:00' },
  { market: 'um', symbol: '1000SATSUSDT', firstDay: '2023-12-12', opensAt: '14:00' },
  { market: 'um', symbol: '币安人生USDT', firstDay: '2025-10-08', opensAt: '11:00' },
  { market: 'cm', symbol: 'BTCUSD_210625', firstDay: '2020-12-25', opensAt: '08:00', lastDay: '2021-06-25', closesAt: '08:00' },
  { market: 'cm', symbol: 'BTCUSD_240628', firstDay: '2023-12-29', opensAt: '08:00', lastDay: '2024-06-28', closesAt: '08:00' },
]

/** What there is of options: since when, and of what. Source: the listing of the bucket, autumn 2026. */
const OPTIONS: readonly SyntheticMarket[] = [
  ...['BTC', 'ETH'].map((base): SyntheticMarket => ({ market: 'option', symbol: `${base}${VOLATILITY}USDT`, firstDay: '2023-06-20' })),
  ...['BTC', 'ETH', 'BNB', 'XRP', 'DOGE'].map((base): SyntheticMarket => ({
    market: 'option',
    symbol: `${base}USDT`,
    firstDay: '2023-05-18',
  })),
]

/** When the futures markets opened: none of their contracts can be older. */
const FUTURES_BEGAN: Readonly<Record<Exclude<RestMarket, 'spot'>, string>> = { um: '2019-09-25', cm: '2020-08-10' }

/** The markets of the default exchange: the shipped universe in spot, um and cm, a few odd ones, and options. */
export function defaultMarkets(): SyntheticMarket[] {
  const universe = readUniverse()
  const futures = universe.flatMap(({ symbol, firstDay }): SyntheticMarket[] => [
    symbol === 'BTCUSDT'
      ? // REST begins before the archives here, as on the real exchange
        { market: 'um', symbol, firstDay: '2019-09-08', opensAt: '17:00', archivesFrom: '2019-12-31' }
      : { market: 'um', symbol, firstDay: laterDay(firstDay, 'um', symbol) },
    { market: 'cm', symbol: `${baseOf(symbol)}USD_PERP`, firstDay: laterDay(firstDay, 'cm', symbol) },
  ])
  return [
    ...universe.map(({ symbol, firstDay }): SyntheticMarket => ({ market: 'spot', symbol, firstDay })),
    ...futures,
    ...ODD_MARKETS,
    ...OPTIONS,
  ]
}

/** The bases of the shipped universe, in its order. */
export function universeBases(): string[] {
  return readUniverse().map(({ symbol }) => baseOf(symbol))
}

function laterDay(spotDay: string, market: 'um' | 'cm', symbol: string): string {
  const began = FUTURES_BEGAN[market]
  return addDays((spotDay > began ? spotDay : began) as UtcDay, 5 + Math.floor(unitOf(hashText(`${market}/${symbol}`), 0) * 80))
}

function readUniverse(): { symbol: string; firstDay: string }[] {
  // the file lies in the package's root, seen from src/sandbox and from dist/src/sandbox
  const paths = ['../../../', '../../../../'].map((root) =>
    fileURLToPath(new URL(`${root}config/universe/spot_synchronal.csv`, import.meta.url)),
  )
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined)
    throw new CkvdError('CKVD_BUG', `Expected the package's universe file at ${paths.join(' or ')}, found none. Install the package again.`)
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1)
  return lines.map((line) => {
    const [, symbol = '', firstDay = ''] = line.split(',')
    return { symbol, firstDay }
  })
}
