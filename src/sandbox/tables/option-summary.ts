import { numberAt } from '../../model/number-at.ts'
import type { Bars } from '../synthetic/bars.ts'
import { CLOSE, HIGH, LOW, OPEN, OPEN_MS, STRIDE } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import { VOLATILITY } from '../synthetic/listed-symbol.ts'
import { hashText, hashWith, unitOf } from '../synthetic/random.ts'
import { MS_PER_DAY } from '../grid.ts'
import type { Table } from './table.ts'

/*
 * What each contract of options on an asset did in an hour: calls and puts of two Fridays, with prices around that of the asset, each worth what
 * it would give, and something for the time that is left. Nobody bids for some of them, and no volatility is told of what is bid.
 */

const HEADER =
  'date,hour,symbol,underlying,type,strike,open,high,low,close,volume_contracts,volume_usdt,best_bid_price,best_ask_price,best_bid_qty,best_ask_qty,best_buy_iv,best_sell_iv,mark_price,mark_iv,delta,gamma,vega,theta,openinterest_contracts,openinterest_usdt\n'
const FRIDAYS = 2
const STRIKES = [-2, -1, 0, 1, 2]
const FRIDAY = 5

/** The dates, `231027`, of the next Fridays after a time. */
function expiriesAfter(ms: number): string[] {
  const day = Math.floor(ms / MS_PER_DAY)
  // 1970-01-01 was a Thursday
  const first = day + 1 + ((FRIDAY - ((day + 1 + 4) % 7) + 7) % 7)
  return Array.from({ length: FRIDAYS }, (_none, week) =>
    new Date((first + 7 * week) * MS_PER_DAY).toISOString().slice(2, 10).replaceAll('-', ''),
  )
}

function encodeSummary({ data }: Bars, { id, symbol, profile }: ListedSymbol): string {
  const hash = hashText(`${id}/EOHSummary`)
  const base = symbol.replace(/USDT$/, '')
  const lines = [HEADER]
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    const iso = new Date(openMs).toISOString()
    const [open = 0, high = 0, low = 0, close = 0] = [OPEN, HIGH, LOW, CLOSE].map(
      (column) => numberAt(data, at + column) / 10 ** profile.priceDecimals,
    )
    const step = 10 ** Math.floor(Math.log10(open) - 1)
    for (const expiry of expiriesAfter(openMs)) {
      for (const place of STRIKES) {
        const price = Number(((Math.round(open / step) + place) * step).toPrecision(6))
        for (const type of ['C', 'P']) {
          const own = hashWith(hash, hashText(`${openMs}/${expiry}/${price}/${type}`))
          const worth = (of: number): number => Math.max(0, type === 'C' ? of - price : price - of) + (1 + (own % 10)) * step * 0.01
          const prices = type === 'C' ? [open, high, low, close] : [open, low, high, close]
          const contracts = (own % 300) / 100
          const bid = own % 5 === 0 ? ['""', '0E-8'] : [worth(close).toFixed(8), contracts.toFixed(8)]
          const cells = [
            ...[iso.slice(0, 10), Number(iso.slice(11, 13)), `${base}-${expiry}-${price}-${type}`, symbol, type, `${expiry}-${price}`],
            ...(contracts === 0 ? prices.map(() => '') : prices.map((one) => worth(one).toFixed(8))),
            ...[contracts.toFixed(2), (contracts * worth(close)).toFixed(8)],
            ...[bid[0], (worth(close) + step * 0.01).toFixed(8), bid[1], (1 + contracts).toFixed(8)],
            ...['', (0.4 + 0.2 * unitOf(own, 1)).toFixed(8), worth(close).toFixed(8), (0.4 + 0.2 * unitOf(own, 2)).toFixed(8)],
            ...[(type === 'C' ? 0.5 : -0.5).toFixed(8), '0E-8', unitOf(own, 3).toFixed(8), (-10 * unitOf(own, 4)).toFixed(8)],
            ...[(100 * contracts).toFixed(2), (100 * contracts * close).toFixed(8)],
          ]
          lines.push(`${cells.join(',')}\n`)
        }
      }
    }
  }
  return lines.join('')
}

export const OPTION_SUMMARY: Table = {
  dataset: 'EOHSummary',
  markets: ['option'],
  isOf: (symbol) => !symbol.includes(VOLATILITY),
  interval: '1h',
  from: '2023-05-18',
  until: '2023-10-23',
  rowsPerBar: 2 * FRIDAYS * STRIKES.length,
  rowBytes: 160,
  encode: encodeSummary,
}
