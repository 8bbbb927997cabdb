import type { Packaging } from '../../model/series.ts'
import type { AsOf, SymbolAvailability } from './availability.ts'
import type { AvailabilityCells, AvailabilityData } from '../../pages/availability/availability-data.ts'
import { escapeHtml, formatPage } from '../html.ts'
import { readPageFiles } from '../page-files.ts'

/** What the page is made of. */
export interface AvailabilityPage extends AsOf {
  readonly archives: Packaging
  readonly symbols: readonly SymbolAvailability[]
  readonly problems: AvailabilityData['problems']
}

/** A page with each symbol's life as a bar with its holes; sortable, filterable, one file. Holes need listings with all days. */
export function formatAvailabilityPage(page: AvailabilityPage): string {
  const { asOf, recentDays, archives, symbols, problems } = page
  const data: AvailabilityData = { asOf, recentDays, archives, problems, rows: symbols.map(toCells) }
  return formatPage({
    title: `Binance archives as of ${asOf}`,
    ...readPageFiles('availability'),
    data,
    body: `<header>
<h1>Binance archives as of <span class="whole">${escapeHtml(asOf)}</span></h1>
<p class="dim">Which symbol has ${archives} kline archives since when, until when, and which days are missing in between. Days are UTC. A symbol is
<em>live</em> when its last day is at most ${recentDays} days before <span class="whole">${escapeHtml(asOf)}</span>, otherwise it has <em>ended</em>.</p>
</header>
<main id="main">
<div class="scroll"><table id="totals"></table></div>
<div id="problems"></div>
<form class="controls" id="controls" role="search">
<label>Search (press /) <input id="search" type="search" placeholder="symbol, base, or a list" autocomplete="off" spellcheck="false"></label>
<label>Market <select id="market"></select></label>
<label>Kind <select id="kind"></select></label>
<label>Quote <select id="quote"></select></label>
<label>Days, at least <input id="days" type="number" min="0" step="1" inputmode="numeric"></label>
<label>State <select id="state"><option value="">all</option><option value="live">live</option><option value="ended">ended</option><option value="holes">with missing days</option></select></label>
<button type="reset">Reset</button>
</form>
<p class="take"><strong id="status" role="status"></strong> <button type="button" id="copy">Copy</button> <button type="button" id="download">Download universe.csv</button>
<span id="taken" role="status" class="dim">for <code>ckvd ingest --universe universe.csv</code></span></p>
<figure id="curve"><figcaption>Live symbols over time, of those shown</figcaption></figure>
<p class="legend dim"><span class="key"><i class="bar live"></i>live</span> <span class="key"><i class="bar ended"></i>ended (striped)</span>
<span class="key"><i class="bar live"><b class="hole"></b></i>missing days (notch)</span> Leaders first: by how many live symbols a base asset has, and since when. Open a symbol to see its days; press a column's heading to sort.</p>
<div class="list" tabindex="0" role="region" aria-label="Symbols"><table id="symbols"><thead></thead><tbody></tbody></table></div>
</main>`,
  })
}

function toCells(symbol: SymbolAvailability): AvailabilityCells {
  const { market, base, quote, kind, first, last, days, missing_days, missing, recent, delivery_date, interval, available_intervals } =
    symbol
  const holes = missing?.map((hole) => [hole.start, hole.days] as const) ?? []
  return [
    ...([market, symbol.symbol, base, quote, kind, first, last, days, missing_days, holes] as const),
    ...([recent, delivery_date, interval, available_intervals.join(' ')] as const),
  ]
}
