import { isCut } from './known-beginning.ts'
import type { PlanFacts } from './plan-scope.ts'
import { PlannedArchives } from './planned-archives.ts'
import type { SeriesPlan } from './series-plan.ts'
import { isProblem, StoredChunks } from './stored-chunks.ts'
import type { DayRow } from '../../lake/catalog/catalog-rows.ts'
import type { Condition } from '../../model/condition.ts'
import type { UtcDay } from '../../model/utc-day.ts'

/** Gathers a plan chunk by chunk. */
export class Draft {
  readonly #facts: PlanFacts
  readonly #stored: StoredChunks
  readonly #archives: PlannedArchives
  readonly #cut: UtcDay[] = []
  readonly #holes: UtcDay[] = []
  readonly #tail: UtcDay[] = []
  readonly #changed: UtcDay[] = []
  readonly #kept: Partial<Record<Condition, number>> = {}
  readonly #problems: { day: UtcDay; condition: Condition }[] = []
  #firstKept: UtcDay | null = null
  #lastKept: UtcDay | null = null
  #first: UtcDay | null = null
  #last: UtcDay | null = null
  #days = 0

  constructor(facts: PlanFacts) {
    this.#facts = facts
    this.#stored = new StoredChunks(facts)
    this.#archives = new PlannedArchives(facts)
  }

  /** A chunk before the first archive, which is asked for with the first bar. */
  placeLead(day: UtcDay): void {
    this.#archives.addLead(day)
  }

  /** Decides what becomes of a chunk in the series' life. */
  place(day: UtcDay, row: DayRow | undefined, beforeLastArchive: boolean): void {
    const archive = this.#facts.archives.pick(day)
    if (row !== undefined && archive !== undefined && row.archiveKey === archive.key && row.archiveEtag !== archive.etag)
      this.#changed.push(day)
    if (row !== undefined && !this.#stored.isDue(day, row, archive)) this.keep(day, row)
    else if (row !== undefined && archive !== undefined && this.#stored.needsRestOnly(row)) {
      this.#count(day)
      this.#archives.addRepair(archive, day)
    } else {
      this.#count(day)
      if (row === undefined && this.#stored.isBehindEnd(day, archive)) this.#tail.push(day)
      else if (archive !== undefined) this.#archives.add(archive, day)
      else if (beforeLastArchive) this.#holes.push(day)
      else this.#tail.push(day)
    }
  }

  /** A stored chunk that stays as it is. */
  keep(day: UtcDay, row: DayRow): void {
    this.#count(day)
    if (row.rows > 0) {
      this.#firstKept ??= day
      this.#lastKept = day
    }
    if (isCut(row, this.#facts.series, this.#facts.known)) {
      this.#cut.push(day)
      return
    }
    this.#kept[row.condition] = (this.#kept[row.condition] ?? 0) + 1
    if (isProblem(row)) this.#problems.push({ day, condition: row.condition })
  }

  #count(day: UtcDay): void {
    this.#first ??= day
    this.#last = day
    this.#days++
  }

  finish(told: Pick<SeriesPlan, 'firstDay' | 'firstForms' | 'lastDay' | 'more' | 'lastStored'>): SeriesPlan {
    const { series, scope, archives } = this.#facts
    const { tasks, repairs, lead } = this.#archives.finish(told.firstDay)
    // where both forms of archives have been looked through, and REST is off, nobody can tell more
    const isLeadOver = !scope.rest && told.firstForms === 'both'
    return {
      series,
      start: scope.start,
      archives: scope.archives,
      first: this.#first,
      last: this.#last,
      days: this.#days,
      unlisted: isLeadOver ? lead.length : 0,
      kept: this.#kept,
      keptProblems: this.#problems,
      tasks,
      firstKept: this.#firstKept,
      lastKept: this.#lastKept,
      holes: this.#holes,
      tail: this.#tail,
      lead: isLeadOver ? [] : lead,
      repairs,
      changed: this.#changed,
      cut: this.#cut,
      lastSure: archives.lastStart('listed'),
      ...told,
    }
  }
}
