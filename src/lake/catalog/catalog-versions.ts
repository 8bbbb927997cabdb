import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import type Database from 'libsql'
import { openDatabase } from '../../disk/sqlite.ts'
import { LAKE } from '../layout.ts'
import { SCHEMA, VERSION } from './catalog-schema.ts'
import { boundedUntil } from './older-bans.ts'
import { CHUNK_NAMES, encodeChunk, encodeDay, encodeHex, encodeTime } from './stored-form.ts'

/** The oldest version that this program migrates. */
export const OLDEST = 1

/** Told after each series of an older catalog that is brought to this version: how many are done, of how many. */
export type MigrationProgress = (done: number, of: number) => void

/** A row of version 1 that says what cannot be: whole, without a shard or with bars missing. */
const IMPOSSIBLE = `(condition IN ('complete', 'provisional') AND (shard_sha256 IS NULL OR rows < expected))`

const SERIES_FACTS = 'first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at'

/**
 * The rows of an older catalog, attached as `old`, as those of version 2: views `series_2`, `days_2` and `beginnings_2`.
 *
 * In version 1 it was told in words, or by an archive that may have been cut in front, where a series begins: it is asked for again, and
 * with it every chunk that expects fewer bars than its grid. An outage rests on words: its day is rechecked. A person's acceptance was the
 * first line of the evidence, an error's code the start of its text.
 */
const AS_VERSION_2: Readonly<Record<number, string>> = {
  1: `
CREATE TEMP VIEW series_2 AS SELECT market, symbol, interval, first_day, last_day, NULL AS first_open_us, NULL AS first_source,
    NULL AS last_open_us, NULL AS ended_us, NULL AS phase, listed_at FROM old.series;
CREATE TEMP VIEW days_2 AS SELECT market, symbol, interval, day, CASE WHEN ${IMPOSSIBLE} THEN 'failed' ELSE condition END AS condition,
    source, rows, expected, shard_sha256, shard_bytes, archive_key, archive_etag, archive_sha256, revision, off_grid, duplicates, conflicts,
    differing_rows, 0 AS odd_close, 0 AS odd_rows,
    CASE WHEN evidence NOT LIKE 'accepted: %' THEN evidence
      WHEN instr(evidence, char(10)) > 0 THEN substr(evidence, instr(evidence, char(10)) + 1) END AS evidence,
    CASE WHEN ${IMPOSSIBLE} THEN 'CKVD_SHARD_MISSING'
      WHEN error GLOB 'CKVD_*: *' THEN substr(error, 1, instr(error, ':') - 1) END AS error_code,
    CASE WHEN ${IMPOSSIBLE} THEN 'CKVD_SHARD_MISSING: the catalog called this day ' || condition || ' without all its bars' ELSE error END AS error,
    CASE WHEN evidence LIKE 'accepted: %'
      THEN substr(evidence, 11, CASE WHEN instr(evidence, char(10)) > 0 THEN instr(evidence, char(10)) - 11 ELSE length(evidence) END) END AS accepted,
    condition = 'outage' AS recheck, updated_at
  FROM old.days;
CREATE TEMP VIEW beginnings_2 AS SELECT market, symbol, interval, first_open_us FROM old.series WHERE false;`,
  2: `
CREATE TEMP VIEW series_2 AS SELECT * FROM old.series;
CREATE TEMP VIEW days_2 AS SELECT * FROM old.days;
CREATE TEMP VIEW beginnings_2 AS SELECT * FROM old.beginnings;`,
}

/** One series of the views and of the tables that are alike in both versions; its chunks in the stored form. */
function copySeries(market: string, symbol: string, interval: string): string {
  const key = [market, symbol, interval].map(quote)
  const one = `market = ${key[0]} AND symbol = ${key[1]} AND interval = ${key[2]}`
  const id = `(SELECT id FROM main.all_series WHERE ${one})`
  return `BEGIN;
INSERT INTO main.all_series (dataset, market, symbol, interval, ${SERIES_FACTS}, is_known)
  SELECT 'klines', market, symbol, interval, ${SERIES_FACTS}, 1 FROM series_2 WHERE ${one};
INSERT OR IGNORE INTO main.all_series (dataset, market, symbol, interval, is_known) VALUES ('klines', ${key.join(', ')}, 0);
INSERT INTO main.chunks (series, day, ${CHUNK_NAMES.join(', ')})
  SELECT ${id}, ${encodeDay('v.day')}, ${encodeChunk('v').join(', ')} FROM days_2 v WHERE ${one} ORDER BY v.day;
INSERT INTO main.chunk_gaps (series, start_us, end_us, bars, evidence)
  SELECT ${id}, start_us, end_us, bars, evidence FROM old.gaps WHERE ${one};
INSERT INTO main.chunk_revisions (series, day, revision, archive_etag, archive_sha256, shard_sha256, changed_rows, replaced_at)
  SELECT ${id}, ${encodeDay('day')}, revision, ${encodeHex('archive_etag', 16)}, ${encodeHex('archive_sha256', 32)}, ${encodeHex('shard_sha256', 32)},
    changed_rows, ${encodeTime('replaced_at')} FROM old.revisions WHERE ${one};
COMMIT;`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Copies what `old` has and `main` not yet, a series at a time. */
function copyAll(database: Database.Database, path: string, version: number, progress: MigrationProgress): void {
  database.prepare('ATTACH DATABASE ? AS old').run([path])
  database.exec(AS_VERSION_2[version] ?? '')
  const all = database
    .prepare(
      ['series', 'days', 'gaps', 'revisions'].map((table) => `SELECT market, symbol, interval FROM old.${table}`).join(' UNION ') +
        ' EXCEPT SELECT market, symbol, interval FROM main.all_series ORDER BY 1, 2, 3',
    )
    .raw()
    .all([]) as [string, string, string][]
  const [copied] = database.prepare('SELECT count(*) FROM main.all_series').raw().get([]) as [number]
  all.forEach(([market, symbol, interval], i) => {
    database.exec(copySeries(market, symbol, interval))
    progress(copied + i + 1, copied + all.length)
  })
  database.exec(`BEGIN;
INSERT OR REPLACE INTO main.beginnings SELECT market, symbol, interval, first_open_us FROM beginnings_2;
INSERT OR REPLACE INTO main.runs SELECT * FROM old.runs;
INSERT OR REPLACE INTO main.bans SELECT market, ${boundedUntil(path)}, reason FROM old.bans;
COMMIT;
DROP VIEW series_2; DROP VIEW days_2; DROP VIEW beginnings_2;
DETACH DATABASE old;`)
}

/**
 * Brings the file at `path` from an older version to this one: a new file is made beside it, a series a transaction, and takes its name when
 * it is complete. Killed, the next call goes on with what is there; until the end the old file is as it was, and readers read it. The
 * caller holds the lake's lock and has the file closed.
 */
export function migrateFile(path: string, version: number, progress: MigrationProgress = () => undefined): void {
  const next = `${path}.migrating`
  // what an earlier run left of its log belongs to the old file alone
  const old = openDatabase(path, { timeout: 0, whose: LAKE })
  try {
    old.exec('PRAGMA journal_mode = DELETE;')
  } finally {
    old.close()
  }
  const { size, mtimeMs } = statSync(path)
  const source = `${version} ${size} ${mtimeMs}`
  if (existsSync(next) && !isOf(next, source)) for (const side of ['', '-journal']) rmSync(next + side, { force: true })
  const database = openDatabase(next, { timeout: 0, whose: LAKE })
  try {
    if (!hasTables(database)) {
      database.exec(
        `BEGIN;${SCHEMA}CREATE TABLE migrated_from (source text NOT NULL); INSERT INTO migrated_from VALUES (${quote(source)});COMMIT;`,
      )
    }
    copyAll(database, path, version, progress)
    database.exec('DROP TABLE migrated_from;')
  } finally {
    database.close()
  }
  renameSync(next, path)
}

function hasTables(database: Database.Database): boolean {
  return (database.prepare('SELECT count(*) FROM sqlite_master').raw().get([]) as [number])[0] > 0
}

/** True where an unfinished new file was made of just that old one, by this version of the program. */
function isOf(next: string, source: string): boolean {
  const database = openDatabase(next, { timeout: 0, whose: LAKE })
  try {
    if (!hasTables(database)) return true
    const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
    const [found] = database.prepare('SELECT source FROM migrated_from').raw().get([]) as [string]
    return version === VERSION && found === source
  } catch {
    return false // not one of ours, or damaged: it is made anew
  } finally {
    database.close()
  }
}

/** An older catalog's rows in a database in memory that has this version's tables and views. */
export function readInto(database: Database.Database, path: string, version: number): Database.Database {
  database.exec(SCHEMA)
  copyAll(database, path, version, () => undefined)
  return database
}
