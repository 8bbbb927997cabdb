import type { ArchiveRef } from '../../src/acquire/archive-task.ts'
import type { PlanScope } from '../../src/acquire/plan/plan-scope.ts'
import type { DayRow, SeriesRow } from '../../src/lake/catalog/catalog-rows.ts'
import type { Condition } from '../../src/model/condition.ts'
import type { Series } from '../../src/model/series.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'

export const HOURS: Series = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }

export function day(text: string): UtcDay {
  return text as UtcDay
}

/** Days from `first` to `last`, both included. */
export function daysFrom(first: string, last: string): UtcDay[] {
  const days: UtcDay[] = []
  for (let ms = Date.parse(first); ms <= Date.parse(last); ms += 86_400_000) days.push(day(new Date(ms).toISOString().slice(0, 10)))
  return days
}

/** A listed archive, daily or monthly by the length of its period. */
export function archiveOf(period: string, etag = `etag-${period}`, interval = '1h'): ArchiveRef {
  const packaging = period.length === 10 ? 'daily' : 'monthly'
  const key = `data/spot/${packaging}/klines/AAAUSDT/${interval}/AAAUSDT-${interval}-${period}.zip`
  return { key, etag, sizeBytes: 1000, packaging, period, firstDay: day(period.length === 10 ? period : `${period}-01`) }
}

/** A scope in which all is asked and nothing special is wanted. */
export function scopeOf(start: string | null, end: string, change: Partial<PlanScope> = {}): PlanScope {
  return {
    start: start === null ? null : day(start),
    end: day(end),
    archives: 'auto',
    rest: true,
    crossCheck: false,
    force: false,
    refresh: false,
    retryFailed: false,
    nowUs: Date.parse(end) * 1000,
    ...change,
  }
}

/** A row of the catalog; made from an archive where one is given. */
export function rowOf(name: string, condition: Condition, archive: ArchiveRef | null, change: Partial<DayRow> = {}): DayRow {
  const hasBars = ['complete', 'outage', 'provisional', 'partial', 'disputed'].includes(condition)
  return {
    ...HOURS,
    day: day(name),
    condition,
    source: hasBars ? (archive === null ? 'rest' : `vision-${archive.packaging}`) : null,
    rows: hasBars ? (condition === 'partial' || condition === 'outage' ? 23 : 24) : 0,
    expected: 24,
    shardSha256: hasBars ? 'ab' : null,
    shardBytes: hasBars ? 4096 : null,
    archiveKey: archive?.key ?? null,
    archiveEtag: archive?.etag ?? null,
    archiveSha256: archive === null ? null : 'cd',
    revision: 1,
    offGrid: 0,
    duplicates: 0,
    conflicts: 0,
    differingRows: 0,
    oddClose: 0,
    oddRows: 0,
    evidence: null,
    errorCode: null,
    error: null,
    accepted: null,
    recheck: 0,
    updatedAt: '2024-03-20T00:00:00.000Z',
    ...change,
  }
}

/** What is known of the series of which nobody has asked REST. */
export function seriesRowOf(change: Partial<SeriesRow> = {}): SeriesRow {
  return {
    ...HOURS,
    firstDay: null,
    firstForms: 'both',
    lastDay: null,
    firstOpenUs: null,
    firstSource: null,
    lastOpenUs: null,
    endedUs: null,
    phase: null,
    listedAt: null,
    ...change,
  }
}
