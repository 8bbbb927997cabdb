import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeKlines } from '../../../src/codec/arrow/arrow-writer.ts'
import { encodeMeta } from '../../../src/codec/arrow/shard-meta.ts'
import type { WritableLake } from '../../../src/lake/lake.ts'
import { openLake } from '../../../src/lake/lake.ts'
import { formerPath, shardPath } from '../../../src/lake/layout.ts'
import { readShard } from '../../../src/lake/shards.ts'
import { runUpgrade } from '../../../src/lake/upgrade.ts'
import { runVerify } from '../../../src/lake/verify.ts'
import { chunkOf, HOURS, putFormer, sha256 } from '../../support/two-formats.ts'
import { inTempDirectory } from './lake-fixtures.ts'

const DAYS = ['2024-01-01', '2024-01-02', '2024-01-03', '2024-02-01']
const PACK = shardPath(HOURS, chunkOf('2024-01-01').day)

async function inLake(test: (lake: WritableLake, root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    await using lake = await openLake(root, { mode: 'write' })
    await test(lake, root)
  })
}

/** The bytes of the pack of January that a lake has in which these chunks were put alone. */
async function packOf(chunks: readonly ReturnType<typeof chunkOf>[]): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  await inLake(async (lake, root) => {
    await Promise.all(chunks.map(({ packed }) => lake.writer.put(packed)))
    bytes = readFileSync(join(root, PACK))
  })
  return bytes
}

describe('the next ingest of a series', () => {
  it('brings the month that it writes to packs, and no other', async () => {
    await inLake(async (lake, root) => {
      const files = DAYS.map((name) => putFormer(lake, chunkOf(name, { missing: [4] }).former))
      await lake.writer.put(chunkOf('2024-01-04').packed)
      await lake.writer.drain()
      expect(files.map(existsSync)).toEqual([false, false, false, true])
      const expected = [...DAYS.slice(0, 3).map((name) => chunkOf(name, { missing: [4] })), chunkOf('2024-01-04')]
      expect(readFileSync(join(root, PACK))).toEqual(await packOf(expected))
      const rows = lake.catalog.readDays(HOURS)
      expect(rows.slice(0, 4)).toEqual(expected.map(({ packed }) => packed.row))
      expect(rows.at(-1)).toEqual(chunkOf('2024-02-01', { missing: [4] }).former.row)
      expect(lake.catalog.listGaps(HOURS)).toHaveLength(4)
      for (const row of rows)
        expect((await readShard(lake.shards, row, row.day, row)).meta.gaps).toHaveLength(row.day === '2024-01-04' ? 0 : 1)
    })
  })

  it('replaces a day of format 1, damaged or not, by what it has', async () => {
    await inLake(async (lake, root) => {
      const [path = ''] = DAYS.slice(0, 2).map((name) => putFormer(lake, chunkOf(name).former))
      writeFileSync(path, 'damaged')
      await lake.writer.put(chunkOf('2024-01-01', { price: 7 }).packed)
      await lake.writer.drain()
      expect(existsSync(path)).toBe(false)
      expect(readFileSync(join(root, PACK))).toEqual(await packOf([chunkOf('2024-01-01', { price: 7 }), chunkOf('2024-01-02')]))
    })
  })

  it('leaves a damaged file that it has no better bars for where it is, as bad as it is', async () => {
    await inLake(async (lake, root) => {
      const [path = ''] = DAYS.slice(0, 2).map((name) => putFormer(lake, chunkOf(name).former))
      writeFileSync(path, 'damaged')
      await lake.writer.put(chunkOf('2024-01-03').packed)
      expect(readFileSync(path, 'utf8')).toBe('damaged')
      expect(lake.catalog.readDays(HOURS)[0]).toEqual(chunkOf('2024-01-01').former.row)
      expect(readFileSync(join(root, PACK))).toEqual(await packOf([chunkOf('2024-01-02'), chunkOf('2024-01-03')]))
      expect((await runVerify(lake)).bad.map(({ day, code }) => [day, code])).toEqual([['2024-01-01', 'CKVD_SHARD_DIGEST']])
    })
  })
})

describe('an upgrade', () => {
  it('takes the first shards of format 1, which did not count odd bars, as what they are', async () => {
    await inLake(async (lake) => {
      const { columns, meta, former, day } = chunkOf('2024-01-01')
      columns.closeTime[3] = columns.openTime[3]! + 59_999_000n
      const metadata = encodeMeta(meta, '')
      for (const key of ['ckvd.odd_close', 'ckvd.odd_rows', 'ckvd.digest']) expect(metadata.delete(key)).toBe(true)
      const file = encodeKlines(columns, metadata)
      putFormer(lake, { ...former, row: { ...former.row, shardSha256: sha256(file), shardBytes: file.length }, file })
      expect(await runUpgrade(lake, [HOURS])).toMatchObject({ chunks: 1, left: [] })
      const row = lake.catalog.getDay(HOURS, day)!
      expect(row).toMatchObject({ condition: 'complete', oddClose: 1 })
      expect((await readShard(lake.shards, HOURS, day, row)).columns.closeTime).toEqual(columns.closeTime)
      expect(await runVerify(lake)).toMatchObject({ shards: 1, bad: [] })
    })
  })

  it.each([
    ['no source', { source: null }],
    ['a digest that is none', { archiveSha256: 'short' }],
    ['other bars than its file', { rows: 23, condition: 'partial' }],
    ['what a check found', { condition: 'failed', errorCode: 'CKVD_SHARD_DIGEST', error: 'CKVD_SHARD_DIGEST: rotten' }],
  ] as const)('leaves a chunk whose row says %s where it is, and takes its neighbours', async (_, change) => {
    await inLake(async (lake, root) => {
      const odd = putFormer(lake, chunkOf('2024-01-01', { change }).former)
      putFormer(lake, chunkOf('2024-01-02').former)
      const { chunks, left } = await runUpgrade(lake, [HOURS])
      expect([chunks, left.map(({ day, path }) => [day, path])]).toEqual([
        1,
        [['2024-01-01', formerPath(HOURS, chunkOf('2024-01-01').day)]],
      ])
      expect(existsSync(odd)).toBe(true)
      expect(readFileSync(join(root, PACK))).toEqual(await packOf([chunkOf('2024-01-02')]))
    })
  })

  it('removes a former file that a killed run left beside its pack, and the folders above it', async () => {
    await inLake(async (lake, root) => {
      const chunk = chunkOf('2024-01-01')
      await lake.writer.put(chunk.packed)
      const path = putFormer(lake, chunk.former)
      await lake.catalog.commit([chunk.packed])
      expect(await runUpgrade(lake, [HOURS])).toMatchObject({ chunks: 0, left: [] })
      expect(existsSync(path)).toBe(false)
      expect(existsSync(join(dirname(path), '../../..'))).toBe(false)
      expect(existsSync(join(root, PACK))).toBe(true)
    })
  })

  it('keeps that file while its pack is not whole: it is the last copy', async () => {
    await inLake(async (lake, root) => {
      const chunk = chunkOf('2024-01-01')
      await lake.writer.put(chunk.packed)
      const path = putFormer(lake, chunk.former)
      await lake.catalog.commit([chunk.packed])
      rmSync(join(root, PACK))
      expect((await runUpgrade(lake, [HOURS])).left).toMatchObject([{ day: chunk.day, path: PACK, code: 'CKVD_SHARD_MISSING' }])
      expect(existsSync(path)).toBe(true)
      expect((await runVerify(lake)).bad).toMatchObject([{ day: chunk.day, path: PACK, code: 'CKVD_SHARD_MISSING' }])
      expect(existsSync(path)).toBe(true)
    })
  })

  it('tells a pack that is damaged, adds nothing to it, and goes on with the other months', async () => {
    await inLake(async (lake, root) => {
      await lake.writer.put(chunkOf('2024-01-01').packed)
      const files = DAYS.slice(1).map((name) => putFormer(lake, chunkOf(name).former))
      const pack = readFileSync(join(root, PACK)).subarray(0, 3000)
      writeFileSync(join(root, PACK), pack)
      const { chunks, left } = await runUpgrade(lake, [HOURS])
      expect([chunks, left.map(({ path, code }) => [path, code])]).toEqual([1, [[PACK, 'CKVD_SHARD_FORMAT']]])
      expect(files.map(existsSync)).toEqual([true, true, false])
      expect(readFileSync(join(root, PACK))).toEqual(pack)
      // a check names the chunk that is lost, an ingest brings it, and all is well
      expect((await runVerify(lake)).bad.map(({ day, path }) => [day, path])).toEqual([['2024-01-01', PACK]])
      await lake.writer.put(chunkOf('2024-01-01').packed)
      expect(await runUpgrade(lake, [HOURS])).toMatchObject({ chunks: 0, left: [] })
      expect(readFileSync(join(root, PACK))).toEqual(await packOf(DAYS.slice(0, 3).map((name) => chunkOf(name))))
    })
  })

  it('ends between two series where it is stopped', async () => {
    await inLake(async (lake) => {
      const path = putFormer(lake, chunkOf('2024-01-01').former)
      const stop = new AbortController()
      stop.abort()
      await expect(runUpgrade(lake, [HOURS], { signal: stop.signal })).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
      expect(existsSync(path)).toBe(true)
    })
  })
})
