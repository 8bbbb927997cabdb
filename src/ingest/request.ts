import { unknownOption } from '../../config/option-names.ts'
import type { Settings } from '../../config/settings.ts'
import { nowMs as planningMs } from '../../config/settings.ts'
import { CkvdError } from '../errors.ts'
import type { ArchiveChoice } from '../acquire/plan/archive-choice.ts'
import { connectionSettings } from '../acquire/rest/connection-settings.ts'
import { dayOfUs, parseUtcDay } from '../model/utc-day.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { DayRangeNames } from '../question/month-words.ts'
import { checkEndIsNoMonth, DAY_FLAGS, parseMonthRange, parseStartDay } from '../question/month-words.ts'
import { checkIntervals } from '../question/dataset-names.ts'
import { checkOrder } from '../question/range-order.ts'
import type { IngestOptions } from './ingest-options.ts'
import type { IngestRequest, RequestSurroundings } from './request/request-options.ts'
import { REQUEST_KEYS } from './request/request-options.ts'
import { chooseLines } from './request/chosen-lines.ts'
import { linesOfDatasets, parseData } from './request/dataset-lines.ts'
import { wrongOption } from './request/wrong-option.ts'

/** What a log says of a symbol that is left out. */
export const LEFT_OUT = 'symbol left out: its line lists none of the intervals asked for'

/** Checks a request and fills it: the one road into an ingest. Throws `CKVD_USAGE`, `CKVD_UNIVERSE`. */
export async function parseIngestRequest(request: IngestRequest, settings: Settings, around: RequestSurroundings): Promise<IngestOptions> {
  const unknown = Object.keys(request).find((key) => !REQUEST_KEYS.has(key))
  if (unknown !== undefined) throw unknownOption(unknown, REQUEST_KEYS)
  const names = namesFor(around.caller)
  if (request.force === true && request.retryFailed === true)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${names.force}\` (all days) or \`${names.retryFailed}\` (unexplained days only), got both. Leave one out.`,
    )
  const { clockMs, systemMs, env, pool } = around
  const nowMs = settings.now === null ? clockMs() : planningMs(settings)
  const today = dayOfUs(nowMs * 1000)
  const { start, end } = parseRange(request, today, names)
  if (end > today)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${names.end}\` to be at most today (${today}, excluded: the running day is not closed), got ${end}.`,
      { details: { end, today } },
    )
  checkOrder({ start, end }, names)
  const archives = parseArchives(request.archives ?? 'auto')
  const datasets = parseData(request.data, names.data)
  checkIntervals(
    request.intervals,
    datasets?.map(({ name }) => name),
    names.intervals,
  )
  return {
    ...connectionSettings(settings),
    universe: linesOfDatasets(await chooseLines(request, around, datasets), datasets),
    start,
    end,
    archives,
    rest: request.rest !== false,
    refresh: request.refresh === true,
    retryFailed: request.retryFailed === true,
    force: request.force === true,
    crossCheck: request.crossCheck === true,
    keepArchives: request.keepArchives === true,
    workers: settings.workers,
    nowMs,
    clockMs,
    ...(systemMs === undefined ? {} : { systemMs }),
    env,
    signal: request.signal ?? new AbortController().signal,
    events: request.onProgress === undefined ? {} : { onProgress: request.onProgress },
    ...(pool === undefined ? {} : { pool }),
  }
}

/** What the caller calls the parts of a request that messages about two of them name. */
function namesFor(caller: RequestSurroundings['caller']) {
  return caller === 'command'
    ? { ...DAY_FLAGS, force: '--force', retryFailed: '--retry-failed', data: '--data', intervals: '--intervals' }
    : { start: 'start', end: 'end', month: 'month', force: 'force', retryFailed: 'retryFailed', data: 'data', intervals: 'intervals' }
}

function parseRange(
  { start, end, month }: IngestRequest,
  today: UtcDay,
  names: DayRangeNames,
): { readonly start: UtcDay | null; readonly end: UtcDay } {
  if (month !== undefined) return parseMonthRange({ month, start, end }, today, names)
  if (end !== undefined) checkEndIsNoMonth(end, names)
  return {
    start: start === undefined ? null : checkDay('start', start, parseStartDay(start)),
    end: end === undefined ? today : checkDay('end', end, parseUtcDay(end)),
  }
}

function checkDay(option: string, text: string, day: UtcDay | undefined): UtcDay {
  if (day === undefined) throw wrongOption(option, 'a day of the calendar as YYYY-MM-DD', text)
  return day
}

function parseArchives(choice: unknown): ArchiveChoice {
  if (choice === 'auto' || choice === 'daily' || choice === 'monthly') return choice
  throw wrongOption('archives', 'auto, daily or monthly', choice)
}
