import type { Interval } from '../../model/interval.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { ChartData, ChartShade, ChartSlot } from '../../pages/chart/chart-data.ts'
import { escapeHtml, formatPage } from '../html.ts'
import { readPageFiles } from '../page-files.ts'

/** What the page is made of. */
export interface ChartPage {
  readonly series: Series
  readonly range: TimeRange
  readonly slots: readonly ChartSlot[]
  readonly shades: readonly ChartShade[]
  /** `sandbox`: its prices are invented */
  readonly origin: string | null
}

/** A page of one file with candles and volume of a range, and what of it is missing or not final, with its evidence. The library that draws it is in it, with its licence. */
export function formatChartPage({ series, range, slots, shades, origin }: ChartPage): string {
  const { market, interval } = series
  // the page shows it as a part of the name
  const symbol = series.dataset === undefined ? series.symbol : `${series.symbol} ${series.dataset}`
  const data: ChartData = { market, symbol, interval, slots, shades }
  const name = `${market} ${symbol} ${interval}`
  const bars = slots.filter((slot) => slot.length > 1).length
  const sandbox = origin === 'sandbox' ? ' <strong>Sandbox data: its prices are invented.</strong>' : ''
  return formatPage({
    title: name,
    ...readPageFiles('chart'),
    data,
    body: `<header>
<h1>${escapeHtml(name)}</h1>
<p class="dim"><span class="whole">${shortTime(range.startUs, interval)}</span> to <span class="whole">${shortTime(range.endUs, interval)}</span> (UTC, excluded), ${bars.toLocaleString('en-US')} bars.${sandbox}</p>
</header>
<main id="main">
<div id="legend"></div>
<p id="bar"></p>
<p id="why" role="status"></p>
<div id="chart" role="img" aria-label="Candles and volume of ${escapeHtml(name)}"></div>
<section id="evidence"><h2>What is missing or not final</h2>
<div class="scroll"><table><thead><tr><th scope="col">what</th><th scope="col">from</th><th scope="col">to (excluded)</th><th scope="col">evidence</th></tr></thead><tbody id="shades"></tbody></table></div></section>
<p class="dim">Drawn by Lightweight Charts\u2122, \u00a9 <a href="https://www.tradingview.com/" rel="noreferrer">TradingView, Inc.</a>, Apache License 2.0. Drag to move, turn the wheel to zoom.</p>
</main>`,
  })
}

function shortTime(us: number, interval: Interval): string {
  return isoOfUs(us)
    .slice(0, interval === '1s' ? 19 : 16)
    .replace('T', ' ')
}
