import { chunkEndUs, chunkOfUs, nextChunk } from '../../dataset/chunk.ts'
import type { DayRow } from '../../lake/catalog/catalog-rows.ts'
import { unexplainedDay } from '../../lake/day-facts.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import type { Condition } from '../../model/condition.ts'
import { isExplained } from '../../model/condition.ts'
import type { Gap } from '../../model/gaps.ts'
import { gridOf, nextSlotUs, slotStartUs } from '../../model/interval.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import { addDays, dayOfUs, dayStartUs } from '../../model/utc-day.ts'
import type { ChartShade } from '../../pages/chart/chart-data.ts'

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

const US_PER_SECOND = 1_000_000

/** Days of these conditions are final, or their holes are shaded themselves. */
const PLAIN: readonly Condition[] = ['complete', 'outage', 'unlisted']

/** Where nothing is said of a condition beside its name. */
const WORDS: Partial<Record<Condition, string>> = {
  provisional: 'every bar is there, from REST; no archive has confirmed it yet',
  pending: 'not published yet',
}

/** The chunks of a range as a lake has them. */
export function readRecorded(catalog: LedgerReader, series: Series, range: TimeRange): DayRow[] {
  return catalog.readDays(series, chunkOfUs(range.startUs, series), addDays(dayOfUs(range.endUs - 1), 1))
}

/** Chunks that are not final, with the words that every command has for them: neighbours of one condition for one reason are one stretch. */
export function findDayShades(catalog: LedgerReader, recorded: readonly DayRow[], range: TimeRange): ChartShade[] {
  const shades: Writable<ChartShade>[] = []
  for (const row of recorded) {
    const start = Math.max(range.startUs, dayStartUs(row.day)) / US_PER_SECOND
    const end = Math.min(range.endUs, chunkEndUs(row.day, row)) / US_PER_SECOND
    if (PLAIN.includes(row.condition) || end <= start) continue
    const text = reasonOf(catalog, row)
    const last = shades.at(-1)
    if (last?.end === start && last.kind === row.condition && last.text === text) last.end = end
    else shades.push({ kind: row.condition, start, end, text })
  }
  return shades
}

function reasonOf(catalog: LedgerReader, row: DayRow): string {
  if (isExplained(row.condition)) return row.evidence ?? WORDS[row.condition] ?? row.condition
  return unexplainedDay(row, catalog.listGaps(row, row.day, nextChunk(row.day, row))).reason
}

/** Where a row of a chart is from. */
export interface SourcedSlot {
  /** open time, seconds since 1970 */
  readonly time: number
  /** CACHE, VISION, REST; null where there is no bar */
  readonly source: string | null
}

/** Bars in a row that REST gave, of chunks that the lake has not: of a day that is not over, or without a lake. */
export function findRestShades(slots: readonly SourcedSlot[], recorded: readonly DayRow[], series: Series): ChartShade[] {
  const days = new Set(recorded.map(({ day }) => day))
  const shades: Writable<ChartShade>[] = []
  let isOpen = false
  for (const { time, source } of slots) {
    const isBare = source === 'REST' && !days.has(chunkOfUs(time * US_PER_SECOND, series))
    const end = nextSlotUs(slotStartUs(time * US_PER_SECOND, gridOf(series)), gridOf(series)) / US_PER_SECOND
    const last = shades.at(-1)
    if (isBare && isOpen && last !== undefined) last.end = end
    else if (isBare)
      shades.push({ kind: 'provisional', start: time, end, text: 'from REST and not stored: no archive has confirmed it yet' })
    isOpen = isBare
  }
  return shades
}

/** A stretch without bars, why that is so, and whether the reason explains it. */
export interface ShadedGap extends Gap {
  readonly evidence: string
  readonly explained: boolean
}

/** Stretches without bars; those that nothing explains have a kind of their own. */
export function gapShades(gaps: readonly ShadedGap[]): ChartShade[] {
  return gaps.map(({ startUs, endUs, bars, evidence, explained }) => ({
    ...{ kind: explained ? 'missing' : 'unexplained', start: startUs / US_PER_SECOND, end: endUs / US_PER_SECOND },
    text: `${bars.toLocaleString('en-US')} ${bars === 1 ? 'bar' : 'bars'}; ${evidence}`,
  }))
}
