import { isMonthChunked } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { rowWord, rowWordOfAll, seriesOf } from '../../dataset/told.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, US_PER_DAY } from '../../model/utc-day.ts'
import type { CoverageData, CoverageRow, DayState, StateLook } from '../../pages/coverage/coverage-data.ts'
import type { CalendarRun } from './coverage-calendar.ts'
import { hasGrid } from './coverage-calendar.ts'
import type { SeriesCoverage } from './coverage.ts'
import { escapeHtml, formatPage } from '../html.ts'
import { readPageFiles } from '../page-files.ts'

/** A series of the page: its numbers and its calendar. */
export interface CoveragePageSeries {
  readonly coverage: SeriesCoverage
  readonly calendar: readonly CalendarRun[]
}

/** What the page is made of. */
export interface CoveragePage {
  readonly series: readonly CoveragePageSeries[]
  /** `binance` or `sandbox`; null when the lake does not tell */
  readonly origin: string | null
  /** when it was made */
  readonly day: UtcDay
}

const STATES: readonly DayState[] = [...CONDITIONS, 'never_requested']
const UNEXPLAINED = CONDITIONS.filter((condition) => !isExplained(condition))

/** Worst last: a strip shows each month by its worst day. */
const looksOf = (word: 'bar' | 'row', isAllKnown: boolean): Readonly<Record<DayState, StateLook>> => ({
  never_requested: { sign: '', meaning: 'listed, but never requested', height: 3 },
  unlisted: { sign: '', meaning: `before the first or after the last ${word}`, height: 0 },
  complete: { sign: '', meaning: `every ${word} is there${isAllKnown ? '' : ', or what was published'}`, height: 10 },
  provisional: { sign: '\u00b7', meaning: `every ${word} is there, from REST`, height: 10 },
  outage: { sign: '\u2013', meaning: `${word}s are missing, and the exchange has none`, height: 7 },
  pending: { sign: '?', meaning: 'not published yet', height: 13 },
  partial: { sign: '!', meaning: `${word}s are missing, it is not known why`, height: 18 },
  unexplainable: { sign: '\u2205', meaning: 'rows are missing, and no source can be asked any more', height: 18 },
  disputed: { sign: '\u2260', meaning: 'sources contradict each other, and no third decides', height: 18 },
  quarantined: { sign: 'q', meaning: 'the archive failed verification', height: 18 },
  failed: { sign: '\u00d7', meaning: 'an error', height: 18 },
})

/** A page with a calendar for each series, its days coloured by condition, its gaps with their evidence, and totals; one file. */
export function formatCoveragePage({ series, origin, day }: CoveragePage): string {
  const texts = new TextTable()
  const rows = series.map((one) => toRow(one, texts))
  const word = rowWordOfAll(series.map(({ coverage }) => coverage))
  const isAllKnown = rows.every(({ missing }) => missing !== null)
  const data: CoverageData = { states: STATES, looks: looksOf(word, isAllKnown), unexplained: UNEXPLAINED, rows, texts: texts.list }
  const source = origin === 'sandbox' ? ' <strong>It holds data of a sandbox exchange, not of a real one.</strong>' : ''
  return formatPage({
    title: `What the lake covers, ${day}`,
    ...readPageFiles('coverage'),
    data,
    body: `<header>
<h1>What the lake covers</h1>
<p class="dim">As of ${escapeHtml(day)} (UTC). What is not stored is explained, or stands first.${source}</p>
</header>
<main id="main">
<div id="totals"></div>
<form class="controls" id="controls" role="search">
<label>Search (press /) <input id="search" type="search" placeholder="symbol" autocomplete="off" spellcheck="false"></label>
<label>Market <select id="market"></select></label>
<label>Interval <select id="interval"></select></label>
<label>Days <select id="state"></select></label>
<label>Order <select id="order"><option value="">problems first</option><option value="name">by name</option><option value="missing">most missing ${word}s</option><option value="never">most days never requested</option><option value="first">first day</option></select></label>
<label class="check"><input id="listed" type="checkbox"> all that was ever listed</label>
<button type="reset">Reset</button>
<span id="status" role="status"></span>
</form>
<div id="legend"></div>
<div id="axis" aria-hidden="true"></div>
<ul id="series"></ul>
<p><button type="button" id="more" hidden></button></p>
<details id="meanings"><summary>What the conditions mean, and how to read this page</summary>
<dl></dl>
<p class="dim">A strip shows each <span id="unit"></span> by its worst day. Open a series for its calendar, its gaps and what is unexplained; in a calendar the arrow keys go from day to day. The address of the page keeps what is chosen.</p>
</details>
</main>`,
  })
}

/** Evidence is the same text for many gaps: it stands once in the file. */
class TextTable {
  readonly list: string[] = []
  readonly #index = new Map<string, number>()

  add(text: string): number {
    let index = this.#index.get(text)
    if (index === undefined) {
      index = this.list.push(text) - 1
      this.#index.set(text, index)
    }
    return index
  }
}

function toRow({ coverage, calendar }: CoveragePageSeries, texts: TextTable): CoverageRow {
  const series = seriesOf(coverage)
  const { market, symbol, interval, first, last, days, accepted, never_requested, rows, bytes, missing_bars, gaps, unexplained } = coverage
  return {
    name: seriesLabel(coverage),
    ...{ market, symbol, interval, first, last, days, accepted, never: never_requested, rows, bytes, missing: missing_bars },
    word: rowWord(coverage),
    monthly: isMonthChunked(series),
    even: hasGrid(series),
    runs: calendar.map(({ start, chunks, state, accepted: yes, bars }) => [
      dayStartUs(start) / US_PER_DAY,
      chunks,
      STATES.indexOf(state),
      yes ? 1 : 0,
      bars,
    ]),
    gaps: gaps.map(({ start, end, bars, evidence }) => [start, end, bars, texts.add(evidence)]),
    unexplained: unexplained.map(({ day, condition, accepted: yes, reason }) => [day, condition, yes ? 1 : 0, texts.add(reason)]),
  }
}
