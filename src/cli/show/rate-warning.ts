import { formatBytes, formatDuration } from './output.ts'

/** Bytes a second below which a megabyte takes minutes. */
const SLOWEST_MEANT = 10_000
const MEGABYTE = 1_000_000

/** What is said of a `--max-rate` that nobody means: of bytes where megabytes were meant. */
export function rateWarning(bytesPerSecond: number | null): string | undefined {
  if (bytesPerSecond === null || bytesPerSecond >= SLOWEST_MEANT) return undefined
  const duration = formatDuration((MEGABYTE / bytesPerSecond) * 1000)
  return `--max-rate is ${formatBytes(bytesPerSecond)}/s: a megabyte takes ${duration}. 10MB means ten megabytes a second`
}
