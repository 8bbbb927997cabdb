import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IngestOptions } from '../../src/ingest/ingest.ts'
import type { CkvdError } from '../../src/errors.ts'
import type { StepName } from '../../src/disk/steps.ts'
import { jsonOf, runCkvd, runHere } from '../support/ckvd.ts'
import { urlVariables } from '../support/exchange.ts'
import { createTempDirectory, digestTree, listFiles } from '../support/temp-lake.ts'
import type { World } from './world.ts'
import { createWorld, SYMBOL } from './world.ts'

/** Forty days of 1h bars: several groups of shards. */
const RANGE = { start: '2024-02-01', end: '2024-03-12' } as Pick<IngestOptions, 'start' | 'end'>
const DAYS = 40

let reference: string[]

beforeAll(async () => {
  await using world = await createWorld()
  expect(await world.run(RANGE)).toMatchObject({ exit: 0, stored: DAYS })
  reference = await digestTree(join(world.lake, 'data'))
})

/** What is below data/ is, file by file, what a run on a sound disk stores; `ckvd verify` has nothing to say. */
async function checkSound(lake: string): Promise<void> {
  const found = await digestTree(join(lake, 'data'))
  expect(found.filter((file) => !reference.includes(file))).toEqual([])
  expect(await listFiles(join(lake, 'tmp'))).toEqual([])
  expect(jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet']))).toMatchObject({ exit: 0, bad: [], foreign: [] })
}

/** The same command on a disk that is well again: all is there, and nothing that was recorded is fetched again. */
async function checkHealed(world: World, lake: string, stored: number): Promise<void> {
  world.sandbox.clearRequests()
  expect(await world.run({ ...RANGE, lake })).toMatchObject({ exit: 0, skipped: stored, stored: DAYS - stored, problems: [] })
  expect(world.requests('archive')).toBe(DAYS - stored)
  expect(await digestTree(join(lake, 'data'))).toEqual(reference)
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
      // The first shards are stored; from then on the disk is broken. A folder is synced and a transaction made once a group, and of groups
      // there are but two where the first one takes the disk so long that all other days wait for it.
      const sound = step === 'sync-dir' || step === 'transaction' ? 1 : 2
      if (name === `before ${step}` && (path.includes('/data/') || step === 'transaction') && ++seen > sound) throw systemError(system)
    }
    const result = await world.run({ ...RANGE, steps: broken })
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
    const ended = await world.run({ ...RANGE, steps: remove }).then(
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
    const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--start', '2024-03-01', '--end', '2024-03-04']
    const env = { ...urlVariables(world.sandbox), CKVD_NOW: '2024-03-20T12:00:00Z' }
    expect(await runCkvd([...args, '--archives', 'daily', '--lake', lake, '--quiet'], { env, stdin: SYMBOL })).toMatchObject({ exit: 0 })
    const before = await digestTree(lake)
    expect(spawnSync('mount', ['-o', 'remount,ro', mountPoint.path]).status).toBe(0)
    await expect(world.run({ ...RANGE, lake })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO', exit: 4 })
    const coverage = await runHere(['coverage', '--lake', lake, '--json', '--quiet'])
    expect(coverage.exit, coverage.stderr).toBe(0)
    expect(await digestTree(lake)).toEqual(before)
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
