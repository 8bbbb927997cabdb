import type { Columns } from '../model/columns.ts'
import type { AcquiredDay } from './day.ts'
import { nextChunk } from '../dataset/chunk.ts'
import { countChangedRows } from '../dataset/rows.ts'
import { shardRows } from '../codec/shard-rows.ts'
import { isCkvdError } from '../errors.ts'
import type { DayRow, RevisionRow } from '../lake/catalog/catalog-rows.ts'
import { DAY_COLUMNS } from '../lake/catalog/catalog-rows.ts'
import { isFromVision } from '../lake/day-facts.ts'
import type { WritableLake } from '../lake/lake.ts'
import { readShard } from '../lake/shards.ts'
import { isExplained } from '../model/condition.ts'
import { isPacked } from '../dataset/pack.ts'
import type { Series } from '../model/series.ts'

/** What a row says but for its time, and for words: those of the same failure name another range each time. */
const DAY_KEYS = Object.values(DAY_COLUMNS).filter((key) => !['updatedAt', 'error', 'evidence'].includes(key))

/** What became of a chunk in the lake. */
export interface Stored {
  readonly row: DayRow
  /** a shard was written */
  readonly written: boolean
  /** a provisional chunk gave way to Vision's archive */
  readonly upgraded: boolean
  /** the archive of a chunk that Vision gave before was published anew */
  readonly republished: boolean
  /** what was there is better than what came: it stays, and this is what came */
  readonly refused: AcquiredDay | null
}

/**
 * Stores an acquired chunk. A chunk that is explained is never replaced by one that is not; a version that is replaced
 * is remembered with its digests and the number of rows that changed.
 * @param previous what the catalog has of the chunk
 */
export async function storeDay(
  lake: WritableLake,
  series: Series,
  acquired: AcquiredDay,
  previous: DayRow | undefined,
  nowIso: () => string,
): Promise<Stored> {
  if (previous !== undefined && isBetter(previous, acquired)) {
    const made = { ...previous, ...errorOf(acquired, previous) }
    const row = isSameRow(previous, made) ? made : { ...made, updatedAt: nowIso() }
    await lake.writer.put({ row, gaps: lake.catalog.listGaps(series, acquired.day, nextChunk(acquired.day, series)), shard: null })
    return { row, written: false, upgraded: false, republished: false, refused: acquired }
  }
  const same = previous !== undefined && previous.shardSha256 !== null && isSameShard(previous, acquired)
  const replaced = previous !== undefined && previous.shardSha256 !== null && !same ? await changesOf(lake, previous, acquired) : null
  // written out: a spread of another thread's object takes V8 as long as all of the rest
  const made: DayRow = {
    dataset: series.dataset,
    market: series.market,
    symbol: series.symbol,
    interval: series.interval,
    day: acquired.day,
    condition: acquired.condition,
    source: acquired.source,
    rows: acquired.rows,
    expected: acquired.expected,
    shardSha256: acquired.shardSha256,
    shardBytes: acquired.shard?.length ?? null,
    archiveKey: acquired.archive?.key ?? null,
    archiveEtag: acquired.archive?.etag ?? null,
    archiveSha256: acquired.archive?.sha256 ?? null,
    revision: (previous?.revision ?? 1) + (replaced === null ? 0 : 1),
    offGrid: acquired.offGrid,
    duplicates: acquired.duplicates,
    conflicts: acquired.conflicts,
    differingRows: acquired.differing + (replaced !== null && previous?.condition === 'provisional' ? (replaced.changedRows ?? 0) : 0),
    oddClose: acquired.oddClose,
    oddRows: acquired.oddRows,
    evidence: acquired.evidence,
    ...errorOf(acquired),
    // the catalog keeps an acceptance of the same unexplained condition
    accepted: isExplained(acquired.condition) || previous?.condition !== acquired.condition ? null : previous.accepted,
    recheck: acquired.recheck === true ? 1 : 0,
    updatedAt: nowIso(),
  }
  const row = previous !== undefined && isSameRow(previous, made) ? { ...made, updatedAt: previous.updatedAt } : made
  const revision: RevisionRow | null = replaced === null ? null : { ...replaced, replacedAt: nowIso() }
  const { gaps, shard } = acquired
  await lake.writer.put(revision === null ? { row, gaps, shard } : { row, gaps, shard, revision })
  const wasVision = isFromVision(previous?.source ?? null)
  const isVision = isFromVision(acquired.source)
  return {
    row,
    // a shard that verify found broken is written anew, though its bytes are those of before
    written: acquired.shard !== null && (!same || previous.condition === 'failed'),
    upgraded: replaced !== null && !wasVision && isVision,
    republished:
      replaced !== null && wasVision && previous?.archiveKey === acquired.archive?.key && previous?.archiveEtag !== acquired.archive?.etag,
    refused: null,
  }
}

/** True when a row says what the one before said. */
function isSameRow(previous: DayRow, made: DayRow): boolean {
  return DAY_KEYS.every((key) => previous[key] === made[key])
}

/**
 * True when what would be written is what lies there. A file of a chunk's own says of itself where it is from, so that its digest tells; of
 * a chunk that stands in a pack the digest is that of its rows alone.
 */
function isSameShard(previous: DayRow, acquired: AcquiredDay): boolean {
  if (previous.shardSha256 !== acquired.shardSha256) return false
  if (!isPacked(previous)) return true
  const archive = isFromVision(acquired.source) ? acquired.archive : null
  const isSameArchive =
    !isFromVision(previous.source) ||
    (previous.archiveKey === (archive?.key ?? null) &&
      previous.archiveEtag === (archive?.etag ?? null) &&
      previous.archiveSha256 === (archive?.sha256 ?? null))
  // one that verify found damaged is what it was once it is written anew
  const isSameCondition = previous.condition === acquired.condition || previous.condition === 'failed'
  const names = ['source', 'expected', 'offGrid', 'duplicates', 'oddClose', 'oddRows'] as const
  return isSameArchive && isSameCondition && names.every((name) => previous[name] === acquired[name])
}

/**
 * Bars that are stored are never given up for none, nor those that REST gave beside an archive for that archive alone, and an explained chunk
 * never for an unexplained one; but for one that is explained in an older version's words alone, or that expects more bars than were thought to
 * be there.
 */
function isBetter(previous: DayRow, acquired: AcquiredDay): boolean {
  if (previous.shardSha256 !== null && acquired.shard === null) return true
  if (previous.recheck === 1 || acquired.expected > previous.expected) return false
  const isArchiveAlone = !isPartOf('rest', acquired.source) && previous.archiveEtag === acquired.archive?.etag
  if (isArchiveAlone && isPartOf('rest', previous.source) && isExplained(previous.condition) && acquired.rows < previous.rows) return true
  return isExplained(previous.condition) && previous.condition !== 'pending' && !isExplained(acquired.condition)
}

function isPartOf(source: string, sources: string | null): boolean {
  return sources?.split('+').includes(source) ?? false
}

/** Code and text of what went wrong, and where nothing did, of what is kept. */
function errorOf({ error, evidence }: AcquiredDay, kept?: DayRow): Pick<DayRow, 'errorCode' | 'error'> {
  if (error !== null) return { errorCode: error.code, error: `${error.code}: ${error.message}` }
  return kept === undefined ? { errorCode: null, error: null } : { errorCode: kept.errorCode, error: evidence ?? kept.error }
}

async function changesOf(lake: WritableLake, previous: DayRow, acquired: AcquiredDay): Promise<Omit<RevisionRow, 'replacedAt'>> {
  const { dataset, market, symbol, interval, day, revision, archiveEtag, archiveSha256, shardSha256 } = previous
  return {
    dataset,
    market,
    symbol,
    interval,
    day,
    revision,
    archiveEtag,
    archiveSha256,
    shardSha256,
    changedRows: await countChanges(lake, previous, acquired),
  }
}

/** Null when the old shard cannot be read any more: it is replaced all the same. */
async function countChanges(lake: WritableLake, previous: DayRow, acquired: AcquiredDay): Promise<number | null> {
  if (acquired.shard === null) return previous.rows
  try {
    const before = await readShard<Columns>(lake.shards, previous, previous.day, previous)
    return countChangedRows(before.columns, shardRows<Columns>(previous, acquired.shard), previous)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_MISSING', 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT')) return null
    throw error
  }
}
