import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openLake } from '../../../src/lake/lake.ts'
import { createLocalReader } from '../../../src/lake/local-shards.ts'
import type { DayRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { KlineColumn } from '../../../src/model/kline.ts'
import { KLINE_COLUMNS } from '../../../src/model/kline.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import type { ColumnBlock } from '../../../src/read/column-block.ts'
import { createBlock } from '../../../src/read/column-block.ts'
import { readParts } from '../../../src/read/shard-columns.ts'
import { BTC, day, hoursOf, inTempDirectory, shardFile } from '../lake/lake-fixtures.ts'

const ALL = KLINE_COLUMNS.map(({ key }) => key)
/** Five days, each of another price; the fourth lacks two hours, so that its file has another layout. */
const ITEMS = Array.from({ length: 5 }, (_, i) =>
  hoursOf(BTC, addDays(day('2024-01-01'), i), { price: 100 + i, missing: i === 3 ? [3, 9] : [] }),
)

// an hour later: the files that a test writes have settled
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 }))
afterEach(() => void vi.useRealTimers())

async function withLake(look: (root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    const lake = await openLake(root, { mode: 'write' })
    for (const item of ITEMS) await lake.writer.put(item)
    await lake.close()
    await look(root)
  })
}

/** Reads the five days; the days that are bad, and the closes of the others. */
async function read(root: string, keys: readonly KlineColumn[] = ALL, rows: readonly DayRow[] = ITEMS.map(({ row }) => row)) {
  let rowsBefore = 0
  const parts = rows.map((row) => ({ row, offset: (rowsBefore += row.rows) - row.rows }))
  const target: ColumnBlock = createBlock(keys, rowsBefore)
  const bad = await readParts(createLocalReader(root), BTC, parts, target, new AbortController().signal)
  const closes = parts
    .filter((part) => !bad.includes(part))
    .map(({ row, offset }) => [...new Set(target.close?.subarray(offset, offset + row.rows))])
  return { bad: bad.map(({ row }) => row.day), closes, openTime: target.openTime }
}

/** Doubles one value of the last column but five of a file, as a disk may. */
async function rot(path: string): Promise<void> {
  const bytes = await readFile(path)
  const at = bytes.indexOf(Buffer.from(new Float64Array([101, 101]).buffer))
  bytes.writeDoubleLE(202, at)
  await writeFile(path, bytes)
}

describe('reading columns of stored days', () => {
  test('gives all columns, or some, the first time and again', async () => {
    await withLake(async (root) => {
      const first = await read(root)
      expect(first).toMatchObject({ bad: [], closes: [[100], [101], [102], [103], [104]] })
      for (const keys of [ALL, ['openTime', 'close'] as const, ALL]) expect(await read(root, keys)).toEqual(first)
      expect([...first.openTime].every((time, i, times) => i === 0 || time > (times[i - 1] as bigint))).toBe(true)
    })
  })

  test('a byte that rotted is never handed out: before the first read, after it, with the old times of the file, among others or alone', async () => {
    await withLake(async (root) => {
      const path = shardFile(root, BTC, '2024-01-02')
      const sound = await readFile(path)
      await rot(path)
      const rest = { bad: ['2024-01-02'], closes: [[100], [102], [103], [104]] }
      expect(await read(root)).toMatchObject(rest)
      await writeFile(path, sound)
      expect(await read(root)).toMatchObject({ bad: [] })
      const { atime, mtime } = await stat(path)
      await rot(path)
      await utimes(path, atime, mtime)
      for (const keys of [ALL, ['openTime', 'close'] as const]) expect(await read(root, keys)).toMatchObject(rest)
      expect((await read(root, ALL, [ITEMS[1]!.row])).bad).toEqual(['2024-01-02'])
    })
  })

  test('a file that is gone, cut, another day of the same size, or not in the catalog is bad', async () => {
    await withLake(async (root) => {
      const files = ITEMS.map(({ row }) => shardFile(root, BTC, row.day))
      const bytes = await Promise.all(files.map((path) => readFile(path)))
      await read(root)
      await rm(files[0]!)
      await writeFile(files[1]!, bytes[1]!.subarray(0, -8))
      await writeFile(files[2]!, bytes[4]!)
      expect(bytes[4]!.length).toBe(bytes[2]!.length)
      expect(await read(root)).toMatchObject({ bad: ['2024-01-01', '2024-01-02', '2024-01-03'], closes: [[103], [104]] })
      const other = { ...ITEMS[2]!.row, shardSha256: ITEMS[4]!.row.shardSha256 }
      expect((await read(root, ALL, [ITEMS[4]!.row, other])).bad).toEqual(['2024-01-03'])
      expect((await read(root, ALL, [{ ...ITEMS[4]!.row, shardSha256: null }])).bad).toEqual(['2024-01-05'])
    })
  })
})
