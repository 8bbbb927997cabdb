import { archiveStem } from '../../dataset/names.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Condition } from '../../model/condition.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayNumber, dayOfNumber, monthOf } from '../../model/utc-day.ts'
import type { DayRow, RawRow } from './catalog-rows.ts'
import { DAY_COLUMNS } from './catalog-rows.ts'
import type { StoredValue } from './stored-form.ts'
import { CHUNK_NAMES, CONDITION_NUMBERS, PACKAGINGS, SAID, SOURCE_DIGITS, USUAL } from './stored-form.ts'

/*
 * Rows made of what stored-form.ts selects, and stored values made of rows.
 */

const USUAL_ROW: RawRow = [0, ...CHUNK_NAMES.map((name) => USUAL[name] ?? null)]
/** Where the values of a chunk of which there is nothing unusual to say stand in `USUAL_ROW`. */
const SAID_PLACES = [0, ...SAID.map((name) => CHUNK_NAMES.indexOf(name) + 1)]

/** The rows of what `selectChunks` selects, by day. */
export function dayRowsOf(text: string, series: Series): DayRow[] {
  const usual = [...USUAL_ROW]
  const keys = keysOf(series)
  const rows = (JSON.parse(text) as RawRow[]).map((said) => {
    if (said.length !== SAID_PLACES.length) return dayRowOf(said, series, keys)
    for (let i = 0; i < said.length; i++) usual[SAID_PLACES[i] as number] = said[i] as string | number | null
    return dayRowOf(usual, series, keys)
  })
  return rows.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** A row from what `selectChunk` selects. Spelled out: a loop over the columns took three times as long, and a lake has a hundred thousand rows. */
export function dayRowOf(raw: RawRow, series: Series, keys = keysOf(series)): DayRow {
  // The schema (STRICT, NOT NULL, CHECK) is what guarantees these types: SQLite has refused any other value.
  const day = dayOfNumber(raw[0] as number) as UtcDay
  const archiveKey = raw[7] as string | number | null
  const updatedAt = raw[22] as string | number
  return {
    dataset: series.dataset,
    market: series.market,
    symbol: series.symbol,
    interval: series.interval,
    day,
    condition: raw[1] as Condition,
    source: raw[2] as string | null,
    rows: raw[3] as number,
    expected: raw[4] as number,
    shardSha256: raw[5] as string | null,
    shardBytes: raw[6] as number | null,
    archiveKey: typeof archiveKey === 'number' ? keyOf(keys, day, archiveKey === PACKAGINGS.daily ? 'daily' : 'monthly') : archiveKey,
    archiveEtag: raw[8] as string | null,
    archiveSha256: raw[9] as string | null,
    revision: raw[10] as number,
    offGrid: raw[11] as number,
    duplicates: raw[12] as number,
    conflicts: raw[13] as number,
    differingRows: raw[14] as number,
    oddClose: raw[15] as number,
    oddRows: raw[16] as number,
    evidence: raw[17] as string | null,
    errorCode: raw[18] as ErrorCode | null,
    error: raw[19] as string | null,
    accepted: raw[20] as string | null,
    recheck: raw[21] as 0 | 1,
    updatedAt: typeof updatedAt === 'number' ? new Date(updatedAt).toISOString() : updatedAt,
  }
}

/** How the keys of Vision's archives of a series begin. */
type KeyStems = Readonly<Record<Packaging, string>>

function keysOf(series: Series): KeyStems {
  return { daily: archiveStem(series, 'daily'), monthly: archiveStem(series, 'monthly') }
}

/** The key that Vision's archive of a chunk has. */
function keyOf(stems: KeyStems, day: UtcDay, packaging: Packaging): string {
  return `${stems[packaging]}${packaging === 'daily' ? day : monthOf(day)}.zip`
}

const SHA256_BYTES = 32
const SHA256 = /^[0-9a-f]{64}$/
const ETAG = /^[0-9a-f]{32}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * The stored values of a chunk of klines, in the order of `CHUNK_NAMES`, as `encodeChunk` makes them; undefined for one that has anything
 * unusual to say, which is left to SQL. JavaScript takes a fraction of SQL's time, and a run stores a hundred thousand.
 */
export function storedValues(row: DayRow): StoredValue[] | undefined {
  const { shardSha256, archiveEtag, archiveSha256, updatedAt } = row
  const source = row.source === null ? null : SOURCE_NUMBERS[row.source]
  const isUsual =
    row.dataset === undefined &&
    source !== undefined &&
    (shardSha256 === null || SHA256.test(shardSha256)) &&
    (archiveEtag === null || ETAG.test(archiveEtag)) &&
    (archiveSha256 === null || SHA256.test(archiveSha256)) &&
    TIME.test(updatedAt)
  const updatedMs = isUsual ? Date.parse(updatedAt) : NaN
  if (!isUsual || Number.isNaN(updatedMs)) return undefined
  return [
    CONDITION_NUMBERS[row.condition],
    source,
    row.rows,
    row.expected,
    bytesOf(shardSha256),
    row.shardBytes,
    storedKey(row),
    bytesOf(archiveEtag),
    bytesOf(archiveSha256),
    row.revision,
    row.offGrid,
    row.duplicates,
    row.conflicts,
    row.differingRows,
    row.oddClose,
    row.oddRows,
    row.evidence,
    row.errorCode,
    row.error,
    row.accepted,
    row.recheck,
    updatedMs,
  ]
}

const SOURCE_NUMBERS: Readonly<Partial<Record<string, number>>> = Object.fromEntries(SOURCE_DIGITS)

function bytesOf(hex: string | null): Uint8Array | null {
  return hex === null ? null : Buffer.from(hex, 'hex')
}

function storedKey(row: DayRow): StoredValue {
  const { archiveKey } = row
  if (archiveKey === null) return null
  const form = archiveKey.includes('/monthly/') ? 'monthly' : 'daily'
  return archiveKey === keyOf(keysOf(row), row.day, form) ? PACKAGINGS[form] : archiveKey
}

/** What chunks of one archive say each for itself. */
const OWN: readonly string[] = ['day', 'shardSha256', 'updatedAt']
const SHARED = Object.values(DAY_COLUMNS).filter((key) => !OWN.includes(key))

/** True where two chunks say the same but for their days, digests and times. */
export function saysTheSame(a: DayRow, b: DayRow): boolean {
  return SHARED.every((key) => a[key] === b[key])
}

/** Chunks that say the same, in the form in which one statement stores them. */
export interface StoredTogether {
  /** as `storedValues`, without the time, and with the digests of all of them one after the other */
  readonly values: readonly StoredValue[]
  /** JSON: day and time of each */
  readonly own: string
}

/** What of chunks that say the same is stored; undefined for fewer than two, and where one is left to SQL, or has no shard. */
export function storedTogether(rows: readonly DayRow[]): StoredTogether | undefined {
  const values = rows[0] === undefined || rows.length < 2 ? undefined : storedValues(rows[0])?.slice(0, -1)
  if (values === undefined) return undefined
  const digests = Buffer.allocUnsafe(rows.length * SHA256_BYTES)
  const own: [number, number][] = []
  for (const [i, { day, shardSha256, updatedAt }] of rows.entries()) {
    const updatedMs = TIME.test(updatedAt) ? Date.parse(updatedAt) : NaN
    if (shardSha256 === null || !SHA256.test(shardSha256) || Number.isNaN(updatedMs)) return undefined
    digests.write(shardSha256, i * SHA256_BYTES, 'hex')
    own.push([dayNumber(day), updatedMs])
  }
  values[CHUNK_NAMES.indexOf('shard_sha256')] = digests
  return { values, own: JSON.stringify(own) }
}
