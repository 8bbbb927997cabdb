import type Database from 'libsql'
import { CONDITIONS } from '../../model/condition.ts'
import { INTERVALS } from '../../model/interval.ts'
import { MARKETS } from '../../model/market.ts'

/** The version that this program writes, in `PRAGMA user_version`, and the oldest that it migrates. */
export const VERSION = 2
export const OLDEST = 1

/** Tables that a catalog of any version has. */
export const TABLES = ['series', 'days', 'gaps', 'revisions', 'runs', 'bans'] as const

const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

/** The columns that name a series, in every table. */
const SERIES = `
  market text NOT NULL CHECK (market IN (${quoted(MARKETS)})),
  symbol text NOT NULL,
  interval text NOT NULL CHECK (interval IN (${quoted(INTERVALS)}))`

const DAY = `day text NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')`

const SERIES_TABLE = `CREATE TABLE series (${SERIES},
  first_day text, last_day text, first_open_us integer,
  first_source text CHECK (first_source IN ('rest', 'archives', 'provisional')),
  last_open_us integer, ended_us integer, phase integer, listed_at text,
  PRIMARY KEY (market, symbol, interval)
) STRICT, WITHOUT ROWID;`

/** A chunk that is called whole has a shard with all its bars: SQLite refuses any other. */
const DAYS_TABLE = `CREATE TABLE days (${SERIES},
  ${DAY},
  condition text NOT NULL CHECK (condition IN (${quoted(CONDITIONS)})),
  source text, rows integer NOT NULL, expected integer NOT NULL,
  shard_sha256 text, shard_bytes integer, archive_key text, archive_etag text, archive_sha256 text,
  revision integer NOT NULL, off_grid integer NOT NULL, duplicates integer NOT NULL, conflicts integer NOT NULL,
  differing_rows integer NOT NULL, odd_close integer NOT NULL DEFAULT 0, odd_rows integer NOT NULL DEFAULT 0,
  evidence text, error_code text, error text, accepted text, recheck integer NOT NULL DEFAULT 0 CHECK (recheck IN (0, 1)),
  updated_at text NOT NULL,
  PRIMARY KEY (market, symbol, interval, day),
  CHECK ((shard_sha256 IS NULL) = (shard_bytes IS NULL)),
  CHECK (condition NOT IN ('complete', 'provisional') OR (shard_sha256 IS NOT NULL AND rows >= expected))
) STRICT, WITHOUT ROWID;`

/** REST's answers to "the first bar of all": one of a short interval tells that of the longer ones. */
const BEGINNINGS_TABLE = `CREATE TABLE beginnings (${SERIES},
  first_open_us integer NOT NULL,
  PRIMARY KEY (market, symbol, interval)
) STRICT, WITHOUT ROWID;`

/**
 * Tables and columns are part of the contract with users (docs/lake.md, "Catalog"). STRICT and the checks make SQLite refuse what
 * is not a row of ours, so rows that are read back need no second check.
 */
export const SCHEMA = `
${SERIES_TABLE}
${DAYS_TABLE}
${BEGINNINGS_TABLE}

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
  market text PRIMARY KEY CHECK (market IN (${quoted(MARKETS)})), until text NOT NULL, reason text NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = ${VERSION};
`

const OLD_DAY_COLUMNS = `market, symbol, interval, day, condition, source, rows, expected, shard_sha256, shard_bytes, archive_key, archive_etag,
  archive_sha256, revision, off_grid, duplicates, conflicts, differing_rows, updated_at`

/** A row of version 1 that says what cannot be: whole, without a shard or with bars missing. */
const IMPOSSIBLE = `(condition IN ('complete', 'provisional') AND (shard_sha256 IS NULL OR rows < expected))`

/**
 * Rows of version 1 as rows of version 2. Where a series begins was told in words, or by an archive that may have been cut in front: it
 * is asked for again, and with it every chunk that expects fewer bars than its grid. An outage rests on words: its day is rechecked. A
 * person's acceptance was the first line of the evidence, an error's code the start of its text.
 */
function copyFrom1(from: string): string {
  return `
INSERT INTO series (market, symbol, interval, first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at)
  SELECT market, symbol, interval, first_day, last_day, NULL, NULL, NULL, NULL, NULL, listed_at FROM ${from}series;
INSERT INTO days (${OLD_DAY_COLUMNS}, evidence, error_code, error, accepted, recheck)
  SELECT market, symbol, interval, day, CASE WHEN ${IMPOSSIBLE} THEN 'failed' ELSE condition END, source, rows, expected,
    shard_sha256, shard_bytes, archive_key, archive_etag, archive_sha256, revision, off_grid, duplicates, conflicts, differing_rows, updated_at,
    CASE WHEN evidence NOT LIKE 'accepted: %' THEN evidence
      WHEN instr(evidence, char(10)) > 0 THEN substr(evidence, instr(evidence, char(10)) + 1) END,
    CASE WHEN ${IMPOSSIBLE} THEN 'CKVD_SHARD_MISSING'
      WHEN error GLOB 'CKVD_*: *' THEN substr(error, 1, instr(error, ':') - 1) END,
    CASE WHEN ${IMPOSSIBLE} THEN 'CKVD_SHARD_MISSING: the catalog called this day ' || condition || ' without all its bars' ELSE error END,
    CASE WHEN evidence LIKE 'accepted: %'
      THEN substr(evidence, 11, CASE WHEN instr(evidence, char(10)) > 0 THEN instr(evidence, char(10)) - 11 ELSE length(evidence) END) END,
    condition = 'outage'
  FROM ${from}days;`
}

/**
 * The ladder: brings a catalog from an older version to this one, in place, in one transaction: it is as it was, or whole. Each step is
 * the way from one version to the next. The caller holds the lake's lock.
 */
export function migrate(database: Database.Database, found: number): void {
  if (found === VERSION) return
  database.exec(`BEGIN IMMEDIATE;
ALTER TABLE series RENAME TO old_series;
ALTER TABLE days RENAME TO old_days;
${SERIES_TABLE}
${DAYS_TABLE}
${BEGINNINGS_TABLE}
${copyFrom1('old_')}
DROP TABLE old_series;
DROP TABLE old_days;
PRAGMA user_version = ${VERSION};
COMMIT;`)
}

/** An older catalog's rows in a database in memory that has this version's tables. */
export function readInto(database: Database.Database, path: string): Database.Database {
  database.exec(SCHEMA)
  database.prepare('ATTACH DATABASE ? AS old').run([path])
  database.exec(`${copyFrom1('old.')}
${['gaps', 'revisions', 'runs', 'bans'].map((table) => `INSERT INTO ${table} SELECT * FROM old.${table};`).join('\n')}
DETACH DATABASE old;`)
  return database
}
