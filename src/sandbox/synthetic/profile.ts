import type { RestMarket } from '../../model/market.ts'
import { hashText, unitOf } from './random.ts'

/** What makes the synthetic bars of one symbol: its decimals, its price level, how much it trades. */
export interface Profile {
  readonly market: RestMarket
  readonly symbol: string
  /** decimals of a price tick and of a unit of volume; a quote volume has `quoteDecimals` */
  readonly priceDecimals: number
  readonly volumeDecimals: number
  readonly quoteDecimals: number
  /** 10^quoteDecimals */
  readonly quoteBase: number
  /** decimals printed; spot prints 8, whatever the tick is */
  readonly printed: { readonly price: number; readonly volume: number; readonly quote: number }
  /** archives of futures write zero as `0` */
  readonly bareZero: boolean
  /** price level in quote units around which the symbol moves */
  readonly basePrice: number
  /** USD of one contract (cm only) */
  readonly contractUsd: number
  /** quote turnover of an ordinary minute */
  readonly turnover: number
  /** seeds of the price path, which the markets of one base share, and of everything else */
  readonly pathSeed: number
  readonly flowSeed: number
}

/** Price levels that people expect to see; all other bases get one from their name. */
const KNOWN_PRICES: Readonly<Record<string, number>> = {
  BTC: 52_000,
  ETH: 2_600,
  BNB: 480,
  LTC: 85,
  SOL: 120,
  BCH: 310,
  AAVE: 140,
  XRP: 0.62,
  ADA: 0.48,
}
const LEVELS = [0.14, 0.45, 0.9, 1.7, 4.2, 8.5, 19, 37, 80, 150]
const BUSY: Readonly<Record<string, number>> = { BTC: 2_400_000, ETH: 1_300_000, BNB: 260_000, SOL: 420_000, XRP: 300_000 }

const QUOTES = /(USDT|USDC|BUSD|FDUSD|TUSD|USD_PERP|USD_\d{6}|BTC|ETH|BNB)$/

/** `BTC` of `BTCUSDT`, `BTCUSD_PERP` and `BTCUSD_210625`. */
export function baseOf(symbol: string): string {
  const base = symbol.replace(QUOTES, '')
  return base === '' ? symbol : base
}

/** The profile of a symbol under a seed: a pure function of its arguments. */
export function createProfile(market: RestMarket, symbol: string, seed: number): Profile {
  const base = baseOf(symbol)
  const name = hashText(`${seed}/${base}`)
  const level = LEVELS[Math.floor(unitOf(name, 1) * LEVELS.length)] as number
  const basePrice = KNOWN_PRICES[base] ?? level * (0.7 + 0.6 * unitOf(name, 2))
  const [priceDecimals, volumeDecimals] = decimalsOf(market, basePrice)
  const quoteDecimals = market === 'cm' ? 8 : priceDecimals + volumeDecimals
  return {
    market,
    symbol,
    priceDecimals,
    volumeDecimals,
    quoteDecimals,
    quoteBase: 10 ** quoteDecimals,
    printed: market === 'spot' ? { price: 8, volume: 8, quote: 8 } : { price: priceDecimals, volume: volumeDecimals, quote: quoteDecimals },
    bareZero: market !== 'spot',
    basePrice,
    contractUsd: base === 'BTC' ? 100 : 10,
    turnover: (BUSY[base] ?? 8_000 + 90_000 * unitOf(name, 3)) * (market === 'um' ? 2 : market === 'cm' ? 0.4 : 1),
    pathSeed: hashText(`${seed}/${base}/path`),
    flowSeed: hashText(`${seed}/${market}/${symbol}/flow`),
  }
}

/** Decimals of price and volume. Their sum stays within 8, so that price × volume is printed exactly. */
function decimalsOf(market: RestMarket, price: number): readonly [number, number] {
  if (market === 'spot') {
    if (price >= 1000) return [2, 5]
    if (price >= 50) return [2, 4]
    if (price >= 5) return [3, 3]
    return price >= 0.5 ? [4, 2] : [5, 1]
  }
  if (market === 'um') {
    if (price >= 50) return [2, 3]
    return price >= 1 ? [3, 1] : [4, 0]
  }
  if (price >= 1000) return [1, 0]
  return price >= 10 ? [2, 0] : [4, 0]
}
