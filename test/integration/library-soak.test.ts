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

const { CryptoKlineVisionData, DataProvider, CkvdError } = library

const NOW = '2024-03-20T15:20:00Z'
const NOW_MS = Date.parse(NOW)
const DAY_MS = 86_400_000
const CALLS = 1000

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

test('1,000 calls at once with random aborts: no wrong row, no handle, no temporary file', async () => {
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
  const counts = { done: 0, aborted: 0 }
  {
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, 'um', {
      lake: temp.lake,
      sources: exchange.sandbox.urls,
      workers: 2,
    })
    const work = Array.from({ length: CALLS }, async () => {
      const startMs = firstMs + Math.floor(random() * 18) * DAY_MS
      const endMs = Math.min(NOW_MS, startMs + Math.ceil(random() * 3 * DAY_MS))
      const stop = new AbortController()
      const abortAfterMs = random() < 0.5 ? Math.floor(random() * 400) : undefined
      const timer = abortAfterMs === undefined ? undefined : setTimeout(() => stop.abort(), abortAfterMs)
      try {
        const { columns } = await ckvd.getColumns({
          symbol: 'BTCUSDT',
          interval: '1h',
          startTime: startMs,
          endTime: endMs,
          columns: ['open_time', 'close'],
          signal: stop.signal,
        })
        const expected = (truth['open_time'] as bigint[]).filter((time) => Number(time / 1000n) >= startMs && Number(time / 1000n) < endMs)
        expect([...columns.open_time]).toEqual(expected)
        expect([...columns.close]).toEqual(expected.map((time) => closeAt.get(time)))
        counts.done++
      } catch (error) {
        if (!(error instanceof CkvdError) || error.code !== 'CKVD_ABORTED' || !stop.signal.aborted) throw error
        counts.aborted++
      } finally {
        clearTimeout(timer)
      }
    })
    await Promise.all(work)
  }
  expect(counts.done + counts.aborted).toBe(CALLS)
  expect(counts.done).toBeGreaterThanOrEqual(CALLS / 3)
  expect(await listFiles(join(temp.lake, 'tmp'))).toEqual([])
  // sockets and threads end a moment after they were closed, files of libsql when their statements are collected
  await waitUntil('the last handle to end', () => {
    collectGarbage()
    return countHandles() <= before && readdirSync('/proc/self/fd').length <= openFiles
  })
}, 120_000)
