import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'

let world: World

beforeAll(async () => {
  world = await createWorld({ now: '2024-01-10T12:00:00Z', markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-01' }] })
  expect(await world.ingest({ symbols: ['AAAUSDT'], end: '2024-01-04' })).toMatchObject({ exit: 0, stored: 3 })
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a question about what is not there', () => {
  test.each([
    [['--symbols', 'NOPEUSDT'], ['NOPEUSDT'], 'The lake has nothing of NOPEUSDT in this selection: it was never requested, or'],
    [
      ['--symbols', 'AAAUSDT,NOPEUSDT', '--intervals', '1h,1d'],
      ['NOPEUSDT', '1d'],
      'The lake has nothing of NOPEUSDT, 1d in this selection',
    ],
    [['--market', 'um'], [], 'The lake has no day of this selection. (exit 3)'],
    [['--market', 'um', '--end', '2023-01-01'], [], 'The lake has no day of this selection. (exit 3)'],
    // within the life of the series, and never requested; after the last one that is listed nothing is known
    [['--start', '2024-01-05', '--end', '2024-01-07'], [], 'The lake has no day of this selection. (exit 3)'],
    [['--start', '2024-01-05'], [], 'The lake has no day of this selection. (exit 3)'],
  ])('coverage %j says so, exit 3', async (flags, absent, sentence) => {
    const { exit, stdout } = await world.ckvd(['coverage', ...flags])
    expect([exit, stdout]).toEqual([3, expect.stringContaining(sentence)])
    expect(jsonOf(await world.ckvd(['coverage', ...flags, '--json']))).toMatchObject({ exit: 3, absent })
  })

  test('coverage of days before the first bar, or after the end, says so as the ingest does: they are explained, exit 0', async () => {
    await using ended = await createWorld({
      now: '2024-03-10T12:00:00Z',
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-01', lastDay: '2024-01-20' }],
    })
    expect(await ended.ingest({ symbols: ['AAAUSDT'] })).toMatchObject({ exit: 0 })
    const cases: readonly [start: string, end: string, outside: boolean][] = [
      ['2023-01-01', '2024-01-01', true],
      ['2023-01-01', '2024-01-02', false],
      ['2024-01-21', '2024-02-01', true],
      ['2024-01-20', '2024-02-01', false],
    ]
    for (const [start, end, outside] of cases) {
      const range = ['--start', start, '--end', end]
      expect(await ended.ingest({ symbols: ['AAAUSDT'], start, end })).toMatchObject({ exit: 0 })
      const { exit, stdout } = await ended.ckvd(['coverage', ...range])
      expect([start, exit, stdout.includes('before the first bar of their series or after its end')]).toEqual([start, 0, outside])
      expect(jsonOf(await ended.ckvd(['coverage', ...range, '--json']))).toMatchObject({ exit: 0, absent: [] })
    }
  })

  test('coverage of what is there, and of a lake that is empty as a whole, is exit 0', async () => {
    const whole = await world.ckvd(['coverage', '--symbols', 'AAAUSDT', '--intervals', '1h'])
    expect([whole.exit, whole.stdout]).toEqual([0, expect.stringMatching(/All that was requested is stored or explained\. \(exit 0\)\n$/)])
    await using empty = await createWorld({ now: '2024-01-10T12:00:00Z' })
    // nothing but a lake comes of it
    await empty.ingest({ symbols: ['NOPEUSDT'], end: '2024-01-04' })
    const { exit, stdout } = await empty.ckvd(['coverage'])
    expect([exit, stdout]).toEqual([0, expect.stringMatching(/The lake is empty\. \(exit 0\)\n$/)])
  })

  test('ingest of a symbol that nobody knows does not point to a record that the lake has not', async () => {
    await using other = await createWorld({ now: '2024-01-10T12:00:00Z' })
    const { exit, stdout } = await other.ckvd(
      ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--end', '2024-01-04'],
      'NOPEUSDT\n',
    )
    expect([exit, stdout]).toEqual([
      3,
      expect.stringMatching(/CKVD_UNKNOWN_SYMBOL: Neither.*\nSome series failed as a whole: .*\(exit 3\)\n$/),
    ])
    expect(stdout).not.toContain('ckvd coverage')
  })

  test('ingest without REST of a symbol that is no longer traded points to the record, and says nothing in the name of REST, however often', async () => {
    await using ended = await createWorld({
      now: '2024-03-10T12:00:00Z',
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-01', lastDay: '2024-01-20' }],
    })
    for (let run = 1; run <= 2; run++) {
      const { exit, stdout } = await ended.ckvd(['ingest', 'AAAUSDT', '--intervals', '1h', '--no-rest', '--archives', 'daily'])
      expect([exit, stdout]).toEqual([3, expect.stringContaining('Some days are unexplained. `ckvd coverage` shows them;')])
      expect(stdout).toContain('no later bar is known, and the exchange does not say that the series has ended: REST is off.')
      expect(stdout).not.toMatch(/REST has|as a whole/)
    }
  })

  test('verify --prune of a series that the lake has not: exit 2, and the others stay', async () => {
    const { exit, stdout, stderr } = await world.ckvd(['verify', '--prune', 'spot/NOPEUSDT/1h'])
    expect([exit, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/Expected a series of the lake .*, got spot NOPEUSDT 1h: it has neither a shard nor a record of it/)
    expect(world.days()).toHaveLength(3)
  })

  test('coverage --html writes nothing into the lake', async () => {
    const { exit, stderr } = await world.ckvd(['coverage', '--html', `${world.lake}/lake.json`])
    expect([exit, stderr]).toEqual([2, expect.stringContaining('Expected `--html` outside of the lake')])
    expect((await world.ckvd(['coverage'])).exit).toBe(0)
  })

  test('resample of days that the lake has not: exit 2, no file', async () => {
    const { exit, stdout, stderr } = await world.ckvd([
      ...['resample', '--from', '1h', '--to', '1d', '--start', '2024-02-01', '--end', '2024-03-01', '--format', 'csv', '--out', 'days.csv'],
    ])
    expect([exit, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/Expected days of 1h bars in the lake .* for bars of 1d that open in 2024-02-01 to 2024-03-01, found none/)
    expect(await readdir(world.folder)).not.toContain('days.csv')
  })

  test('resample --check without bars to compare with: exit 3, and which to fetch', async () => {
    const { exit, stdout } = await world.ckvd(['resample', '--from', '1h', '--to', '1d', '--check'])
    expect([exit, stdout]).toEqual([
      3,
      expect.stringMatching(/Nothing was compared: .*ckvd ingest --intervals 1d fetches them\..*\(exit 3\)\n$/),
    ])
  })
})
