import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { IngestResult } from '../../src/ingest/result.ts'
import { jsonOf } from '../support/ckvd.ts'
import { DailyWorld } from '../support/daily-world.ts'
import { library } from '../support/library.ts'
import { digestTree, queryCatalog } from '../support/temp-lake.ts'

/*
 * `ckvd sync`: every series of a lake up to yesterday, from the day with which the lake has it, and nothing that the lake has not.
 */

const MARKETS = [
  { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' },
  { market: 'spot', symbol: 'BBBUSDT', firstDay: '2024-01-10' },
  { market: 'um', symbol: 'AAAUSDT', firstDay: '2024-01-10' },
] as const

describe('a lake of three series that begin on different days', () => {
  let world: DailyWorld
  let synced: IngestResult
  beforeAll(async () => {
    world = await DailyWorld.create({ markets: MARKETS })
    expect((await world.ingest('AAAUSDT', '--start', '2024-03-01')).exit).toBe(0)
    expect((await world.ingest('BBBUSDT', '--start', '2024-02-27', '--end', '2024-03-04', '--intervals', '1h,1d')).exit).toBe(0)
    world.now = '2024-03-12T12:00:00Z'
    const run = await world.run(['sync', '--json'])
    expect(run.exit, run.stderr).toBe(0)
    synced = jsonOf(run) as IngestResult
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test('each is there from the day with which the lake has it up to yesterday, and nothing else is', () => {
    expect(world.ranges()).toEqual([
      'spot AAAUSDT 1h 2024-03-01 2024-03-11',
      'spot BBBUSDT 1d 2024-02-27 2024-03-11',
      'spot BBBUSDT 1h 2024-02-27 2024-03-11',
    ])
  })

  test('the result is that of an ingest, by another name', () => {
    expect(synced).toMatchObject({ command: 'sync', exit: 0, series: 3, range: { start: null, end: '2024-03-12' }, problems: [] })
    expect(Object.values(synced.days).reduce((sum, count) => sum + count, 0)).toBe(11 + 14 + 14)
    expect(synced.stored).toBe(2 + 8 + 8)
    expect(queryCatalog(world.lake, 'SELECT command, exit FROM runs ORDER BY id DESC LIMIT 1')).toEqual([{ command: 'sync', exit: 0 }])
  })

  test('what lies in data/ is what one ingest of the same days would have stored', async () => {
    await using other = await DailyWorld.create({ markets: MARKETS })
    other.now = '2024-03-12T12:00:00Z'
    expect((await other.ingest('AAAUSDT', '--start', '2024-03-01')).exit).toBe(0)
    expect((await other.ingest('BBBUSDT', '--start', '2024-02-27', '--intervals', '1h,1d')).exit).toBe(0)
    const data = async (lake: string) => (await digestTree(lake)).filter((line) => line.startsWith('data/'))
    expect(await data(world.lake)).toEqual(await data(other.lake))
  })

  test('once more on the same day it asks for no archive', async () => {
    const again = jsonOf(await world.run(['sync', '--json'])) as IngestResult
    expect(again).toMatchObject({ exit: 0, stored: 0, requests: { archive: 0, checksum: 0 } })
  })

  test('a dry run plans and stores nothing', async () => {
    world.now = '2024-03-13T12:00:00Z'
    const before = world.ranges()
    const planned = jsonOf(await world.run(['sync', '--dry-run', '--json'])) as { command: string; total: { days: number; stored: number } }
    expect(planned).toMatchObject({ command: 'sync', total: { days: 12 + 15 + 15, stored: 11 + 14 + 14 } })
    expect(world.ranges()).toEqual(before)
  })

  test('filters choose series of the lake', async () => {
    world.now = '2024-03-14T12:00:00Z'
    const some = jsonOf(await world.run(['sync', '--symbols', 'BBBUSDT', '--intervals', '1d', '--json'])) as IngestResult
    expect(some).toMatchObject({ exit: 0, series: 1 })
    expect(world.ranges()[1]).toBe('spot BBBUSDT 1d 2024-02-27 2024-03-13')
    expect(world.ranges()[2]).toBe('spot BBBUSDT 1h 2024-02-27 2024-03-11')
  })

  test('what the filters name and the lake has not is refused, before anything is asked', async () => {
    const cases = [
      ['--symbols', 'CCCUSDT'],
      ['--intervals', '5m'],
      ['--market', 'um'],
    ] as const
    for (const [flag, value] of cases) {
      const { exit, stderr } = await world.run(['sync', flag, value])
      expect({ flag, exit }).toEqual({ flag, exit: 2 })
      expect(stderr).toContain(value)
      expect(stderr).toContain('ckvd ingest')
    }
  })

  test('a start without a universe is refused: each series has its own', async () => {
    const { exit, stderr } = await world.run(['sync', '--start', '2024-01-20'])
    expect(exit).toBe(2)
    expect(stderr).toContain('`--start`')
    // but of a config file, where it is meant for an ingest
    await writeFile(join(world.directory.path, 'ckvd.config.json'), '{"start":"2024-01-20"}')
    expect((await world.run(['sync', '--dry-run', '--quiet'])).exit).toBe(0)
    await rm(join(world.directory.path, 'ckvd.config.json'))
  })

  test('of a universe: what the lake has goes on from there in all its intervals, what is new begins as an ingest', async () => {
    world.now = '2024-03-15T12:00:00Z'
    const universe = 'market,symbol,earliest_date,available_intervals\nspot,BBBUSDT,2024-01-10,"1h,1d,1m"\num,AAAUSDT,2024-01-10,"1m,1h"\n'
    const run = await world.run(['sync', '--universe', '-', '--start', '2024-03-13', '--json'], universe)
    expect(run.exit, run.stderr).toBe(0)
    expect(world.ranges()).toEqual([
      'spot AAAUSDT 1h 2024-03-01 2024-03-11',
      'spot BBBUSDT 1d 2024-02-27 2024-03-14',
      'spot BBBUSDT 1h 2024-02-27 2024-03-14',
      'um AAAUSDT 1m 2024-03-13 2024-03-14',
    ])
  })
})

test('where there is no lake, or nothing in it, it says how to begin one', async () => {
  await using world = await DailyWorld.create({ markets: MARKETS })
  const none = await world.run(['sync'])
  expect(none.exit).toBe(2)
  expect(none.stderr).toContain('CKVD_LAKE_MISSING')
  expect((await world.ingest('CCCUSDT', '--start', '2024-03-01', '--no-rest')).exit).toBe(3)
  const empty = await world.run(['sync'])
  expect(empty.exit).toBe(2)
  expect(empty.stderr).toContain('ckvd ingest')
})

test('the library does the same', async () => {
  await using world = await DailyWorld.create({ markets: MARKETS })
  expect((await world.ingest('AAAUSDT', '--start', '2024-03-01')).exit).toBe(0)
  world.now = '2024-03-12T12:00:00Z'
  vi.stubEnv('CKVD_NOW', world.now)
  try {
    const config = { lake: world.lake, sources: world.sandbox.urls }
    expect(await library.sync({ ...config, dryRun: true })).toMatchObject({ command: 'sync', exit: 0, total: { days: 11, stored: 9 } })
    expect(await library.sync(config)).toMatchObject({ command: 'sync', exit: 0, series: 1, stored: 2 })
    await expect(library.sync({ ...config, symbols: ['CCCUSDT'] })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
  } finally {
    vi.unstubAllEnvs()
  }
})
