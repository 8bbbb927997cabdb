import type { BigIntStats } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ProvenFiles } from '../../../src/read/proven-files.ts'

/** A file that was written an hour ago. */
function statsOf(changes: Partial<BigIntStats> = {}): BigIntStats {
  const writtenMs = BigInt(Date.now() - 3_600_000)
  const times = { ctimeMs: writtenMs, ctimeNs: writtenMs * 1_000_000n, mtimeNs: writtenMs * 1_000_000n }
  return { dev: 1n, ino: 2n, size: 100n, ...times, ...changes } as BigIntStats
}

describe('proven files', () => {
  test('a file is proven while nothing of its state changes, and for the digest that it had', () => {
    const proven = new ProvenFiles(10)
    const stats = statsOf()
    expect(proven.has('a', stats, 'digest')).toBe(false)
    proven.add('a', stats, 'digest')
    expect(proven.has('a', stats, 'digest')).toBe(true)
    expect(proven.has('a', stats, 'another')).toBe(false)
    expect(proven.has('b', stats, 'digest')).toBe(false)
    const changes: Partial<BigIntStats>[] = [
      { size: 101n },
      { ino: 3n },
      { dev: 2n },
      { mtimeNs: stats.mtimeNs + 1n },
      { ctimeNs: stats.ctimeNs + 1n },
    ]
    for (const change of changes) expect(proven.has('a', { ...stats, ...change }, 'digest')).toBe(false)
  })

  test('a file that was just written is not taken as settled: another write might leave it with the same times', () => {
    const proven = new ProvenFiles(10)
    const fresh = statsOf({ ctimeMs: BigInt(Date.now()) })
    proven.add('a', fresh, 'digest')
    expect(proven.has('a', fresh, 'digest')).toBe(false)
  })

  test('of too many the oldest are forgotten; one that is proven again is the youngest', () => {
    const proven = new ProvenFiles(3)
    const stats = statsOf()
    for (const path of ['a', 'b', 'c', 'a', 'd']) proven.add(path, stats, path)
    expect(['a', 'b', 'c', 'd'].filter((path) => proven.has(path, stats, path))).toEqual(['a', 'c', 'd'])
  })
})
