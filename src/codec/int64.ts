const TWO_POW_32 = 4_294_967_296

/**
 * 64-bit integers as doubles, without a BigInt a value: exact up to 2^53, which in microseconds is the year 2255.
 * Reads the two 32-bit words of each; every platform of Node.js is little-endian.
 * @param numbers as many places for them; default: new ones
 */
export function toDoubles(values: BigInt64Array, numbers: Float64Array = new Float64Array(values.length)): Float64Array {
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length)
  for (let i = 0; i < numbers.length; i++) {
    // both words are inside: there are twice as many
    numbers[i] = (words[2 * i + 1] as number) * TWO_POW_32 + ((words[2 * i] as number) >>> 0)
  }
  return numbers
}
