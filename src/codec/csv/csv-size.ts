import type { Chunked } from '../../dataset/chunk.ts'
import { tellsCuts } from '../../dataset/expected.ts'
import type { Interval } from '../../model/interval.ts'
import { countSlots } from '../../model/interval.ts'
import type { TimeRange } from '../../model/series.ts'

/** A row has twelve cells: two times of 16 digits, a count and nine decimals, the longest of them seen of 20 characters. It is never this long. */
const LONGEST_ROW_BYTES = 256
/** Every bar may be there twice (archives with duplicate rows exist), and be followed by others that are off the grid. */
const ROWS_PER_SLOT = 2
/** Few bars, a header, rows of another interval that are to be told as such: no archive is refused below this. */
const LEAST_BYTES = 1024 * 1024
/** A month of `1s` bars is about 390 MB: what it may take is bounded by memory before it is by its rows. */
const MOST_BYTES = 512 * 1024 * 1024
/** Headers, directory and names of a ZIP file, and what deflate adds to bytes that do not shrink. */
const FRAME_BYTES = 64 * 1024

/**
 * Largest CSV that is unpacked for an archive: two rows of 256 bytes a slot of its period, but at least 1 MiB and at most 512 MiB. A day
 * of `1m` may take 1 MiB (a real one has 0.2), a month of it 22 MiB (5), a day of `1s` 42 MiB (12).
 */
export function largestCsvBytes(interval: Interval, period: TimeRange): number {
  const rows = countSlots(period.startUs, period.endUs, interval) * ROWS_PER_SLOT
  return Math.min(MOST_BYTES, Math.max(LEAST_BYTES, rows * LONGEST_ROW_BYTES))
}

/** Largest CSV of an archive of a series: where its rows are counted by no grid, what memory bears. */
export function largestCsvOf(series: Chunked, period: TimeRange): number {
  return tellsCuts(series) ? largestCsvBytes(series.interval, period) : MOST_BYTES
}

/** Largest archive of a series. */
export function largestArchiveOf(series: Chunked, period: TimeRange): number {
  return largestCsvOf(series, period) + FRAME_BYTES
}

/** Largest archive that may hold such a CSV: what is packed is no longer than what it holds, but for its frame. A listing that says more lies. */
export function largestArchiveBytes(interval: Interval, period: TimeRange): number {
  return largestCsvBytes(interval, period) + FRAME_BYTES
}
