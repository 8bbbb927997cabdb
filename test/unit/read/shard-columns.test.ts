import { createHash } from 'node:crypto'
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openLake } from '../../../src/lake/lake.ts'
import { createLocalReader } from '../../../src/lake/local-shards.ts'
import type { DayRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { WholeDays } from '../../../src/lake/ledger.ts'
import type { KlineColumn } from '../../../src/model/kline.ts'
import { KLINE_COLUMNS } from '../../../src/model/kline.ts'
import type { Series } from '../../../src/model/series.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import type { ColumnBlock } from '../../../src/read/column-block.ts'
import { createBlock } from '../../../src/read/column-block.ts'
import { readDays, readParts } from '../../../src/read/shard-columns.ts'
import { barsOf, BTC, BTC_5M, day, inTempDirectory, shardFile } from '../lake/lake-fixtures.ts'

const ALL = KLINE_COLUMNS.map(({ key }) => key)
/** Five days, each of another price; the fourth lacks two bars, so that a file of its own has another layout. */
const itemsOf = (series: Series) =>
  Array.from({ length: 5 }, (_, i) => barsOf(series, addDays(day('2024-01-01'), i), { price: 100 + i, missing: i === 3 ? [3, 9] : [] }))
const FILES = itemsOf(BTC_5M)
const PACK = itemsOf(BTC)
const LAYOUTS = [
  { what: 'files of their own', items: FILES },
  { what: 'a pack', items: PACK },
]

// an hour later: the files that a test writes have settled
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 }))
afterEach(() => void vi.useRealTimers())

async function withLake(items: typeof FILES, look: (root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    const lake = await openLake(root, { mode: 'write' })
    for (const item of items) await lake.writer.put(item)
    await lake.close()
    await look(root)
  })
}

/** Reads the five days; the days that are bad, and the closes of the others. */
async function read(root: string, rows: readonly DayRow[], keys: readonly KlineColumn[] = ALL) {
  let rowsBefore = 0
  const parts = rows.map((row) => ({ row, offset: (rowsBefore += row.rows) - row.rows }))
  const target: ColumnBlock = createBlock(keys, rowsBefore)
  const bad = await readParts(createLocalReader(root), rows[0]!, parts, target, new AbortController().signal)
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

describe.each(LAYOUTS)('reading columns of stored days of $what', ({ items }) => {
  const rows = items.map(({ row }) => row)

  test('gives all columns, or some, the first time and again', async () => {
    await withLake(items, async (root) => {
      const first = await read(root, rows)
      expect(first).toMatchObject({ bad: [], closes: [[100], [101], [102], [103], [104]] })
      for (const keys of [ALL, ['openTime', 'close'] as const, ALL]) expect(await read(root, rows, keys)).toEqual(first)
      expect([...first.openTime].every((time, i, times) => i === 0 || time > (times[i - 1] as bigint))).toBe(true)
    })
  })

  test('a byte that rotted is never handed out: before the first read, after it, with the old times of the file, among others or alone', async () => {
    await withLake(items, async (root) => {
      const path = shardFile(root, rows[1]!, '2024-01-02')
      const sound = await readFile(path)
      await rot(path)
      const rest = { bad: ['2024-01-02'], closes: [[100], [102], [103], [104]] }
      expect(await read(root, rows)).toMatchObject(rest)
      await writeFile(path, sound)
      expect(await read(root, rows)).toMatchObject({ bad: [] })
      const { atime, mtime } = await stat(path)
      await rot(path)
      await utimes(path, atime, mtime)
      for (const keys of [ALL, ['openTime', 'close'] as const]) expect(await read(root, rows, keys)).toMatchObject(rest)
      expect((await read(root, [rows[1]!])).bad).toEqual(['2024-01-02'])
    })
  })

  test('a day whose digest is that of another, or not in the catalog, is bad', async () => {
    await withLake(items, async (root) => {
      await read(root, rows)
      const other = { ...rows[2]!, shardSha256: rows[4]!.shardSha256 }
      expect((await read(root, [rows[4]!, other])).bad).toEqual(['2024-01-03'])
      expect((await read(root, [{ ...rows[4]!, shardSha256: null }])).bad).toEqual(['2024-01-05'])
    })
  })
})

describe('reading columns of stored days', () => {
  test('a file that is gone, cut or another day of the same size is bad', async () => {
    await withLake(FILES, async (root) => {
      const rows = FILES.map(({ row }) => row)
      const files = rows.map((row) => shardFile(root, row, row.day))
      const bytes = await Promise.all(files.map((path) => readFile(path)))
      await read(root, rows)
      await rm(files[0]!)
      await writeFile(files[1]!, bytes[1]!.subarray(0, -8))
      await writeFile(files[2]!, bytes[4]!)
      expect(bytes[4]!.length).toBe(bytes[2]!.length)
      expect(await read(root, rows)).toMatchObject({ bad: ['2024-01-01', '2024-01-02', '2024-01-03'], closes: [[103], [104]] })
    })
  })

  test('all days of a pack are bad that is cut, gone, or another one; a day that it has not is bad alone', async () => {
    await withLake(PACK, async (root) => {
      const rows = PACK.map(({ row }) => row)
      const lake = await openLake(root, { mode: 'write' })
      await lake.writer.put(barsOf(BTC, '2024-02-01'))
      await lake.close()
      const path = shardFile(root, BTC, '2024-01-01')
      const sound = await readFile(path)
      await read(root, rows)
      const later = barsOf(BTC, '2024-01-06').row
      expect(await read(root, [...rows, later])).toMatchObject({ bad: ['2024-01-06'], closes: [[100], [101], [102], [103], [104]] })
      for (const bytes of [sound.subarray(0, -8), await readFile(shardFile(root, BTC, '2024-02-01')), undefined]) {
        if (bytes === undefined) await rm(path)
        else await writeFile(path, bytes)
        expect(await read(root, rows)).toMatchObject({ bad: rows.map((row) => row.day), closes: [] })
      }
    })
  })
})

describe('reading days of a pack at once', () => {
  const days = [0, 1, 2].map((i) => barsOf(BTC, addDays(day('2024-01-01'), i), { price: 200 + i }))
  const wholeOf = (items: typeof days) => ({
    first: items[0]!.row.day,
    end: addDays(items.at(-1)!.row.day, 1),
    rows: 24 * items.length,
    digests: items.map(({ row }) => row.shardSha256).join(''),
  })
  async function readAtOnce(root: string, whole: WholeDays, keys: readonly KlineColumn[] = ALL) {
    const target = createBlock(keys, whole.rows)
    const bad = await readDays(createLocalReader(root), BTC, [{ whole, offset: 0 }], target, new AbortController().signal)
    return bad.length > 0 ? 'bad' : [...new Set(target.close)]
  }

  test('gives what reading them one by one gives, the first time and again, of all of the pack or of a part', async () => {
    await withLake(days, async (root) => {
      for (const keys of [ALL, ['openTime', 'close'] as const]) {
        for (let i = 0; i < 2; i++) {
          expect(await readAtOnce(root, wholeOf(days), keys)).toEqual([200, 201, 202])
          expect(await readAtOnce(root, wholeOf(days.slice(1, 2)), keys)).toEqual([201])
        }
      }
    })
  })

  test('a byte that rotted, a day that is missing or another one, or a file that is gone makes them bad', async () => {
    await withLake(days, async (root) => {
      const whole = wholeOf(days)
      const path = shardFile(root, BTC, '2024-01-01')
      const sound = await readFile(path)
      for (const before of ['unread', 'read']) {
        if (before === 'read') expect(await readAtOnce(root, whole)).toEqual([200, 201, 202])
        const rotten = Buffer.from(sound)
        rotten.writeDoubleLE(202, rotten.indexOf(Buffer.from(new Float64Array([201, 201]).buffer)))
        await writeFile(path, rotten)
        expect(await readAtOnce(root, whole)).toBe('bad')
        expect(await readAtOnce(root, wholeOf(days.slice(0, 1)))).toEqual([200])
        await writeFile(path, sound)
      }
      expect(await readAtOnce(root, { ...whole, digests: wholeOf([...days].reverse()).digests })).toBe('bad')
      expect(await readAtOnce(root, wholeOf([...days, barsOf(BTC, '2024-01-04')]))).toBe('bad')
      await rm(path)
      expect(await readAtOnce(root, whole)).toBe('bad')
    })
  })

  test('of a pack whose file is known any byte that rotted makes them bad, in data as in what the file says of itself', async () => {
    await withLake(days, async (root) => {
      const path = shardFile(root, BTC, '2024-01-01')
      const sound = await readFile(path)
      const pack = { first: day('2024-01-01'), end: day('2024-01-04'), sha256: createHash('sha256').update(sound).digest('hex') }
      const known = (items: typeof days) => ({ ...wholeOf(items), digests: '', pack })
      for (let i = 0; i < 2; i++) {
        expect(await readAtOnce(root, known(days))).toEqual([200, 201, 202])
        expect(await readAtOnce(root, known(days.slice(1, 2)), ['openTime', 'close'])).toEqual([201])
      }
      for (let at = 0; at < sound.length; at += 97) {
        const rotten = Buffer.from(sound)
        rotten[at]! ^= 1
        await writeFile(path, rotten)
        expect([at, await readAtOnce(root, known(days.slice(1)))]).toEqual([at, 'bad'])
      }
      await writeFile(path, sound)
      expect(await readAtOnce(root, known(days.slice(1)))).toEqual([201, 202])
      // that the file is proven proves nothing of what is believed of it
      expect(await readAtOnce(root, { ...known(days), pack: { ...pack, end: day('2024-01-05') } })).toBe('bad')
      // a day alone is looked up in the file again
      expect(await readAtOnce(root, wholeOf(days.slice(0, 1)))).toEqual([200])
    })
  })
})
