import type { AcquiredDay } from './reconcile.ts'
import { countChangedRows } from './reconcile.ts'
import { decodeShard } from '../codec/arrow.ts'
import { isCkvdError } from '../errors.ts'
import type { DayRow, RevisionRow } from '../lake/catalog-rows.ts'
import { isAccepted } from '../lake/catalog-rows.ts'
import type { WritableLake } from '../lake/lake.ts'
import { readShard } from '../lake/shards.ts'
import { isExplained } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import { nextChunk } from '../model/series.ts'

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
 */
export async function storeDay(lake: WritableLake, series: Series, acquired: AcquiredDay, nowIso: () => string): Promise<Stored> {
  const previous = lake.catalog.getDay(series, acquired.day)
  if (previous !== undefined && isBetter(previous, acquired)) {
    const row = { ...previous, error: acquired.error?.message ?? acquired.evidence ?? previous.error, updatedAt: nowIso() }
    await lake.writer.put({ row, gaps: lake.catalog.listGaps(series, acquired.day, nextChunk(acquired.day, series.interval)), shard: null })
    return { row, written: false, upgraded: false, republished: false, refused: acquired }
  }
  const same = previous !== undefined && previous.shardSha256 !== null && previous.shardSha256 === acquired.shardSha256
  const replaced = previous !== undefined && previous.shardSha256 !== null && !same ? await changesOf(lake, previous, acquired) : null
  // written out: a spread of another thread's object takes V8 as long as all of the rest
  const row: DayRow = {
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
    evidence: keepAcceptance(previous, acquired),
    error: acquired.error === null ? null : `${acquired.error.code}: ${acquired.error.message}`,
    updatedAt: nowIso(),
  }
  const revision: RevisionRow | null = replaced === null ? null : { ...replaced, replacedAt: nowIso() }
  const { gaps, shard } = acquired
  await lake.writer.put(revision === null ? { row, gaps, shard } : { row, gaps, shard, revision })
  const wasVision = previous?.source?.includes('vision') ?? false
  const isVision = acquired.source?.includes('vision') ?? false
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

/** Bars that are stored are never given up for none, and an explained chunk never for an unexplained one. */
function isBetter(previous: DayRow, acquired: AcquiredDay): boolean {
  if (previous.shardSha256 !== null && acquired.shard === null) return true
  return isExplained(previous.condition) && previous.condition !== 'pending' && !isExplained(acquired.condition)
}

/** A person's acceptance outlives a rerun that finds the same unexplained chunk. */
function keepAcceptance(previous: DayRow | undefined, acquired: AcquiredDay): string | null {
  if (previous === undefined || !isAccepted(previous) || isExplained(acquired.condition)) return acquired.evidence
  const acceptance = (previous.evidence ?? '').split('\n')[0] ?? ''
  return acquired.evidence === null ? acceptance : `${acceptance}\n${acquired.evidence}`
}

async function changesOf(lake: WritableLake, previous: DayRow, acquired: AcquiredDay): Promise<Omit<RevisionRow, 'replacedAt'>> {
  const { market, symbol, interval, day, revision, archiveEtag, archiveSha256, shardSha256 } = previous
  return {
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
    const before = await readShard(lake.paths.root, previous, previous.day, previous)
    return countChangedRows(before.columns, decodeShard(acquired.shard).columns)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_MISSING', 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT')) return null
    throw error
  }
}
