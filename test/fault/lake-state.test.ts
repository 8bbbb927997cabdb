import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { beforeAll, describe, expect, test } from 'vitest'
import type { IngestOptions } from '../../src/ingest/ingest-options.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { openLake } from '../../src/lake/lake.ts'
import { createLocalReader } from '../../src/lake/local-shards.ts'
import { readShard } from '../../src/lake/shards.ts'
import { ingestCommand, jsonOf, runCkvd, runHere } from '../support/ckvd.ts'
import { urlVariables } from '../support/exchange.ts'
import { alterStored, readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'
import type { World } from './world.ts'
import { createWorld, FOLDER, PACK, SYMBOL } from './world.ts'

const NOW = '2024-03-20T12:00:00Z'
const packOf = (lake: string): string => join(lake, PACK)
/** The same days as files of their own. */
const FILES = {
  universe: [{ market: 'spot' as const, symbol: SYMBOL, intervals: ['5m' as const], line: 1 }],
} satisfies Partial<IngestOptions>
const fileOf = (lake: string, day: string): string => join(lake, `data/spot/daily/klines/${SYMBOL}/5m/${SYMBOL}-5m-${day}.arrow`)

let reference: string[]
let files: string[]

beforeAll(async () => {
  await using world = await createWorld()
  expect(await world.run()).toMatchObject({ exit: 0, stored: 3 })
  reference = await digestTree(join(world.lake, 'data'))
  await using other = await createWorld()
  expect(await other.run(FILES)).toMatchObject({ exit: 0, stored: 3 })
  files = await digestTree(join(other.lake, 'data'))
})

const verify = (world: World, ...flags: string[]) =>
  runHere(['verify', '--lake', world.lake, '--json', '--quiet', ...flags], { env: { ...urlVariables(world.sandbox), CKVD_NOW: NOW } })

describe('shards that are not as they were stored', () => {
  const hurts: readonly [string, string, (path: string) => unknown][] = [
    ['deleted', 'CKVD_SHARD_MISSING', (path) => rm(path)],
    ['emptied', 'CKVD_SHARD_DIGEST', (path) => truncateSync(path, 0)],
    ['cut', 'CKVD_SHARD_DIGEST', (path) => truncateSync(path, 2000)],
    ['longer', 'CKVD_SHARD_DIGEST', (path) => appendFileSync(path, 'x')],
    ['one bit different', 'CKVD_SHARD_DIGEST', (path) => writeFileSync(path, flipped(readFileSync(path)))],
    ['another day', 'CKVD_SHARD_DIGEST', (path) => writeFileSync(path, readFileSync(path.replace('03-02', '03-01')))],
    ['a folder', 'CKVD_LAKE_IO', (path) => rm(path).then(() => mkdir(path))],
  ]

  test.each(hurts)('%s: verify names it (exit 3), verify --repair heals it byte for byte', async (what, code, hurt) => {
    await using world = await createWorld()
    await world.run(FILES)
    await hurt(fileOf(world.lake, '2024-03-02'))
    const found = await verify(world)
    expect(jsonOf(found)).toMatchObject({ exit: 3, bad: [{ symbol: SYMBOL, day: '2024-03-02', code }] })
    if (what === 'a folder') await rm(fileOf(world.lake, '2024-03-02'), { recursive: true })
    world.sandbox.clearRequests()
    const repaired = await verify(world, '--repair')
    expect(jsonOf(repaired)).toMatchObject({ exit: 0, repair: { exit: 0, stored: 1 } })
    expect(world.requests('archive')).toBe(1)
    expect(await digestTree(join(world.lake, 'data'))).toEqual(files)
    expect(jsonOf(await verify(world))).toMatchObject({ exit: 0, bad: [], foreign: [] })
  })

  const ALL = ['2024-03-01', '2024-03-02', '2024-03-03']
  const packHurts: readonly [string, string, readonly string[], (path: string) => unknown][] = [
    ['deleted', 'CKVD_SHARD_MISSING', ALL, (path) => rm(path)],
    ['emptied', 'CKVD_SHARD_FORMAT', ALL, (path) => truncateSync(path, 0)],
    ['cut', 'CKVD_SHARD_FORMAT', ALL, (path) => truncateSync(path, 2000)],
    ['longer', 'CKVD_SHARD_FORMAT', ALL, (path) => appendFileSync(path, 'x')],
    [
      'one value different',
      'CKVD_SHARD_DIGEST',
      ['2024-03-02'],
      (path) => alterStored(path, '2024-03-02', (columns) => (columns[5]![3] = 7)),
    ],
    ['a folder', 'CKVD_LAKE_IO', ALL, (path) => rm(path).then(() => mkdir(path))],
  ]

  test.each(packHurts)('a pack, %s: verify names its days (%s), verify --repair heals it byte for byte', async (what, code, days, hurt) => {
    await using world = await createWorld()
    await world.run()
    await hurt(packOf(world.lake))
    const found = await verify(world)
    expect(jsonOf(found)).toMatchObject({ exit: 3, bad: days.map((day) => ({ symbol: SYMBOL, day, code, path: PACK })) })
    if (what === 'a folder') await rm(packOf(world.lake), { recursive: true })
    world.sandbox.clearRequests()
    const repaired = await verify(world, '--repair')
    expect(jsonOf(repaired)).toMatchObject({ exit: 0, repair: { exit: 0, stored: days.length } })
    expect(world.requests('archive')).toBe(days.length)
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
    expect(jsonOf(await verify(world))).toMatchObject({ exit: 0, bad: [], foreign: [] })
  })

  test('a day of a pack that verify cannot repair stays named, and the days beside it stay', async () => {
    await using world = await createWorld()
    await world.run()
    const sound = await readStoredChunks(world.lake)
    alterStored(packOf(world.lake), '2024-03-02', (columns) => (columns[5]![3] = 7))
    world.sandbox.setFaults([
      { kind: 'status', match: '03-02\\.zip$', status: 403 },
      { kind: 'status', match: '/klines\\?', status: 403 },
    ])
    expect(jsonOf(await verify(world, '--repair'))).toMatchObject({ exit: 3, repair: { stored: 0 } })
    expect(queryCatalog(world.lake, "SELECT day FROM days WHERE condition = 'failed'")).toEqual([{ day: '2024-03-02' }])
    const args = ['fetch', SYMBOL, '--market', 'spot', '--interval', '1h', '--lake', world.lake, '--source', 'cache', '--format', 'csv']
    for (const [day, next] of [
      ['2024-03-01', '2024-03-02'],
      ['2024-03-03', '2024-03-04'],
    ] as const) {
      const { exit, stdout } = await runHere([...args, '--start', day, '--end', next], { env: { CKVD_NOW: NOW } })
      expect(exit).toBe(0)
      const closes = stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => Number(line.split(',')[4]))
      expect(closes).toEqual([...sound.find((chunk) => chunk.day === day)!.columns[4]!])
    }
  })

  test('what verify cannot repair stays named, and the shards beside it stay', async () => {
    await using world = await createWorld()
    await world.run(FILES)
    await rm(fileOf(world.lake, '2024-03-02'))
    world.sandbox.setFaults([
      { kind: 'status', match: '03-02\\.zip$', status: 403 },
      { kind: 'status', match: '/klines\\?', status: 403 },
    ])
    expect(jsonOf(await verify(world, '--repair'))).toMatchObject({ exit: 3, repair: { stored: 0 } })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(files.filter((file) => !file.includes('03-02')))
    expect(queryCatalog(world.lake, "SELECT condition FROM days WHERE day = '2024-03-02'")).toEqual([{ condition: 'failed' }])
  })
})

function flipped(bytes: Buffer): Buffer {
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes
}

describe('the catalog', () => {
  test.each<[string, (lake: string) => Promise<unknown>]>([
    ['deleted', (lake) => removeCatalog(lake)],
    ['emptied', (lake) => removeCatalog(lake).then(() => writeFileSync(join(lake, 'catalog.sqlite'), ''))],
  ])('%s: the same command takes the shards in again and fetches nothing', async (_name, hurt) => {
    await using world = await createWorld()
    await world.run()
    await hurt(world.lake)
    world.sandbox.clearRequests()
    expect(await world.run()).toMatchObject({ exit: 0, stored: 0, skipped: 3 })
    expect(world.requests('archive')).toBe(0)
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  })

  test('damaged: a run refuses it with the way out, verify rebuilds it and keeps the damaged one', async () => {
    await using world = await createWorld()
    await world.run()
    const days = queryCatalog(world.lake, 'SELECT day, condition, shard_sha256 FROM days')
    await removeCatalog(world.lake)
    writeFileSync(join(world.lake, 'catalog.sqlite'), 'not a database '.repeat(500))
    await expect(world.run()).rejects.toMatchObject({
      code: 'CKVD_CATALOG',
      exit: 4,
      message: expect.stringContaining('ckvd verify') as string,
    })
    expect(jsonOf(await verify(world))).toMatchObject({ exit: 0, rebuilt: true, adopted: 3 })
    expect(queryCatalog(world.lake, 'SELECT day, condition, shard_sha256 FROM days')).toEqual(days)
    expect((await readdir(world.lake)).filter((name) => name.includes('corrupt'))).toEqual(['catalog.sqlite.corrupt-1'])
  })

  test('of a newer version: run and verify refuse it, and not a byte of the lake changes', async () => {
    await using world = await createWorld()
    const env = { ...urlVariables(world.sandbox), CKVD_NOW: NOW }
    const args = ingestCommand(world.lake, '--start', '2024-03-01', '--end', '2024-03-04')
    // in a process of its own, which closes the catalog for good
    expect(await runCkvd([...args, '--quiet'], { env, stdin: SYMBOL })).toMatchObject({ exit: 0 })
    const database = new Database(join(world.lake, 'catalog.sqlite'))
    database.exec('PRAGMA user_version = 99')
    database.close()
    const before = await digestTree(world.lake)
    const run = await runCkvd([...args, '--json', '--quiet'], { env, stdin: SYMBOL })
    expect(run.exit).toBe(4)
    expect(run.stderr + run.stdout).toContain('a newer ckvd wrote it')
    expect((await verify(world)).exit).toBe(4)
    expect(await digestTree(world.lake)).toEqual(before)
  })
})

async function removeCatalog(lake: string): Promise<void> {
  for (const name of await readdir(lake)) if (name.startsWith('catalog.sqlite')) await rm(join(lake, name))
}

test('readers beside a writer see whole shards and true rows after each of its steps', async () => {
  await using world = await createWorld()
  const series = { market: 'spot', symbol: SYMBOL, interval: '1h' } as const
  const seen: number[] = []
  const read = async (name: string): Promise<void> => {
    if (!/transaction|rename/.test(name)) return
    const lake = await openLake(world.lake, { mode: 'read' })
    const rows = lake.catalog.readDays(series)
    for (const row of rows)
      if (row.shardSha256 !== null)
        expect((await readShard(createLocalReader(world.lake), series, row.day, row)).columns.openTime).toHaveLength(row.rows)
    seen.push(rows.length)
    await lake.close()
  }
  await world.run()
  expect(await world.run({ start: '2024-02-01' as UtcDay, steps: read })).toMatchObject({ exit: 0, stored: 29 })
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(new Set(seen).size, 'several states were seen').toBeGreaterThan(2)
  expect(seen.at(-1)).toBe(32)
})

describe('a clock that was set back', () => {
  test('by a month: what is stored stays and is believed, nothing is fetched', async () => {
    await using world = await createWorld()
    await world.run()
    world.sandbox.clearRequests()
    const nowMs = Date.parse('2024-03-04T00:00:01Z')
    expect(await world.run({ nowMs })).toMatchObject({ exit: 0, stored: 0, skipped: 3 })
    expect(world.requests('archive')).toBe(0)
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  })

  test('before the range: refused, since those days are not closed', async () => {
    await using world = await createWorld()
    await world.run()
    const around = { env: { ...urlVariables(world.sandbox), CKVD_NOW: '2024-03-03T23:59:59Z' }, stdin: SYMBOL }
    const refused = await runHere(ingestCommand(world.lake, '--start', '2024-03-01', '--end', '2024-03-04'), around)
    expect([refused.exit, refused.stderr]).toEqual([2, expect.stringMatching(/^error CKVD_USAGE: .*2024-03-04/)])
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  })
})

test.each(['data', 'data/spot', FOLDER, 'tmp', 'quarantine'])(
  'a symbolic link at %s that leads out of the lake: exit 4, nothing outside is written',
  async (folder) => {
    await using world = await createWorld([{ kind: 'flip', match: 'zip$', offset: 1300 }])
    await using outside = await createTempDirectory()
    const link = join(world.lake, folder)
    await mkdir(join(link, '..'), { recursive: true })
    await symlink(outside.path, link)
    const ended = await world.run().then(
      ({ exit, stopped }) => ({ exit, code: stopped?.code }),
      (error: { exit: number; code: string }) => ({ exit: error.exit, code: error.code }),
    )
    expect(ended).toEqual({ exit: 4, code: 'CKVD_LAKE_IO' })
    expect(await listFiles(outside.path)).toEqual([])
  },
)

test.each(['catalog.sqlite', 'catalog.sqlite-wal', 'lock.sqlite'])(
  'a symbolic link in the place of %s: exit 4, and nothing is written where it leads',
  async (name) => {
    await using world = await createWorld()
    await using outside = await createTempDirectory()
    await mkdir(world.lake, { recursive: true })
    await symlink(join(outside.path, 'theirs'), join(world.lake, name))
    await expect(world.run()).rejects.toMatchObject({
      code: 'CKVD_LAKE_IO',
      exit: 4,
      message: expect.stringMatching(/symbolic link/) as string,
    })
    expect(await listFiles(outside.path)).toEqual([])
  },
)

test('a symbolic link in the place of a shard is replaced, and what it leads to stays', async () => {
  await using world = await createWorld()
  await using outside = await createTempDirectory()
  const secret = join(outside.path, 'secret')
  writeFileSync(secret, 'mine')
  await mkdir(join(world.lake, FOLDER), { recursive: true })
  await symlink(secret, packOf(world.lake))
  expect(await world.run()).toMatchObject({ exit: 0, stored: 3 })
  expect(await readFile(secret, 'utf8')).toBe('mine')
  expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
})

describe('secrets', () => {
  test('of the environment and the proxy are in no output, no log and no file of the lake', async () => {
    await using world = await createWorld([{ kind: 'status', match: 'zip$', status: 503 }])
    const log = join(world.directory.path, 'ckvd.log')
    const secrets = ['proxy-word', 'token-word']
    const env = {
      ...urlVariables(world.sandbox),
      CKVD_NOW: NOW,
      CKVD_MAX_RETRIES: '0',
      HTTPS_PROXY: 'http://me:proxy-word@127.0.0.1:9',
      HTTP_PROXY: 'http://me:proxy-word@127.0.0.1:9',
      NO_PROXY: '127.0.0.1',
      AWS_SECRET_ACCESS_KEY: 'token-word',
      CKVD_LOG_LEVEL: 'DEBUG',
      CKVD_LOG_FILE: log,
    }
    const args = ingestCommand(world.lake, '--start', '2024-03-01', '--end', '2024-03-04')
    const { stdout, stderr } = await runCkvd([...args, '--verbose'], { env, stdin: SYMBOL })
    const config = await runCkvd(['config'], { env })
    const files = await listFiles(world.directory.path)
    expect(files.length).toBeGreaterThan(0)
    const texts = await Promise.all(files.map((file) => readFile(join(world.directory.path, file), 'latin1')))
    for (const secret of secrets) {
      for (const text of [stdout, stderr, config.stdout, config.stderr, ...texts])
        expect(text.includes(secret), `${secret} in ${text.slice(0, 2000)}`).toBe(false)
    }
  })
})

test.each(['{"__proto__": {"workers": 3}}', '{"constructor": {"prototype": {"workers": 3}}}', '{"prototype": 1}'])(
  'a config file that holds %s is refused, and no prototype changes',
  async (text) => {
    await using directory = await createTempDirectory()
    writeFileSync(join(directory.path, 'ckvd.config.json'), text)
    const { exit } = await runHere(['config', '--json'], { cwd: directory.path })
    expect(exit).toBe(2)
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as { workers?: number }).workers).toBeUndefined()
  },
)
