import { seriesLabel } from '../../dataset/names.ts'
import type { Series } from '../../model/series.ts'
import type { ProofDifference, ProvenDay } from '../../resample/prove.ts'
import type { ProofResult } from '../../resample/prove-lake.ts'
import { cleanLine } from '../../terminal-text.ts'
import type { Output } from './output.ts'
import { formatCount, formatCountOf, printTable } from './output.ts'
import { shortList } from './short-list.ts'

/** A line a series, then what differs and what could not be compared. */
export function printProof(output: Output, { series: results, exit }: ProofResult): void {
  const countOf = (days: readonly ProvenDay[], outcome: ProvenDay['outcome']): number =>
    days.filter((day) => day.outcome === outcome).length
  printTable(output, {
    head: ['series', 'days proved', 'days that differ', 'not comparable', 'bars'],
    align: ['left', 'right', 'right', 'right', 'right'],
    rows: results.map(({ days, ...series }) => [
      seriesLabel(series),
      ...[
        countOf(days, 'proved'),
        countOf(days, 'differs'),
        countOf(days, 'not-comparable'),
        days.reduce((sum, { bars }) => sum + bars, 0),
      ].map(formatCount),
    ]),
  })
  const lines = (of: (series: Series, day: ProvenDay) => readonly string[]): string[] =>
    results.flatMap(({ days, ...series }) => days.flatMap((day) => of(series, day).map(cleanLine)))
  const differing = lines((series, { differences }) => differences.map((one) => differenceLine(series, one)))
  const others = lines((series, { day, reason }) => (reason === null ? [] : [`${seriesLabel(series)} ${day}: ${reason}`]))
  if (differing.length > 0) output.write(shortList(formatCountOf(differing.length, 'difference'), differing))
  if (others.length > 0) output.write(shortList(formatCountOf(others.length, 'day was not compared', 'days were not compared'), others))
  output.write(
    exit === 0 ? `Each bar is what its trades say. (exit ${exit})\n` : `Not all bars are proved by their trades. (exit ${exit})\n`,
  )
}

function differenceLine(series: Series, { kind, open_time, column, trades, klines }: ProofDifference): string {
  const where = `${seriesLabel(series)}  ${open_time}`
  if (kind === 'no-bar') return `${where}  there were trades, and there is no bar`
  if (kind === 'no-trades') return `${where}  the bar tells of trades, and there are none`
  return `${where}  ${column}: ${trades} by the trades, ${klines} in the bar`
}
