import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MadeAggregate, MadeTrade } from '../support/made-trades.ts'
import { aggregatesCsv, aggregatesOf, createMadeWorld, DAY, tradesCsv } from '../support/made-trades.ts'
import '../support/seeds.ts'

const NOON = 43_200_000

/** An aggregate and its trades, before ids are given. */
interface Drawn {
  /** units of each trade, and how many ids are not published before it */
  readonly trades: readonly { readonly units: number; readonly skipped: number }[]
  readonly tick: number
  readonly maker: boolean
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  trades: fc.array(fc.record({ units: fc.integer({ min: 1, max: 9_000_000 }), skipped: fc.constantFrom(0, 0, 0, 0, 1, 2) }), {
    minLength: 1,
    maxLength: 4,
  }),
  tick: fc.integer({ min: 1, max: 9_999_999 }),
  maker: fc.boolean(),
})

type Damage = 'lost-trade' | 'lost-aggregate' | 'units' | 'maker' | 'tick' | 'time' | 'first' | 'last'
const damage = fc.array(
  fc.record({
    kind: fc.constantFrom<Damage>('lost-trade', 'lost-trade', 'lost-aggregate', 'units', 'maker', 'tick', 'time', 'first', 'last'),
    at: fc.nat(),
  }),
  { maxLength: 6 },
)

function build(groups: readonly Drawn[]): { trades: MadeTrade[]; aggregates: MadeAggregate[] } {
  let id = 100
  const made = groups.map(({ trades, tick, maker }, i) =>
    trades.map(({ units, skipped }, k): MadeTrade => {
      id += 1 + skipped
      return { id, ms: NOON + i * 500 + k, tick, units, maker }
    }),
  )
  return { trades: made.flat(), aggregates: aggregatesOf(made) }
}

function spoil(day: ReturnType<typeof build>, wounds: readonly { kind: Damage; at: number }[]): ReturnType<typeof build> {
  const trades: (MadeTrade | undefined)[] = [...day.trades]
  const aggregates: (MadeAggregate | undefined)[] = [...day.aggregates]
  for (const { kind, at } of wounds) {
    const [i, k] = [at % trades.length, at % aggregates.length]
    const [trade, aggregate] = [trades[i], aggregates[k]]
    if (kind === 'lost-trade') trades[i] = undefined
    else if (kind === 'lost-aggregate') aggregates[k] = undefined
    else if (kind === 'units' && trade !== undefined) trades[i] = { ...trade, units: trade.units + (at % 3) - 1 || 1 }
    else if (kind === 'maker' && trade !== undefined) trades[i] = { ...trade, maker: !trade.maker }
    else if (kind === 'tick' && trade !== undefined) trades[i] = { ...trade, tick: trade.tick + 1 }
    else if (kind === 'time' && aggregate !== undefined) aggregates[k] = { ...aggregate, ms: aggregate.ms + 7 }
    else if (kind === 'first' && aggregate !== undefined) aggregates[k] = { ...aggregate, first: aggregate.first + 1 }
    else if (kind === 'last' && aggregate !== undefined) aggregates[k] = { ...aggregate, last: aggregate.last - 1 }
  }
  const left = aggregates.filter((one) => one !== undefined).filter(({ first, last }) => first <= last)
  // ids of aggregates have no hole, else the day would prove nothing
  return { trades: trades.filter((one) => one !== undefined), aggregates: left.map((one, i) => ({ ...one, id: 9000 + i })) }
}

/** What is wrong with a day, by its two texts alone, in whole numbers: each trade, and each cell, by itself. */
function findWrong(tradesText: string, aggregatesText: string): string[] {
  const linesOf = (text: string): string[][] =>
    text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
  const whole = (cell = ''): bigint => BigInt(cell.replace('.', ''))
  const byId = new Map(linesOf(tradesText).map(([id, price, quantity, , time, maker]) => [id, { price, quantity, time, maker }]))
  const named = new Set<string>()
  const wrong: string[] = []
  for (const [id, price, quantity, first, last, time, maker] of linesOf(aggregatesText)) {
    const ids = Array.from({ length: Number(last) - Number(first) + 1 }, (_none, i) => String(Number(first) + i))
    for (const one of ids) named.add(one)
    const own = ids.flatMap((one) => byId.get(one) ?? [])
    const lost = ids.filter((one) => !byId.has(one))
    const sum = own.reduce((total, one) => total + whole(one.quantity), 0n)
    const isLost = !byId.has(first ?? '') || !byId.has(last ?? '') || (lost.length > 0 && sum < whole(quantity))
    if (isLost) wrong.push(...lost.map((one) => `trade ${one} is missing`))
    else {
      if (sum !== whole(quantity)) wrong.push(`${id} quantity`)
      const times = own.map((one) => whole(one.time)).sort((a, b) => Number(a - b))
      if (whole(time) < (times[0] ?? 0n) || whole(time) > (times.at(-1) ?? 0n)) wrong.push(`${id} transact_time`)
    }
    if (own.some((one) => one.price !== price)) wrong.push(`${id} price`)
    if (own.some((one) => one.maker !== maker)) wrong.push(`${id} is_buyer_maker`)
  }
  for (const id of byId.keys()) if (!named.has(id ?? '')) wrong.push(`trade ${id} has no aggregate`)
  return wrong.sort()
}

describe('trades and aggregates at random', () => {
  test('what their texts say is what is told, and a day of which they say nothing is proved', () =>
    fc.assert(
      fc.asyncProperty(fc.array(drawn, { minLength: 3, maxLength: 40 }), damage, async (groups, wounds) => {
        const { trades, aggregates } = spoil(build(groups), wounds)
        fc.pre(trades.length > 0 && aggregates.length > 0)
        const texts = { trades: tradesCsv(trades), aggregates: aggregatesCsv(aggregates) }
        const wrong = findWrong(texts.trades, texts.aggregates)
        await using world = await createMadeWorld({ [DAY]: texts })
        expect(world.ingested).toMatchObject({ exit: 0, days: { complete: 2 } })
        const { exit, days } = await world.prove()
        const told = days.flatMap(({ differences }) =>
          differences.flatMap(({ kind, aggregate_id: id, first_trade_id: first, last_trade_id: last, column }) => {
            if (kind === 'value') return [`${id} ${column}`]
            const words = kind === 'missing-trades' ? 'is missing' : 'has no aggregate'
            return Array.from({ length: last - first + 1 }, (_none, i) => `trade ${first + i} ${words}`)
          }),
        )
        expect(told.sort()).toEqual(wrong)
        expect({ exit, outcome: days[0]?.outcome }).toEqual(
          wrong.length > 0 ? { exit: 3, outcome: 'differs' } : { exit: 0, outcome: 'proved' },
        )
        expect(world.evidence()).toEqual([wrong.length > 0 ? 'as-published' : 'proved'])
      }),
      { numRuns: 30 },
    ))
})
