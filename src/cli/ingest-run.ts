import { DecodePool } from '../acquire/decode-pool.ts'
import type { DryRunResult, IngestOptions } from '../ingest/ingest.ts'
import type { IngestResult } from '../ingest/result.ts'
import type { AnnouncedRun } from './end/announced-run.ts'
import { showDryRun, showPlan, showProblems, showResult, showTrouble } from './show/ingest-output.ts'
import type { ProgressView } from './show/progress-view.ts'
import { createProgressView } from './show/progress-view.ts'
import { tellSandbox } from './show/sandbox-data.ts'

type Run = AnnouncedRun<{ readonly dryRun?: boolean | undefined }>

/** Runs what a command asks of the lake, shows how it goes on and what came of it: the way of every command that ingests. Gives the exit code. */
export async function runRequest(run: Run, parse: () => Promise<IngestOptions>): Promise<number> {
  const view = createProgressView(run)
  const parsed = await parse()
  const options: IngestOptions = {
    ...parsed,
    events: { ...view.events, onRun: run.begin, onPlan: (totals, series) => showPlan(run, totals, series) },
  }
  return run.options.dryRun === true ? await plan(run, options, view) : await ingest(run, options, view)
}

async function plan(run: Run, options: IngestOptions, view: ProgressView): Promise<number> {
  const { planIngest } = await import('../ingest/ingest.ts')
  return printDryRun(run, await planIngest(options).finally(() => view.stop()))
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

function printDryRun(run: Run, result: DryRunResult): number {
  if (run.json) run.printJson(result)
  else if (run.quiet) showProblems(run.context.stderr, result.problems)
  else showDryRun(run.context.stdout, result)
  return result.exit
}

function printResult(run: Run, result: IngestResult): number {
  run.tell(result)
  if (run.json) run.printJson(result)
  else if (run.quiet) showTrouble(run.context.stderr, result)
  else showResult(run.context.stdout, result)
  tellSandbox(run, run.settings.sandbox ? 'sandbox' : null)
  return result.exit
}
