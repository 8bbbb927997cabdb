import type { BigIntStats } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createAtomicFiles } from '../../../src/disk/durable-files.ts'
import { lakePaths, LAKE } from '../../../src/lake/layout.ts'
import { createLocalReader, createLocalShards, versionOf } from '../../../src/lake/local-shards.ts'
import type { ListedFile, OpenFile } from '../../../src/lake/shard-store.ts'
import type { StoreUnderTest } from '../../suites/shard-store.ts'
import { testShardStore } from '../../suites/shard-store.ts'
import { MemoryShards } from '../../support/memory-shards.ts'
import { inTempDirectory } from './lake-fixtures.ts'

testShardStore('the local disk', async (): Promise<StoreUnderTest> => {
  const parent = await mkdtemp(join(tmpdir(), 'ckvd-store-'))
  const root = join(parent, 'lake')
  const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
  await mkdir(root)
  return {
    store: createLocalShards(root, files),
    settle: () => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 }),
    breakDown: async () => {
      await rm(root, { recursive: true })
      await writeFile(root, 'a file stands where the lake was')
    },
    close: async () => {
      vi.useRealTimers()
      await rm(parent, { recursive: true })
    },
  }
})

testShardStore('memory', () => {
  const store = new MemoryShards()
  return Promise.resolve({
    store,
    settle: () => undefined,
    breakDown: () => Promise.resolve(store.breakDown()),
    close: () => Promise.resolve(),
  })
})

describe('the local disk', () => {
  afterEach(() => void vi.useRealTimers())

  test('a file that was just written has no version: another write might leave it with the same times', async () => {
    await inTempDirectory(async (root) => {
      await writeFile(join(root, 'one.arrow'), 'abc')
      const file = createLocalReader(root).open('one.arrow') as OpenFile
      expect(file.version()).toBeUndefined()
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 })
      expect(file.version()).toBeTypeOf('string')
      vi.useRealTimers()
      file.close()
    })
  })

  test('each of size, times and place of a file tells another version', () => {
    const writtenMs = BigInt(Date.now() - 3_600_000)
    const stats = { dev: 1n, ino: 2n, size: 100n, mtimeNs: 3n, ctimeNs: 4n, ctimeMs: writtenMs } as BigIntStats
    const changes: Partial<BigIntStats>[] = [{}, { size: 101n }, { ino: 3n }, { dev: 2n }, { mtimeNs: 5n }, { ctimeNs: 5n }]
    expect(new Set(changes.map((change) => versionOf({ ...stats, ...change }))).size).toBe(changes.length)
    expect(versionOf({ ...stats })).toBe(versionOf(stats))
  })

  test('a directory where a file should be is an error, a link to a file is read and listed as no file', async () => {
    await inTempDirectory(async (root) => {
      const reader = createLocalReader(root)
      await mkdir(join(root, 'data', 'one.arrow'), { recursive: true })
      await expect(reader.get('data/one.arrow')).rejects.toMatchObject({ code: 'CKVD_LAKE_IO', details: { system: 'EISDIR' } })
      expect(() => reader.open('data/one.arrow')).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_IO' }))
      await writeFile(join(root, 'elsewhere'), 'abc')
      await symlink(join(root, 'elsewhere'), join(root, 'data', 'two.arrow'))
      await symlink(root, join(root, 'data', 'up'))
      expect((await reader.get('data/two.arrow'))?.length).toBe(3)
      const listed: ListedFile[] = []
      for await (const { path, isFile } of reader.list('data')) listed.push({ path, isFile })
      expect(listed).toEqual([
        { path: 'data/two.arrow', isFile: false },
        { path: 'data/up', isFile: false },
      ])
    })
  })
})
