import { DecodePool } from '../acquire/decode-pool.ts'
import type { DryRunResult } from '../ingest/dry-run.ts'
import type { IngestOptions } from '../ingest/ingest-options.ts'
import type { IngestResult } from '../ingest/result.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayOfUs } from '../model/utc-day.ts'
import { describeLeftOutDay } from '../question/month-words.ts'
import type { AnnouncedRun } from './end/announced-run.ts'
import { archiveLines } from './show/archive-lines.ts'
import { showDryRun, showPlan, showProblems, showResult, showTrouble } from './show/ingest-output.ts'
import type { ProgressView } from './show/progress-view.ts'
import { createProgressView } from './show/progress-view.ts'
import { tellSandbox } from './show/sandbox-data.ts'

type Run = AnnouncedRun<{ readonly dryRun?: boolean | undefined; readonly csv?: true; readonly end?: UtcDay | undefined }>

/** Runs what a command asks of the lake, shows how it goes on and what came of it: the way of every command that ingests. Gives the exit code. */
export async function runRequest(run: Run, parse: () => Promise<IngestOptions>): Promise<number> {
  const view = createProgressView(run)
  const parsed = await parse()
  const options: IngestOptions = {
    ...parsed,
    events: {
      ...view.events,
      onRun: run.begin,
      onPlan: (totals, series) => {
        view.events.onPlan?.(totals, series)
        showPlan(run, totals, series, leftOutDay(run, parsed))
      },
    },
  }
  return run.options.dryRun === true ? await plan(run, options, view) : await ingest(run, options, view)
}

/** What the plan says of an end that was asked for and may be meant as the last day. */
function leftOutDay(run: Run, { start, end }: IngestOptions): string | undefined {
  return run.options.end === undefined ? undefined : describeLeftOutDay({ start, end }, dayOfUs(run.nowMs() * 1000))
}

async function plan(run: Run, options: IngestOptions, view: ProgressView): Promise<number> {
  const { planIngest } = await import('../ingest/dry-run.ts')
  const isCsv = run.options.csv === true && !run.json
  const events = isCsv ? { ...options.events, onArchives: archiveLines(run) } : options.events
  const result = await planIngest({ ...options, events }).finally(() => view.stop())
  return isCsv ? result.exit : printDryRun(run, result, leftOutDay(run, options))
}

/** The decode threads start before the rest of the program is loaded: on two processors they are ready when the first archive comes. */
async function ingest(run: Run, options: IngestOptions, view: ProgressView): Promise<number> {
  if (options.pool !== undefined) return await ingestWith(run, options, view)
  await using pool = new DecodePool({ workers: options.workers })
  pool.start()
  return await ingestWith(run, { ...options, pool }, view)
}

async function ingestWith(run: Run, options: IngestOptions, view: ProgressView): Promise<number> {
  const { runIngest } = await import('../ingest/ingest.ts')
  return printResult(run, await runIngest(options).finally(() => view.stop()))
}

function printDryRun(run: Run, result: DryRunResult, leftOut: string | undefined): number {
  if (run.json) run.printJson(result)
  else if (run.quiet) showProblems(run.context.stderr, result.problems)
  else showDryRun(run.context.stdout, result, leftOut)
  return result.exit
}

function printResult(run: Run, result: IngestResult): number {
  run.tell(result)
  if (run.json) run.printJson(result)
  else if (run.quiet) showTrouble(run.context.stderr, result, run.settings.lake)
  else showResult(run.context.stdout, result)
  tellSandbox(run, run.settings.sandbox ? 'sandbox' : null)
  return result.exit
}
