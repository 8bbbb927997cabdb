import type { CkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { ArchiveRef } from './archive-task.ts'
import type { AcquiredDay, ArchiveOrigin, SeriesBounds } from './reconcile.ts'
import type { RestAnswer } from './stretch.ts'
import { refusalOf } from './stretch.ts'

function emptyDay(
  { archive }: { archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
): Omit<AcquiredDay, 'condition' | 'evidence' | 'error'> {
  return {
    day,
    shard: null,
    shardSha256: null,
    source: null,
    rows: 0,
    expected: 0,
    offGrid: 0,
    oddClose: 0,
    oddRows: 0,
    duplicates: 0,
    conflicts: 0,
    differing: 0,
    archive: archive === null ? null : { key: archive.key, etag: archive.etag, sha256: null },
    gaps: [],
  }
}

/**
 * A day whose archive failed verification and which REST does not give. It stays quarantined until the archive changes; but
 * where REST could not be asked, it is not known that no other source gives the day, and the next run tries again.
 */
export function unverifiedDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
  error: CkvdError,
  answer: RestAnswer,
): AcquiredDay {
  const makeDay = answer.kind === 'silent' && answer.passing ? failedDay : quarantinedDay
  return makeDay(task, day, error, refusalOf(answer))
}

function quarantinedDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
  error: CkvdError,
  reason: string,
): AcquiredDay {
  return { ...emptyDay(task, day), condition: 'quarantined', evidence: reason, error }
}

export function failedDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
  error: CkvdError,
  reason: string | null = null,
): AcquiredDay {
  return { ...emptyDay(task, day), condition: 'failed', evidence: reason, error }
}

/** A day before a series' first archive of which REST could not tell whether the series had begun. */
export function unaskedDay(series: Series, day: UtcDay, error: CkvdError): AcquiredDay {
  const evidence = `REST could not be asked whether ${series.symbol} began before its first archive`
  return { ...emptyDay({ archive: null }, day), condition: 'partial', evidence, error }
}
