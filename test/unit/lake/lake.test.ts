import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LAKE, lakePaths } from '../../../src/lake/layout.ts'
import { acquireLock } from '../../../src/disk/lock.ts'
import { openLake } from '../../../src/lake/lake.ts'
import { createLocalReader } from '../../../src/lake/local-shards.ts'
import { createQuarantine } from '../../../src/lake/quarantine.ts'
import { pruneSeries } from '../../../src/lake/prune.ts'
import { adoptShard, readShard } from '../../../src/lake/shards.ts'
import type { DayRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { Steps } from '../../../src/disk/steps.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import { readChunks, readStoredChunk } from '../../support/stored-chunk.ts'
import {
  barsOf,
  BTC,
  BTC_5M,
  day,
  ETH,
  ETH_5M,
  inTempDirectory,
  rowOf,
  seriesRowOf,
  shardFile,
  systemError,
  tmpFiles,
} from './lake-fixtures.ts'

describe('a lake', () => {
  it('is created by writing, with its parts', async () => {
    await inTempDirectory(async (directory) => {
      const root = join(directory, 'new', 'lake')
      await using lake = await openLake(root, { mode: 'write', origin: 'sandbox' })
      expect(lake.origin).toBe('sandbox')
      expect((await readdir(root)).sort()).toEqual(expect.arrayContaining(['catalog.sqlite', 'data', 'lake.json', 'quarantine', 'tmp']))
      expect(await readFile(join(root, 'lake.json'), 'utf8')).toBe('{"format":2,"origin":"sandbox"}\n')
      expect(await readdir(join(root, 'data'))).toEqual([])
    })
  })

  it('is not created by reading', async () => {
    await inTempDirectory(async (directory) => {
      const root = join(directory, 'lake')
      await expect(openLake(root, { mode: 'read' })).rejects.toMatchObject({ code: 'CKVD_LAKE_MISSING', exit: 2 })
      expect(existsSync(root)).toBe(false)
    })
  })

  it('in a folder with files of others touches none of them', async () => {
    await inTempDirectory(async (root) => {
      await mkdir(join(root, 'tmp'))
      await writeFile(join(root, 'tmp', 'draft.tmp'), 'mine')
      await writeFile(join(root, 'letter.txt'), 'mine')
      await (await openLake(root, { mode: 'write' })).close()
      expect(await tmpFiles(root)).toEqual(['draft.tmp'])
    })
  })

  const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n'
  const FORMER = `${TAG}# This directory is a lake of ckvd: candlesticks that can be downloaded again.\n`
  it('is data, no cache: backup programs are not told to leave it out', async () => {
    await inTempDirectory(async (directory) => {
      const [fresh, older, tagged] = [join(directory, 'fresh'), join(directory, 'older'), join(directory, 'tagged')]
      for (const [root, text] of [
        [older, FORMER],
        [tagged, `${TAG}# mine: no backup of this, please\n`],
      ] as const) {
        await mkdir(root)
        await writeFile(join(root, 'CACHEDIR.TAG'), text)
      }
      for (const root of [fresh, older, tagged]) await (await openLake(root, { mode: 'write' })).close()
      expect([fresh, older, tagged].map((root) => existsSync(join(root, 'CACHEDIR.TAG')))).toEqual([false, false, true])
      await rm(join(tagged, 'CACHEDIR.TAG'))
      await writeFile(join(directory, 'elsewhere'), FORMER)
      await symlink('../elsewhere', join(tagged, 'CACHEDIR.TAG'))
      await (await openLake(tagged, { mode: 'write' })).close()
      expect([existsSync(join(tagged, 'CACHEDIR.TAG')), existsSync(join(directory, 'elsewhere'))]).toEqual([true, true])
    })
  })

  it('sweeps what a killed run was writing', async () => {
    await inTempDirectory(async (root) => {
      await mkdir(join(root, 'tmp'))
      await writeFile(join(root, 'tmp', '01234567-89ab-cdef-0123-456789abcdef.tmp'), 'torn')
      await using lake = await openLake(root, { mode: 'write' })
      expect(lake.swept).toBe(1)
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('has one writer and any number of readers', async () => {
    await inTempDirectory(async (root) => {
      const writer = await openLake(root, { mode: 'write' })
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code: 'CKVD_LAKE_LOCKED', exit: 4 })
      expect(() => acquireLock(lakePaths(root).lock, root, LAKE)).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_LOCKED' }))
      await using reader = await openLake(root, { mode: 'read' })
      await writer.writer.put(barsOf(BTC, '2024-01-01'))
      expect(reader.catalog.readDays(BTC)).toHaveLength(1)
      expect(reader.writer).toBeUndefined()
      await writer.close()
      await writer.close()
      await (await openLake(root, { mode: 'write' })).close()
    })
  })

  it('keeps its origin and refuses the other one', async () => {
    await inTempDirectory(async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      expect(lake.origin).toBeUndefined()
      await lake.setOrigin('binance')
      await lake.setOrigin('binance')
      await expect(lake.setOrigin('sandbox')).rejects.toMatchObject({ code: 'CKVD_ORIGIN', exit: 2 })
      await lake.close()
      for (const mode of ['read', 'write'] as const) {
        await expect(openLake(root, { mode, origin: 'sandbox' })).rejects.toMatchObject({ code: 'CKVD_ORIGIN' })
      }
      await using again = await openLake(root, { mode: 'read', origin: 'binance' })
      expect(again.origin).toBe('binance')
    })
  })

  it.each([
    ['{"format":3,"origin":"binance"}', 'CKVD_CATALOG_VERSION'],
    ['{"format":2,"origin":"okx"}', 'CKVD_LAKE_IO'],
    ['{"format":1,"origin":"okx"}', 'CKVD_LAKE_IO'],
    ['{"format":0,"origin":"binance"}', 'CKVD_LAKE_IO'],
    ['torn', 'CKVD_LAKE_IO'],
  ])('whose lake.json reads %s is refused', async (text, code) => {
    await inTempDirectory(async (root) => {
      await writeFile(join(root, 'lake.json'), text)
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code })
    })
  })

  it('of format 1 is taken as it is by who reads, and is of format 2 for who writes', async () => {
    await inTempDirectory(async (root) => {
      const path = join(root, 'lake.json')
      await (await openLake(root, { mode: 'write', origin: 'sandbox' })).close()
      await writeFile(path, '{"format":1,"origin":"sandbox"}\n')
      const reader = await openLake(root, { mode: 'read' })
      expect(reader.origin).toBe('sandbox')
      await reader.close()
      expect(await readFile(path, 'utf8')).toBe('{"format":1,"origin":"sandbox"}\n')
      await using writer = await openLake(root, { mode: 'write' })
      expect(writer.origin).toBe('sandbox')
      // before anything is written that the release before packs could not read
      expect(await readFile(path, 'utf8')).toBe('{"format":2,"origin":"sandbox"}\n')
    })
  })

  it('whose catalog cannot be brought to this version stays of format 1: the release before may go on with it', async () => {
    await inTempDirectory(async (root) => {
      await (await openLake(root, { mode: 'write', origin: 'sandbox' })).close()
      await writeFile(join(root, 'lake.json'), '{"format":1,"origin":"sandbox"}\n')
      await writeFile(join(root, 'catalog.sqlite'), 'torn')
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code: 'CKVD_CATALOG' })
      expect(await readFile(join(root, 'lake.json'), 'utf8')).toBe('{"format":1,"origin":"sandbox"}\n')
    })
  })

  it('whose lake.json cannot be read is refused: it may hold data of the other origin', async () => {
    await inTempDirectory(async (root) => {
      await mkdir(join(root, 'lake.json'))
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
    })
  })
})

/** A file a day, and days that share a pack of their month. */
const LAYOUTS = [
  { what: 'days of files of their own', btc: BTC_5M, eth: ETH_5M },
  { what: 'days of packs', btc: BTC, eth: ETH },
] as const

describe.each(LAYOUTS)('the writer of $what', ({ btc, eth }) => {
  it('stores shards and rows, many at once, and reads them back', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const items = Array.from({ length: 150 }, (_, i) =>
        barsOf(i % 2 === 0 ? btc : eth, addDays(day('2024-01-01'), i), { missing: i === 4 ? [3] : [] }),
      )
      await Promise.all(items.map((item) => lake.writer.put(item)))
      expect(lake.catalog.readDays(btc)).toEqual(items.filter((_, i) => i % 2 === 0).map((item) => item.row))
      for (const item of items) {
        const { columns, meta } = await readShard(createLocalReader(root), item.row, item.row.day, item.row)
        expect(columns.openTime).toHaveLength(item.row.rows)
        expect(meta.gaps).toEqual(item.gaps)
        expect(readStoredChunk(root, item.row, item.row.day)).toMatchObject({ rows: item.row.rows })
      }
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('needs one transaction and one directory sync for a group, and a rename a file', async () => {
    await inTempDirectory(async (root) => {
      const names: string[] = []
      await using lake = await openLake(root, { mode: 'write', steps: (name) => void names.push(name) })
      names.length = 0
      const items = Array.from({ length: 64 }, (_, i) => barsOf(btc, addDays(day('2024-01-01'), i)))
      await Promise.all(items.map((item) => lake.writer.put(item)))
      // 64 days of January, February and March
      expect(names.filter((name) => name === 'after rename')).toHaveLength(btc === BTC_5M ? 64 : 3)
      expect(names.filter((name) => name === 'after sync-dir')).toHaveLength(1)
      expect(names.slice(-2)).toEqual(['before transaction', 'after transaction'])
      expect(names.filter((name) => name === 'after transaction')).toHaveLength(1)
    })
  })

  it('stores two versions of one chunk in the order of their puts', async () => {
    await inTempDirectory(async (root) => {
      const renamed: string[] = []
      const steps: Steps = (name, path) => {
        if (name === 'after rename') {
          // never two in one group: their renames would race
          expect(renamed).not.toContain(path)
          renamed.push(path)
        }
        if (name === 'after transaction') renamed.length = 0
      }
      await using lake = await openLake(root, { mode: 'write', steps })
      const versions = [1, 2, 3].map((price) => barsOf(btc, '2024-01-01', { price }))
      await Promise.all([...versions, barsOf(eth, '2024-01-01')].map((item) => lake.writer.put(item)))
      const { columns } = await readShard(createLocalReader(root), btc, day('2024-01-01'), lake.catalog.getDay(btc, day('2024-01-01'))!)
      expect(columns.close[0]).toBe(3)
    })
  })

  it('records a chunk without a shard', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const row = rowOf(btc, '2024-01-01', { condition: 'outage', evidence: 'REST has no bar all day' })
      await lake.writer.put({ row, gaps: [], shard: null })
      expect(lake.catalog.getDay(btc, row.day)).toEqual(row)
      await expect(readShard(createLocalReader(root), btc, row.day, row)).rejects.toMatchObject({ code: 'CKVD_SHARD_MISSING' })
    })
  })

  it.each(['write', 'sync', 'rename', 'sync-dir'] as const)('fails only the chunk whose own directory fails (%s)', async (step) => {
    await inTempDirectory(async (root) => {
      const steps: Steps = (name, path) => {
        if (name === `before ${step}` && path.includes('ETHUSDT')) throw systemError('EACCES')
      }
      await using lake = await openLake(root, { mode: 'write', steps })
      const outcomes = await Promise.allSettled([lake.writer.put(barsOf(btc, '2024-01-01')), lake.writer.put(barsOf(eth, '2024-01-01'))])
      expect(outcomes[0].status).toBe('fulfilled')
      expect(outcomes[1]).toMatchObject({ reason: { code: 'CKVD_LAKE_IO', details: { symbol: 'ETHUSDT', day: '2024-01-01' } } })
      expect([lake.catalog.readDays(btc).length, lake.catalog.readDays(eth).length]).toEqual([1, 0])
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('fails only the chunk whose row is refused', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const wrong = barsOf(btc, '2024-01-02')
      const outcomes = await Promise.allSettled([
        lake.writer.put(barsOf(btc, '2024-01-01')),
        lake.writer.put({ ...wrong, row: { ...wrong.row, condition: 'fine' as 'complete' } }),
        lake.writer.put({ ...wrong, row: { ...wrong.row, shardBytes: 3 } }),
      ])
      expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'rejected'])
      expect(lake.catalog.readDays(btc).map((row) => row.day)).toEqual(['2024-01-01'])
    })
  })

  it.each(['write', 'sync', 'transaction'] as const)('a full disk at %s fails the whole group and records nothing of it', async (step) => {
    await inTempDirectory(async (root) => {
      let full = false
      const steps: Steps = (name) => {
        if (full && name === `before ${step}`) throw systemError('ENOSPC')
      }
      await using lake = await openLake(root, { mode: 'write', steps })
      full = true
      const outcomes = await Promise.allSettled([lake.writer.put(barsOf(btc, '2024-01-01')), lake.writer.put(barsOf(eth, '2024-01-01'))])
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'CKVD_DISK_FULL' } })
      expect(lake.catalog.listStoredSeries()).toEqual([])
      expect(await tmpFiles(root)).toEqual([])
      full = false
      await lake.writer.put(barsOf(btc, '2024-01-01'))
      expect(lake.catalog.readDays(btc)).toHaveLength(1)
    })
  })

  it('stores what is under way when the lake closes, and nothing after', async () => {
    await inTempDirectory(async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      const put = lake.writer.put(barsOf(btc, '2024-01-01'))
      await lake.close()
      await put
      await expect(lake.writer.put(barsOf(btc, '2024-01-02'))).rejects.toMatchObject({ code: 'CKVD_BUG' })
      await using reader = await openLake(root, { mode: 'read' })
      expect(reader.catalog.readDays(btc)).toHaveLength(1)
    })
  })
})

describe('the writer of packs', () => {
  it('puts chunks that come later into the pack that is there, whatever their order: its bytes depend on the chunks alone', async () => {
    const days = ['2024-01-03', '2024-01-01', '2024-01-31', '2024-01-02']
    const bytes: Buffer[] = []
    for (const order of [days, days.toReversed()]) {
      await inTempDirectory(async (root) => {
        await using lake = await openLake(root, { mode: 'write' })
        for (const name of order) await lake.writer.put(barsOf(BTC, name, { missing: name === '2024-01-02' ? [4] : [] }))
        const file = await readFile(shardFile(root, BTC, '2024-01-01'))
        expect(readChunks(file).map((chunk) => chunk.day)).toEqual(days.toSorted())
        bytes.push(file)
      })
    }
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      await Promise.all(days.map((name) => lake.writer.put(barsOf(BTC, name, { missing: name === '2024-01-02' ? [4] : [] }))))
      bytes.push(await readFile(shardFile(root, BTC, '2024-01-01')))
    })
    expect(bytes.every((one) => one.equals(bytes[0]!))).toBe(true)
  })

  it('takes a damaged day along as it is, records lost ones as failed, and holds no other back', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const [first, second, third] = ['2024-01-01', '2024-01-02', '2024-01-03'].map((name, i) => barsOf(BTC, name, { price: 101 + i }))
      await lake.writer.put(first!)
      await lake.writer.put(second!)
      const path = shardFile(root, BTC, '2024-01-01')
      const damaged = await readFile(path)
      damaged.writeDoubleLE(200, damaged.indexOf(doubles(102, 102)))
      await writeFile(path, damaged)
      await lake.writer.put(third!)
      const read = ({ row }: ReturnType<typeof barsOf>): Promise<unknown> => readShard(createLocalReader(root), BTC, row.day, row)
      for (const sound of [first!, third!]) await expect(read(sound)).resolves.toMatchObject({ meta: { day: sound.row.day } })
      await expect(read(second!)).rejects.toMatchObject({ code: 'CKVD_SHARD_DIGEST', details: { day: '2024-01-02', path } })
      await lake.writer.put(second!)
      const chunks = readChunks(await readFile(path))
      expect(chunks.map(({ day, columns }) => [day, columns[4]![0]])).toEqual([
        ['2024-01-01', 101],
        ['2024-01-02', 102],
        ['2024-01-03', 103],
      ])
      await rm(path)
      await lake.writer.put(third!)
      expect(lake.catalog.readDays(BTC).map(({ condition, errorCode }) => [condition, errorCode])).toEqual([
        ['failed', 'CKVD_SHARD_MISSING'],
        ['failed', 'CKVD_SHARD_MISSING'],
        ['complete', null],
      ])
      await Promise.all([first!, second!].map((item) => lake.writer.put(item)))
      expect(readChunks(await readFile(path))).toHaveLength(3)
    })
  })
})

function doubles(...values: number[]): Buffer {
  return Buffer.from(new Float64Array(values).buffer)
}

describe('shards', () => {
  it('that were altered, torn or moved are never believed', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const item = barsOf(BTC_5M, '2024-01-01')
      await lake.writer.put(item)
      const path = shardFile(root, BTC_5M, '2024-01-01')
      const flipped = Uint8Array.from(item.shard)
      flipped[flipped.length >> 1]! ^= 1
      for (const bytes of [flipped, item.shard.slice(0, -1), item.shard.slice(0, 500), new Uint8Array()]) {
        await writeFile(path, bytes)
        const refused = { code: 'CKVD_SHARD_DIGEST', details: { path } }
        await expect(readShard(createLocalReader(root), BTC_5M, item.row.day, item.row)).rejects.toMatchObject(refused)
      }
      await writeFile(path, flipped)
      await expect(adoptShard(createLocalReader(root), BTC_5M, item.row.day)).rejects.toMatchObject({ details: { path } })
      const strangers = [
        barsOf(BTC_5M, '2024-01-02'),
        barsOf({ ...BTC_5M, symbol: 'ETHUSDT' }, '2024-01-01'),
        barsOf({ ...BTC_5M, market: 'um' }, '2024-01-01'),
        barsOf({ ...BTC_5M, interval: '1m' }, '2024-01-01'),
      ]
      for (const { shard, row } of strangers) {
        await writeFile(path, shard)
        await expect(readShard(createLocalReader(root), BTC_5M, item.row.day, row)).rejects.toMatchObject({ code: 'CKVD_SHARD_FORMAT' })
        await expect(adoptShard(createLocalReader(root), BTC_5M, item.row.day)).rejects.toMatchObject({ code: 'CKVD_SHARD_FORMAT' })
      }
    })
  })

  it('of a pack that were altered are never believed, the others of it are; a pack that is torn or moved gives none', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const items = ['2024-01-01', '2024-01-02', '2024-01-03'].map((name, i) => barsOf(BTC, name, { price: 101 + i }))
      await Promise.all(items.map((item) => lake.writer.put(item)))
      const path = shardFile(root, BTC, '2024-01-01')
      const sound = await readFile(path)
      const read = ({ row }: { row: DayRow }) =>
        readShard(createLocalReader(root), BTC, row.day, row).then(({ columns }) => columns.close[0])
      const adopt = ({ row }: { row: DayRow }) => adoptShard(createLocalReader(root), BTC, row.day).then((write) => write?.row.shardSha256)

      const altered = Buffer.from(sound)
      altered.writeDoubleLE(200, altered.indexOf(doubles(102, 102)))
      await writeFile(path, altered)
      const refused = { code: 'CKVD_SHARD_DIGEST', details: { day: '2024-01-02', path } }
      for (const look of [read, adopt]) await expect(look(items[1]!)).rejects.toMatchObject(refused)
      for (const item of [items[0]!, items[2]!]) {
        expect(await read(item)).toBe(item.row.day === '2024-01-01' ? 101 : 103)
        expect(await adopt(item)).toBe(item.row.shardSha256)
      }

      for (const bytes of [sound.subarray(0, -1), sound.subarray(0, 500), Buffer.from('ARROW1 of somebody else'), Buffer.alloc(0)]) {
        await writeFile(path, bytes)
        for (const look of [read, adopt])
          for (const item of items) await expect(look(item)).rejects.toMatchObject({ code: 'CKVD_SHARD_FORMAT', details: { path } })
      }

      const strangers = [
        barsOf(BTC, '2024-02-01'),
        barsOf({ ...BTC, symbol: 'ETHUSDT' }, '2024-01-01'),
        barsOf({ ...BTC, market: 'um' }, '2024-01-01'),
      ]
      await writeFile(path, sound)
      for (const stranger of strangers) {
        await lake.writer.put(stranger)
        await writeFile(path, await readFile(shardFile(root, stranger.row, stranger.row.day)))
        for (const look of [read, adopt])
          await expect(look(items[0]!)).rejects.toMatchObject({ code: 'CKVD_SHARD_FORMAT', details: { path } })
        await writeFile(path, sound)
      }
      expect(await read(items[0]!)).toBe(101)
      // rows of another version of the day
      const other = { ...items[0]!.row, shardSha256: items[1]!.row.shardSha256 }
      await expect(readShard(createLocalReader(root), BTC, other.day, other)).rejects.toMatchObject({
        code: 'CKVD_SHARD_DIGEST',
        details: { path },
      })
    })
  })

  it('of ours are adopted with the row that was written, foreign files are not', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      for (const series of [BTC_5M, BTC]) {
        const item = barsOf(series, '2024-01-01', { missing: [2, 3] })
        await lake.writer.put(item)
        const adopted = await adoptShard(createLocalReader(root), series, item.row.day)
        expect({ ...adopted?.row, updatedAt: item.row.updatedAt }).toEqual(item.row)
        expect(adopted?.gaps).toEqual(item.gaps)
        expect(await adoptShard(createLocalReader(root), series, day('2024-01-02'))).toBeUndefined()
      }
      await writeFile(shardFile(root, BTC_5M, '2024-01-03'), 'ARROW1 of somebody else')
      expect(await adoptShard(createLocalReader(root), BTC_5M, day('2024-01-03'))).toBeUndefined()
    })
  })

  it('of a series are pruned, files of others stay', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      for (const { btc, eth } of LAYOUTS) {
        const items = [barsOf(btc, '2024-01-01'), barsOf(btc, '2024-01-02'), barsOf(eth, '2024-01-01')]
        await Promise.all(items.map((item) => lake.writer.put(item)))
        const note = join(shardFile(root, btc, '2024-01-01'), '..', 'note.txt')
        await writeFile(note, 'mine')
        const files =
          btc === BTC ? [shardFile(root, btc, '2024-01-01')] : ['2024-01-01', '2024-01-02'].map((name) => shardFile(root, btc, name))
        const bytes = (await Promise.all(files.map((path) => stat(path)))).reduce((sum, { size }) => sum + size, 0)
        expect(await pruneSeries(lake, btc)).toEqual({ shards: files.length, bytes })
        expect(lake.catalog.listStoredSeries()).toContainEqual(eth)
        expect(lake.catalog.listStoredSeries()).not.toContainEqual(btc)
        expect(await readdir(join(note, '..'))).toEqual(['note.txt'])
        await expect(pruneSeries(lake, { ...btc, symbol: 'NONEUSDT' })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
      }
    })
  })

  it('need not be there for a series to be pruned that the listing or a day tells of', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      lake.catalog.putSeries(seriesRowOf(BTC))
      await lake.writer.put({ row: rowOf(ETH, '2024-01-01'), gaps: [], shard: null })
      for (const series of [BTC, ETH]) {
        expect(await pruneSeries(lake, series)).toEqual({ shards: 0, bytes: 0 })
        await expect(pruneSeries(lake, series)).rejects.toMatchObject({ code: 'CKVD_USAGE' })
      }
    })
  })

  it('that nobody recorded are pruned, too', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      // of a series in packs also the days that an older version kept as files of their own
      const former = join(root, 'data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01-01.arrow')
      const { shard } = barsOf(BTC_5M, '2024-01-01')
      for (const [series, path] of [
        [BTC_5M, shardFile(root, BTC_5M, '2024-01-01')],
        [BTC, shardFile(root, BTC, '2024-01-01')],
        [BTC, former],
      ] as const) {
        await mkdir(join(path, '..'), { recursive: true })
        await writeFile(path, shard)
        expect(await pruneSeries(lake, series)).toEqual({ shards: 1, bytes: shard.length })
        expect(existsSync(path)).toBe(false)
      }
    })
  })

  it('of a series whose folder cannot be listed are not pruned, and the catalog still knows it', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const folder = join(shardFile(root, BTC, '2024-01-01'), '..')
      await mkdir(join(folder, '..'), { recursive: true })
      await writeFile(folder, 'mine')
      await lake.writer.put({ row: rowOf(BTC, '2024-01-01'), gaps: [], shard: null })
      await expect(pruneSeries(lake, BTC)).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      expect(lake.catalog.readDays(BTC)).toEqual([rowOf(BTC, '2024-01-01')])
    })
  })
})

describe('quarantine', () => {
  const archive = {
    key: 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip',
    bytes: new Uint8Array([1, 2, 3]),
    sha256: 'f'.repeat(64),
    reason: { code: 'CKVD_ZIP_CRC' },
  }

  it('keeps the archive with its reason beside it', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const path = (await lake.quarantine.keep(archive)) ?? ''
      expect(new Uint8Array(await readFile(join(root, path)))).toEqual(archive.bytes)
      const reason: unknown = JSON.parse(await readFile(join(root, `${path}.reason.json`), 'utf8'))
      expect(reason).toEqual({ key: archive.key, sha256: archive.sha256, sizeBytes: 3, code: 'CKVD_ZIP_CRC' })
    })
  })

  it('is bounded: what was kept first stays, then reasons alone are written, then nothing', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      const bounds = { maxBytes: 10, maxArchives: 4 }
      const bad = (n: number, sizeBytes: number) => ({
        ...archive,
        key: archive.key.replace('01-01', `01-0${n}`),
        bytes: new Uint8Array(sizeBytes),
      })
      const quarantine = createQuarantine(lake.shards, bounds)
      const kept = await Promise.all([bad(1, 6), bad(2, 6), bad(3, 4)].map((one) => quarantine.keep(one)))
      expect(kept.map((path) => path !== null)).toEqual([true, false, true])
      // another run knows what lies there
      const next = createQuarantine(lake.shards, bounds)
      expect(await next.keep(bad(1, 6))).toBe(kept[0])
      expect(await next.keep(bad(4, 1))).toBeNull()
      expect(await next.keep(bad(5, 0))).toBeNull()
      const files = (await readdir(join(root, 'quarantine'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
      const names = files.map(({ name }) => name.replace(/^BTCUSDT-1m-2024-|f{12}/g, '')).sort()
      expect(names).toEqual([
        '01-01..zip',
        '01-01..zip.reason.json',
        '01-02..zip.reason.json',
        '01-03..zip',
        '01-03..zip.reason.json',
        '01-04..zip.reason.json',
      ])
      const reason = await readFile(
        join(root, 'quarantine', dirname(archive.key), `BTCUSDT-1m-2024-01-02.${'f'.repeat(12)}.zip.reason.json`),
        'utf8',
      )
      expect(JSON.parse(reason)).toMatchObject({ sizeBytes: 6, kept: false, code: 'CKVD_ZIP_CRC' })
    })
  })

  it('refuses a key that leaves the lake', async () => {
    await inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write' })
      await expect(lake.quarantine.keep({ ...archive, key: '../../../x.zip' })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
    })
    await inTempDirectory(async (root) => {
      await symlink(join(root, '..'), join(root, 'quarantine'))
      await expect(openLake(root, { mode: 'write' })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
    })
  })
})
