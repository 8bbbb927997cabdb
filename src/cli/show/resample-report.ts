import { seriesLabel } from '../../dataset/names.ts'
import type { UnexplainedDay } from '../../lake/day-facts.ts'
import type { NeverRequested } from '../../lake/requested.ts'
import type { Interval } from '../../model/interval.ts'
import { parseInterval } from '../../model/interval.ts'
import type { Series } from '../../model/series.ts'
import type { BarDifference, CheckCounts } from '../../resample/resample-check.ts'
import type { BarState } from '../../resample/resample-lake.ts'
import { neverRequestedLine, neverRequestedTitle } from './never-requested.ts'
import { cleanLine } from '../../terminal-text.ts'
import type { Output } from './output.ts'
import { formatCount, formatCountOf, printTable } from './output.ts'
import { unexplainedLine } from './unexplained-day.ts'

/** What became of a series: exactly what `--json` prints of it. */
export interface SeriesResult extends Omit<Series, 'interval'> {
  /** the larger interval, or the size that was asked for */
  readonly interval: string
  /** the smaller interval, or the data set that bars are made of */
  readonly from: string
  readonly bars: Readonly<Record<BarState, number>>
  readonly unexplained: readonly UnexplainedDay[]
  /** chunks of smaller bars of which the lake knows nothing; the list has them one stretch an entry */
  readonly never_requested: number
  readonly never_requested_days: readonly NeverRequested[]
  readonly check: (CheckCounts & { readonly differences: readonly BarDifference[] }) | null
}

/**
 * Exit code 3 when days are unexplained or were never requested, a bar differs by more than its sums' rounding, or a comparison was asked
 * for and there was nothing to compare.
 */
export function exitOf(results: readonly SeriesResult[]): 0 | 3 {
  const checks = results.flatMap(({ check }) => check ?? [])
  const isUnchecked = checks.length > 0 && checks.every(({ compared }) => compared === 0)
  return isUnchecked || !results.every(isWhole) || checks.some(({ equal, compared }) => equal < compared) ? 3 : 0
}

function isWhole({ unexplained, never_requested }: SeriesResult): boolean {
  return unexplained.length === 0 && never_requested === 0
}

/** The summary that a person reads: a line a series, then all unexplained days and all differences. */
export function printReport(
  output: Output,
  results: readonly SeriesResult[],
  told: { readonly checked: boolean; readonly out: string | undefined; readonly exit: number },
): void {
  const head = ['series', 'complete', 'outage', 'incomplete', ...(told.checked ? ['checked', 'equal', 'skipped'] : [])]
  printTable(output, {
    head,
    align: head.map((_name, i) => (i < 1 ? 'left' : 'right')),
    rows: results.map(({ bars, check, ...series }) => [
      seriesLabel(series),
      ...[bars.complete, bars.outage, bars.incomplete, ...(check === null ? [] : [check.compared, check.equal, check.not_comparable])].map(
        formatCount,
      ),
    ]),
  })
  const days = results.flatMap(({ unexplained, from, ...series }) =>
    unexplained.map((day) => `  ${cleanLine(unexplainedLine({ ...series, interval: from as Interval }, day))}`),
  )
  const what = sourceWord(results)
  if (days.length > 0)
    output.write(`${formatCountOf(days.length, `day of ${what} is`, `days of ${what} are`)} not explained:\n${days.join('\n')}\n`)
  const never = results.flatMap(({ never_requested_days, from, ...series }) =>
    never_requested_days.map((stretch) => ({ ...series, interval: from as Interval, ...stretch })),
  )
  if (never.length > 0)
    output.write(`${neverRequestedTitle(never)}:\n${never.map((one) => `  ${neverRequestedLine(one, one)}`).join('\n')}\n`)
  const differences = results.flatMap(({ check, ...series }) => (check?.differences ?? []).map((one) => differenceLine(series, one)))
  if (differences.length > 0) output.write(`${formatCountOf(differences.length, 'difference')}:\n${differences.join('\n')}\n`)
  output.write(`${closing(results, told)} (exit ${told.exit})\n`)
}

function differenceLine(
  series: Omit<Series, 'interval'> & { readonly interval: string },
  { kind, open_time, column, resampled, exchange }: BarDifference,
): string {
  const where = `  ${seriesLabel(series)}  ${open_time}`
  switch (kind) {
    case 'only-exchange':
      return `${where}  only the exchange has a bar`
    case 'only-resampled':
      return `${where}  the exchange has no bar`
    case 'off-grid':
      return `${where}  the exchange's bar opens off its grid, at ${String(exchange)}`
    case 'rounding':
      return `${where}  ${column}: ${resampled} resampled, ${exchange} of the exchange (rounding: the smaller bars have more digits than float64 keeps)`
    case 'value':
      return `${where}  ${column}: ${resampled} resampled, ${exchange} of the exchange`
  }
}

/** What bars were made of: trades, or shorter bars. */
function sourceWord([first]: readonly SeriesResult[]): string {
  return first === undefined || parseInterval(first.from) !== undefined ? 'smaller bars' : first.from
}

function closing(
  results: readonly SeriesResult[],
  { checked, out }: { readonly checked: boolean; readonly out: string | undefined },
): string {
  const sum = (pick: (result: SeriesResult) => number): number => results.reduce((total, result) => total + pick(result), 0)
  const compared = sum(({ check }) => check?.compared ?? 0)
  const differing = compared - sum(({ check }) => check?.equal ?? 0)
  const what = sourceWord(results)
  const parts = [
    ...new Set(results.map(({ from, interval }) => `${interval} made of ${from}.`)),
    ...(out === undefined ? [] : [`Bars written to ${out}.`]),
    ...(!checked
      ? []
      : compared === 0
        ? [
            `Nothing was compared: the lake has no bar of the exchange's own where one of these is whole. ckvd ingest --intervals ${results[0]?.interval ?? ''} fetches them.`,
          ]
        : [
            differing === 0
              ? "All compared bars are the exchange's own."
              : `${formatCount(differing)} of ${formatCount(compared)} compared bars differ.`,
          ]),
    results.every(isWhole) ? `All ${what} are stored or explained.` : `Some ${what} are missing without explanation.`,
  ]
  return parts.join(' ')
}
