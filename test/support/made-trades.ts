import { ingestResult, jsonOf } from './ckvd.ts'
import { createTickWorld } from './ticks.ts'

/*
 * Days of trades of USDⓈ-M and their aggregates as text, made of whole numbers, and what `ckvd prove` says of them.
 */

export const DAY = '2024-03-01'
const NEXT = '2024-03-02'

/** A trade in whole ticks of 0.01 and whole units of 0.001; the time in milliseconds of the day `DAY`, which may lie before or behind it. */
export interface MadeTrade {
  readonly id: number
  readonly ms: number
  readonly tick: number
  readonly units: number
  readonly maker: boolean
}

/** An aggregate, its quantity in the same units. */
export interface MadeAggregate extends MadeTrade {
  readonly first: number
  readonly last: number
}

function decimal(value: bigint | number, places: number): string {
  const text = String(value).padStart(places + 1, '0')
  return `${text.slice(0, -places)}.${text.slice(-places)}`
}

function timeOf(ms: number): number {
  return Date.parse(`${DAY}T00:00:00Z`) + ms
}

export function tradesCsv(trades: readonly MadeTrade[]): string {
  const lines = trades.map(({ id, ms, tick, units, maker }) =>
    [id, decimal(tick, 2), decimal(units, 3), decimal(BigInt(tick) * BigInt(units), 5), timeOf(ms), String(maker)].join(','),
  )
  return ['id,price,qty,quote_qty,time,is_buyer_maker', ...lines, ''].join('\n')
}

export function aggregatesCsv(aggregates: readonly MadeAggregate[]): string {
  const lines = aggregates.map(({ id, ms, tick, units, maker, first, last }) =>
    [id, decimal(tick, 2), decimal(units, 3), first, last, timeOf(ms), String(maker)].join(','),
  )
  return ['agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker', ...lines, ''].join('\n')
}

/** One aggregate a group of trades: what they are worth it is worth, its time is that of the last one. */
export function aggregatesOf(groups: readonly (readonly MadeTrade[])[], firstId = 9000): MadeAggregate[] {
  return groups.map((group, i) => {
    const [first, last] = [group[0] as MadeTrade, group.at(-1) as MadeTrade]
    const units = group.reduce((sum, trade) => sum + trade.units, 0)
    return { id: firstId + i, ms: last.ms, tick: first.tick, units, maker: first.maker, first: first.id, last: last.id }
  })
}

/** What of a day `ckvd prove --json` tells. */
export interface ToldDay {
  readonly day: string
  readonly outcome: string
  readonly trades: number
  readonly aggregates: number
  readonly unpublished: number
  readonly differences: readonly {
    readonly kind: string
    readonly time: string
    readonly aggregate_id: number | null
    readonly first_trade_id: number
    readonly last_trade_id: number
    readonly column: string | null
    readonly trades: unknown
    readonly aggregate: unknown
  }[]
  readonly further: number
  readonly reason: string | null
}

/** A lake of trades and aggregates of BTCUSDT, each a text a day; `''`: no archive. */
export async function createMadeWorld(days: Readonly<Record<string, { readonly trades: string; readonly aggregates: string }>>) {
  const world = await createTickWorld('2024-06-01T12:00:00Z')
  const names = Object.keys(days).sort()
  const publish = async (dataset: 'trades' | 'aggTrades', day: string, csv: string): Promise<void> => {
    if (csv !== '') await world.publish('um', dataset, 'BTCUSDT', day, csv)
  }
  const all = [...names, NEXT].sort()
  const range = ['--market', 'um', '--start', all[0] ?? DAY, '--end', all.length > 1 && names.includes(NEXT) ? '2024-03-03' : NEXT]
  const ingest = async (...args: string[]) =>
    ingestResult(await world.run('ingest', 'BTCUSDT', '--data', 'trades,aggTrades', ...range, '--no-rest', '--json', '--quiet', ...args))
  for (const [day, { trades, aggregates }] of Object.entries(days)) {
    await publish('trades', day, trades)
    await publish('aggTrades', day, aggregates)
  }
  const ingested = await ingest()
  return {
    ...world,
    range,
    ingested,
    ingest,
    publishDay: publish,
    prove: async (...args: string[]) => {
      const answer = await world.run('prove', 'BTCUSDT', '--market', 'um', '--json', ...args)
      const { trades } = jsonOf(answer) as { trades: { dataset: string; days: ToldDay[] }[] }
      return { exit: answer.exit, days: trades[0]?.days ?? [] }
    },
    /** of the days of trades, in order */
    evidence: () =>
      world
        .days()
        .filter(({ evidence }) => evidence !== null)
        .map(({ evidence }) => evidence),
  }
}
