import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IngestOptions } from '../../src/ingest/ingest-options.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import type { FaultRule, RequestRecord, Sandbox, SandboxOptions } from '../../src/sandbox/index.ts'
import { runIngest, sharedPool, startSandbox } from '../support/dist.ts'
import { readChunks } from '../support/stored-chunk.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'

const NOW_MS = Date.parse('2024-03-20T12:00:00Z')
/** Of each minute only so much passes, its end: what waits for the exchange's next minute does not wait for long. */
const MINUTE_MS = 1500
const DAYS = ['2024-03-01', '2024-03-02', '2024-03-03'] as const
/** Of these three days the middle one goes wrong. */
export const BAD_DAY = DAYS[1]
export const SYMBOL = 'AAAUSDT'
/** Where the pack of all of them lies. */
export const FOLDER = `data/spot/monthly/klines/${SYMBOL}/1h`
export const PACK = `${FOLDER}/${SYMBOL}-1h-2024-03.arrow`

/** An exchange of one symbol, a lake that does not exist yet, and a run of the product over three of its days. */
export interface World extends AsyncDisposable {
  readonly sandbox: Sandbox
  readonly directory: TempDirectory
  readonly lake: string
  /** options of the run: 1h bars of three days */
  options(changes?: Partial<IngestOptions>): IngestOptions
  run(changes?: Partial<IngestOptions>): Promise<IngestResult>
  requests(kind: RequestRecord['kind']): number
}

/** A clock that runs, and leaves out the beginning of each minute. */
function createClock(): () => number {
  const startedMs = performance.now()
  return () => {
    const elapsedMs = Math.round(performance.now() - startedMs)
    const minute = Math.floor(elapsedMs / MINUTE_MS)
    return NOW_MS + (minute + 1) * 60_000 - MINUTE_MS + (elapsedMs % MINUTE_MS)
  }
}

/** Each world has its own exchange and its own clock. */
export async function createWorld(faults: readonly FaultRule[] = [], more: SandboxOptions = {}): Promise<World> {
  const clockMs = createClock()
  const markets = [{ market: 'spot' as const, symbol: SYMBOL, firstDay: '2024-01-10' }]
  const sandbox = await startSandbox({ now: clockMs, markets, faults, ...more })
  const directory = await createTempDirectory()
  const options = (changes: Partial<IngestOptions> = {}): IngestOptions => ({
    universe: [{ market: 'spot', symbol: SYMBOL, intervals: ['1h'], line: 1 }],
    start: DAYS[0] as UtcDay,
    end: '2024-03-04' as UtcDay,
    archives: 'daily',
    rest: true,
    refresh: false,
    retryFailed: false,
    force: false,
    crossCheck: false,
    keepArchives: false,
    lake: directory.lake,
    urls: {
      vision: sandbox.urls.vision,
      listing: sandbox.urls.listing,
      rest: { spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest },
    },
    sandbox: true,
    state: null,
    workers: 1,
    concurrency: 4,
    maxRateBytes: null,
    restShare: 0.8,
    maxRetries: 1,
    nowMs: NOW_MS,
    clockMs,
    env: {},
    signal: new AbortController().signal,
    events: {},
    http: { backoffMs: 1 },
    ...changes,
  })
  return {
    sandbox,
    directory,
    lake: directory.lake,
    options,
    run: (changes) => runIngest({ pool: sharedPool, ...options(changes) }),
    requests: (kind) => sandbox.requests.filter((request) => request.kind === kind).length,
    [Symbol.asyncDispose]: async () => {
      await sandbox.close()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** Rows of each shard below `data/`, a row as one text, by day; read by the Arrow project's own reader. */
export async function readRows(lake: string): Promise<Map<string, string[]>> {
  const rows = new Map<string, string[]>()
  for (const file of await listFiles(join(lake, 'data'))) {
    for (const { columns, day, rows: length } of readChunks(await readFile(join(lake, 'data', file)))) {
      const texts = Array.from({ length }, (_, row) => columns.map((column) => String(column[row])).join(' '))
      rows.set(day, texts)
    }
  }
  return rows
}

/** Rows that lie below `data/` and that the exchange does not have: must be none, whatever went wrong. */
export function strangeRows(found: ReadonlyMap<string, string[]>, truth: ReadonlyMap<string, string[]>): string[] {
  return [...found].flatMap(([day, rows]) => {
    const known = new Set(truth.get(day))
    return rows.filter((row) => !known.has(row)).map((row) => `${day}: ${row}`)
  })
}
