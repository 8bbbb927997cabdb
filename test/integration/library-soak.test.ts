import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { columnsOf, fetchTruth, library } from '../support/library.ts'
import { createTempDirectory, listFiles, waitUntil } from '../support/temp-lake.ts'
import { createRandom } from '../support/random.ts'

type Client = ReturnType<typeof library.CryptoKlineVisionData.create>
const { CryptoKlineVisionData, DataProvider, CkvdError } = library

const NOW = '2024-03-20T15:20:00Z'
const NOW_MS = Date.parse(NOW)
const DAY_MS = 86_400_000
const OPEN_DAY_MS = Date.parse('2024-03-20T00:00:00Z')
const CALLS = 1000
const LIMIT_MS = 60_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** One call with a client of its own. */
async function fetchOnce(exchange: TestExchange, lake: string): Promise<void> {
  await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, 'um', { lake, sources: exchange.sandbox.urls, workers: 1 })
  await ckvd.getColumns({ symbol: 'BTCUSDT', interval: '1h', startTime: '2024-03-01T00:00:00Z', days: 1 })
}

/** Sockets, threads, pipes: whatever would keep a process alive, timers excepted. */
function countHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate').length
}

/** The days of a range, as archives are named. */
function daysOf(startMs: number, endMs: number): string[] {
  const days: string[] = []
  for (let ms = startMs; ms < endMs; ms += DAY_MS) days.push(new Date(ms).toISOString().slice(0, 10))
  return days
}

/** How often each archive was fetched, by its day. */
function countArchives(exchange: TestExchange): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { path } of exchange.requests('archive')) {
    const day = /(\d{4}-\d{2}-\d{2})\.zip$/.exec(path)?.[1] ?? path
    counts.set(day, (counts.get(day) ?? 0) + 1)
  }
  return counts
}

/** REST is asked for the open day alone, and a bar before it. */
function checkRest(exchange: TestExchange): void {
  for (const { path } of exchange.requests('rest'))
    expect(Number(/startTime=(\d+)/.exec(path)?.[1])).toBeGreaterThanOrEqual(OPEN_DAY_MS - 3_600_000)
}

test('1,000 calls at once with random aborts: no wrong row, no request too many, no handle, no temporary file', async () => {
  await using temp = await createTempDirectory()
  await using exchange = await startExchange(NOW)
  process.env['CKVD_NOW'] = NOW
  const firstMs = Date.parse('2024-03-01T00:00:00Z')
  const truth = columnsOf(
    await fetchTruth(
      exchange.sandbox,
      { market: 'um', symbol: 'BTCUSDT', interval: '1h' },
      { startMs: firstMs, endMs: NOW_MS, nowMs: NOW_MS },
    ),
  )
  const closeAt = new Map(truth['open_time']?.map((time, i) => [time, truth['close']?.[i]]))
  // the first client of a process starts the runtime of libsql, which stays
  await using warm = await createTempDirectory()
  await fetchOnce(exchange, warm.lake)
  collectGarbage()
  const before = countHandles()
  const openFiles = readdirSync('/proc/self/fd').length
  const random = createRandom(1)

  /** Calls for random ranges, all at once: how they ended, the closed days that the done ones wanted, how many aborted ones wanted each day. */
  const callAtOnce = async (ckvd: Client, calls: number, abortShare: number) => {
    const wave = { done: 0, aborted: 0, wanted: new Set<string>(), givenUp: new Map<string, number>() }
    const call = async (): Promise<void> => {
      const startMs = firstMs + Math.floor(random() * 18) * DAY_MS
      const endMs = Math.min(NOW_MS, startMs + Math.ceil(random() * 3 * DAY_MS))
      const stop = new AbortController()
      const abortAfterMs = random() < abortShare ? Math.floor(random() * 400) : undefined
      const timer = abortAfterMs === undefined ? undefined : setTimeout(() => stop.abort(), abortAfterMs)
      try {
        const { columns } = await ckvd.getColumns({
          symbol: 'BTCUSDT',
          interval: '1h',
          startTime: startMs,
          endTime: endMs,
          columns: ['open_time', 'close'],
          // a call that hangs fails by itself
          signal: AbortSignal.any([stop.signal, AbortSignal.timeout(LIMIT_MS)]),
        })
        const expected = (truth['open_time'] as bigint[]).filter((time) => Number(time / 1000n) >= startMs && Number(time / 1000n) < endMs)
        expect([...columns.open_time]).toEqual(expected)
        expect([...columns.close]).toEqual(expected.map((time) => closeAt.get(time)))
        wave.done++
        for (const day of daysOf(startMs, Math.min(endMs, OPEN_DAY_MS))) wave.wanted.add(day)
      } catch (error) {
        if (!(error instanceof CkvdError) || error.code !== 'CKVD_ABORTED' || !stop.signal.aborted) throw error
        wave.aborted++
        for (const day of daysOf(startMs, endMs)) wave.givenUp.set(day, (wave.givenUp.get(day) ?? 0) + 1)
      } finally {
        clearTimeout(timer)
      }
    }
    ;(exchange.sandbox.requests as unknown[]).length = 0
    await Promise.all(Array.from({ length: calls }, call))
    return wave
  }
  const options = { sources: exchange.sandbox.urls, workers: 2 }

  {
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, 'um', { ...options, lake: temp.lake })
    const { done, aborted, wanted, givenUp } = await callAtOnce(ckvd, CALLS, 0.5)
    expect(done + aborted).toBe(CALLS)
    expect(done).toBeGreaterThanOrEqual(CALLS / 3)
    // an archive is fetched again only where all who waited for it had gone away: a call that was aborted for each time
    const fetched = countArchives(exchange)
    for (const day of wanted) expect([day, fetched.get(day)]).not.toEqual([day, undefined])
    for (const [day, times] of fetched) expect(times, day).toBeLessThanOrEqual(1 + (givenUp.get(day) ?? 0))
    checkRest(exchange)
    // what the lake has now is fetched by nobody
    expect(await callAtOnce(ckvd, CALLS / 4, 0)).toMatchObject({ done: CALLS / 4, wanted })
    expect([exchange.requests('archive'), exchange.requests('checksum')]).toEqual([[], []])
    checkRest(exchange)
  }
  {
    // nobody goes away: each archive once
    await using other = await createTempDirectory()
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, 'um', { ...options, lake: other.lake })
    const { wanted } = await callAtOnce(ckvd, CALLS / 4, 0)
    expect(wanted.size).toBe(19)
    expect(countArchives(exchange)).toEqual(new Map([...wanted].map((day) => [day, 1])))
    expect(exchange.requests('checksum')).toHaveLength(19)
    checkRest(exchange)
  }
  expect(await listFiles(join(temp.lake, 'tmp'))).toEqual([])
  // sockets and threads end a moment after they were closed, files of libsql when their statements are collected
  await waitUntil('the last handle to end', () => {
    collectGarbage()
    return countHandles() <= before && readdirSync('/proc/self/fd').length <= openFiles
  })
}, 120_000)
