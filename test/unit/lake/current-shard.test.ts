import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Steps } from '../../../src/disk/steps.ts'
import { readCurrentShard } from '../../../src/lake/current-shard.ts'
import type { Lake, WritableLake } from '../../../src/lake/lake.ts'
import { openLake } from '../../../src/lake/lake.ts'
import { formerPath, shardPath } from '../../../src/lake/layout.ts'
import { runUpgrade } from '../../../src/lake/upgrade.ts'
import { chunkOf, HOURS, putFormer } from '../../support/two-formats.ts'
import { inTempDirectory } from './lake-fixtures.ts'

const DAY = chunkOf('2024-01-02').day
const SIGNAL = new AbortController().signal

/** Calls `test` with a lake for writing and the same one as another reads it. */
async function beside(test: (writer: WritableLake, reader: Lake, root: string) => Promise<void>, steps?: Steps): Promise<void> {
  await inTempDirectory(async (root) => {
    await using writer = await openLake(root, { mode: 'write', ...(steps === undefined ? {} : { steps }) })
    await using reader = await openLake(root, { mode: 'read' })
    await test(writer, reader, root)
  })
}

function rowOf({ catalog }: Lake) {
  const row = catalog.getDay(HOURS, DAY)
  if (row === undefined) throw new Error('Expected a row of the day.')
  return row
}

/** First price of the day as a reader gets it. */
async function priceOf(lake: Lake, row = rowOf(lake)): Promise<number | undefined> {
  const { shard } = await readCurrentShard(lake, row, SIGNAL)
  return shard?.columns.open[0]
}

describe('a chunk whose row was read before a writer', () => {
  it('took its file into a pack is read from the pack', async () => {
    await beside(async (writer, reader) => {
      for (const name of ['2024-01-01', '2024-01-02']) putFormer(writer, chunkOf(name, { price: 7 }).former)
      const row = rowOf(reader)
      await runUpgrade(writer, [HOURS])
      const { shard, row: now } = await readCurrentShard(reader, row, SIGNAL)
      expect([shard?.columns.open[0], now.shardSha256]).toEqual([7, chunkOf('2024-01-02', { price: 7 }).packed.row.shardSha256])
    })
  })

  it('replaced it is read as it is by then, with its row', async () => {
    await beside(async (writer, reader) => {
      await writer.writer.put(chunkOf('2024-01-02').packed)
      const row = rowOf(reader)
      await writer.writer.put(chunkOf('2024-01-02', { price: 8, change: { revision: 2 } }).packed)
      const { shard, row: now } = await readCurrentShard(reader, row, SIGNAL)
      expect([shard?.columns.open[0], now.revision]).toEqual([8, 2])
    })
  })

  it('found that it has no bar is without bars', async () => {
    await beside(async (writer, reader, root) => {
      const { packed } = chunkOf('2024-01-02')
      await writer.writer.put(packed)
      const row = rowOf(reader)
      const none = { condition: 'outage', rows: 0, source: null, shardSha256: null, shardBytes: null } as const
      await writer.writer.put({ row: { ...packed.row, ...none }, gaps: [], shard: null })
      rmSync(join(root, shardPath(HOURS, DAY)))
      expect(await readCurrentShard(reader, row, SIGNAL)).toMatchObject({ row: { rows: 0 }, shard: undefined })
    })
  })

  it('has put its bytes under their name, and records them in a moment, is waited for', async () => {
    let reading: Promise<number | undefined> | undefined
    let read: (() => Promise<number | undefined>) | undefined
    await beside(
      async (writer, reader) => {
        await writer.writer.put(chunkOf('2024-01-02').packed)
        read = () => priceOf(reader)
        await writer.writer.put(chunkOf('2024-01-02', { price: 9 }).packed)
        expect(await reading).toBe(9)
      },
      (step) => {
        if (step === 'before transaction') reading = read?.()
      },
    )
  })
})

describe('a chunk that nobody has moved', () => {
  it('and that was altered is told', async () => {
    await beside(async (writer, reader, root) => {
      putFormer(writer, chunkOf('2024-01-02').former)
      writeFileSync(join(root, formerPath(HOURS, DAY)), chunkOf('2024-01-02', { price: 3 }).former.file)
      await expect(priceOf(reader)).rejects.toMatchObject({ code: 'CKVD_SHARD_DIGEST' })
    })
  })

  it('and that is not there is told', async () => {
    await beside(async (writer, reader, root) => {
      rmSync(putFormer(writer, chunkOf('2024-01-02').former))
      await expect(priceOf(reader)).rejects.toMatchObject({ code: 'CKVD_SHARD_MISSING', message: expect.stringContaining(root) as string })
    })
  })
})
