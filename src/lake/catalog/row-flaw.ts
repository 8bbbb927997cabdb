import { seriesLabel } from '../../dataset/names.ts'
import { rowWord, toldInterval } from '../../dataset/told.ts'
import { CkvdError } from '../../errors.ts'
import type { Condition } from '../../model/condition.ts'
import type { DayRow } from './catalog-rows.ts'

/** Conditions of chunks that have a shard if they have bars. */
const OTHERS: readonly Condition[] = ['outage', 'partial', 'disputed']

/**
 * What makes a row of the catalog one that cannot be, whatever wrote it: bars without a shard or a shard without bars; `complete` or
 * `provisional` without a shard or with fewer bars than expected. Nothing may be believed of such a chunk.
 * @returns `CKVD_CATALOG_ROW`; undefined where the row can be
 */
export function findRowFlaw(row: DayRow): CkvdError | undefined {
  const isWhole = row.condition === 'complete' || row.condition === 'provisional'
  if (!isWhole && !OTHERS.includes(row.condition)) return undefined
  const word = `${rowWord(row)}s`
  const hasShard = row.shardSha256 !== null && row.shardBytes !== null
  if (isWhole && !hasShard) return flawOf(row, 'with the digest of a shard', 'none')
  if (isWhole && row.rows < row.expected) return flawOf(row, `with its ${row.expected} ${word}`, `${row.rows}`)
  if (hasShard !== row.rows > 0)
    return flawOf(
      row,
      `with ${word} and the digest of their shard, or neither`,
      hasShard ? `a shard of no ${word}` : `${row.rows} ${word} and no shard`,
    )
  return undefined
}

function flawOf(row: DayRow, expected: string, found: string): CkvdError {
  const { market, symbol, day, condition } = row
  return new CkvdError(
    'CKVD_CATALOG_ROW',
    `Expected ${seriesLabel(row)} ${day} ${expected} in the catalog, which calls it ${condition}, found ${found}. Run \`ckvd verify --repair\`.`,
    { details: { market, symbol, interval: toldInterval(row), day, condition, expected, found } },
  )
}
