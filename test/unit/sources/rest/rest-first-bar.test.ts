import { describe, expect, test } from 'vitest'
import { MARKET_FACTS } from '../../../../config/markets.ts'
import type { RestMarket } from '../../../../src/model/market.ts'
import type { FirstBar } from '../../../../src/sources/rest/rest-first-bar.ts'
import { findFirstBar } from '../../../../src/sources/rest/rest-first-bar.ts'
import type { Page } from '../../../../src/sources/rest/rest-pages.ts'
import { barsAt } from '../../acquire/bars.ts'

const HOUR = 3_600_000_000
const DAY = 24 * HOUR
const T = Date.UTC(2024, 0, 10) * 1000
const NOW = T + 3000 * HOUR + HOUR / 2
const at = (hour: number): number => T + hour * HOUR
const hours = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

interface Manners {
  readonly cap?: number
  readonly wrongEnd?: boolean
  readonly empty?: (index: number) => boolean
  /** the latest months do not reach back further than any other answer */
  readonly boundsMonths?: boolean
}

/** Asks an exchange, by its documents, for the first bar of a series that has these hours. */
async function ask(market: RestMarket, opens: readonly number[], held: number | null, manners: Manners = {}) {
  const pages: Page[] = []
  const give = (times: readonly number[], page: Page, fromStart: boolean) => {
    const inside = (manners.empty?.(pages.length) ?? false) ? [] : times.filter((time) => time >= page.startUs && time <= page.endUs)
    pages.push(page)
    const limit = Math.min(page.limit, manners.cap ?? Infinity)
    return Promise.resolve(barsAt(fromStart ? inside.slice(0, limit) : inside.slice(-limit)))
  }
  const send = (times: readonly number[]) => (page: Page) => {
    if (page.startUs > page.endUs || page.startUs > NOW) throw new Error(`a wrong range: ${JSON.stringify(page)}`)
    if (market === 'cm' && page.endUs - page.startUs > 200 * DAY) throw new Error('-4088: more than 200 days')
    return give(times, page, (market !== 'cm') !== (manners.wrongEnd ?? false))
  }
  const months = [...new Set(opens.map((hour) => monthOf(at(hour))))]
  const latest = { startUs: manners.boundsMonths === true ? NOW - 200 * DAY : 0, endUs: NOW, limit: 499 }
  const sendMonths = (page: Page | null) => (page === null ? give(months, latest, manners.wrongEnd ?? false) : send(months)(page))
  const heldUs = held === null ? null : at(held)
  const first = await findFirstBar(send(opens.map(at)), sendMonths, heldUs, NOW, '1h', MARKET_FACTS[market].rest)
  return { first, requests: pages.length }
}

/** When the month of a time begins. */
function monthOf(timeUs: number): number {
  const date = new Date(timeUs / 1000)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) * 1000
}

const MARKETS = ['spot', 'um', 'cm'] as const

describe.each(MARKETS)('the first bar of all, %s', (market) => {
  test('is proved by an answer that has it, and nothing before it', async () => {
    for (const held of [null, 0, 50, 2000]) {
      const { first, requests } = await ask(market, hours(0, 2900), held)
      expect(first).toBe(at(0))
      expect(requests).toBeLessThanOrEqual(market === 'cm' ? 16 : 3)
    }
  })

  test('may be an earlier one than the first that is held, and behind a hole', async () => {
    expect((await ask(market, [...hours(-3000, -2990), ...hours(0, 100)], 0)).first).toBe(at(-3000))
  })

  test('is found behind any hole', async () => {
    for (const hole of [190, 199, 200, 250, 420, 1500]) {
      const opens = [...hours(-24 * hole - 30, -24 * hole), ...hours(0, 3000)]
      for (const held of [null, 0, 2000]) {
        const { first, requests } = await ask(market, opens, held)
        expect({ hole, held, first }).toEqual({ hole, held, first: opens[0] === undefined ? 0 : at(opens[0]) })
        expect(requests).toBeLessThanOrEqual(16)
      }
    }
  })

  test('that is the one which is held costs two requests', async () => {
    // to now there are five months
    expect(await ask(market, hours(0, 3000), 0)).toEqual({ first: at(0), requests: 2 })
  })

  test('may open late in its slot, alone or with others', async () => {
    for (const opens of [[20.3], [20.3, 21], [20.3, 21.3, 22.3], [20.3, 20.6, 21]])
      for (const held of [null, opens[0]!, opens.at(-1)!]) expect((await ask(market, opens, held)).first).toBe(at(20.3))
  })

  test('of a second life is later than the one that is held: it is told, the caller knows the other', async () => {
    // windows of COIN-M look back alone
    expect((await ask(market, hours(100, 200), 0)).first).toBe(market === 'cm' ? 'unproved' : at(100))
  })

  test('is not known where no answer has a bar: an empty answer proves nothing', async () => {
    for (const held of [null, 50]) expect((await ask(market, [], held)).first).toBe('unproved')
    for (const held of [null, 50]) expect((await ask(market, hours(0, 100), held, { empty: () => true })).first).toBe('unproved')
  })

  test.each<[string, Manners]>([
    ['rows from the other end', { wrongEnd: true }],
    ['7 rows a page', { cap: 7 }],
    ['one row a page', { cap: 1 }],
  ])('is never a later one for a server that gives %s', async (_name, manners) => {
    const { first } = await ask(market, hours(0, 400), 300, manners)
    expect<FirstBar[]>([at(0), 'unproved']).toContain(first)
  })

  test('of a symbol that the exchange does not know is unlisted', async () => {
    expect(
      await findFirstBar(
        () => Promise.resolve(null),
        () => Promise.resolve(null),
        null,
        NOW,
        '1h',
        MARKET_FACTS[market].rest,
      ),
    ).toBe('unlisted')
  })
})

test('a server that forgets itself once does not make a later bar the first', async () => {
  for (const market of MARKETS)
    for (let lost = 0; lost < 12; lost++) {
      const { first } = await ask(market, hours(0, 2900), 2000, { empty: (index) => index === lost })
      expect({ market, lost, first: first === at(0) || first === 'unproved' ? 'fine' : first }).toEqual({ market, lost, first: 'fine' })
    }
})

test('COIN-M, where months are given within 200 days, too: windows of months find it behind any hole', async () => {
  for (const hole of [250, 420, 1500]) {
    const held = -24 * 100
    const opens = [...hours(held - 24 * hole - 30, held - 24 * hole), ...hours(held, 3000)]
    expect((await ask('cm', opens, held, { boundsMonths: true })).first).toBe(at(opens[0] ?? 0))
  }
})

test('COIN-M, where months are not to be had: nothing is proved', async () => {
  const isMonths = (index: number): boolean => index === 0 || index > 2
  expect((await ask('cm', hours(0, 3000), 0, { empty: isMonths })).first).toBe('unproved')
})
