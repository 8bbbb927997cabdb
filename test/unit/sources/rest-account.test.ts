import { describe, expect, test } from 'vitest'
import { WeightAccount } from '../../../src/sources/rest-account.ts'

const MINUTE = 60_000
const T = 100 * MINUTE

/** Spends and settles at once, as a request that is answered in no time. */
function request(account: WeightAccount, weight: number, nowMs: number, othersWeight: number, spentBefore: number): void {
  const minute = account.spend(weight, nowMs)
  account.settle(weight, minute, nowMs, { count: spentBefore + weight + othersWeight })
}

describe('weight account', () => {
  test('releases the share of the budget in six parts over the wall-clock minute', () => {
    const account = new WeightAccount(100, 0.6)
    expect(account.budget).toBe(60)
    expect(account.delayMs(10, T)).toBe(0)
    expect(account.delayMs(11, T)).toBe(10_000)
    expect(account.delayMs(60, T + 1234)).toBe(50_000 - 1234)
    expect(account.delayMs(60, T + 50_000)).toBe(0)
    account.spend(60, T + 50_000)
    expect(account.delayMs(1, T + 55_000)).toBe(5_000)
    expect(account.delayMs(1, T + MINUTE)).toBe(0)
  })

  test('takes what the count holds beyond our own weight for the weight of others', () => {
    const account = new WeightAccount(6000, 0.8)
    request(account, 2, T, 3000, 0)
    expect(account.usage(T)).toEqual({ spent: 2, others: 3000 })
    // 3,002 of 4,800 are used: the fourth part (3,200) has room for 198
    expect(account.delayMs(198, T + 30_000)).toBe(0)
    expect(account.delayMs(199, T + 30_000)).toBe(10_000)
    expect(account.delayMs(1799, T + 30_000)).toBe(30_000)
  })

  test('is blind until the first answer of each minute', () => {
    const account = new WeightAccount(6000, 0.8)
    expect(account.isBlind(T)).toBe(true)
    const minute = account.spend(2, T)
    account.settle(2, minute, T, undefined)
    expect(account.isBlind(T)).toBe(true)
    account.settle(2, account.spend(2, T), T, { count: undefined })
    expect(account.isBlind(T)).toBe(false)
    expect(account.isBlind(T + MINUTE)).toBe(true)
  })

  test('an answer that arrives in the next minute tells nothing of it', () => {
    const account = new WeightAccount(6000, 0.8)
    const minute = account.spend(2, T - 1)
    account.settle(2, minute, T, { count: 4000 })
    expect(account.usage(T)).toEqual({ spent: 0, others: 0 })
    expect(account.isBlind(T)).toBe(true)
  })

  test('an exchange whose minute turns a moment later does not cost a minute', () => {
    const account = new WeightAccount(6000, 0.8)
    request(account, 4790, T - 5, 0, 0)
    // ours has turned, its has not: the count goes on from 4,790
    account.settle(2, account.spend(2, T), T, { count: 4792 })
    expect(account.usage(T)).toEqual({ spent: 2, others: 0 })
    expect(account.isBlind(T)).toBe(true)
    // its minute has turned too: the count has fallen
    account.settle(2, account.spend(2, T + 80), T + 80, { count: 2 })
    expect(account.isBlind(T + 80)).toBe(false)
    // later in the minute a high count is believed
    account.settle(2, account.spend(2, T + 10_000), T + 10_000, { count: 4795 })
    expect(account.usage(T + 10_000).others).toBe(4789)
  })

  test('a clock that is set back by moments does not open the same minute twice', () => {
    const account = new WeightAccount(100, 0.6)
    account.spend(60, T + 50_000)
    account.spend(10, T + MINUTE)
    expect(account.delayMs(1, T + MINUTE - 20)).toBe(10_020)
    expect(account.usage(T + MINUTE + 1).spent).toBe(10)
  })
})
