import { numberAt } from '../../model/number-at.ts'
import { MS_PER_DAY } from '../grid.ts'
import type { Bars } from '../synthetic/bars.ts'
import { COUNT, OPEN_MS, STRIDE } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import type { MinuteTrades } from './minute-trades.ts'
import { createMinuteTrades, splitUnits } from './minute-trades.ts'
import { hashText, Random } from '../synthetic/random.ts'
import type { ContentFaults, Stretch } from '../synthetic/content.ts'
import type { BarSource, SyntheticBars } from '../synthetic/synthetic-bars.ts'
import type { TickDataset, Unpublished } from './ticks.ts'
import { aggregatesOf, unpublishedOf } from './ticks.ts'

/** A minute with trades, whose ids are known before its trades are made. */
export interface TickMinute {
  readonly openMs: number
  readonly trades: number
  readonly aggregates: number
  readonly firstAggregateId: number
  readonly firstTradeId: number
  /** ids that the minute takes, those that are not published included */
  readonly tradeIds: number
  readonly unpublished: Unpublished
  readonly create: () => MinuteTrades
}

/** A row of a data set of ticks. Price in ticks, quantity in units. */
export interface Tick {
  readonly id: number
  readonly price: number
  readonly units: number
  readonly firstTradeId: number
  readonly lastTradeId: number
  readonly timeUs: number
  readonly isTakerBuyer: boolean
}

interface Ids {
  readonly aggregate: number
  readonly trade: number
}

/** First ids are up to so much above 1. */
const FIRST_IDS = 100_000

/**
 * The trades of the synthetic exchange, for any symbol and day at once. Ids are counted from the symbol's first day on: what the bars of all
 * days before count is added up once a symbol, which takes a tenth of a millisecond a day.
 */
export class SyntheticTicks {
  readonly #bars: SyntheticBars
  readonly #content: ContentFaults
  /** of each symbol the first ids of its days, from its first day on */
  readonly #firstIds = new Map<string, Ids[]>()

  constructor(bars: SyntheticBars, content: ContentFaults) {
    this.#bars = bars
    this.#content = content
  }

  /** The first ids of a day of the symbol's life, or of the day after it. */
  firstIds(listed: ListedSymbol, day: number): Ids {
    let known = this.#firstIds.get(listed.id)
    if (known === undefined) {
      known = [{ aggregate: startOf(listed, 'aggTrades'), trade: startOf(listed, 'trades') }]
      this.#firstIds.set(listed.id, known)
    }
    for (let next = known.length; next <= day - listed.firstDay; next++) {
      let { aggregate, trade } = known[next - 1] as Ids
      const bars = this.#bars.minutesOf(listed, listed.firstDay + next - 1)
      for (let at = 0; at < bars.data.length; at += STRIDE) {
        const trades = numberAt(bars.data, at + COUNT)
        aggregate += aggregatesOf(trades)
        trade += trades + unpublishedOf(listed.profile, numberAt(bars.data, at + OPEN_MS), trades).ids
      }
      known.push({ aggregate, trade })
    }
    return known[day - listed.firstDay] as Ids
  }

  /** The last day, up to the given one, that begins with an id not above this one; the symbol's first day where all ids are. */
  dayOfId(listed: ListedSymbol, dataset: TickDataset, id: number, lastDay: number): number {
    let day = lastDay
    while (day > listed.firstDay && this.#firstIdOf(listed, dataset, day) > id) day--
    return day
  }

  #firstIdOf(listed: ListedSymbol, dataset: TickDataset, day: number): number {
    return this.firstIds(listed, day)[dataset === 'trades' ? 'trade' : 'aggregate']
  }

  /** The minutes of a day in which somebody traded. */
  minutesOf(listed: ListedSymbol, day: number): TickMinute[] {
    const bars = this.#bars.minutesOf(listed, day)
    let { aggregate, trade } = this.firstIds(listed, day)
    const minutes: TickMinute[] = []
    for (let at = 0; at < bars.data.length; at += STRIDE) {
      const trades = numberAt(bars.data, at + COUNT)
      if (trades === 0) continue
      const openMs = numberAt(bars.data, at + OPEN_MS)
      const unpublished = unpublishedOf(listed.profile, openMs, trades)
      const aggregates = aggregatesOf(trades)
      const tradeIds = trades + unpublished.ids
      const create = creatorOf(listed, bars, at)
      minutes.push({ openMs, trades, aggregates, firstAggregateId: aggregate, firstTradeId: trade, tradeIds, unpublished, create })
      aggregate += aggregates
      trade += tradeIds
    }
    return minutes
  }

  /** The rows of a data set in a minute, in order of id, as a source has them. */
  ticksOf(listed: ListedSymbol, dataset: TickDataset, minute: TickMinute, source: BarSource): Iterable<Tick> {
    const { archiveHoles, differing } = this.#content.forSymbol(listed.market, listed.symbol)
    const holes = source === 'rest' ? [] : archiveHoles
    const day = dayOfMs(minute.openMs)
    const differs = source !== 'daily' && differing[source].has(day)
    const ticks = createTicks(dataset, minute)
    if (holes.length === 0 && !differs) return ticks
    return spoilTicks(ticks, holes, differs ? this.#firstIdOf(listed, dataset, day) : undefined)
  }
}

/** Without those of holes; with one more unit in the first row of a day, whose id is given, and in each hundredth. */
function* spoilTicks(ticks: Iterable<Tick>, holes: readonly Stretch[], differsFrom: number | undefined): Generator<Tick> {
  for (const tick of ticks) {
    if (holes.some(({ fromMs, toMs }) => tick.timeUs >= fromMs * 1000 && tick.timeUs < toMs * 1000)) continue
    yield differsFrom !== undefined && (tick.id - differsFrom) % 100 === 0 ? { ...tick, units: tick.units + 1 } : tick
  }
}

function creatorOf({ profile }: ListedSymbol, { data }: Bars, at: number): () => MinuteTrades {
  return () => createMinuteTrades(profile, data, at)
}

function startOf({ id, profile }: ListedSymbol, dataset: TickDataset): number {
  return 1 + (hashText(`${id}/${dataset}/${profile.flowSeed}`) % FIRST_IDS)
}

/** How many rows of a data set a minute has, and the id after its last one. */
export function rowsOf(dataset: TickDataset, minute: TickMinute): { readonly rows: number; readonly endId: number } {
  return dataset === 'trades'
    ? { rows: minute.trades, endId: minute.firstTradeId + minute.tradeIds }
    : { rows: minute.aggregates, endId: minute.firstAggregateId + minute.aggregates }
}

/** The rows of a data set in a minute, in order of id. */
function createTicks(dataset: TickDataset, minute: TickMinute): Tick[] {
  const { prices, units, isTakerBuyer, trades, timesUs, seed } = minute.create()
  const { before, ids } = minute.unpublished
  const tradeIdAt = (index: number): number => minute.firstTradeId + index + (index >= before ? ids : 0)
  const random = new Random(seed ^ 0x5b1)
  const ticks: Tick[] = []
  let index = 0
  for (let i = 0; i < prices.length; i++) {
    const count = trades[i] as number
    const isSingle = dataset === 'trades'
    const parts = isSingle ? splitUnits(units[i] as number, count, random) : [units[i] as number]
    for (let part = 0; part < parts.length; part++) {
      const firstTradeId = tradeIdAt(index + part)
      // written out: many are made
      ticks.push({
        id: isSingle ? firstTradeId : minute.firstAggregateId + i,
        price: prices[i] as number,
        units: parts[part] as number,
        firstTradeId,
        lastTradeId: isSingle ? firstTradeId : tradeIdAt(index + count - 1),
        timeUs: timesUs[i] as number,
        isTakerBuyer: isTakerBuyer[i] as boolean,
      })
    }
    index += count
  }
  return ticks
}

/** The day in which a time lies. */
export function dayOfMs(ms: number): number {
  return Math.floor(ms / MS_PER_DAY)
}
