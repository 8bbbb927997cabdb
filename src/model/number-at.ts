/**
 * A value of a column at an index that is known to lie inside it: the compiler cannot know that. The decoder's loops over all rows read
 * in place (`as number`): there a call costs, once the same function has been inlined in too many places (a day of `1s`: 1.3 to 1.5 ms).
 */
export function numberAt(values: Float64Array, index: number): number {
  return values[index] as number
}
