import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { StepName } from '../../src/disk/steps.ts'
import { encodePack } from '../../src/codec/arrow/pack-writer.ts'
import type { WritableLake } from '../../src/lake/lake.ts'
import { openLake } from '../../src/lake/lake.ts'
import { shardPath } from '../../src/lake/layout.ts'
import { readShard } from '../../src/lake/shards.ts'
import { runUpgrade } from '../../src/lake/upgrade.ts'
import { runVerify } from '../../src/lake/verify.ts'
import { createTempDirectory, digestTree, listFiles } from '../support/temp-lake.ts'
import type { Chunk } from '../support/two-formats.ts'
import { chunkOf, HOURS, putFormer } from '../support/two-formats.ts'

const NAMES = ['2024-01-01', '2024-01-02', '2024-01-31', '2024-02-01', '2024-02-29', '2024-03-01']
const CHUNKS: readonly Chunk[] = NAMES.map((name, i) => chunkOf(name, { price: 10 + i, missing: i % 2 === 0 ? [] : [5] }))
const JANUARY = shardPath(HOURS, CHUNKS[0]!.day)
const JANUARY_CHUNKS = CHUNKS.slice(0, 3)

const STEPS: readonly StepName[] = ['write', 'sync', 'rename', 'sync-dir', 'transaction', 'remove']
const CODES: readonly [string, string][] = [
  ['ENOSPC', 'CKVD_DISK_FULL'],
  ['EDQUOT', 'CKVD_DISK_FULL'],
  ['EACCES', 'CKVD_LAKE_IO'],
  ['EROFS', 'CKVD_LAKE_IO'],
  ['EIO', 'CKVD_LAKE_IO'],
]

/** Fails the n-th time that a step of shards is about to be done, and from then on. */
function failingAt(step: StepName, code: string, nth: number) {
  let seen = 0
  return (name: string, path: string): void => {
    if (name === `before ${step}` && (step === 'transaction' || path.includes('/data/')) && ++seen >= nth)
      throw Object.assign(new Error(`${code}: made by a test`), { code })
  }
}

function packOf(chunks: readonly Chunk[]): Uint8Array {
  return encodePack(chunks.map(({ meta, packed }) => ({ meta, bytes: packed.shard })))
}

/** Every chunk is read as it was put, wherever it lies. */
async function checkReadable(lake: Pick<WritableLake, 'catalog' | 'shards'>, chunks: readonly Chunk[]): Promise<void> {
  for (const { day, columns, meta, packed } of chunks) {
    const row = lake.catalog.getDay(HOURS, day)
    expect(row).toMatchObject({ condition: meta.condition, rows: meta.rows })
    const read = await readShard(lake.shards, HOURS, day, row!)
    expect(read.columns.openTime).toEqual(columns.openTime)
    expect(read.columns.close).toEqual(columns.close)
    expect(lake.catalog.listGaps(HOURS).filter(({ startUs }) => packed.gaps.some((gap) => gap.startUs === startUs))).toEqual(packed.gaps)
  }
}

async function makeFormer(root: string): Promise<void> {
  await using lake = await openLake(root, { mode: 'write' })
  for (const { former } of CHUNKS) putFormer(lake, former)
}

/** The files of a lake in which all chunks were put, and nothing went wrong. */
async function wantedTree(): Promise<string[]> {
  await using directory = await createTempDirectory()
  await using lake = await openLake(directory.lake, { mode: 'write' })
  await Promise.all(CHUNKS.map(({ packed }) => lake.writer.put(packed)))
  return await digestTree(join(directory.lake, 'data'))
}

describe('an error of the disk', () => {
  const cases = STEPS.flatMap((step) => CODES.flatMap(([system, code]) => [1, 2].map((nth) => ({ step, system, code, nth }))))

  test.each(cases)('$system at $step number $nth ends an upgrade, every chunk is read, and the next one ends it', async (one) => {
    const { step, system, code, nth } = one
    await using directory = await createTempDirectory()
    await makeFormer(directory.lake)
    {
      await using lake = await openLake(directory.lake, { mode: 'write', steps: failingAt(step, system, nth) })
      const ended = runUpgrade(lake, [HOURS])
      // all months are one group: it is synced and recorded once
      if (step === 'transaction' && nth > 1) await ended
      else if (step === 'sync-dir' && nth > 1) await ended
      else await expect(ended).rejects.toMatchObject({ code, exit: 4 })
      await checkReadable(lake, CHUNKS)
    }
    await using lake = await openLake(directory.lake, { mode: 'write' })
    expect(await readdir(join(directory.lake, 'tmp'))).toEqual([])
    await checkReadable(lake, CHUNKS)
    expect(await runUpgrade(lake, [HOURS])).toMatchObject({ left: [] })
    expect(await digestTree(join(directory.lake, 'data'))).toEqual(await wantedTree())
    expect(await runVerify(lake)).toMatchObject({ shards: CHUNKS.length, bad: [], foreign: [], adopted: 0 })
  })

  test.each(STEPS.filter((step) => step !== 'remove'))('at %s leaves a pack into which chunks were put as it was', async (step) => {
    await using directory = await createTempDirectory()
    const [first, ...others] = JANUARY_CHUNKS
    {
      await using lake = await openLake(directory.lake, { mode: 'write', steps: failingAt(step, 'EIO', 2) })
      await lake.writer.put(first!.packed)
      const puts = await Promise.allSettled(others.map(({ packed }) => lake.writer.put(packed)))
      expect(puts).toMatchObject(others.map(() => ({ status: 'rejected', reason: { code: 'CKVD_LAKE_IO' } })))
      await checkReadable(lake, [first!])
      expect(lake.catalog.readDays(HOURS)).toHaveLength(1)
    }
    await using lake = await openLake(directory.lake, { mode: 'write' })
    await checkReadable(lake, [first!])
    await Promise.all(others.map(({ packed }) => lake.writer.put(packed)))
    expect(Buffer.compare(readFileSync(join(directory.lake, JANUARY)), packOf(JANUARY_CHUNKS))).toBe(0)
    expect(await runVerify(lake)).toMatchObject({ shards: 3, bad: [], foreign: [], adopted: 0 })
  })
})

describe('a pack that is not the one of its name', () => {
  const ETH = { ...HOURS, symbol: 'ETHUSDT' }

  test.each([
    ['that of another series', () => packOf(NAMES.slice(0, 3).map((name) => chunkOf(name, {}, ETH)))],
    ['that of another month', () => packOf(CHUNKS.slice(3, 5))],
    ['a file of format 1', () => CHUNKS[0]!.former.file],
  ])('%s: each of its days is named, none of it is believed, and a put of all days heals it', async (_, bytesOf) => {
    await using directory = await createTempDirectory()
    await using lake = await openLake(directory.lake, { mode: 'write' })
    await Promise.all(JANUARY_CHUNKS.map(({ packed }) => lake.writer.put(packed)))
    // another file takes the name, as a copy by hand would
    writeFileSync(join(directory.lake, 'other'), bytesOf())
    renameSync(join(directory.lake, 'other'), join(directory.lake, JANUARY))
    const { bad } = await runVerify(lake)
    expect(bad.map(({ day, path, code }) => [day, path, code])).toEqual(
      JANUARY_CHUNKS.map(({ day }) => [day, JANUARY, 'CKVD_SHARD_FORMAT']),
    )
    await Promise.all(JANUARY_CHUNKS.map(({ packed }) => lake.writer.put(packed)))
    expect(Buffer.compare(readFileSync(join(directory.lake, JANUARY)), packOf(JANUARY_CHUNKS))).toBe(0)
    expect(await runVerify(lake)).toMatchObject({ shards: 3, bad: [] })
  })

  test('one that cannot be read: a day that is put is stored, those that it held are recorded as failed, and their puts heal it', async () => {
    await using directory = await createTempDirectory()
    await using lake = await openLake(directory.lake, { mode: 'write' })
    await Promise.all(JANUARY_CHUNKS.map(({ packed }) => lake.writer.put(packed)))
    writeFileSync(join(directory.lake, 'other'), packOf(JANUARY_CHUNKS).subarray(0, 2000))
    renameSync(join(directory.lake, 'other'), join(directory.lake, JANUARY))
    const late = chunkOf('2024-01-10')
    await lake.writer.put(late.packed)
    await checkReadable(lake, [late])
    const known = lake.catalog.readDays(HOURS).map(({ day, condition, errorCode }) => [day, condition, errorCode])
    expect(known).toEqual(
      [...JANUARY_CHUNKS, late]
        .map(({ day }) => (day === late.day ? [day, 'complete', null] : [day, 'failed', 'CKVD_SHARD_FORMAT']))
        .sort(),
    )
    await Promise.all(JANUARY_CHUNKS.map(({ packed }) => lake.writer.put(packed)))
    expect(
      Buffer.compare(
        readFileSync(join(directory.lake, JANUARY)),
        packOf([...JANUARY_CHUNKS, late].sort((a, b) => (a.day < b.day ? -1 : 1))),
      ),
    ).toBe(0)
    expect(await runVerify(lake)).toMatchObject({ shards: 4, bad: [] })
  })

  test('one that lacks a chunk that the catalog has: that chunk is named alone, no other is given up, and its put heals it', async () => {
    await using directory = await createTempDirectory()
    await using lake = await openLake(directory.lake, { mode: 'write' })
    await Promise.all(JANUARY_CHUNKS.map(({ packed }) => lake.writer.put(packed)))
    const [first, second, third] = JANUARY_CHUNKS
    writeFileSync(join(directory.lake, 'other'), packOf([first!, third!]))
    renameSync(join(directory.lake, 'other'), join(directory.lake, JANUARY))
    const { bad } = await runVerify(lake)
    expect(bad.map(({ day, path, code }) => [day, path, code])).toEqual([[second!.day, JANUARY, 'CKVD_SHARD_MISSING']])
    await checkReadable(lake, [first!, third!])
    await lake.writer.put(second!.packed)
    expect(Buffer.compare(readFileSync(join(directory.lake, JANUARY)), packOf(JANUARY_CHUNKS))).toBe(0)
    expect(await runVerify(lake)).toMatchObject({ shards: 3, bad: [] })
    expect(await listFiles(join(directory.lake, 'data'))).toEqual([JANUARY.replace('data/', '')])
  })
})
