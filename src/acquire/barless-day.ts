import type { SeriesBounds } from '../dataset/expected.ts'
import { countExpectedOfNone } from '../dataset/expected.ts'
import { missingRows } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { Doubt } from '../model/evidence.ts'
import { describeEvidence } from '../model/evidence.ts'
import { firstSlotUs, gridOf } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { ArchiveRef } from './archive-task.ts'
import type { AcquiredDay, ArchiveOrigin } from './day.ts'
import { expectedRange, openCondition } from './day.ts'
import type { RestAnswer } from './rest/rest-answer.ts'
import { refusalOf } from './rest/rest-question.ts'

/** The archive that should have had a day, if there is one. */
export interface Origin {
  readonly archive: ArchiveRef | ArchiveOrigin | null
}

/** A day without bars: all that is not said of it otherwise. */
function bareDay(day: UtcDay, { archive }: Origin = { archive: null }): Omit<AcquiredDay, 'condition' | 'evidence' | 'error'> {
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
    lastOpenUs: null,
  }
}

/**
 * A day whose archive failed verification and which REST does not give. It stays quarantined until the archive changes; but
 * where REST could not be asked, it is not known that no other source gives the day, and the next run tries again.
 */
export function unverifiedDay(task: Origin, day: UtcDay, error: CkvdError, answer: RestAnswer): AcquiredDay {
  const condition = answer.kind === 'silent' && answer.passing ? 'failed' : 'quarantined'
  return { ...bareDay(day, task), condition, evidence: refusalOf(answer), error }
}

export function failedDay(task: Origin, day: UtcDay, error: CkvdError, reason: string | null = null): AcquiredDay {
  return { ...bareDay(day, task), condition: 'failed', evidence: reason, error }
}

/** A day of which no bar could be had, and why that explains nothing. */
export function doubtfulDay(series: Series, day: UtcDay, why: Doubt, bounds: SeriesBounds, cause: CkvdError | null = null): AcquiredDay {
  const grid = gridOf(series)
  const range = expectedRange(series, day, bounds)
  const bars = countExpectedOfNone(series, range)
  const startUs = firstSlotUs(range.startUs, grid)
  const gaps = bars === 0 ? [] : [{ startUs, endUs: range.endUs, bars, evidence: why }]
  const error = new CkvdError('CKVD_PARTIAL', `${missingRows(series, bars, bars)}: ${describeEvidence(why)}.`, {
    cause: cause ?? undefined,
  })
  return { ...bareDay(day), condition: openCondition(series, gaps), expected: bars, gaps, evidence: null, error }
}
