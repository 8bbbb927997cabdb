import { CkvdError } from '../errors.ts'
import { US_PER_DAY } from './utc-day.ts'

/** When a bar of trades ends: after so long, so many trades, or so much that was traded. */
export type BarRule =
  /** on a grid that begins at 1970-01-01 00:00 UTC */
  | { readonly kind: 'time'; readonly lengthUs: number }
  | { readonly kind: 'trades'; readonly trades: number }
  /** at the trade with which as much of an asset was traded: none is split */
  | { readonly kind: 'amount'; readonly amount: number; readonly asset: string }

/** What is summed for a rule about an asset: what is bought and sold, or what it is paid in. */
export type AmountColumn = 'volume' | 'quoteVolume'

const SIZE = /^(\d+(?:\.\d+)?)([A-Za-z0-9]*[A-Za-z])$/
const UNIT_US: Readonly<Record<string, number>> = { s: 1e6, m: 6e7, h: 3.6e9, d: US_PER_DAY }

/** Reads `90s`, `7m`, `4h`, `1d`; `1000trades`; `10BTC`, `500000USDT`: undefined for what is none. */
export function parseBarRule(text: string): BarRule | undefined {
  const [, digits = '', unit = ''] = SIZE.exec(text) ?? []
  const size = Number(digits)
  if (!(size > 0)) return undefined
  const isWhole = Number.isSafeInteger(size)
  if (unit === 'trades' || unit === 'trade') return isWhole ? { kind: 'trades', trades: size } : undefined
  const unitUs = UNIT_US[unit]
  if (unitUs !== undefined) return isWhole && size * unitUs <= 366 * US_PER_DAY ? { kind: 'time', lengthUs: size * unitUs } : undefined
  return /^[A-Z0-9]{2,}$/.test(unit) ? { kind: 'amount', amount: size, asset: unit } : undefined
}

/** What is summed of a symbol for a rule about an asset. Throws CKVD_USAGE where it is neither bought nor paid with there. */
export function amountColumnOf(symbol: string, asset: string): AmountColumn {
  const [pair = ''] = symbol.split('_')
  // contracts of COIN-M are counted in contracts, and what they are worth in the coin
  const isInverse = /_(?:PERP|\d{6})$/.test(symbol) && pair.endsWith('USD')
  if (isInverse) {
    if (pair === `${asset}USD`) return 'quoteVolume'
  } else if (pair.endsWith(asset) && pair.length > asset.length) return 'quoteVolume'
  else if (pair.startsWith(asset) && pair.length > asset.length) return 'volume'
  throw new CkvdError('CKVD_USAGE', `Expected an asset that ${symbol} trades in, got ${asset}.`, {
    details: { option: '--by', symbol, asset },
  })
}
