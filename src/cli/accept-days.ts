import { resolve } from 'node:path'
import { seriesLabel } from '../dataset/names.ts'
import { datasetOf } from '../dataset/registry.ts'
import type { ToldSeries } from '../dataset/told.ts'
import { toldSeries } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import { acceptDay, acceptDays } from '../lake/day-facts.ts'
import type { WritableLake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import type { LakeFilter } from '../lake/selection.ts'
import { listSelectedSeries } from '../lake/selection.ts'
import type { Condition } from '../model/condition.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { CommandRun } from './command.ts'
import type { FilterFlags } from './options.ts'
import { filterOf } from './options.ts'
import { formatCountOf } from './show/output.ts'
import { localOrigin } from './show/sandbox-data.ts'
import type { SeriesDays } from './show/series-name.ts'
import { parseSeriesDays } from './show/series-name.ts'

/** The flags by which days are accepted. */
interface AcceptFlags extends FilterFlags {
  readonly accept?: string
  readonly condition?: readonly Condition[]
  readonly reason?: string
}

/** What was accepted of a series. */
interface Accepted extends ToldSeries {
  readonly dataset: string
  readonly days: number
  readonly first: UtcDay
  readonly last: UtcDay
}

/**
 * Records that a person accepts unexplained days: one, those of a series or of a stretch of it, or those of some conditions of whatever the
 * filters choose. Throws CKVD_USAGE where there is nothing to accept.
 */
export async function acceptUnexplained(run: CommandRun<AcceptFlags>): Promise<number> {
  const { accept, condition, reason } = run.options
  if (reason === undefined)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`--reason TEXT\` with \`${accept === undefined ? '--condition' : '--accept'}\`, got nothing: the reason is shown wherever the day is.`,
    )
  const named = accept === undefined ? undefined : parseSeriesDays('--accept', accept)
  if (named === undefined && condition === undefined)
    throw new CkvdError('CKVD_USAGE', 'Expected `--accept SERIES/DAYS` or `--condition LIST` with `--reason`, got neither.')
  await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), {
    mode: 'write',
    tell: (message) => run.logger.info(message),
    ...localOrigin(run),
  })
  if (named?.days?.isOne === true && condition === undefined) return acceptOne(run, lake, { ...named, day: named.days.start, reason })
  const accepted = acceptMany(run, lake, named, reason)
  if (accepted.length === 0)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected unexplained days that nobody has accepted, found none${accept === undefined ? ' that the filters choose' : ` in ${accept}`}.`,
    )
  if (run.json) run.printJson({ command: 'coverage', exit: 0, accepted, reason })
  else
    for (const one of accepted)
      run.context.stdout.write(
        `Accepted ${formatCountOf(one.days, 'day')} of ${seriesLabel(one)}, ${one.first} to ${one.last}: ${reason}\n`,
      )
  return 0
}

function acceptOne(
  run: CommandRun<AcceptFlags>,
  lake: WritableLake,
  { series, day, reason }: Pick<SeriesDays, 'series'> & { readonly day: UtcDay; readonly reason: string },
): number {
  const row = acceptDay(lake.catalog, series, day, reason)
  if (run.json) run.printJson({ command: 'coverage', exit: 0, accepted: { ...toldSeries(series), day, condition: row.condition, reason } })
  else run.context.stdout.write(`Accepted ${seriesLabel(series)} ${day} (${row.condition}): ${reason}\n`)
  return 0
}

function acceptMany(run: CommandRun<AcceptFlags>, lake: WritableLake, named: SeriesDays | undefined, reason: string): Accepted[] {
  const { condition, data } = run.options
  const filter: LakeFilter = { ...filterOf(run), ...(data === undefined ? { datasets: 'all' } : {}) }
  const series = named === undefined ? listSelectedSeries(lake.catalog, filter) : [named.series]
  const part = { ...(named?.days ?? filter), conditions: condition === undefined ? undefined : new Set(condition) }
  return series.flatMap((one) => {
    const rows = acceptDays(lake.catalog, one, part, reason)
    const [first, last] = [rows[0], rows.at(-1)]
    if (first === undefined || last === undefined) return []
    return [{ ...toldSeries(one), dataset: datasetOf(one).name, days: rows.length, first: first.day, last: last.day }]
  })
}
