import { describe, expect, test } from 'vitest'
import { ProvenFiles } from '../../../src/read/proven-files.ts'

describe('proven files', () => {
  test('a file is proven in its version, at its place, and for the digest that it had', () => {
    const proven = new ProvenFiles(10)
    expect(proven.has('a', '1', 'digest')).toBe(false)
    proven.add('a', '1', 'digest')
    expect(proven.has('a', '1', 'digest')).toBe(true)
    expect(proven.has('a', '1', 'another')).toBe(false)
    expect(proven.has('a', '2', 'digest')).toBe(false)
    expect(proven.has('b', '1', 'digest')).toBe(false)
  })

  test('a file whose version cannot be told is never proven, and what was known of it is forgotten', () => {
    const proven = new ProvenFiles(10)
    proven.add('a', '1', 'digest')
    proven.add('a', undefined, 'digest')
    expect(proven.has('a', undefined, 'digest')).toBe(false)
    expect(proven.has('a', '1', 'digest')).toBe(false)
  })

  test('of too many the oldest are forgotten; one that is proven again is the youngest', () => {
    const proven = new ProvenFiles(3)
    for (const path of ['a', 'b', 'c', 'a', 'd']) proven.add(path, '1', path)
    expect(['a', 'b', 'c', 'd'].filter((path) => proven.has(path, '1', path))).toEqual(['a', 'c', 'd'])
  })
})
