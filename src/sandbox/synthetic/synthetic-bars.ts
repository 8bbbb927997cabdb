import type { Interval } from '../../model/interval.ts'
import type { Bars } from './bars.ts'
import {
  aggregateBars,
  CLOSE,
  concatBars,
  COUNT,
  editBars,
  filterBars,
  HIGH,
  LOW,
  OPEN,
  OPEN_MS,
  openMsAt,
  QUOTE,
  TAKER,
  TAKER_QUOTE,
  VOLUME,
} from './bars.ts'
import type { ContentFaults, Stretch, SymbolFaults } from './content.ts'
import { builtInOutage } from './content.ts'
import type { ListedSymbol } from './listed-symbol.ts'
import { maxLengthMs, MS_PER_DAY, nextSlotMs, slotStartMs } from '../grid.ts'
import { LruCache } from './lru-cache.ts'
import { createMinuteBars, createSecondBars } from './synthetic.ts'
import { numberAt } from '../../model/number-at.ts'

/** From which source bars are asked: some faults make the sources disagree. */
export type BarSource = 'daily' | 'monthly' | 'rest'

/** True where the bars of an interval are made and archived by the month, from days: `1d` bars are cheap, and three are no part of a day. */
export function isCoarse(interval: Interval): boolean {
  return maxLengthMs(interval) >= MS_PER_DAY
}

/** First millisecond of a month; months count from year 0. */
export function monthMs(month: number): number {
  return Date.UTC(Math.floor(month / 12), month % 12, 1)
}

export function monthOfMs(ms: number): number {
  const date = new Date(ms)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** The bars of the synthetic exchange, faults included, for any symbol, interval and time at once. */
export class SyntheticBars {
  readonly #content: ContentFaults
  readonly #outageBases: readonly string[]
  readonly #minutes = new LruCache<Bars>(96)
  readonly #days = new LruCache<Bars>(20_000)

  /** `outageBases`: the bases among which the built-in outages go round; empty for none. */
  constructor(content: ContentFaults, outageBases: readonly string[]) {
    this.#content = content
    this.#outageBases = outageBases
  }

  /** The bars of an interval below `1d` that open in a day, ascending. With `nowMs` those after it are missing and the current one is unfinished. */
  ofDay(listed: ListedSymbol, interval: Interval, day: number, source: BarSource, nowMs = Infinity): Bars {
    if (day * MS_PER_DAY > nowMs) return concatBars([])
    const whole = this.minutesOf(listed, day)
    let bars: Bars
    if (interval === '1s') bars = filterBars(createSecondBars(listed.profile, whole), (openMs) => openMs <= nowMs)
    else {
      const minutes = (day + 1) * MS_PER_DAY <= nowMs ? whole : untilNow(whole, nowMs)
      bars = interval === '1m' ? minutes : aggregateBars(minutes, interval, listed.profile.quoteBase)
    }
    return this.#asSeenBy(source, listed, interval, bars)
  }

  /** The bars of `1d`, `3d`, `1w` or `1M` that open in a month, ascending; a bar whose days have no bars is missing. */
  ofMonth(listed: ListedSymbol, interval: Interval, month: number, source: BarSource, nowMs = Infinity): Bars {
    let [fromMs, toMs] = [monthMs(month), monthMs(month + 1)]
    if (interval !== '1d') {
      const first = slotStartMs(fromMs, interval)
      if (first < fromMs) fromMs = nextSlotMs(first, interval)
      toMs = nextSlotMs(slotStartMs(toMs - 1, interval), interval)
    }
    const parts: Bars[] = []
    const last = Math.min(Math.ceil(toMs / MS_PER_DAY) - 1, listed.lastDay, Math.floor(nowMs / MS_PER_DAY))
    for (let day = Math.max(fromMs / MS_PER_DAY, listed.firstDay); day <= last; day++) parts.push(this.#dayBar(listed, day, nowMs))
    const days = concatBars(parts)
    return this.#asSeenBy(source, listed, interval, interval === '1d' ? days : aggregateBars(days, interval, listed.profile.quoteBase))
  }

  #dayBar(listed: ListedSymbol, day: number, nowMs: number): Bars {
    if ((day + 1) * MS_PER_DAY > nowMs) return aggregateBars(untilNow(this.minutesOf(listed, day), nowMs), '1d', listed.profile.quoteBase)
    const key = `${listed.id}/${day}`
    let bar = this.#days.get(key)
    if (bar === undefined) {
      bar = aggregateBars(this.minutesOf(listed, day), '1d', listed.profile.quoteBase)
      this.#days.set(key, bar)
    }
    return bar
  }

  /** The minutes of a day that really exist: within the symbol's life, without outages. */
  minutesOf(listed: ListedSymbol, day: number): Bars {
    const key = `${listed.id}/${day}`
    let bars = this.#minutes.get(key)
    if (bars === undefined) {
      const faults = this.#content.forSymbol(listed.market, listed.symbol)
      bars = createMinuteBars(listed.profile, day, faults.republished.get(day)?.content === true ? 2 : 1)
      const builtIn = this.#outageBases.length === 0 ? undefined : builtInOutage(listed.market, listed.symbol, day, this.#outageBases)
      const outages = overlapping(builtIn === undefined ? faults.outages : [...faults.outages, builtIn], day)
      if (outages.length > 0 || day === listed.firstDay || day === listed.lastDay) {
        bars = filterBars(
          bars,
          (openMs) =>
            openMs >= listed.firstMs && openMs < listed.endMs && !outages.some((outage) => openMs >= outage.fromMs && openMs < outage.toMs),
        )
      }
      this.#minutes.set(key, bars)
    }
    return bars
  }

  /** Applies the faults by which a source differs from what really happened. */
  #asSeenBy(source: BarSource, listed: ListedSymbol, interval: Interval, bars: Bars): Bars {
    const faults = this.#content.forSymbol(listed.market, listed.symbol)
    let seen = bars
    if (source !== 'rest' && faults.archiveHoles.length > 0) {
      const endOf = (openMs: number): number => nextSlotMs(openMs, interval)
      seen = filterBars(seen, (openMs) => !faults.archiveHoles.some((hole) => openMs >= hole.fromMs && endOf(openMs) <= hole.toMs))
    }
    const differing = source === 'daily' ? undefined : faults.differing[source]
    if (differing !== undefined && differing.size > 0) seen = withOtherVolumes(seen, differing)
    return interval === '1m' && faults.offGrid.length > 0 ? shiftOffGrid(seen, faults) : seen
  }
}

function overlapping(stretches: readonly Stretch[], day: number): Stretch[] {
  return stretches.filter((stretch) => stretch.fromMs < (day + 1) * MS_PER_DAY && stretch.toMs > day * MS_PER_DAY)
}

/** The first bar and every hundredth of the days has one more unit of volume and one more trade. */
function withOtherVolumes(bars: Bars, days: ReadonlySet<number>): Bars {
  let seen = 0
  return editBars(bars, (data, at) => {
    if (!days.has(Math.floor(numberAt(data, at + OPEN_MS) / MS_PER_DAY)) || seen++ % 100 !== 0) return
    data[at + VOLUME] = numberAt(data, at + VOLUME) + 1
    data[at + COUNT] = numberAt(data, at + COUNT) + 1
  })
}

function shiftOffGrid(bars: Bars, faults: SymbolFaults): Bars {
  return editBars(bars, (data, at) => {
    const openMs = numberAt(data, at + OPEN_MS)
    const shift = faults.offGrid.find((stretch) => openMs >= stretch.fromMs && openMs < stretch.toMs)
    if (shift !== undefined) data[at + OPEN_MS] = openMs + shift.offsetMs
  })
}

/** The minutes up to now; the current one as far as it has come. */
function untilNow(minutes: Bars, nowMs: number): Bars {
  const begun = filterBars(minutes, (openMs) => openMs <= nowMs)
  const last = begun.length - 1
  if (last < 0 || openMsAt(begun, last) + 60_000 <= nowMs) return begun
  const elapsed = (nowMs - openMsAt(begun, last)) / 60_000
  return editBars(begun, (data, at, index) => {
    if (index === last) shrinkMinute(data, at, elapsed)
  })
}

function shrinkMinute(data: Float64Array, at: number, elapsed: number): void {
  const scaled = (column: number): number => Math.floor(numberAt(data, at + column) * elapsed)
  const open = numberAt(data, at + OPEN)
  const close = open + Math.trunc((numberAt(data, at + CLOSE) - open) * elapsed)
  data[at + CLOSE] = close
  data[at + HIGH] = Math.max(open, close)
  data[at + LOW] = Math.min(open, close)
  for (const column of [VOLUME, QUOTE, COUNT, TAKER, TAKER_QUOTE]) data[at + column] = scaled(column)
}
