import type { ArchiveRef, ArchiveTask } from '../archive-task.ts'
import { chunkOfUs, isMonthChunked, nextChunk, previousChunk } from '../../dataset/chunk.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, dayStartUs } from '../../model/utc-day.ts'
import { isUnborn, knowsFirst } from './known-beginning.ts'
import type { PlanFacts } from './plan-scope.ts'
import type { SeriesPlan } from './series-plan.ts'
import { isOpen } from './stored-chunks.ts'

const NO_DAYS: readonly UtcDay[] = []

/** The archives that a plan takes, each with its chunks; what the first of them may have of the chunks before it. */
export class PlannedArchives {
  readonly #facts: PlanFacts
  /** the series' beginning has not been looked for yet: days before its first archive may stand in another one */
  readonly #isFirstLook: boolean
  readonly #tasks: { readonly archive: ArchiveRef; readonly days: UtcDay[] }[] = []
  /** the tasks of monthly archives, to which days come one by one; a daily archive has one chunk */
  readonly #months = new Map<ArchiveRef, UtcDay[]>()
  readonly #repairs: { archive: ArchiveRef; day: UtcDay }[] = []
  readonly #lead: UtcDay[] = []

  constructor(facts: PlanFacts) {
    const { scope, known } = facts
    this.#facts = facts
    this.#isFirstLook = scope.start === null && !scope.retryFailed && !knowsFirst(known, scope.archives)
  }

  /** A chunk that is taken from an archive. */
  add(archive: ArchiveRef, day: UtcDay): void {
    const begun = archive.packaging === 'monthly' ? this.#months.get(archive) : undefined
    if (begun === undefined) this.#begin(archive, [day])
    else begun.push(day)
  }

  #begin(archive: ArchiveRef, days: UtcDay[]): void {
    this.#tasks.push({ archive, days })
    if (archive.packaging === 'monthly') this.#months.set(archive, days)
  }

  #isTaken(archive: ArchiveRef): boolean {
    return this.#tasks.some((task) => task.archive === archive)
  }

  /** A stored chunk whose archive has nothing new. */
  addRepair(archive: ArchiveRef, day: UtcDay): void {
    this.#repairs.push({ archive, day })
  }

  /** A chunk before the first archive. */
  addLead(day: UtcDay): void {
    this.#lead.push(day)
  }

  /**
   * The tasks of the plan, and the chunks before the first archive that none of them takes.
   * @param firstDay the first day that any archive covers
   */
  finish(firstDay: UtcDay | null): Pick<SeriesPlan, 'tasks' | 'repairs' | 'lead'> {
    const { series, scope, archives } = this.#facts
    const listed = firstDay === null ? undefined : archives.pick(chunkOfUs(dayStartUs(firstDay), series))
    if (listed !== undefined && this.#isFirstLook && !this.#isTaken(listed)) this.#begin(listed, [])
    const before = listed === undefined ? undefined : this.#takeDaysBefore(listed)
    const birth = before?.archive ?? listed
    const isGuessing = isMonthChunked(series) && scope.start === null
    const tasks: ArchiveTask[] = before === undefined ? [] : [this.#taskOf(before.archive, before.days, birth)]
    for (const { archive, days } of this.#tasks) {
      if (archive === before?.archive) continue
      const own = archive === birth ? this.#withUnknownDays(archive, days, firstDay ?? archive.firstDay) : days
      const first = own[0]
      if (first !== undefined) tasks.push(this.#taskOf(archive, own, birth, isGuessing && first !== days[0] ? first : null))
    }
    return { tasks, repairs: this.#repairs.map(({ archive, day }) => this.#taskOf(archive, [day], birth)), lead: this.#lead }
  }

  #taskOf(archive: ArchiveRef, days: readonly UtcDay[], birth: ArchiveRef | undefined, guess: UtcDay | null = null): ArchiveTask {
    const { series, archives } = this.#facts
    return {
      series,
      archive,
      days,
      guess,
      startsSeries: archive === birth,
      others: archives.others(archive, days),
      compare: this.#comparedDays(archive, days),
    }
  }

  /**
   * Days before the first daily archive, where that is the first one that is taken: its month's archive may have them. Without a start they
   * are all days of that month, else those that were asked for. What else is wanted of that archive is taken along.
   */
  #takeDaysBefore(first: ArchiveRef): { readonly archive: ArchiveRef; readonly days: UtcDay[] } | undefined {
    const { series, scope, archives } = this.#facts
    if (scope.archives !== 'auto' || isMonthChunked(series)) return undefined
    const archive = archives.monthly(first.firstDay)
    // a month that is taken anyway gets them by #withUnknownDays
    if (archive === undefined || (first === archive && this.#isTaken(first))) return undefined
    const days: UtcDay[] = []
    if (scope.start === null) {
      if (first === archive || !this.#isTaken(first)) return undefined
      for (let day = archive.firstDay; day < first.firstDay; day = nextChunk(day, series)) if (this.#isUnknown(day)) days.push(day)
    } else {
      const isEarly = (day: UtcDay): boolean => day >= archive.firstDay && this.#isUnknown(day)
      days.push(...this.#lead.filter(isEarly))
      this.#lead.splice(0, this.#lead.length, ...this.#lead.filter((day) => !isEarly(day)))
    }
    if (days.length === 0) return undefined
    days.push(...(this.#months.get(archive) ?? []))
    return { archive, days }
  }

  /** Days of a month that are compared with their daily archives: all with `--cross-check`, else one, chosen by the month alone. */
  #comparedDays(archive: ArchiveRef, days: readonly UtcDay[]): readonly UtcDay[] {
    const { series, scope, archives } = this.#facts
    if (archive.packaging !== 'monthly' || isMonthChunked(series)) return NO_DAYS
    const listed = days.filter((day) => archives.daily(day) !== undefined)
    if (scope.crossCheck) return listed
    if (scope.archives === 'monthly') return []
    const sample = addDays(archive.firstDay, (Number(archive.firstDay.slice(0, 4)) * 12 + Number(archive.firstDay.slice(5, 7)) * 11) % 28)
    return listed.filter((day) => day === sample)
  }

  /** The month in which a series begins may hold days before the first daily archive: they are taken when they are there. */
  #withUnknownDays(archive: ArchiveRef, days: readonly UtcDay[], firstDay: UtcDay): UtcDay[] {
    const { series, scope } = this.#facts
    if (isMonthChunked(series)) return this.#withMonthBefore(archive, days)
    if (archive.packaging !== 'monthly') return [...days]
    const early = this.#lead.filter((day) => day >= archive.firstDay && this.#isUnknown(day))
    if (scope.start !== null) {
      this.#lead.splice(0, this.#lead.length, ...this.#lead.filter((day) => !early.includes(day)))
      // a day before the first archive may stand among the others already: it has a row
      return [...early, ...days].sort()
    }
    const all: UtcDay[] = []
    for (let day = archive.firstDay; day < (days[0] ?? firstDay); day = nextChunk(day, series)) if (this.#isUnknown(day)) all.push(day)
    return [...all, ...days]
  }

  /** Nothing is known of the chunk, and it may have bars. */
  #isUnknown(day: UtcDay): boolean {
    const { series, scope, rows, known } = this.#facts
    return isOpen(rows.get(day)) && !isUnborn(series, day, known, scope)
  }

  /** The first bar of a series may open in the month before that of its first archive: it is taken when it is there. */
  #withMonthBefore(archive: ArchiveRef, days: readonly UtcDay[]): UtcDay[] {
    const { series, scope, rows } = this.#facts
    const before = previousChunk(chunkOfUs(dayStartUs(archive.firstDay), series), series)
    const isLead = this.#lead.includes(before)
    if (rows.has(before) || (scope.start !== null && !isLead)) return [...days]
    if (isLead) this.#lead.splice(this.#lead.indexOf(before), 1)
    return [before, ...days]
  }
}
