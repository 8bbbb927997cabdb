import { KLINE_COLUMNS } from '../../model/kline.ts'

const VALUE_BYTES = 8
/** The schema with the metadata, and once more in the footer. */
const LEAST_DESCRIPTION_BYTES = 3_000

/** What the shard of so many rows has at least, and nearly. */
export function leastShardBytes(rows: number): number {
  return rows * KLINE_COLUMNS.length * VALUE_BYTES + LEAST_DESCRIPTION_BYTES
}
