import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { listFiles } from './temp-lake.ts'

/*
 * What a lake holds of a chunk, read as the contract has it and by the Arrow project's own library: a file a day of bars of some minutes,
 * packs of a month or a year of coarser ones, whose `ckvd.chunks` states of each chunk what differs from the one before it.
 */

/** A chunk as a lake holds it; its metadata as that of a file of its own, whichever file it stands in. */
export interface StoredChunk {
  readonly day: string
  /** `ckvd.rows`, `ckvd.condition`, `ckvd.gaps` and the like */
  readonly metadata: ReadonlyMap<string, string>
  /** the values of each column, in the schema's order */
  readonly columns: readonly (BigInt64Array | Float64Array)[]
  readonly rows: number
}

interface SeriesName {
  readonly market: string
  readonly symbol: string
  readonly interval: string
}

const DAY_FILES = ['1s', '1m', '3m', '5m']
const MONTH_FILES = ['15m', '30m', '1h']
const MONTH_CHUNKS = ['3d', '1w', '1M']

/** Where the file of a chunk lies, relative to the lake. */
export function storedPath({ market, symbol, interval }: SeriesName, day: string): string {
  const [folder, period] = DAY_FILES.includes(interval)
    ? ['daily', day]
    : MONTH_FILES.includes(interval)
      ? ['monthly', day.slice(0, 7)]
      : ['yearly', day.slice(0, 4)]
  return `${folderOf(market, folder)}/${symbol}/${spelled(interval)}/${symbol}-${spelled(interval)}-${period}.arrow`
}

/** A chunk of a lake; undefined where there is none. A pack's digest of it is proved. */
export function readStoredChunk(lake: string, series: SeriesName, day: string): StoredChunk | undefined {
  const path = join(lake, storedPath(series, day))
  return existsSync(path) ? readChunks(readFileSync(path)).find((chunk) => chunk.day === day) : undefined
}

/** All chunks of klines in a lake, files in the order of their paths. */
export async function readStoredChunks(lake: string): Promise<StoredChunk[]> {
  const files = (await listFiles(join(lake, 'data'))).filter((file) => file.endsWith('.arrow') && file.includes('/klines/'))
  return files.flatMap((file) => readChunks(readFileSync(join(lake, 'data', file))))
}

/** The chunks of a file, in its order. */
export function readChunks(file: Uint8Array): StoredChunk[] {
  const table = tableFromIPC(file)
  const { fields, metadata } = table.schema
  if (table.batches.length !== 1) throw new Error(`Expected one record batch, found ${table.batches.length}`)
  const columns = fields.map((_, i) => table.getChildAt(i)!.data[0]!.values as BigInt64Array | Float64Array)
  const format = metadata.get('ckvd.format')
  if (format === '1') return [{ day: metadata.get('ckvd.day')!, metadata, columns, rows: table.numRows }]
  if (format !== '2' || metadata.get('ckvd.dataset') !== 'klines') throw new Error(`Expected klines of format 1 or 2, found ${format}`)
  const chunks = splitPack(metadata, columns)
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
  if (rows !== table.numRows) throw new Error(`Expected ${rows} rows, as the chunks have, found ${table.numRows}`)
  return chunks
}

type Entry = Readonly<Record<string, unknown>> & { readonly digest: string; readonly day?: string; readonly gaps?: readonly unknown[] }

function splitPack(metadata: ReadonlyMap<string, string>, values: readonly (BigInt64Array | Float64Array)[]): StoredChunk[] {
  const of = (key: string): string => metadata.get(`ckvd.${key}`) ?? ''
  const series = { market: of('market'), symbol: of('symbol'), interval: of('interval') }
  let facts: Record<string, unknown> = {
    ...{ rows: 0, expected: 0, condition: 'complete', source: 'rest', archive: null, sha256: null, etag: null },
    ...{ off_grid: 0, duplicates: 0, odd_close: 0, odd_rows: 0 },
  }
  let next = ''
  let start = 0
  return (JSON.parse(of('chunks')) as (Entry | string)[]).map((told) => {
    // where nothing but the digest is to be said of a chunk, it stands alone
    const { day = next, gaps = [], digest, ...changed }: Entry = typeof told === 'string' ? { digest: told } : told
    facts = { ...facts, ...changed }
    next = chunkAfter(day, series.interval)
    const rows = facts['rows'] as number
    const columns = values.map((column) => column.subarray(start, start + rows))
    start += rows
    const hash = createHash('sha256')
    for (const { buffer, byteOffset, byteLength } of columns) hash.update(new Uint8Array(buffer, byteOffset, byteLength))
    if (hash.digest().subarray(0, 16).toString('base64').replace(/=+$/, '') !== digest)
      throw new Error(`The rows of ${day} are not those of its digest`)
    const sha256 = facts['sha256'] as string | null
    const all: [string, unknown][] = [
      ...Object.entries({ ...series, day, source: facts['source'] }),
      ['archive.key', keyOf(series, day, facts['archive'] as string | null)],
      ['archive.sha256', sha256 === null ? '' : Buffer.from(sha256, 'base64').toString('hex')],
      ['archive.etag', facts['etag'] ?? ''],
      ...['condition', 'rows', 'expected', 'off_grid', 'duplicates', 'odd_close', 'odd_rows'].map((key): [string, unknown] => [
        key,
        facts[key],
      ]),
      ['gaps', JSON.stringify(gaps)],
    ]
    return { day, metadata: new Map(all.map(([key, value]) => [`ckvd.${key}`, String(value)])), columns, rows }
  })
}

function keyOf({ market, symbol, interval }: SeriesName, day: string, archive: string | null): string {
  if (archive !== 'daily' && archive !== 'monthly') return archive ?? ''
  const period = archive === 'monthly' ? day.slice(0, 7) : day
  return `${folderOf(market, archive)}/${symbol}/${spelled(interval)}/${symbol}-${spelled(interval)}-${period}.zip`
}

function folderOf(market: string, folder: string): string {
  return `data/${market === 'spot' ? 'spot' : `futures/${market}`}/${folder}/klines`
}

function spelled(interval: string): string {
  return interval === '1M' ? '1mo' : interval
}

function chunkAfter(day: string, interval: string): string {
  const date = new Date(`${day}T00:00:00Z`)
  if (MONTH_CHUNKS.includes(interval)) date.setUTCMonth(date.getUTCMonth() + 1)
  else date.setUTCDate(date.getUTCDate() + 1)
  return date.toISOString().slice(0, 10)
}

/** Alters rows of a chunk in its file, as a disk may: what the file says of them stays. */
export function alterStored(path: string, day: string, alter: (columns: StoredChunk['columns']) => void): void {
  const file = new Uint8Array(readFileSync(path))
  const chunk = readChunks(file).find((one) => one.day === day)
  if (chunk === undefined) throw new Error(`no chunk of ${day} in ${path}`)
  // views of the file's bytes
  alter(chunk.columns)
  writeFileSync(path, file)
}

/** The bytes of a chunk's columns, one after the other. */
export function bytesOf({ columns }: StoredChunk): Buffer {
  return Buffer.concat(columns.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)))
}
