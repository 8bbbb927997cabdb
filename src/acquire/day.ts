import type { SeriesBounds } from '../dataset/expected.ts'
import type { ChunkEnds } from '../dataset/sequence.ts'
import { describeIds } from '../dataset/sequence.ts'
import { countExpected, countOff, endsOf, findMissing, heldTimes, rangeOfLife } from '../dataset/expected.ts'
import { findOddities } from '../codec/csv/odd-rows.ts'
import { sha256Hex } from '../memory/digest.ts'
import { chunkRange } from '../dataset/chunk.ts'
import { isForgetful, isToldByIds, isToldByRest } from '../dataset/reach.ts'
import type { CkvdError } from '../errors.ts'
import type { ShardCondition } from '../codec/arrow/shard-meta.ts'
import { isFromVision } from '../lake/day-facts.ts'
import type { Condition } from '../model/condition.ts'
import type { Evidence, EvidencedGap } from '../model/evidence.ts'
import { isPacked } from '../dataset/pack.ts'
import { chunkBytes } from '../codec/arrow/chunk-bytes.ts'
import { encodeShard } from '../codec/shard-file.ts'
import { isProof } from '../model/evidence.ts'
import type { Gap, IdRange } from '../model/gaps.ts'
import { gridOf } from '../model/interval.ts'
import type { Columns } from '../model/columns.ts'
import { joinColumns } from '../model/columns.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { gridOfBars } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'

/** The archive from which rows came. */
export interface ArchiveOrigin {
  readonly key: string
  readonly etag: string
  readonly sha256: string | null
}

/** Where rows of REST are among others: by their times, or by their ids. */
export type RestStretch = Omit<Gap, 'bars'>

/** One chunk with its condition, ready to be stored. */
export interface AcquiredDay {
  readonly day: UtcDay
  readonly condition: Condition
  /** an Arrow file, or the bytes of a chunk that stands in a pack: see `shardRows`; null when the chunk has no bar */
  readonly shard: Uint8Array | null
  readonly shardSha256: string | null
  /** `vision-daily`, `vision-monthly`, `rest` or a `+`-joined mix; null without bars */
  readonly source: string | null
  readonly rows: number
  readonly expected: number
  readonly offGrid: number
  readonly duplicates: number
  /** see `findOddRows` */
  readonly oddClose: number
  readonly oddRows: number
  readonly conflicts: number
  /** rows in which two sources disagreed */
  readonly differing: number
  readonly archive: ArchiveOrigin | null
  readonly gaps: readonly EvidencedGap[]
  /** of a day with bars of Vision, the stretches whose bars REST gave */
  readonly restStretches?: readonly RestStretch[]
  /** what it is made of is not what the listing has: the next run fetches the archive again */
  readonly recheck?: boolean
  /** the archive that should have given it, and why it did not */
  readonly unused?: { readonly key: string; readonly error: CkvdError }
  /** open time of its last bar, us; null without bars */
  readonly lastOpenUs: number | null
  /** see DecodedChunk */
  readonly ends?: ChunkEnds | undefined
  readonly evidence: string | null
  readonly error: CkvdError | null
}

/** The part of a chunk in which bars are expected: see `rangeOfLife`. `columns` are the bars of it that are held, if there are any. */
export function expectedRange(series: Series, day: UtcDay, bounds: SeriesBounds, columns?: Columns): TimeRange {
  const held = columns === undefined ? null : heldTimes(columns)
  return rangeOfLife(chunkRange(day, series), bounds, held, columns === undefined ? gridOf(series) : gridOfBars(series, columns.openTime))
}

/** Rows beside those of a chunk, each as columns of one row; undefined: not known, or nothing is told by it. */
export interface BesideRows {
  readonly before: Columns | undefined
  readonly after: Columns | undefined
}

/** Everything from which a chunk is made. */
export interface DayParts {
  readonly series: Series
  readonly day: UtcDay
  /** in order; may be empty */
  readonly columns: Columns
  readonly bounds: SeriesBounds
  /** in the order in which they are joined by `+` */
  readonly sources: readonly string[]
  readonly archive: ArchiveOrigin | null
  readonly duplicates: number
  readonly conflicts: number
  readonly differing: number
  /** see AcquiredDay */
  readonly restStretches?: readonly RestStretch[]
  readonly evidence: string | null
  readonly error: CkvdError | null
  /** why a gap is there */
  readonly explain: (gap: Gap) => Evidence
  /** of a sequence: the last row of the chunk before it, and the first one of that after it, where they tell what is missing between */
  readonly beside?: BesideRows
  /** what is known to be missing between it and its neighbours, beside what `beside` tells */
  readonly edges?: readonly EvidencedGap[]
  /** two sources contradict each other in it, and no third decides */
  readonly disputed?: boolean
}

/**
 * Joins the parts of a chunk: finds its gaps, gives it its condition and encodes its shard. The encoder is loaded when it is wanted: where
 * archives are whole only the workers need one.
 */
export async function buildDay(parts: DayParts): Promise<AcquiredDay> {
  const { series, day, columns, sources } = parts
  const range = expectedRange(series, day, parts.bounds, columns)
  const rows = columns.openTime.length
  const missing = findMissing(series, withBeside(columns, parts.beside), range)
  const told = missing.map(({ startUs, endUs, bars, ids }) => {
    const evidence = telling(parts.explain({ startUs, endUs, bars, ...(ids === undefined ? {} : { ids }) }), ids)
    return { startUs, endUs, bars, evidence }
  })
  const { edges = [] } = parts
  const gaps = edges.length === 0 ? told : [...told, ...edges].sort((a, b) => a.startUs - b.startUs)
  const condition = conditionOf(gaps, sources, parts.disputed ?? false, series)
  const { oddClose, oddRows } = findOddities(series, columns)
  const facts = {
    rows,
    expected: countExpected(series, columns, range, [...missing, ...edges]),
    offGrid: countOff(series, columns),
    duplicates: parts.duplicates,
    oddClose,
    oddRows,
  }
  const source = rows === 0 ? null : sources.join('+')
  // which archive was looked into in vain is known to the catalog: the bars do not come from it
  const archive = isFromVision(source) ? parts.archive : null
  const encode = async (source: string): Promise<Uint8Array> => {
    if (isPacked(series)) return chunkBytes(columns, series)
    return encodeShard(columns, {
      ...series,
      day,
      source,
      archiveKey: archive?.key ?? null,
      archiveSha256: archive?.sha256 ?? null,
      archiveEtag: archive?.etag ?? null,
      // of what is pending, or cannot be explained, the shard says what it is without news
      condition: condition === 'pending' || condition === 'unexplainable' ? 'partial' : condition,
      ...facts,
      gaps,
    })
  }
  const shard = source === null ? null : await encode(source)
  return {
    day,
    condition,
    shard,
    shardSha256: shard === null ? null : sha256Hex(shard),
    source,
    ...facts,
    conflicts: parts.conflicts,
    differing: parts.differing,
    archive: parts.archive,
    gaps,
    ...(parts.restStretches === undefined ? {} : { restStretches: parts.restStretches }),
    lastOpenUs: rows === 0 ? null : Number(columns.openTime[rows - 1]),
    ends: endsOf(columns, series),
    evidence: parts.evidence,
    error: parts.error,
  }
}

/** Rows with those beside them. */
export function withBeside(columns: Columns, beside: BesideRows | undefined): Columns {
  if (beside === undefined) return columns
  return joinColumns(
    [beside.before, columns, beside.after].filter((rows) => rows !== undefined),
    columns,
  )
}

/** A doubt that says which rows are missing. */
function telling(evidence: Evidence, ids: readonly IdRange[] | undefined): Evidence {
  if (ids === undefined || isProof(evidence)) return evidence
  const what = describeIds(ids)
  return { ...evidence, note: evidence.note === null ? what : `${evidence.note}: ${what}` }
}

type BuiltCondition = ShardCondition | 'pending' | 'unexplainable'

/** What a chunk is in which rows are missing and nothing explains that: of some data sets no source can be asked any more, or not for what is old. */
export function openCondition(series: Series, gaps: readonly EvidencedGap[]): 'partial' | 'unexplainable' {
  if (!isToldByRest(series) && !isToldByIds(series)) return 'unexplainable'
  if (!isForgetful(series) && !isToldByIds(series)) return 'partial'
  const reasons = gaps.flatMap(({ evidence }) => (isProof(evidence) ? [] : [evidence.reason]))
  return reasons.length > 0 && reasons.every((reason) => reason === 'no-source') ? 'unexplainable' : 'partial'
}

/** `pending`: nothing is unexplained but the end of the chunk, after which nothing has come yet. */
function conditionOf(gaps: readonly EvidencedGap[], sources: readonly string[], disputed: boolean, series: Series): BuiltCondition {
  if (disputed) return 'disputed'
  if (gaps.length === 0) return isFromVision(sources.join('+')) ? 'complete' : 'provisional'
  if (gaps.every(({ evidence }) => isProof(evidence))) return 'outage'
  return gaps.every(({ evidence }) => isProof(evidence) || evidence.reason === 'young') ? 'pending' : openCondition(series, gaps)
}
