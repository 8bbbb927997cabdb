import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonOf } from '../support/ckvd.ts'
import { DailyWorld } from '../support/daily-world.ts'
import { library } from '../support/library.ts'
import { queryCatalog } from '../support/temp-lake.ts'
import { runHere as runAtTerminal } from '../unit/cli/support.ts'

/*
 * `ckvd runs` and `ckvd changes`: five runs on four days, of which each says what it did, and the lake what became of its days.
 */

interface Run {
  readonly run: number
  readonly command: string
  readonly exit: number
  readonly started_at: string
  readonly stored: number
  readonly upgraded: number
  readonly republished: number
  readonly unexplained: number
  readonly problems: readonly { readonly day: string; readonly code: string }[]
}

interface Change {
  readonly day: string
  readonly change: string
  readonly condition: string
  readonly source: string
  readonly revision: number
  readonly changed_rows: number | null
  readonly shard_sha256: string
  readonly archive_etag: string | null
  readonly old: {
    readonly revision: number
    readonly source: string
    readonly archive_etag: string | null
    readonly shard_sha256: string
  } | null
  readonly reason: string | null
  readonly updated_at: string
}

interface Digests {
  readonly shard_sha256: string
  readonly archive_etag: string | null
}

let world: DailyWorld
/** what the catalog had before the third run */
let before: Record<string, Digests>
const digestsOf = (): Record<string, Digests> =>
  Object.fromEntries(
    queryCatalog<Digests & { day: string }>(world.lake, 'SELECT day, shard_sha256, archive_etag FROM days').map(({ day, ...one }) => [
      day,
      one,
    ]),
  )

beforeAll(async () => {
  world = await DailyWorld.create({ markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] })
  // archives come ten hours after their day: yesterday's is not there yet
  world.now = '2024-03-10T06:00:00Z'
  expect((await world.ingest('AAAUSDT', '--start', '2024-03-01')).exit).toBe(0)
  world.now = '2024-03-11T06:00:00Z'
  expect((await world.run(['sync'])).exit).toBe(0)
  before = digestsOf()
  world.now = '2024-03-12T06:00:00Z'
  world.sandbox.setFaults([{ kind: 'republish', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-05' }])
  expect((await world.run(['sync', '--refresh'])).exit).toBe(0)
  // this time the archive is there, and ends early, and REST cannot be asked
  world.now = '2024-03-13T14:00:00Z'
  world.sandbox.setFaults([
    { kind: 'republish', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-05' },
    { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-12', at: '10:00' },
    { kind: 'status', match: 'klines\\?', status: 500 },
  ])
  expect((await world.run(['sync'])).exit).toBe(3)
})
afterAll(() => world[Symbol.asyncDispose]())

const runs = async (...flags: string[]) => (jsonOf(await world.run(['runs', '--json', ...flags])) as { runs: Run[] }).runs
const changes = async (...flags: string[]) =>
  jsonOf(await world.run(['changes', '--json', ...flags])) as {
    since: string
    run: number | null
    days: Record<string, number>
    changes: Change[]
  }

/** Lines of a command at a terminal of 80 columns. */
const atTerminal = async (args: readonly string[]): Promise<string[]> => {
  const { stdout } = await runAtTerminal([...args, '--lake', world.lake], { terminal: true, env: { NO_COLOR: '1' } })
  return stdout.trimEnd().split('\n')
}

describe('ckvd runs', () => {
  test('tells what each run did', async () => {
    const told = await runs()
    expect(told).toMatchObject([
      { run: 1, command: 'ingest', exit: 0, stored: 9, upgraded: 0, republished: 0, unexplained: 0, problems: [] },
      { run: 2, command: 'sync', exit: 0, stored: 2, upgraded: 1, republished: 0, unexplained: 0, problems: [] },
      { run: 3, command: 'sync', exit: 0, stored: 3, upgraded: 1, republished: 1, unexplained: 0, problems: [] },
      { run: 4, command: 'sync', exit: 3, upgraded: 1, republished: 0, unexplained: 1, problems: [{ day: '2024-03-12' }] },
    ])
    expect(told[1]?.started_at).toMatch(/^2024-03-11T06:00:0\d\.\d{6}Z$/)
    expect(await library.runs({ lake: world.lake })).toEqual(told)
    expect(await runs('4')).toEqual(told.slice(3))
  })

  test('as a table that fits 80 columns, and as CSV', async () => {
    const { exit, stdout } = await world.run(['runs'])
    expect(exit).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    const terminal = await atTerminal(['runs'])
    expect(terminal.filter((line) => line.length > 80)).toEqual([])
    expect(terminal.filter((line) => /2024-03-1\dT\d\d:00:0\d\.\d{6}Z/.test(line))).toHaveLength(4)
    expect(lines[3]).toMatch(/^ *3 +2024-03-12T06:00:0\d\.\d{6}Z +sync +0 +3 stored, 1 upgraded, 1 republished$/)
    expect(lines[4]).toMatch(/ 3 +1 unexplained, /)
    const csv = (await world.run(['runs', '--csv'])).stdout.trimEnd().split('\n')
    expect(csv[0]).toBe(
      'run,command,started_at,ended_at,exit,series,stored,upgraded,republished,changed,unexplained,rows,bytes_downloaded,stopped',
    )
    expect(csv).toHaveLength(5)
  })

  test('of one run all that is remembered', async () => {
    const { stdout } = await world.run(['runs', '4'])
    expect(stdout).toMatch(/^run 4: ckvd sync, started 2024-03-13T14:00:0\d\.\d{6}Z, took .+, exit 3\n/)
    expect(stdout).toMatch(/\n1 problem:\n {2}spot AAAUSDT 1h 2024-03-12 {2}partial {2}CKVD_\w+: /)
  })

  test('a run that there is not is refused', async () => {
    const { exit, stderr } = await world.run(['runs', '9'])
    expect(exit).toBe(2)
    expect(stderr).toContain('the lake remembers 1 to 4')
  })
})

describe('ckvd changes', () => {
  test('since the last run, when nothing else is said', async () => {
    const told = await changes()
    expect(told).toMatchObject({ run: 4, days: { unexplained: 1, upgraded: 1, stored: 0 } })
    expect(told.changes.map(({ day, change, condition }) => `${day} ${change} ${condition}`)).toEqual([
      '2024-03-11 upgraded complete',
      '2024-03-12 unexplained partial',
    ])
    expect(told.changes[1]?.reason).toMatch(/\S/)
    expect(told.changes[0]?.reason).toBeNull()
  })

  test('since a run, from its start: old and new digests, sources, bars that differ', async () => {
    const told = (await changes('--since', '3')).changes.slice(0, 2)
    const now = digestsOf()
    expect(told.map(({ day, change, source, revision }) => ({ day, change, source, revision }))).toEqual([
      { day: '2024-03-05', change: 'republished', source: 'vision-daily', revision: 2 },
      { day: '2024-03-10', change: 'upgraded', source: 'vision-daily', revision: 2 },
    ])
    for (const { day, shard_sha256, archive_etag, old } of told) {
      expect({ shard_sha256, archive_etag }).toEqual(now[day])
      expect(old).toMatchObject({ revision: 1, ...before[day] })
    }
    expect(told.map(({ old }) => old?.source)).toEqual(['vision', 'rest'])
    expect(told[0]?.changed_rows).toBeGreaterThan(0)
    expect(told[1]?.changed_rows).toBe(0)
  })

  test('since a day', async () => {
    const told = await changes('--since', '2024-03-13')
    expect(told).toMatchObject({ run: null, since: '2024-03-13T00:00:00.000000Z' })
    expect(told.changes.map(({ day }) => day)).toEqual(['2024-03-11', '2024-03-12'])
    expect((await changes('--since', '2024-03-14')).changes).toEqual([])
  })

  test('of a part of the lake', async () => {
    expect((await changes('--since', '1', '--start', '2024-03-05', '--end', '2024-03-06')).changes.map(({ day }) => day)).toEqual([
      '2024-03-05',
    ])
    expect((await changes('--since', '1', '--symbols', 'BBBUSDT')).changes).toEqual([])
  })

  test('as a table that fits 80 columns, what needs attention first; as CSV', async () => {
    const { exit, stdout } = await world.run(['changes', '--since', '3'])
    expect(exit).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    const terminal = await atTerminal(['changes', '--since', '3', '--end', '2024-03-12'])
    expect(terminal.filter((line) => line.length > 80)).toEqual([])
    expect(terminal.filter((line) => /spot AAAUSDT 1h.*2024-03-\d\d.*2024-03-\d\d.*complete/.test(line))).toHaveLength(2)
    expect(lines[0]).toMatch(/^Since run 3, 2024-03-12T06:00:0\d\.\d{6}Z$/)
    expect(lines[2]).toMatch(/^unexplained +spot AAAUSDT 1h +2024-03-12 +2024-03-12 +1 +partial$/)
    expect(lines[3]).toMatch(/^republished +spot AAAUSDT 1h +2024-03-05 +2024-03-05 +1 +complete +\d+$/)
    expect(lines[4]).toMatch(/^upgraded +spot AAAUSDT 1h +2024-03-10 +2024-03-11 +2 +complete +0$/)
    expect(stdout).toMatch(/\n4 days: 1 unexplained, 1 republished, 2 upgraded\n/)
    const csv = (await world.run(['changes', '--since', '3', '--csv'])).stdout.trimEnd().split('\n')
    expect(csv[0]).toMatch(
      /^market,dataset,symbol,interval,day,change,condition,source,rows,revision,changed_rows,.*,old_revision,old_source,/,
    )
    expect(csv).toHaveLength(5)
  })

  test('what is asked again in vain has not changed', async () => {
    world.now = '2024-03-13T15:00:00Z'
    expect((await world.run(['sync', '--quiet'])).exit).toBe(3)
    expect((await runs()).at(-1)).toMatchObject({ run: 5, exit: 3, unexplained: 1 })
    expect((await changes()).changes).toEqual([])
    expect((await world.run(['changes'])).stdout).toContain('Nothing changed.')
  })

  test('what is no run and no day is refused', async () => {
    for (const since of ['9', 'yesterday', '2024-13-01']) expect((await world.run(['changes', '--since', since])).exit).toBe(2)
  })
})
