import { createHash } from 'node:crypto'
import { datasetOf } from '../../dataset/registry.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { ExportEncoding } from './export-format.ts'

/** Increased when the same rows give other bytes than before, so that files are made anew. */
const ENCODER = 1

/** What a file of an export is made of, but for the digests of its days. */
export interface SourceName extends ExportEncoding {
  readonly series: Pick<Series, 'dataset' | 'market' | 'symbol' | 'interval'>
}

/**
 * A digest over a file's days. With the digest of each day's rows it is the file's `source_digest`: its content depends on nothing else, and an
 * upgrade of the lake, or a day that is stored anew with the same bars, changes nothing of it. With the digests of the shards, as the catalog
 * has them, it tells without a shard being read that nothing has changed.
 */
export function digestOfDays(
  { format, gzip, series }: SourceName,
  days: readonly { readonly day: UtcDay; readonly sha256: string | null }[],
): string {
  const { dataset, market, symbol, interval } = series
  const name = [...(dataset === undefined ? [] : [dataset]), ...(datasetOf({ dataset }).hasInterval ? [interval] : [])].join(' ')
  const hash = createHash('sha256').update(`${format} ${String(gzip)} ${ENCODER} ${market} ${symbol} ${name}\n`)
  for (const { day, sha256 } of days) hash.update(`${day} ${String(sha256)}\n`)
  return hash.digest('hex')
}
