import { execFile } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { DecodeRequest } from '../../src/codec/decode-archive.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import { DecodePool } from '../support/dist.ts'
import { digestTree, listFiles } from '../support/temp-lake.ts'
import { buildZip, checksumOf } from '../support/zip-builder.ts'
import type { World } from './world.ts'
import { BAD_DAY, createWorld } from './world.ts'

const WORKER = fileURLToPath(new URL('workers/broken-worker.mjs', import.meta.url))
const CHILD = fileURLToPath(new URL('workers/run-child.mjs', import.meta.url))
const run = promisify(execFile)
/** Longer than a busy machine takes to start a thread. */
const HANG_MS = 2500

let reference: string[]

beforeAll(async () => {
  await using world = await createWorld()
  expect(await world.run()).toMatchObject({ exit: 0, stored: 3 })
  reference = await digestTree(join(world.lake, 'data'))
})

/** Runs an ingest whose worker dies, in a process whose threads have 128 MiB each. */
async function runWithDeaths(world: World, how: string, times: number, match: string = BAD_DAY) {
  const directory = join(world.directory.path, 'deaths')
  await mkdir(directory)
  const { signal, events, clockMs, ...options } = world.options({
    workerFile: WORKER,
    ...(how === 'hang' ? { decodeTimeoutMs: HANG_MS } : {}),
  })
  const env = { ...process.env, CKVD_TEST_DEATH: JSON.stringify({ match, how, times, directory }) }
  const { stdout } = await run(process.execPath, ['--max-old-space-size=128', CHILD, JSON.stringify(options)], { env, timeout: 60_000 })
  return { result: JSON.parse(stdout) as IngestResult, deaths: (await readdir(directory)).length }
}

describe('a decode worker that dies or hangs', () => {
  const ways = [
    ['throws', 'throw'],
    ['throws outside of its task', 'late'],
    ['exits', 'exit'],
    ['runs out of memory', 'memory'],
    ['gives no answer', 'hang'],
  ] as const

  test.each(ways)('%s once: the archive is fetched and decoded once more, and the run is whole', async (_name, how) => {
    await using world = await createWorld()
    const { result, deaths } = await runWithDeaths(world, how, 1)
    expect(deaths).toBe(1)
    expect(result).toMatchObject({ exit: 0, stored: 3, problems: [], days: { complete: 3 } })
    // those that shared the task are fetched again, too
    expect(result.requests.archive).toBeGreaterThan(3)
    expect(result.requests.archive).toBeLessThanOrEqual(6)
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
    expect(await listFiles(join(world.lake, 'tmp'))).toEqual([])
  })

  test.each(ways)('%s each time: that day alone is failed and named, the run goes on, and the next one heals it', async (_name, how) => {
    await using world = await createWorld()
    const { result, deaths } = await runWithDeaths(world, how, 100)
    expect(deaths).toBe(2)
    expect(result).toMatchObject({
      exit: 3,
      stopped: null,
      stored: 2,
      days: { complete: 2, failed: 1 },
      problems: [{ day: BAD_DAY, condition: 'failed', code: 'CKVD_WORKER' }],
    })
    expect(await world.run()).toMatchObject({ exit: 0, stored: 1, skipped: 2 })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  })

  test('on every archive: each is tried twice, all are named, and the run ends', async () => {
    await using world = await createWorld()
    const { result } = await runWithDeaths(world, 'exit', 100, '.zip')
    expect(result).toMatchObject({ exit: 3, stored: 0, days: { failed: 3 }, requests: { archive: 6 } })
    expect(await world.run()).toMatchObject({ exit: 0, stored: 3 })
  })
})

test('an archive that is decoded alone takes none of those that wait with it along', async () => {
  await using world = await createWorld()
  const directory = join(world.directory.path, 'deaths')
  await mkdir(directory)
  const requestOf = (day: string): DecodeRequest => {
    const zip = buildZip([
      { name: `AAAUSDT-1h-${day}.csv`, data: `${Date.parse(day)},1,1,1,1,1,${Date.parse(day) + 3_599_999},1,1,1,1,0\n` },
    ])
    return {
      series: { market: 'spot', symbol: 'AAAUSDT', interval: '1h' },
      archive: { key: `AAAUSDT-1h-${day}.zip`, etag: 'e', packaging: 'daily', period: day },
      zip: new Uint8Array(zip),
      checksum: new Uint8Array(checksumOf(zip, `AAAUSDT-1h-${day}.zip`)),
      days: null,
      startsSeries: false,
      seriesEndUs: null,
    }
  }
  // threads get the environment of the moment in which they start
  vi.stubEnv('CKVD_TEST_DEATH', JSON.stringify({ match: BAD_DAY, how: 'exit', times: 100, directory }))
  const pool = new DecodePool({ workers: 1, workerFile: WORKER })
  try {
    const { signal } = new AbortController()
    // the first two keep the worker busy and ready; what comes after them waits, and would be one task
    const days = ['2024-03-04', '2024-03-05', BAD_DAY, '2024-03-06', '2024-03-07']
    const ended = days.map((day) =>
      pool.decode(requestOf(day), signal, day === BAD_DAY).then(
        ({ ok }) => (ok ? 'decoded' : 'refused'),
        (error: { code: string }) => error.code,
      ),
    )
    expect(await Promise.all(ended)).toEqual(['decoded', 'decoded', 'CKVD_WORKER', 'decoded', 'decoded'])
  } finally {
    await pool.close()
    vi.unstubAllEnvs()
  }
})
