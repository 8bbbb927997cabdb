import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { openCatalog } from '../../../../src/lake/catalog/catalog.ts'
import { BTC, day, ETH, hoursOf, inTempDirectory, rowOf, seriesRowOf } from '../lake-fixtures.ts'

/** The tables as the first released version made them, word for word but for the lists of names. */
const SERIES = `
  market text NOT NULL CHECK (market IN ('spot', 'um', 'cm')),
  symbol text NOT NULL,
  interval text NOT NULL CHECK (interval IN ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'))`
const DAY = `day text NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')`
const CONDITIONS = `'complete', 'provisional', 'outage', 'unlisted', 'pending', 'partial', 'quarantined', 'failed'`
const VERSION_1 = `
CREATE TABLE series (${SERIES},
  first_day text, last_day text, first_open_us integer, listed_at text,
  PRIMARY KEY (market, symbol, interval)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (${SERIES},
  ${DAY},
  condition text NOT NULL CHECK (condition IN (${CONDITIONS})),
  source text, rows integer NOT NULL, expected integer NOT NULL,
  shard_sha256 text, shard_bytes integer, archive_key text, archive_etag text, archive_sha256 text,
  revision integer NOT NULL, off_grid integer NOT NULL, duplicates integer NOT NULL, conflicts integer NOT NULL,
  differing_rows integer NOT NULL, evidence text, error text, updated_at text NOT NULL,
  PRIMARY KEY (market, symbol, interval, day),
  CHECK ((shard_sha256 IS NULL) = (shard_bytes IS NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE gaps (${SERIES},
  start_us integer NOT NULL, end_us integer NOT NULL, bars integer NOT NULL, evidence text NOT NULL,
  PRIMARY KEY (market, symbol, interval, start_us)
) STRICT, WITHOUT ROWID;
CREATE TABLE revisions (${SERIES},
  ${DAY},
  revision integer NOT NULL, archive_etag text, archive_sha256 text, shard_sha256 text, changed_rows integer, replaced_at text NOT NULL,
  PRIMARY KEY (market, symbol, interval, day, revision)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  id integer PRIMARY KEY, started_at text NOT NULL, ended_at text, command text NOT NULL, counts text, exit integer
) STRICT;
CREATE TABLE bans (
  market text PRIMARY KEY CHECK (market IN ('spot', 'um', 'cm')), until text NOT NULL, reason text NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;`

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

/** What every row of version 1 says in the words of version 2. */
function checkMigrated(path: string, mode: 'read' | 'write'): void {
  using catalog = openCatalog(path, { mode })
  // words, or the first row of an archive, told where a series begins: it is asked for again
  expect(catalog.listSeries()).toEqual([
    seriesRowOf(BTC, { firstDay: day('2023-12-31'), lastDay: day('2024-01-09'), listedAt: '2024-02-01T00:00:00.000Z' }),
    seriesRowOf(ETH),
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
  it('is brought to version 2 in place when it is opened for writing: every row, and nothing is lost', async () => {
    await withVersion1((path) => {
      checkMigrated(path, 'write')
      const plain = new Database(path, { readonly: true })
      expect(plain.prepare('PRAGMA user_version').raw().get([])).toEqual([2])
      expect(plain.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).raw().all([]).flat()).toEqual(
        ['bans', 'beginnings', 'days', 'gaps', 'revisions', 'runs', 'series'], // and no table of the old version
      )
      expect(plain.prepare('SELECT id, command FROM runs').raw().all([])).toEqual([[7, 'ingest']])
      expect(plain.prepare('SELECT day, revision, changed_rows FROM revisions').raw().all([])).toEqual([['2024-01-01', 1, 3]])
      expect(plain.prepare('PRAGMA quick_check').raw().all([])).toEqual([['ok']])
      plain.close()
      // once: the second time it is one of version 2
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
      const write = hoursOf(BTC, '2024-01-02', { missing: [3, 4] })
      catalog.commit([write])
      expect(catalog.getDay(BTC, day('2024-01-02'))).toEqual(write.row)
      expect(catalog.listGaps(BTC)).toEqual(write.gaps)
      catalog.putBeginning({ ...BTC, firstOpenUs: START_US })
      expect(catalog.listBeginnings(BTC)).toEqual([{ ...BTC, firstOpenUs: START_US }])
    })
  })

  it('that cannot be migrated stays whole as it was', async () => {
    // two tables of one name: as if the version were not what it says
    await withVersion1(async (path) => {
      const bytes = await readFile(path)
      expect(() => openCatalog(path, { mode: 'write' })).toThrow(expect.objectContaining({ name: 'CkvdError' }))
      const plain = new Database(path, { readonly: true })
      expect(plain.prepare('PRAGMA user_version').raw().get([])).toEqual([1])
      expect(plain.prepare('SELECT count(*) FROM days').raw().get([])).toEqual([8])
      plain.close()
      expect(bytes.length).toBeGreaterThan(0)
    }, `${ROWS_1}; CREATE TABLE beginnings (market text);`)
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
