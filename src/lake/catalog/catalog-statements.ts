import type Database from 'libsql'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import { DAY_COLUMNS } from './catalog-rows.ts'

const DAYS = Object.keys(DAY_COLUMNS)
const ONE_SERIES = 'market = ? AND symbol = ? AND interval = ?'
const UNEXPLAINED = `(${CONDITIONS.filter((condition) => !isExplained(condition))
  .map((condition) => `'${condition}'`)
  .join(', ')})`

/** A person's acceptance outlives a run that finds the day in the same unexplained condition. */
const KEEP_ACCEPTANCE = `CASE
  WHEN days.accepted IS NOT NULL AND excluded.accepted IS NULL AND excluded.condition = days.condition AND excluded.condition IN ${UNEXPLAINED}
  THEN days.accepted ELSE excluded.accepted END`

const SERIES_COLUMNS =
  'market, symbol, interval, first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at'

const SQL = {
  getSeries: `SELECT ${SERIES_COLUMNS} FROM series WHERE ${ONE_SERIES}`,
  listSeries: `SELECT ${SERIES_COLUMNS} FROM series
    WHERE market = coalesce(?, market) AND symbol = coalesce(?, symbol) AND interval = coalesce(?, interval) ORDER BY market, symbol, interval`,
  putSeries: `INSERT OR REPLACE INTO series (${SERIES_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  listStoredSeries: `SELECT DISTINCT market, symbol, interval FROM days ORDER BY market, symbol, interval`,
  getDay: `SELECT ${DAYS.join(', ')} FROM days WHERE ${ONE_SERIES} AND day = ?`,
  readDays: `SELECT ${DAYS.join(', ')} FROM days WHERE ${ONE_SERIES} AND day >= ? AND day < ? ORDER BY day LIMIT ?`,
  putDay: `INSERT INTO days (${DAYS.join(', ')}) VALUES (${DAYS.map(() => '?').join(', ')})
    ON CONFLICT (market, symbol, interval, day) DO UPDATE SET
    ${DAYS.slice(4)
      .map((name) => (name === 'accepted' ? `accepted = ${KEEP_ACCEPTANCE}` : `${name} = excluded.${name}`))
      .join(', ')}`,
  setAccepted: `UPDATE days SET accepted = ? WHERE ${ONE_SERIES} AND day = ?`,
  lastDayWithBars: `SELECT max(day) FROM days WHERE ${ONE_SERIES} AND rows > 0`,
  listBeginnings: `SELECT interval, first_open_us FROM beginnings WHERE market = ? AND symbol = ?`,
  putBeginning: `INSERT OR REPLACE INTO beginnings (market, symbol, interval, first_open_us) VALUES (?, ?, ?, ?)`,
  listGaps: `SELECT start_us, end_us, bars, evidence FROM gaps WHERE ${ONE_SERIES} AND start_us >= ? AND start_us < ? ORDER BY start_us`,
  deleteGaps: `DELETE FROM gaps WHERE ${ONE_SERIES} AND start_us >= ? AND start_us < ?`,
  putGap: `INSERT INTO gaps (market, symbol, interval, start_us, end_us, bars, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  putRevision: `INSERT OR REPLACE INTO revisions
    (market, symbol, interval, day, revision, archive_etag, archive_sha256, shard_sha256, changed_rows, replaced_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  deleteDay: `DELETE FROM days WHERE ${ONE_SERIES} AND day = ?`,
  deleteRevisions: `DELETE FROM revisions WHERE ${ONE_SERIES} AND day = ?`,
  startRun: `INSERT INTO runs (started_at, command) VALUES (?, ?) RETURNING id`,
  endRun: `UPDATE runs SET ended_at = ?, counts = ?, exit = ? WHERE id = ?`,
  // a later report never shortens a ban
  begin: `BEGIN IMMEDIATE`,
  commit: `COMMIT`,
  rollback: `ROLLBACK`,
} as const

/** The tables from which a series is removed as a whole. */
export const SERIES_TABLES = ['series', 'days', 'gaps', 'revisions', 'beginnings'] as const

/** Values to bind. Never a boolean: libsql 0.5 aborts the process on one. */
export type Binding = string | number | null

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
