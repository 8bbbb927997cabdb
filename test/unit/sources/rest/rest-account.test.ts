import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountLane } from '../../../../src/sources/rest/rest-account.ts'
import { FileRestAccount } from '../../../../src/sources/rest/rest-account-file.ts'
import { MemoryRestAccount } from '../../../../src/sources/rest/rest-account-memory.ts'
import { isCkvdError } from '../../../../src/errors.ts'
import { testRestAccount } from '../../../suites/rest-account.ts'

testRestAccount(
  'memory of one process',
  () => Promise.resolve({ open: (nowMs) => Promise.resolve(new MemoryRestAccount(nowMs)), remove: () => Promise.resolve() }),
  { isShared: false },
)

testRestAccount(
  'a file',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ckvd-account-'))
    return {
      open: (nowMs) => FileRestAccount.open(join(directory, 'rest-account.sqlite'), nowMs),
      remove: () => rm(directory, { recursive: true }),
    }
  },
  { isShared: true },
)

const MINUTE = 60_000
const T = 100 * MINUTE
const LANE: AccountLane = { name: 'https://exchange.test spot', limit: 6000, budget: 4800 }

describe('account in a file', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ckvd-account-'))
    path = join(directory, 'rest-account.sqlite')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('what is no account, or cannot be there, is told with its place and what to do', async () => {
    writeFileSync(path, 'no database, but longer than a header of SQLite would have to be: '.repeat(30))
    const error: unknown = await FileRestAccount.open(path).catch((reason: unknown) => reason)
    expect(isCkvdError(error, 'CKVD_ACCOUNT')).toBe(true)
    expect(String(error)).toContain(path)
    expect(String(error)).toContain('--state')
    await expect(FileRestAccount.open(join(directory, 'none', 'x.sqlite'))).rejects.toMatchObject({ code: 'CKVD_ACCOUNT' })
  })

  test('processes that are killed at any moment leave it whole and free, with what they booked', async () => {
    const loader = fileURLToPath(new URL('../../../fault/lake-ts-loader.mjs', import.meta.url))
    const source = fileURLToPath(new URL('../../../../src/sources/rest/rest-account-file.ts', import.meta.url))
    const script = `
      const { FileRestAccount } = await import(${JSON.stringify(source)})
      const account = await FileRestAccount.open(${JSON.stringify(path)}, () => ${T})
      process.stdout.write('ready\\n')
      for (;;) await account.settle(${JSON.stringify(LANE)}, 1, 100, { count: 0 })`
    {
      // the minute in which they settle
      await using account = await FileRestAccount.open(path, () => T)
      expect(await account.reserve(LANE, 1)).toEqual({ kind: 'booked', minute: 100 })
      await account.settle(LANE, 1, 100, { count: 1 })
    }
    const children: ChildProcess[] = []
    try {
      // one after the other: the first one translates what all of them load
      for (let i = 0; i < 3; i++) {
        const child = spawn(process.execPath, ['--import', loader, '--input-type=module', '-e', script], {
          env: { PATH: process.env['PATH'], TS_LOADER_CACHE: directory },
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        children.push(child)
        const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close')])) as [unknown]
        expect(String(said)).toBe('ready\n')
      }
    } finally {
      const ended = children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, 'close'))
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(ended)
    }
    let nowMs = T
    await using account = await FileRestAccount.open(path, () => nowMs)
    expect(await account.usage(LANE)).toMatchObject({ spent: 1 })
    nowMs += MINUTE
    expect(await account.reserve(LANE, 2)).toEqual({ kind: 'booked', minute: 101 })
  })
})
