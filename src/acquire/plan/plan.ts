import type { ArchiveChoice, SeriesListings } from './archive-choice.ts'
import { ArchiveMap } from './archive-choice.ts'
import type { ArchiveRef, ArchiveTask } from '../archive-task.ts'
import { isCut, isUnborn, joinForms, knowsFirst } from './known-beginning.ts'
import { chunkClosedUs, chunkEndUs, chunkOfUs, isMonthChunked, nextChunk, previousChunk } from '../../dataset/chunk.ts'
import type { DayRow, FirstForms, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import { countsAsExplained, isFromVision } from '../../lake/day-facts.ts'
import type { Condition } from '../../model/condition.ts'
import { isExplained } from '../../model/condition.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, dayStartUs, earliestDay, firstDayOf, latestDay, monthOf } from '../../model/utc-day.ts'

/** What a run asks of every series. */
export interface PlanScope {
  /** null: from the first day that the listing has */
  readonly start: UtcDay | null
  /** excluded */
  readonly end: UtcDay
  readonly archives: ArchiveChoice
  /** REST may be asked */
  readonly rest: boolean
  /** compare all days of monthly archives with the daily ones, not only a sample */
  readonly crossCheck: boolean
  /** plan every chunk, stored or not */
  readonly force: boolean
  /** compare every stored chunk with the listing, and take what was published anew */
  readonly refresh: boolean
  /** plan only chunks that are unexplained */
  readonly retryFailed: boolean
  readonly nowUs: number
}

/** The chunks of one series and what becomes of each. JSON: it is spooled between planning and work. */
export interface SeriesPlan {
  readonly series: Series
  /** first day that was asked for; null: from the first one that the listing has */
  readonly start: UtcDay | null
  /** first and last chunk in which bars are expected; null: none */
  readonly first: UtcDay | null
  readonly last: UtcDay | null
  /** chunks from first to last */
  readonly days: number
  /** chunks outside the series' life, as far as the listing tells */
  readonly unlisted: number
  /** conditions of the chunks that stay as they are */
  readonly kept: Partial<Record<Condition, number>>
  /** unexplained chunks that stay as they are, to be reported again */
  readonly keptProblems: readonly { readonly day: UtcDay; readonly condition: Condition }[]
  readonly tasks: readonly ArchiveTask[]
  /** first and last chunk with bars among those that stay as they are */
  readonly firstKept: UtcDay | null
  readonly lastKept: UtcDay | null
  /** runs of chunks between archives that no archive covers */
  readonly holes: readonly UtcDay[]
  /** chunks after the last archive */
  readonly tail: readonly UtcDay[]
  /** chunks before the first archive, of an explicit start: REST tells whether they have bars */
  readonly lead: readonly UtcDay[]
  /** stored chunks with missing bars whose archives have nothing new: REST alone is asked again */
  readonly repairs: readonly ArchiveTask[]
  /** stored chunks whose archive has another ETag now (taken with `--refresh` only) */
  readonly changed: readonly UtcDay[]
  /** stored chunks that expect fewer bars than their slots, for a reason that is not known to hold: they stay if it does */
  readonly cut: readonly UtcDay[]
  readonly firstDay: UtcDay | null
  /** in which forms of archives the series' beginning has been looked for when the plan is done */
  readonly firstForms: FirstForms | null
  readonly lastDay: UtcDay | null
  /** the first day that the last archive covers: how many of its days have bars, it tells itself */
  readonly lastSure: UtcDay | null
  /** the last chunk with bars that the lake has, wherever it lies */
  readonly lastStored: UtcDay | null
  /** the listing goes on after the range */
  readonly more: boolean
}

/** The last chunk of which bars or an archive are known; null: none is. */
export function lastKnownDay(plan: SeriesPlan): UtcDay | null {
  const day = latestDay(latestDay(plan.lastSure, plan.lastKept), plan.lastStored)
  return day === null ? null : chunkOfUs(dayStartUs(day), plan.series)
}

/** True when the chunk is settled: no listing and no other source can change it (but for a republication). */
function isFinal(row: DayRow, series: Series, known: SeriesRow | undefined): boolean {
  if (row.recheck === 1 || isCut(row, series, known)) return false
  return row.condition === 'complete' || (row.condition === 'outage' && isFromVision(row.source))
}

/** Unexplained, and not accepted by a person. */
function isProblem(row: DayRow): boolean {
  return !countsAsExplained(row)
}

/** The first and the last requested chunk that is closed; null when there is none. `start` null begins at `from`. */
export function* chunksOf(series: Series, start: UtcDay, scope: Pick<PlanScope, 'end' | 'nowUs'>): Generator<UtcDay> {
  for (let day = isMonthChunked(series) ? firstDayOf(monthOf(start)) : start; day < scope.end; day = nextChunk(day, series)) {
    if (chunkClosedUs(day, series) > scope.nowUs) return
    yield day
  }
}

/**
 * The first chunk for which the listing must be read: the first one that is not final.
 * `'beginning'`: unknown, read from the first archive on. `null`: every requested chunk is settled.
 */
export function findListingStart(
  series: Series,
  scope: PlanScope,
  known: SeriesRow | undefined,
  rows: ReadonlyMap<UtcDay, DayRow>,
): UtcDay | 'beginning' | null {
  const born = known?.firstDay ?? null
  const isSure = knowsFirst(known, scope.archives)
  if (scope.start === null && !isSure && !scope.retryFailed) return 'beginning'
  const start = scope.start === null || (born !== null && isSure && !scope.rest && born > scope.start) ? born : scope.start
  if (start === null) return 'beginning'
  if (scope.force || scope.refresh || isRetried(scope, known, rows)) return start
  for (const day of chunksOf(series, start, scope)) {
    const row = rows.get(day)
    if (
      scope.retryFailed
        ? row !== undefined && isProblem(row)
        : row === undefined
          ? !isUnborn(series, day, known, scope)
          : !isFinal(row, series, known)
    )
      return day
  }
  return null
}

/** A series whose listing failed is what `--retry-failed` plans whole. */
function isRetried(scope: PlanScope, known: SeriesRow | undefined, rows: ReadonlyMap<UtcDay, DayRow>): boolean {
  return scope.retryFailed && (known === undefined ? rows.size === 0 : known.listedAt === null)
}

/**
 * Decides for every requested chunk of a series: stored, to fetch (and from which archive), without archive, or unlisted.
 * Which archives are taken depends on listing and range alone, never on what is stored. No chunk is planned twice.
 */
export function planSeries(
  series: Series,
  scope: PlanScope,
  listings: SeriesListings,
  known: SeriesRow | undefined,
  rows: ReadonlyMap<UtcDay, DayRow>,
  lastStored: UtcDay | null = null,
): SeriesPlan {
  const archives = new ArchiveMap(scope, listings)
  const born = earliestDay(known?.firstDay ?? null, listings.firstDay)
  // of a series that the listing does not know an earlier run has learnt where it begins
  const firstKnown = known?.firstOpenUs == null ? null : chunkOfUs(known.firstOpenUs, series)
  const start = scope.start ?? born ?? firstKnown
  const lastDay = latestDay(archives.lastDay(), known?.lastDay ?? null)
  const lastBefore = latestDay(latestDay(archives.lastStart('taken'), known?.lastDay ?? null), lastStored)
  const draft = new Draft(series, scope, archives, rows, known)
  if (start !== null) {
    for (const day of chunksOf(series, start, scope)) {
      const row = rows.get(day)
      if (scope.retryFailed && !isRetried(scope, known, rows) && (row === undefined || !isProblem(row))) {
        if (row === undefined) continue
        draft.keep(day, row)
      } else if (isLead(row, scope) && born !== null && chunkEndUs(day, series) <= dayStartUs(born)) draft.lead.push(day)
      else draft.place(day, row, lastBefore !== null && day <= lastBefore)
    }
  }
  const isLooked = !scope.retryFailed || isRetried(scope, known, rows)
  const firstForms = joinForms(known?.firstForms ?? null, isLooked ? listings.firstForms : null)
  return draft.finish({ firstDay: born, firstForms, lastDay, more: listings.more, lastStored })
}

/** The plan of a series of which nothing is to be done: each of its requested chunks, of which there is one at least, is settled. */
export function planSettled(
  series: Series,
  { start }: PlanScope,
  known: SeriesRow | undefined,
  chunks: { readonly first: UtcDay; readonly last: UtcDay; readonly count: number },
  lastStored: UtcDay | null,
): SeriesPlan {
  const { first, last, count } = chunks
  return {
    series,
    start,
    first,
    last,
    days: count,
    unlisted: 0,
    kept: { complete: count },
    keptProblems: [],
    tasks: [],
    firstKept: first,
    lastKept: last,
    holes: [],
    tail: [],
    lead: [],
    repairs: [],
    changed: [],
    cut: [],
    firstDay: known?.firstDay ?? null,
    firstForms: known?.firstForms ?? null,
    lastDay: known?.lastDay ?? null,
    lastSure: null,
    lastStored,
    more: false,
  }
}

/** A chunk before the first archive is asked for with the first bar, also where an earlier run could not ask REST. */
function isLead(row: DayRow | undefined, scope: PlanScope): boolean {
  return row === undefined || (scope.rest && row.shardSha256 === null && !isExplained(row.condition))
}

/** Gathers a plan chunk by chunk. */
class Draft {
  readonly lead: UtcDay[] = []
  readonly #series: Series
  readonly #scope: PlanScope
  readonly #archives: ArchiveMap
  readonly #rows: ReadonlyMap<UtcDay, DayRow>
  readonly #known: SeriesRow | undefined
  /** the series' beginning has not been looked for yet: days before its first archive may stand in another one */
  readonly #isFirstLook: boolean
  readonly #cut: UtcDay[] = []
  readonly #tasks = new Map<string, { archive: ArchiveRef; days: UtcDay[] }>()
  readonly #holes: UtcDay[] = []
  readonly #tail: UtcDay[] = []
  readonly #repairs: { archive: ArchiveRef; day: UtcDay }[] = []
  readonly #changed: UtcDay[] = []
  readonly #kept: Partial<Record<Condition, number>> = {}
  readonly #problems: { day: UtcDay; condition: Condition }[] = []
  #firstKept: UtcDay | null = null
  #lastKept: UtcDay | null = null
  #first: UtcDay | null = null
  #last: UtcDay | null = null
  #days = 0

  constructor(series: Series, scope: PlanScope, archives: ArchiveMap, rows: ReadonlyMap<UtcDay, DayRow>, known: SeriesRow | undefined) {
    this.#series = series
    this.#scope = scope
    this.#archives = archives
    this.#rows = rows
    this.#known = known
    this.#isFirstLook = scope.start === null && !scope.retryFailed && !knowsFirst(known, scope.archives)
  }

  /** Decides what becomes of a chunk in the series' life. */
  place(day: UtcDay, row: DayRow | undefined, beforeLastArchive: boolean): void {
    const archive = this.#archives.pick(this.#series, day)
    if (row !== undefined && archive !== undefined && row.archiveKey === archive.key && row.archiveEtag !== archive.etag)
      this.#changed.push(day)
    if (row !== undefined && !this.#isDue(day, row, archive)) this.keep(day, row)
    else if (row !== undefined && archive !== undefined && this.#needsRestOnly(row)) {
      this.#count(day)
      this.#repairs.push({ archive, day })
    } else {
      this.#count(day)
      if (row === undefined && this.#isBehindEnd(day, archive)) this.#tail.push(day)
      else if (archive !== undefined) this.#addTask(archive, day)
      else if (beforeLastArchive) this.#holes.push(day)
      else this.#tail.push(day)
    }
  }

  /**
   * A chunk behind the known end of the series, of which the listing has nothing new: no archive of it, or that of the month in which the
   * series ended and from which other days are stored. Whether the end still holds, the exchange is asked.
   */
  #isBehindEnd(day: UtcDay, archive: ArchiveRef | undefined): boolean {
    const endedUs = this.#known?.endedUs ?? null
    if (this.#scope.force || endedUs === null || dayStartUs(day) < endedUs) return false
    if (archive === undefined) return true
    if (archive.packaging !== 'monthly' || isMonthChunked(this.#series)) return false
    for (let one = archive.firstDay; one < day; one = nextChunk(one, this.#series)) {
      const row = this.#rows.get(one)
      if (row?.archiveKey === archive.key) return row.archiveEtag === archive.etag
    }
    return false
  }

  /** A stored chunk that stays as it is. */
  keep(day: UtcDay, row: DayRow): void {
    this.#count(day)
    if (row.rows > 0) {
      this.#firstKept ??= day
      this.#lastKept = day
    }
    if (isCut(row, this.#series, this.#known)) {
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

  #addTask(archive: ArchiveRef, day: UtcDay): void {
    const task = this.#tasks.get(archive.key)
    if (task === undefined) this.#tasks.set(archive.key, { archive, days: [day] })
    else task.days.push(day)
  }

  /** True when a stored chunk must be worked on. */
  #isDue(day: UtcDay, row: DayRow, archive: ArchiveRef | undefined): boolean {
    const { force, refresh, retryFailed, rest } = this.#scope
    if (force || row.recheck === 1) return true
    const sameArchive = archive !== undefined && row.archiveKey === archive.key && row.archiveEtag === archive.etag
    switch (row.condition) {
      case 'complete':
      case 'outage':
      case 'provisional':
      case 'unlisted':
        if (isFromVision(row.source)) return refresh && archive !== undefined && row.archiveKey === archive.key && !sameArchive
        return archive !== undefined && !sameArchive
      case 'partial':
        return rest || !sameArchive || this.#untried(day, row)
      case 'quarantined':
        return retryFailed || !sameArchive
      case 'pending':
      case 'failed':
      case 'disputed':
      case 'unexplainable':
        return true
    }
  }

  /** A chunk with rows whose archives are the ones it was made from: fetching them again would change nothing. */
  #needsRestOnly(row: DayRow): boolean {
    const isOpen = row.condition === 'partial' || (row.condition === 'outage' && row.recheck === 1)
    if (this.#scope.force || !isOpen || row.shardSha256 === null) return false
    // sources contradicted each other, and the one that would decide could not be asked: all of them are, again
    if (row.condition === 'partial' && (row.differingRows > 0 || row.rows >= row.expected)) return false
    return row.archiveEtag === this.#refOf(row)?.etag && !this.#untried(row.day, row)
  }

  #refOf(row: DayRow): ArchiveRef | undefined {
    return [this.#archives.daily(row.day), this.#archives.monthly(row.day)].find((ref) => ref !== undefined && ref.key === row.archiveKey)
  }

  /** A daily archive is listed, but the chunk was made from the month alone; of a month, another archive that may have its bars. */
  #untried(day: UtcDay, row: DayRow): boolean {
    if (isMonthChunked(this.#series)) return this.#archives.around(day).some(({ key }) => key !== row.archiveKey)
    const daily = this.#archives.daily(day)
    return daily !== undefined && row.archiveKey !== daily.key && !(row.source?.includes('vision-daily') ?? false)
  }

  finish(told: Pick<SeriesPlan, 'firstDay' | 'firstForms' | 'lastDay' | 'more' | 'lastStored'>): SeriesPlan {
    const { firstDay } = told
    const listed = firstDay === null ? undefined : this.#archives.pick(this.#series, chunkOfUs(dayStartUs(firstDay), this.#series))
    if (listed !== undefined && this.#isFirstLook && !this.#tasks.has(listed.key))
      this.#tasks.set(listed.key, { archive: listed, days: [] })
    const before = listed === undefined ? undefined : this.#takeDaysBefore(listed)
    const birth = before?.archive ?? listed
    const taskOf = (archive: ArchiveRef, days: readonly UtcDay[]): ArchiveTask => ({
      series: this.#series,
      archive,
      days,
      guess: null,
      startsSeries: archive.key === birth?.key,
      others: this.#archives.others(this.#series, archive, days),
      compare: this.#comparedDays(archive, days),
    })
    const isGuessing = isMonthChunked(this.#series) && this.#scope.start === null
    const tasks = [...this.#tasks.values()].flatMap(({ archive, days }) => {
      const own = archive.key === birth?.key ? this.#withUnknownDays(archive, days, firstDay ?? archive.firstDay) : days
      const [first] = own
      return first === undefined ? [] : [{ ...taskOf(archive, own), guess: isGuessing && first !== days[0] ? first : null }]
    })
    if (before !== undefined) tasks.unshift({ ...taskOf(before.archive, before.days), guess: null })
    const rest = this.#scope.rest
    return {
      series: this.#series,
      start: this.#scope.start,
      first: this.#first,
      last: this.#last,
      days: this.#days,
      unlisted: rest ? 0 : this.lead.length,
      kept: this.#kept,
      keptProblems: this.#problems,
      tasks,
      firstKept: this.#firstKept,
      lastKept: this.#lastKept,
      holes: this.#holes,
      tail: this.#tail,
      lead: rest ? this.lead : [],
      repairs: this.#repairs.map(({ archive, day }) => taskOf(archive, [day])),
      changed: this.#changed,
      cut: this.#cut,
      lastSure: this.#archives.lastStart('listed'),
      ...told,
    }
  }

  /**
   * Days before the first daily archive, where that is the first one that is taken: its month's archive may have them. Without a start they
   * are all days of that month, else those that were asked for. What else is wanted of that archive is taken along.
   */
  #takeDaysBefore(first: ArchiveRef): { readonly archive: ArchiveRef; readonly days: UtcDay[] } | undefined {
    if (this.#scope.archives !== 'auto' || isMonthChunked(this.#series)) return undefined
    const archive = this.#archives.monthly(first.firstDay)
    // a month that is taken anyway gets them by #withUnknownDays
    if (archive === undefined || (first === archive && this.#tasks.has(first.key))) return undefined
    const days: UtcDay[] = []
    if (this.#scope.start === null) {
      if (first === archive || !this.#tasks.has(first.key)) return undefined
      for (let day = archive.firstDay; day < first.firstDay; day = nextChunk(day, this.#series)) if (this.#isUnknown(day)) days.push(day)
    } else {
      const isEarly = (day: UtcDay): boolean => day >= archive.firstDay && this.#isUnknown(day)
      days.push(...this.lead.filter(isEarly))
      this.lead.splice(0, this.lead.length, ...this.lead.filter((day) => !isEarly(day)))
    }
    if (days.length === 0) return undefined
    days.push(...(this.#tasks.get(archive.key)?.days ?? []))
    this.#tasks.delete(archive.key)
    return { archive, days }
  }

  /** Days of a month that are compared with their daily archives: all with `--cross-check`, else one, chosen by the month alone. */
  #comparedDays(archive: ArchiveRef, days: readonly UtcDay[]): UtcDay[] {
    if (archive.packaging !== 'monthly' || isMonthChunked(this.#series)) return []
    const listed = days.filter((day) => this.#archives.daily(day) !== undefined)
    if (this.#scope.crossCheck) return listed
    if (this.#scope.archives === 'monthly') return []
    const sample = addDays(archive.firstDay, (Number(archive.firstDay.slice(0, 4)) * 12 + Number(archive.firstDay.slice(5, 7)) * 11) % 28)
    return listed.filter((day) => day === sample)
  }

  /** The month in which a series begins may hold days before the first daily archive: they are taken when they are there. */
  #withUnknownDays(archive: ArchiveRef, days: readonly UtcDay[], firstDay: UtcDay): UtcDay[] {
    if (isMonthChunked(this.#series)) return this.#withMonthBefore(archive, days)
    if (archive.packaging !== 'monthly') return [...days]
    const early = this.lead.filter((day) => day >= archive.firstDay && this.#isUnknown(day))
    if (this.#scope.start !== null) {
      this.lead.splice(0, this.lead.length, ...this.lead.filter((day) => !early.includes(day)))
      // a day before the first archive may stand among the others already: it has a row
      return [...early, ...days].sort()
    }
    const all: UtcDay[] = []
    for (let day = archive.firstDay; day < (days[0] ?? firstDay); day = nextChunk(day, this.#series))
      if (this.#isUnknown(day)) all.push(day)
    return [...all, ...days]
  }

  /** Nothing is known of the chunk, and it may have bars. */
  #isUnknown(day: UtcDay): boolean {
    return !this.#rows.has(day) && !isUnborn(this.#series, day, this.#known, this.#scope)
  }

  /** The first bar of a series may open in the month before that of its first archive: it is taken when it is there. */
  #withMonthBefore(archive: ArchiveRef, days: readonly UtcDay[]): UtcDay[] {
    const before = previousChunk(chunkOfUs(dayStartUs(archive.firstDay), this.#series), this.#series)
    const isLead = this.lead.includes(before)
    if (this.#rows.has(before) || (this.#scope.start !== null && !isLead)) return [...days]
    if (isLead) this.lead.splice(this.lead.indexOf(before), 1)
    return [before, ...days]
  }
}
