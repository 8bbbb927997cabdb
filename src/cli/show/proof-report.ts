import { seriesLabel } from '../../dataset/names.ts'
import type { Series } from '../../model/series.ts'
import type { ProofDifference, ProvenDay } from '../../resample/prove.ts'
import type { ProofResult } from '../../resample/prove-lake.ts'
import type { ProvenTrades } from '../../resample/prove-trades.ts'
import type { TradeDifference } from '../../resample/trade-difference.ts'
import { cleanLine } from '../../terminal-text.ts'
import type { Output } from './output.ts'
import { formatCount, formatCountOf, printTable } from './output.ts'
import { shortList } from './short-list.ts'

type ProvenSeriesOf<Day> = Series & { readonly days: readonly Day[] }

/** A line a series, then what differs and what could not be compared. */
export function printProof(output: Output, { series, trades, exit }: ProofResult): void {
  if (series.length > 0) printCounts(output, series, [['bars', ({ bars }) => bars]])
  if (trades.length > 0)
    printCounts(output, trades, [
      ['trades', (day) => day.trades],
      ['aggregates', ({ aggregates }) => aggregates],
      ['ids not published', ({ unpublished }) => unpublished],
    ])
  const differing = [
    ...linesOf(series, (own, { differences }) => differences.map((one) => differenceLine(own, one))),
    ...linesOf(trades, (own, { differences }) => differences.map((one) => tradeLine(own, one))),
  ]
  const further = trades.reduce((sum, { days }) => days.reduce((more, day) => more + day.further, sum), 0)
  const others = linesOf<ProvenDay | ProvenTrades>([...series, ...trades], (own, { day, reason }) =>
    reason === null ? [] : [`${seriesLabel(own)} ${day}: ${reason}`],
  )
  if (differing.length > 0) output.write(shortList(formatCountOf(differing.length + further, 'difference'), differing))
  if (others.length > 0) output.write(shortList(formatCountOf(others.length, 'day was not compared', 'days were not compared'), others))
  const proved = [
    ...(series.length > 0 ? ['each bar is what its trades say'] : []),
    ...(trades.length > 0 ? ['each aggregate is what its trades are'] : []),
  ].join(', ')
  const unproved = [
    ...(series.length > 0 ? ['all bars are proved by their trades'] : []),
    ...(trades.length > 0 ? ['all trades are proved by their aggregates'] : []),
  ].join(', or not ')
  output.write(exit === 0 ? `${proved.charAt(0).toUpperCase()}${proved.slice(1)}. (exit ${exit})\n` : `Not ${unproved}. (exit ${exit})\n`)
}

function printCounts<Day extends { readonly outcome: ProvenDay['outcome'] }>(
  output: Output,
  results: readonly ProvenSeriesOf<Day>[],
  counted: readonly (readonly [string, (day: Day) => number])[],
): void {
  const counts: typeof counted = [
    ['days proved', ({ outcome }) => Number(outcome === 'proved')],
    ['days that differ', ({ outcome }) => Number(outcome === 'differs')],
    ['not comparable', ({ outcome }) => Number(outcome === 'not-comparable')],
    ...counted,
  ]
  printTable(output, {
    head: ['series', ...counts.map(([name]) => name)],
    align: ['left', ...counts.map(() => 'right' as const)],
    rows: results.map(({ days, ...series }) => [
      seriesLabel(series),
      ...counts.map(([, count]) => formatCount(days.reduce((sum, day) => sum + count(day), 0))),
    ]),
  })
}

function linesOf<Day>(results: readonly ProvenSeriesOf<Day>[], of: (series: Series, day: Day) => readonly string[]): string[] {
  return results.flatMap(({ days, ...series }) => days.flatMap((day) => of(series, day).map(cleanLine)))
}

function differenceLine(series: Series, { kind, open_time, column, trades, klines }: ProofDifference): string {
  const where = `${seriesLabel(series)}  ${open_time}`
  if (kind === 'no-bar') return `${where}  there were trades, and there is no bar`
  if (kind === 'no-trades') return `${where}  the bar tells of trades, and there are none`
  return `${where}  ${column}: ${trades} by the trades, ${klines} in the bar`
}

function tradeLine(series: Series, difference: TradeDifference): string {
  const { kind, time, aggregate_id: id, first_trade_id: first, last_trade_id: last, column, trades, aggregate } = difference
  const ids = first === last ? `trade ${first}` : `trades ${first} to ${last}`
  const where = `${seriesLabel(series)}  ${time}`
  switch (kind) {
    case 'missing-trades':
      return `${where}  ${ids} of aggregate ${id}: missing (quantity ${trades} of ${aggregate})`
    case 'no-aggregate':
      return `${where}  ${ids}: named by no aggregate`
    case 'range':
      return `${where}  aggregate ${id} names ${ids}, which do not follow those of the one before it`
    case 'value':
      return `${where}  aggregate ${id} of ${ids}: ${column} ${trades} by the trades, ${aggregate} in the aggregate`
  }
}
