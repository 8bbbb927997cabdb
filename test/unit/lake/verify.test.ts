import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { decodeShard } from '../../../src/codec/arrow/arrow.ts'
import { encodeShard } from '../../../src/codec/arrow/arrow-writer.ts'
import type { WritableLake } from '../../../src/lake/lake.ts'
import { openLake } from '../../../src/lake/lake.ts'
import type { VerifyResult } from '../../../src/lake/verify.ts'
import { runVerify } from '../../../src/lake/verify.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import { BTC, day, ETH, hoursOf, inTempDirectory, rowOf, shardFile, tmpFiles } from './lake-fixtures.ts'

const ITEMS = Array.from({ length: 40 }, (_, i) =>
  hoursOf(i % 2 === 0 ? BTC : ETH, addDays(day('2024-01-01'), i), { missing: i % 5 === 0 ? [3, 9] : [] }),
)

/** A lake with the 40 days of ITEMS, closed. */
async function withLake(test: (root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    const lake = await openLake(root, { mode: 'write' })
    await Promise.all(ITEMS.map((item) => lake.writer.put(item)))
    await lake.close()
    await test(root)
  })
}

async function verify(root: string, look: (result: VerifyResult, lake: WritableLake) => void | Promise<void>): Promise<void> {
  await using lake = await openLake(root, { mode: 'write', repair: true })
  await look(await runVerify(lake), lake)
}

/** Days and gaps of the whole catalog, without the time of writing. */
function contents(lake: WritableLake): unknown {
  return [BTC, ETH].map((series) => ({
    days: lake.catalog.readDays(series).map((row) => ({ ...row, updatedAt: '' })),
    gaps: lake.catalog.listGaps(series),
  }))
}

describe('verify', () => {
  it('finds nothing in a sound lake', async () => {
    await withLake(async (root) => {
      await verify(root, (result) => {
        const bytes = ITEMS.reduce((sum, item) => sum + item.shard.length, 0)
        expect(result).toMatchObject({ shards: 40, bytes, bad: [], foreign: [], adopted: 0, swept: 0, rebuilt: false })
      })
    })
  })

  it('reads no file that is larger than a shard can be: it is told, and the others are checked', async () => {
    await withLake(async (root) => {
      const known = shardFile(root, BTC, ITEMS[0]!.row.day)
      const unknown = shardFile(root, BTC, '2023-12-31')
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
    await withLake(async (root) => {
      const [altered, torn, gone, foreign] = [0, 2, 4, 6].map((i) => shardFile(root, BTC, ITEMS[i]!.row.day))
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
        expect(result.bad[0]?.series).toEqual(BTC)
        expect(result.bad[0]?.path).toBe('data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01-01.arrow')
        expect(lake.catalog.readDays(BTC).filter(({ condition }) => condition === 'failed')).toHaveLength(4)
        expect(lake.catalog.getDay(BTC, day('2024-01-05'))?.error).toContain('CKVD_SHARD_MISSING')
      })
      expect((await readFile(torn!)).length).toBe(900)
      // a second look says the same, until the file is whole again
      await verify(root, (result) => expect(result.bad).toHaveLength(4))
      await writeFile(torn!, ITEMS[2]!.shard)
      await verify(root, (result, lake) => {
        expect(result.bad).toHaveLength(3)
        expect(result.adopted).toBe(1)
        expect(lake.catalog.getDay(BTC, day('2024-01-03'))).toMatchObject({ condition: 'complete', error: null })
      })
    })
  })

  it('finds a row that says something else than its shard', async () => {
    await withLake(async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      const { row, gaps } = ITEMS[2]!
      await lake.catalog.commit([{ row: { ...row, rows: 25 }, gaps }])
      await lake.close()
      await verify(root, (result) => expect(result.bad).toMatchObject([{ day: row.day, code: 'CKVD_SHARD_FORMAT' }]))
    })
  })

  it.each<[string, string]>([
    ['complete without a shard', 'shard_sha256 = NULL, shard_bytes = NULL, rows = 0'],
    ['complete without a shard, with bars', 'shard_sha256 = NULL, shard_bytes = NULL'],
    ['complete without the digest of its shard', 'shard_sha256 = NULL'],
    ['provisional without a shard', "condition = 'provisional', shard_sha256 = NULL, shard_bytes = NULL, rows = 0"],
    ['complete with fewer bars than expected', 'expected = 25'],
    ['an outage with bars and no shard', "condition = 'outage', shard_sha256 = NULL, shard_bytes = NULL"],
    ['partial with a shard of no bars', "condition = 'partial', rows = 0"],
  ])('finds a row that cannot be, %s, though its file is whole', async (_what, change) => {
    await withLake(async (root) => {
      const { row } = ITEMS[2]!
      // as a hand, or a damaged page, may: the schema refuses some of them
      const database = new Database(join(root, 'catalog.sqlite'))
      database.exec(`PRAGMA ignore_check_constraints = ON; UPDATE days SET ${change} WHERE day = '${row.day}'`)
      database.close()
      await verify(root, (result, { catalog }) => {
        expect(result.bad).toMatchObject([{ day: row.day, code: 'CKVD_CATALOG_ROW', message: expect.stringContaining(row.day) as string }])
        expect(catalog.getDay(BTC, row.day)).toMatchObject({ condition: 'failed', shardSha256: null, rows: 0 })
      })
      // what the file says of itself can be: the next look takes it in
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ bad: [], adopted: 1 })
        expect({ ...catalog.getDay(BTC, row.day), updatedAt: row.updatedAt }).toEqual(row)
      })
    })
  })

  it('finds a rotten byte of a shard although the catalog is lost with its digests', async () => {
    await withLake(async (root) => {
      const path = shardFile(root, BTC, ITEMS[2]!.row.day)
      const bytes = await readFile(path)
      // one price, still between the others of its bar
      const at = bytes.indexOf(Buffer.from(new Float64Array([100, 100]).buffer))
      for (let column = 0; column < 4; column++) bytes.writeDoubleLE(200, at + column * 24 * 8)
      await writeFile(path, bytes)
      await rm(join(root, 'catalog.sqlite'))
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ adopted: 39, rebuilt: true, bad: [{ day: ITEMS[2]!.row.day, code: 'CKVD_SHARD_DIGEST' }] })
        expect(catalog.getDay(BTC, ITEMS[2]!.row.day)).toMatchObject({ condition: 'failed', shardSha256: null })
      })
    })
  })

  it('does not take in a shard whose metadata calls it complete with fewer bars than expected', async () => {
    await withLake(async (root) => {
      const { columns, meta } = decodeShard(ITEMS[2]!.shard)
      await writeFile(shardFile(root, BTC, '2024-01-03'), encodeShard(columns, { ...meta, expected: 25 }))
      await rm(join(root, 'catalog.sqlite'))
      await verify(root, (result) => expect(result).toMatchObject({ adopted: 39, bad: [{ day: '2024-01-03', code: 'CKVD_SHARD_FORMAT' }] }))
    })
  })

  it('leaves a day as failed that a run could not fetch anew, though its older shard is whole', async () => {
    await withLake(async (root) => {
      const lake = await openLake(root, { mode: 'write' })
      const { row, gaps } = ITEMS[2]!
      const failed = { ...row, condition: 'failed' as const, errorCode: 'CKVD_HTTP_STATUS' as const, error: 'CKVD_HTTP_STATUS: 503' }
      await lake.catalog.commit([{ row: failed, gaps }])
      await lake.close()
      await verify(root, (result, { catalog }) => {
        expect(result).toMatchObject({ bad: [], adopted: 0 })
        expect(catalog.getDay(BTC, row.day)).toEqual(failed)
      })
    })
  })

  it('tells a lake that is new from one whose catalog was rebuilt', async () => {
    await inTempDirectory(async (root) => {
      await verify(root, (result) => expect(result).toMatchObject({ shards: 0, rebuilt: false }))
      await writeFile(join(root, 'catalog.sqlite'), 'x'.repeat(5000))
      await verify(root, (result) => expect(result).toMatchObject({ shards: 0, rebuilt: true }))
    })
  })

  it.each(['deleted', 'garbage', 'damaged inside', 'of another program', 'short of a table'])(
    'rebuilds a catalog that is %s, equal to the one before',
    async (how) => {
      await withLake(async (root) => {
        const path = join(root, 'catalog.sqlite')
        const before = await openLake(root, { mode: 'write' })
        const expected = contents(before)
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
          expect(contents(lake)).toEqual(expected)
        })
        await verify(root, (result) => expect(result).toMatchObject({ bad: [], adopted: 0, rebuilt: false }))
        expect((await readdir(root)).includes('catalog.sqlite.corrupt-1')).toBe(how !== 'deleted')
      })
    },
  )

  it('does not move aside the catalog of a newer version', async () => {
    await withLake(async (root) => {
      const path = join(root, 'catalog.sqlite')
      const bytes = await readFile(path)
      bytes.writeUInt32BE(99, 60)
      await writeFile(path, bytes)
      await expect(openLake(root, { mode: 'write', repair: true })).rejects.toMatchObject({ code: 'CKVD_CATALOG_VERSION' })
      expect(await readFile(path)).toEqual(bytes)
    })
  })

  it('does not take a catalog that cannot be opened for a damaged one', async () => {
    await withLake(async (root) => {
      const path = join(root, 'catalog.sqlite')
      await rm(path)
      await mkdir(path)
      await writeFile(join(path, 'note.txt'), 'mine')
      await expect(openLake(root, { mode: 'write', repair: true })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      expect(await readdir(path)).toEqual(['note.txt'])
    })
  })

  it('adopts shards that a killed run had not recorded, and sweeps what it was writing', async () => {
    await withLake(async (root) => {
      const late = hoursOf(BTC, '2024-06-01', { missing: [1] })
      await writeFile(shardFile(root, BTC, '2024-06-01'), late.shard)
      const known = hoursOf(BTC, '2024-06-03')
      await writeFile(shardFile(root, BTC, '2024-06-03'), known.shard)
      const before = await openLake(root, { mode: 'write' })
      await before.catalog.commit([{ row: rowOf(BTC, '2024-06-03'), gaps: [] }])
      await before.close()
      const torn = hoursOf(BTC, '2024-06-02')
      await writeFile(shardFile(root, BTC, '2024-06-02'), torn.shard.slice(0, -200))
      await writeFile(join(root, 'tmp', '01234567-89ab-cdef-0123-456789abcdef.tmp'), torn.shard.slice(0, 100))
      await verify(root, (result, lake) => {
        const bytes = [...ITEMS, late, known].reduce((sum, item) => sum + item.shard.length, 0)
        expect(result).toMatchObject({ shards: 43, bytes, adopted: 2, swept: 1, rebuilt: false })
        expect(lake.catalog.getDay(BTC, known.row.day)).toMatchObject({ condition: 'complete', shardSha256: known.row.shardSha256 })
        expect({ ...lake.catalog.getDay(BTC, late.row.day), updatedAt: late.row.updatedAt }).toEqual(late.row)
        expect(lake.catalog.listGaps(BTC, late.row.day, day('2024-06-02'))).toEqual(late.gaps)
        expect([...result.foreign, ...result.bad.map((bad) => bad.path)]).toEqual([
          'data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-06-02.arrow',
        ])
      })
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('lists what is not ours, does not follow links and removes nothing', async () => {
    await withLake(async (root) => {
      const folder = join(root, 'data', 'spot', 'daily', 'klines', 'BTCUSDT', '1h')
      await writeFile(join(folder, 'notes.txt'), 'mine')
      await writeFile(join(folder, 'BTCUSDT-1h-2024-07-01.arrow'), 'not arrow')
      await mkdir(join(root, 'data', 'mine'))
      await writeFile(join(root, 'data', 'mine', 'x.arrow'), ITEMS[0]!.shard)
      await symlink(folder, join(root, 'data', 'link'))
      const funding = join(root, 'data', 'futures', 'um', 'monthly', 'fundingRate', 'BTCUSDT')
      await mkdir(funding, { recursive: true })
      await writeFile(join(funding, 'BTCUSDT-fundingRate-2024-01.arrow'), 'whoever reads it checks it')
      await symlink(join(folder, 'notes.txt'), join(funding, 'BTCUSDT-fundingRate-2024-02.arrow'))
      await verify(root, (result) => {
        expect(result.bad).toEqual([])
        expect(result.foreign).toEqual([
          'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-02.arrow',
          'data/link',
          'data/mine/x.arrow',
          'data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-07-01.arrow',
          'data/spot/daily/klines/BTCUSDT/1h/notes.txt',
        ])
      })
      expect(await readdir(join(root, 'data'))).toEqual(expect.arrayContaining(['link', 'mine']))
    })
  })

  it('stops between two shards when it is told to', async () => {
    await withLake(async (root) => {
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
