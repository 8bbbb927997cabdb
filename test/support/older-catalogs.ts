/* The tables as older versions made them, word for word but for the lists of names. */

const SERIES = `
  market text NOT NULL CHECK (market IN ('spot', 'um', 'cm')),
  symbol text NOT NULL,
  interval text NOT NULL CHECK (interval IN ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'))`
const DAY = `day text NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')`
const CONDITIONS = `'complete', 'provisional', 'outage', 'unlisted', 'pending', 'partial', 'quarantined', 'failed'`
export const VERSION_1 = `
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

const CONDITIONS_2 = `${CONDITIONS}, 'disputed', 'unexplainable'`
export const VERSION_2 = VERSION_1.replace(CONDITIONS, CONDITIONS_2)
  .replace(
    'first_open_us integer, listed_at text',
    'first_open_us integer, first_source text, last_open_us integer, ended_us integer, phase integer, listed_at text',
  )
  .replace(
    'differing_rows integer NOT NULL, evidence text, error text, updated_at text NOT NULL',
    'differing_rows integer NOT NULL, odd_close integer NOT NULL DEFAULT 0, odd_rows integer NOT NULL DEFAULT 0, evidence text, error_code text, error text, accepted text, recheck integer NOT NULL DEFAULT 0, updated_at text NOT NULL',
  )
  .replace(
    'PRAGMA user_version = 1;',
    `CREATE TABLE beginnings (${SERIES}, first_open_us integer NOT NULL, PRIMARY KEY (market, symbol, interval)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;`,
  )
