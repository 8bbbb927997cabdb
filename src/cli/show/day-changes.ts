import { csvLine } from '../../codec/export/csv-text.ts'
import { nextChunk } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { rowWordOfAll, seriesOf } from '../../dataset/told.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { ChangeKind, DayChange } from '../../report/history/changes.ts'
import { CHANGE_KINDS } from '../../report/history/changes.ts'
import type { TextOutput } from './output.ts'
import { formatCount, formatCountOf, printTable, writeData } from './output.ts'
import { shortList } from './short-list.ts'

/** Since when changes are told: the start of a run, or a day. */
export interface Since {
  readonly run: number | null
  /** ISO text with milliseconds, as the catalog has it */
  readonly iso: string
}

/** What is as it should be: of many series on the same days one row is enough. */
const FOLDED: ReadonlySet<ChangeKind> = new Set(['upgraded', 'stored', 'pending'])

/** Consecutive chunks of a series of which the same is to be told. */
interface Stretch {
  readonly first: DayChange
  last: DayChange
  days: number
  changedRows: number | null
}

/** Stretches that are told in one row. */
type Alike = readonly [Stretch, ...Stretch[]]

/** What changed, what needs attention first: a row a stretch of days, the sums, and the reasons of what is unexplained. */
export function showChanges(stdout: TextOutput, since: Since, changes: readonly DayChange[]): void {
  stdout.write(`Since ${since.run === null ? '' : `run ${since.run}, `}${isoOfUs(Date.parse(since.iso) * 1000)}\n`)
  if (changes.length === 0) {
    stdout.write('Nothing changed.\n')
    return
  }
  const stretches = joinStretches(changes).sort((a, b) => CHANGE_KINDS.indexOf(a.first.change) - CHANGE_KINDS.indexOf(b.first.change))
  const rows: readonly Alike[] = stdout.isTTY === true ? foldAlike(stretches) : stretches.map((stretch): Alike => [stretch])
  printTable(stdout, {
    head: ['change', 'series', 'first', 'last', 'days', 'now', `${rowWordOfAll(changes)}s differ`],
    align: ['left', 'left', 'left', 'left', 'right', 'left', 'right'],
    rows: rows.map(rowOf),
  })
  if (rows.length < stretches.length) stdout.write('Series that changed alike stand in one row; --csv and --json tell of each.\n')
  const counts = CHANGE_KINDS.map((kind) => [kind, changes.filter(({ change }) => change === kind).length] as const)
  const sums = counts.filter(([, count]) => count > 0).map(([kind, count]) => `${formatCount(count)} ${kind}`)
  stdout.write(`${formatCountOf(changes.length, 'day')}: ${sums.join(', ')}\n`)
  const reasons = stretches.flatMap(({ first, days }) =>
    first.reason === null
      ? []
      : [`${seriesLabel(seriesOf(first))} ${first.day}${days > 1 ? ` and ${formatCount(days - 1)} more` : ''}: ${first.reason}`],
  )
  stdout.write(shortList('unexplained', reasons))
}

/** A row of stretches that differ in nothing but their series. */
function rowOf(alike: Alike): string[] {
  const [{ first, last, changedRows }] = alike
  const days = alike.reduce((sum, stretch) => sum + stretch.days, 0)
  return [
    ...[first.change, alike.length === 1 ? seriesLabel(seriesOf(first)) : `${formatCount(alike.length)} series`],
    ...[first.day, last.day, formatCount(days), first.condition],
    first.old === null ? '' : changedRows === null ? 'unknown' : formatCount(changedRows),
  ]
}

/** Stretches of the same days of which nobody need look at the single one, together; all others alone, in the order in which they come. */
function foldAlike(stretches: readonly Stretch[]): Alike[] {
  const folded = new Map<string, [Stretch, ...Stretch[]]>()
  for (const stretch of stretches) {
    const { first, last, changedRows } = stretch
    const isQuiet = FOLDED.has(first.change) && (changedRows ?? 0) === 0 && !(first.old !== null && changedRows === null)
    const likeness = isQuiet
      ? [first.change, first.condition, first.day, last.day, first.old === null]
      : [seriesLabel(seriesOf(first)), first.day]
    const key = likeness.join(' ')
    const there = folded.get(key)
    if (there === undefined) folded.set(key, [stretch])
    else there.push(stretch)
  }
  return [...folded.values()]
}

function joinStretches(changes: readonly DayChange[]): Stretch[] {
  const stretches: Stretch[] = []
  for (const change of changes) {
    const stretch = stretches.at(-1)
    if (stretch !== undefined && goesOn(stretch.last, change)) {
      stretch.last = change
      stretch.days++
      stretch.changedRows = stretch.changedRows === null || change.changed_rows === null ? null : stretch.changedRows + change.changed_rows
    } else stretches.push({ first: change, last: change, days: 1, changedRows: change.changed_rows })
  }
  return stretches
}

function goesOn(last: DayChange, next: DayChange): boolean {
  const isSame = (['market', 'dataset', 'symbol', 'interval', 'change', 'condition', 'reason'] as const).every(
    (key) => last[key] === next[key],
  )
  return isSame && (last.old === null) === (next.old === null) && nextChunk(last.day, seriesOf(last)) === next.day
}

const COLUMNS = [
  ...(['market', 'dataset', 'symbol', 'interval', 'day', 'change', 'condition', 'source', 'rows', 'revision'] as const),
  ...(['changed_rows', 'archive_etag', 'archive_sha256', 'shard_sha256'] as const),
]
const OLD_COLUMNS = ['revision', 'source', 'archive_etag', 'archive_sha256', 'shard_sha256'] as const

/** A line a day; those of the version before begin with `old_`. Nothing where nothing is known. */
export function writeChangesCsv(stdout: TextOutput, changes: Iterable<DayChange>): void {
  writeData(stdout, csvLine([...COLUMNS, ...OLD_COLUMNS.map((name) => `old_${name}`), 'reason', 'updated_at']))
  for (const change of changes) {
    const { old, reason, updated_at: updatedAt } = change
    const before = OLD_COLUMNS.map((name) => old?.[name] ?? '')
    writeData(stdout, csvLine([...COLUMNS.map((name) => change[name] ?? ''), ...before, reason ?? '', updatedAt]))
  }
}
