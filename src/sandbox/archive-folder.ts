import { createHash } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { seriesFolder, symbolFolder } from '../dataset/names.ts'
import { CkvdError } from '../errors.ts'
import type { Market } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { BucketEntry, Exchange, FundingRate, KlinesQuery, MetricsRow } from './bucket.ts'
import { compareKeys, lowerBound, MARKET_FOLDERS } from './bucket.ts'
import type { KnownSymbol } from './exchange-info.ts'
import { MS_PER_DAY, nextSlotMs } from './grid.ts'
import { readZipText } from './zip.ts'

/** Market folder, symbol and period of an archive's key. */
const ARCHIVE_NAME =
  /^data\/(spot|futures\/um|futures\/cm)\/(?:daily|monthly)\/(?:klines|markPriceKlines|premiumIndexKlines|fundingRate|metrics|aggTrades|trades)\/([^/]+)\/(?:[^/]+\/)?[^/]+-(\d{4}-\d{2}(?:-\d{2})?)\.zip$/
const SILENT_MS = 3 * MS_PER_DAY
/** USDⓈ-M calls statistics by the start of their five minutes from this day on, and called them by the end before. */
const START_LABELS_FROM = '2026-06-25'

interface StoredFile {
  readonly key: string
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** A row of a klines answer as JSON text, and its open time in milliseconds. */
interface RestRow {
  readonly openMs: number
  readonly json: string
}

/** Real archives below a folder that is laid out as the bucket (DIR/data/…); klines are cut from their rows. */
export class ArchiveFolderExchange implements Exchange {
  readonly #files: readonly StoredFile[]
  readonly #symbols: ReadonlySet<string>
  readonly #etags = new Map<string, Promise<string>>()
  readonly #rows = new Map<string, Promise<RestRow[]>>()
  readonly #rates = new Map<string, Promise<FundingRate[]>>()

  constructor(files: readonly StoredFile[]) {
    this.#files = [...files].sort((a, b) => compareKeys(a.key, b.key))
    this.#symbols = new Set(
      this.#files.flatMap(
        ({ key }) => /^data\/(?:spot|futures\/(?:um|cm))\/(?:daily|monthly)\/(?:\w*[kK]lines|metrics)\/[^/]+\//.exec(key)?.[0] ?? [],
      ),
    )
  }

  /** Scans DIR/data once. `CKVD_CONFIG` when there is no such folder. */
  static async open(folder: string): Promise<ArchiveFolderExchange> {
    let names: string[]
    try {
      names = await readdir(join(folder, 'data'), { recursive: true })
    } catch (cause) {
      throw new CkvdError(
        'CKVD_CONFIG',
        `Expected a folder of archives with a folder \`data\` in it, found none at ${folder}. Give the folder that holds \`data\`.`,
        { cause },
      )
    }
    const files = names.filter((name) => name.endsWith('.zip') || name.endsWith('.zip.CHECKSUM'))
    return new ArchiveFolderExchange(
      await Promise.all(
        files.map(async (name): Promise<StoredFile> => {
          const path = join(folder, 'data', name)
          const { size, mtimeMs } = await stat(path)
          return { key: `data/${name.replaceAll('\\', '/')}`, path, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) }
        }),
      ),
    )
  }

  *entriesFrom(key: string): Generator<BucketEntry> {
    const start = lowerBound(this.#files.length, (index) => (this.#files[index] as StoredFile).key, key)
    for (let index = start; index < this.#files.length; index++) yield this.#entryOf(this.#files[index] as StoredFile)
  }

  find(key: string): BucketEntry | undefined {
    const file = this.#fileOf(key)
    return file === undefined ? undefined : this.#entryOf(file)
  }

  async read(key: string): Promise<Buffer | undefined> {
    const file = this.#fileOf(key)
    return file === undefined ? undefined : readFile(file.path)
  }

  hasSymbol(series: Omit<Series, 'interval'>): boolean {
    return (['daily', 'monthly'] as const).some((packaging) => this.#symbols.has(symbolFolder(series, packaging)))
  }

  /** A symbol without an archive of the last three days has ended. */
  symbolsOf(market: Market, nowMs: number): KnownSymbol[] {
    const lives = new Map<string, { firstMs: number; endMs: number }>()
    for (const { key } of this.#files) {
      const [, folder, symbol, period] = ARCHIVE_NAME.exec(key) ?? []
      if (folder !== MARKET_FOLDERS[market] || symbol === undefined || period === undefined) continue
      const isMonth = period.length === 7
      const firstMs = Date.parse(isMonth ? `${period}-01T00:00Z` : `${period}T00:00Z`)
      const endMs = isMonth ? nextSlotMs(firstMs, '1M') : firstMs + MS_PER_DAY
      const life = lives.get(symbol)
      lives.set(symbol, { firstMs: Math.min(firstMs, life?.firstMs ?? firstMs), endMs: Math.max(endMs, life?.endMs ?? endMs) })
    }
    return [...lives]
      .filter(([, { firstMs }]) => firstMs <= nowMs)
      .map(([symbol, { firstMs, endMs }]) => ({ symbol, trading: nowMs < endMs + SILENT_MS, onboardMs: firstMs, endMs }))
  }

  async klines(query: KlinesQuery): Promise<Buffer> {
    const rows = await this.#rowsOf(query.series)
    const within = rows.filter(({ openMs }) => openMs >= query.startMs && openMs <= query.endMs)
    const page = query.nearest === 'start' ? within.slice(0, query.limit) : within.slice(-query.limit)
    return Buffer.from(`[${page.map(({ json }) => json).join(',')}]`)
  }

  rates(market: Market, symbol: string, nowMs: number): Promise<readonly FundingRate[] | undefined> {
    const prefix = `data/${MARKET_FOLDERS[market]}/monthly/fundingRate/${symbol}/`
    let rates = this.#rates.get(prefix)
    if (rates === undefined) {
      rates = this.#readRates(prefix)
      this.#rates.set(prefix, rates)
    }
    return rates.then((all) => (all.length === 0 ? undefined : all.filter(([ms]) => ms <= nowMs)))
  }

  async statistics({ series, startMs, endMs }: KlinesQuery): Promise<readonly MetricsRow[]> {
    const prefix = seriesFolder(series, 'daily')
    const rows = new Map<number, MetricsRow>()
    for (const file of this.#files.filter(({ key }) => key.startsWith(prefix) && key.endsWith('.zip'))) {
      const day = file.key.slice(-14, -4)
      for (const line of readZipText(await readFile(file.path)).split(/\r?\n/)) {
        const row = parseMetrics(line, series.market === 'um' && day < START_LABELS_FROM)
        if (row !== undefined) rows.set(row.openMs, row)
      }
    }
    return [...rows.values()].filter(({ openMs }) => openMs >= startMs && openMs <= endMs).sort((a, b) => a.openMs - b.openMs)
  }

  async #readRates(prefix: string): Promise<FundingRate[]> {
    const rates: FundingRate[] = []
    for (const file of this.#files.filter(({ key }) => key.startsWith(prefix) && key.endsWith('.zip'))) {
      for (const line of readZipText(await readFile(file.path)).split(/\r?\n/)) {
        const [time = '', , rate] = line.split(',')
        if (/^\d+$/.test(time) && rate !== undefined) rates.push([Number(time), rate])
      }
    }
    return rates.sort(([a], [b]) => a - b)
  }

  #fileOf(key: string): StoredFile | undefined {
    const file = this.#files[lowerBound(this.#files.length, (index) => (this.#files[index] as StoredFile).key, key)]
    return file?.key === key ? file : undefined
  }

  #entryOf(file: StoredFile): BucketEntry {
    return { key: file.key, sizeBytes: file.sizeBytes, modifiedMs: file.modifiedMs, etag: () => this.#etagOf(file) }
  }

  /** MD5 of the file, made when a listing first shows it. */
  #etagOf(file: StoredFile): Promise<string> {
    let etag = this.#etags.get(file.key)
    if (etag === undefined) {
      etag = readFile(file.path).then((bytes) => createHash('md5').update(bytes).digest('hex'))
      this.#etags.set(file.key, etag)
    }
    return etag
  }

  #rowsOf(series: Series): Promise<RestRow[]> {
    const key = `${series.dataset ?? ''}/${series.market}/${series.symbol}/${series.interval}`
    let rows = this.#rows.get(key)
    if (rows === undefined) {
      rows = this.#readRows(series)
      this.#rows.set(key, rows)
    }
    return rows
  }

  /** All rows of a series; where daily and monthly archives both have a bar, the daily one's. */
  async #readRows(series: Series): Promise<RestRow[]> {
    const byTime = new Map<number, RestRow>()
    for (const packaging of ['monthly', 'daily'] as const) {
      const prefix = seriesFolder(series, packaging)
      for (const file of this.#files.filter(({ key }) => key.startsWith(prefix) && key.endsWith('.zip'))) {
        for (const line of readZipText(await readFile(file.path)).split(/\r?\n/)) {
          const row = parseLine(line)
          if (row !== undefined) byTime.set(row.openMs, row)
        }
      }
    }
    return [...byTime.values()].sort((a, b) => a.openMs - b.openMs)
  }
}

/** A line of statistics; undefined for headers and blank lines. `isAtEnd`: it is called by the end of its five minutes. */
function parseMetrics(line: string, isAtEnd: boolean): MetricsRow | undefined {
  if (!/^\d/.test(line)) return undefined
  const [label = '', , openInterest = '', openInterestValue = '', ...rest] = line.split(',')
  const ratios = rest.map((cell) => (/^\d/.test(cell) ? Number(cell) : NaN))
  const openMs = Date.parse(`${label.replace(' ', 'T')}Z`) - (isAtEnd ? 300_000 : 0)
  return { openMs, openInterest, openInterestValue, ratios: ratios.slice(0, 3), takerRatio: ratios[3] ?? NaN }
}

/** A data line as a REST row; undefined for headers and blank lines. */
function parseLine(line: string): RestRow | undefined {
  if (!/^\d/.test(line)) return undefined
  const [openTime = '', open, high, low, close, volume, closeTime = '', quote, count = '0', taker, takerQuote] = line.split(',')
  const openMs = millisecondsOf(openTime)
  const row = [openMs, open, high, low, close, volume, millisecondsOf(closeTime), quote, Number(count), taker, takerQuote, '0']
  return { openMs, json: JSON.stringify(row) }
}

/** Archives write milliseconds or, spot from 2025 on, microseconds: 16 digits. */
function millisecondsOf(text: string): number {
  return text.length >= 16 ? Math.floor(Number(text) / 1000) : Number(text)
}
