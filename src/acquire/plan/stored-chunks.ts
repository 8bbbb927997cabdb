import type { ArchiveRef } from '../archive-task.ts'
import { isMonthChunked, nextChunk } from '../../dataset/chunk.ts'
import type { DayRow, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import { countsAsExplained, isFromVision } from '../../lake/day-facts.ts'
import { isExplained } from '../../model/condition.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import { isCut } from './known-beginning.ts'
import type { PlanFacts, PlanScope } from './plan-scope.ts'

/** True when the chunk is settled: no listing and no other source can change it (but for a republication). */
export function isFinal(row: DayRow, series: Series, known: SeriesRow | undefined): boolean {
  if (row.recheck === 1 || isCut(row, series, known)) return false
  return row.condition === 'complete' || (row.condition === 'outage' && isFromVision(row.source))
}

/** Unexplained, and not accepted by a person. */
export function isProblem(row: DayRow): boolean {
  return !countsAsExplained(row)
}

/** A chunk before the first archive is asked for with the first bar, also where an earlier run could not ask REST. */
export function isLead(row: DayRow | undefined, scope: PlanScope): boolean {
  return row === undefined || (scope.rest && isOpen(row))
}

/** No bar of a chunk is stored, nor why there is none. */
export function isOpen(row: DayRow | undefined): boolean {
  return row === undefined || (row.shardSha256 === null && !isExplained(row.condition))
}

/** What is left to be done for the stored chunks of a series, by their rows, the listing and what was asked for. */
export class StoredChunks {
  readonly #facts: PlanFacts

  constructor(facts: PlanFacts) {
    this.#facts = facts
  }

  /** True when a stored chunk must be worked on. */
  isDue(day: UtcDay, row: DayRow, archive: ArchiveRef | undefined): boolean {
    const { force, refresh, retryFailed, rest } = this.#facts.scope
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
  needsRestOnly(row: DayRow): boolean {
    const { condition } = row
    const hasHoles = condition === 'partial' || condition === 'unexplainable' || (condition === 'outage' && row.recheck === 1)
    if (this.#facts.scope.force || !hasHoles || row.shardSha256 === null) return false
    // sources contradicted each other, and the one that would decide could not be asked: all of them are, again
    if (row.condition === 'partial' && (row.differingRows > 0 || row.rows >= row.expected)) return false
    return row.archiveEtag === this.#refOf(row)?.etag && !this.#untried(row.day, row)
  }

  /**
   * A chunk behind the known end of the series, of which the listing has nothing new: no archive of it, or that of the month in which the
   * series ended and from which other days are stored. Whether the end still holds, the exchange is asked.
   */
  isBehindEnd(day: UtcDay, archive: ArchiveRef | undefined): boolean {
    const { series, scope, known, rows } = this.#facts
    const endedUs = known?.endedUs ?? null
    if (scope.force || endedUs === null || dayStartUs(day) < endedUs) return false
    if (archive === undefined) return true
    if (archive.packaging !== 'monthly' || isMonthChunked(series)) return false
    for (let one = archive.firstDay; one < day; one = nextChunk(one, series)) {
      const row = rows.get(one)
      if (row?.archiveKey === archive.key) return row.archiveEtag === archive.etag
    }
    return false
  }

  #refOf(row: DayRow): ArchiveRef | undefined {
    const { archives } = this.#facts
    return [archives.daily(row.day), archives.monthly(row.day)].find((ref) => ref !== undefined && ref.key === row.archiveKey)
  }

  /** A daily archive is listed, but the chunk was made from the month alone; of a month, another archive that may have its bars. */
  #untried(day: UtcDay, row: DayRow): boolean {
    const { series, archives } = this.#facts
    if (isMonthChunked(series)) return archives.around(day).some(({ key }) => key !== row.archiveKey)
    const daily = archives.daily(day)
    return daily !== undefined && row.archiveKey !== daily.key && !(row.source?.includes('vision-daily') ?? false)
  }
}
