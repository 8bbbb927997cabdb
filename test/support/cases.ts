import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import { KLINE_COLUMNS } from '../../src/model/kline.ts'
import type { Market } from '../../src/model/market.ts'
import type { RequestRecord, Sandbox, SandboxOptions } from '../../src/sandbox/index.ts'
import type { CommandResult } from './ckvd.ts'
import { ingestResult, runHere } from './ckvd.ts'
import { startSandbox } from './dist.ts'
import { urlVariables } from './exchange.ts'
import type { StoredChunk } from './stored-chunk.ts'
import { readChunks, readStoredChunks } from './stored-chunk.ts'
import { createTempDirectory, queryCatalog } from './temp-lake.ts'
import { buildZip, checksumOf } from './zip-builder.ts'

/** A row of the catalog's table `days`, as SQLite gives it. */
export interface CatalogDay {
  readonly symbol: string
  readonly interval: string
  readonly day: string
  readonly condition: string
  readonly source: string | null
  readonly rows: number
  readonly expected: number
  readonly shard_sha256: string | null
  readonly archive_key: string | null
  readonly archive_etag: string | null
  readonly archive_sha256: string | null
  readonly revision: number
  readonly off_grid: number
  readonly duplicates: number
  readonly conflicts: number
  readonly differing_rows: number
  readonly evidence: string | null
  readonly error: string | null
  /** why a person accepts the day; null: nobody does */
  readonly accepted: string | null
}

/** A gap of the catalog; times as ISO text without milliseconds. */
export interface CatalogGap {
  readonly start: string
  readonly end: string
  readonly bars: number
  /** JSON, as the catalog has it */
  readonly evidence: string
}

/** The evidence of an answer of REST that holds the bars which open at these times, and none between. */
export function restProof(before: string, after: string): string {
  return JSON.stringify({ source: 'rest', before_us: Date.parse(before) * 1000, after_us: Date.parse(after) * 1000 })
}

export interface CatalogRevision {
  readonly day: string
  readonly revision: number
  readonly archive_etag: string | null
  readonly shard_sha256: string | null
  readonly changed_rows: number | null
}

/** What to ask of `ckvd ingest`; days half-open. */
export interface Ask {
  readonly market?: Market
  readonly symbols: readonly string[]
  readonly intervals?: string
  readonly start?: string
  readonly end?: string
  readonly flags?: readonly string[]
}

/** What a run of `ckvd ingest --json` gave. */
export interface Outcome extends IngestResult {
  readonly stderr: string
}

/** One bar as the numbers of the shard's columns, times in microseconds. */
export type Cells = readonly (bigint | number)[]

/** An exchange, a lake that does not exist yet, and a clock that stands where it is put. */
export class World implements AsyncDisposable {
  readonly sandbox: Sandbox
  readonly lake: string
  readonly folder: string
  readonly #clock: { now: string }
  readonly #closers: readonly AsyncDisposable[]
  readonly #rest: Sandbox

  constructor(
    sandbox: Sandbox,
    rest: Sandbox,
    temp: { path: string; lake: string },
    clock: { now: string },
    closers: readonly AsyncDisposable[],
  ) {
    this.sandbox = sandbox
    this.#rest = rest
    this.lake = temp.lake
    this.folder = temp.path
    this.#clock = clock
    this.#closers = closers
  }

  set now(iso: string) {
    this.#clock.now = iso
  }

  /** Where what is known of REST is kept: each world is an address of its own. */
  get state(): string {
    return join(this.folder, 'state')
  }

  get env(): Record<string, string> {
    const { spotRest, umRest, cmRest } = this.#rest.urls
    return {
      ...urlVariables(this.sandbox),
      CKVD_SPOT_REST_URL: spotRest,
      CKVD_UM_REST_URL: umRest,
      CKVD_CM_REST_URL: cmRest,
      CKVD_NOW: this.#clock.now,
      CKVD_MAX_RETRIES: '1',
      CKVD_WORKERS: '1',
      CKVD_LAKE: this.lake,
      CKVD_STATE: this.state,
    }
  }

  /** REST requests so far; those of another server than the archives', where there are two. */
  get restRequests(): readonly RequestRecord[] {
    return this.#rest.requests.filter(({ kind }) => kind === 'rest')
  }

  requests(kind: RequestRecord['kind'], match = /(?:)/): readonly RequestRecord[] {
    return this.sandbox.requests.filter((request) => request.kind === kind && match.test(request.path))
  }

  clearRequests(): void {
    this.sandbox.clearRequests()
    this.#rest.clearRequests()
  }

  ckvd(args: readonly string[], stdin = '', env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
    return runHere(args, { env: { ...this.env, ...env }, cwd: this.folder, stdin })
  }

  async ingest(ask: Ask, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const result = await this.ckvd(ingestArgs(ask), `${ask.symbols.join('\n')}\n`, env)
    const outcome = ingestResult(result)
    if (outcome.exit !== result.exit)
      throw new Error(`Expected the exit code ${result.exit} in the JSON, found ${outcome.exit}: ${result.stderr}`)
    return { ...outcome, stderr: result.stderr }
  }

  /** The catalog's days, in order of symbol, interval and day. */
  days(symbol?: string, interval?: string): CatalogDay[] {
    const all = queryCatalog<CatalogDay>(this.lake, 'SELECT * FROM days ORDER BY symbol, interval, day')
    return all.filter((row) => (symbol === undefined || row.symbol === symbol) && (interval === undefined || row.interval === interval))
  }

  day(day: string, symbol?: string, interval?: string): CatalogDay {
    const found = this.days(symbol, interval).filter((row) => row.day === day)
    if (found.length !== 1) throw new Error(`Expected one row of ${day}, found ${found.length}.`)
    return found[0]!
  }

  gaps(symbol?: string): CatalogGap[] {
    const rows = queryCatalog<{ start_us: number; end_us: number; bars: number; evidence: string }>(
      this.lake,
      "SELECT start_us, end_us, bars, evidence FROM gaps WHERE ? IN ('', symbol) ORDER BY market, symbol, interval, start_us",
      symbol ?? '',
    )
    return rows.map(({ start_us, end_us, bars, evidence }) => ({
      start: isoOf(start_us / 1000),
      end: isoOf(end_us / 1000),
      bars,
      evidence,
    }))
  }

  revisions(): CatalogRevision[] {
    return queryCatalog<CatalogRevision>(
      this.lake,
      'SELECT day, revision, archive_etag, shard_sha256, changed_rows FROM revisions ORDER BY day, revision',
    )
  }

  /** Chunks that are stored: a file may hold many. */
  async chunks(): Promise<StoredChunk[]> {
    return await readStoredChunks(this.lake)
  }

  /** Paths of the shards, relative to the lake's `data/`, sorted. */
  async shards(): Promise<string[]> {
    const names = await readdir(join(this.lake, 'data'), { recursive: true })
    return names.filter((name) => name.endsWith('.arrow')).sort()
  }

  /** The bars of all shards of a symbol and interval (as in paths), in order. */
  async bars(symbol: string, interval: string): Promise<Cells[]> {
    const bars: Cells[] = []
    for (const name of await this.shards()) {
      if (!name.includes(`/${symbol}/${interval}/`)) continue
      for (const { columns, rows } of readChunks(await readFile(join(this.lake, 'data', name))))
        for (let row = 0; row < rows; row++) bars.push(columns.map((column) => column[row]!))
    }
    return bars
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const closer of this.#closers) await closer[Symbol.asyncDispose]()
  }
}

export interface WorldOptions extends Omit<SandboxOptions, 'now'> {
  readonly now: string
  /** archives that are written to a folder which the exchange then serves */
  readonly bucket?: readonly BucketArchive[]
  /** another exchange that answers REST: archives whose rows it has, or a synthetic one */
  readonly rest?: Omit<SandboxOptions, 'now'> & { readonly bucket?: readonly BucketArchive[] }
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const { now, bucket, rest, ...sandboxOptions } = options
  const temp = await createTempDirectory()
  const clock = { now }
  const nowMs = (): number => Date.parse(clock.now)
  const start = async (
    name: string,
    archives: readonly BucketArchive[] | undefined,
    more: Omit<SandboxOptions, 'now'>,
  ): Promise<Sandbox> => {
    const folder = join(temp.path, name)
    if (archives !== undefined) await writeBucket(folder, archives)
    return startSandbox({ now: nowMs, ...more, ...(archives === undefined ? {} : { archive: folder }) })
  }
  const sandbox = await start('bucket', bucket, sandboxOptions)
  const { bucket: restBucket, ...restOptions } = rest ?? {}
  const second = rest === undefined ? sandbox : await start('rest', restBucket, restOptions)
  return new World(sandbox, second, temp, clock, [sandbox, ...(second === sandbox ? [] : [second]), temp])
}

export function ingestArgs(ask: Ask): string[] {
  const { market = 'spot', intervals = '1h', start, end, flags = [] } = ask
  const range = [...(start === undefined ? [] : ['--start', start]), ...(end === undefined ? [] : ['--end', end])]
  return ['ingest', '--universe', '-', '--market', market, '--intervals', intervals, ...range, '--json', ...flags]
}

/** An archive of a bucket that a test makes. */
export interface BucketArchive {
  readonly market?: Market
  readonly symbol: string
  /** as in archive names: `1mo` */
  readonly interval: string
  /** `2024-01-01`: daily; `2024-01`: monthly */
  readonly period: string
  readonly csv: string
  /** default: the right one; null: none */
  readonly checksum?: string | null
}

export function bucketKey({ market = 'spot', symbol, interval, period }: Omit<BucketArchive, 'csv'>): string {
  const folder = market === 'spot' ? 'spot' : `futures/${market}`
  const packaging = period.split('-').length === 3 ? 'daily' : 'monthly'
  return `data/${folder}/${packaging}/klines/${symbol}/${interval}/${symbol}-${interval}-${period}.zip`
}

async function writeBucket(folder: string, archives: readonly BucketArchive[]): Promise<void> {
  for (const archive of archives) {
    const key = bucketKey(archive)
    const name = key.slice(key.lastIndexOf('/') + 1)
    const zip = buildZip([{ name: name.replace('.zip', '.csv'), data: archive.csv }])
    const path = join(folder, key)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, zip)
    if (archive.checksum !== null) await writeFile(`${path}.CHECKSUM`, archive.checksum ?? checksumOf(zip, name))
  }
}

/** CSV lines of plausible bars, `lengthMs` apart, [from, to); `offsetMs` late in their slots. */
export function csvRows(from: string, to: string, lengthMs: number, offsetMs = 0, unit: 'ms' | 'us' = 'ms'): string {
  let text = ''
  for (let slotMs = Date.parse(from); slotMs < Date.parse(to); slotMs += lengthMs) text += csvRow(slotMs + offsetMs, lengthMs, unit)
  return text
}

export function csvRow(openMs: number, lengthMs: number, unit: 'ms' | 'us' = 'ms'): string {
  const price = 100 + ((openMs / 1000) % 977) / 100
  const [open, low, close, high] = [price, price - 0.5, price + 0.25, price + 0.75].map((value) => value.toFixed(8))
  const volume = (1 + ((openMs / 1000) % 89)).toFixed(8)
  const times = unit === 'ms' ? [openMs, openMs + lengthMs - 1] : [`${openMs}000`, `${openMs + lengthMs - 1}999`]
  return `${[times[0], open, high, low, close, volume, times[1], volume, 17, volume, volume, 0].join(',')}\n`
}

export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** Rows of columns as numbers, in the order of the shard's columns. */
export function cellsOf(columns: KlineColumns): Cells[] {
  return Array.from(columns.openTime, (_, row) => KLINE_COLUMNS.map(({ key }) => columns[key][row]!))
}

/** The rows of a CSV text as the contract words them: times in microseconds, decimals by `Number`. */
export function cellsOfCsv(csv: string): Cells[] {
  return csv
    .split(/\r?\n/)
    .filter((line) => /^\d/.test(line))
    .map((line) =>
      line
        .split(',')
        .slice(0, 11)
        .map((cell, i) => cellOf(cell, i)),
    )
}

function cellOf(text: string, column: number): bigint | number {
  if (column === 0 || column === 6) return text.length === 13 ? BigInt(text) * 1000n : BigInt(text)
  return column === 8 ? BigInt(text) : Number(text)
}

/** `2024-01-01T00:00:00Z`. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** Days [from, to). */
export function daysBetween(from: string, to: string): string[] {
  const days: string[] = []
  for (let ms = Date.parse(from); ms < Date.parse(to); ms += DAY_MS) days.push(isoOf(ms).slice(0, 10))
  return days
}
