import { describe, expect, test } from 'vitest'
import { MARKET_FACTS } from '../../../../config/markets.ts'
import { barsAt } from '../../acquire/bars.ts'
import type { RestMarket } from '../../../../src/model/market.ts'
import type { Page } from '../../../../src/sources/rest/rest-pages.ts'
import type { StretchAsk, StretchRows } from '../../../../src/sources/rest/rest-walk.ts'
import { walkStretch } from '../../../../src/sources/rest/rest-walk.ts'

const HOUR = 3_600_000_000
const DAY = 24 * HOUR
/** hour 0 of all tests */
const T = Date.UTC(2024, 0, 10) * 1000
/** how many hours after it "now" is, in the middle of an hour */
const NOW_HOUR = 3000
const NOW = T + NOW_HOUR * HOUR + HOUR / 2
const MAX_REQUESTS = 400

interface Manners {
  /** most rows a page, whatever the limit says */
  readonly cap?: number
  /** takes its rows from the other end of a range */
  readonly wrongEnd?: boolean
  /** has the bars of so many days from the start on, whatever the end says */
  readonly lookaheadDays?: number
  /** lacks the bars of the last so many hours */
  readonly lagHours?: number
  /** numbers of the requests, from 0, that are answered with `[]` */
  readonly empty?: (index: number) => boolean
}

/** The klines of an exchange, by its documents: rows between two times, both included, from the market's end of the range. */
function exchangeOf(market: RestMarket, hours: readonly number[], manners: Manners = {}) {
  const pages: (Page & { readonly rows: number })[] = []
  const opens = hours.map((hour) => T + hour * HOUR).filter((open) => open <= NOW - (manners.lagHours ?? 0) * HOUR)
  const send = (page: Page) => {
    // a start in the future is answered by the firewall; a longer range than 200 days is refused
    if (page.startUs > NOW || page.startUs > page.endUs) throw new Error(`a wrong range: ${JSON.stringify(page)}`)
    if (market === 'cm' && page.endUs - page.startUs > 200 * DAY) throw new Error('-4088: more than 200 days')
    if (pages.length >= MAX_REQUESTS) throw new Error('no end of requests')
    const endUs = manners.lookaheadDays === undefined ? page.endUs : Math.min(page.endUs, page.startUs + manners.lookaheadDays * DAY - 1)
    const inside = (manners.empty?.(pages.length) ?? false) ? [] : opens.filter((open) => open >= page.startUs && open <= endUs)
    const limit = Math.min(page.limit, manners.cap ?? Infinity)
    const fromStart = (market !== 'cm') !== (manners.wrongEnd ?? false)
    const rows = fromStart ? inside.slice(0, limit) : inside.slice(-limit)
    pages.push({ ...page, rows: rows.length })
    return Promise.resolve(barsAt(rows))
  }
  const walk = async (from: number, to: number, known: Partial<StretchAsk> = {}): Promise<StretchRows> => {
    const ask = { startUs: T + from * HOUR, endUs: T + to * HOUR, beforeUs: null, afterUs: null, first: false, ...known }
    const stretch = await walkStretch(send, ask, () => NOW, '1h', MARKET_FACTS[market].rest)
    if (stretch === null) throw new Error('rows were expected')
    return stretch
  }
  return { walk, pages }
}

const hours = (from: number, to: number, ...holes: [number, number][]): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((hour) => !holes.some(([a, b]) => hour >= a && hour < b))

const hourOf = (us: number): number => (us - T) / HOUR
const at = (hour: number): number => T + hour * HOUR

/** Hours of the rows that open in a range. */
function within({ rows }: StretchRows, from: number, to: number): number[] {
  return Array.from(rows.openTime, (open) => hourOf(Number(open))).filter((hour) => hour >= from && hour < to)
}

/** True when the walk proves that nothing opens between two hours. */
function proves({ links }: StretchRows, before: number, after: number): boolean {
  return links.get(at(before))?.has(at(after)) ?? false
}

/** What must hold of any walk: closed rows in order, each once, links between rows that came, none over a row that came. */
function checkSound({ rows, seen, links }: StretchRows): void {
  const opens = Array.from(rows.openTime, Number)
  expect(opens).toEqual([...new Set(opens)].sort((a, b) => a - b))
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
  expect(opens).toEqual(seen.slice(0, opens.length))
  expect(opens.every((open) => open + HOUR <= NOW)).toBe(true)
  for (const [from, targets] of links)
    for (const to of targets)
      expect({ from: seen.includes(from), to: seen.includes(to), ascends: to > from }).toEqual({ from: true, to: true, ascends: true })
}

const MARKETS = ['spot', 'um', 'cm'] as const

describe.each(MARKETS)('an honest server of %s', (market) => {
  test('has a stretch of a page with a bar on either side in one request', async () => {
    const { walk, pages } = exchangeOf(market, hours(-100, 2900))
    const stretch = await walk(0, 48)
    checkSound(stretch)
    expect(within(stretch, 0, 48)).toEqual(hours(0, 48))
    expect([stretch.seen.includes(at(-1)), stretch.seen.includes(at(48))]).toEqual([true, true])
    for (let hour = -1; hour < 48; hour++) expect(proves(stretch, hour, hour + 1), `${hour}`).toBe(true)
    expect(stretch.silentAfterUs).toBeNull()
    expect(pages).toHaveLength(1)
  })

  test('has a longer one in as many pages as its rows need, each of which begins with the last row of the one before', async () => {
    const { walk, pages } = exchangeOf(market, hours(-100, 2900))
    const stretch = await walk(0, 2400)
    checkSound(stretch)
    expect(within(stretch, 0, 2400)).toEqual(hours(0, 2400))
    for (let hour = -1; hour < 2400; hour++) expect(proves(stretch, hour, hour + 1), `${hour}`).toBe(true)
    // 2,402 rows with the two beside it; a page brings one row less than it holds, in a bounded window one more is left over
    const news = { spot: 999, um: 498, cm: 496 }[market]
    expect(pages.length).toBeLessThanOrEqual(Math.ceil(2402 / news) + 1)
    for (const [i, page] of pages.entries()) if (i > 0) expect(page.startUs).toBeLessThanOrEqual(pages[i - 1]!.endUs)
  })

  test('proves a hole inside: the bars on both sides stand in one page, and nothing is asked twice', async () => {
    const { walk, pages } = exchangeOf(market, hours(-100, 2900, [20, 44]))
    const stretch = await walk(0, 72)
    checkSound(stretch)
    expect(within(stretch, 0, 72)).toEqual([...hours(0, 20), ...hours(44, 72)])
    expect(proves(stretch, 19, 44)).toBe(true)
    expect(pages).toHaveLength(1)
  })

  test('proves a stretch without a bar by those on either side, though they lie beyond it', async () => {
    const { walk, pages } = exchangeOf(market, hours(-100, 2900, [-60, 90]))
    const stretch = await walk(0, 24)
    checkSound(stretch)
    expect(within(stretch, 0, 24)).toEqual([])
    expect(proves(stretch, -61, 90)).toBe(true)
    expect(pages.length).toBeLessThanOrEqual(market === 'cm' ? 40 : 8)
    // with the bar before it known the way is shorter
    const again = exchangeOf(market, hours(-100, 2900, [-60, 90]))
    expect(proves(await again.walk(0, 24, { beforeUs: at(-61) }), -61, 90)).toBe(true)
    expect(again.pages.length).toBeLessThanOrEqual(market === 'cm' ? 20 : 1)
  })

  test('shows where a series ends: nothing after its last bar, up to now', async () => {
    const { walk, pages } = exchangeOf(market, hours(-100, 20))
    const stretch = await walk(0, 48, { beforeUs: at(-1) })
    checkSound(stretch)
    expect(within(stretch, 0, 48)).toEqual(hours(0, 20))
    expect(stretch.silentAfterUs).toBe(at(19))
    expect(pages.length).toBeLessThanOrEqual(market === 'cm' ? 6 : 3)
  })

  test('may end with the bar that forms now: it is a witness, and is not given as a row', async () => {
    const { walk, pages } = exchangeOf(market, hours(2900, NOW_HOUR + 1))
    const stretch = await walk(2990, NOW_HOUR + 24, { beforeUs: at(2989) })
    checkSound(stretch)
    expect(within(stretch, 2990, NOW_HOUR + 24)).toEqual(hours(2990, NOW_HOUR))
    expect(stretch.seen.at(-1)).toBe(at(NOW_HOUR))
    expect(stretch.silentAfterUs).toBe(at(NOW_HOUR))
    expect(pages).toHaveLength(1)
  })

  test('is asked for nothing before the first bar of a series that begins here', async () => {
    const { walk, pages } = exchangeOf(market, hours(10, 2900))
    const stretch = await walk(10, 48, { first: true })
    checkSound(stretch)
    expect(within(stretch, 10, 48)).toEqual(hours(10, 48))
    expect(pages).toHaveLength(1)
  })

  test('is asked for nothing of the future', async () => {
    const { walk, pages } = exchangeOf(market, hours(0, 2900))
    expect(await walk(NOW_HOUR + 10, NOW_HOUR + 20)).toMatchObject({ seen: [], silentAfterUs: null })
    expect(pages).toHaveLength(0)
  })

  test('that has two bars in one slot, and bars that open off the grid, has them all', async () => {
    const odd = [...hours(-10, 30), 30, 30.4, ...hours(31, 500).map((hour) => hour + 0.3), ...hours(500, 900)]
    const stretch = await exchangeOf(market, odd).walk(0, 880)
    expect(within(stretch, 0, 880)).toEqual(odd.filter((hour) => hour >= 0 && hour < 880))
    expect([proves(stretch, 30, 30.4), proves(stretch, 30.4, 31.3)]).toEqual([true, true])
  })
})

test('COIN-M proves a hole longer than 200 days by windows that are empty twice over', async () => {
  const { walk, pages } = exchangeOf('cm', hours(-12_000, 2900, [-9000, -100]))
  const stretch = await walk(-5000, -4990, { beforeUs: at(-9001), afterUs: at(-100) })
  checkSound(stretch)
  expect(within(stretch, -5000, -4990)).toEqual([])
  expect(proves(stretch, -9001, -100)).toBe(true)
  expect(pages.length).toBeLessThanOrEqual(40)
})

test('a symbol that the exchange does not know is null', async () => {
  const ask = { startUs: T, endUs: at(5), beforeUs: null, afterUs: null, first: false }
  for (const market of MARKETS)
    expect(
      await walkStretch(
        () => Promise.resolve(null),
        ask,
        () => NOW,
        '1h',
        MARKET_FACTS[market].rest,
      ),
    ).toBeNull()
})

/** Bars with a hole. */
const HOLED = hours(-700, 2900, [60, 66])

describe.each(MARKETS)('%s', (market) => {
  test.each<[string, Manners]>([
    ['500 rows a page', { cap: 500 }],
    ['100 rows a page', { cap: 100 }],
    ['7 rows a page', { cap: 7 }],
    ['rows from the other end', { wrongEnd: true }],
    ['the bars of 30 days alone', { lookaheadDays: 30 }],
    ['no row in its first answer', { empty: (index) => index === 0 }],
    ['no row in its second answer', { empty: (index) => index === 1 }],
  ])('a server that gives %s is read whole, and explains its hole', async (_name, manners) => {
    const { walk } = exchangeOf(market, HOLED, manners)
    const stretch = await walk(0, 700, { beforeUs: at(-1), afterUs: at(1000) })
    checkSound(stretch)
    expect(within(stretch, 0, 700)).toEqual(hours(0, 700, [60, 66]))
    expect(proves(stretch, 59, 66)).toBe(true)
    expect(stretch.seen.some((open) => open >= at(700))).toBe(true)
  })

  test('a server that gives one row a page is read whole, and proves nothing of its holes', async () => {
    const { walk, pages } = exchangeOf(market, hours(-20, 60, [20, 22]), { cap: 1 })
    const stretch = await walk(0, 40, { beforeUs: at(-1), afterUs: at(50) })
    expect(within(stretch, 0, 40)).toEqual(hours(0, 40, [20, 22]))
    for (const targets of stretch.links.values()) expect([...targets].filter((to) => to > at(22))).toEqual([])
    expect(proves(stretch, 19, 22)).toBe(false)
    expect(pages.length).toBeLessThan(MAX_REQUESTS)
  })

  test.each<[string, Manners]>([
    ['answers nothing at all', { empty: () => true }],
    ['answers nothing from its third answer on', { empty: (index) => index >= 2 }],
  ])('a server that %s proves no hole, and is soon left', async (_name, manners) => {
    const { walk, pages } = exchangeOf(market, HOLED, manners)
    const stretch = await walk(0, 2600, { beforeUs: at(-1), afterUs: at(2700) })
    checkSound(stretch)
    // whatever it proves are pairs of neighbours that it gave, never a stretch that it did not answer for
    for (const [from, targets] of stretch.links)
      for (const to of targets)
        expect(
          HOLED.some((hour) => at(hour) > from && at(hour) < to),
          `${hourOf(from)} to ${hourOf(to)}`,
        ).toBe(false)
    expect(stretch.seen.some((open) => open >= at(2600))).toBe(false)
    expect(pages.length).toBeLessThanOrEqual(60)
  })

  test('a server that lags has nothing after its last bar: that is what it says, and it is young', async () => {
    const { walk } = exchangeOf(market, hours(-100, NOW_HOUR + 1), { lagHours: 12 })
    const stretch = await walk(2900, NOW_HOUR, { beforeUs: at(2899) })
    checkSound(stretch)
    const last = NOW_HOUR - 12
    expect(within(stretch, 2900, NOW_HOUR)).toEqual(hours(2900, last + 1))
    expect(stretch.silentAfterUs).toBe(at(last))
  })

  test('a server that lacks a bar that is known to follow goes on there: nothing is linked over what it lacks', async () => {
    const { walk } = exchangeOf(market, [...hours(-100, 20), ...hours(200, 2900)])
    const stretch = await walk(0, 90, { beforeUs: at(-1), afterUs: at(90) })
    checkSound(stretch)
    expect(within(stretch, 0, 90)).toEqual(hours(0, 20))
    // its own answer has hours 19 and 200 next to each other: whoever holds the bar of hour 90 sees that it contradicts
    expect(proves(stretch, 19, 90)).toBe(false)
  })
})
