import { renameSync, rmSync } from 'node:fs'
import Database from 'libsql'

/** The tables of version 2, as the release that wrote lakes of format 1 made them. */
const SERIES = `
  market text NOT NULL CHECK (market IN ('spot', 'um', 'cm')),
  symbol text NOT NULL,
  interval text NOT NULL CHECK (interval IN ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'))`
const DAY = `day text NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')`
const CONDITIONS = `'complete', 'provisional', 'outage', 'unlisted', 'pending', 'partial', 'disputed', 'unexplainable', 'quarantined', 'failed'`
const TABLES = `
CREATE TABLE series (${SERIES},
  first_day text, last_day text, first_open_us integer, first_source text, last_open_us integer, ended_us integer, phase integer, listed_at text,
  PRIMARY KEY (market, symbol, interval)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (${SERIES},
  ${DAY},
  condition text NOT NULL CHECK (condition IN (${CONDITIONS})),
  source text, rows integer NOT NULL, expected integer NOT NULL,
  shard_sha256 text, shard_bytes integer, archive_key text, archive_etag text, archive_sha256 text,
  revision integer NOT NULL, off_grid integer NOT NULL, duplicates integer NOT NULL, conflicts integer NOT NULL,
  differing_rows integer NOT NULL, odd_close integer NOT NULL DEFAULT 0, odd_rows integer NOT NULL DEFAULT 0,
  evidence text, error_code text, error text, accepted text, recheck integer NOT NULL DEFAULT 0, updated_at text NOT NULL,
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
CREATE TABLE beginnings (${SERIES}, first_open_us integer NOT NULL, PRIMARY KEY (market, symbol, interval)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;`
const NAMES = ['series', 'days', 'gaps', 'revisions', 'runs', 'bans', 'beginnings']

/**
 * Rewrites a catalog as one of version 2. @param shards digest and size of the files of format 1, by `market symbol interval day`
 *
 * @param {string} path
 * @param {ReadonlyMap<string, { sha256: string, bytes: number }>} shards
 */
export function toCatalog2(path, shards) {
  const older = `${path}.2`
  rmSync(older, { force: true })
  const from = new Database(path)
  const to = new Database(older)
  try {
    to.exec(TABLES)
    for (const name of NAMES) {
      const columns = to
        .prepare(`PRAGMA table_info(${name})`)
        .all([])
        .map((column) => column.name)
      const insert = to.prepare(`INSERT INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`)
      for (const row of from.prepare(`SELECT ${columns.join(', ')} FROM ${name}`).all([])) {
        const shard = name === 'days' ? shards.get(`${row.market} ${row.symbol} ${row.interval} ${row.day}`) : undefined
        if (shard !== undefined) Object.assign(row, { shard_sha256: shard.sha256, shard_bytes: shard.bytes })
        insert.run(columns.map((column) => row[column]))
      }
    }
  } finally {
    to.close()
    from.close()
  }
  for (const side of ['-wal', '-shm']) rmSync(path + side, { force: true })
  renameSync(older, path)
}
