import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../../src/memory/buffer-pool.ts'

describe('memory that is used again', () => {
  test('a buffer that was given back is taken for the same size and for a little less, and by one taker only', () => {
    const pool = new BufferPool(1 << 20)
    const first = pool.take(100_000)
    expect(first.length).toBe(100_000)
    pool.give(first)
    const second = pool.take(90_000)
    expect(second.buffer).toBe(first.buffer)
    expect([second.byteOffset, second.length]).toEqual([0, 90_000])
    expect(pool.take(90_000).buffer).not.toBe(first.buffer)
  })

  test('what served for less is a whole buffer again when it comes back', () => {
    const pool = new BufferPool(1 << 20)
    const first = pool.take(200_000)
    pool.give(first)
    const less = pool.take(70_000)
    pool.give(less)
    const again = pool.take(200_000)
    expect([again.buffer, again.byteOffset, again.length]).toEqual([first.buffer, first.byteOffset, 200_000])
  })

  test('a buffer that is too small, or far too large, is left to others', () => {
    const pool = new BufferPool(1 << 24)
    const first = pool.take(1_000_000)
    pool.give(first)
    expect(pool.take(2_000_000).buffer).not.toBe(first.buffer)
    expect(pool.take(1_000).buffer).not.toBe(first.buffer)
    expect(pool.take(900_000).buffer).toBe(first.buffer)
  })

  test('no more is kept than was allowed: the oldest goes', () => {
    const pool = new BufferPool(300_000)
    const given = [1, 2, 3].map(() => pool.take(100_000))
    for (const bytes of given) pool.give(bytes)
    expect(pool.takeSpares(100_000, 10).map(({ buffer }) => buffer)).toEqual([given[2]?.buffer, given[1]?.buffer])
    expect(pool.takeSpares(100_000, 10)).toEqual([])
  })

  test('what is out does not count', () => {
    const pool = new BufferPool(300_000)
    const kept = pool.take(100_000)
    pool.give(kept)
    for (let i = 0; i < 10; i++) pool.give(pool.take(50_000))
    expect(pool.take(100_000).buffer).toBe(kept.buffer)
  })

  test('another thread gets buffers of the size that it needs, and no more than it needs', () => {
    const pool = new BufferPool(1 << 30)
    const given = [100_000, 3_000_000, 100_000, 3_000_000, 100_000, 20_000].map((sizeBytes) => pool.take(sizeBytes))
    for (const bytes of given) pool.give(bytes)
    expect(pool.takeSpares(90_000, 2).map(({ length }) => length)).toEqual([114_688, 114_688])
    expect(pool.takeSpares(2_500_000, 5).map(({ length }) => length)).toEqual([3_014_656, 3_014_656])
    expect(pool.takeSpares(90_000, 5)).toHaveLength(1)
    expect(pool.takeSpares(20_000, 5).map(({ length }) => length)).toEqual([32_768])
  })

  test('the buffer that was given back last is taken first: it may still be in a cache', () => {
    const pool = new BufferPool(1 << 20)
    const [first, second] = [pool.take(70_000), pool.take(70_000)]
    pool.give(first)
    pool.give(second)
    expect([pool.take(70_000), pool.take(70_000)].map(({ buffer }) => buffer)).toEqual([second.buffer, first.buffer])
  })

  test('only memory that threads share is kept', () => {
    const pool = new BufferPool(1 << 20)
    pool.give(new Uint8Array(50_000))
    expect(pool.takeSpares(50_000, 10)).toEqual([])
  })
})
