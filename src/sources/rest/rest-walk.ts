import { CkvdError } from '../../errors.ts'
import type { Grid } from '../../model/interval.ts'
import { countSlots, firstSlotUs, maxLengthUs, nextSlotUs, slotStartUs } from '../../model/interval.ts'
import type { KlineColumns } from '../../model/kline.ts'
import type { Columns } from '../../model/columns.ts'
import { inTimeOrder, joinColumns, sliceColumns } from '../../model/columns.ts'
import { createColumns } from '../../model/kline.ts'
import type { AskPage, Page, PageFacts } from './rest-pages.ts'
import { CHEAP_ROWS, latestEndUs, limitFor } from './rest-pages.ts'

/** Slots that are asked for, and what is known around them. Times are microseconds, `startUs` and `endUs` starts of slots. */
export interface StretchAsk {
  /** first slot that is asked for */
  readonly startUs: number
  /** end of the last one */
  readonly endUs: number
  /** a bar that is known to open before `startUs`; null: none is known */
  readonly beforeUs: number | null
  /** a bar that is known to open at or after `endUs`; null: none is known */
  readonly afterUs: number | null
  /** the series begins at `startUs`: no bar opens before it */
  readonly first: boolean
}

/** What REST has of a stretch, its witnesses included. */
export interface StretchRows<T extends Columns = KlineColumns> {
  /** every row that came and has closed, ascending, also outside of the stretch */
  readonly rows: T
  /** open times of all rows, ascending, of one that is still forming too: it may be a witness, but is never stored */
  readonly seen: readonly number[]
  /** of each row's open time the next one's, as one page had them next to each other: nothing opens between */
  readonly links: ReadonlyMap<number, ReadonlySet<number>>
  /** open time of a row after which the same answer, up to now, has nothing */
  readonly silentAfterUs: number | null
}

/** Binance opened in July 2017: no market of it has an older bar. */
export const EXCHANGE_OPENED_US = Date.UTC(2017, 6, 1) * 1000

/**
 * Walks through a stretch, page by page, from the bar before it to the bar after it. Each page begins with the last row of the one
 * before, so that any two neighbours stand in one page. What an answer does not hold itself it does not prove:
 * - a short page ends nothing while the bar after the stretch has not been seen: the walk goes on from its last row, so that a server
 *   which gives fewer rows than asked for is read whole;
 * - a page without the row that it must begin with is asked for again in a window that holds no more slots than rows fit, where it does
 *   not matter at which end of a window a server begins;
 * - after a page that holds its first row alone, up to now, one more asks for what opens behind that row;
 * - where a later bar is known the walk goes on there, and nothing links it to the rows before.
 *
 * Against an honest server: a request for each page of rows, one more where nothing follows.
 * @returns null when the exchange does not know the symbol
 */
export async function walkStretch(
  send: AskPage,
  ask: StretchAsk,
  nowUs: () => number,
  interval: Grid,
  facts: PageFacts,
): Promise<StretchRows | null> {
  return walkRows(send, ask, nowUs, interval, facts, createColumns(0))
}

/**
 * `walkStretch` through rows of any kind. One without a close time is there as soon as it is told.
 * @param none no row
 */
export async function walkRows<T extends Columns>(
  send: AskPage<T>,
  ask: StretchAsk,
  nowUs: () => number,
  interval: Grid,
  facts: PageFacts,
  none: T,
): Promise<StretchRows<T> | null> {
  const walk = new Walk(send, nowUs, interval, facts)
  try {
    await walk.run(ask)
  } catch (error) {
    if (error === UNLISTED) return null
    throw error
  }
  return walk.result(none)
}

/**
 * The first row in [fromUs, toUs], which has one at its end: by halves to what fits in a page, then row by row towards the start, since a
 * server may give fewer rows than fit, from the end. A row that opens late in its slot is in a window that ends with the next slot. Null:
 * what was there a moment ago is gone.
 */
export async function firstInWindow(
  ask: (page: Page) => Promise<readonly number[] | null>,
  fromUs: number,
  toUs: number,
  grid: Grid,
): Promise<number | null> {
  let low = fromUs
  let high = toUs
  while (low <= high && countSlots(low, high + 1, grid) >= CHEAP_ROWS) {
    const middle = slotStartUs(low + (high - low) / 2, grid)
    const first = (await ask({ startUs: low, endUs: middle, limit: CHEAP_ROWS }))?.[0]
    // not the slot behind the middle: a row may open late in that one
    if (first === undefined) low = middle
    else high = firstSlotUs(first, grid)
  }
  let best: number | null = null
  while (low <= high) {
    const first = (await ask({ startUs: low, endUs: high, limit: CHEAP_ROWS }))?.[0]
    if (first === undefined) break
    best = first
    high = slotStartUs(slotStartUs(first, grid) - 1, grid)
  }
  return best
}

/** Thrown where the exchange does not know the symbol, caught by `walkStretch`. */
const UNLISTED = new CkvdError('CKVD_UNKNOWN_SYMBOL', 'the exchange does not know the symbol')
/** Pages that bring nothing new before a walk is given up: each bound of a lying server costs a few. */
const MAX_IDLE_PAGES = 24

class Walk<T extends Columns> {
  readonly #send: AskPage<T>
  readonly #clockUs: () => number
  readonly #nowUs: number
  readonly #nowSlot: number
  readonly #interval: Grid
  readonly #facts: PageFacts
  readonly #pages: T[] = []
  readonly #links = new Map<number, Set<number>>()
  /** windows hold no more slots than rows fit in a page */
  #bounded: boolean
  /** most slots of a bounded window: fewer where a server gives fewer rows */
  #windowSlots: number
  #silentAfterUs: number | null = null
  #idle = 0

  constructor(send: AskPage<T>, nowUs: () => number, interval: Grid, facts: PageFacts) {
    this.#send = send
    this.#interval = interval
    this.#facts = facts
    this.#clockUs = nowUs
    this.#nowUs = nowUs()
    this.#nowSlot = slotStartUs(this.#nowUs, interval)
    this.#bounded = facts.nearest === 'end'
    // a row over: two bars of one slot must not push out the last one
    this.#windowSlots = facts.pageRows - 1
  }

  async run({ startUs, endUs, beforeUs, afterUs, first }: StretchAsk): Promise<void> {
    const beginUs = first ? startUs : slotStartUs(beforeUs ?? startUs - 1, this.#interval)
    if (beginUs > this.#nowSlot) return
    await this.#forwards(beginUs, endUs, beforeUs, afterUs)
    if (first) return
    const times = this.#times()
    const isLed = times.some((time) => time < startUs)
    const filled = times.find((time) => time >= startUs)
    if (isLed || (filled !== undefined && slotStartUs(filled, this.#interval) === startUs)) return
    const foundUs = await this.#findBefore(startUs)
    if (foundUs !== null) await this.#forwards(slotStartUs(foundUs, this.#interval), filled ?? endUs, foundUs, filled ?? afterUs)
  }

  result(none: T): StretchRows<T> {
    const rows = inTimeOrder(joinColumns(this.#pages, none))
    return {
      rows: sliceColumns(rows, 0, this.#countClosed(rows)),
      seen: Array.from(rows.openTime, Number),
      links: this.#links,
      silentAfterUs: this.#silentAfterUs,
    }
  }

  /** How many rows have closed: the last ones may not have. One that opens late in its slot closes after it; one of the slot that holds now may state a time that has passed. */
  #countClosed({ openTime, closeTime }: Columns): number {
    if (closeTime === undefined) return openTime.length
    // the answers may have told that this machine's clock is ahead
    const nowUs = Math.min(this.#nowUs, this.#clockUs())
    const nowSlot = slotStartUs(nowUs, this.#interval)
    let end = openTime.length
    for (; end > 0; end--) {
      const openUs = Number(openTime[end - 1])
      const isOver = openUs + maxLengthUs(this.#interval) <= nowUs || Number(closeTime[end - 1]) < nowUs
      if (isOver && slotStartUs(openUs, this.#interval) < nowSlot) break
    }
    return end
  }

  /** From the slot at `atUs` until a row at or behind `targetUs` has been seen, or nothing more is to be had. */
  async #forwards(atUs: number, targetUs: number, beforeUs: number | null, afterUs: number | null): Promise<void> {
    let at = atUs
    let last = beforeUs
    for (;;) {
      const rows = await this.#page(at, targetUs)
      // where no bar is known a page that begins later may be one from the other end
      const missesHead = last === null ? (rows[0] ?? at) >= nextSlotUs(at, this.#interval) : !rows.includes(last)
      const end = rows.at(-1)
      if (missesHead && !this.#bounded) {
        // an empty answer, or one from the other end: once more, so that every row of the window fits
        this.#bounded = true
        continue
      }
      const head = rows[0]
      const isCutInFront = last === null ? rows.length >= this.#facts.pageRows : head !== undefined && this.#hasSlotsBetween(last, head)
      if (missesHead && isCutInFront && this.#windowSlots > 2) {
        // fewer rows than fit, from the other end: once more, in a window that holds no more than came
        this.#windowSlots = Math.max(2, Math.min(rows.length, Math.floor(this.#windowSlots / 2)))
        continue
      }
      if (end !== undefined && end >= targetUs) return
      if (end !== undefined && slotStartUs(end, this.#interval) === this.#nowSlot) {
        // the bar that is forming now: nothing can follow it
        this.#silentAfterUs = end
        return
      }
      if (end !== undefined && (last === null || end > last)) {
        const slot = slotStartUs(end, this.#interval)
        if (slot <= at && rows.length >= this.#facts.pageRows) throw this.#tooDense()
        last = end
        at = slot
        continue
      }
      const nextUs = await this.#findNext(last, at, targetUs)
      if (nextUs !== null) {
        this.#idle = 0
        if (nextUs >= targetUs) return
        last = nextUs
        at = slotStartUs(nextUs, this.#interval)
        continue
      }
      if (afterUs === null || afterUs <= (last ?? at) || ++this.#idle > MAX_IDLE_PAGES) return
      // a bar is known behind: its absence contradicts, and ends nothing
      await this.#page(slotStartUs(afterUs, this.#interval), targetUs)
      return
    }
  }

  /** The next row behind `last`, of which the page before had none; null when there is none up to now. */
  async #findNext(last: number | null, at: number, targetUs: number): Promise<number | null> {
    const { nearest } = this.#facts
    if (++this.#idle > MAX_IDLE_PAGES) return null
    const behind = nextSlotUs(slotStartUs(last ?? at, this.#interval), this.#interval)
    let isSilent = !this.#bounded
    if (this.#bounded && nearest === 'start' && last !== null) {
      // the window was full of slots without rows: the next row, wherever it opens
      const rows = await this.#ask({ startUs: slotStartUs(last, this.#interval), endUs: this.#nowSlot, limit: CHEAP_ROWS })
      const next = rows.find((time) => time > last)
      if (rows[0] === last && next !== undefined) return next
      isSilent = rows[0] === last
    }
    const isHeld = last !== null && this.#links.has(last)
    const canTell = isHeld && (isSilent || nearest === 'end')
    const found =
      behind > this.#nowSlot ? null : nearest === 'start' && isSilent ? await this.#step(behind, targetUs) : await this.#search(behind)
    if (found === null && canTell) this.#silentAfterUs = last
    if (found === null) return null
    if (last === null) return found
    // neighbours need no proof; else both in one page, so that what lies between is told by one answer
    if (slotStartUs(found, this.#interval) === behind) return found
    const startUs = slotStartUs(last, this.#interval)
    const endUs = firstSlotUs(found, this.#interval)
    if (endUs <= latestEndUs(startUs, this.#interval, this.#facts)) {
      const rows = await this.#ask({
        startUs,
        endUs,
        limit: limitFor(Math.min(countSlots(startUs, endUs + 1, this.#interval), CHEAP_ROWS - 1), this.#facts),
      })
      return rows.find((time) => time > last) ?? found
    }
    // too far apart for one page: the windows between were empty, each asked twice
    if (isHeld) this.#link(last, found)
    return found
  }

  /** What opens behind a row whose page ended with it: nothing, but of a server that gives one row a page. */
  async #step(behindUs: number, targetUs: number): Promise<number | null> {
    const endUs = this.#nowSlot
    const slots = countSlots(behindUs, Math.min(Math.max(targetUs, behindUs), endUs) + 1, this.#interval)
    return (await this.#ask({ startUs: behindUs, endUs, limit: limitFor(slots, this.#facts) }))[0] ?? null
  }

  /** The first row at or behind `fromUs`, wherever in a window a server begins: windows to the first with rows, then by halves. */
  async #search(fromUs: number): Promise<number | null> {
    for (let startUs = fromUs; startUs <= this.#nowSlot;) {
      const endUs = Math.min(this.#nowSlot, latestEndUs(startUs, this.#interval, this.#facts))
      const rows = await this.#ask({ startUs, endUs: slotStartUs(endUs, this.#interval), limit: 1 })
      // an empty window is asked for twice, with other bounds
      const again = rows.length > 0 ? rows : await this.#askHalves(startUs, slotStartUs(endUs, this.#interval))
      if (again[0] !== undefined) return this.#halve(startUs, again[0])
      const last = slotStartUs(endUs, this.#interval)
      if (last >= this.#nowSlot) return null
      // the next window begins with that slot: a row that opens late in it was not in this one
      startUs = last
    }
    return null
  }

  async #askHalves(startUs: number, endUs: number): Promise<readonly number[]> {
    const middle = slotStartUs(startUs + (endUs - startUs) / 2, this.#interval)
    const early = await this.#ask({ startUs, endUs: middle, limit: CHEAP_ROWS })
    if (early.length > 0 || middle >= endUs) return early
    return this.#ask({ startUs: middle, endUs, limit: CHEAP_ROWS })
  }

  #hasSlotsBetween(beforeUs: number, afterUs: number): boolean {
    const behind = nextSlotUs(slotStartUs(beforeUs, this.#interval), this.#interval)
    return behind < slotStartUs(afterUs, this.#interval)
  }

  #link(fromUs: number, toUs: number): void {
    const known = this.#links.get(fromUs)
    if (known === undefined) this.#links.set(fromUs, new Set([toUs]))
    else known.add(toUs)
  }

  /** The first row from `fromUs` on, given one. */
  #halve(fromUs: number, knownUs: number): Promise<number | null> {
    return firstInWindow((page) => this.#ask(page), fromUs, firstSlotUs(knownUs, this.#interval), this.#interval)
  }

  /** A bar before `startUs`, near it: windows back in time, each longer than the one behind it. Null: none was found. */
  async #findBefore(startUs: number): Promise<number | null> {
    const rows = this.#facts.pageRows - 1
    const lengthUs = maxLengthUs(this.#interval)
    let endUs = slotStartUs(startUs - 1, this.#interval)
    for (let slots = rows; endUs >= EXCHANGE_OPENED_US; slots *= 8) {
      let low = Math.max(EXCHANGE_OPENED_US, endUs - slots * lengthUs)
      if (this.#facts.maxRangeDays !== undefined) low = Math.max(low, endUs - (this.#facts.maxRangeDays - 1) * 86_400_000_000)
      low = firstSlotUs(low, this.#interval)
      if (low > endUs) return null
      const found = await this.#ask({ startUs: low, endUs, limit: this.#facts.pageRows })
      if (found.length > 0) return await this.#lastBefore(found, endUs)
      endUs = slotStartUs(low - 1, this.#interval)
      if (this.#facts.maxRangeDays !== undefined && slots > rows * 512) return null
    }
    return null
  }

  /** The last row up to `endUs`, by halves between a row that is there and the end. */
  async #lastBefore(found: readonly number[], endUs: number): Promise<number> {
    let best = found.at(-1) ?? endUs
    let high = endUs
    for (let i = 0; i < MAX_IDLE_PAGES; i++) {
      const behind = nextSlotUs(slotStartUs(best, this.#interval), this.#interval)
      if (behind > high) return best
      const isNarrow = countSlots(behind, high + 1, this.#interval) < this.#facts.pageRows
      const middle = isNarrow ? behind : slotStartUs(behind + (high - behind) / 2, this.#interval)
      const rows = await this.#ask({ startUs: middle, endUs: high, limit: isNarrow ? this.#facts.pageRows : 1 })
      const last = rows.at(-1)
      if (last !== undefined) best = Math.max(best, last)
      if (isNarrow) return best
      if (last === undefined) high = slotStartUs(middle - 1, this.#interval)
    }
    return best
  }

  /** A page from the slot at `at` on that can hold the row at `targetUs`, as open times. */
  async #page(at: number, targetUs: number): Promise<readonly number[]> {
    const wantedEnd = Math.max(at, Math.min(targetUs, this.#nowSlot))
    const slots = countSlots(at, wantedEnd + 1, this.#interval)
    if (!this.#bounded) return this.#ask({ startUs: at, endUs: this.#nowSlot, limit: limitFor(slots, this.#facts) })
    const limit = limitFor(slots, this.#facts)
    let endUs = slots <= this.#windowSlots && slots < limit ? wantedEnd : at
    if (endUs === at)
      for (let i = 1, slot = at; i < Math.min(limit - 1, this.#windowSlots); i++) endUs = slot = nextSlotUs(slot, this.#interval)
    endUs = Math.min(endUs, wantedEnd, slotStartUs(Math.min(latestEndUs(at, this.#interval, this.#facts), this.#nowSlot), this.#interval))
    return this.#ask({ startUs: at, endUs, limit })
  }

  /** Open times of a page, ascending; the page is kept. */
  async #ask(page: Page): Promise<readonly number[]> {
    const rows = await this.#send(page)
    if (rows === null) throw UNLISTED
    const times = Array.from(rows.openTime, Number)
    if (times.length === 0) return times
    this.#pages.push(rows)
    times.forEach((time, i) => {
      const next = times[i + 1]
      const known = this.#links.get(time) ?? new Set()
      this.#links.set(time, next === undefined ? known : known.add(next))
    })
    return times
  }

  #times(): number[] {
    return this.#pages.flatMap(({ openTime }) => Array.from(openTime, Number)).sort((a, b) => a - b)
  }

  #tooDense(): CkvdError {
    return new CkvdError(
      'CKVD_REST_BODY',
      `Expected REST to give at most a few bars for each ${this.#interval}, got a whole page of ${this.#facts.pageRows} for one. Check the REST URL.`,
    )
  }
}
