import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SeriesCoverage } from '../../src/report/coverage/coverage.ts'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'

/** AAAUSDT lives from 2023-12-30 on; the lake was asked for January's 1st and 2nd, 6th and 7th: three days between are a hole. */
const HOLE = { market: 'spot', symbol: 'AAAUSDT', interval: '1m', first: '2024-01-03', last: '2024-01-05', days: 3 }

let world: World

beforeAll(async () => {
  world = await createWorld({
    now: '2024-01-10T12:00:00Z',
    markets: [
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2023-12-30' },
      { market: 'spot', symbol: 'BBBUSDT', firstDay: '2024-01-02' },
    ],
  })
  const ask = { symbols: ['AAAUSDT'], intervals: '1m' }
  expect(await world.ingest({ ...ask, start: '2024-01-01', end: '2024-01-03' })).toMatchObject({ exit: 0 })
  expect(await world.ingest({ ...ask, start: '2024-01-06', end: '2024-01-08' })).toMatchObject({ exit: 0 })
  expect(await world.ingest({ symbols: ['BBBUSDT'], intervals: '1h', start: '2024-01-01', end: '2024-01-04' })).toMatchObject({ exit: 0 })
})
afterAll(() => world[Symbol.asyncDispose]())

describe('days that were never requested', () => {
  let outs = 0
  const run = async (...args: string[]) => {
    const flags = args[0] === 'export' ? ['--out', `out-${outs++}`] : []
    return { text: await world.ckvd([...args, ...flags]), json: jsonOf(await world.ckvd([...args, ...flags, '--json'])) }
  }

  test('export lists those between stored ones, exit 3', async () => {
    const { text, json } = await run('export', '--symbols', 'AAAUSDT')
    expect(json).toMatchObject({ exit: 3, never_requested: 3, never_requested_days: [HOLE], unexplained: [], rows: 4 * 1440 })
    expect(text.exit).toBe(3)
    expect(text.stdout).toContain('\n3 days were never requested')
    expect(text.stdout).toContain('\n  spot AAAUSDT 1m  2024-01-03 to 2024-01-05  3 days\n')
    expect(text.stdout).toMatch(/Bars are missing without explanation\. \(exit 3\)\n$/)
  })

  test.each([
    // the first day is the first that the listing has, whatever is asked for
    ['2023-01-01', '2024-01-03', { never_requested: 2, never_requested_days: [{ first: '2023-12-30', last: '2023-12-31', days: 2 }] }],
    ['2024-01-02', '2024-01-05', { never_requested: 2, never_requested_days: [{ first: '2024-01-03', last: '2024-01-04', days: 2 }] }],
    ['2024-01-01', '2024-01-03', { exit: 0, never_requested: 0, never_requested_days: [] }],
    ['2024-01-06', '2024-01-08', { exit: 0, never_requested: 0, never_requested_days: [] }],
    // what nobody has wanted yet, up to yesterday
    ['2024-01-06', '2024-02-01', { never_requested: 2, never_requested_days: [{ first: '2024-01-08', last: '2024-01-09', days: 2 }] }],
  ])('of a range that is asked for, listed days count: --start %s --end %s', async (start, end, result) => {
    const { json } = await run('export', '--symbols', 'AAAUSDT', '--start', start, '--end', end)
    expect(json).toMatchObject({ exit: 3, ...result })
  })

  test('a lake without holes is exported with exit 0, from whatever day it begins', async () => {
    expect((await run('export', '--symbols', 'BBBUSDT', '--start', '2023-01-01')).json).toMatchObject({ exit: 0, never_requested: 0 })
  })

  test('coverage names the unit of each count in a pipe, too', async () => {
    const { text } = await run('coverage')
    expect(text.stdout).toMatch(/^series +first +last +complete days +rows +missing bars +days never requested\n/)
  })

  test('resample lists those between stored ones, exit 3', async () => {
    const { text, json } = await run('resample', 'AAAUSDT', '--to', '1d')
    const { first, last, days } = HOLE
    expect(json).toMatchObject({
      exit: 3,
      series: [{ bars: { complete: 4 }, never_requested: 3, never_requested_days: [{ first, last, days }] }],
    })
    expect(text.exit).toBe(3)
    expect(text.stderr).toContain('\n  spot AAAUSDT 1m  2024-01-03 to 2024-01-05  3 days\n')
    expect(text.stderr).toMatch(/Some smaller bars are missing without explanation\. \(exit 3\)\n$/)
  })

  test.each([
    ['2024-01-01', '2024-01-03', 0, 0],
    ['2024-01-02', '2024-01-04', 3, 1],
    ['2023-12-01', '2024-01-02', 3, 2],
    // behind the last day that was ever wanted, up to yesterday
    ['2024-01-06', '2024-01-09', 3, 1],
    ['2024-01-06', '2030-01-01', 3, 2],
  ])('of a range that resample is asked for: --start %s --end %s', async (start, end, exit, days) => {
    const { json } = await run('resample', 'AAAUSDT', '--to', '1d', '--start', start, '--end', end)
    expect(json).toMatchObject({ exit, series: [{ never_requested: days }] })
  })

  test('coverage of a range counts those up to its end, too', async () => {
    const told = jsonOf(await world.ckvd(['coverage', '--symbols', 'AAAUSDT', '--start', '2024-01-06', '--end', '2024-01-10', '--json']))
    expect((told as { series: SeriesCoverage[] }).series.map(({ never_requested }) => never_requested)).toEqual([2])
  })

  test('coverage counts the same days, and the listed ones before', async () => {
    const { series } = jsonOf(await world.ckvd(['coverage', '--symbols', 'AAAUSDT', '--json'])) as { series: SeriesCoverage[] }
    expect(series.map(({ never_requested }) => never_requested)).toEqual([5])
  })

  test('a lake whose catalog was rebuilt from its shards still knows of the hole, though not of the listing', async () => {
    await using bare = await createWorld({
      now: '2024-01-10T12:00:00Z',
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2023-12-30' }],
    })
    for (const [start, end] of [
      ['2024-01-01', '2024-01-02'],
      ['2024-01-03', '2024-01-04'],
    ] as const)
      await bare.ingest({ symbols: ['AAAUSDT'], start, end })
    for (const ending of ['', '-wal', '-shm']) await rm(join(bare.lake, `catalog.sqlite${ending}`), { force: true })
    expect((await bare.ckvd(['verify', '--quiet'])).exit).toBe(0)
    expect(jsonOf(await bare.ckvd(['coverage', '--json']))).toMatchObject({ total: { never_requested: 1 } })
    expect(jsonOf(await bare.ckvd(['export', '--out', 'out', '--json']))).toMatchObject({
      exit: 3,
      never_requested_days: [{ first: '2024-01-02', last: '2024-01-02', days: 1 }],
    })
  })
})
