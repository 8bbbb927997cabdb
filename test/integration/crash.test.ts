import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ingestCommand, ingestResult, jsonOf, runCkvd, runHere, startCkvd } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { StoredChunk } from '../support/stored-chunk.ts'
import { bytesOf, readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog, waitUntil } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'
/** 5m of two symbols in 2024-02-01 … 2024-03-19, from daily archives, each day a file */
const CHUNKS = 2 * 48
const UNIVERSE = 'AAAUSDT\nBBBUSDT\n'

function command(lake: string): string[] {
  return ingestCommand(lake, '--intervals', '5m', '--archives', 'daily', '--workers', '2', '--concurrency', '4', '--json', '--quiet')
}

describe('a run that is ended in the middle', () => {
  let exchange: TestExchange
  let reference: string[]

  beforeAll(async () => {
    exchange = await startExchange(NOW, {
      markets: ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market: 'spot' as const, symbol, firstDay: '2024-02-01' })),
    })
    await using whole = await createTempDirectory()
    const result = ingestResult(await runHere(command(whole.lake), { env: exchange.env, stdin: UNIVERSE }))
    expect(result).toMatchObject({ exit: 0, stored: CHUNKS })
    reference = await digestTree(join(whole.lake, 'data'))
  })

  beforeEach(() => {
    // a little time for each archive, so that there is a middle
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 400_000 }])
    exchange.sandbox.clearRequests()
  })

  afterAll(() => exchange[Symbol.asyncDispose]())

  const shards = async (lake: string): Promise<number> => (await listFiles(join(lake, 'data'))).length

  test.each([
    [
      'as soon as the lake is there',
      (lake: string) =>
        readdir(lake)
          .then((names) => names.includes('catalog.sqlite'))
          .catch(() => false),
    ],
    ['when the first archive is asked for', () => Promise.resolve(exchange.requests('archive').length > 0)],
    ['when the first shard is stored', async (lake: string) => (await shards(lake)) >= 1],
    [
      'while a shard is being written',
      async (lake: string) => (await listFiles(join(lake, 'tmp'))).some((name) => !name.startsWith('plan-')),
    ],
    ['when a third of the shards is stored', async (lake: string) => (await shards(lake)) >= CHUNKS / 3],
    ['when nearly all shards are stored', async (lake: string) => (await shards(lake)) >= CHUNKS - 8],
  ])('kill -9 %s, then the same command: exit 0 and the same bytes', async (moment, isThere) => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    const running = startCkvd(command(lake), { env: exchange.env, stdin: UNIVERSE })
    await waitUntil(moment, () => isThere(lake))
    running.kill('SIGKILL')
    expect((await running.ended).exit, 'killed before its end').toBeNull()
    const left = await listFiles(join(lake, 'data'))
    const whole = new Map(reference.map((line) => line.split(' ') as [string, string]))
    const found = new Map((await digestTree(join(lake, 'data'))).map((line) => line.split(' ') as [string, string]))
    for (const file of left) expect(found.get(file), `${file} is whole at any moment`).toBe(whole.get(file))

    exchange.sandbox.setFaults([])
    exchange.sandbox.clearRequests()
    const result = ingestResult(await runHere(command(lake), { env: exchange.env, stdin: UNIVERSE }))
    expect(result).toMatchObject({ exit: 0, problems: [], stored: CHUNKS - left.length, skipped: left.length })
    expect(exchange.requests('archive')).toHaveLength(CHUNKS - left.length)
    expect(await digestTree(join(lake, 'data'))).toEqual(reference)
    expect(await listFiles(join(lake, 'tmp'))).toEqual([])
    const verified = await runHere(['verify', '--lake', lake, '--json', '--quiet'])
    expect(jsonOf(verified)).toMatchObject({ exit: 0, shards: CHUNKS, bad: [], foreign: [], adopted: 0, swept: 0, rebuilt: false })
  })

  test('an interrupt ends it with 130 and nothing half done; the same command goes on from there', async () => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    const running = startCkvd(command(lake), { env: exchange.env, stdin: UNIVERSE })
    await waitUntil('some shards', async () => (await shards(lake)) >= 8)
    running.kill('SIGINT')
    const interrupted = await running.ended
    const first = ingestResult(interrupted)
    expect(interrupted.exit).toBe(130)
    expect(first).toMatchObject({ exit: 130, stopped: { code: 'CKVD_ABORTED' }, problems: [] })
    expect(first.stored).toBeLessThan(CHUNKS)
    expect(await shards(lake)).toBe(first.stored)
    expect(await listFiles(join(lake, 'tmp'))).toEqual([])
    expect(queryCatalog(lake, 'SELECT command, exit FROM runs')).toEqual([{ command: 'ingest', exit: 130 }])

    exchange.sandbox.setFaults([])
    exchange.sandbox.clearRequests()
    const second = ingestResult(await runCkvd(command(lake), { env: exchange.env, stdin: UNIVERSE }))
    expect(second).toMatchObject({ exit: 0, stored: CHUNKS - first.stored, skipped: first.stored })
    expect(exchange.requests('archive')).toHaveLength(second.stored)
    expect(await digestTree(join(lake, 'data'))).toEqual(reference)
  })
})

describe('a run whose chunks stand in packs, ended in the middle', () => {
  /** A pack a month and symbol; what arrives later is put into the one that is there. */
  const PACKS = 2 * 2
  let exchange: TestExchange
  let reference: string[]
  let chunks: Map<string, string>

  const hours = (lake: string): string[] => [...command(lake), '--intervals', '1h']

  /** All that the lake holds of each chunk; throws where a file is not whole, or a chunk not that of its digest. */
  async function readWhole(lake: string): Promise<Map<string, string>> {
    const stored = await readStoredChunks(lake)
    const nameOf = ({ metadata, day }: StoredChunk): string => `${metadata.get('ckvd.symbol')} ${day}`
    return new Map(stored.map((chunk) => [nameOf(chunk), JSON.stringify([[...chunk.metadata], bytesOf(chunk).toString('base64')])]))
  }

  const recorded = (lake: string): string[] =>
    queryCatalog<{ name: string }>(lake, "SELECT symbol || ' ' || day AS name FROM days WHERE shard_sha256 IS NOT NULL").map(
      ({ name }) => name,
    )

  beforeAll(async () => {
    exchange = await startExchange(NOW, {
      markets: ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market: 'spot' as const, symbol, firstDay: '2024-02-01' })),
    })
    await using whole = await createTempDirectory()
    const result = ingestResult(await runHere(hours(whole.lake), { env: exchange.env, stdin: UNIVERSE }))
    expect(result).toMatchObject({ exit: 0, stored: CHUNKS })
    reference = await digestTree(join(whole.lake, 'data'))
    chunks = await readWhole(whole.lake)
    expect([reference.length, chunks.size]).toEqual([PACKS, CHUNKS])
  })

  afterAll(() => exchange[Symbol.asyncDispose]())

  test.each([
    ['when the first chunk is stored', 1],
    ['when a third of the chunks is stored', CHUNKS / 3],
    ['when two thirds of the chunks are stored', (2 * CHUNKS) / 3],
  ])('kill -9 %s: no chunk that was stored is lost; then the same command: exit 0 and the same bytes', async (moment, count) => {
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 20_000 }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    const running = startCkvd(hours(lake), { env: exchange.env, stdin: UNIVERSE })
    await waitUntil(moment, async () => (await listFiles(join(lake, 'data'))).length > 0 && recorded(lake).length >= count)
    running.kill('SIGKILL')
    expect((await running.ended).exit, 'killed before its end').toBeNull()
    const left = await readWhole(lake)
    for (const [name, held] of left) expect(held === chunks.get(name), `${name} is whole at any moment`).toBe(true)
    const known = recorded(lake)
    expect(known.length).toBeGreaterThanOrEqual(count)
    expect(known.filter((name) => !left.has(name))).toEqual([])

    exchange.sandbox.setFaults([])
    exchange.sandbox.clearRequests()
    const result = ingestResult(await runHere(hours(lake), { env: exchange.env, stdin: UNIVERSE }))
    // what stood in a file and was not recorded yet is taken from the file
    expect(result).toMatchObject({ exit: 0, problems: [], stored: CHUNKS - left.size, skipped: left.size })
    expect(exchange.requests('archive')).toHaveLength(CHUNKS - left.size)
    expect(await digestTree(join(lake, 'data'))).toEqual(reference)
    expect(await listFiles(join(lake, 'tmp'))).toEqual([])
    const verified = await runHere(['verify', '--lake', lake, '--json', '--quiet'])
    expect(jsonOf(verified)).toMatchObject({ exit: 0, shards: CHUNKS, bad: [], foreign: [], adopted: 0, swept: 0, rebuilt: false })
  })

  test('fetches the days of a pack that was lost, and only these', async () => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    const run = async () => ingestResult(await runHere(hours(lake), { env: exchange.env, stdin: UNIVERSE }))
    await run()
    await rm(join(lake, 'data/spot/monthly/klines/AAAUSDT/1h/AAAUSDT-1h-2024-02.arrow'))
    const february = Array.from({ length: 29 }, (_, i) => `2024-02-${String(i + 1).padStart(2, '0')}`)
    expect(jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet']))).toMatchObject({
      exit: 3,
      bad: february.map((day) => ({ symbol: 'AAAUSDT', day, code: 'CKVD_SHARD_MISSING' })),
    })
    exchange.sandbox.clearRequests()
    expect(await run()).toMatchObject({ exit: 0, stored: 29, skipped: CHUNKS - 29 })
    expect(
      exchange
        .requests('archive')
        .map(({ path }) => path.slice(-14, -4))
        .sort(),
    ).toEqual(february)
    expect(await digestTree(join(lake, 'data'))).toEqual(reference)
  })
})

describe('a run after a complete one', () => {
  let exchange: TestExchange

  beforeAll(async () => {
    exchange = await startExchange(NOW, {
      faults: [{ kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-02-11T04:00:00Z', to: '2024-02-11T06:00:00Z' }],
      markets: ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market: 'spot' as const, symbol, firstDay: '2024-02-01' })),
    })
  })

  afterAll(() => exchange[Symbol.asyncDispose]())

  test.each(['5m', '1h'])('of %s makes no ZIP request at all, nor does one after the catalog is lost', async (interval) => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    const args = [...command(lake), '--intervals', interval]
    const run = async () => ingestResult(await runHere(args, { env: exchange.env, stdin: UNIVERSE }))
    expect(await run()).toMatchObject({ exit: 0, stored: CHUNKS })
    const digests = await digestTree(join(lake, 'data'))
    const days =
      'SELECT market, symbol, interval, day, condition, source, rows, expected, shard_sha256, shard_bytes, archive_key, archive_etag, archive_sha256 FROM days ORDER BY symbol, day'
    const rows = queryCatalog(lake, days)

    exchange.sandbox.clearRequests()
    expect(await run()).toMatchObject({ exit: 0, stored: 0, skipped: CHUNKS, rows: 0, requests: { archive: 0, checksum: 0 } })
    expect([...exchange.requests('archive'), ...exchange.requests('checksum')]).toEqual([])

    const gaps = queryCatalog(lake, 'SELECT * FROM gaps')
    expect(gaps).toHaveLength(1)
    for (const name of await readdir(lake)) if (name.startsWith('catalog.sqlite')) await rm(join(lake, name))
    exchange.sandbox.clearRequests()
    expect(await run()).toMatchObject({ exit: 0, stored: 0, skipped: CHUNKS })
    expect([...exchange.requests('archive'), ...exchange.requests('checksum')]).toEqual([])
    expect(queryCatalog(lake, days)).toEqual(rows)
    expect(queryCatalog(lake, 'SELECT * FROM gaps')).toEqual(gaps)
    expect(await digestTree(join(lake, 'data'))).toEqual(digests)
  })

  test('fetches what was lost of the shards, and only that', async () => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    const run = async (...flags: string[]) =>
      ingestResult(await runHere([...command(lake), ...flags], { env: exchange.env, stdin: UNIVERSE }))
    await run()
    const digests = await digestTree(join(lake, 'data'))
    await rm(join(lake, 'data/spot/daily/klines/AAAUSDT/5m/AAAUSDT-5m-2024-02-05.arrow'))
    const broken = ['verify', '--lake', lake, '--json', '--quiet']
    expect(jsonOf(await runHere(broken))).toMatchObject({
      exit: 3,
      bad: [{ symbol: 'AAAUSDT', day: '2024-02-05', code: 'CKVD_SHARD_MISSING' }],
    })
    exchange.sandbox.clearRequests()
    expect(await run()).toMatchObject({ exit: 0, stored: 1, skipped: CHUNKS - 1 })
    expect(exchange.requests('archive').map(({ path }) => path.split('/').at(-1))).toEqual(['AAAUSDT-5m-2024-02-05.zip'])
    expect(await digestTree(join(lake, 'data'))).toEqual(digests)
  })

  test('fetches the days that have become due since, by the clock of CKVD_NOW', async () => {
    await using directory = await createTempDirectory()
    const run = async (now: string) => {
      const env = { ...exchange.env, CKVD_NOW: now }
      return ingestResult(await runHere([...command(directory.lake), '--start', '2024-03-01'], { env, stdin: UNIVERSE }))
    }
    expect(await run('2024-03-10T23:59:59Z')).toMatchObject({ exit: 0, stored: 2 * 9, range: { start: '2024-03-01', end: '2024-03-10' } })
    exchange.sandbox.clearRequests()
    expect(await run('2024-03-12T00:00:00Z')).toMatchObject({ exit: 0, stored: 2 * 2, skipped: 2 * 9 })
    expect(exchange.requests('archive')).toHaveLength(4)
  })
})
