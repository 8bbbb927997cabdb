import { describe, expect, test } from 'vitest'
import { library } from '../support/library.ts'
import type { MadeAggregate, MadeTrade } from '../support/made-trades.ts'
import { aggregatesCsv, aggregatesOf, createMadeWorld, DAY, tradesCsv } from '../support/made-trades.ts'

const NOON = 43_200_000
const MIDNIGHT = 86_400_000
const NEXT = '2024-03-02'

/** Groups of one to four trades, each of one price, flag and moment or two; between groups and within them some ids are not published. */
const GROUPS: readonly (readonly MadeTrade[])[] = (() => {
  let id = 1_000_000
  return Array.from({ length: 60 }, (_none, i) => {
    // a hole between two aggregates, which neither names
    if (i % 11 === 5) id += 3
    return Array.from({ length: 1 + (i % 4) }, (_other, k): MadeTrade => {
      // and one within an aggregate, which does not count it
      if (i % 12 === 7 && k === 1) id += 2
      return {
        id: id++,
        ms: NOON + i * 700 + k * 20,
        tick: 10_000 + ((i * 37) % 101),
        units: 1 + ((i * 31 + k * 977) % 5003),
        maker: i % 3 === 0,
      }
    })
  })
})()
const TRADES = GROUPS.flat()
const AGGREGATES = aggregatesOf(GROUPS)
const UNPUBLISHED = 5 * 3 + 5 * 2

const only = (trades: readonly MadeTrade[] = TRADES, aggregates: readonly MadeAggregate[] = AGGREGATES) =>
  createMadeWorld({ [DAY]: { trades: tradesCsv(trades), aggregates: aggregatesCsv(aggregates) } })

/** The group of at least so many trades, with its aggregate. */
function groupOf(trades: number, from = 10): { readonly group: readonly MadeTrade[]; readonly aggregate: MadeAggregate } {
  const at = GROUPS.findIndex(
    (group, i) => i >= from && group.length >= trades && (group.at(-1)?.id ?? 0) - (group[0]?.id ?? 0) === group.length - 1,
  )
  return { group: GROUPS[at] as MadeTrade[], aggregate: AGGREGATES[at] as MadeAggregate }
}

describe('trades of futures that are proved by their aggregates', () => {
  test('each of a day, whatever ids are not published: the command says so, the evidence of the day, and the library', async () => {
    await using world = await only()
    expect(world.ingested).toMatchObject({ exit: 0, days: { complete: 2 } })
    expect(world.evidence()).toEqual(['as-published'])
    const told = await world.prove()
    expect(told).toMatchObject({
      exit: 0,
      days: [
        {
          day: DAY,
          outcome: 'proved',
          trades: TRADES.length,
          aggregates: 60,
          unpublished: UNPUBLISHED,
          differences: [],
          further: 0,
          reason: null,
        },
      ],
    })
    expect(world.evidence()).toEqual(['proved'])
    const text = await world.run('prove')
    expect(text).toMatchObject({ exit: 0 })
    expect(text.stdout).toContain('Each aggregate is what its trades are. (exit 0)')
    expect((await world.run('verify')).exit).toBe(0)
    const options = { lake: world.lake, sandbox: true, data: ['trades'] }
    expect(await library.prove(options)).toMatchObject({
      exit: 0,
      series: [],
      trades: [{ symbol: 'BTCUSDT', market: 'um', dataset: 'trades' }],
    })
    await expect(library.prove({ ...options, data: ['aggTrades'] })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
    await expect(library.prove({ ...options, data: ['klines'] })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
    expect(await world.run('prove', '--data', 'klines,aggTrades')).toMatchObject({ exit: 2 })
    // another ingest leaves what was proved, one that takes the day anew does not
    await world.ingest()
    expect(world.evidence()).toEqual(['proved'])
    await world.publishDay('trades', DAY, tradesCsv(TRADES.filter(({ id }) => id !== groupOf(3).group[1]?.id)))
    await world.ingest('--refresh')
    expect(world.evidence()).toEqual(['as-published'])
    expect(await world.prove()).toMatchObject({ exit: 3, days: [{ outcome: 'differs' }] })
    expect(world.evidence()).toEqual(['as-published'])
  })

  test('what was proved and is no more loses the word', async () => {
    await using world = await only()
    expect((await world.prove()).exit).toBe(0)
    await world.publishDay('aggTrades', DAY, aggregatesCsv(AGGREGATES.map((one, i) => (i === 30 ? { ...one, units: one.units + 1 } : one))))
    await world.ingest('--refresh')
    expect(await world.prove()).toMatchObject({ exit: 3, days: [{ outcome: 'differs' }] })
    expect(world.evidence()).toEqual(['as-published'])
  })

  const { group, aggregate } = groupOf(3)
  const [first, middle, last] = group as [MadeTrade, MadeTrade, MadeTrade]
  const without = (...ids: readonly number[]): MadeTrade[] => TRADES.filter(({ id }) => !ids.includes(id))
  const units = (...trades: readonly MadeTrade[]): number => trades.reduce((sum, trade) => sum + trade.units, 0) / 1000
  const other = (change: (one: MadeAggregate) => Partial<MadeAggregate>): MadeAggregate[] =>
    AGGREGATES.map((one) => (one.id === aggregate.id ? { ...one, ...change(one) } : one))
  const named = { aggregate_id: aggregate.id, first_trade_id: first.id, last_trade_id: aggregate.last }

  test.each<[string, readonly MadeTrade[], readonly MadeAggregate[], object]>([
    [
      'a trade in the middle of an aggregate is missing',
      without(middle.id),
      AGGREGATES,
      {
        kind: 'missing-trades',
        aggregate_id: aggregate.id,
        first_trade_id: middle.id,
        last_trade_id: middle.id,
        trades: units(...group.filter((one) => one !== middle)),
        aggregate: units(...group),
      },
    ],
    [
      'its first trade is missing',
      without(first.id),
      AGGREGATES,
      { kind: 'missing-trades', aggregate_id: aggregate.id, first_trade_id: first.id, last_trade_id: first.id },
    ],
    [
      'its last trade is missing, and what it was stands in another one',
      without(group.at(-1)?.id ?? 0).map((trade) =>
        trade === middle ? { ...trade, units: middle.units + (group.at(-1)?.units ?? 0) } : trade,
      ),
      AGGREGATES,
      { kind: 'missing-trades', aggregate_id: aggregate.id, first_trade_id: aggregate.last, last_trade_id: aggregate.last },
    ],
    [
      'all trades of two aggregates are missing',
      TRADES.filter(({ id }) => id < (GROUPS[20]?.[0]?.id ?? 0) || id > (GROUPS[21]?.at(-1)?.id ?? 0)),
      AGGREGATES,
      {
        kind: 'missing-trades',
        aggregate_id: AGGREGATES[20]?.id,
        first_trade_id: AGGREGATES[20]?.first,
        last_trade_id: AGGREGATES[21]?.last,
        trades: 0,
        aggregate: units(...(GROUPS[20] ?? []), ...(GROUPS[21] ?? [])),
      },
    ],
    [
      'the day is cut in the afternoon',
      TRADES.slice(0, TRADES.indexOf(first)),
      AGGREGATES.slice(0, AGGREGATES.indexOf(aggregate) + 1),
      { kind: 'missing-trades', ...named },
    ],
    [
      'a trade has another quantity',
      TRADES.map((trade) => (trade === middle ? { ...trade, units: middle.units + 1 } : trade)),
      AGGREGATES,
      { kind: 'value', ...named, column: 'quantity', trades: (units(...group) * 1000 + 1) / 1000, aggregate: units(...group) },
    ],
    [
      'a trade has another flag',
      TRADES.map((trade) => (trade === last ? { ...trade, maker: !last.maker } : trade)),
      AGGREGATES,
      { kind: 'value', ...named, column: 'is_buyer_maker', trades: !last.maker, aggregate: last.maker },
    ],
    [
      'a trade has another price',
      TRADES.map((trade) => (trade === last ? { ...trade, tick: last.tick + 1 } : trade)),
      AGGREGATES,
      { kind: 'value', ...named, column: 'price', trades: (last.tick + 1) / 100, aggregate: last.tick / 100 },
    ],
    [
      'an aggregate has a time of none of its trades',
      TRADES,
      other(({ ms }) => ({ ms: ms + 1 })),
      { kind: 'value', ...named, column: 'transact_time' },
    ],
    [
      'an aggregate names trades of the one before it',
      TRADES,
      other((one) => ({ first: one.first - 1 })),
      { kind: 'range', aggregate_id: aggregate.id },
    ],
    [
      'aggregates are cut in the afternoon',
      TRADES.slice(0, TRADES.indexOf(first) + group.length),
      AGGREGATES.slice(0, AGGREGATES.indexOf(aggregate)),
      { kind: 'no-aggregate', aggregate_id: null, first_trade_id: first.id, last_trade_id: aggregate.last },
    ],
    [
      'one aggregate is there no more, and the others are counted as if it had never been',
      TRADES,
      AGGREGATES.filter(({ id }) => id !== aggregate.id).map((one, i) => ({ ...one, id: 9000 + i })),
      { kind: 'no-aggregate', aggregate_id: null, first_trade_id: first.id, last_trade_id: aggregate.last },
    ],
  ])('%s: that is told with its ids, and the exit code is 3', async (_name, trades, aggregates, difference) => {
    await using world = await only(trades, aggregates)
    expect(world.ingested).toMatchObject({ exit: 0, days: { complete: 2 } })
    const { exit, days } = await world.prove()
    expect(exit).toBe(3)
    expect(days).toMatchObject([{ outcome: 'differs', further: 0 }])
    expect(days[0]?.differences[0]).toMatchObject(difference)
    // of a range that is none its trades have no aggregate
    expect(days[0]?.differences.length).toBe((difference as { kind: string }).kind === 'range' ? 2 : 1)
    expect(world.evidence()).toEqual(['as-published'])
    const text = await world.run('prove')
    expect(text.exit).toBe(3)
    expect(text.stdout).toContain('Not all trades are proved by their aggregates. (exit 3)')
    expect(text.stdout).toContain(String((difference as { aggregate_id?: number }).aggregate_id ?? first.id))
  })

  test('aggregates with a hole prove nothing, nor does a day that has one of both', async () => {
    await using holed = await only(
      TRADES,
      AGGREGATES.filter(({ id }) => id !== aggregate.id),
    )
    expect(await holed.prove()).toMatchObject({
      exit: 3,
      days: [{ outcome: 'not-comparable', reason: expect.stringMatching(/^aggTrades: unexplainable .*id 9/) as string }],
    })
    await using world = await createMadeWorld({
      [DAY]: { trades: tradesCsv(TRADES), aggregates: aggregatesCsv(AGGREGATES) },
      [NEXT]: { trades: tradesCsv(TRADES.map((trade) => ({ ...trade, id: trade.id + 5000, ms: trade.ms + MIDNIGHT }))), aggregates: '' },
    })
    // without a name the days are proved that have both
    expect(await world.prove()).toMatchObject({ exit: 0, days: [{ day: DAY, outcome: 'proved' }] })
    expect(await world.prove('--data', 'trades')).toMatchObject({
      exit: 3,
      days: [
        { day: DAY, outcome: 'proved' },
        { day: NEXT, outcome: 'not-comparable', reason: expect.stringMatching(/^aggTrades: /) as string },
      ],
    })
  })

  test('an aggregate whose trades lie on both sides of midnight is proved with the day beside it, and without that it is not', async () => {
    const at = (id: number, ms: number): MadeTrade => ({ id, ms, tick: 500, units: id, maker: true })
    const evening = [at(10, MIDNIGHT - 5000), at(11, MIDNIGHT - 30), at(12, MIDNIGHT - 20)]
    const morning = [at(13, MIDNIGHT + 10), at(14, MIDNIGHT + 9000), at(15, MIDNIGHT + 9500)]
    const [late, across, ...early] = aggregatesOf([
      evening.slice(0, 1),
      [...evening.slice(1), ...morning.slice(0, 1)],
      morning.slice(1, 2),
      morning.slice(2),
    ])
    // the time of an aggregate is that of its last trade, or of its first one
    for (const isLast of [true, false]) {
      const own = { ...(across as MadeAggregate), ms: isLast ? MIDNIGHT + 10 : MIDNIGHT - 30 }
      const aggregates = isLast ? [[late], [own, ...early]] : [[late, own], early]
      const [today, tomorrow] = aggregates.map((list) => aggregatesCsv(list as MadeAggregate[]))
      const days = {
        [DAY]: { trades: tradesCsv(evening), aggregates: today ?? '' },
        [NEXT]: { trades: tradesCsv(morning), aggregates: tomorrow ?? '' },
      }
      await using world = await createMadeWorld(days)
      expect(world.ingested).toMatchObject({ exit: 0, days: { complete: 4 } })
      expect(await world.prove()).toMatchObject({
        exit: 0,
        days: [
          { outcome: 'proved', trades: 3 },
          { outcome: 'proved', trades: 3 },
        ],
      })
      await using alone = await createMadeWorld({ [NEXT]: days[NEXT] })
      expect(await alone.prove()).toMatchObject({
        exit: 3,
        days: [
          {
            outcome: 'not-comparable',
            reason: `rows at midnight may belong to ${isLast ? 'trades' : 'aggTrades'} of the day before: the lake has none of this day`,
          },
        ],
      })
      // the trade at midnight is nowhere
      await using lacking = await createMadeWorld({ ...days, [DAY]: { trades: tradesCsv(evening.slice(0, 2)), aggregates: today ?? '' } })
      expect(await lacking.prove()).toMatchObject({
        exit: 3,
        days: isLast
          ? [
              { outcome: 'proved' },
              { outcome: 'differs', differences: [{ kind: 'missing-trades', first_trade_id: 12, last_trade_id: 12 }] },
            ]
          : [
              { outcome: 'differs', differences: [{ kind: 'missing-trades', first_trade_id: 12, last_trade_id: 12 }] },
              { outcome: 'proved' },
            ],
      })
    }
  })

  test('days of several row groups, also where ids and times stand in another order', async () => {
    const count = 150_000
    // two moments of every thousand are swapped, also where a row group ends
    const swapped = (i: number): number => (i % 1000 === 535 ? i + 1 : i % 1000 === 536 ? i - 1 : i)
    const trades = Array.from({ length: count }, (_none, i): MadeTrade => ({
      id: i,
      ms: swapped(i) * 500,
      tick: 700,
      units: 1 + (i % 97),
      maker: false,
    }))
    const groups = Array.from({ length: count / 2 }, (_none, i) => trades.slice(2 * i, 2 * i + 2))
    const whole = aggregatesOf(groups).map((one, i) => ({ ...one, ms: groups[i]?.[0]?.ms ?? 0 }))
    const day = { trades: tradesCsv(trades), aggregates: aggregatesCsv(whole) }
    await using world = await createMadeWorld({ [DAY]: day })
    expect(await world.prove()).toMatchObject({
      exit: 0,
      days: [{ outcome: 'proved', trades: count, aggregates: count / 2, unpublished: 0 }],
    })
    const lost = [65_535, 65_536, 131_071, 149_999]
    await using lacking = await createMadeWorld({ [DAY]: { ...day, trades: tradesCsv(trades.filter(({ id }) => !lost.includes(id))) } })
    const { days } = await lacking.prove()
    expect(days[0]?.differences.map(({ first_trade_id, last_trade_id }) => [first_trade_id, last_trade_id])).toEqual(
      lost.map((id) => [id, id]),
    )
    // what differs everywhere is told a thousand times, and counted
    await using other = await createMadeWorld({
      [DAY]: { ...day, aggregates: aggregatesCsv(whole.map((one) => ({ ...one, units: one.units + 1 }))) },
    })
    const all = (await other.prove()).days[0]
    expect([all?.differences.length, all?.further]).toEqual([1000, count / 2 - 1000])
  })
})
