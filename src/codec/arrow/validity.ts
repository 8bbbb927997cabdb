/** Which rows of a column have a value, as Arrow has it: one bit a row, the lowest first. */
export interface Validity {
  readonly nullCount: number
  readonly nullBitmap?: Uint8Array
}

/** Of a column in which each row has a value. */
export const ALL_VALID: Validity = { nullCount: 0 }

/** Which rows of a nullable column have a value: NaN is none. */
export function validityOf(values: Float64Array): Validity {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8))
  let nullCount = 0
  values.forEach((value, row) => {
    if (Number.isNaN(value)) nullCount++
    else nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row & 7))
  })
  return nullCount === 0 ? ALL_VALID : { nullCount, nullBitmap }
}
