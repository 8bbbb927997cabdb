import type { Packaging } from '../../model/series.ts'
import { MS_PER_DAY } from '../grid.ts'
import { MICROSECONDS_FROM } from '../synthetic/archive-layout.ts'
import type { ContentFaults } from '../synthetic/content.ts'
import { DigitWriter } from '../synthetic/digit-writer.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import type { SyntheticTicks } from './synthetic-ticks.ts'
import { rowsOf } from './synthetic-ticks.ts'
import { MAX_LINE_BYTES, writeTickLine } from './tick-rows.ts'
import type { TickDataset } from './ticks.ts'
import { tickHeader } from './ticks.ts'

/** Rows of a part at least, but for the last one of a day: a day of a busy symbol is made and deflated part by part. */
const PART_ROWS = 32_768
/** Archives of USDⓈ-M have a header from this day on; the monthly ones do for longer. */
const HEADER_FROM: Readonly<Record<Packaging, number>> = {
  daily: Date.parse('2022-08-15T00:00Z') / MS_PER_DAY,
  monthly: Date.parse('2022-07-01T00:00Z') / MS_PER_DAY,
}

/** How many parts an archive of so many rows has at most. */
export function maxTickParts(rows: number, packaging: Packaging): number {
  return (packaging === 'daily' ? 1 : 31) + Math.floor(rows / PART_ROWS)
}

/** The CSV of an archive of trades or aggregates, part by part; it holds the days [from, to). */
export function* encodeTickParts(
  ticks: SyntheticTicks,
  { listed, dataset, packaging }: { readonly listed: ListedSymbol; readonly dataset: TickDataset; readonly packaging: Packaging },
  [from, to]: readonly [number, number],
  content: ContentFaults,
): Generator<Buffer> {
  const { market, profile } = listed
  if (market === 'cm' || (market === 'um' && from >= HEADER_FROM[packaging])) yield Buffer.from(tickHeader(dataset, market))
  const { dropped } = content.forSymbol(market, listed.symbol)
  const unit = market === 'spot' && from >= MICROSECONDS_FROM ? 'us' : 'ms'
  for (let day = Math.max(from, listed.firstArchiveDay); day < to && day <= listed.lastDay; day++) {
    if (packaging === 'monthly' && dropped.has(day)) continue
    for (const minutes of groupsOf(ticks.minutesOf(listed, day), (minute) => rowsOf(dataset, minute).rows)) {
      const writer = new DigitWriter(MAX_LINE_BYTES * minutes.reduce((sum, minute) => sum + rowsOf(dataset, minute).rows, 0))
      for (const minute of minutes) {
        for (const tick of ticks.ticksOf(listed, dataset, minute, packaging)) writeTickLine(writer, dataset, profile, tick, unit)
      }
      yield writer.bytes()
    }
  }
}

/** Neighbours together, until they are as many rows as a part has. */
function* groupsOf<T>(items: readonly T[], rows: (item: T) => number): Generator<T[]> {
  let group: T[] = []
  let sum = 0
  for (const item of items) {
    group.push(item)
    sum += rows(item)
    if (sum < PART_ROWS) continue
    yield group
    group = []
    sum = 0
  }
  if (group.length > 0) yield group
}
