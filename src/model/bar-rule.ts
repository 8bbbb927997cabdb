import { US_PER_DAY } from './utc-day.ts'

/** When a bar of trades ends: after so long, so many trades, or so much that was traded. */
export type BarRule =
  /** on a grid that begins at 1970-01-01 00:00 UTC */
  | { readonly kind: 'time'; readonly lengthUs: number }
  | { readonly kind: 'trades'; readonly trades: number }
  /** at the trade with which as much of an asset was traded: none is split */
  | { readonly kind: 'amount'; readonly amount: number; readonly asset: string }

/** An asset whose name begins with a digit, or has one letter, stands behind `_`. */
const SIZE = /^(\d+(?:\.\d+)?)(_?[A-Za-z0-9]*[A-Za-z0-9])$/
const UNIT_US: Readonly<Record<string, number>> = { s: 1e6, m: 6e7, h: 3.6e9, d: US_PER_DAY }

/** Reads `90s`, `7m`, `4h`, `1d`; `1000trades`; `10BTC`, `500000USDT`, `5_1000SATS`: undefined for what is none. */
export function parseBarRule(text: string): BarRule | undefined {
  const [, digits = '', unit = ''] = SIZE.exec(text) ?? []
  const size = Number(digits)
  if (!(size > 0)) return undefined
  const isWhole = Number.isSafeInteger(size)
  if (unit === 'trades' || unit === 'trade') return isWhole ? { kind: 'trades', trades: size } : undefined
  const unitUs = UNIT_US[unit]
  if (unitUs !== undefined) return isWhole && size * unitUs <= 366 * US_PER_DAY ? { kind: 'time', lengthUs: size * unitUs } : undefined
  const asset = /^(?:_[A-Z0-9]+|[A-Z][A-Z0-9]+)$/.test(unit) ? unit.replace('_', '') : undefined
  return asset === undefined ? undefined : { kind: 'amount', amount: size, asset }
}
