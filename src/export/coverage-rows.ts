import type { CoverageRow } from '../codec/export/coverage-file.ts'
import { datasetOf } from '../dataset/registry.ts'
import { tellsExpected, toldPathName } from '../dataset/told.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import { countsAsExplained, isAccepted } from '../lake/day-facts.ts'
import { isExplained } from '../model/condition.ts'
import type { UnitState } from './export-plan.ts'

/** The ledger's rows of a unit; `file` is where its bars lie, null when there is no such file. */
export function coverageRows({ days, gaps }: UnitState, file: string | null): CoverageRow[] {
  return days.map((row) => coverageRow(row, gaps.get(row.day) ?? [], row.shardSha256 === null ? null : file))
}

function coverageRow(row: DayRow, gaps: CoverageRow['gaps'], file: string | null): CoverageRow {
  const accepted = !isExplained(row.condition) && isAccepted(row)
  return {
    market: row.market,
    symbol: row.symbol,
    interval: toldPathName(row),
    day: row.day,
    condition: row.condition,
    explained: countsAsExplained(row),
    accepted,
    source: row.source,
    rows: row.rows,
    expected: tellsExpected(row) ? row.expected : null,
    gaps,
    off_grid: row.offGrid,
    duplicates: row.duplicates,
    conflicts: row.conflicts,
    differing_rows: row.differingRows,
    revision: row.revision,
    evidence: row.evidence,
    error: row.error,
    archive_key: row.archiveKey,
    archive_sha256: row.archiveSha256,
    shard_sha256: row.shardSha256,
    file,
    dataset: datasetOf(row).name,
  }
}
