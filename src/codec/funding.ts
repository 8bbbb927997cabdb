import { Field, makeData, RecordBatch, Schema, Struct } from 'apache-arrow'
import type { Data } from 'apache-arrow'
import { z } from 'zod'
import { CkvdError } from '../errors.ts'
import { readZipEntry } from './zip/zip-entry.ts'
import { checkSha256, parseChecksum } from './zip/checksum.ts'
import { parseArrowFile } from './arrow/arrow-file.ts'
import { ArrowFormatError } from './arrow/flat-reader.ts'
import { arrowType, ShardWriter } from './arrow/arrow-writer.ts'
import { digestColumns } from './arrow/columns-digest.ts'
import { LARGEST_FUNDING_CSV_BYTES } from './csv/csv-size.ts'
import { DIGEST_KEY, FORMAT_KEY } from './arrow/shard-meta.ts'

/** Funding rates as columns, in ascending order of time. */
export interface FundingColumns {
  /** microseconds, UTC; as published, a few milliseconds off the hour */
  readonly fundingTime: BigInt64Array
  /** hours that the rate is for; 0 where the source does not tell */
  readonly intervalHours: BigInt64Array
  readonly rate: Float64Array
}

/** A funding rate: time in microseconds, hours (0: not told), rate. */
export type FundingRow = readonly [timeUs: number, hours: number, rate: number]

/** The columns of a file or table of funding rates, in order. */
export const FUNDING_COLUMNS = [
  { key: 'fundingTime', name: 'funding_time', type: 'timestamp' },
  { key: 'intervalHours', name: 'funding_interval_hours', type: 'int64' },
  { key: 'rate', name: 'funding_rate', type: 'float64' },
] as const

const HEADER = 'calc_time,funding_interval_hours,last_funding_rate'
/** Times are whole milliseconds of the years 2019 on; more than an hour in a day's 24 is no funding interval. */
const LINE = /^(\d{13}),(\d{1,2}),(-?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,2})?)$/

/**
 * A monthly `fundingRate` archive of Vision: CHECKSUM, ZIP and CSV, all checked. The format was read off real files: a header row, times in
 * milliseconds, hours, rates with a sign.
 * @param stem file name without its ending, `BTCUSDT-fundingRate-2026-04`
 * @throws CKVD_CHECKSUM_…, CKVD_ZIP_…, CKVD_CSV_…
 */
export async function decodeFundingArchive(
  zip: Uint8Array,
  checksum: Uint8Array | null,
  stem: string,
): Promise<{ rows: FundingRow[]; sha256: string }> {
  if (checksum === null) throw new CkvdError('CKVD_CHECKSUM_MISSING', `Expected a CHECKSUM beside ${stem}.zip, found none.`)
  const sha256 = checkSha256(zip, parseChecksum(checksum, `${stem}.zip`))
  const lines = new TextDecoder().decode(await readZipEntry(zip, stem, { maxBytes: LARGEST_FUNDING_CSV_BYTES })).split(/\r?\n/)
  const rows: FundingRow[] = []
  lines.forEach((line, index) => {
    if (line === '' || (index === 0 && line === HEADER)) return
    const [, time = '', hours = '', rate = ''] = LINE.exec(line) ?? []
    if (time === '') {
      const code = index === 0 ? 'CKVD_CSV_HEADER' : line.split(',').length === 3 ? 'CKVD_CSV_NUMBER' : 'CKVD_CSV_COLUMNS'
      throw new CkvdError(code, `Expected time, hours and rate, found "${line.slice(0, 60)}" (${stem}, line ${index + 1}).`, {
        details: { line: index + 1 },
      })
    }
    rows.push([Number(time) * 1000, Number(hours), Number(rate)])
  })
  return { rows, sha256 }
}

const RestBody = z.array(z.object({ fundingTime: z.number().int().min(1e12).max(4e12), fundingRate: z.string().regex(/^-?\d+(\.\d+)?$/) }))

/** A page of REST's funding rates. Throws CKVD_REST_BODY. */
export function decodeFundingRest(body: Uint8Array, url: string): FundingRow[] {
  const text = new TextDecoder().decode(body)
  try {
    return RestBody.parse(JSON.parse(text)).map(({ fundingTime, fundingRate }) => [fundingTime * 1000, 0, Number(fundingRate)])
  } catch (cause) {
    throw new CkvdError('CKVD_REST_BODY', `Expected funding rates from ${url}, found ${text.slice(0, 80)}.`, { details: { url }, cause })
  }
}

/** Rows in order as columns. */
export function fundingColumns(rows: readonly FundingRow[]): FundingColumns {
  return {
    fundingTime: BigInt64Array.from(rows, ([timeUs]) => BigInt(timeUs)),
    intervalHours: BigInt64Array.from(rows, ([, hours]) => BigInt(hours)),
    rate: Float64Array.from(rows, ([, , rate]) => rate),
  }
}

export function fundingRows(columns: FundingColumns): FundingRow[] {
  return Array.from(columns.rate, (rate, i) => [Number(columns.fundingTime[i]), Number(columns.intervalHours[i]), rate])
}

/** What a stored month says of itself. */
export interface FundingMeta {
  readonly market: string
  readonly symbol: string
  /** `2026-04` */
  readonly month: string
  readonly archiveKey: string
  readonly archiveSha256: string
  readonly archiveEtag: string
}

/** A month of funding rates as an Arrow IPC file. The same input gives the same bytes. */
export function encodeFunding(columns: FundingColumns, meta: FundingMeta): Uint8Array {
  const length = columns.rate.length
  const fields = FUNDING_COLUMNS.map(({ name, type }) => new Field(name, arrowType(type), false))
  const children = FUNDING_COLUMNS.map(
    ({ key, type }) => makeData({ type: arrowType(type), length, nullCount: 0, data: columns[key] } as never) as Data,
  )
  const metadata = new Map([
    [FORMAT_KEY, '1'],
    ['ckvd.chart', 'fundingRate'],
    ['ckvd.market', meta.market],
    ['ckvd.symbol', meta.symbol],
    ['ckvd.month', meta.month],
    ['ckvd.source', 'vision-monthly'],
    ['ckvd.archive.key', meta.archiveKey],
    ['ckvd.archive.sha256', meta.archiveSha256],
    ['ckvd.archive.etag', meta.archiveEtag],
    ['ckvd.rows', String(length)],
    [DIGEST_KEY, digestFunding(columns)],
  ])
  const writer = new ShardWriter()
  writer.write(new RecordBatch(new Schema(fields, metadata), makeData({ type: new Struct(fields), length, nullCount: 0, children })))
  writer.finish()
  return writer.toUint8Array(true)
}

function digestFunding(columns: FundingColumns): string {
  return digestColumns({ openTime: columns.fundingTime, ...columns }, FUNDING_COLUMNS)
}

/** Reads a stored month, and checks it by the digest of its columns that it states. Throws CKVD_SHARD_FORMAT for whatever is not a whole file of this form and of that contract and month. */
export function decodeFunding(bytes: Uint8Array, expected: Pick<FundingMeta, 'market' | 'symbol' | 'month'>): FundingColumns {
  const refuse = (found: string): never => {
    throw new CkvdError(
      'CKVD_SHARD_FORMAT',
      `Expected the funding rates of ${expected.market} ${expected.symbol} ${expected.month}, found ${found}.`,
    )
  }
  try {
    const { schema, rows, columns } = parseArrowFile(bytes)
    const names = schema.fields.map(({ name, type }) => `${name} ${type}`).join(', ')
    if (names !== 'funding_time timestamp[us, UTC], funding_interval_hours int64, funding_rate float64')
      return refuse(`the columns ${names}`)
    for (const key of ['market', 'symbol', 'month'] as const)
      if (schema.metadata.get(`ckvd.${key}`) !== expected[key]) return refuse(`another ${key}`)
    const [time, hours, rate] = columns.map(({ start, nulls, sizeBytes }) => {
      if (nulls !== 0 || sizeBytes < rows * 8) return refuse('a column that is cut')
      // copied: a Buffer's slice would be a view, aligned or not
      return new Uint8Array(bytes.subarray(start, start + rows * 8)).buffer
    })
    const stored: FundingColumns = {
      fundingTime: new BigInt64Array(time as ArrayBuffer),
      intervalHours: new BigInt64Array(hours as ArrayBuffer),
      rate: new Float64Array(rate as ArrayBuffer),
    }
    // the first files of this form do not state it
    const digest = schema.metadata.get(DIGEST_KEY)
    return digest === undefined || digest === digestFunding(stored) ? stored : refuse('columns of another SHA-256 than it states')
  } catch (error) {
    if (error instanceof ArrowFormatError || error instanceof RangeError) return refuse(error.message)
    throw error
  }
}
