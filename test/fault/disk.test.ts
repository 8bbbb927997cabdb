import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as afterEvents } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IngestOptions } from '../../src/ingest/ingest-options.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { CkvdError } from '../../src/errors.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import type { StepName, Steps } from '../../src/disk/steps.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { CommandResult } from '../support/ckvd.ts'
import { jsonOf, runCkvd, runHere } from '../support/ckvd.ts'
import { urlVariables } from '../support/exchange.ts'
import { createGate, startHostileFront } from '../support/hostile-front.ts'
import { createTempDirectory, digestTree, listFiles } from '../support/temp-lake.ts'
import type { World } from './world.ts'
import { createWorld, SYMBOL } from './world.ts'

/** Forty days of 5m bars, each a file of its own: several groups of shards. */
const RANGE = {
  start: '2024-02-01' as UtcDay,
  end: '2024-03-12' as UtcDay,
  universe: [{ market: 'spot' as const, symbol: SYMBOL, intervals: ['5m' as const], line: 1 }],
} satisfies Partial<IngestOptions>
const DAYS = 40

let reference: string[]

beforeAll(async () => {
  await using world = await createWorld()
  expect(await world.run(RANGE)).toMatchObject({ exit: 0, stored: DAYS })
  reference = await digestTree(join(world.lake, 'data'))
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * A catalog that a full disk kept in WAL mode lives on in this process, closed or not, until libsql's statements are collected, and takes its
 * log along then: that is to be over before the next one opens it. A user's next run is another process.
 */
async function forgetClosed(): Promise<void> {
  collectGarbage()
  await afterEvents()
}

/** What is below data/ is, file by file, what a run on a sound disk stores; `ckvd verify` has nothing to say. */
async function checkSound(lake: string): Promise<void> {
  await forgetClosed()
  const found = await digestTree(join(lake, 'data'))
  expect(found.filter((file) => !reference.includes(file))).toEqual([])
  expect(await listFiles(join(lake, 'tmp'))).toEqual([])
  expect(jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet']))).toMatchObject({ exit: 0, bad: [], foreign: [] })
}

/** The same command on a disk that is well again: all is there, and nothing that was recorded is fetched again. */
async function checkHealed(world: World, lake: string, stored: number): Promise<void> {
  await forgetClosed()
  world.sandbox.clearRequests()
  expect(await world.run({ ...RANGE, lake })).toMatchObject({ exit: 0, skipped: stored, stored: DAYS - stored, problems: [] })
  expect(world.requests('archive')).toBe(DAYS - stored)
  expect(await digestTree(join(lake, 'data'))).toEqual(reference)
}

/** All archives but those of the first days. */
const LATER = /-2024-(02-(?!0[1-5])\d\d|03-\d\d)\.zip$/

/** A run of all days in more than one group, however busy the machine is: the later archives do not come before the first group is recorded. */
async function runInGroups(world: World, steps: Steps): Promise<IngestResult> {
  const gate = createGate()
  await using front = await startHostileFront(world.sandbox, (path) => LATER.test(path) && gate.opened)
  const watched: Steps = async (name, path) => {
    if (name === 'after transaction') gate.open()
    await steps(name, path)
  }
  return await world.run({ ...RANGE, steps: watched, urls: { ...world.options().urls, vision: front.urls.vision } })
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the system says it`), { code })
}

describe('an error of the disk ends the run with 4 and a sentence, and nothing is lost', () => {
  const steps: readonly StepName[] = ['write', 'sync', 'rename', 'sync-dir', 'transaction']
  const codes: readonly [string, string, RegExp][] = [
    ['ENOSPC', 'CKVD_DISK_FULL', /disk is full: free some space/],
    ['EDQUOT', 'CKVD_DISK_FULL', /quota is used up/],
    ['EACCES', 'CKVD_LAKE_IO', /Give this user read and write access/],
    ['EROFS', 'CKVD_LAKE_IO', /read-only: mount it writable/],
    ['EIO', 'CKVD_LAKE_IO', /device reports an error: check the disk/],
  ]
  const cases = steps.flatMap((step) => codes.map(([system, code, advice]) => ({ step, system, code, advice })))

  test.each(cases)('$system at $step', async ({ step, system, code, advice }) => {
    await using world = await createWorld()
    let seen = 0
    const broken = (name: string, path: string): void => {
      // the first shards are stored, and from then on the disk is broken; a folder is synced and a transaction made once a group
      const sound = step === 'sync-dir' || step === 'transaction' ? 1 : 2
      if (name === `before ${step}` && (path.includes('/data/') || step === 'transaction') && ++seen > sound) throw systemError(system)
    }
    const result = await runInGroups(world, broken)
    expect(result).toMatchObject({ exit: 4, stopped: { code } })
    expect(result.stopped?.message).toMatch(advice)
    expect(result.stored).toBeLessThan(DAYS)
    // before verify: what the run says it stored is recorded
    await checkSound(world.lake)
    const recorded = (await digestTree(join(world.lake, 'data'))).length
    expect(recorded).toBeGreaterThanOrEqual(result.stored)
    await checkHealed(world, world.lake, recorded)
  })
})

describe('a lake that vanishes or changes under a run', () => {
  test.each([
    ['', 'before write'],
    ['', 'before rename'],
    ['', 'after transaction'],
    ['tmp', 'before sync'],
    ['tmp', 'after transaction'],
    ['data', 'before sync-dir'],
    ['data', 'before transaction'],
    ['data', 'after transaction'],
  ])('its folder "%s" is removed %s: a clear end, and the next run has everything', async (folder, moment) => {
    await using world = await createWorld()
    let transactions = 0
    let isGone = false
    const remove = (name: string): void => {
      if (name === 'after transaction') transactions++
      // in the middle: something is recorded
      if (isGone || transactions === 0 || name !== moment) return
      isGone = true
      rmSync(join(world.lake, folder), { recursive: true, force: true })
    }
    const ended = await runInGroups(world, remove).then(
      ({ exit, stopped }) => ({ exit, code: stopped?.code }),
      (error: unknown) => error as CkvdError,
    )
    expect(isGone).toBe(true)
    // what is made anew on the way is no error; everything else is one of the lake
    if (ended.exit !== 0) expect(ended).toMatchObject({ exit: 4, code: expect.stringMatching(/^CKVD_(LAKE_IO|CATALOG)$/) as string })
    expect([0, 3]).toContain((await world.run(RANGE)).exit)
    // what was recorded and then removed is found by verify, and planned again
    await runHere(['verify', '--lake', world.lake, '--json', '--quiet'])
    expect(await world.run({ ...RANGE, retryFailed: true })).toMatchObject({ exit: 0 })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  })

  test('a lake that was moved is the same lake', async () => {
    await using world = await createWorld()
    await world.run(RANGE)
    const moved = `${world.lake} moved`
    await rename(world.lake, moved)
    await checkHealed(world, moved, DAYS)
    await checkSound(moved)
  })
})

/** Root may do everything: permissions are tested as any other user, a full disk only as one who may mount one. */
const isRoot = process.getuid?.() === 0
if (isRoot) console.warn('skipped: real permissions (this user is root, whom they do not stop)')

describe.skipIf(isRoot)('permissions', () => {
  test.each(['data', 'tmp'])('a read-only %s/', async (folder) => {
    await using world = await createWorld()
    await world.run()
    await chmod(join(world.lake, folder), 0o500)
    const result = await world.run(RANGE)
    await chmod(join(world.lake, folder), 0o700)
    expect(result).toMatchObject({ exit: 4, stopped: { code: 'CKVD_LAKE_IO' } })
    await checkSound(world.lake)
  })
})

const mountPoint = await createTempDirectory()
const canMount = isRoot && process.platform === 'linux' && mount('1m').status === 0
if (!canMount) console.warn('skipped: a real full disk and a real read-only one (this user may not mount a tmpfs)')

function mount(size: string, ...more: string[]): { status: number | null } {
  const options = [`size=${size}`, ...more].join(',')
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', mountPoint.path], { stdio: 'ignore' })
}

function unmount(): void {
  spawnSync('umount', ['-l', mountPoint.path], { stdio: 'ignore' })
}

afterAll(async () => {
  if (canMount) unmount()
  await mountPoint[Symbol.asyncDispose]()
})

describe.skipIf(!canMount)('a real disk', () => {
  const KIB = 1024

  test.each([
    ['it plans', 0],
    ['the plan is made', 4],
    ['the plan is made', 40],
    ['the plan is made', 100],
    ['the plan is made', 160],
    ['the plan is made', 220],
  ] as const)('is filled by another program when %s, but for %i KiB', async (moment, leftKib) => {
    unmount()
    expect(mount('4m').status).toBe(0)
    await using world = await createWorld()
    const lake = join(mountPoint.path, 'lake')
    const ballast = join(mountPoint.path, 'ballast')
    const fill = (): void => {
      const free = freeBytes(mountPoint.path)
      writeFileSync(ballast, Buffer.alloc(Math.max(0, free - leftKib * KIB)))
    }
    const result = await world
      .run({ ...RANGE, lake, events: moment === 'it plans' ? { onPlanning: fill } : { onPlan: fill } })
      .catch((error: unknown) => error)
    expect(result).toMatchObject({ exit: 4 })
    const told = result as { code?: string; message?: string; stopped?: { code: string; message: string } }
    const { code, message } = told.stopped ?? told
    expect(code).toBe('CKVD_DISK_FULL')
    expect(message).toMatch(/[Ff]ree some/)
    // what was done is told, in the form of every result
    if (moment === 'the plan is made') expect(result).toMatchObject({ command: 'ingest', stored: expect.any(Number) as number, days: {} })
    rmSync(ballast)
    await checkSound(lake)
    await checkHealed(world, lake, (await digestTree(join(lake, 'data'))).length)
  })

  test('is too small for the plan: told before the first download', async () => {
    unmount()
    expect(mount('200k').status).toBe(0)
    await using world = await createWorld()
    const result = await world.run({
      ...RANGE,
      end: '2024-03-20' as IngestOptions['end'],
      universe: [{ market: 'spot', symbol: 'AAAUSDT', intervals: ['1m'], line: 1 }],
      lake: join(mountPoint.path, 'lake'),
    })
    expect(result).toMatchObject({ exit: 4, stopped: { code: 'CKVD_DISK_FULL' }, requests: { archive: 0, checksum: 0, rest: 0 } })
  })

  test('is read-only: exit 4 for a run, and readers go on', async () => {
    unmount()
    expect(mount('4m').status).toBe(0)
    await using world = await createWorld()
    const lake = join(mountPoint.path, 'lake')
    // in a process of its own: here SQLite would keep the catalog open
    const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '5m', '--start', '2024-03-01', '--end', '2024-03-04']
    const env = { ...urlVariables(world.sandbox), CKVD_NOW: '2024-03-20T12:00:00Z' }
    expect(await runCkvd([...args, '--archives', 'daily', '--lake', lake, '--quiet'], { env, stdin: SYMBOL })).toMatchObject({ exit: 0 })
    const before = await digestTree(lake)
    expect(spawnSync('mount', ['-o', 'remount,ro', mountPoint.path]).status).toBe(0)
    await expect(world.run({ ...RANGE, lake })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO', exit: 4 })
    const coverage = await runHere(['coverage', '--lake', lake, '--json', '--quiet'])
    expect(coverage.exit, coverage.stderr).toBe(0)
    expect(await digestTree(lake)).toEqual(before)
  })

  describe('is read-only: verify', () => {
    let lake: string

    /** Makes a lake of three days, lets `change` happen to it, and takes the right to write away. */
    async function createReadOnlyLake(change: (lake: string) => void | Promise<void> = () => undefined): Promise<void> {
      unmount()
      expect(mount('4m').status).toBe(0)
      await using world = await createWorld()
      lake = join(mountPoint.path, 'lake')
      const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '5m', '--start', '2024-03-01', '--end', '2024-03-04']
      const env = { ...urlVariables(world.sandbox), CKVD_NOW: '2024-03-20T12:00:00Z' }
      expect(await runCkvd([...args, '--archives', 'daily', '--lake', lake, '--quiet'], { env, stdin: SYMBOL })).toMatchObject({ exit: 0 })
      await change(lake)
      expect(spawnSync('mount', ['-o', 'remount,ro', mountPoint.path]).status).toBe(0)
    }

    /** Changes a catalog in a process of its own: here SQLite would keep it open. */
    const change = (made: string, sql: string, then = ''): void => {
      const script = `const db = new (require('libsql'))(process.argv[1]); db.exec(process.argv[2]); ${then}`
      const { stderr } = spawnSync(process.execPath, ['-e', script, join(made, 'catalog.sqlite'), sql], { cwd: import.meta.dirname })
      expect(stderr.toString()).toBe('')
    }

    const verify = (...flags: string[]) => runHere(['verify', '--lake', lake, ...flags])
    const errorOf = (result: CommandResult) => (jsonOf(result) as { error: { code: string; message: string } }).error
    const shard = (day: string): string => join(lake, `data/spot/daily/klines/${SYMBOL}/5m/${SYMBOL}-5m-${day}.arrow`)

    test('checks every shard, and says that nothing is recorded', async () => {
      await createReadOnlyLake()
      const before = await digestTree(lake)
      const result = await verify()
      expect(result, result.stderr).toMatchObject({ exit: 0 })
      expect(result.stdout).toContain('3 shards checked')
      expect(result.stdout).toMatch(/read-only \(EROFS\): what is found is told and not recorded/)
      expect(jsonOf(await verify('--json'))).toMatchObject({ exit: 0, read_only: 'EROFS', shards: 3, bad: [], unrecorded: 0 })
      expect(await digestTree(lake)).toEqual(before)
    })

    test('names a rotten shard, a lost one, foreign files and shards without a record', async () => {
      await createReadOnlyLake((made) => {
        lake = made
        const bytes = readFileSync(shard('2024-03-01'))
        bytes[3000] = (bytes[3000] ?? 0) ^ 1
        writeFileSync(shard('2024-03-01'), bytes)
        rmSync(shard('2024-03-02'))
        writeFileSync(join(made, 'data/notes.txt'), 'mine')
        writeFileSync(join(made, 'tmp/killed'), 'half')
        change(made, `DELETE FROM chunks WHERE day = ${Date.parse('2024-03-03') / 86_400_000}`)
      })
      const bad = [
        { day: '2024-03-01', code: 'CKVD_SHARD_DIGEST' },
        { day: '2024-03-02', code: 'CKVD_SHARD_MISSING' },
      ]
      expect(jsonOf(await verify('--json'))).toMatchObject({
        exit: 3,
        bad,
        foreign: ['data/notes.txt'],
        adopted: 0,
        unrecorded: 1,
        swept: 0,
      })
      expect((await verify()).stdout).toContain('1 whole shard that the catalog does not know')
    })

    test.each([
      ['lost', (path: string) => rmSync(path)],
      ['damaged', (path: string) => writeFileSync(path, 'no database, but long enough to be taken for one')],
      ['damaged within', (path: string) => writeFileSync(path, readFileSync(path).fill(7, 8192, 16_384))],
    ] as const)('cannot rebuild a catalog that is %s: exit 4 and a sentence', async (_what, hurt) => {
      await createReadOnlyLake((made) => hurt(join(made, 'catalog.sqlite')))
      const result = await verify('--json')
      expect(result.exit).toBe(4)
      expect(errorOf(result)).toMatchObject({
        code: 'CKVD_LAKE_IO',
        message: expect.stringMatching(/Cannot rebuild the catalog .* \(EROFS\)/) as string,
      })
    })

    test.each(['verify', 'coverage', 'export'])('and %s tell of a log of the catalog that cannot be read there', async (command) => {
      await createReadOnlyLake((made) => {
        // what a run that was killed leaves, and a copy of the lake without SQLite's own memory of it
        change(
          made,
          `PRAGMA journal_mode = WAL; INSERT INTO runs (started_at, command) VALUES ('', '')`,
          'process.kill(process.pid, "SIGKILL")',
        )
        rmSync(join(made, 'catalog.sqlite-shm'))
      })
      const result = await runHere([command, '--lake', lake, '--json', ...(command === 'export' ? ['--out', join(lake, '../../out')] : [])])
      expect(result.exit).toBe(4)
      expect(errorOf(result)).toMatchObject({ code: 'CKVD_LAKE_IO', message: expect.stringContaining('catalog.sqlite-wal') as string })
    })

    test.each([
      ['--repair', ['--sandbox']],
      ['--prune', ['spot/AAAUSDT/1h']],
    ])('%s is refused with the reason', async (flag, rest) => {
      await createReadOnlyLake()
      const result = await verify('--json', flag, ...rest)
      expect(result.exit).toBe(4)
      expect(errorOf(result).message).toMatch(/read-?only/)
    })

    test("and a writer keep out of each other's way", async () => {
      await createReadOnlyLake()
      // the lake elsewhere, where it can be written: the same files
      const elsewhere = await createTempDirectory()
      expect(spawnSync('mount', ['--bind', mountPoint.path, elsewhere.path]).status).toBe(0)
      try {
        expect(spawnSync('mount', ['-o', 'remount,rw', mountPoint.path]).status).toBe(0)
        expect(spawnSync('mount', ['-o', 'remount,bind,ro', elsewhere.path]).status).toBe(0)
        const writer = await openLake(lake, { mode: 'write' })
        const other = await runCkvd(['verify', '--lake', join(elsewhere.path, 'lake'), '--json', '--quiet'])
        await writer.close()
        expect(other.exit, other.stdout).toBe(4)
        expect(errorOf(other)).toMatchObject({ code: 'CKVD_LAKE_LOCKED' })
      } finally {
        spawnSync('umount', ['-l', elsewhere.path])
        await elsewhere[Symbol.asyncDispose]()
      }
    })
  })

  test('is read-only and empty: no lake is begun', async () => {
    unmount()
    expect(mount('1m').status).toBe(0)
    await mkdir(join(mountPoint.path, 'there'))
    expect(spawnSync('mount', ['-o', 'remount,ro', mountPoint.path]).status).toBe(0)
    await using world = await createWorld()
    await expect(world.run({ lake: join(mountPoint.path, 'lake') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO', exit: 4 })
    expect(await readdir(mountPoint.path)).toEqual(['there'])
  })
})

function freeBytes(path: string): number {
  const [, line = ''] = spawnSync('df', ['--output=avail', '-B1', path]).stdout.toString().trim().split('\n')
  return Number(line)
}
