import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountPlace } from '../../../../src/acquire/rest/address-account.ts'
import { AddressAccount } from '../../../../src/acquire/rest/address-account.ts'
import type { AccountLane } from '../../../../src/sources/rest/rest-account.ts'
import { FileRestAccount } from '../../../../src/sources/rest/rest-account-file.ts'
import { readHolds } from '../../../../src/sources/rest/rest-account-holds.ts'
import { testRestAccount } from '../../../suites/rest-account.ts'

const FILE = 'rest-account.sqlite'
const SPOT = 'https://exchange.test spot'
const FUTURES = 'https://exchange.test futures'
const LANES = { spot: SPOT, um: FUTURES, cm: FUTURES }
const LANE: AccountLane = { name: SPOT, limit: 6000, budget: 4800 }
const T = Date.UTC(2024, 0, 1)

testRestAccount(
  'the one of this machine',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ckvd-account-'))
    const place = { state: join(directory, 'state'), lake: join(directory, 'lake'), lanes: LANES }
    return {
      // nothing is booked before it is there
      open: async (systemMs) => {
        const account = new AddressAccount({ ...place, systemMs })
        await account.usage(LANE)
        return account
      },
      remove: () => rm(directory, { recursive: true }),
    }
  },
  { isShared: true },
)

describe('an account that another program keeps locked', () => {
  let directory: string
  let state: string
  let lake: string
  let nowMs: number
  let told: string[]
  let locker: Database.Database | undefined
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'ckvd-account-'))
    state = join(directory, 'state')
    lake = join(directory, 'lake')
    await mkdir(lake)
    nowMs = T
    told = []
  })
  afterEach(() => {
    unlock()
    rmSync(directory, { recursive: true })
  })

  const create = (place: Partial<AccountPlace> = {}): AddressAccount =>
    new AddressAccount({
      ...{ state, lake, lanes: LANES, systemMs: () => nowMs, patienceMs: 100 },
      onMisplaced: (error, path) => told.push(`${error.message} [${path}]`),
      ...place,
    })
  function lock(how = 'BEGIN IMMEDIATE', folder = state): void {
    locker = new Database(join(folder, FILE))
    locker.exec(how)
  }
  function unlock(): void {
    locker?.close()
    locker = undefined
  }
  /** The account as an earlier run left it. */
  async function leave(work: (account: AddressAccount) => Promise<unknown>): Promise<void> {
    await using account = create()
    await work(account)
  }

  test('tells of its ban, and whoever asks waits for nothing', async () => {
    await leave((account) => account.hold(LANE, 'ban', 600_000))
    lock()
    // who waited would never end
    await using account = create({ patienceMs: Infinity })
    expect(await account.reserve(LANE, 2)).toEqual({ kind: 'held', hold: { kind: 'ban', untilMs: T + 600_000 } })
    expect(told).toEqual([])
  })

  test('has no other in its place: nothing is booked while it is locked, and what was is there later', async () => {
    await leave((account) => account.reserve(LANE, 2))
    lock()
    nowMs += 60_000
    await using account = create()
    await expect(account.reserve(LANE, 2)).rejects.toMatchObject({
      code: 'CKVD_ACCOUNT',
      details: { path: join(state, FILE), locked: true },
    })
    unlock()
    expect(await account.reserve(LANE, 2)).toMatchObject({ kind: 'booked' })
    await expect(readHolds(join(lake, FILE), nowMs)).resolves.toEqual([])
    expect(told).toEqual([])
  })

  test('so that it cannot even be read: nothing is booked, and it is asked again when it is free', async () => {
    await mkdir(state)
    lock('BEGIN EXCLUSIVE')
    await using account = create()
    await expect(account.reserve(LANE, 2)).rejects.toMatchObject({ code: 'CKVD_ACCOUNT', details: { locked: true } })
    expect(told).toEqual([])
    unlock()
    expect(await account.reserve(LANE, 2)).toMatchObject({ kind: 'booked' })
  })

  test.each(['state', 'lake'])('(in the %s) is waited for by nobody who closes it, and the thread is free meanwhile', async (where) => {
    const folder = join(directory, where)
    await mkdir(folder, { recursive: true })
    lock('BEGIN EXCLUSIVE', folder)
    const account = create({ patienceMs: Infinity })
    const asked = account.reserve(LANE, 2).catch((error: unknown) => error)
    // what has begun to wait hears it, as what has not
    await new Promise(setImmediate)
    await account.close()
    expect(await asked).toMatchObject({ code: 'CKVD_ACCOUNT' })
  })

  test.each(['ban', 'pause'] as const)('is told of a %s as soon as it is free, while its run ends', async (kind) => {
    await leave((account) => account.reserve(LANE, 2))
    const account = create()
    await account.usage(LANE)
    lock()
    expect(await account.hold(LANE, kind, 600_000)).toBe(T + 600_000)
    // this process knows, and so does its lake, from this moment on
    expect(account.isOpen(LANE)).toBe(false)
    expect(await account.reserve(LANE, 2)).toEqual({ kind: 'held', hold: { kind, untilMs: T + 600_000 } })
    expect(await readHolds(join(lake, FILE), nowMs)).toEqual([{ lane: SPOT, hold: { kind, untilMs: T + 600_000 } }])
    unlock()
    await account.close()
    await using later = create({ lake: join(directory, 'another') })
    expect(await later.reserve(LANE, 2)).toEqual({ kind: 'held', hold: { kind, untilMs: T + 600_000 } })
    expect(told).toEqual([])
  })

  test('and stays so: a ban is in the lake, which is told, and the next run with it tells the account', async () => {
    await leave((account) => account.reserve(LANE, 2))
    const account = create({ patienceMs: 10 })
    await account.usage(LANE)
    lock()
    await account.hold(LANE, 'ban', 600_000)
    await account.close()
    expect(told).toHaveLength(1)
    expect(told[0]).toContain(`until ${new Date(T + 600_000).toISOString()}`)
    expect(told[0]).toContain(`[${join(lake, FILE)}]`)
    const banned = { kind: 'held', hold: { kind: 'ban', untilMs: T + 600_000 } }
    // while it is locked as well
    for (const isLocked of [true, false]) {
      if (!isLocked) unlock()
      await using next = create({ patienceMs: 10 })
      expect(await next.reserve(LANE, 2)).toEqual(banned)
      expect(next.isOpen(LANE)).toBe(false)
    }
    await using another = create({ lake: join(directory, 'another') })
    expect(await another.reserve(LANE, 2)).toEqual(banned)
  })

  test('where the lake takes nothing either: told, and this process keeps to it', async () => {
    await leave((account) => account.reserve(LANE, 2))
    await using account = create({ lake: join(directory, 'none'), patienceMs: 10 })
    await account.usage(LANE)
    lock()
    await account.hold(LANE, 'ban', 600_000)
    unlock()
    expect(await account.reserve(LANE, 2)).toMatchObject({ kind: 'held' })
  })
})

describe('an account in the lake', () => {
  test('that another program keeps locked has no other in its place either', async () => {
    await using temp = {
      path: mkdtempSync(join(tmpdir(), 'ckvd-account-')),
      [Symbol.asyncDispose]: () => rm(temp.path, { recursive: true }),
    }
    const path = join(temp.path, FILE)
    await (await FileRestAccount.open(path, () => T)).close()
    const locker = new Database(path)
    locker.exec('BEGIN IMMEDIATE')
    await using account = new AddressAccount({ state: null, lake: temp.path, lanes: LANES, systemMs: () => T, patienceMs: 10 })
    await expect(account.reserve(LANE, 2)).rejects.toMatchObject({ code: 'CKVD_ACCOUNT', details: { locked: true } })
    locker.close()
  })
})

describe('an account that can be read, and not written', () => {
  /** One of a newer version: whoever the user is, nothing may be written to it. */
  test('holds all the same, also what its owner writes into it later; the rest is counted in the lake', async () => {
    await using temp = {
      path: mkdtempSync(join(tmpdir(), 'ckvd-account-')),
      [Symbol.asyncDispose]: () => rm(temp.path, { recursive: true }),
    }
    const [state, lake] = [join(temp.path, 'state'), join(temp.path, 'lake')]
    await Promise.all([mkdir(state), mkdir(lake)])
    await using owner = await FileRestAccount.open(join(state, FILE), () => T)
    await owner.hold({ name: SPOT }, 'ban', 600_000)
    const upgrade = new Database(join(state, FILE))
    upgrade.exec('PRAGMA user_version = 2')
    upgrade.close()
    const told: (string | null)[] = []
    await using account = new AddressAccount({
      state,
      lake,
      lanes: LANES,
      systemMs: () => T,
      onMisplaced: (_error, path) => told.push(path),
    })
    expect(await account.reserve(LANE, 2)).toEqual({ kind: 'held', hold: { kind: 'ban', untilMs: T + 600_000 } })
    expect(account.isOpen(LANE)).toBe(false)
    const futures = { ...LANE, name: FUTURES }
    expect(await account.reserve(futures, 2)).toMatchObject({ kind: 'booked' })
    await owner.hold(futures, 'pause', 60_000)
    expect(await account.reserve(futures, 2)).toEqual({ kind: 'held', hold: { kind: 'pause', untilMs: T + 60_000 } })
    expect(told).toEqual([join(lake, FILE)])
  })
})
