import { seriesLabel } from '../../dataset/names.ts'
import { csvLine } from '../../codec/export/csv-text.ts'
import type { RunRecord } from '../../report/history/runs.ts'
import { cleanLine } from '../../terminal-text.ts'
import type { TextOutput } from './output.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration, printTable, writeData } from './output.ts'
import { shortList } from './short-list.ts'

/** Runs that a terminal is shown. */
const SHOWN_RUNS = 20

/** A row a run, the newest last. */
export function showRuns(stdout: TextOutput, runs: readonly RunRecord[]): void {
  const shown = stdout.isTTY === true ? runs.slice(-SHOWN_RUNS) : runs
  if (shown.length < runs.length)
    stdout.write(`… ${formatCountOf(runs.length - shown.length, 'earlier run')}: --json and --csv list them all\n`)
  printTable(stdout, {
    head: ['run', 'started', 'command', 'exit', 'days'],
    align: ['right', 'left', 'left', 'right', 'left'],
    rows: shown.map((run) => [
      String(run.run),
      run.started_at,
      run.command,
      run.exit === null ? '–' : String(run.exit),
      doneBy(run).join(', '),
    ]),
  })
  if (runs.length === 0) stdout.write('The lake remembers no run.\n')
}

/** What a run did, in a few words. */
function doneBy(run: RunRecord): string[] {
  if (run.exit === null) return ['under way, or killed']
  const counts = [
    [run.unexplained, 'unexplained'],
    [run.stored, 'stored'],
    [run.upgraded, 'upgraded'],
    [run.republished, 'republished'],
    [run.changed - run.republished, 'published anew, not taken'],
  ] as const
  const words = counts.filter(([count]) => count > 0).map(([count, word]) => `${formatCount(count)} ${word}`)
  if (run.stopped !== null) words.unshift(`stopped: ${run.stopped.code}`)
  return words.length === 0 ? ['nothing new'] : words
}

/** All that the lake remembers of a run. */
export function showRun(stdout: TextOutput, run: RunRecord): void {
  const ended =
    run.ended_at === null ? 'is under way, or was killed' : `took ${formatDuration(Date.parse(run.ended_at) - Date.parse(run.started_at))}`
  const lines = [
    `run ${run.run}: ckvd ${run.command}, started ${run.started_at}, ${ended}, exit ${run.exit ?? '–'}`,
    `days: ${doneBy(run).join(', ')}`,
    `${formatCount(run.series)} series · ${formatCountOf(run.rows, 'row')} written · ${formatBytes(run.bytes_downloaded)} received`,
    ...run.notes.map((note) => `note: ${cleanLine(note)}`),
  ]
  stdout.write(`${lines.join('\n')}\n`)
  const problems = run.problems.map(({ day, condition, code, message, ...series }) =>
    [`${seriesLabel(series)}${day === null ? '' : ` ${day}`}`, condition, `${code}: ${message}`].join('  '),
  )
  stdout.write(shortList(problemTitle(run), problems))
  if (run.stopped !== null) stdout.write(`stopped early: ${run.stopped.code}: ${cleanLine(run.stopped.message)}\n`)
}

function problemTitle({ unexplained, problems }: RunRecord): string {
  return unexplained > problems.length
    ? `${formatCountOf(unexplained, 'problem')}, the first ${formatCount(problems.length)}`
    : formatCountOf(problems.length, 'problem')
}

const CSV_COLUMNS = [
  ...(['run', 'command', 'started_at', 'ended_at', 'exit', 'series', 'stored', 'upgraded', 'republished'] as const),
  ...(['changed', 'unexplained', 'rows', 'bytes_downloaded'] as const),
]

/** A line a run; nothing where nothing is known. */
export function writeRunsCsv(stdout: TextOutput, runs: readonly RunRecord[]): void {
  writeData(stdout, csvLine([...CSV_COLUMNS, 'stopped']))
  for (const run of runs) writeData(stdout, csvLine([...CSV_COLUMNS.map((name) => run[name] ?? ''), run.stopped?.code ?? '']))
}
