import { numberAt } from '../../model/number-at.ts'
import type { Bars } from '../synthetic/bars.ts'
import { HIGH, LOW, OPEN_MS, STRIDE } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import { hashText, hashWith } from '../synthetic/random.ts'
import type { Table } from './table.ts'

/*
 * Orders by which positions of a contract of COIN-M were closed: of each hour one to three, at its lowest or highest price, each row twice, as
 * the real archives have them.
 */

const HEADER =
  'time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,accumulated_fill_quantity\n'
const MOST = 3

function encodeLiquidations({ data }: Bars, { id, profile }: ListedSymbol): string {
  const hash = hashText(`${id}/liquidationSnapshot`)
  const lines = [HEADER]
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    const hour = openMs / 3_600_000
    const count = 1 + (hashWith(hash, hour) % MOST)
    for (let order = 0; order < count; order++) {
      const own = hashWith(hash + 1 + order, hour)
      const isSell = own % 2 === 0
      const ticks = numberAt(data, at + (isSell ? LOW : HIGH))
      const [average, limit] = [ticks, ticks + (isSell ? -5 : 5)].map((price) =>
        (price / 10 ** profile.priceDecimals).toFixed(profile.priceDecimals),
      )
      const quantity = 1 + (own % 400)
      const timeMs = openMs + Math.floor((order * 3_600_000) / MOST) + (own % 1_000_000)
      const cells = [timeMs, isSell ? 'SELL' : 'BUY', 'LIMIT', 'IOC', quantity, limit, average, 'FILLED', 1 + (own % quantity), quantity]
      const line = `${cells.join(',')}\n`
      lines.push(line, line)
    }
  }
  return lines.join('')
}

export const LIQUIDATIONS: Table = {
  dataset: 'liquidationSnapshot',
  markets: ['cm'],
  interval: '1h',
  from: '2023-06-25',
  until: '2024-10-14',
  rowsPerBar: 2 * MOST,
  rowBytes: 60,
  encode: encodeLiquidations,
}
