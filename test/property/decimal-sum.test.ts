import { describe, expect, test } from 'vitest'
import { DecimalSum } from '../../src/model/decimal-sum.ts'
import { createRandom } from '../support/random.ts'

/* Sums of random published decimals against whole-number arithmetic of any length. */

const UNITS = 100_000_000n

/** The double next to a decimal of so many units: what `Number` reads, which the language defines to be the nearest. */
function nearest(units: bigint): number {
  return Number(`${units / UNITS}.${String(units % UNITS).padStart(8, '0')}`)
}

/** How many doubles lie from one to the other. */
function distance(a: number, b: number): number {
  const bits = new BigInt64Array(new Float64Array([a, b]).buffer)
  return Math.abs(Number(bits[0]! - bits[1]!))
}

interface Tried {
  sums: number
  wrong: number
  farthest: number
  naiveWrong: number
  claimedExact: number
}

/** Adds groups of decimals whose units `draw` gives; a group has up to 1,440 of them, a day of minutes. */
function tryGroups(addends: number, seed: number, draw: (random: () => number) => bigint): Tried {
  const random = createRandom(seed)
  const tried: Tried = { sums: 0, wrong: 0, farthest: 0, naiveWrong: 0, claimedExact: 0 }
  const sum = new DecimalSum()
  for (let done = 0; done < addends;) {
    const size = 1 + Math.floor(random() * 1440)
    sum.clear()
    let exact = 0n
    let naive = 0
    for (let i = 0; i < size; i++) {
      const units = draw(random)
      const value = nearest(units)
      exact += units
      naive += value
      sum.add(value)
    }
    const right = nearest(exact)
    tried.sums++
    if (sum.isExact) tried.claimedExact++
    if (!Object.is(sum.value(), right)) tried.wrong++
    if (!Object.is(naive, right)) tried.naiveWrong++
    tried.farthest = Math.max(tried.farthest, distance(sum.value(), right))
    done += size
  }
  return tried
}

const big = (value: number): bigint => BigInt(Math.floor(value))

describe('a sum of decimals', () => {
  test('two million decimals of eight places below 2^26: each sum is the double next to the exact one', () => {
    const tried = tryGroups(2_000_000, 1, (random) => {
      // sizes from single units to 67 million, as volumes have them
      const whole = 2 ** (26 * random())
      return big(whole) * UNITS + big(random() * 1e8) - (whole >= 2 ** 26 - 1 ? UNITS : 0n)
    })
    expect(tried).toMatchObject({ wrong: 0, farthest: 0, claimedExact: tried.sums })
    // what it is for: adding the doubles themselves is wrong more often than not
    expect(tried.naiveWrong).toBeGreaterThan(tried.sums / 2)
  }, 60_000)

  test('decimals of at most 15 digits, however large: each sum is the double next to the exact one', () => {
    const tried = tryGroups(200_000, 2, (random) => {
      // so that the whole part of a sum stays below 2^53
      const places = 3 + Math.floor(random() * 6)
      const digits = big(random() * 1e15)
      return digits * 10n ** BigInt(8 - places)
    })
    expect(tried).toMatchObject({ wrong: 0, farthest: 0 })
    expect(tried.claimedExact).toBeLessThan(tried.sums)
  })

  test('decimals with more digits than a double keeps: never further than the double beside, and it says so', () => {
    const tried = tryGroups(200_000, 3, (random) => big(2 ** (26 + 8 * random())) * UNITS + big(random() * 1e8))
    expect(tried).toMatchObject({ farthest: 1, claimedExact: 0 })
    expect(tried.wrong).toBeLessThan(tried.sums)
  })

  test('each decimal near the limit is told by its double', () => {
    const limit = 2n ** 26n * UNITS
    for (let units = limit - 50_000n; units < limit; units++) {
      const sum = new DecimalSum()
      sum.add(nearest(units))
      sum.add(nearest(1n))
      if (!Object.is(sum.value(), nearest(units + 1n))) throw new Error(`${units} units`)
    }
    const one = new DecimalSum()
    expect(one.value()).toBe(0)
    one.add(0.1)
    one.add(0.2)
    expect([one.value(), one.isExact]).toEqual([0.3, true])
  })

  test('fractions that carry, and sums above 2^53 units', () => {
    const sum = new DecimalSum()
    for (let i = 0; i < 1_000_000; i++) sum.add(0.99999999)
    expect(sum.value()).toBe(999_999.99)
    for (let i = 0; i < 9; i++) sum.add(1e13)
    expect(sum.value()).toBe(Number('90000000999999.99'))
  })
})
