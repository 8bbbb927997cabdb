import type { Evidence, EvidencedGap } from '../../model/evidence.ts'
import { doubt, parseEvidenceData } from '../../model/evidence.ts'
import { seriesLabel } from '../../dataset/names.ts'
import type { ErrorCode } from '../../errors.ts'
import { CkvdError } from '../../errors.ts'
import type { Condition } from '../../model/condition.ts'
import type { Phase } from '../../model/interval.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isoOfUs } from '../../model/utc-day.ts'

export type FirstSource = 'rest' | 'archives' | 'provisional'

/** Forms of archives: those of days, or those of days and of months. */
export type FirstForms = 'daily' | 'both'

/** What is known of a series. */
export interface SeriesRow extends Series {
  /** the first day that the listing has, as far as it was read */
  readonly firstDay: UtcDay | null
  /** in which forms of archives the beginning was looked for: `firstDay` is the first day of these; null: an earlier day may be listed */
  readonly firstForms: FirstForms | null
  readonly lastDay: UtcDay | null
  /** open time of the first bar in microseconds, where it is known */
  readonly firstOpenUs: number | null
  /** who told it: `rest` (its answer to "the first one of all"), `archives` (REST knows the series no more), `provisional` (REST could not be asked) */
  readonly firstSource: FirstSource | null
  /** open time of the last bar that any run saw, microseconds */
  readonly lastOpenUs: number | null
  /** no bar opens at or after this time, microseconds, since the series has ended; null: it goes on, or nobody knows */
  readonly endedUs: number | null
  /** of `3d`: the phase of the series' own bars, days since 1970-01-01 modulo 3; null: the default */
  readonly phase: Phase | null
  /** ISO time at which the listing was read */
  readonly listedAt: string | null
}

/** What is known of a chunk. `shard…` is null when it has no shard, `archive…` when it has no archive, text when there is nothing to say. */
export interface DayRow extends Series {
  readonly day: UtcDay
  readonly condition: Condition
  /** `vision-daily`, `vision-monthly`, `rest`, or a `+`-joined mix */
  readonly source: string | null
  readonly rows: number
  readonly expected: number
  readonly shardSha256: string | null
  readonly shardBytes: number | null
  readonly archiveKey: string | null
  readonly archiveEtag: string | null
  readonly archiveSha256: string | null
  /** 1 for the first version of the chunk */
  readonly revision: number
  readonly offGrid: number
  readonly duplicates: number
  /** open times that an archive has twice with different values */
  readonly conflicts: number
  /** rows in which two sources differ */
  readonly differingRows: number
  /** bars whose close time is not the end of their slot */
  readonly oddClose: number
  /** bars that break a bar's rules in two sources */
  readonly oddRows: number
  /** what was compared and what came of it, in words */
  readonly evidence: string | null
  /** code of `error`, by which it is known */
  readonly errorCode: ErrorCode | null
  readonly error: string | null
  /** why a person accepts that the chunk is unexplained; null: nobody does */
  readonly accepted: string | null
  /** 1: what is known of it rests on words of an older version; the next run asks again */
  readonly recheck: 0 | 1
  /** ISO time */
  readonly updatedAt: string
}

/** A version of a chunk that was replaced by a later one. */
export interface RevisionRow extends Series {
  readonly day: UtcDay
  readonly revision: number
  readonly archiveEtag: string | null
  readonly archiveSha256: string | null
  readonly shardSha256: string | null
  readonly changedRows: number | null
  /** ISO time */
  readonly replacedAt: string
}

/** A run that has written to the lake. */
export interface RunRow {
  readonly id: number
  /** ISO time */
  readonly startedAt: string
  /** ISO time; null, as `counts` and `exit`: it is under way, or was killed */
  readonly endedAt: string | null
  readonly command: string
  /** its result as JSON text */
  readonly counts: string | null
  readonly exit: number | null
}

/** REST's answer to "the first bar of all" of a series. */
export interface BeginningRow extends Series {
  /** open time in microseconds */
  readonly firstOpenUs: number
}

/** One chunk as a transaction records it: its row, all its gaps (they replace those of before), the version it replaces. */
export interface CatalogWrite {
  readonly row: DayRow
  readonly gaps: readonly EvidencedGap[]
  readonly revision?: RevisionRow
}

/** The columns of `days`, each with the name it has in a `DayRow`, in the order of the table. */
export const DAY_COLUMNS = {
  market: 'market',
  symbol: 'symbol',
  interval: 'interval',
  day: 'day',
  condition: 'condition',
  source: 'source',
  rows: 'rows',
  expected: 'expected',
  shard_sha256: 'shardSha256',
  shard_bytes: 'shardBytes',
  archive_key: 'archiveKey',
  archive_etag: 'archiveEtag',
  archive_sha256: 'archiveSha256',
  revision: 'revision',
  off_grid: 'offGrid',
  duplicates: 'duplicates',
  conflicts: 'conflicts',
  differing_rows: 'differingRows',
  odd_close: 'oddClose',
  odd_rows: 'oddRows',
  evidence: 'evidence',
  error_code: 'errorCode',
  error: 'error',
  accepted: 'accepted',
  recheck: 'recheck',
  updated_at: 'updatedAt',
} as const satisfies Readonly<Record<string, keyof DayRow>>

/** A row of a table as SQLite gives it: values in the order of the columns. */
export type RawRow = readonly (string | number | null)[]

/** The name that the catalog has for what `Series` leaves out. */
export const KLINES = 'klines'

/** A data set as a `Series` names it. */
export function datasetPart(name: string): Pick<Series, 'dataset'> {
  return name === KLINES ? {} : { dataset: name }
}

/** A row of `all_series`, its values in the order of the statements. */
export function seriesRowOf(raw: RawRow): SeriesRow {
  return {
    ...datasetPart(raw[0] as string),
    market: raw[1] as SeriesRow['market'],
    symbol: raw[2] as string,
    interval: raw[3] as SeriesRow['interval'],
    firstDay: raw[4] as UtcDay | null,
    lastDay: raw[5] as UtcDay | null,
    firstOpenUs: raw[6] as number | null,
    firstSource: raw[7] as FirstSource | null,
    lastOpenUs: raw[8] as number | null,
    endedUs: raw[9] as number | null,
    phase: raw[10] as Phase | null,
    listedAt: raw[11] as string | null,
    firstForms: raw[12] as FirstForms | null,
  }
}

/** A version that was replaced, its values in the order of the statement. */
export function revisionRowOf(raw: RawRow, { dataset, market, symbol, interval }: Series): RevisionRow {
  return {
    ...(dataset === undefined ? {} : { dataset }),
    market,
    symbol,
    interval,
    day: raw[0] as UtcDay,
    revision: raw[1] as number,
    archiveEtag: raw[2] as string | null,
    archiveSha256: raw[3] as string | null,
    shardSha256: raw[4] as string | null,
    changedRows: raw[5] as number | null,
    replacedAt: raw[6] as string,
  }
}

/** A row of `runs`, its values in the order of the table. */
export function runRowOf(raw: RawRow): RunRow {
  return {
    id: raw[0] as number,
    startedAt: raw[1] as string,
    endedAt: raw[2] as string | null,
    command: raw[3] as string,
    counts: raw[4] as string | null,
    exit: raw[5] as number | null,
  }
}

/** Evidence as the catalog keeps it; words of an older version prove nothing. */
export function evidenceOf(text: string): Evidence {
  try {
    return parseEvidenceData(JSON.parse(text)) ?? doubt('text', text)
  } catch {
    return doubt('text', text) // words, no JSON
  }
}

/** The fault of a gap that is recorded with a chunk in which it does not lie. */
export function gapOutside(row: DayRow, gap: EvidencedGap): CkvdError {
  return new CkvdError(
    'CKVD_BUG',
    `Expected gaps inside ${seriesLabel(row)} ${row.day}, found one that starts at ${isoOfUs(gap.startUs)}.`,
    {
      details: {
        ...(row.dataset === undefined ? {} : { dataset: row.dataset }),
        market: row.market,
        symbol: row.symbol,
        interval: row.interval,
        day: row.day,
        startUs: gap.startUs,
      },
    },
  )
}
