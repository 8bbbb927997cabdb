import type { Chunked } from '../../dataset/chunk.ts'
import { isMonthChunked } from '../../dataset/chunk.ts'
import { tellsCuts } from '../../dataset/expected.ts'
import { isStoredAsParquet } from '../../dataset/registry.ts'
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

/**
 * A CSV that is read as a stream takes no memory, but time: some minutes for so much. A month of trades of BTCUSDT (27 MB of ZIP a day) has
 * some 4 GB, a day of its best bids and asks (164 MB of ZIP) some 2.
 */
const MOST_STREAMED_BYTES = 16 * 1024 * 1024 * 1024
/**
 * A row of ticks differs from the one before by an id or a time at least: to tell that takes deflate some two codes and what lies between them,
 * three bytes, and no such row has 192. (Real CSVs are 4 to 15 times as long as their ZIP; deflate can do 1,032.)
 */
const MOST_STREAMED_RATIO = 64
/** An archive is held as it comes, and digested at once: Node.js takes no more. */
const MOST_ARCHIVE_BYTES = 2 ** 31 - 1

/** True for a series whose archives are read as a stream: ticks, of which a chunk is a day. */
export function isStreamed(series: Chunked): boolean {
  return isStoredAsParquet(series) && !isMonthChunked(series) && !tellsCuts(series)
}

/**
 * Largest CSV of an archive of a series. Where its rows are counted by no grid: what memory bears, 512 MiB; of ticks, which are not held, also
 * what a ZIP of that size may hold.
 * @param zipBytes size of the archive
 */
export function largestCsvOf(series: Chunked, period: TimeRange, zipBytes: number): number {
  if (isStreamed(series)) return Math.min(MOST_STREAMED_BYTES, Math.max(MOST_BYTES, zipBytes * MOST_STREAMED_RATIO))
  return tellsCuts(series) ? largestCsvBytes(series.interval, period) : MOST_BYTES
}

/** Largest archive of a series. */
export function largestArchiveOf(series: Chunked, period: TimeRange): number {
  return isStreamed(series) ? MOST_ARCHIVE_BYTES : largestCsvOf(series, period, 0) + FRAME_BYTES
}

/** Largest archive that may hold such a CSV: what is packed is no longer than what it holds, but for its frame. A listing that says more lies. */
export function largestArchiveBytes(interval: Interval, period: TimeRange): number {
  return largestCsvBytes(interval, period) + FRAME_BYTES
}
