import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { decodeArrowShard } from '../../../src/codec/arrow/arrow.ts'
import { encodeArrowShard } from '../../../src/codec/arrow/arrow-writer.ts'
import { chunkBytes } from '../../../src/codec/arrow/chunk-bytes.ts'
import type { ChunkToPack } from '../../../src/codec/arrow/pack-writer.ts'
import { decodePack, takeChunk } from '../../../src/codec/arrow/pack.ts'
import { encodePack } from '../../../src/codec/arrow/pack-writer.ts'
import type { WritableLake } from '../../../src/lake/lake.ts'
import { openLake } from '../../../src/lake/lake.ts'
import type { VerifyResult } from '../../../src/lake/verify.ts'
import { runVerify } from '../../../src/lake/verify.ts'
import type { Series } from '../../../src/model/series.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import { alterStored, storedPath } from '../../support/stored-chunk.ts'
import { barsOf, BTC, BTC_5M, day, ETH, ETH_5M, inTempDirectory, rowOf, shardFile, tmpFiles } from './lake-fixtures.ts'

type Items = readonly ReturnType<typeof barsOf>[]

/** Forty days, every other one of one series: files of their own. */
const FILES = itemsOf(BTC_5M, ETH_5M)
/** The same in packs: January of both series, February of both. */
const PACKS = itemsOf(BTC, ETH)

const LAYOUTS = [
  { what: 'days of files of their own', items: FILES, btc: BTC_5M, both: [BTC_5M, ETH_5M] },
  { what: 'days of packs', items: PACKS, btc: BTC, both: [BTC, ETH] },
] as const

function itemsOf(btc: Series, eth: Series): Items {
  return Array.from({ length: 40 }, (_, i) =>
    barsOf(i % 2 === 0 ? btc : eth, addDays(day('2024-01-01'), i), { missing: i % 5 === 0 ? [3, 9] : [] }),
  )
}

/** A lake with forty days, closed. */
async function withLake(items: Items, test: (root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    const lake = await openLake(root, { mode: 'write' })
    await Promise.all(items.map((item) => lake.writer.put(item)))
    await lake.close()
    await test(root)
  })
}

async function verify(root: string, look: (result: VerifyResult, lake: WritableLake) => void | Promise<void>): Promise<void> {
  await using lake = await openLake(root, { mode: 'write', repair: true })
  await look(await runVerify(lake), lake)
}

/** Days and gaps of the whole catalog, without the time of writing. */
function contents(lake: WritableLake, both: readonly Series[]): unknown {
  return both.map((series) => ({
    days: lake.catalog.readDays(series).map((row) => ({ ...row, updatedAt: '' })),
    gaps: lake.catalog.listGaps(series),
  }))
}

describe.each(LAYOUTS)('verify of $what', ({ items, btc, both }) => {
  it('finds nothing in a sound lake', async () => {
    await withLake(items, async (root) => {
      await verify(root, (result) => {
        const bytes = items.reduce((sum, item) => sum + item.shard.length, 0)
        expect(result).toMatchObject({ shards: 40, bytes, bad: [], foreign: [], adopted: 0, swept: 0, rebuilt: false })
      })
    })
  })

  it('finds a row that says something else than its shard', async () => {
    await withLake(items, async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      const { row, gaps } = items[2]!
      await lake.catalog.commit([{ row: { ...row, duplicates: 1 }, gaps }])
      await lake.close()
      await verify(root, (result) =>
        expect(result.bad).toMatchObject([{ day: row.day, code: 'CKVD_SHARD_FORMAT', path: storedPath(btc, row.day) }]),
      )
    })
  })

  it.each<[string, string]>([
    ['complete without a shard', 'shard_sha256 = NULL, shard_bytes = NULL, rows = 0'],
    ['complete without a shard, with bars', 'shard_sha256 = NULL, shard_bytes = NULL'],
    ['complete without the digest of its shard', 'shard_sha256 = NULL'],
    ['provisional without a shard', "condition = 'provisional', shard_sha256 = NULL, shard_bytes = NULL, rows = 0"],
    ['complete with fewer bars than expected', 'expected = expected + 1'],
    ['an outage with bars and no shard', "condition = 'outage', shard_sha256 = NULL, shard_bytes = NULL"],
    ['partial with a shard of no bars', "condition = 'partial', rows = 0"],
  ])('finds a row that cannot be, %s, though its file is whole', async (_what, change) => {
    await withLake(items, async (root) => {
      const { row } = items[2]!
      // as a hand, or a damaged page, may: the schema refuses some of them
      const database = new Database(join(root, 'catalog.sqlite'))
      database.exec(`PRAGMA ignore_check_constraints = ON; UPDATE days SET ${change} WHERE day = '${row.day}'`)
      database.close()
      await verify(root, (result, { catalog }) => {
        expect(result.bad).toMatchObject([{ day: row.day, code: 'CKVD_CATALOG_ROW', message: expect.stringContaining(row.day) as string }])
        expect(catalog.getDay(btc, row.day)).toMatchObject({ condition: 'failed', shardSha256: null, rows: 0 })
      })
      // what the file says of itself can be: the next look takes it in
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ bad: [], adopted: 1 })
        expect({ ...catalog.getDay(btc, row.day), updatedAt: row.updatedAt }).toEqual(row)
      })
    })
  })

  it('finds a rotten byte of a shard although the catalog is lost with its digests', async () => {
    await withLake(items, async (root) => {
      const { row } = items[2]!
      // one bar's prices, as any bar could have them
      alterStored(shardFile(root, btc, row.day), row.day, (columns) => [1, 2, 3, 4].forEach((column) => (columns[column]![5] = 200)))
      await rm(join(root, 'catalog.sqlite'))
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ adopted: 39, rebuilt: true, bad: [{ day: row.day, code: 'CKVD_SHARD_DIGEST' }] })
        expect(catalog.getDay(btc, row.day)).toMatchObject({ condition: 'failed', shardSha256: null })
      })
    })
  })

  it('does not take in a shard whose metadata calls it complete with fewer bars than expected', async () => {
    await withLake(items, async (root) => {
      const path = shardFile(root, btc, '2024-01-03')
      const bytes = await readFile(path)
      if (btc === BTC_5M) {
        const { columns, meta } = decodeArrowShard(bytes)
        await writeFile(path, encodeArrowShard(columns, { ...meta, expected: 289 }))
      } else {
        const chunks = chunksOf(bytes).map(({ meta, ...chunk }) => ({
          ...chunk,
          meta: meta.day === '2024-01-03' ? { ...meta, expected: 25 } : meta,
        }))
        await writeFile(path, encodePack(chunks))
      }
      await rm(join(root, 'catalog.sqlite'))
      await verify(root, (result) => expect(result).toMatchObject({ adopted: 39, bad: [{ day: '2024-01-03', code: 'CKVD_SHARD_FORMAT' }] }))
    })
  })

  it('leaves a day as failed that a run could not fetch anew, though its older shard is whole', async () => {
    await withLake(items, async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      const { row, gaps } = items[2]!
      const failed = { ...row, condition: 'failed' as const, errorCode: 'CKVD_HTTP_STATUS' as const, error: 'CKVD_HTTP_STATUS: 503' }
      await lake.catalog.commit([{ row: failed, gaps }])
      await lake.close()
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ bad: [], adopted: 0 })
        expect(catalog.getDay(btc, row.day)).toEqual(failed)
      })
    })
  })

  it.each(['deleted', 'garbage', 'damaged inside', 'of another program', 'short of a table'])(
    'rebuilds a catalog that is %s, equal to the one before',
    async (how) => {
      await withLake(items, async (root) => {
        const path = join(root, 'catalog.sqlite')
        const before = await openLake(root, { mode: 'write' })
        const expected = contents(before, both)
        await before.close()
        const bytes = await readFile(path)
        if (how === 'deleted') await rm(path)
        if (how === 'garbage') await writeFile(path, 'x'.repeat(5000))
        if (how === 'damaged inside') await writeFile(path, bytes.fill(0xff, 4096, bytes.length - 100))
        if (how === 'of another program') await writeFile(path, (bytes.writeUInt32BE(0, 60), bytes))
        if (how === 'short of a table') {
          const database = new Database(path)
          database.exec('DROP TABLE chunk_gaps')
          database.close()
        }
        await verify(root, (result, lake) => {
          expect(result).toMatchObject({
            bad: [],
            foreign: [],
            adopted: 40,
            rebuilt: true,
            damagedCatalog: how === 'deleted' ? undefined : 'catalog.sqlite.corrupt-1',
          })
          expect(contents(lake, both)).toEqual(expected)
        })
        await verify(root, (result) => expect(result).toMatchObject({ bad: [], adopted: 0, rebuilt: false }))
        expect((await readdir(root)).includes('catalog.sqlite.corrupt-1')).toBe(how !== 'deleted')
      })
    },
  )
})

describe('verify of days of files of their own', () => {
  it('reads no file that is larger than a shard can be: it is told, and the others are checked', async () => {
    await withLake(FILES, async (root) => {
      const known = shardFile(root, BTC_5M, FILES[0]!.row.day)
      const unknown = shardFile(root, BTC_5M, '2023-12-31')
      await writeFile(unknown, '')
      for (const path of [known, unknown]) await truncate(path, 3 * 1024 ** 3)
      await verify(root, (result) => {
        expect(result).toMatchObject({ shards: 41, foreign: [], adopted: 0 })
        expect(result.bad.map(({ day, code }) => [day, code])).toEqual([
          ['2023-12-31', 'CKVD_SHARD_FORMAT'],
          ['2024-01-01', 'CKVD_SHARD_FORMAT'],
        ])
        expect(result.bad[1]?.message).toContain(known)
      })
    })
  })

  it('names every bad shard, leaves it where it is and records its day as failed', async () => {
    await withLake(FILES, async (root) => {
      const [altered, torn, gone, foreign] = [0, 2, 4, 6].map((i) => shardFile(root, BTC_5M, FILES[i]!.row.day))
      const bytes = await readFile(altered!)
      bytes[bytes.length - 700]! ^= 0x10
      await writeFile(altered!, bytes)
      await writeFile(torn!, (await readFile(torn!)).subarray(0, 900))
      await rm(gone!)
      await writeFile(foreign!, 'ARROW1\0\0 of another program')
      await verify(root, (result, lake) => {
        expect(result.bad.map((bad) => [bad.day, bad.code])).toEqual([
          ['2024-01-01', 'CKVD_SHARD_DIGEST'],
          ['2024-01-03', 'CKVD_SHARD_DIGEST'],
          ['2024-01-05', 'CKVD_SHARD_MISSING'],
          ['2024-01-07', 'CKVD_SHARD_DIGEST'],
        ])
        expect(result.bad[0]?.series).toEqual(BTC_5M)
        expect(result.bad[0]?.path).toBe('data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2024-01-01.arrow')
        expect(lake.catalog.readDays(BTC_5M).filter(({ condition }) => condition === 'failed')).toHaveLength(4)
        expect(lake.catalog.getDay(BTC_5M, day('2024-01-05'))?.error).toContain('CKVD_SHARD_MISSING')
      })
      expect((await readFile(torn!)).length).toBe(900)
      // a second look says the same, until the file is whole again
      await verify(root, (result) => expect(result.bad).toHaveLength(4))
      await writeFile(torn!, FILES[2]!.shard)
      await verify(root, (result, lake) => {
        expect(result.bad).toHaveLength(3)
        expect(result.adopted).toBe(1)
        expect(lake.catalog.getDay(BTC_5M, day('2024-01-03'))).toMatchObject({ condition: 'complete', error: null })
      })
    })
  })

  it('adopts shards that a killed run had not recorded, and sweeps what it was writing', async () => {
    await withLake(FILES, async (root) => {
      const late = barsOf(BTC_5M, '2024-06-01', { missing: [1] })
      await writeFile(shardFile(root, BTC_5M, '2024-06-01'), late.shard)
      const known = barsOf(BTC_5M, '2024-06-03')
      await writeFile(shardFile(root, BTC_5M, '2024-06-03'), known.shard)
      const before = await openLake(root, { mode: 'write' })
      await before.catalog.commit([{ row: rowOf(BTC_5M, '2024-06-03'), gaps: [] }])
      await before.close()
      const torn = barsOf(BTC_5M, '2024-06-02')
      await writeFile(shardFile(root, BTC_5M, '2024-06-02'), torn.shard.slice(0, -200))
      await writeFile(join(root, 'tmp', '01234567-89ab-cdef-0123-456789abcdef.tmp'), torn.shard.slice(0, 100))
      await verify(root, (result, lake) => {
        const bytes = [...FILES, late, known].reduce((sum, item) => sum + item.shard.length, 0)
        expect(result).toMatchObject({ shards: 43, bytes, adopted: 2, swept: 1, rebuilt: false })
        expect(lake.catalog.getDay(BTC_5M, known.row.day)).toMatchObject({ condition: 'complete', shardSha256: known.row.shardSha256 })
        expect({ ...lake.catalog.getDay(BTC_5M, late.row.day), updatedAt: late.row.updatedAt }).toEqual(late.row)
        expect(lake.catalog.listGaps(BTC_5M, late.row.day, day('2024-06-02'))).toEqual(late.gaps)
        expect([...result.foreign, ...result.bad.map((bad) => bad.path)]).toEqual([
          'data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2024-06-02.arrow',
        ])
      })
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('lists what is not ours, does not follow links and removes nothing', async () => {
    await withLake(FILES, async (root) => {
      const folder = join(root, 'data', 'spot', 'daily', 'klines', 'BTCUSDT', '5m')
      await writeFile(join(folder, 'notes.txt'), 'mine')
      await writeFile(join(folder, 'BTCUSDT-5m-2024-07-01.arrow'), 'not arrow')
      await mkdir(join(root, 'data', 'mine'))
      await writeFile(join(root, 'data', 'mine', 'x.arrow'), FILES[0]!.shard)
      await symlink(folder, join(root, 'data', 'link'))
      const funding = join(root, 'data', 'futures', 'um', 'monthly', 'fundingRate', 'BTCUSDT')
      await mkdir(funding, { recursive: true })
      // a month as it was kept before its chunks stood in the ledger
      await writeFile(join(funding, 'BTCUSDT-fundingRate-2024-01.arrow'), 'of another form')
      await symlink(join(folder, 'notes.txt'), join(funding, 'BTCUSDT-fundingRate-2024-02.arrow'))
      await verify(root, (result) => {
        expect(result.bad).toEqual([])
        expect(result.foreign).toEqual([
          'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-01.arrow',
          'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-02.arrow',
          'data/link',
          'data/mine/x.arrow',
          'data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2024-07-01.arrow',
          'data/spot/daily/klines/BTCUSDT/5m/notes.txt',
        ])
      })
      expect(await readdir(join(root, 'data'))).toEqual(expect.arrayContaining(['link', 'mine']))
    })
  })
})

describe('verify of packs', () => {
  it('names the day alone that is altered, all days of a pack that is torn, gone or of another program, and leaves each where it is', async () => {
    await withLake(PACKS, async (root) => {
      const path = shardFile(root, BTC, '2024-01-01')
      const sound = await readFile(path)
      alterStored(path, '2024-01-03', (columns) => (columns[5]![7] = 2))
      const altered = await readFile(path)
      await verify(root, (result, { catalog }) => {
        const { row } = PACKS[2]!
        expect(result.bad).toMatchObject([
          { series: BTC, day: row.day, code: 'CKVD_SHARD_DIGEST', path: 'data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.arrow' },
        ])
        expect(result.bad[0]?.message).toContain(row.day)
        expect(result.bad[0]?.message).toContain(path)
        expect(result).toMatchObject({ shards: 40, foreign: [], adopted: 0 })
        const failed = catalog.readDays(BTC).filter(({ condition }) => condition === 'failed')
        expect(failed).toMatchObject([{ day: row.day, shardSha256: row.shardSha256, error: expect.stringContaining('DIGEST') as string }])
      })
      expect(await readFile(path)).toEqual(altered)

      const january = PACKS.filter(({ row }) => row.symbol === 'BTCUSDT' && row.day < '2024-02').map(({ row }) => row.day)
      for (const [bytes, code] of [
        [sound.subarray(0, 900), 'CKVD_SHARD_FORMAT'],
        [Buffer.from('ARROW1\0\0 of another program'), 'CKVD_SHARD_FORMAT'],
        [undefined, 'CKVD_SHARD_MISSING'],
      ] as const) {
        if (bytes === undefined) await rm(path)
        else await writeFile(path, bytes)
        // a second look says the same
        for (let look = 0; look < 2; look++)
          await verify(root, (result, { catalog }) => {
            expect(result.bad.map((bad) => [bad.day, bad.code])).toEqual(january.map((name) => [name, code]))
            expect(catalog.readDays(BTC).filter(({ condition }) => condition === 'failed')).toHaveLength(january.length)
            expect(catalog.readDays(ETH).filter(({ condition }) => condition === 'failed')).toEqual([])
          })
        if (bytes !== undefined) expect(await readFile(path)).toEqual(bytes)
      }

      // the file is whole again
      await writeFile(path, sound)
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ bad: [], adopted: january.length })
        expect(catalog.readDays(BTC).map((row) => ({ ...row, updatedAt: '' }))).toEqual(
          PACKS.filter(({ row }) => row.symbol === 'BTCUSDT').map(({ row }) => ({ ...row, updatedAt: '' })),
        )
      })
    })
  })

  it('adopts days that a killed run had not recorded, of a new pack and of one that was there, and sweeps what it was writing', async () => {
    await withLake(PACKS, async (root) => {
      // the catalog as it was before the run
      const catalog = await readFile(join(root, 'catalog.sqlite'))
      const late = barsOf(BTC, '2024-01-02', { missing: [1] })
      const [known, torn] = [barsOf(BTC, '2024-06-03'), barsOf(BTC, '2024-07-03')]
      const lake = await openLake(root, { mode: 'write' })
      await Promise.all([late, known, torn].map((item) => lake.writer.put(item)))
      await lake.close()
      await writeFile(join(root, 'catalog.sqlite'), catalog)
      for (const end of ['wal', 'shm']) await rm(join(root, `catalog.sqlite-${end}`), { force: true })
      const before = await openLake(root, { mode: 'write' })
      await before.catalog.commit([{ row: rowOf(BTC, '2024-06-03'), gaps: [] }])
      await before.close()
      const path = shardFile(root, BTC, '2024-07-03')
      await writeFile(path, (await readFile(path)).subarray(0, -200))
      await writeFile(join(root, 'tmp', '01234567-89ab-cdef-0123-456789abcdef.tmp'), torn.shard.slice(0, 100))
      await verify(root, (result, { catalog }) => {
        const bytes = [...PACKS, late, known].reduce((sum, item) => sum + item.shard.length, 0)
        expect(result).toMatchObject({ bytes, adopted: 2, swept: 1, rebuilt: false })
        expect(catalog.getDay(BTC, known.row.day)).toMatchObject({ condition: 'complete', shardSha256: known.row.shardSha256 })
        expect({ ...catalog.getDay(BTC, late.row.day), updatedAt: late.row.updatedAt }).toEqual(late.row)
        expect(catalog.listGaps(BTC, late.row.day, day('2024-01-03'))).toEqual(late.gaps)
        expect([...result.foreign, ...result.bad.map((bad) => bad.path)]).toEqual([storedPath(BTC, '2024-07-03')])
      })
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('lists what is not ours, and removes nothing', async () => {
    await withLake(PACKS, async (root) => {
      const folder = join(root, 'data', 'spot', 'monthly', 'klines', 'BTCUSDT', '1h')
      await writeFile(join(folder, 'notes.txt'), 'mine')
      await writeFile(join(folder, 'BTCUSDT-1h-2024-07.arrow'), 'not arrow')
      await writeFile(join(folder, 'BTCUSDT-1h-2024-13.arrow'), 'no month')
      await verify(root, (result, { catalog }) => {
        expect(result.bad).toEqual([])
        expect(result.foreign.map((path) => path.split('/').at(-1))).toEqual([
          'BTCUSDT-1h-2024-07.arrow',
          'BTCUSDT-1h-2024-13.arrow',
          'notes.txt',
        ])
        expect(catalog.readDays(BTC, day('2024-03-01'))).toEqual([])
      })
      expect(await readdir(folder)).toEqual(expect.arrayContaining(['BTCUSDT-1h-2024-07.arrow', 'BTCUSDT-1h-2024-13.arrow', 'notes.txt']))
    })
  })
})

describe('verify', () => {
  it('tells a lake that is new from one whose catalog was rebuilt', async () => {
    await inTempDirectory(async (root) => {
      await verify(root, (result) => expect(result).toMatchObject({ shards: 0, rebuilt: false }))
      await writeFile(join(root, 'catalog.sqlite'), 'x'.repeat(5000))
      await verify(root, (result) => expect(result).toMatchObject({ shards: 0, rebuilt: true }))
    })
  })

  it('does not move aside the catalog of a newer version', async () => {
    await withLake(PACKS, async (root) => {
      const path = join(root, 'catalog.sqlite')
      const bytes = await readFile(path)
      bytes.writeUInt32BE(99, 60)
      await writeFile(path, bytes)
      await expect(openLake(root, { mode: 'write', repair: true })).rejects.toMatchObject({ code: 'CKVD_CATALOG_VERSION' })
      expect(await readFile(path)).toEqual(bytes)
    })
  })

  it('does not take a catalog that cannot be opened for a damaged one', async () => {
    await withLake(PACKS, async (root) => {
      const path = join(root, 'catalog.sqlite')
      await rm(path)
      await mkdir(path)
      await writeFile(join(path, 'note.txt'), 'mine')
      await expect(openLake(root, { mode: 'write', repair: true })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      expect(await readdir(path)).toEqual(['note.txt'])
    })
  })

  it('stops between two shards when it is told to', async () => {
    await withLake(PACKS, async (root) => {
      await using lake = await openLake(root, { mode: 'write', repair: true })
      const stop = new AbortController()
      let seen = 0
      const onProgress = (): void => {
        if (++seen === 5) stop.abort()
      }
      await expect(runVerify(lake, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
      expect(seen).toBeLessThan(40)
    })
  })
})

/** The chunks of a pack, to be put into another one. */
function chunksOf(bytes: Uint8Array): ChunkToPack[] {
  const pack = decodePack(bytes)
  return pack.chunks.map((meta, i) => ({ meta, bytes: chunkBytes(takeChunk(pack, i).columns) }))
}
