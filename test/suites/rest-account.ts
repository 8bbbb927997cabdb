import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountLane, RestAccount } from '../../src/sources/rest/rest-account.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const T = 100 * MINUTE
const LANE: AccountLane = { name: 'https://exchange.test spot', limit: 6000, budget: 4800 }

/** Accounts of one address. */
export interface AccountsUnderTest {
  /** Opens the account, once more where it is shared: all of one test share it. */
  open(nowMs: () => number): Promise<RestAccount>
  remove(): Promise<void>
}

/**
 * What every account of an address must do, wherever it is kept.
 * @param isShared others may open it, and it is remembered when all have closed it
 */
export function testRestAccount(
  name: string,
  create: () => Promise<AccountsUnderTest>,
  { isShared }: { readonly isShared: boolean },
): void {
  let nowMs = T
  let under: AccountsUnderTest
  const open = (): Promise<RestAccount> => under.open(() => nowMs)

  /** The minute of a booking; what it says instead where nothing was booked. */
  async function book(account: RestAccount, weight: number, lane = LANE): Promise<number | string> {
    const reservation = await account.reserve(lane, weight)
    switch (reservation.kind) {
      case 'booked':
        return reservation.minute
      case 'wait':
        return `wait ${reservation.delayMs}`
      case 'blind':
        return 'blind'
      case 'held':
        return `${reservation.hold.kind} for ${reservation.hold.untilMs - nowMs}`
    }
  }

  /** Books and settles at once, as a request that is answered in no time. */
  async function request(account: RestAccount, weight: number, count?: number, lane = LANE): Promise<void> {
    const minute = await book(account, weight, lane)
    if (typeof minute === 'string') throw new Error(`Expected a booking, got ${minute}.`)
    await account.settle(lane, weight, minute, { count })
  }

  describe(`an account of an address: ${name}`, () => {
    beforeEach(async () => {
      under = await create()
    })
    afterEach(() => under.remove())

    let account: RestAccount
    beforeEach(async () => {
      nowMs = T
      account = await open()
    })
    afterEach(() => account.close())

    test('releases the budget in six parts over the wall-clock minute', async () => {
      const lane = { name: 'x', limit: 100, budget: 60 }
      await request(account, 10, 10, lane)
      expect(await book(account, 1, lane)).toBe('wait 10000')
      nowMs = T + 1234
      expect(await book(account, 50, lane)).toBe(`wait ${50_000 - 1234}`)
      nowMs = T + 50_000
      expect(await book(account, 50, lane)).toBe(100)
      expect(await book(account, 1, lane)).toBe('wait 10000')
      await account.settle(lane, 50, 100, { count: 60 })
      nowMs = T + MINUTE
      expect(await book(account, 10, lane)).toBe(101)
    })

    test('takes what the count holds beyond our own weight for the weight of others', async () => {
      await request(account, 2, 3002)
      expect(await account.usage(LANE)).toEqual({ spent: 2, others: 3000, hold: null })
      // 3,002 of 4,800 are used: the fourth part (3,200) has room for 198
      nowMs = T + 30_000
      expect(await book(account, 199)).toBe('wait 10000')
      expect(await book(account, 1799)).toBe('wait 30000')
      expect(await book(account, 198)).toBe(100)
    })

    test('an answer that is read late does not make the weight of others forgotten', async () => {
      await request(account, 2, 2)
      nowMs = T + 30_000
      expect(await book(account, 2)).toBe(100)
      for (let i = 0; i < 50; i++) await request(account, 2, 500 + 4 + 2 * (i + 1))
      // the one that has not ended may be in the count, or not
      expect((await account.usage(LANE)).others).toBe(502)
      // the exchange counted this one first: 4, and others had spent 499; fifty of ours have ended since
      await account.settle(LANE, 2, 100, { count: 503 })
      expect((await account.usage(LANE)).others).toBe(500)
    })

    test('the first request of each minute goes alone, until it is answered', async () => {
      const minute = await book(account, 2)
      expect(await book(account, 2)).toBe('blind')
      await account.settle(LANE, 2, Number(minute))
      // no answer, nothing learnt: the next one alone again
      expect(await book(account, 2)).toBe(100)
      expect(await book(account, 2)).toBe('blind')
      await account.settle(LANE, 2, 100, { count: undefined })
      expect(await book(account, 2)).toBe(100)
      expect(await book(account, 2)).toBe(100)
      nowMs = T + MINUTE
      expect(await book(account, 2)).toBe(101)
      expect(await book(account, 2)).toBe('blind')
    })

    test('the first request of a minute whose process was killed is not waited for without end', async () => {
      expect(await book(account, 2)).toBe(100)
      nowMs = T + 14_999
      expect(await book(account, 2)).toBe('blind')
      nowMs = T + 15_000
      expect(await book(account, 2)).toBe(100)
      expect(await book(account, 2)).toBe('blind')
      // and it is spent, in whatever minute the exchange has counted it
      expect((await account.usage(LANE)).spent).toBe(4)
    })

    test('an answer that arrives in the next minute tells nothing of it', async () => {
      nowMs = T - 1
      const minute = await book(account, 2)
      nowMs = T
      await account.settle(LANE, 2, Number(minute), { count: 4000 })
      expect(await account.usage(LANE)).toEqual({ spent: 0, others: 0, hold: null })
      await book(account, 2)
      expect(await book(account, 2)).toBe('blind')
    })

    test('what is on its way when the minute turns counts in both: the exchange decides when it arrives', async () => {
      const lane = { name: 'x', limit: 100, budget: 60 }
      nowMs = T + MINUTE - 10
      await request(account, 2, 2, lane)
      expect(await book(account, 40, lane)).toBe(100)
      nowMs = T + MINUTE
      // 40 of 60 may be counted in this minute: four parts of it
      expect(await book(account, 10, lane)).toBe('wait 40000')
      await account.settle(lane, 40, 100, { count: 42 })
      nowMs = T + MINUTE + 40_000
      // it was counted in this minute indeed: it is not taken for the weight of others as well
      await request(account, 10, 50, lane)
      expect(await account.usage(lane)).toEqual({ spent: 10, others: 0, hold: null })
      nowMs = T + 2 * MINUTE
      expect(await book(account, 10, lane)).toBe(102)
    })

    test('an exchange whose minute turns a moment later does not cost a minute', async () => {
      nowMs = T - 5
      await request(account, 4790, 4790)
      nowMs = T
      // ours has turned, its has not: the count goes on from 4,790
      await request(account, 2, 4792)
      expect(await account.usage(LANE)).toEqual({ spent: 2, others: 0, hold: null })
      expect(await book(account, 2)).toBe(100)
      expect(await book(account, 2)).toBe('blind')
      // its minute has turned too: the count has fallen
      nowMs = T + 80
      await account.settle(LANE, 2, 100, { count: 2 })
      expect(await book(account, 2)).toBe(100)
      // later in the minute a high count is believed
      nowMs = T + 10_000
      await account.settle(LANE, 2, 100, { count: 4795 })
      expect((await account.usage(LANE)).others).toBe(4789)
    })

    test('a clock that is set back by moments does not open the same minute twice', async () => {
      const lane = { name: 'x', limit: 100, budget: 60 }
      nowMs = T + 50_000
      await request(account, 60, 60, lane)
      nowMs = T + MINUTE
      await request(account, 10, 10, lane)
      nowMs = T + MINUTE - 20
      expect(await book(account, 1, lane)).toBe('wait 10020')
      expect((await account.usage(lane)).spent).toBe(10)
    })

    test('a pause and a ban hold everyone until the latest end that was asked for, and the ban is told', async () => {
      expect(await account.hold(LANE, 'pause', 600_000)).toBe(T + 600_000)
      expect(await account.hold(LANE, 'pause', 5_000)).toBe(T + 600_000)
      expect(await book(account, 2)).toBe('pause for 600000')
      expect(await account.hold(LANE, 'ban', 120_000)).toBe(T + 120_000)
      expect(await book(account, 2)).toBe('ban for 120000')
      nowMs = T + 120_000
      expect(await book(account, 2)).toBe('pause for 480000')
      nowMs = T + 599_999
      expect(await book(account, 2)).toBe('pause for 1')
      nowMs = T + 600_000
      expect(await book(account, 2)).toBe(110)
    })

    test.each(['pause', 'ban'] as const)('a %s is seen by who has booked already, in the moment before it sends', async (kind) => {
      await request(account, 2)
      expect(typeof (await book(account, 2))).toBe('number')
      expect(account.isOpen(LANE)).toBe(true)
      await account.hold(LANE, kind, 5_000)
      expect(account.isOpen(LANE)).toBe(false)
      expect(account.isOpen({ ...LANE, name: 'https://exchange.test futures' })).toBe(true)
      nowMs += 5_000
      expect(account.isOpen(LANE)).toBe(true)
    })

    test('no hold is longer than three days, and one that a wrong clock wrote does not last', async () => {
      expect(await account.hold(LANE, 'ban', 1e300)).toBe(T + 3 * DAY)
      expect(await account.hold(LANE, 'pause', -5)).toBe(T)
      nowMs = T + 3 * DAY - 1
      expect(await book(account, 2)).toBe('ban for 1')
      // the clock had been a year ahead when it was written
      nowMs = T - 365 * DAY + 50 * 365 * DAY
      await account.hold({ ...LANE, name: 'y' }, 'ban', 3 * DAY)
      nowMs -= 365 * DAY
      expect(await book(account, 2, { ...LANE, name: 'y' })).toBe(nowMs / MINUTE)
    })

    test.each(['ban', 'pause'] as const)('a %s that a wrong clock wrote does not hide the next one', async (kind) => {
      nowMs = T + 10 * DAY
      expect(await account.hold(LANE, kind, 600_000)).toBe(T + 10 * DAY + 600_000)
      nowMs = T
      expect((await account.usage(LANE)).hold).toBeNull()
      expect(await account.hold(LANE, kind, 600_000)).toBe(T + 600_000)
      expect(await book(account, 2)).toBe(`${kind} for 600000`)
      // nor does one that may be true make the other kind forgotten
      const other = kind === 'ban' ? 'pause' : 'ban'
      await account.hold(LANE, other, 1_200_000)
      nowMs = T + 1_199_999
      expect(await book(account, 2)).toBe(`${other} for 1`)
    })

    test('lanes are apart', async () => {
      await account.hold(LANE, 'ban', 1000)
      const other = { ...LANE, name: 'https://exchange.test futures' }
      expect(await book(account, 2, other)).toBe(100)
      expect((await account.usage(LANE)).spent).toBe(0)
    })

    test('callers with different shares book on one budget: each stops at its own', async () => {
      const small = { ...LANE, budget: 600 }
      await request(account, 100, 100)
      expect(await book(account, 2, small)).toBe('wait 10000')
      expect(await book(account, 700)).toBe(100)
    })

    test('any number of bookings at once never exceed the budget of a minute', async () => {
      nowMs = T + 59_000
      await request(account, 2, 2)
      const all = await Promise.all(Array.from({ length: 3000 }, () => book(account, 2)))
      expect(all.filter((each) => each === 100)).toHaveLength(2399)
      expect((await account.usage(LANE)).spent).toBe(4800)
    })

    test('closing may be repeated', async () => {
      await account.close()
      await account.close()
      expect(account.nowMs()).toBe(T)
    })

    if (!isShared) return
    describe('that is shared', () => {
      test('is remembered, and shared by all who open it', async () => {
        await using one = await open()
        await using two = await open()
        await request(one, 100, 103)
        expect(await two.usage(LANE)).toEqual({ spent: 100, others: 3, hold: null })
        await two.hold(LANE, 'ban', 600_000)
        expect(await book(one, 2)).toBe('ban for 600000')
        await one.close()
        await two.close()
        await using later = await open()
        nowMs += 599_999
        expect(await book(later, 2)).toBe('ban for 1')
      })

      test('who shares it sees a ban at once; one that is closed lets nobody send', async () => {
        const [one, other] = await Promise.all([open(), open()])
        expect(other.isOpen(LANE)).toBe(true)
        await one.hold(LANE, 'ban', 5_000)
        expect(other.isOpen(LANE)).toBe(false)
        nowMs += 5_000
        expect(other.isOpen(LANE)).toBe(true)
        await Promise.all([one.close(), other.close()])
        expect(other.isOpen(LANE)).toBe(false)
      })
    })
  })
}
