import { numberAt } from '../../model/number-at.ts'
import type { Bars } from '../synthetic/bars.ts'
import { CLOSE, HIGH, LOW, OPEN, OPEN_MS, STRIDE } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import { hashText, hashWith, unitOf } from '../synthetic/random.ts'
import type { Table } from './table.ts'
import { timeText } from './table.ts'

/*
 * What stood in the order book of a futures contract, made of its minutes: how much stood near the price, twice a minute, and the best bid
 * and ask, which lie around prices between a minute's lowest and highest one.
 */

const MARKETS = ['um', 'cm'] as const
/** A fifth of a percent is told, too, from this time on, and percentages have two decimals from 2026 on. */
const NARROW_FROM_MS = Date.parse('2026-01-15T08:00Z')
const DECIMALS_FROM_MS = Date.parse('2026-01-01T00:00Z')
const WIDE = [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]
const ALL = [-5, -4, -3, -2, -1, -0.2, 0.2, 1, 2, 3, 4, 5]
const SNAPSHOTS = 2

function encodeDepth({ data }: Bars, { id, profile }: ListedSymbol): string {
  const hash = hashText(`${id}/bookDepth`)
  const lines = ['timestamp,percentage,depth,notional\n']
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    const minute = openMs / 60_000
    const price = numberAt(data, at + CLOSE) / 10 ** profile.priceDecimals
    for (let snapshot = 0; snapshot < SNAPSHOTS; snapshot++) {
      const second = snapshot * 30 + (hashWith(hash + snapshot, minute) % 6)
      const timeMs = openMs + 1000 * second
      for (const percentage of timeMs < NARROW_FROM_MS ? WIDE : ALL) {
        // what stands within more percent is more
        const level = profile.turnover * 40 * Math.abs(percentage) * (1 + 0.1 * unitOf(hash + Math.sign(percentage), minute))
        const depth = (profile.market === 'cm' ? level / profile.contractUsd : level / price).toFixed(3)
        const notional = profile.market === 'cm' ? (Number(depth) * profile.contractUsd) / price : Number(depth) * price
        const cell = timeMs < DECIMALS_FROM_MS ? String(percentage) : percentage.toFixed(2)
        lines.push(`${timeText(timeMs)},${cell},${depth},${notional.toFixed(8)}\n`)
      }
    }
  }
  return lines.join('')
}

/** Changes of the best prices that a minute has. */
const CHANGES = 12
/** Changes of the book in a minute: most are not of the best prices. */
const UPDATES = 3000

function encodeTicker({ data }: Bars, { id, profile }: ListedSymbol): string {
  const hash = hashText(`${id}/bookTicker`)
  const { priceDecimals, volumeDecimals } = profile
  const lines = ['update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n']
  const quantity = (seed: number, place: number): string =>
    (1 + (hashWith(seed, place) % 5000) / 10 ** volumeDecimals).toFixed(volumeDecimals)
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    const minute = openMs / 60_000
    const prices = [OPEN, LOW, HIGH, CLOSE].map((column) => numberAt(data, at + column))
    for (let change = 0; change < CHANGES; change++) {
      const place = minute * CHANGES + change
      const bid = (prices[Math.floor((change * prices.length) / CHANGES)] as number) - 1
      const ask = bid + 1 + (hashWith(hash, place) % 2)
      const updateId = minute * UPDATES + Math.floor((change * UPDATES) / CHANGES) + (hashWith(hash + 1, place) % 200)
      const timeMs = openMs + Math.floor((change * 60_000) / CHANGES) + (hashWith(hash + 2, place) % 4000)
      const cells = [bid, ask].map(
        (ticks, side) => `${(ticks / 10 ** priceDecimals).toFixed(priceDecimals)},${quantity(hash + 3 + side, place)}`,
      )
      lines.push(`${[updateId, ...cells, timeMs, timeMs + 1 + (hashWith(hash + 5, place) % 9)].join(',')}\n`)
    }
  }
  return lines.join('')
}

export const BOOK_DEPTH: Table = {
  dataset: 'bookDepth',
  markets: MARKETS,
  interval: '1m',
  from: '2023-01-01',
  rowsPerBar: SNAPSHOTS * ALL.length,
  rowBytes: 40,
  encode: encodeDepth,
}

export const BOOK_TICKER: Table = {
  dataset: 'bookTicker',
  markets: MARKETS,
  interval: '1m',
  from: '2023-05-16',
  until: '2024-03-30',
  rowsPerBar: CHANGES,
  rowBytes: 50,
  encode: encodeTicker,
}
