import type { Condition } from '../../model/condition.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import type { DAY_COLUMNS } from './catalog-rows.ts'

/*
 * How the catalog keeps a chunk: numbers for what is one of a few words, bytes for digests, nothing for what can be derived. SQL alone
 * turns one form into the other, for the program's statements, for the views that users see, and when an older catalog is migrated; two columns
 * the program reads as they are stored.
 */

/** Numbers of the conditions: a number never changes its meaning. */
export const CONDITION_NUMBERS: Readonly<Record<Condition, number>> = {
  complete: 1,
  provisional: 2,
  outage: 3,
  unlisted: 4,
  pending: 5,
  partial: 6,
  disputed: 7,
  unexplainable: 8,
  quarantined: 9,
  failed: 10,
}

/** Digits of the sources; a mix is a number of several digits, in the order in which they are joined. */
export const SOURCE_DIGITS = [
  ['vision-daily', 1],
  ['vision-monthly', 2],
  ['rest', 3],
] as const

/** How an archive's packaging is written where its key follows from it. */
export const PACKAGINGS = { daily: 1, monthly: 2 } as const

/** A list of conditions for SQL's `IN`, by number. */
function numbersOf(conditions: readonly Condition[]): string {
  return `(${conditions.map((condition) => CONDITION_NUMBERS[condition]).join(', ')})`
}

const ALL_CONDITIONS = numbersOf(CONDITIONS)
export const SETTLED_CONDITIONS = numbersOf(['complete'])
export const UNEXPLAINED_CONDITIONS = numbersOf(CONDITIONS.filter((condition) => !isExplained(condition)))
export const WHOLE_CONDITIONS = numbersOf(['complete', 'provisional'])

/** One column: its type in the table, and SQL that makes the stored value of the public one and back. */
interface StoredColumn {
  readonly type: string
  /** @param row alias of a row with the public columns, among them market, symbol, interval and day */
  readonly encode: (row: string) => string
  /** @param chunk alias of a stored chunk; @param series alias of its series */
  readonly decode: (chunk: string, series: string) => string
}

/** `YYYY-MM-DD` as days since 1970-01-01. */
export function encodeDay(text: string): string {
  return `(unixepoch(${text}) / 86400)`
}

export function decodeDay(number: string): string {
  return `date(${number} * 86400, 'unixepoch')`
}

const CANONICAL_TIME = `'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'`

/** ISO text with milliseconds as a number of milliseconds; other text stays. */
export function encodeTime(text: string): string {
  return `CASE WHEN ${text} GLOB ${CANONICAL_TIME} THEN unixepoch(substr(${text}, 1, 19)) * 1000 + substr(${text}, 21, 3) ELSE ${text} END`
}

export function decodeTime(value: string): string {
  return `CASE typeof(${value}) WHEN 'integer'
    THEN strftime('%Y-%m-%dT%H:%M:%S', ${value} / 1000, 'unixepoch') || printf('.%03dZ', ${value} % 1000) ELSE ${value} END`
}

/** Hex digits of some bytes as these bytes; other text stays. */
export function encodeHex(text: string, bytes: number): string {
  return `CASE WHEN length(${text}) = ${2 * bytes} AND ${text} NOT GLOB '*[^0-9a-f]*' THEN unhex(${text}) ELSE ${text} END`
}

export function decodeHex(value: string): string {
  return `CASE typeof(${value}) WHEN 'blob' THEN lower(hex(${value})) ELSE ${value} END`
}

/** A case for each pair, of a simple CASE expression. */
function cases(value: string, pairs: readonly (readonly [string | number, string | number])[]): string {
  return `CASE ${value} ${pairs.map(([from, to]) => `WHEN ${from} THEN ${to}`).join(' ')} END`
}

/** The key that Vision's archive of a chunk has. @param series alias with market, symbol and interval; @param day as text */
function archiveKeyOf(series: string, day: string, packaging: keyof typeof PACKAGINGS, dataset: string): string {
  const folder = `CASE ${series}.market WHEN 'spot' THEN 'spot' ELSE 'futures/' || ${series}.market END`
  const interval = `CASE ${series}.interval WHEN '1M' THEN '1mo' ELSE ${series}.interval END`
  const period = packaging === 'daily' ? day : `substr(${day}, 1, 7)`
  const path = `'data/' || ${folder} || '/${packaging}/' || ${dataset} || '/' || ${series}.symbol || '/' || ${interval} || '/'`
  return `(${path} || ${series}.symbol || '-' || ${interval} || '-' || ${period} || '.zip')`
}

const same = (name: string, type: string): StoredColumn => ({
  type,
  encode: (row) => `${row}.${name}`,
  decode: (chunk) => `${chunk}.${name}`,
})

const digest = (name: string, bytes: number): StoredColumn => ({
  type: 'any',
  encode: (row) => encodeHex(`${row}.${name}`, bytes),
  decode: (chunk) => decodeHex(`${chunk}.${name}`),
})

const COUNT = `integer NOT NULL`
const PLAIN = (name: string): StoredColumn => same(name, COUNT)

type ChunkColumn = Exclude<keyof typeof DAY_COLUMNS, 'market' | 'symbol' | 'interval' | 'day'>

/** The columns of a chunk beside its series and its day. */
const CHUNK_COLUMNS: Readonly<Record<ChunkColumn, StoredColumn>> = {
  condition: {
    type: `${COUNT} CHECK (condition IN ${ALL_CONDITIONS})`,
    encode: (row) =>
      cases(
        `${row}.condition`,
        CONDITIONS.map((name) => [`'${name}'`, CONDITION_NUMBERS[name]]),
      ),
    decode: (chunk) =>
      cases(
        `${chunk}.condition`,
        CONDITIONS.map((name) => [CONDITION_NUMBERS[name], `'${name}'`]),
      ),
  },
  source: {
    type: 'any',
    encode: (row) => {
      const digits = SOURCE_DIGITS.reduce((text, [name, digit]) => `replace(${text}, '${name}', '${digit}')`, `${row}.source`)
      const number = `replace(${digits}, '+', '')`
      return `CASE WHEN ${number} GLOB '[1-9]*' AND ${number} NOT GLOB '*[^1-9]*' THEN CAST(${number} AS integer) ELSE ${row}.source END`
    },
    decode: (chunk) => {
      const names = SOURCE_DIGITS.reduce((text, [name, digit]) => `replace(${text}, '${digit}', '${name}+')`, `${chunk}.source`)
      const mix = `CASE typeof(${chunk}.source) WHEN 'integer' THEN rtrim(${names}, '+') ELSE ${chunk}.source END`
      // nearly all have one source
      return `CASE ${chunk}.source ${SOURCE_DIGITS.map(([name, digit]) => `WHEN ${digit} THEN '${name}'`).join(' ')} ELSE ${mix} END`
    },
  },
  rows: PLAIN('rows'),
  expected: PLAIN('expected'),
  shard_sha256: digest('shard_sha256', 32),
  shard_bytes: same('shard_bytes', 'integer'),
  archive_key: {
    type: 'any',
    encode: (row) =>
      `CASE ${row}.archive_key ${Object.entries(PACKAGINGS)
        .map(([name, number]) => `WHEN ${archiveKeyOf(row, `${row}.day`, name as keyof typeof PACKAGINGS, `'klines'`)} THEN ${number}`)
        .join(' ')} ELSE ${row}.archive_key END`,
    decode: (chunk, series) => {
      const key = (packaging: keyof typeof PACKAGINGS): string =>
        archiveKeyOf(series, decodeDay(`${chunk}.day`), packaging, `${series}.dataset`)
      return `CASE WHEN typeof(${chunk}.archive_key) <> 'integer' THEN ${chunk}.archive_key
        WHEN ${chunk}.archive_key = ${PACKAGINGS.daily} THEN ${key('daily')} ELSE ${key('monthly')} END`
    },
  },
  archive_etag: digest('archive_etag', 16),
  archive_sha256: digest('archive_sha256', 32),
  revision: PLAIN('revision'),
  off_grid: PLAIN('off_grid'),
  duplicates: PLAIN('duplicates'),
  conflicts: PLAIN('conflicts'),
  differing_rows: PLAIN('differing_rows'),
  odd_close: PLAIN('odd_close'),
  odd_rows: PLAIN('odd_rows'),
  evidence: same('evidence', 'text'),
  error_code: same('error_code', 'text'),
  error: same('error', 'text'),
  accepted: same('accepted', 'text'),
  recheck: same('recheck', `${COUNT} CHECK (recheck IN (0, 1))`),
  updated_at: {
    type: 'any NOT NULL',
    encode: (row) => encodeTime(`${row}.updated_at`),
    decode: (chunk) => decodeTime(`${chunk}.updated_at`),
  },
}

/** Names of a chunk's columns beside its series and its day, in the order of the table and of the view `days`. */
export const CHUNK_NAMES = Object.keys(CHUNK_COLUMNS) as readonly ChunkColumn[]

/** The definitions of these columns in `CREATE TABLE`. */
export const CHUNK_DEFINITIONS = CHUNK_NAMES.map((name) => `${name} ${CHUNK_COLUMNS[name].type}`).join(',\n  ')

/** SQL of the stored values of a row with the public columns. @param row its alias */
export function encodeChunk(row: string): string[] {
  return CHUNK_NAMES.map((name) => CHUNK_COLUMNS[name].encode(row))
}

/** A stored value, to be bound. */
export type StoredValue = string | number | Uint8Array | null

/** SQL of a stored value that is bound: every number of JavaScript comes as a real one, which a column of any type would keep. */
export function bindStored(name: ChunkColumn, parameter: string): string {
  const isAny = CHUNK_COLUMNS[name].type.startsWith('any')
  return isAny ? `iif(typeof(${parameter}) = 'real', CAST(${parameter} AS integer), ${parameter})` : parameter
}

/** What the program reads as it is stored: JavaScript makes text of it in a third of the time that SQLite takes. */
const READ_AS_STORED: readonly string[] = ['archive_key', 'updated_at'] satisfies ChunkColumn[]

/** SQL of the values from which `dayRowOf` makes a row: the chunk's day, then its columns. @param chunk, series aliases */
export function selectChunk(chunk: string, series: string): string {
  const columns = CHUNK_NAMES.map((name) =>
    READ_AS_STORED.includes(name) ? `${chunk}.${name}` : CHUNK_COLUMNS[name].decode(chunk, series),
  )
  return [`${chunk}.day`, ...columns].join(', ')
}

/** What nearly every chunk has of the columns of which there is hardly ever anything to say. */
export const USUAL: Readonly<Partial<Record<ChunkColumn, 0 | 1 | null>>> = {
  revision: 1,
  off_grid: 0,
  duplicates: 0,
  conflicts: 0,
  differing_rows: 0,
  odd_close: 0,
  odd_rows: 0,
  evidence: null,
  error_code: null,
  error: null,
  accepted: null,
  recheck: 0,
}
export const SAID = CHUNK_NAMES.filter((name) => !(name in USUAL))
/**
 * SQL of all selected chunks as one JSON text, an array a chunk: the values of `selectChunk`, or of them those of `SAID` where all others are
 * the usual ones. Each value that SQLite hands over costs more than what it takes to write it and to parse it: years of a series are read
 * in half the time. @param chunk, series aliases
 */
export function selectChunks(chunk: string, series: string): string {
  const valueOf = (name: ChunkColumn): string =>
    READ_AS_STORED.includes(name) ? `${chunk}.${name}` : CHUNK_COLUMNS[name].decode(chunk, series)
  const isUsual = Object.entries(USUAL).map(([name, value]) => `${chunk}.${name} IS ${String(value)}`)
  const array = (names: readonly ChunkColumn[]): string => `json_array(${[`${chunk}.day`, ...names.map(valueOf)].join(', ')})`
  return `json_group_array(CASE WHEN ${isUsual.join(' AND ')} THEN ${array(SAID)} ELSE ${array(CHUNK_NAMES)} END)`
}

/** SQL of the public values of a stored chunk, as columns of these names. @param chunk, series aliases */
export function decodeChunk(chunk: string, series: string): string[] {
  return CHUNK_NAMES.map((name) => `${CHUNK_COLUMNS[name].decode(chunk, series)} AS ${name}`)
}
