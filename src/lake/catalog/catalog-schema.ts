import { INTERVALS } from '../../model/interval.ts'
import { MARKETS, REST_MARKETS } from '../../model/market.ts'
import {
  CHUNK_DEFINITIONS,
  CHUNK_NAMES,
  decodeChunk,
  decodeDay,
  decodeHex,
  decodeTime,
  encodeChunk,
  encodeDay,
  WHOLE_CONDITIONS,
} from './stored-form.ts'

/** The version that this program writes, in `PRAGMA user_version`. */
export const VERSION = 3

/** What a catalog of any version has, as tables or as views. */
export const TABLES = ['series', 'days', 'gaps', 'revisions', 'runs', 'bans'] as const

const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

/** What a column of markets may hold, and what it could before there were any but these. */
export const MARKET_CHECK = `market IN (${quoted(MARKETS)})`
export const FORMER_MARKET_CHECK = `market IN (${quoted(REST_MARKETS)})`

/** The columns that name a series. */
const SERIES = `
  market text NOT NULL CHECK (${MARKET_CHECK}),
  symbol text NOT NULL,
  interval text NOT NULL CHECK (interval IN (${quoted(INTERVALS)}))`

/** The views. */
export const VIEW_NAMES = ['series', 'days', 'gaps', 'revisions', 'all_days', 'all_gaps'] as const

/**
 * The views, and what writes through one of them: nothing is kept in them, so that those of an older form are made anew. Those whose key is
 * market, symbol and interval show klines alone; `all_days` and `all_gaps` show every data set.
 */
export const VIEWS = `
CREATE VIEW series AS SELECT market, symbol, interval,
  first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at, first_forms FROM all_series WHERE is_known AND dataset = 'klines';

CREATE VIEW days AS SELECT s.market, s.symbol, s.interval, ${decodeDay('c.day')} AS day,
  ${decodeChunk('c', 's').join(',\n  ')}
  FROM chunks c JOIN all_series s ON s.id = c.series
  WHERE s.dataset = 'klines';

CREATE VIEW gaps AS SELECT s.market, s.symbol, s.interval, g.start_us, g.end_us, g.bars, g.evidence
  FROM chunk_gaps g JOIN all_series s ON s.id = g.series WHERE s.dataset = 'klines';

CREATE VIEW all_days AS SELECT s.dataset, s.market, s.symbol, s.interval, ${decodeDay('c.day')} AS day,
  ${decodeChunk('c', 's').join(',\n  ')}
  FROM chunks c JOIN all_series s ON s.id = c.series;

CREATE VIEW all_gaps AS SELECT s.dataset, s.market, s.symbol, s.interval, g.start_us, g.end_us, g.bars, g.evidence
  FROM chunk_gaps g JOIN all_series s ON s.id = g.series;

CREATE VIEW revisions AS SELECT s.market, s.symbol, s.interval, ${decodeDay('r.day')} AS day, r.revision,
  ${decodeHex('r.archive_etag')} AS archive_etag, ${decodeHex('r.archive_sha256')} AS archive_sha256, ${decodeHex('r.shard_sha256')} AS shard_sha256,
  r.changed_rows, ${decodeTime('r.replaced_at')} AS replaced_at
  FROM chunk_revisions r JOIN all_series s ON s.id = r.series WHERE s.dataset = 'klines';

CREATE TRIGGER days_update INSTEAD OF UPDATE ON days BEGIN
  UPDATE chunks SET (${CHUNK_NAMES.join(', ')}) = (${encodeChunk('NEW').join(',\n    ')})
  WHERE day = ${encodeDay('OLD.day')}
    AND series = (SELECT id FROM all_series WHERE dataset = 'klines' AND market = OLD.market AND symbol = OLD.symbol AND interval = OLD.interval);
END;
`

/** The columns of `packs`, and what its `series` refers to. */
const packColumns = (refers: string): string => `
  series integer NOT NULL${refers},
  first integer NOT NULL, end_day integer NOT NULL, bars integer NOT NULL,
  sha256 blob NOT NULL CHECK (length(sha256) = 32),
  PRIMARY KEY (series, first)`

/**
 * Packs whose chunks are all there with all of their bars: days in [first, end_day), each of `bars` bars, and the SHA-256 of the file. It proves
 * them at once; the digests of the chunks prove the same one by one. It holds while each of the chunks is recorded as it was when the file was
 * written: any other word on one, from whomever, takes the row away.
 */
export const PACKS = `
CREATE TABLE packs (${packColumns(' REFERENCES all_series (id)')}
) STRICT, WITHOUT ROWID;
`

/** An empty one for a connection that may only read a catalog without it: a table of its own cannot refer to those of the file. */
export const PACKS_OF_NONE = `CREATE TEMP TABLE packs (${packColumns('')}) STRICT, WITHOUT ROWID;`

const FORGET_PACK = (row: 'OLD' | 'NEW'): string =>
  `DELETE FROM packs WHERE series = ${row}.series AND first <= ${row}.day AND end_day > ${row}.day;`

/** See `PACKS`. */
export const PACK_TRIGGERS = `
CREATE TRIGGER packs_insert AFTER INSERT ON chunks BEGIN ${FORGET_PACK('NEW')} END;
CREATE TRIGGER packs_update AFTER UPDATE OF series, day, condition, rows, expected, shard_sha256, shard_bytes ON chunks
  BEGIN ${FORGET_PACK('OLD')} ${FORGET_PACK('NEW')} END;
CREATE TRIGGER packs_delete AFTER DELETE ON chunks BEGIN ${FORGET_PACK('OLD')} END;
`

/**
 * Tables, views and their columns are part of the contract with users (docs/lake.md). STRICT and the checks make SQLite refuse what is not
 * a row of ours, so rows that are read back need no second check; a chunk that is called whole has a shard with all its bars.
 *
 * `series`, `days`, `gaps` and `revisions` are views of what is kept in numbers and bytes (stored-form.ts): to be read, and `days` to be mended by hand.
 */
export const SCHEMA = `
CREATE TABLE all_series (
  id integer PRIMARY KEY,
  dataset text NOT NULL,${SERIES},
  first_day text, first_forms text CHECK (first_forms IN ('daily', 'both')), last_day text, first_open_us integer,
  first_source text CHECK (first_source IN ('rest', 'archives', 'provisional')),
  last_open_us integer, ended_us integer, phase integer, listed_at text,
  is_known integer NOT NULL CHECK (is_known IN (0, 1)),
  UNIQUE (dataset, market, symbol, interval)
) STRICT;

CREATE TABLE chunks (
  series integer NOT NULL REFERENCES all_series (id),
  day integer NOT NULL,
  ${CHUNK_DEFINITIONS},
  PRIMARY KEY (series, day),
  CHECK ((shard_sha256 IS NULL) = (shard_bytes IS NULL)),
  CHECK (condition NOT IN ${WHOLE_CONDITIONS} OR (shard_sha256 IS NOT NULL AND rows >= expected))
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk_gaps (
  series integer NOT NULL REFERENCES all_series (id),
  start_us integer NOT NULL, end_us integer NOT NULL, bars integer NOT NULL, evidence text NOT NULL,
  PRIMARY KEY (series, start_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk_revisions (
  series integer NOT NULL REFERENCES all_series (id),
  day integer NOT NULL, revision integer NOT NULL,
  archive_etag any, archive_sha256 any, shard_sha256 any, changed_rows integer, replaced_at any NOT NULL,
  PRIMARY KEY (series, day, revision)
) STRICT, WITHOUT ROWID;

${PACKS}${PACK_TRIGGERS}
-- REST's answers to "the first bar of all": one of a short interval tells that of the longer ones
CREATE TABLE beginnings (${SERIES},
  first_open_us integer NOT NULL,
  PRIMARY KEY (market, symbol, interval)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id integer PRIMARY KEY, started_at text NOT NULL, ended_at text, command text NOT NULL, counts text, exit integer
) STRICT;

CREATE TABLE bans (
  market text PRIMARY KEY CHECK (${MARKET_CHECK}), until text NOT NULL, reason text NOT NULL
) STRICT, WITHOUT ROWID;

${VIEWS}
PRAGMA user_version = ${VERSION};
`
