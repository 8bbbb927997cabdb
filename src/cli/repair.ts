import { DecodePool } from '../acquire/decode-pool.ts'
import { runIngest } from '../ingest/ingest.ts'
import { parseIngestRequest } from '../ingest/request.ts'
import { nextChunk } from '../dataset/chunk.ts'
import { seriesLabel } from '../dataset/names.ts'
import type { BadShard } from '../lake/verify.ts'
import { haveIntervals } from '../question/dataset-names.ts'
import type { CommandRun } from './command.ts'
import { requestSurroundings } from './request-surroundings.ts'
import { createProgressView } from './show/progress-view.ts'

/** Fetches bad chunks again, series by series: exactly what an ingest of these days would do. */
export async function repairDays(run: CommandRun<object>, bad: readonly BadShard[]): Promise<{ exit: number; stored: number }> {
  const bySeries = new Map<string, BadShard[]>()
  for (const shard of bad) {
    const name = seriesLabel(shard.series)
    bySeries.set(name, [...(bySeries.get(name) ?? []), shard])
  }
  // one start of threads for all series
  await using pool = new DecodePool({ workers: run.settings.workers })
  const around = requestSurroundings(run)
  let exit = 0
  let stored = 0
  for (const group of bySeries.values()) {
    const first = group[0]
    if (first === undefined) continue
    const { series } = first
    const days = group.map(({ day }) => day).sort()
    const start = days[0] ?? first.day
    const end = nextChunk(days.at(-1) ?? first.day, series)
    const { dataset = 'klines', market, symbol, interval } = series
    const options = await parseIngestRequest(
      {
        universe: [{ market, symbol }],
        data: [dataset],
        ...(haveIntervals([dataset]) ? { intervals: [interval] } : {}),
        start,
        end,
        retryFailed: true,
        signal: run.signal,
      },
      run.settings,
      { ...around, pool: around.pool ?? pool },
    )
    const view = createProgressView(run)
    const result = await runIngest({ ...options, events: view.events }).finally(() => view.stop())
    stored += result.stored
    exit = Math.max(exit, result.exit)
  }
  return { exit, stored }
}
