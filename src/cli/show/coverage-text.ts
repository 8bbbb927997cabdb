import pc from 'picocolors'
import { isMonthChunked } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { rowWord, rowWordOfAll, seriesOf } from '../../dataset/told.ts'
import type { Origin } from '../../lake/origin.ts'
import type { Condition } from '../../model/condition.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import type { CoverageGap, SeriesCoverage } from '../../report/coverage/coverage.ts'
import { hasUnexplained, sumMissing } from '../../report/coverage/coverage.ts'
import { formatEnds } from './bar-table.ts'
import type { TextOutput } from './output.ts'
import { formatBytes, formatCount, formatCountOf, printTable } from './output.ts'
import { titleOf } from './series-title.ts'
import { shortList } from './short-list.ts'
import { unexplainedLine } from './unexplained-day.ts'

/** What is told of a lake beside its series. */
export interface CoverageTold {
  /** what the filters name and the lake has not */
  readonly absent: readonly string[]
  readonly exit: number
  /** all days of the selection lie before the first bar of their series or after its end */
  readonly isOutside: boolean
  readonly origin: Origin | undefined
  /** the terminal has colours */
  readonly color: boolean
}

/** `unlisted` days have no record in the lake. */
export const SHOWN_CONDITIONS = CONDITIONS.filter((condition) => condition !== 'unlisted')

/** Series of which a terminal shows each, well or not. */
const FEW = 10

/** What a lake holds, for a person. A terminal gets what needs attention first, and many series that are well in one line; a pipe gets all. */
export function showCoverage(output: TextOutput, series: readonly SeriesCoverage[], told: CoverageTold): void {
  const rows = [...series.filter(hasUnexplained), ...series.filter((row) => !hasUnexplained(row))]
  if (output.isTTY === true) showOnTerminal(output, rows, told.color)
  else showTable(output, rows)
  const gaps = rows.flatMap((row) =>
    row.gaps.map((gap) => `${seriesLabel(row)}  ${gap.start} to ${gap.end}  ${countOfGap(gap, rowWord(row))}: ${gap.evidence}`),
  )
  output.write(shortList(formatCountOf(gaps.length, 'gap'), gaps))
  const days = rows.flatMap((row) => row.unexplained.map((day) => unexplainedLine(row, day, day.accepted)))
  output.write(shortList(`${formatCountOf(days.length, 'day')} not explained by evidence`, days))
  const bytes = formatBytes(sumOf(rows, (row) => row.bytes))
  output.write(`${bytes} in shards${told.origin === 'sandbox' ? ' of sandbox data' : ''}. ${closing(rows, told)} (exit ${told.exit})\n`)
}

function sumOf(rows: readonly SeriesCoverage[], pick: (row: SeriesCoverage) => number): number {
  return rows.reduce((sum, row) => sum + pick(row), 0)
}

/** A row a series and the sum, each named whole. */
function showTable(output: TextOutput, rows: readonly SeriesCoverage[]): void {
  const used = SHOWN_CONDITIONS.filter((condition) => rows.some((row) => row.days[condition] > 0))
  const counts = (some: readonly SeriesCoverage[]): string[] => [
    ...used.map((condition) => formatCount(sumOf(some, (row) => row.days[condition]))),
    formatCount(sumOf(some, (row) => row.rows)),
    missingText(sumMissing(some)),
    formatCount(sumOf(some, (row) => row.never_requested)),
  ]
  printTable(output, {
    head: [
      'series',
      'first',
      'last',
      ...used.map((condition) => `${condition} days`),
      'rows',
      `missing ${rowWordOfAll(rows)}s`,
      'days never requested',
    ],
    align: ['left', 'left', 'left', ...used.map(() => 'right' as const), 'right', 'right', 'right'],
    rows: [
      ...rows.map((row) => [seriesLabel(row), row.first ?? '–', row.last ?? '–', ...counts([row])]),
      [`sum of ${formatCount(rows.length)}`, '', '', ...counts(rows)],
    ],
  })
}

function showOnTerminal(output: TextOutput, rows: readonly SeriesCoverage[], color: boolean): void {
  const colors = pc.createColors(color)
  const odd = rows.filter(hasUnexplained)
  const well = rows.filter((row) => !hasUnexplained(row) && row.first !== null)
  const title = titleOf(rows)
  const [first, last] = [firstOf(rows), lastOf(rows)]
  const range = first === undefined || last === undefined ? '' : `${first} to ${last}`
  if (rows.length > 1)
    output.write(`${[title.common, `${formatCount(rows.length)} series`, range].filter((part) => part !== '').join(' · ')}\n`)
  if (odd.length > 0) {
    output.raw.write(colors.yellow(`${formatCount(odd.length)} series ${odd.length === 1 ? 'needs' : 'need'} attention:`) + '\n')
    showSeries(output, odd, { nameOf: title.nameOf, paint: colors.yellow })
  }
  if (well.length > 0 && rows.length <= FEW) showSeries(output, well, { nameOf: title.nameOf, paint: String })
  if (well.length > 0) output.write(`${wellLine(well, odd.length === 0)}\n`)
  const never = rows.filter((row) => row.never_requested > 0)
  if (never.length > 0)
    output.write(
      `never requested: ${daysText(
        never,
        sumOf(never, (row) => row.never_requested),
      )} of ${formatCount(never.length)} series that the listing has (ckvd ingest fetches them).\n`,
    )
}

function wellLine(well: readonly SeriesCoverage[], isAll: boolean): string {
  const many = well.length === 1 ? '1 series is well' : `${isAll ? 'All ' : ''}${formatCount(well.length)} series are well`
  const kinds = SHOWN_CONDITIONS.flatMap((condition) => {
    const count = sumOf(well, (row) => row.days[condition])
    return count === 0 ? [] : [`${formatCount(count)} ${condition}`]
  })
  const word = rowWordOfAll(well)
  const missing = sumMissing(well) ?? 0
  const explained = missing === 0 ? '' : `, ${formatCountOf(missing, `missing ${word}`)} explained`
  const published = well.filter(({ missing_bars }) => missing_bars === null).length
  const unknown = published === 0 ? '' : ` ${asPublished(published, well.length)}`
  const days = daysText(
    well,
    sumOf(well, (row) => knownDays(row)),
  )
  const more = well.length > FEW ? ' --csv lists each.' : ''
  return `${many}: ${days} (${kinds.join(', ')}), ${formatCountOf(
    sumOf(well, (row) => row.rows),
    word,
  )}${explained}.${unknown}${more}`
}

/** What cannot be said of data sets of which nobody knows what there should be. */
function asPublished(published: number, all: number): string {
  const which = published === all ? 'The rows are' : `Rows of ${formatCount(published)} series are`
  return `${which} as published: nothing says whether one is missing.`
}

function missingText(missing: number | null): string {
  return missing === null ? '–' : formatCount(missing)
}

/** `3 bars`; of a day of which nobody knows how many rows there were, all of them. */
function countOfGap({ bars }: CoverageGap, word: string): string {
  return bars === null ? `all ${word}s` : formatCountOf(bars, word)
}

function knownDays(row: SeriesCoverage): number {
  return SHOWN_CONDITIONS.reduce((sum, condition) => sum + row.days[condition], 0)
}

/** `1,234 days`, or months where all series are of bars that are stored so. */
function daysText(rows: readonly SeriesCoverage[], count: number): string {
  const months = rows.filter((row) => isMonthChunked(seriesOf(row))).length
  if (months === 0) return formatCountOf(count, 'day')
  return months === rows.length ? formatCountOf(count, 'month') : `${formatCount(count)} days and months`
}

/** A row a series: conditions that are not explained stand first, and what does not fit is left out, never broken. */
function showSeries(
  output: TextOutput,
  rows: readonly SeriesCoverage[],
  { nameOf, paint }: { readonly nameOf: (row: SeriesCoverage) => string; readonly paint: (line: string) => string },
): void {
  const used = (wanted: (condition: Condition) => boolean): Condition[] =>
    SHOWN_CONDITIONS.filter((condition) => wanted(condition) && rows.some((row) => row.days[condition] > 0))
  const unit = rows.every((row) => isMonthChunked(seriesOf(row))) ? 'months' : 'days'
  const word = rowWordOfAll(rows)
  const columns: readonly [string, (row: SeriesCoverage) => string][] = [
    ['series', nameOf],
    ['first', (row) => row.first ?? '–'],
    ['last', (row) => row.last ?? '–'],
    ...used((condition) => !isExplained(condition)).map(daysColumn),
    [`missing ${word}s`, (row) => missingText(row.missing_bars)],
    ...used(isExplained).map(daysColumn),
    [`${word}s`, (row) => formatCount(row.rows)],
  ]
  const names = columns.map(([name]) => name)
  const shown = formatEnds(names, {
    ends: { first: rows.map((row) => columns.map(([, cell]) => cell(row))), last: [], rows: rows.length },
    columns: output.columns,
    align: names.map((_name, i) => (i < 3 ? 'left' : 'right')),
  })
  const lines = shown.text.trimEnd().split('\n')
  const rule = lines.findIndex((line) => line.startsWith('├'))
  for (const [i, line] of lines.entries()) output.raw.write(`${i > rule && line.startsWith('│') ? paint(line) : line}\n`)
  if (shown.columns.shown < shown.columns.all) output.write(`${shown.columns.shown} of ${shown.columns.all} columns shown; --csv has all\n`)

  function daysColumn(condition: Condition): [string, (row: SeriesCoverage) => string] {
    return [`${condition} ${unit}`, (row) => formatCount(row.days[condition])]
  }
}

function firstOf(rows: readonly SeriesCoverage[]): string | undefined {
  return rows.flatMap(({ first }) => first ?? []).sort()[0]
}

function lastOf(rows: readonly SeriesCoverage[]): string | undefined {
  return rows
    .flatMap(({ last }) => last ?? [])
    .sort()
    .at(-1)
}

function closing(rows: readonly SeriesCoverage[], { absent, exit, isOutside }: CoverageTold): string {
  if (absent.length > 0)
    return `The lake has nothing of ${absent.join(', ')} in this selection: it was never requested, or failed as a whole.`
  if (rows.some(hasUnexplained)) return 'Some days are unexplained.'
  if (rows.some(({ first }) => first !== null)) return 'All that was requested is stored or explained.'
  if (isOutside) {
    const word = rowWordOfAll(rows)
    return `All days of this selection lie before the first ${word} of their series or after its end: no ${word} is expected.`
  }
  return exit === 0 ? 'The lake is empty.' : 'The lake has no day of this selection.'
}
