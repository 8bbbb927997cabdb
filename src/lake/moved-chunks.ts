import { isPackedRow } from '../codec/arrow/chunk-bytes.ts'
import { isPacked } from '../dataset/pack.ts'
import type { DayRow } from './catalog/catalog-rows.ts'
import { formerPath, shardPath } from './layout.ts'
import type { LedgerReader } from './ledger.ts'
import type { ShardReader } from './shard-store.ts'
import type { Series } from '../model/series.ts'
import { pause } from '../waiting.ts'

/** A file stands under its name some moments before the catalog records it: folders are synced in between. */
const RECORDED_MS = 3000
const LOOK_MS = 20
/** Rounds in which a writer was faster than the reader. */
export const MAX_MOVES = 50

/**
 * Of chunks whose rows were not what the catalog said those of which it says something else by now: a writer has replaced them, or has taken
 * their file into a pack, after their row was read. The others are damaged. Where a file was written this moment, the catalog is given the time
 * to record it. Throws CKVD_ABORTED and errors of the lake.
 */
export async function withoutMoved(
  shards: ShardReader,
  openCatalog: () => LedgerReader | null | Promise<LedgerReader | null>,
  series: Series,
  rows: readonly DayRow[],
  signal: AbortSignal,
): Promise<readonly DayRow[]> {
  const endMs = performance.now() + RECORDED_MS
  for (let looks = 1; ; looks++) {
    const catalog = await openCatalog()
    const same = rows.filter((row) => {
      const now = catalog?.getDay(series, row.day)
      return now?.shardSha256 === row.shardSha256 && now.shardBytes === row.shardBytes
    })
    if (same.length < rows.length || performance.now() > endMs) return same
    // never at the first look: who was slow to read may be late for what is fresh, and no later than a writer that is slow
    if (looks > 1 && !(await isAnyFresh(shards, series, same))) return same
    await pause(LOOK_MS, signal)
  }
}

/** True where the file of a chunk was written so lately that its version cannot be told. */
async function isAnyFresh(shards: ShardReader, series: Series, rows: readonly DayRow[]): Promise<boolean> {
  for (const path of new Set(rows.map((row) => pathOf(series, row)))) {
    const file = await shards.open(path)
    if (file === undefined) continue
    try {
      if (file.version() === undefined) return true
    } finally {
      file.close()
    }
  }
  return false
}

function pathOf(series: Series, row: DayRow): string {
  return isPacked(series) && isPackedRow(row, series) ? shardPath(series, row.day) : formerPath(series, row.day)
}
