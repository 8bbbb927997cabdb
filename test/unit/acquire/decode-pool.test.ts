import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { DecodePool as Pool } from '../../../src/acquire/decode-pool.ts'
import { leastChunkBytes, timeoutOf } from '../../../src/acquire/decode-pool.ts'
import { BufferPool } from '../../../src/memory/buffer-pool.ts'
import type { DecodeRequest } from '../../../src/codec/decode-archive.ts'
import { decodeArchive } from '../../../src/codec/decode-archive.ts'
import { INTERVALS, isLongerThanDay, maxLengthUs } from '../../../src/model/interval.ts'
import { US_PER_DAY } from '../../../src/model/utc-day.ts'
import type { Series } from '../../../src/model/series.ts'
import { DecodePool, MAIN } from '../../support/dist.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'
import { buildArchive } from '../../support/zip-builder.ts'
import { HOURS } from './bars.ts'

const signal = new AbortController().signal
const DIST = dirname(dirname(dirname(MAIN)))
const pools: Pool[] = []

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

function createPool(workers: number): Pool {
  const pool = new DecodePool({ workers })
  pools.push(pool)
  return pool
}

/** A sound archive of one day: hour `h` has volume `h`. */
function requestFor(day: string, change: (line: string, hour: number) => string = (line) => line): DecodeRequest {
  const lines = Array.from({ length: 24 }, (_, hour) => {
    const openMs = Date.parse(`${day}T00:00:00Z`) + hour * 3_600_000
    return change(`${openMs},1,3,1,2,${hour}.5,${openMs + 3_599_999},5,6,0,0,0`, hour)
  })
  return archiveOf(HOURS, day, lines)
}

function archiveOf(series: Series, day: string, lines: readonly string[]): DecodeRequest {
  const stem = `AAAUSDT-${series.interval}-${day}`
  const { zip, checksum } = buildArchive(stem, `${lines.join('\n')}\n`)
  const archive = {
    key: `data/spot/daily/klines/AAAUSDT/${series.interval}/${stem}.zip`,
    etag: 'e',
    packaging: 'daily' as const,
    period: day,
  }
  return {
    series,
    archive,
    zip: new Uint8Array(zip),
    checksum: new Uint8Array(checksum),
    days: null,
    startsSeries: false,
    seriesEndUs: null,
  }
}

/** The same of a day of `5m`, whose chunk is a file of its own: made in memory that may be shared. */
function fivesOf(day: string): DecodeRequest {
  const startMs = Date.parse(`${day}T00:00:00Z`)
  const lines = Array.from({ length: 288 }, (_, i) => startMs + i * 300_000).map(
    (ms, i) => `${ms},1,3,1,2,${i}.5,${ms + 299_999},5,6,0,0,0`,
  )
  return archiveOf({ ...HOURS, interval: '5m' }, day, lines)
}

/** The pool is the built one: its error class is not the one of the sources. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : `no code: ${String(error)}`
}

describe('decoding in worker threads', () => {
  test('gives what decoding in this thread gives, whichever worker did it, many at once', async () => {
    const pool = createPool(2)
    const days = Array.from({ length: 23 }, (_, i) => `2024-03-${String(i + 1).padStart(2, '0')}`)
    const outcomes = await Promise.all(days.map((day) => pool.decode(requestFor(day), signal)))
    for (const [i, day] of days.entries()) {
      const outcome = outcomes[i]
      const here = await decodeArchive(requestFor(day))
      expect(outcome?.ok && outcome.result.chunks.map(({ day, shardSha256 }) => `${day} ${shardSha256}`)).toEqual(
        here.chunks.map(({ shardSha256 }) => `${day} ${shardSha256}`),
      )
      expect(outcome?.ok && Buffer.from(outcome.result.chunks[0]!.shard).equals(Buffer.from(here.chunks[0]!.shard))).toBe(true)
    }
  })

  test("moves an archive's bytes to the worker instead of copying them", async () => {
    const request = requestFor('2024-03-01')
    const decoding = createPool(1).decode(request, signal)
    expect((await decoding).ok).toBe(true)
    expect(request.zip.byteLength).toBe(0)
  })

  test('the memory of shards that was given back serves the next ones, and changes no byte of them', async () => {
    const pool = createPool(1)
    pool.shareShards()
    const days = Array.from({ length: 12 }, (_, i) => `2024-03-${String(i + 1).padStart(2, '0')}`)
    for (const day of days) {
      const here = await decodeArchive(fivesOf(day))
      const outcome = await pool.decode(fivesOf(day), signal)
      if (!outcome.ok) throw outcome.error
      const [chunk] = outcome.result.chunks
      expect(Buffer.from(chunk!.shard).equals(Buffer.from(here.chunks[0]!.shard))).toBe(true)
      expect(chunk!.shard.buffer).toBeInstanceOf(SharedArrayBuffer)
      pool.reuse(chunk!.shard)
    }
  })

  test.each(INTERVALS)('what served for a shard of %s bars is found for the next one', (interval) => {
    const rows = isLongerThanDay(interval) ? 31 : Math.floor(US_PER_DAY / maxLengthUs(interval))
    const shardBytes = rows * 88 + 3_802 // 130,522 for a day of 1m bars of BTCUSDT
    const plain = new BufferPool(1 << 30)
    plain.give(plain.take(shardBytes))
    expect(plain.takeSpares(leastChunkBytes({ interval }), 1)[0]?.length).toBeGreaterThanOrEqual(shardBytes)
  })

  test('while too much shared memory has not come back, shards get memory of their own', async () => {
    const pool = new DecodePool({ workers: 1, maxSharedBytes: 1 })
    pools.push(pool)
    pool.shareShards()
    const decode = async (day: string): Promise<Uint8Array> => {
      const outcome = await pool.decode(fivesOf(day), signal)
      if (!outcome.ok) throw outcome.error
      return outcome.result.chunks[0]!.shard
    }
    const shared = await decode('2024-03-02')
    const own = await decode('2024-03-03')
    pool.reuse(shared)
    const again = await decode('2024-03-04')
    expect([shared, own, again].map(({ buffer }) => buffer.constructor.name)).toEqual([
      'SharedArrayBuffer',
      'ArrayBuffer',
      'SharedArrayBuffer',
    ])
  })

  test('who asks for no memory gets shards in memory of their own', async () => {
    const pool = createPool(1)
    for (const day of ['2024-03-01', '2024-03-02']) {
      const outcome = await pool.decode(fivesOf(day), signal)
      expect(outcome.ok && outcome.result.chunks[0]!.shard.buffer).toBeInstanceOf(ArrayBuffer)
    }
  })

  test('an archive that is wrong is a value with its code, place and bytes; those beside it are decoded', async () => {
    const pool = createPool(1)
    const bad = requestFor('2024-03-02', (line, hour) => (hour === 5 ? line.replace(',1,3,1,2,', ',1,x,1,2,') : line))
    const bytes = Buffer.from(bad.zip)
    const [before, wrong, after] = await Promise.all(
      [requestFor('2024-03-01'), bad, requestFor('2024-03-03')].map((request) => pool.decode(request, signal)),
    )
    expect([before?.ok, after?.ok]).toEqual([true, true])
    expect(wrong).toMatchObject({
      ok: false,
      error: { code: 'CKVD_CSV_NUMBER', message: expect.stringContaining('spot AAAUSDT 1h 2024-03-02, line 6, column 3') as string },
    })
    expect(wrong?.ok === false && Buffer.from(wrong.zip ?? []).equals(bytes)).toBe(true)
  })

  test('where WebAssembly has no vectors, as on processors without SSE4.1, or gets no memory, the same shards come from JavaScript', async () => {
    await using directory = await createTempDirectory()
    const request = requestFor('2024-03-01')
    const script = join(directory.path, 'decode.mjs')
    await writeFile(
      script,
      `const { DecodePool } = await import(${JSON.stringify(pathToFileURL(join(DIST, 'src/acquire/decode-pool.js')))})
      const { WasmDecoder } = await import(${JSON.stringify(pathToFileURL(join(DIST, 'src/codec/csv/csv-wasm.js')))})
      const request = ${JSON.stringify({ ...request, zip: [...request.zip], checksum: [...(request.checksum ?? [])] })}
      const pool = new DecodePool({ workers: 1 })
      const bytes = { zip: Uint8Array.from(request.zip), checksum: Uint8Array.from(request.checksum) }
      const { result } = await pool.decode({ ...request, ...bytes }, new AbortController().signal)
      console.log(JSON.stringify([WasmDecoder.isSupported, result.chunks.map(({ shardSha256 }) => shardSha256)]))
      await pool.close()`,
    )
    const { chunks } = await decodeArchive(requestFor('2024-03-01'))
    const digests = chunks.map(({ shardSha256 }) => shardSha256)
    // V8's own flag; other processors have no SSE4.1, and their vectors stay
    const { stdout, stderr } = spawnSync(process.execPath, ['--no-enable-sse4-1', script], { encoding: 'utf8' })
    expect(stdout, stderr).toBe(`${JSON.stringify([process.arch !== 'x64', digests])}\n`)
    if (process.platform !== 'linux') return
    // each memory of WebAssembly reserves 10 GB of addresses
    const few = spawnSync('bash', ['-c', 'ulimit -v 8000000 && exec "$@"', 'bash', process.execPath, script], { encoding: 'utf8' })
    expect(few.stdout, few.stderr).toBe(`${JSON.stringify([true, digests])}\n`)
  })

  test('an interrupt rejects what runs and what waits', async () => {
    const stop = new AbortController()
    const pool = createPool(1)
    const decoding = Array.from({ length: 20 }, () => pool.decode(requestFor('2024-03-01'), stop.signal).then(() => 'decoded', codeOf))
    stop.abort()
    expect(await Promise.all(decoding)).toEqual(Array<string>(20).fill('CKVD_ABORTED'))
    await expect(pool.decode(requestFor('2024-03-01'), stop.signal)).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
  })

  test('closing rejects what waits, and may be done again', async () => {
    const pool = createPool(1)
    const decoding = Array.from({ length: 20 }, () =>
      pool.decode(requestFor('2024-03-01'), signal).then(
        () => true,
        (error: unknown) => codeOf(error).startsWith('CKVD_'),
      ),
    )
    await pool.close()
    await pool.close()
    expect(await Promise.all(decoding)).toEqual(Array<boolean>(20).fill(true))
  })

  test('workers that cannot start are told, and nothing waits for them for ever', async () => {
    await using directory = await createTempDirectory()
    const workerFile = join(directory.path, 'broken-worker.mjs')
    await writeFile(workerFile, "throw new Error('no such file')\n")
    const pool = new DecodePool({ workers: 1, workerFile })
    pools.push(pool)
    const decoding = Array.from({ length: 5 }, () => pool.decode(requestFor('2024-03-01'), signal).then(() => 'decoded', codeOf))
    expect(await Promise.all(decoding)).toEqual(Array<string>(5).fill('CKVD_WORKER'))
    await expect(pool.decode(requestFor('2024-03-01'), signal)).rejects.toMatchObject({ code: 'CKVD_WORKER' })
  })

  test('one that may open no more files does not blame the archive: the run ends, with what to raise', async () => {
    await using directory = await createTempDirectory()
    const workerFile = join(directory.path, 'crowded-worker.mjs')
    await writeFile(workerFile, 'export default () => { throw new Error("EMFILE: too many open files, open \'x.mjs\'") }\n')
    const pool = new DecodePool({ workers: 1, workerFile })
    pools.push(pool)
    await expect(pool.decode(requestFor('2024-03-01'), signal)).rejects.toMatchObject({
      code: 'CKVD_OPEN_FILES',
      exit: 4,
      message: expect.stringContaining('ulimit -n 1024') as string,
    })
  })
})

test('a worker has the longer for an archive the larger it is, before it is taken to hang', () => {
  expect(timeoutOf(0, 120_000)).toBe(120_000)
  // a day of best bids and asks, on a machine that is twenty times as slow as the one on which it took half a minute
  expect(timeoutOf(364 * 2 ** 20, 120_000)).toBeGreaterThan(20 * 60_000)
  // a day: an archive as large as they may be does not keep a thread for ever
  expect(timeoutOf(2 ** 31, 120_000)).toBeLessThan(24 * 3_600_000)
})
