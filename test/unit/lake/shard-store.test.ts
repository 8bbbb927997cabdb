import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { createAtomicFiles } from '../../../src/disk/durable-files.ts'
import { lakePaths, LAKE } from '../../../src/lake/layout.ts'
import { createLocalShards } from '../../../src/lake/local-shards.ts'
import type { StoreUnderTest } from '../../suites/shard-store.ts'
import { testShardStore } from '../../suites/shard-store.ts'
import { MemoryShards } from '../../support/memory-shards.ts'

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
