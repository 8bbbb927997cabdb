import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLake } from '../../src/lake/lake.ts'
import { createLocalReader } from '../../src/lake/local-shards.ts'
import { readShard } from '../../src/lake/shards.ts'
import { runVerify } from '../../src/lake/verify.ts'
import { BTC, day, ETH, barsOf, inTempDirectory, tmpFiles } from '../unit/lake/lake-fixtures.ts'

const LOADER = new URL('./lake-ts-loader.mjs', import.meta.url).href
const CHILD = fileURLToPath(new URL('./lake-child.ts', import.meta.url))

let cache = ''
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'ckvd-loader-'))
})
afterAll(() => rm(cache, { recursive: true, force: true }))

/** Starts a writer in a process of its own; resolves when it has stored its first day. */
async function startWriter(root: string, moment: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', LOADER, CHILD, root, moment], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TS_LOADER_CACHE: cache },
  })
  const [chunk] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown]
  expect(String(chunk)).toBe('ready\n')
  return child
}

describe('the write lock', () => {
  it('keeps a second process out, lets readers in, and dies with its process', async () => {
    await inTempDirectory(async (root) => {
      const child = await startWriter(root, 'never')
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code: 'CKVD_LAKE_LOCKED', exit: 4 })
      const reader = await openLake(root, { mode: 'read' })
      expect(reader.catalog.readDays(BTC)).toEqual([barsOf(BTC, '2024-01-01').row])
      await reader.close()

      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
      await using lake = await openLake(root, { mode: 'write' })
      expect(lake.catalog.readDays(BTC)).toHaveLength(1)
    })
  })
})

const RECORDED = ['after transaction']
const RENAMED = ['before sync-dir', 'after sync-dir', 'before transaction']
const LOST = ['before write', 'after write', 'before sync', 'after sync', 'before rename']

describe('a run that is killed', () => {
  it.each([...LOST, ...RENAMED, ...RECORDED])('%s leaves a lake in which every shard is whole and every row true', async (moment) => {
    await inTempDirectory(async (root) => {
      const child = await startWriter(root, moment)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      expect(child.signalCode).toBe('SIGKILL')

      const lake = await openLake(root, { mode: 'write', repair: true })
      expect(await tmpFiles(root)).toEqual([])
      // before verify: what the catalog says is true
      const stored = [...lake.catalog.readDays(BTC), ...lake.catalog.readDays(ETH)]
      for (const row of stored)
        expect((await readShard(createLocalReader(root), row, row.day, row)).columns.openTime).toHaveLength(row.rows)
      expect(stored).toHaveLength(RECORDED.includes(moment) ? 3 : 1)

      // after verify: what was whole on disk is known too
      const result = await runVerify(lake)
      expect(result).toMatchObject({ bad: [], foreign: [], adopted: RENAMED.includes(moment) ? 2 : 0, rebuilt: false })
      const expected = LOST.includes(moment) ? [] : [barsOf(BTC, '2024-01-02', { missing: [4] })]
      expect(lake.catalog.readDays(BTC, day('2024-01-02')).map((row) => row.shardSha256)).toEqual(
        expected.map((item) => item.row.shardSha256),
      )
      expect(lake.catalog.listGaps(BTC)).toEqual(expected.flatMap((item) => item.gaps))
      await lake.close()
    })
  })
})
