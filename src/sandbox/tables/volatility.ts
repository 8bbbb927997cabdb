import { numberAt } from '../../model/number-at.ts'
import type { Bars } from '../synthetic/bars.ts'
import { CLOSE, HIGH, LOW, OPEN_MS, STRIDE } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import { VOLATILITY } from '../synthetic/listed-symbol.ts'
import { hashText, hashWith } from '../synthetic/random.ts'
import type { Table } from './table.ts'

/*
 * An index of the volatility that options expect, a row a second: it moves around a level, and with how far the price goes in a minute. Some
 * seconds are told a millisecond late.
 */

const SECONDS = 60
const LEVEL = 50

function encodeVolatility({ data }: Bars, { id, symbol }: ListedSymbol): string {
  const hash = hashText(`${id}/BVOLIndex`)
  const base = symbol.slice(0, symbol.indexOf(VOLATILITY) + VOLATILITY.length)
  const lines = ['calc_time,symbol,base_asset,quote_asset,index_value\n']
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    const reach = (numberAt(data, at + HIGH) - numberAt(data, at + LOW)) / numberAt(data, at + CLOSE)
    for (let second = 0; second < SECONDS; second++) {
      const own = hashWith(hash, openMs / 1000 + second)
      const value = LEVEL + 1000 * reach + (own % 1000) / 1000
      const cells = [openMs + 1000 * second + Number(own % 8 === 0), symbol, base, symbol.slice(base.length), value.toFixed(4)]
      lines.push(`${cells.join(',')}\n`)
    }
  }
  return lines.join('')
}

export const VOLATILITY_INDEX: Table = {
  dataset: 'BVOLIndex',
  markets: ['option'],
  isOf: (symbol) => symbol.includes(VOLATILITY),
  interval: '1m',
  from: '2023-06-20',
  rowsPerBar: SECONDS,
  rowBytes: 24,
  encode: encodeVolatility,
}
