import { chunkRange } from '../dataset/chunk.ts'
import type { Dataset } from '../dataset/dataset.ts'
import { CkvdError } from '../errors.ts'
import { countSlots } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { concatColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import type { ChunkRows } from './chunks.ts'
import type { OddRows } from './csv/odd-rows.ts'
import { findOddities } from './csv/odd-rows.ts'
import type { BarSet } from './csv/other-interval.ts'
import { findOtherInterval } from './csv/other-interval.ts'

/*
 * Whether the chunks of an archive are bars of their series at all.
 */

/** A chunk, and what is odd in it. */
export interface JudgedChunk {
  readonly chunk: ChunkRows
  readonly odd: OddRows
}

/** Counts what is odd, and refuses chunks of which too much is: these are bars of another interval. */
export function judgeChunks(chunks: readonly ChunkRows[], series: Series, { rules }: Dataset): JudgedChunk[] {
  const judged = chunks.map((chunk) => ({ chunk, odd: findOddities(series, chunk.columns) }))
  const unusual = judged.filter(({ chunk, odd }) => odd.oddClose > 0 || chunk.offGrid > 0)
  if (unusual.length === 0 || rules === null) return judged
  for (const { chunk } of unusual) checkInterval([chunk], series, 3)
  checkInterval(chunks, series, 1)
  return judged
}

function checkInterval(chunks: readonly ChunkRows[], series: Series, fewest: number): void {
  const slots = chunks.reduce((sum, { day }) => {
    const { startUs, endUs } = chunkRange(day, series)
    return sum + countSlots(startUs, endUs, series.interval)
  }, 0)
  const [first, ...others] = chunks
  if (first === undefined) return
  const columns = others.length === 0 ? first.columns : concatColumns(chunks.map((chunk) => chunk.columns as KlineColumns))
  refuseOther({ columns: columns as KlineColumns, interval: series.interval, slots, fewest })
}

/** Throws CKVD_CSV_INTERVAL for bars of another interval than their series has. */
export function refuseOther(bars: BarSet): void {
  const { interval } = bars
  const found = findOtherInterval(bars)
  if (found === undefined) return
  throw new CkvdError(
    'CKVD_CSV_INTERVAL',
    `Expected ${interval} bars, found ${found}: it was published with the bars of another interval, which no other --intervals changes`,
    { details: { expected: interval, found } },
  )
}
