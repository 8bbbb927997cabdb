import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { openCatalog } from '../../../../src/lake/catalog/catalog.ts'
import { VERSION_1, VERSION_2 } from '../../../support/older-catalogs.ts'
import { BTC, day, ETH, barsOf, inTempDirectory, rowOf, seriesRowOf } from '../lake-fixtures.ts'

const SHARD = `'${'ab'.repeat(32)}', 4096`
const NONE = `NULL, NULL`
const START_US = Date.parse('2024-01-02T03:00:00Z') * 1000

/** A row of `days`: condition, bars, expected, shard, evidence, error. */
function dayOf(name: string, condition: string, rows: number, expected: number, shard: string, evidence: string, error: string): string {
  return `('spot', 'BTCUSDT', '1h', '${name}', '${condition}', 'vision-daily', ${rows}, ${expected}, ${shard}, 'key', 'etag', NULL, 2, 1, 3, 4, 5, ${evidence}, ${error}, '2024-02-01T00:00:00.000Z')`
}

const ROWS_1 = `
INSERT INTO series VALUES
  ('spot', 'BTCUSDT', '1h', '2023-12-31', '2024-01-09', ${START_US}, '2024-02-01T00:00:00.000Z'),
  ('um', 'ETHUSDT', '1h', NULL, NULL, NULL, NULL);
INSERT INTO days VALUES
  ${dayOf('2024-01-01', 'complete', 24, 24, SHARD, 'NULL', 'NULL')},
  ${dayOf('2024-01-02', 'outage', 22, 24, SHARD, `'compared with the month'`, 'NULL')},
  ${dayOf('2024-01-03', 'partial', 20, 24, SHARD, `'accepted: seen by me: twice' || char(10) || 'REST is off'`, 'NULL')},
  ${dayOf('2024-01-04', 'quarantined', 0, 24, NONE, `'accepted: no other source'`, `'CKVD_CHECKSUM_MISMATCH: Expected one, found another: see quarantine'`)},
  ${dayOf('2024-01-05', 'failed', 0, 24, NONE, 'NULL', `'something: without a code'`)},
  ${dayOf('2024-01-06', 'complete', 0, 24, NONE, 'NULL', 'NULL')},
  ${dayOf('2024-01-07', 'provisional', 23, 24, SHARD, `'why'`, 'NULL')},
  ${dayOf('2024-01-08', 'pending', 0, 0, NONE, 'NULL', 'NULL')};
INSERT INTO gaps VALUES ('spot', 'BTCUSDT', '1h', ${START_US}, ${START_US + 7_200_000_000}, 2, 'REST has no bar there');
INSERT INTO revisions VALUES ('spot', 'BTCUSDT', '1h', '2024-01-01', 1, 'e', NULL, 's', 3, '2024-01-05T00:00:00.000Z');
INSERT INTO runs VALUES (7, '2024-02-01T00:00:00.000Z', NULL, 'ingest', NULL, NULL);
INSERT INTO bans VALUES ('um', '2024-02-01T12:00:00.000Z', '418');`

async function withVersion1(test: (path: string) => Promise<void> | void, rows = ROWS_1): Promise<void> {
  await inTempDirectory(async (directory) => {
    const path = join(directory, 'catalog.sqlite')
    const old = new Database(path)
    old.exec(VERSION_1 + rows)
    old.close()
    await test(path)
  })
}

/** What every row of version 1 says in the words of this one. */
function checkMigrated(path: string, mode: 'read' | 'write'): void {
  using catalog = openCatalog(path, { mode })
  // words, or the first row of an archive, told where a series begins: it is asked for again
  expect(catalog.listSeries()).toEqual([
    // older versions did not keep where a beginning was looked for
    seriesRowOf(BTC, { firstForms: null, firstDay: day('2023-12-31'), lastDay: day('2024-01-09'), listedAt: '2024-02-01T00:00:00.000Z' }),
    seriesRowOf(ETH, { firstForms: null }),
  ])
  const same = {
    ...{ source: 'vision-daily', archiveKey: 'key', archiveEtag: 'etag', revision: 2, offGrid: 1, duplicates: 3, conflicts: 4 },
    ...{ differingRows: 5, updatedAt: '2024-02-01T00:00:00.000Z' },
  }
  const shard = { shardSha256: 'ab'.repeat(32), shardBytes: 4096 }
  const none = { shardSha256: null, shardBytes: null }
  const impossible = (condition: string) => ({
    condition: 'failed' as const,
    errorCode: 'CKVD_SHARD_MISSING' as const,
    error: `CKVD_SHARD_MISSING: the catalog called this day ${condition} without all its bars`,
  })
  expect(catalog.readDays(BTC)).toEqual([
    rowOf(BTC, '2024-01-01', { ...same, ...shard, condition: 'complete' }),
    // its proof was words: the next run asks again
    rowOf(BTC, '2024-01-02', { ...same, ...shard, condition: 'outage', rows: 22, evidence: 'compared with the month', recheck: 1 }),
    rowOf(BTC, '2024-01-03', { ...same, ...shard, condition: 'partial', rows: 20, accepted: 'seen by me: twice', evidence: 'REST is off' }),
    rowOf(BTC, '2024-01-04', {
      ...{ ...same, condition: 'quarantined', accepted: 'no other source', errorCode: 'CKVD_CHECKSUM_MISMATCH' as never },
      error: 'CKVD_CHECKSUM_MISMATCH: Expected one, found another: see quarantine',
    }),
    rowOf(BTC, '2024-01-05', { ...same, condition: 'failed', error: 'something: without a code' }),
    rowOf(BTC, '2024-01-06', { ...same, ...none, ...impossible('complete') }),
    rowOf(BTC, '2024-01-07', { ...same, ...shard, ...impossible('provisional'), rows: 23, evidence: 'why' }),
    rowOf(BTC, '2024-01-08', { ...same, condition: 'pending', expected: 0 }),
  ])
  // words prove nothing
  expect(catalog.listGaps(BTC)).toEqual([
    {
      startUs: START_US,
      endUs: START_US + 7_200_000_000,
      bars: 2,
      evidence: { source: null, reason: 'text', note: 'REST has no bar there' },
    },
  ])
  expect(catalog.listBeginnings(BTC)).toEqual([])
  if (mode === 'read') return
  const plain = new Database(path, { readonly: true })
  expect(plain.prepare('SELECT market, until, reason FROM bans').raw().all([])).toEqual([['um', '2024-02-01T12:00:00.000Z', '418']])
  plain.close()
}

describe('a catalog of version 1', () => {
  it('is brought to version 3 in place when it is opened for writing: every row, and nothing is lost', async () => {
    await withVersion1((path) => {
      checkMigrated(path, 'write')
      const plain = new Database(path, { readonly: true })
      expect(plain.prepare('PRAGMA user_version').raw().get([])).toEqual([3])
      expect(plain.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).raw().all([]).flat()).toEqual(
        ['all_series', 'bans', 'beginnings', 'chunk_gaps', 'chunk_revisions', 'chunks', 'packs', 'runs'], // and no table of the old version
      )
      expect(plain.prepare('SELECT id, command FROM runs').raw().all([])).toEqual([[7, 'ingest']])
      expect(plain.prepare('SELECT day, revision, changed_rows FROM revisions').raw().all([])).toEqual([['2024-01-01', 1, 3]])
      expect(plain.prepare('PRAGMA quick_check').raw().all([])).toEqual([['ok']])
      plain.close()
      // once: the second time it is one of version 3
      checkMigrated(path, 'write')
    })
  })

  it('is read as it will be, and its file is left as it is', async () => {
    await withVersion1(async (path) => {
      const bytes = await readFile(path)
      checkMigrated(path, 'read')
      expect((await readFile(path)).equals(bytes)).toBe(true)
      expect(statSync(path).size).toBe(bytes.length)
    })
  })

  it('is written to as any other, once it is migrated', async () => {
    await withVersion1((path) => {
      using catalog = openCatalog(path, { mode: 'write' })
      const write = barsOf(BTC, '2024-01-02', { missing: [3, 4] })
      catalog.commit([write])
      expect(catalog.getDay(BTC, day('2024-01-02'))).toEqual(write.row)
      expect(catalog.listGaps(BTC)).toEqual(write.gaps)
      catalog.putBeginning({ ...BTC, firstOpenUs: START_US })
      expect(catalog.listBeginnings(BTC)).toEqual([{ ...BTC, firstOpenUs: START_US }])
    })
  })

  it('that cannot be migrated stays whole as it was', async () => {
    // a day that no calendar has
    await withVersion1(
      async (path) => {
        const bytes = await readFile(path)
        expect(() => openCatalog(path, { mode: 'write' })).toThrow(expect.objectContaining({ name: 'CkvdError' }))
        const plain = new Database(path, { readonly: true })
        expect(plain.prepare('PRAGMA user_version').raw().get([])).toEqual([1])
        expect(plain.prepare('SELECT count(*) FROM days').raw().get([])).toEqual([8])
        plain.close()
        expect(bytes.length).toBeGreaterThan(0)
      },
      ROWS_1.replace("'2024-01-05', 'failed'", "'2024-99-99', 'failed'"),
    )
  })

  it('of no rows is one', async () => {
    await withVersion1((path) => {
      for (const mode of ['read', 'write'] as const) {
        using catalog = openCatalog(path, { mode })
        expect([catalog.listSeries(), catalog.listStoredSeries()]).toEqual([[], []])
      }
    }, '')
  })
})

const DIGEST = (digit: string) => `'${digit.repeat(64)}'`
const key = (symbol: string, interval: string, period: string, packaging = 'daily', folder = 'spot') =>
  `'data/${folder}/${packaging}/klines/${symbol}/${interval}/${symbol}-${interval}-${period}.zip'`

const ROWS_2 = `
INSERT INTO series VALUES
  ('spot', 'BTCUSDT', '1h', '2023-12-31', '2024-01-09', ${START_US}, 'rest', ${START_US + 9}, NULL, NULL, '2024-02-01T00:00:00.000Z'),
  ('cm', 'BTCUSD_PERP', '3d', '2023-12-01', NULL, NULL, NULL, NULL, ${START_US}, 2, NULL);
INSERT INTO days VALUES
  ('spot', 'BTCUSDT', '1h', '2024-01-01', 'complete', 'vision-daily', 24, 24, ${DIGEST('a')}, 4096, ${key('BTCUSDT', '1h', '2024-01-01')}, '${'0f'.repeat(16)}', ${DIGEST('b')}, 1, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, '2024-02-01T00:00:00.123Z'),
  ('spot', 'BTCUSDT', '1h', '2024-01-02', 'provisional', 'rest', 24, 24, ${DIGEST('c')}, 4096, NULL, NULL, NULL, 3, 1, 2, 3, 4, 5, 6, 'words', NULL, NULL, NULL, 1, '2024-02-01T00:00:00.999Z'),
  ('spot', 'BTCUSDT', '1h', '2024-01-03', 'outage', 'vision-monthly+vision-daily+rest', 20, 24, ${DIGEST('D')}, 4096, ${key('BTCUSDT', '1h', '2024-01', 'monthly')}, '${'0F'.repeat(16)}', NULL, 1, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, ''),
  ('spot', 'BTCUSDT', '1h', '2024-01-04', 'disputed', 'another', 20, 24, 'short', 4096, ${key('BTCUSDT', '1h', '2024-1-4')}, '${'0f'.repeat(16)}-7', '12', 1, 0, 0, 0, 0, 0, 0, 'a''b', NULL, NULL, 'mine', 0, '2024-02-01'),
  ('um', 'ETHUSDT', '1M', '2024-01-01', 'failed', NULL, 0, 1, NULL, NULL, ${key('ETHUSDT', '1mo', '2024-01', 'monthly', 'futures/um')}, NULL, NULL, 1, 0, 0, 0, 0, 0, 0, NULL, 'CKVD_HTTP_STATUS', 'CKVD_HTTP_STATUS: 500', NULL, 0, '2024-02-01T00:00:00.000Z'),
  ('cm', 'BTCUSD_PERP', '3d', '2024-01-01', 'complete', 'vision-monthly', 10, 10, ${DIGEST('e')}, 4096, ${key('BTCUSD_PERP', '3d', '2024-01', 'monthly', 'futures/cm')}, 'x', NULL, 1, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, '1969-12-31T23:59:59.000Z');
INSERT INTO gaps VALUES ('spot', 'BTCUSDT', '1h', ${START_US}, ${START_US + 7_200_000_000}, 2, '{"source":"rest","before_us":1,"after_us":2}'),
  ('um', 'XRPUSDT', '1h', 5, 6, 1, 'of a series that has no day');
INSERT INTO revisions VALUES ('spot', 'BTCUSDT', '1h', '2024-01-02', 1, 'e', NULL, ${DIGEST('a')}, 3, '2024-01-05T00:00:00.000Z');
INSERT INTO runs VALUES (7, '2024-02-01T00:00:00.000Z', NULL, 'ingest', NULL, NULL);
INSERT INTO bans VALUES ('um', '2024-02-01T12:00:00.000Z', '418');
INSERT INTO beginnings VALUES ('spot', 'BTCUSDT', '1m', ${START_US});`

/** The contents of a catalog as any SQLite program reads them, by the names that version 2 had. */
function publicRows(path: string): Record<string, unknown[]> {
  const series = 'market, symbol, interval, first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at'
  const selects = {
    series: `SELECT ${series} FROM series WHERE coalesce(first_day, last_day, listed_at, ended_us) IS NOT NULL`,
    ...Object.fromEntries(['days', 'gaps', 'revisions', 'runs', 'bans', 'beginnings'].map((name) => [name, `SELECT * FROM ${name}`])),
  }
  const database = new Database(path, { readonly: true })
  try {
    const read = ([name, sql]: [string, string]) =>
      [name, database.prepare(`${sql} ORDER BY 1, 2, 3, 4`.replace('bans ORDER BY 1, 2, 3, 4', 'bans')).raw().all([])] as const
    return Object.fromEntries(Object.entries(selects).map(read))
  } finally {
    database.close()
  }
}

async function withVersion2(test: (path: string) => void): Promise<void> {
  await inTempDirectory((directory) => {
    const path = join(directory, 'catalog.sqlite')
    const old = new Database(path)
    old.exec(VERSION_2 + ROWS_2)
    old.close()
    test(path)
    return Promise.resolve()
  })
}

describe('a catalog of version 2', () => {
  it('says the same in version 3, value by value, to the program and to any SQLite program', async () => {
    await withVersion2((path) => {
      const before = publicRows(path)
      expect(before['days']).toHaveLength(6)
      let read: unknown
      {
        using catalog = openCatalog(path, { mode: 'read' })
        read = catalog.listStoredSeries().map((series) => catalog.readDays(series))
      }
      const told: [number, number][] = []
      {
        using catalog = openCatalog(path, { mode: 'write', progress: (done, of) => told.push([done, of]) })
        expect(catalog.listStoredSeries().map((series) => catalog.readDays(series))).toEqual(read)
        expect(catalog.listSeries()).toHaveLength(2)
        expect(catalog.getDay(BTC, day('2024-01-04'))).toMatchObject({
          archiveKey: 'data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-1-4.zip',
          accepted: 'mine',
        })
      }
      expect(told).toEqual([1, 2, 3, 4].map((done) => [done, 4]))
      expect(publicRows(path)).toEqual(before)
      expect(readdirSync(dirname(path))).toEqual(['catalog.sqlite'])
    })
  })

  it('is left as it was where its migration is stopped, is read meanwhile, and the next one goes on from there', async () => {
    await withVersion2((path) => {
      const before = publicRows(path)
      for (const stopAt of [1, 2]) {
        const stopped = (done: number): void => {
          if (done === stopAt) throw new Error('stopped')
        }
        expect(() => openCatalog(path, { mode: 'write', progress: stopped })).toThrow()
        expect(publicRows(path)).toEqual(before)
        using reader = openCatalog(path, { mode: 'read' })
        expect(reader.readDays(BTC)).toHaveLength(4)
      }
      const told: number[] = []
      openCatalog(path, { mode: 'write', progress: (done) => told.push(done) }).close()
      expect(told).toEqual([3, 4])
      expect(publicRows(path)).toEqual(before)
    })
  })

  it('that was written to after its migration was stopped is migrated anew', async () => {
    await withVersion2((path) => {
      expect(() => openCatalog(path, { mode: 'write', progress: () => expect.unreachable('stopped') })).toThrow()
      expect(existsSync(`${path}.migrating`)).toBe(true)
      const old = new Database(path)
      old.exec(`UPDATE days SET evidence = '${'longer '.repeat(2000)}' WHERE symbol = 'BTCUSDT'`)
      old.close()
      const before = publicRows(path)
      openCatalog(path, { mode: 'write' }).close()
      expect(publicRows(path)).toEqual(before)
      expect(readdirSync(dirname(path))).toEqual(['catalog.sqlite'])
    })
  })
})

/** What SQLite keeps of the checks of a catalog's markets. */
function checksOf(path: string): string[] {
  const plain = new Database(path, { readonly: true })
  const texts = plain.prepare(`SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name`).raw().all([]).flat() as string[]
  plain.close()
  return texts.flatMap((text) => /market IN \([^)]*\)/.exec(text) ?? [])
}

/** A catalog of version 3 as it was made before there was a market `option`, with a day of bars in it. */
async function withFormerMarkets(test: (path: string) => void): Promise<void> {
  await inTempDirectory((directory) => {
    const [newer, path] = [join(directory, 'newer.sqlite'), join(directory, 'catalog.sqlite')]
    openCatalog(newer, { mode: 'write' }).close()
    const model = new Database(newer, { readonly: true })
    const statements = model.prepare(`SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid`).raw().all([]).flat() as string[]
    model.close()
    const older = new Database(path)
    older.exec(`${statements.join(';\n').replaceAll(`'spot', 'um', 'cm', 'option'`, `'spot', 'um', 'cm'`)}; PRAGMA user_version = 3;
INSERT INTO all_series (dataset, market, symbol, interval, is_known) VALUES ('klines', 'spot', 'BTCUSDT', '1h', 1);
INSERT INTO beginnings VALUES ('spot', 'BTCUSDT', '1h', ${START_US});`)
    expect(() => older.exec(OPTION)).toThrow(/CHECK constraint failed: market IN/)
    older.close()
    test(path)
    return Promise.resolve()
  })
}
const OPTION = `INSERT INTO all_series (dataset, market, symbol, interval, is_known) VALUES ('BVOLIndex', 'option', 'BTCBVOLUSDT', '1s', 1)`
const NEW_CHECK = `market IN ('spot', 'um', 'cm', 'option')`

describe('a catalog of version 3 from before there were options', () => {
  it('takes a series of them once it was opened for writing, and keeps what it had', async () => {
    await withFormerMarkets((path) => {
      expect(checksOf(path)).toEqual(Array(3).fill(`market IN ('spot', 'um', 'cm')`))
      const index = { dataset: 'BVOLIndex', market: 'option', symbol: 'BTCBVOLUSDT', interval: '1s' } as const
      // who reads it meanwhile sees the change with its next question
      using reader = openCatalog(path, { mode: 'read' })
      {
        using catalog = openCatalog(path, { mode: 'write' })
        catalog.putSeries(seriesRowOf(index, {}))
        catalog.commit([{ row: rowOf(index, '2024-03-01', { condition: 'unlisted', expected: 1 }), gaps: [] }])
      }
      expect(reader.listSeries().map(({ market, symbol }) => `${market} ${symbol}`)).toEqual(['option BTCBVOLUSDT', 'spot BTCUSDT'])
      expect(reader.readDays(index)).toMatchObject([{ day: '2024-03-01', condition: 'unlisted' }])
      expect(reader.listBeginnings(BTC)).toEqual([{ market: 'spot', symbol: 'BTCUSDT', interval: '1h', firstOpenUs: START_US }])
      expect(checksOf(path)).toEqual(Array(3).fill(NEW_CHECK))
      const plain = new Database(path)
      expect(plain.prepare('PRAGMA integrity_check').raw().all([])).toEqual([['ok']])
      expect(() => plain.exec(OPTION.replace(`'option'`, `'swap'`))).toThrow(/CHECK constraint failed: market IN/)
      plain.close()
    })
  })

  it('is read as it is, and left as it is, and one that has them is not touched', async () => {
    await withFormerMarkets((path) => {
      const bytes = readFileSync(path)
      openCatalog(path, { mode: 'read' }).close()
      expect(readFileSync(path).equals(bytes)).toBe(true)
      openCatalog(path, { mode: 'write' }).close()
      const schemaOf = (): unknown => {
        const plain = new Database(path, { readonly: true })
        const found = plain.prepare('PRAGMA schema_version').raw().get([])
        plain.close()
        return found
      }
      const before = schemaOf()
      openCatalog(path, { mode: 'write' }).close()
      expect(schemaOf()).toEqual(before)
    })
  })
})
