import type Database from 'libsql'
import { rowBytesOf } from '../../codec/arrow/chunk-bytes.ts'
import type { StoredValue } from './stored-form.ts'
import {
  bindStored,
  CHUNK_NAMES,
  selectChunk,
  selectChunks,
  decodeDay,
  decodeHex,
  decodeTime,
  encodeChunk,
  encodeDay,
  encodeHex,
  encodeTime,
  SETTLED_CONDITIONS,
  UNEXPLAINED_CONDITIONS,
  WHOLE_CONDITIONS,
} from './stored-form.ts'

/** What names a series. */
const KEY = ['dataset', 'market', 'symbol', 'interval'] as const
const ONE_SERIES = KEY.map((name) => `${name} = ?`).join(' AND ')
/** Klines first: what reads of one data set alone finds them where they were. */
const ORDER = `dataset <> 'klines', dataset, market, symbol, interval`
/** The number of a series; NULL where there is none. */
const SERIES_ID = `(SELECT id FROM all_series WHERE ${ONE_SERIES})`

/** A person's acceptance outlives a run that finds the day in the same unexplained condition. */
const KEEP_ACCEPTANCE = `CASE
  WHEN chunks.accepted IS NOT NULL AND excluded.accepted IS NULL AND excluded.condition = chunks.condition
    AND excluded.condition IN ${UNEXPLAINED_CONDITIONS}
  THEN chunks.accepted ELSE excluded.accepted END`

const ON_CONFLICT = `ON CONFLICT (series, day) DO UPDATE SET
  ${CHUNK_NAMES.map((name) => (name === 'accepted' ? `accepted = ${KEEP_ACCEPTANCE}` : `${name} = excluded.${name}`)).join(', ')}`

const SERIES_FACTS = [
  'first_day',
  'last_day',
  'first_open_us',
  'first_source',
  'last_open_us',
  'ended_us',
  'phase',
  'listed_at',
  'first_forms',
] as const
const SERIES_COLUMNS = [...KEY, ...SERIES_FACTS].join(', ')

const DAY_OF_CHUNK = `SELECT ${selectChunk('c', 's')}
    FROM all_series s JOIN chunks c ON c.series = s.id WHERE ${KEY.map((name) => `s.${name} = ?`).join(' AND ')}`

/** A stored time at or after a moment, bound as milliseconds and as ISO text. */
const isSince = (column: string): string => `CASE typeof(${column}) WHEN 'integer' THEN ${column} >= ? ELSE ${column} >= ? END`

/** SQL of a value of one of the chunks that `storedTogether` gives; `p` is its element of the list. */
function bindTogether(name: (typeof CHUNK_NAMES)[number], place: number): string {
  const bound = `?${place + 3}`
  if (name === 'shard_sha256') return `substr(${bound}, p.key * 32 + 1, 32)`
  return name === 'updated_at' ? 'p.value ->> 1' : bindStored(name, bound)
}

const SQL = {
  getSeries: `SELECT ${SERIES_COLUMNS} FROM all_series WHERE ${ONE_SERIES} AND is_known`,
  listSeries: `SELECT ${SERIES_COLUMNS} FROM all_series
    WHERE is_known ORDER BY ${ORDER}`,
  putSeries: `INSERT INTO all_series (is_known, ${SERIES_COLUMNS}) VALUES (1, ${[...KEY, ...SERIES_FACTS].map(() => '?').join(', ')})
    ON CONFLICT (dataset, market, symbol, interval) DO UPDATE SET is_known = 1, ${SERIES_FACTS.map((name) => `${name} = excluded.${name}`).join(', ')}`,
  getId: `SELECT id FROM all_series WHERE ${ONE_SERIES}`,
  // a chunk may be stored before the listing was read for its series
  nameSeries: `INSERT OR IGNORE INTO all_series (is_known, ${KEY.join(', ')}) VALUES (0, ?, ?, ?, ?)`,
  listStoredSeries: `SELECT ${KEY.join(', ')} FROM all_series s
    WHERE EXISTS (SELECT 1 FROM chunks WHERE series = s.id) ORDER BY ${ORDER}`,
  getDay: `${DAY_OF_CHUNK} AND c.day = ${encodeDay('?')}`,
  readDays: `SELECT ${selectChunks('c', 's')} FROM all_series s
    JOIN (SELECT * FROM chunks WHERE series = ${SERIES_ID} AND day >= ? AND day < ? ORDER BY day LIMIT ?) c ON c.series = s.id`,
  findWhole: `SELECT p.key, sum(c.rows), lower(group_concat(hex(c.shard_sha256), ''))
    FROM json_each(?) p JOIN chunks c ON c.series = ${SERIES_ID} AND c.day >= p.value ->> 0 AND c.day < p.value ->> 1
    WHERE c.condition IN ${WHOLE_CONDITIONS} AND c.rows = ? AND c.expected = c.rows AND c.shard_bytes = c.rows * ${rowBytesOf({})}
      AND typeof(c.shard_sha256) = 'blob'
    GROUP BY p.key HAVING count(*) = (p.value ->> 1) - (p.value ->> 0)`,
  findPacks: `SELECT first, end_day, lower(hex(sha256)) FROM packs WHERE series = ${SERIES_ID} AND end_day > ? AND first < ? AND bars = ?`,
  putPack: `INSERT OR REPLACE INTO packs (series, first, end_day, bars, sha256)
    SELECT series, min(day), max(day) + 1, max(rows), ?1 FROM chunks
    WHERE series = (SELECT id FROM all_series WHERE dataset = ?2 AND market = ?3 AND symbol = ?4 AND interval = ?5) AND day >= ?6 AND day < ?7
    HAVING count(*) = ?7 - ?6 AND min(rows) = max(rows) AND min(expected = rows AND condition IN ${WHOLE_CONDITIONS}
      AND shard_bytes = rows * ${rowBytesOf({})} AND typeof(shard_sha256) = 'blob')`,
  countSettled: `SELECT count(*) FROM chunks WHERE series = ${SERIES_ID} AND day >= ? AND day < ?
      AND condition IN ${SETTLED_CONDITIONS} AND rows = ? AND expected = rows AND recheck = 0 AND shard_sha256 IS NOT NULL`,
  putStored: `INSERT INTO chunks (series, day, ${CHUNK_NAMES.join(', ')})
    VALUES (?1, ?2, ${CHUNK_NAMES.map((name, i) => bindStored(name, `?${i + 3}`)).join(', ')}) ${ON_CONFLICT}`,
  // chunks of one archive: SQLite takes a fraction of the time that it takes for each alone
  putStoredTogether: `INSERT INTO chunks (series, day, ${CHUNK_NAMES.join(', ')})
    SELECT ?1, p.value ->> 0, ${CHUNK_NAMES.map(bindTogether).join(', ')} FROM json_each(?2) p WHERE true ${ON_CONFLICT}`,
  readDaysSince: `${DAY_OF_CHUNK} AND ${isSince('c.updated_at')} ORDER BY c.day`,
  readRevisionsSince: `SELECT ${decodeDay('day')}, revision, ${['archive_etag', 'archive_sha256', 'shard_sha256'].map(decodeHex).join(', ')},
    changed_rows, ${decodeTime('replaced_at')} FROM chunk_revisions WHERE series = ${SERIES_ID} AND ${isSince('replaced_at')} ORDER BY day, revision`,
  putDay: `INSERT INTO chunks (series, day, ${CHUNK_NAMES.join(', ')})
    SELECT s.id, ${encodeDay('v.day')}, ${encodeChunk('v').join(', ')}
    FROM (SELECT ${[...KEY, 'day', ...CHUNK_NAMES].map((name) => `? AS ${name}`).join(', ')}) v
    JOIN all_series s ON ${KEY.map((name) => `s.${name} = v.${name}`).join(' AND ')} WHERE true
    ${ON_CONFLICT}`,
  setAccepted: `UPDATE chunks SET accepted = ? WHERE series = ${SERIES_ID} AND day = ${encodeDay('?')}`,
  lastDayWithBars: `SELECT ${decodeDay('max(day)')} FROM chunks WHERE series = ${SERIES_ID} AND rows > 0`,
  listBeginnings: `SELECT interval, first_open_us FROM beginnings WHERE market = ? AND symbol = ?`,
  putBeginning: `INSERT OR REPLACE INTO beginnings (market, symbol, interval, first_open_us) VALUES (?, ?, ?, ?)`,
  listGaps: `SELECT start_us, end_us, bars, evidence FROM chunk_gaps WHERE series = ${SERIES_ID} AND start_us >= ? AND start_us < ? ORDER BY start_us`,
  deleteGaps: `DELETE FROM chunk_gaps WHERE series = ${SERIES_ID} AND start_us >= ? AND start_us < ?`,
  putGap: `INSERT INTO chunk_gaps (series, start_us, end_us, bars, evidence) VALUES (${SERIES_ID}, ?, ?, ?, ?)`,
  putRevision: `INSERT OR REPLACE INTO chunk_revisions
    (series, day, revision, archive_etag, archive_sha256, shard_sha256, changed_rows, replaced_at)
    SELECT ${SERIES_ID}, ${encodeDay('day')}, revision, ${encodeHex('archive_etag', 16)}, ${encodeHex('archive_sha256', 32)},
      ${encodeHex('shard_sha256', 32)}, changed_rows, ${encodeTime('replaced_at')}
    FROM (SELECT ? AS day, ? AS revision, ? AS archive_etag, ? AS archive_sha256, ? AS shard_sha256, ? AS changed_rows, ? AS replaced_at)`,
  deleteDay: `DELETE FROM chunks WHERE series = ${SERIES_ID} AND day = ${encodeDay('?')}`,
  deleteRevisions: `DELETE FROM chunk_revisions WHERE series = ${SERIES_ID} AND day = ${encodeDay('?')}`,
  deleteAllDays: `DELETE FROM chunks WHERE series = ${SERIES_ID}`,
  deleteAllGaps: `DELETE FROM chunk_gaps WHERE series = ${SERIES_ID}`,
  deleteAllRevisions: `DELETE FROM chunk_revisions WHERE series = ${SERIES_ID}`,
  deleteBeginnings: `DELETE FROM beginnings WHERE market = ? AND symbol = ? AND interval = ?`,
  deleteSeries: `DELETE FROM all_series WHERE ${ONE_SERIES}`,
  startRun: `INSERT INTO runs (started_at, command) VALUES (?, ?) RETURNING id`,
  listRuns: `SELECT id, started_at, ended_at, command, counts, exit FROM runs ORDER BY id`,
  endRun: `UPDATE runs SET ended_at = ?, counts = ?, exit = ? WHERE id = ?`,
  begin: `BEGIN IMMEDIATE`,
  commit: `COMMIT`,
  rollback: `ROLLBACK`,
} as const

/** Values to bind. Never a boolean: libsql 0.5 aborts the process on one. */
export type Binding = StoredValue

/** One prepared statement; rows are arrays in the order of the columns. */
export interface Statement {
  all(values: readonly Binding[]): unknown[]
  get(values: readonly Binding[]): unknown
  run(values: readonly Binding[]): unknown
}

export type Statements = Readonly<Record<keyof typeof SQL, Statement>>

/** Prepares every statement once; a table or column that is missing shows here. */
export function prepareStatements(database: Database.Database): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => {
    const statement = database.prepare(sql)
    return [name, statement.reader ? statement.raw() : statement] as const
  })
  return Object.fromEntries(prepared) as unknown as Statements
}
