/** Index of the first time at or after `timeUs`; the length where there is none. Times ascend, microseconds. */
export function lowerBound(times: ArrayLike<number | bigint>, timeUs: number, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Number(times[middle]) < timeUs) low = middle + 1
    else high = middle
  }
  return low
}
