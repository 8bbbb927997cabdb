import { numberAt } from '../../model/number-at.ts'
import type { MetricsRow } from '../bucket.ts'
import type { Table } from './table.ts'
import { timeText } from './table.ts'
import type { Bars } from '../synthetic/bars.ts'
import { CLOSE, OPEN_MS, STRIDE, TAKER, VOLUME } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import { hashText, noiseAt, unitOf } from '../synthetic/random.ts'

/*
 * The statistics of a futures contract, one row for each of its bars of five minutes: open interest at the bar's close, its value at that
 * price, ratios of long to short, and what takers bought in the bar to what they sold.
 */

const LENGTH_MS = 300_000
/** USDⓈ-M calls rows by the start of their five minutes from this day on, and called them by the end before. */
const START_LABELS_FROM_MS = Date.parse('2026-06-25T00:00Z')
/** Minutes of turnover that are open. */
const OPEN_MINUTES = 900
const DECIMALS = 8

export function metricsOf(bars: Bars, { id, profile }: ListedSymbol): MetricsRow[] {
  const hash = hashText(`${id}/metrics`)
  const rows: MetricsRow[] = []
  for (let at = 0; at < bars.data.length; at += STRIDE) {
    const openMs = numberAt(bars.data, at + OPEN_MS)
    const slot = Math.floor(openMs / LENGTH_MS)
    const price = numberAt(bars.data, at + CLOSE) / 10 ** profile.priceDecimals
    const open =
      (profile.turnover * OPEN_MINUTES * (1 + 0.3 * noiseAt(hash, slot / 288))) / (profile.market === 'cm' ? profile.contractUsd : price)
    const interest = profile.market === 'cm' ? Math.round(open) : Math.round(open * 1000) / 1000
    const [volume, taker] = [numberAt(bars.data, at + VOLUME), numberAt(bars.data, at + TAKER)]
    rows.push({
      openMs,
      openInterest: interest.toFixed(DECIMALS),
      openInterestValue: (profile.market === 'cm' ? (interest * profile.contractUsd) / price : interest * price).toFixed(DECIMALS),
      ratios: [0.9, 1.1, 1.3].map((level, i) => level + 0.5 * unitOf(hash + i, slot)),
      takerRatio: volume === taker ? 0 : taker / (volume - taker),
    })
  }
  return rows
}

const HEADER =
  'create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio\n'

/** The CSV of a day, as its archive holds it: COIN-M has no ratios of accounts and positions. */
function encodeMetrics(bars: Bars, listed: ListedSymbol): string {
  const { market, symbol } = listed
  let text = HEADER
  for (const { openMs, openInterest, openInterestValue, ratios, takerRatio } of metricsOf(bars, listed)) {
    const labelMs = market === 'um' && openMs < START_LABELS_FROM_MS ? openMs + LENGTH_MS : openMs
    const cells = market === 'cm' ? ratios.map(() => '""') : ratios.map((ratio) => ratio.toFixed(DECIMALS))
    const label = timeText(labelMs)
    text += `${[label, symbol, openInterest, openInterestValue, ...cells, takerRatio.toFixed(DECIMALS)].join(',')}\n`
  }
  return text
}

export const METRICS: Table = {
  dataset: 'metrics',
  markets: ['um', 'cm'],
  interval: '5m',
  from: '2020-09-01',
  rowsPerBar: 1,
  rowBytes: 60,
  encode: encodeMetrics,
}
