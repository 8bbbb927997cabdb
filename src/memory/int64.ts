const TWO_POW_32 = 4_294_967_296

/** The two 32-bit words of each integer, the low one first: every platform of Node.js is little-endian. */
export function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, 2 * values.length)
}

/** An integer of `wordsOf` as a double, without a BigInt: exact up to 2^53, which in microseconds is the year 2255. */
export function doubleAt(words: Int32Array, index: number): number {
  // both words are inside: there are twice as many
  return (words[2 * index + 1] as number) * TWO_POW_32 + ((words[2 * index] as number) >>> 0)
}

/**
 * 64-bit integers as doubles, without a BigInt a value: see `doubleAt`.
 * @param numbers as many places for them; default: new ones
 */
export function toDoubles(values: BigInt64Array, numbers: Float64Array = new Float64Array(values.length)): Float64Array {
  const words = wordsOf(values)
  for (let i = 0; i < numbers.length; i++) numbers[i] = doubleAt(words, i)
  return numbers
}
