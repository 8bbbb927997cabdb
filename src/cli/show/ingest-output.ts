import type { DryRunResult } from '../../ingest/dry-run.ts'
import type { PlanTotals } from '../../ingest/planner.ts'
import type { IngestResult, Problem } from '../../ingest/result.ts'
import { nextChunk } from '../../dataset/chunk.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import { cleanLine } from '../../terminal-text.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { rowWord, seriesOf } from '../../dataset/told.ts'
import { formatEnds } from './bar-table.ts'
import type { Align, Output } from './output.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration, formatRate, printTable } from './output.ts'
import { titleOf } from './series-title.ts'
import { shortList } from './short-list.ts'

/** The plan, before the first download. */
export function showPlan(
  run: { context: { stderr: Output }; quiet: boolean },
  totals: PlanTotals,
  series: number,
  leftOut: string | undefined,
): void {
  if (run.quiet) return
  run.context.stderr.write(`${planLines(totals, series, run.context.stderr)}\n`)
  if (leftOut !== undefined) run.context.stderr.write(`${leftOut}\n`)
}

function planLines(totals: PlanTotals, series: number, { isTTY, columns = Infinity }: Output): string {
  const { days, stored, archives, restDays, bytes, diskBytes } = totals
  const parts = [
    `${formatCount(series)} series`,
    `${formatCountOf(days, 'day')} (${formatCount(stored)} settled)`,
    `${formatCount(archives.daily)} daily and ${formatCount(archives.monthly)} monthly archives, ${formatBytes(bytes)}`,
    `${formatCountOf(restDays, 'day')} for REST`,
    `about ${formatBytes(diskBytes)} on disk`,
  ]
  const line = `Plan: ${parts.join(' · ')}`
  return isTTY !== true || line.length <= columns ? line : `Plan:\n${parts.map((part) => `  ${part}`).join('\n')}`
}

/** A dry run: a row a series and the sum, then what is to be known of the end. */
export function showDryRun(stdout: Output, result: DryRunResult, leftOut: string | undefined): void {
  const { common, nameOf } = stdout.isTTY === true ? titleOf(result.series.map(seriesOf)) : { common: '', nameOf: seriesLabel }
  if (common !== '') stdout.write(`${common} · ${formatCountOf(result.series.length, 'series', 'series')}\n`)
  const row = (name: string, first: string, last: string, n: DryRunResult['total']): string[] => [
    name,
    first,
    last,
    formatCount(n.days),
    formatCount(n.stored),
    formatCount(n.archives.daily),
    formatCount(n.archives.monthly),
    formatCount(n.rest_days),
    formatBytes(n.bytes),
    formatBytes(n.disk_bytes),
  ]
  const head = ['series', 'first', 'last', 'days', 'settled days', 'daily archives', 'monthly archives', 'REST days', 'download', 'on disk']
  const align = head.map((_name, i) => (i < 3 ? ('left' as const) : ('right' as const)))
  const rows = [
    ...result.series.map((series) => row(nameOf(seriesOf(series)), series.first ?? '–', series.last ?? '–', series)),
    row(`sum of ${formatCount(result.series.length)}`, '', '', result.total),
  ]
  if (stdout.isTTY === true) showFitting(stdout, head, rows, align)
  else printTable(stdout, { head, rows, align })
  if (leftOut !== undefined) stdout.write(`${leftOut}\n`)
  showProblems(stdout, result.problems)
}

/** A table of which a narrow terminal gets the columns that fit, those that a plan is about before others. */
function showFitting(stdout: Output, head: readonly string[], rows: readonly (readonly string[])[], align: readonly Align[]): void {
  const { text, columns } = formatEnds(head, {
    ends: { first: rows, last: [], rows: rows.length },
    columns: stdout.columns,
    align,
    firstShown: ['series', 'first', 'last', 'days', 'download', 'on disk', 'settled days', 'daily archives', 'monthly archives'],
    isDense: true,
  })
  stdout.write(text)
  if (columns.shown < columns.all) stdout.write(`${columns.shown} of ${columns.all} columns shown; --json has all\n`)
}

/** The summary of a run. */
export function showResult(stdout: Output, result: IngestResult): void {
  // what each series says then is the same
  const isRefused = result.stopped !== null && ['CKVD_UNREACHABLE', 'CKVD_FORBIDDEN'].includes(result.stopped.code)
  if (result.stopped !== null && isRefused && result.requests.archive === 0) {
    stdout.write(`${cleanLine(result.stopped.message)} (exit ${result.exit})\n`)
    return
  }
  const total = Object.values(result.days).reduce((sum, count) => sum + count, 0)
  if (total > 0)
    printTable(stdout, {
      head: ['condition', 'days', 'explained'],
      align: ['left', 'right', 'left'],
      rows: [
        ...CONDITIONS.filter((condition) => result.days[condition] > 0).map((condition) => [
          condition,
          formatCount(result.days[condition]),
          isExplained(condition) ? 'yes' : 'NO',
        ]),
        ['sum', formatCount(total), ''],
      ],
    })
  const { listing, archive, checksum, rest } = result.requests
  const rates = [
    ...(archive > 0 ? [formatRate(archive, result.elapsed_ms, 'archives')] : []),
    ...(result.rows > 0 ? [formatRate(result.rows, result.elapsed_ms, 'rows')] : []),
  ]
  const changes = [
    [result.upgraded, 'upgraded from REST to archive'],
    [result.republished, 'taken anew after a republication'],
    [result.changed - result.republished, 'published anew but not taken (use --refresh)'],
  ] as const
  const lines = [
    `${formatCount(result.series)} series · ${formatCountOf(result.stored, 'day')} stored, ${formatCount(result.skipped)} settled before · ${formatCountOf(result.rows, 'row')}`,
    ...changes.filter(([count]) => count > 0).map(([count, text]) => `${formatCountOf(count, 'day')} ${text}`),
    `${formatBytes(result.bytes_downloaded)} in ${formatDuration(result.elapsed_ms)}${rates.length === 0 ? '' : ` (${rates.join(', ')})`}`,
    `requests: ${formatCount(listing)} listing, ${formatCount(archive)} archive, ${formatCount(checksum)} checksum, ${formatCount(rest)} REST`,
  ]
  stdout.write(`${lines.join('\n')}\n`)
  for (const note of result.notes) stdout.write(`note: ${note}\n`)
  showDifferences(stdout, result.differences)
  showProblems(stdout, result.problems)
  showEnd(stdout, result)
}

/** What a run with `--quiet` has to say: nothing when all is well, else what is not. */
export function showTrouble(stderr: Output, result: IngestResult, lake: string): void {
  if (result.exit !== 0) showResultBriefly(stderr, result, lake)
}

/** Counts, problems and verdict, and nothing else. `lake`: where, for who reads the mails of several; a monitor elsewhere is not told. */
export function showResultBriefly(stderr: Output, result: IngestResult, lake?: string): void {
  const { command, problems, series, stored, stopped, days } = result
  const counts = [`${formatCount(series)} series`]
  // of a run that was stopped no problem may be known yet
  if (problems.length > 0 || stopped === null) counts.unshift(formatCountOf(problems.length, 'problem'))
  if (stored > 0) counts.push(`${formatCountOf(stored, 'day')} stored`)
  if (result.exit !== 0 && days.pending > 0) counts.push(`${formatCountOf(days.pending, 'day')} pending`)
  stderr.write(`ckvd ${command}: ${counts.join(', ')}${lake === undefined ? '' : ` (lake ${cleanLine(lake)})`}\n`)
  showProblems(stderr, problems)
  showEnd(stderr, result)
}

/** Why a run stopped early, and its verdict. */
function showEnd(output: Output, result: IngestResult): void {
  if (result.stopped !== null) output.write(`stopped early: ${result.stopped.code}: ${cleanLine(result.stopped.message)}\n`)
  output.write(`${verdict(result)}\n`)
}

export function showProblems(stdout: Output, problems: readonly Problem[]): void {
  const runs = joinRuns(problems)
  const lines = runs.map(({ first, last, count }) => {
    const { day, condition, code, message } = first
    const when = day === null ? '' : count === 1 ? ` ${day}` : ` ${day} to ${last.day ?? ''} (${formatCount(count)} chunks)`
    return `${seriesLabel(first)}${when}  ${condition}  ${code}: ${message}`
  })
  stdout.write(shortList(formatCountOf(problems.length, 'problem'), lines, 'more stretches; --json lists all days'))
}

/** Problems in order, those of consecutive chunks with the same words joined. */
function joinRuns(problems: readonly Problem[]): { first: Problem; last: Problem; count: number }[] {
  const runs: { first: Problem; last: Problem; count: number }[] = []
  for (const problem of problems) {
    const run = runs.at(-1)
    if (run !== undefined && continues(run.last, problem)) {
      run.last = problem
      run.count++
    } else runs.push({ first: problem, last: problem, count: 1 })
  }
  return runs
}

function continues(last: Problem, next: Problem): boolean {
  if (last.day === null || next.day === null || nextChunk(last.day, seriesOf(last)) !== next.day) return false
  return (['market', 'dataset', 'symbol', 'interval', 'condition', 'code', 'message'] as const).every((key) => last[key] === next[key])
}

function showDifferences(stdout: Output, differences: IngestResult['differences']): void {
  const title = `${formatCountOf(differences.length, 'day')} whose sources contradict each other (stored; Vision is preferred, of Vision the daily archive)`
  const lines = differences.map(({ day, conflicts, differing_rows: differing, evidence, ...series }) => {
    const word = rowWord(series)
    const counts = `${formatCountOf(differing, `${word} differs`, `${word}s differ`)}, ${formatCountOf(conflicts, 'conflict')}`
    return `${seriesLabel(series)} ${day}  ${counts}: ${evidence ?? 'see the catalog'}`
  })
  stdout.write(shortList(title, lines))
}

function daysToGo({ stopped }: IngestResult): string {
  const left = stopped?.days_left ?? null
  return left === null || left === 0 ? '' : `, ${formatCountOf(left, 'day')} to go`
}

function verdict(result: IngestResult): string {
  switch (result.exit) {
    case 0:
      return 'Every requested day is stored, or its absence is explained. (exit 0)'
    case 3:
      // of a series that failed as a whole the lake has no record, so coverage cannot show it
      return result.problems.every(({ day, condition }) => day === null && condition === 'failed')
        ? 'Some series failed as a whole: the problems above tell why. The lake has no record of them. (exit 3)'
        : `Some days are unexplained. \`ckvd coverage\` shows them; ${result.command === 'sync' ? 'the next run asks again' : '`ckvd ingest --retry-failed` tries again'}. (exit 3)`
    case 130:
      return `Interrupted${daysToGo(result)}. What is stored stays stored: the same command goes on from there. (exit 130)`
    default:
      return `What is stored stays stored${daysToGo(result)}: the same command goes on from there. (exit ${result.exit})`
  }
}
