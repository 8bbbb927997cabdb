/**
 * Copies bytes from or to memory that threads share. What `TypedArray.set` does there is up to ten times slower: it cannot know
 * that nobody else touches the memory, and moves it in atomic steps (V8's `Relaxed_Memmove`). Node's `fill` with as many bytes as it
 * fills is one plain copy.
 */
export function copyBytes(target: Uint8Array, at: number, source: Uint8Array): void {
  if (source.length === 0) return
  if (at + source.length > target.length) throw new RangeError(`Expected room for ${source.length} bytes at ${at} of ${target.length}.`)
  Buffer.from(target.buffer, target.byteOffset + at, source.length).fill(source)
}
