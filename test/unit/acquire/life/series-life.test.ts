import { describe, expect, test } from 'vitest'
import type { RestAnswer } from '../../../../src/acquire/rest/rest-answer.ts'
import { askRest } from '../../../../src/acquire/rest/rest-question.ts'
import type { SeriesLifeOptions } from '../../../../src/acquire/life/series-life.ts'
import { CkvdError } from '../../../../src/errors.ts'
import type { Series } from '../../../../src/model/series.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import type { ExchangeInfo } from '../../../../src/sources/rest/exchange-info.ts'
import { seriesRowOf } from '../../../support/plans.ts'
import { at, HOUR_US, HOURS, hoursOf, infoOf, refusing, restOf } from '../bars.ts'
import { beginningsOf, lifeOf } from '../lives.ts'

const signal = new AbortController().signal
const FIRST = at('2024-03-02T05:00:00Z')
const LATER = at('2024-03-09T00:00:00Z')

describe('where a series begins', () => {
  test('with REST\'s answer to "the first one of all", when that is not later than the first bar that is held', async () => {
    const rest = restOf([], { first: FIRST })
    const life = lifeOf({ rest })
    expect(await life.begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
    expect(life.bounds.startUs).toBe(FIRST)
    expect(rest.firstAsked).toEqual([{ interval: '1h', heldUs: LATER }])
  })

  test('is asked once, however many want to know', async () => {
    const rest = restOf([], { first: FIRST })
    const life = lifeOf({ rest })
    await Promise.all([life.begin(null), life.begin(LATER), life.begin(LATER)])
    await life.begin(LATER)
    expect(rest.firstAsked).toHaveLength(1)
  })

  test('is not asked where an answer of REST is known: of an earlier run, or of a shorter interval of the symbol', async () => {
    const rest = restOf([])
    const known = lifeOf({ rest, known: seriesRowOf({ firstOpenUs: FIRST, firstSource: 'rest' }) })
    expect(await known.begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
    const minutes = { ...HOURS, interval: '1m' as const, firstOpenUs: FIRST + 17 * 60_000_000 }
    const told = lifeOf({ rest, beginnings: beginningsOf([minutes]) })
    // the hour in which the first minute opens
    expect(await told.begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
    // a longer interval does not tell: its first bar holds many hours
    const days = { ...HOURS, interval: '1d' as const, firstOpenUs: at('2024-03-02T00:00:00Z') }
    const asking = restOf([], { first: FIRST })
    await lifeOf({ rest: asking, beginnings: beginningsOf([days]) }).begin(LATER)
    expect(asking.firstAsked).toHaveLength(1)
    expect(rest.firstAsked).toEqual([])
  })

  test.each([
    ['in the catalog of the series', { known: seriesRowOf({ firstOpenUs: LATER, firstSource: 'rest' }) }],
    ['in that of the symbol', { beginnings: beginningsOf([{ ...HOURS, firstOpenUs: LATER }]) }],
  ])('is asked again where what is remembered %s is later than a bar that is held', async (_name, remembered) => {
    const rest = restOf([], { first: FIRST })
    const life = lifeOf({ rest, ...remembered })
    expect(await life.begin(null)).toMatchObject({ startUs: LATER })
    expect(rest.firstAsked).toEqual([])
    const held = at('2024-03-04T00:00:00Z')
    for (let times = 0; times < 2; times++) expect(await life.begin(held)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
    expect(rest.firstAsked).toHaveLength(1)
  })

  test('is asked again where what this run was told before it held a bar is later than that; not twice for one bar', async () => {
    const rest = restOf([], { first: LATER })
    const life = lifeOf({ rest, earliestInArchives: () => Promise.resolve(FIRST) })
    expect(await life.begin(null)).toMatchObject({ startUs: LATER, source: 'rest' })
    const held = at('2024-03-04T00:00:00Z')
    for (let times = 0; times < 2; times++) expect(await life.begin(held)).toEqual({ known: true, startUs: FIRST, source: 'archives' })
    expect(rest.firstAsked).toHaveLength(2)
  })

  test('is asked for the shortest interval that is wanted, and kept for the others', async () => {
    const rest = restOf([], { first: FIRST + 17 * 60_000_000 })
    const beginnings = beginningsOf([], '1m')
    expect(await lifeOf({ rest, beginnings }).begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
    // up to the last minute of the hour that is held
    expect(rest.firstAsked).toEqual([{ interval: '1m', heldUs: LATER + HOUR_US - 1 }])
    expect(beginnings.rows).toEqual([{ market: 'spot', symbol: 'AAAUSDT', interval: '1m', firstOpenUs: FIRST + 17 * 60_000_000 }])
    expect(await lifeOf({ rest, beginnings }).begin(LATER)).toMatchObject({ startUs: FIRST })
    expect(rest.firstAsked).toHaveLength(1)
  })

  test('in its archives where REST has a later first bar: a symbol with a second life', async () => {
    const life = lifeOf({ rest: restOf([], { first: LATER }), earliestInArchives: () => Promise.resolve(FIRST) })
    expect(await life.begin(at('2024-03-04T00:00:00Z'))).toEqual({ known: true, startUs: FIRST, source: 'archives' })
  })

  test('in its archives where REST does not know the symbol and exchangeInfo says that it is gone', async () => {
    const life = lifeOf({ rest: restOf([], { first: 'unlisted' }), earliestInArchives: () => Promise.resolve(FIRST) })
    expect(await life.begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'archives' })
  })

  test.each<[string, ExchangeInfo | Error]>([
    ['names it as trading', infoOf(HOURS.symbol)],
    ['cannot be had', new CkvdError('CKVD_HTTP_STATUS', 'no')],
    ['is an old copy', { ...infoOf(), serverTimeMs: Date.now() - 3 * 86_400_000 }],
    ['names no symbol that trades', { ...infoOf(), trading: new Set<string>() }],
  ])('is not known where REST does not know the symbol and exchangeInfo %s', async (_name, trading) => {
    const life = lifeOf({ rest: restOf([], { first: 'unlisted', trading }) })
    expect(await life.begin(LATER)).toMatchObject({ known: false, doubt: { source: null, reason: 'not-ended' } })
    expect(life.bounds.startUs).toBeNull()
  })

  test('is not known where what came proves nothing, or the first archives cannot be read', async () => {
    expect(await lifeOf({ rest: restOf([], { first: 'unproved' }) }).begin(LATER)).toMatchObject({
      known: false,
      doubt: { reason: 'no-witness' },
    })
    const unread = lifeOf({
      rest: restOf([], { first: 'unlisted' }),
      earliestInArchives: () => Promise.reject(new CkvdError('CKVD_HTTP_NETWORK', 'no way')),
    })
    expect(await unread.begin(LATER)).toMatchObject({ known: false, doubt: { reason: 'no-witness' } })
  })

  test('provisionally with the first bar that is held where REST is off or cannot be asked; it is asked when it answers', async () => {
    for (const rest of [null, refusing(new CkvdError('CKVD_HTTP_NETWORK', 'no way')), refusing(new CkvdError('CKVD_FORBIDDEN', 'here'))])
      expect(await lifeOf({ rest }).begin(LATER)).toEqual({ known: true, startUs: LATER, source: 'provisional' })
    const known = seriesRowOf({ firstOpenUs: LATER, firstSource: 'provisional' })
    expect(await lifeOf({ rest: null, known }).begin(LATER)).toMatchObject({ source: 'provisional' })
    const rest = restOf([], { first: FIRST })
    expect(await lifeOf({ rest, known }).begin(LATER)).toEqual({ known: true, startUs: FIRST, source: 'rest' })
  })

  test('an interrupt and a bug are thrown', async () => {
    for (const error of [new CkvdError('CKVD_ABORTED', 'stop'), new TypeError('oh')])
      expect(
        await lifeOf({ rest: refusing(error) })
          .begin(LATER)
          .catch((reason: unknown) => reason),
      ).toBe(error)
  })

  test('a bar from before the beginning that was believed opens the days before it', async () => {
    const life = lifeOf({ rest: restOf([], { first: LATER }) })
    await life.begin(LATER)
    life.saw(FIRST)
    expect([life.bounds.startUs, life.lastOpenUs]).toEqual([FIRST, FIRST])
  })
})

const LAST = at('2024-03-10T08:00:00Z')
/** the end of its slot */
const END = LAST + HOUR_US

/** What REST answers to the question for the days from 2024-03-10 on of a series whose last bar opens at 08:00 of it. */
function silentAfterLast(): Promise<RestAnswer> {
  const gap = { startUs: at('2024-03-10T00:00:00Z'), endUs: at('2024-03-12T00:00:00Z'), bars: 48 }
  return askRest(
    HOURS,
    [gap],
    { times: [], firstUs: null, nowUs: 0 },
    restOf([...hoursOf('2024-03-09'), ...hoursOf('2024-03-10', 0, 9)]),
    signal,
  )
}

const unknownSymbol: RestAnswer = { kind: 'silent', reachUs: -Infinity, reason: 'unknown-symbol', note: null, passing: false, error: null }

async function endOf(options: Partial<SeriesLifeOptions>, answer?: RestAnswer, lastUs: number | null = LAST) {
  const life = lifeOf({ rest: restOf([]), ...options })
  const ending = await life.end(lastUs, answer ?? (await silentAfterLast()), at('2024-03-10T00:00:00Z'))
  expect(life.endedUs).toBe(ending.ended ? ending.atUs : null)
  return ending
}

describe('whether a series has ended', () => {
  test('after three days and one bar of silence behind its last bar, when exchangeInfo does not name it as trading', async () => {
    const three = 3 * 24 * HOUR_US
    expect(await endOf({ nowUs: END + three + HOUR_US })).toEqual({ ended: true, atUs: END, leftOut: null })
    expect(await endOf({ nowUs: END + three + HOUR_US - 1 })).toMatchObject({ ended: false, young: true, doubt: { reason: 'young' } })
    // named, and not trading
    const trading = { ...infoOf(), named: new Set([HOURS.symbol]) }
    expect(await endOf({ rest: restOf([], { trading }) })).toEqual({ ended: true, atUs: END, leftOut: null })
  })

  test.each<[string, Partial<SeriesLifeOptions>]>([
    ['exchangeInfo names it as trading', { rest: restOf([], { trading: infoOf(HOURS.symbol) }) }],
    ['exchangeInfo cannot be had', { rest: restOf([], { trading: new CkvdError('CKVD_HTTP_STATUS', 'no') }) }],
    ['exchangeInfo is no whole body', { rest: restOf([], { trading: new CkvdError('CKVD_REST_BODY', 'half') }) }],
    ['exchangeInfo is an old copy', { rest: restOf([], { trading: { ...infoOf(), serverTimeMs: Date.now() - 3 * 86_400_000 } }) }],
    ['exchangeInfo names nothing that trades', { rest: restOf([], { trading: { ...infoOf(), trading: new Set<string>() } }) }],
    ['the listing of its market is behind', { isListingBehind: () => Promise.resolve(true) }],
    ['REST is off', { rest: null }],
  ])('not where %s, by silence or by an unknown symbol', async (_name, options) => {
    for (const answer of [undefined, unknownSymbol])
      expect(await endOf(options, answer)).toMatchObject({ ended: false, doubt: { source: null } })
  })

  test('where klines do not know the symbol, and exchangeInfo does not either, without any silence', async () => {
    expect(await endOf({ nowUs: END + HOUR_US }, unknownSymbol)).toEqual({ ended: true, atUs: END, leftOut: null })
    // no bar is known: nothing is expected where nothing is known
    expect(await endOf({}, unknownSymbol, null)).toEqual({ ended: true, atUs: at('2024-03-10T00:00:00Z'), leftOut: null })
  })

  test('with the last bar of archives that were not taken, of which it is known why it is missing', async () => {
    const latestUs = END + 40 * HOUR_US
    const told = await endOf({ latestInArchives: () => Promise.resolve(latestUs) }, unknownSymbol)
    expect(told).toMatchObject({ ended: true, atUs: latestUs + HOUR_US, leftOut: { source: null, reason: 'other-archives' } })
    const unread = { latestInArchives: () => Promise.reject(new CkvdError('CKVD_HTTP_NETWORK', 'no way')) }
    expect(await endOf(unread, unknownSymbol)).toMatchObject({ ended: false, doubt: { reason: 'not-ended' } })
  })

  test('not by an answer that has no bar, or a last one before one that is known', async () => {
    const nothing = await askRest(
      HOURS,
      [{ startUs: LAST, endUs: END, bars: 1 }],
      { times: [], firstUs: null, nowUs: 0 },
      restOf([]),
      signal,
    )
    expect(await endOf({}, nothing)).toMatchObject({ ended: false, doubt: { reason: 'no-witness' } })
    expect(await endOf({}, undefined, LAST + 5 * HOUR_US)).toMatchObject({ ended: false, doubt: { reason: 'contradiction' } })
  })

  test.each(['rest-off', 'rest-failed'] as const)('not by silence of REST itself (%s)', async (reason) => {
    const silent: RestAnswer = { kind: 'silent', reachUs: -Infinity, reason, note: null, passing: true, error: null }
    expect(await endOf({}, silent)).toMatchObject({ ended: false, doubt: { reason: 'not-ended' } })
  })

  test('a dated contract has ended before anybody is asked; a bar from behind its date says that it has not', () => {
    const series: Series = { market: 'um', symbol: 'BTCUSDT_240310', interval: '1h' }
    const end = at('2024-03-10T08:00:00Z')
    const life = lifeOf({ series, nowUs: at('2024-04-10T00:00:00Z') })
    expect(life.bounds.endUs).toBe(end)
    life.saw(end - HOUR_US)
    expect(life.bounds.endUs).toBe(end)
    life.saw(end)
    expect(life.bounds.endUs).toBeNull()
    expect(lifeOf({ series, nowUs: end - 1 }).bounds.endUs).toBeNull()
  })

  test('a dated contract ends by its name, once its date has passed, whatever exchangeInfo says', async () => {
    const series: Series = { market: 'cm', symbol: 'BTCUSD_240310', interval: '1h' }
    const rest = restOf([], { trading: infoOf(series.symbol) })
    const after = { series, rest, nowUs: at('2024-03-10T10:00:00Z') }
    expect(await endOf(after)).toEqual({ ended: true, atUs: END, leftOut: null })
    expect(await endOf(after, unknownSymbol)).toEqual({ ended: true, atUs: END, leftOut: null })
    expect(rest.infoAsked).toBe(0)
    expect(await endOf({ ...after, nowUs: at('2024-03-10T07:59:59Z') })).toMatchObject({ ended: false })
    // a name of spot is no date
    expect(await endOf({ ...after, series: { ...series, market: 'spot' } })).toMatchObject({ ended: false })
  })

  test('an interrupt and a bug are thrown', async () => {
    for (const error of [new CkvdError('CKVD_ABORTED', 'stop'), new CkvdError('CKVD_BUG', 'oh'), new TypeError('oh')])
      expect(await endOf({ rest: restOf([], { trading: error }) }).catch((reason: unknown) => reason)).toBe(error)
  })

  test('the end that an earlier run found is believed while exchangeInfo still says so, and no later bar is known', async () => {
    const known = seriesRowOf({ lastOpenUs: LAST, endedUs: END })
    const gone = lifeOf({ rest: restOf([]), known })
    expect([await gone.rememberedEnd(), gone.bounds.endUs]).toEqual([END, END])
    const back = lifeOf({ rest: restOf([], { trading: infoOf(HOURS.symbol) }), known })
    expect([await back.rememberedEnd(), back.bounds.endUs]).toEqual([null, null])
    const later = lifeOf({ rest: restOf([]), known })
    later.saw(END)
    expect([await later.rememberedEnd(), later.bounds.endUs]).toEqual([null, null])
  })
})

test('the end of what is asked for is never the end of a series: only in the last chunk that is known it may end', () => {
  const day = (name: string): UtcDay => name as UtcDay
  const life = lifeOf({ lastKnownDay: day('2024-03-10') })
  expect(['2024-03-09', '2024-03-10', '2024-03-11'].map((name) => life.mayEndIn(day(name)))).toEqual([false, true, true])
  expect(lifeOf({ lastKnownDay: day('2024-03-10'), goesOn: true }).mayEndIn(day('2024-03-11'))).toBe(false)
  life.saw(at('2024-03-11T00:00:00Z'))
  expect(['2024-03-10', '2024-03-11'].map((name) => life.mayEndIn(day(name)))).toEqual([false, true])
})
