import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../../src/codec/buffer-pool.ts'

describe('memory that is used again', () => {
  test('a buffer that was given back is taken for the same size and for a little less, and by one taker only', () => {
    const pool = new BufferPool(1 << 20)
    const first = pool.take(100_000)
    expect(first.length).toBe(100_000)
    pool.give(first.buffer)
    const second = pool.take(90_000)
    expect(second.buffer).toBe(first.buffer)
    expect([second.byteOffset, second.length]).toEqual([0, 90_000])
    expect(pool.take(90_000).buffer).not.toBe(first.buffer)
  })

  test('a buffer that is too small, or far too large, is left to others', () => {
    const pool = new BufferPool(1 << 24)
    const { buffer } = pool.take(1_000_000)
    pool.give(buffer)
    expect(pool.take(2_000_000).buffer).not.toBe(buffer)
    expect(pool.take(1_000).buffer).not.toBe(buffer)
    expect(pool.take(900_000).buffer).toBe(buffer)
  })

  test('no more is kept than was allowed: the oldest goes', () => {
    const pool = new BufferPool(300_000)
    const given = [1, 2, 3].map(() => pool.take(100_000).buffer)
    for (const buffer of given) pool.give(buffer)
    expect(pool.drain(10)).toEqual(given.slice(1))
    expect(pool.drain(10)).toEqual([])
  })

  test('the buffer that was given back last is taken first: it may still be in a cache', () => {
    const pool = new BufferPool(1 << 20)
    const [first, second] = [pool.take(50_000).buffer, pool.take(50_000).buffer]
    pool.give(first)
    pool.give(second)
    expect([pool.take(50_000).buffer, pool.take(50_000).buffer]).toEqual([second, first])
  })

  test('only memory that threads share is kept', () => {
    const pool = new BufferPool(1 << 20)
    pool.give(new ArrayBuffer(50_000))
    expect(pool.drain(10)).toEqual([])
  })
})
