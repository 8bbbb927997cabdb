import { resolve } from 'node:path'
import type { CkvdError } from '../../errors.ts'
import { isCkvdError, toCkvdError } from '../../errors.ts'
import type { IngestResult } from '../../ingest/result.ts'
import { openLake } from '../../lake/lake.ts'
import { readRuns } from '../../report/history/runs.ts'
import { writeReport } from '../../report/report-file.ts'
import type { CliContext, CommandRun, ParsedCommand } from '../command.ts'
import { runCommand } from '../command.ts'
import { showResultBriefly } from '../show/ingest-output.ts'
import { jsonLine } from '../show/json-line.ts'
import { createTextOutput } from '../show/text-output.ts'
import type { EndFlags } from './end-options.ts'
import { runHook } from './hook.ts'
import type { EndedRun } from './metrics.ts'
import { formatMetrics } from './metrics.ts'

/** A run of which somebody may be told, as its command's body sees it. */
export interface AnnouncedRun<Options extends object> extends CommandRun<Options> {
  /** the number under which the lake remembers the run */
  begin(this: void, number: number): void
  /** what the run did, to be told when it has ended */
  tell(this: void, result: IngestResult): void
}

/** How a run ended, as far as it came. */
interface End {
  exit: number
  /** null: the lake does not remember it */
  number: number | null
  result: IngestResult | null
  error: CkvdError | null
  run: CommandRun<object> | null
}

/**
 * Runs a command as `runCommand` does, and then, however it ended, tells those whom its flags name: metrics, hook, ping. What fails of that is told
 * on stderr; the exit code stays that of the run.
 */
export async function runAnnounced<Options extends EndFlags>(
  context: CliContext,
  command: ParsedCommand<Options>,
  body: (run: AnnouncedRun<Options>) => Promise<number>,
): Promise<void> {
  const end: End = { exit: 1, number: null, result: null, error: null, run: null }
  const startedMs = context.now()
  await runCommand(
    { ...context, setExit: (exit) => (end.exit = exit) },
    command,
    (run) => {
      end.run = run
      return body({ ...run, begin: (number) => (end.number = number), tell: (result) => (end.result = result) })
    },
    { onError: (error) => (end.error = error) },
  )
  context.setExit(end.exit)
  const { dryRun, ...flags } = command.opts()
  if (dryRun !== true) await announce(context, command.name(), flags, end, startedMs)
}

async function announce(
  context: CliContext,
  command: string,
  { metrics, onEnd, ping }: EndFlags,
  end: End,
  startedMs: number,
): Promise<void> {
  const { env, cwd } = context
  const stderr = createTextOutput(context.stderr)
  const attempt = async (flag: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (thrown) {
      const { code, message } = toCkvdError(thrown)
      const text = `${flag} failed: ${code}: ${message}`
      if (end.run === null) stderr.write(`${text}\n`)
      else end.run.logger.error(text)
    }
  }
  if (metrics !== undefined)
    await attempt('--metrics', async () =>
      writeReport(resolve(cwd, metrics), formatMetrics(await endedRun(context, command, end, startedMs))),
    )
  if (onEnd !== undefined) {
    const input = jsonLine(end.result ?? { command, exit: end.exit, error: end.error?.toData() ?? null })
    const failure = await runHook(onEnd, { cwd, env: hookEnvironment(context, command, end), input, onText: (text) => stderr.write(text) })
    if (failure !== undefined) stderr.write(`--on-end failed: ${failure} (${onEnd})\n`)
  }
  if (ping !== undefined) {
    const { postPing } = await import('../../sources/http/ping.ts')
    await attempt('--ping', () => postPing(end.exit === 0 ? ping : failUrl(ping), summaryOf(command, end), { env }))
  }
}

/** The variables by which a hook knows what ended. */
function hookEnvironment({ env }: CliContext, command: string, { exit, number, result, run }: End): Record<string, string | undefined> {
  return {
    ...env,
    ...(run === null ? {} : { CKVD_LAKE: run.settings.lake }),
    CKVD_RUN: number === null ? '' : String(number),
    CKVD_RUN_COMMAND: command,
    CKVD_RUN_EXIT: String(exit),
    CKVD_RUN_PROBLEMS: String(result?.problems.length ?? 0),
  }
}

/** The address by which healthchecks is told of a failure. */
function failUrl(ping: string): string {
  const url = new URL(ping)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/fail`
  return url.href
}

function summaryOf(command: string, { exit, result, error }: End): string {
  if (result === null) return `ckvd ${command}: ${error === null ? '' : `${error.code}: ${error.message} `}(exit ${exit})\n`
  let text = ''
  showResultBriefly({ write: (part) => (text += part) }, result)
  return text
}

async function endedRun(context: CliContext, command: string, { exit, result, run }: End, startedMs: number): Promise<EndedRun> {
  const lake = run?.settings.lake ?? ''
  const times =
    result === null
      ? { startedMs, endedMs: context.now() }
      : { startedMs: Date.parse(result.started_at), endedMs: Date.parse(result.started_at) + result.elapsed_ms }
  return { command, lake, exit, result, ...times, succeededMs: exit === 0 ? times.endedMs : await lastSuccess(lake) }
}

/** When the last run that ended with 0 ended; null where nobody can tell. */
async function lastSuccess(root: string): Promise<number | null> {
  try {
    await using lake = await openLake(root, { mode: 'read' })
    const last = readRuns(lake.catalog).findLast(({ exit }) => exit === 0)
    return last?.ended_at == null ? null : Date.parse(last.ended_at)
  } catch (error) {
    if (isCkvdError(error)) return null
    throw error
  }
}
