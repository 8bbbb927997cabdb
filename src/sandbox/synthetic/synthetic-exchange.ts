import type { Series } from '../../model/series.ts'
import type { Market } from '../../model/market.ts'
import type { ArchiveFolder } from './archive-layout.ts'
import {
  PERPETUAL,
  archiveStem,
  createFolders,
  folderIndexOf,
  lastPeriod,
  maxRows,
  parseArchiveKey,
  publishedMs,
  daysOfPeriod,
} from './archive-layout.ts'
import type { Bars } from './bars.ts'
import { concatBars, filterBars } from './bars.ts'
import type { BucketEntry, Exchange, FundingRate, KlinesQuery, MetricsRow, TicksQuery } from '../bucket.ts'
import { lowerBound } from '../bucket.ts'
import { ContentFaults } from './content.ts'
import type { KnownSymbol } from '../exchange-info.ts'
import type { FaultRule } from '../faults.ts'
import { createListedSymbol, defaultMarkets, universeBases } from './listed-symbol.ts'
import type { ListedSymbol } from './listed-symbol.ts'
import type { SandboxSettings } from '../options.ts'
import { metricsOf } from '../tables/metrics.ts'
import { hashText, hashWith } from './random.ts'
import { encodePriceBody, isPriceDataset } from './price-bars.ts'
import { encodeRestBody } from './rows.ts'
import { MS_PER_DAY } from '../grid.ts'
import { isCoarse, monthMs, monthOfMs, SyntheticBars } from './synthetic-bars.ts'
import { ArchiveBuilder } from './synthetic-archive.ts'
import { SyntheticTicks } from '../ticks/synthetic-ticks.ts'
import { fundingRatesOf, hasFunding } from './funding.ts'
import { createTickPage } from '../ticks/tick-pages.ts'

const CHECKSUM_ENDING = '.CHECKSUM'
const LATE_SYMBOL = 'ROSEUSDT'

/** An exchange whose archives and bars are made when they are asked for, from a seed. */
export class SyntheticExchange implements Exchange {
  readonly #settings: SandboxSettings
  readonly #symbols: ReadonlyMap<string, ListedSymbol>
  readonly #folders: readonly ArchiveFolder[]
  readonly #content: ContentFaults
  readonly #bars: SyntheticBars
  readonly #ticks: SyntheticTicks
  readonly #builder: ArchiveBuilder
  readonly #delayMs: number

  constructor(settings: SandboxSettings, rules: readonly FaultRule[]) {
    const symbols = (settings.markets ?? defaultMarkets()).map((entry) => createListedSymbol(entry, settings.seed))
    this.#settings = settings
    this.#symbols = new Map(symbols.map((listed) => [listed.id, listed]))
    this.#folders = createFolders(symbols)
    this.#content = new ContentFaults(rules)
    this.#bars = new SyntheticBars(this.#content, settings.builtInFaults ? universeBases() : [])
    this.#ticks = new SyntheticTicks(this.#bars, this.#content)
    this.#builder = new ArchiveBuilder(settings.seed, this.#bars, this.#ticks, this.#content)
    this.#delayMs = settings.publishDelayHours * 3_600_000
  }

  *entriesFrom(key: string): Generator<BucketEntry> {
    const nowMs = this.#settings.now()
    for (let index = folderIndexOf(this.#folders, key); index < this.#folders.length; index++) {
      const folder = this.#folders[index] as ArchiveFolder
      const count = lastPeriod(folder, nowMs, this.#delayOf(folder)) - folder.first + 1
      const keyAt = (offset: number): string => `${folder.prefix}${archiveStem(folder, folder.first + offset)}.zip`
      const start = key.startsWith(folder.prefix) ? lowerBound(Math.max(0, count), (offset) => keyAt(offset) + CHECKSUM_ENDING, key) : 0
      for (let offset = start; offset < count; offset++) {
        const publishedAt = publishedMs(folder, folder.first + offset, this.#delayOf(folder), this.#content)
        if (publishedAt === undefined || publishedAt > nowMs) continue
        const zipKey = keyAt(offset)
        const [zip, checksum] = this.#entriesOf(folder, folder.first + offset, zipKey, publishedAt)
        // only the very first key can lie before the one asked for
        if (offset !== start || !(key.startsWith(folder.prefix) && key === zipKey + CHECKSUM_ENDING)) yield zip
        yield checksum
      }
    }
  }

  find(key: string): BucketEntry | undefined {
    const parsed = parseArchiveKey(this.#folders, key)
    if (parsed === undefined) return undefined
    const { folder, period, isChecksum } = parsed
    const nowMs = this.#settings.now()
    if (period < folder.first || period > lastPeriod(folder, nowMs, this.#delayOf(folder))) return undefined
    const publishedAt = publishedMs(folder, period, this.#delayOf(folder), this.#content)
    if (publishedAt === undefined || publishedAt > nowMs) return undefined
    return this.#entriesOf(folder, period, isChecksum ? key.slice(0, -CHECKSUM_ENDING.length) : key, publishedAt)[isChecksum ? 1 : 0]
  }

  async read(key: string): Promise<Buffer | undefined> {
    const parsed = parseArchiveKey(this.#folders, key)
    const entry = this.find(key)
    if (parsed === undefined || entry === undefined) return undefined
    const { folder, period, isChecksum } = parsed
    if (!isChecksum) return this.#builder.readZip(folder, period, entry.sizeBytes, entry.modifiedMs)
    const zipEntry = this.find(key.slice(0, -CHECKSUM_ENDING.length)) as BucketEntry
    const sha256 = await this.#builder.readDigest(folder, period, zipEntry.sizeBytes, zipEntry.modifiedMs)
    return Buffer.from(`${sha256}  ${archiveStem(folder, period)}.zip\n`)
  }

  hasSymbol(series: Omit<Series, 'interval'>): boolean {
    const listed = this.#listed(series)
    return listed !== undefined && (listed.afterEnd !== 'forgotten' || this.#settings.now() < listed.endMs)
  }

  symbolsOf(market: Market, nowMs: number): KnownSymbol[] {
    return [...this.#symbols.values()]
      .filter((listed) => listed.market === market && listed.firstMs <= nowMs)
      .filter(({ endMs, afterEnd }) => nowMs < endMs || afterEnd === 'listed')
      .map(({ symbol, firstMs, endMs }) => ({
        symbol,
        trading: nowMs < endMs,
        onboardMs: firstMs,
        ...(endMs === Infinity ? {} : { endMs }),
      }))
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the seam is asynchronous: real archives are read from disk
  async klines(query: KlinesQuery): Promise<Buffer> {
    const { series, limit } = query
    const listed = this.#listed(series)
    if (listed === undefined || !listed.intervals.includes(series.interval)) return Buffer.from('[]')
    const chunks = query.nearest === 'start' ? this.#chunks(listed, series, query, 1) : this.#chunks(listed, series, query, -1)
    const parts: Bars[] = []
    let rows = 0
    for (const bars of chunks) {
      const kept = filterBars(bars, (openMs) => openMs >= query.startMs && openMs <= query.endMs)
      parts.push(kept)
      rows += kept.length
      if (rows >= limit) break
    }
    const found = concatBars(query.nearest === 'start' ? parts : parts.reverse())
    const skipped = query.nearest === 'start' ? 0 : Math.max(0, found.length - limit)
    let index = -1
    const page = filterBars(found, () => ++index >= skipped && index < skipped + limit)
    const { dataset, interval } = series
    return isPriceDataset(dataset)
      ? encodePriceBody(page, dataset, listed.profile, interval)
      : encodeRestBody(page, listed.profile, interval)
  }

  /** The symbol whose bars a series has; an index of COIN-M, which has a pair's name, those of the perpetual contract. */
  #listed({ dataset, market, symbol }: Omit<Series, 'interval'>): ListedSymbol | undefined {
    if (dataset !== undefined && market === 'spot') return undefined
    return this.#symbols.get(`${market}/${symbol}${dataset === 'indexPriceKlines' && market === 'cm' ? PERPETUAL : ''}`)
  }

  /** Every eight hours one. A delivery contract has none. */
  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async rates(market: Market, symbol: string, nowMs: number): Promise<readonly FundingRate[] | undefined> {
    const listed = this.#symbols.get(`${market}/${symbol}`)
    if (listed === undefined || !hasFunding(listed)) return undefined
    return fundingRatesOf(listed, this.#settings.seed, 0, nowMs + 1)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async statistics(query: KlinesQuery): Promise<readonly MetricsRow[]> {
    const listed = this.#listed(query.series)
    if (listed === undefined) return []
    const rows = [...this.#chunks(listed, query.series, query, 1)].flatMap((bars) => metricsOf(bars, listed))
    return rows.filter(({ openMs }) => openMs >= query.startMs && openMs <= query.endMs)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async ticks(query: TicksQuery): Promise<Buffer | undefined> {
    const listed = this.#listed({ market: query.market, symbol: query.symbol })
    const rows = listed === undefined ? [] : createTickPage(this.#ticks, listed, query)
    return rows === undefined ? undefined : Buffer.from(`[${rows.join(',')}]`)
  }

  /** The bars of the chunks that a query touches, from its start on or from its end back. */
  *#chunks(listed: ListedSymbol, series: Series, query: KlinesQuery, step: 1 | -1): Generator<Bars> {
    const nowMs = this.#settings.now()
    const endMs = Math.min(query.endMs, nowMs, listed.endMs - 1)
    if (isCoarse(series.interval)) {
      // 31 days back: the first bar of a coarse interval opens before the symbol does
      const first = monthOfMs(Math.max(query.startMs, listed.firstMs - 31 * MS_PER_DAY))
      for (let month = step > 0 ? first : monthOfMs(endMs); month >= first && monthMs(month) <= endMs; month += step) {
        yield this.#bars.ofMonth(listed, series.interval, month, 'rest', nowMs)
      }
      return
    }
    // a day back: off-grid bars and requests in mid-bar
    const first = Math.floor(Math.max(query.startMs, listed.firstMs) / MS_PER_DAY)
    for (let day = step > 0 ? first : Math.floor(endMs / MS_PER_DAY); day >= first && day * MS_PER_DAY <= endMs; day += step) {
      yield this.#bars.ofDay(listed, series.interval, day, 'rest', nowMs)
    }
  }

  /**
   * The listing entries of an archive and its CHECKSUM, without making the archive: its size depends on its rows and
   * digits alone (it is padded up to that), and its ETag is a hash of seed, key and revision, in the form of an object that was put in
   * parts: such a one is no MD5 of the bytes, and nobody compares it with them.
   */
  #entriesOf(folder: ArchiveFolder, period: number, zipKey: string, publishedAt: number): readonly [BucketEntry, BucketEntry] {
    const revised = this.#isRevised(folder, period)
    const modifiedMs = publishedAt + (hashText(zipKey) % 1800) * 1000 + (revised ? 3_600_000 : 0)
    const seed = this.#settings.seed
    const revision = revised ? 2 : 1
    const checksumKey = zipKey + CHECKSUM_ENDING
    const nameBytes = Buffer.byteLength(zipKey) - Buffer.byteLength(folder.prefix)
    return [
      {
        key: zipKey,
        sizeBytes: this.#builder.sizeOf(folder, maxRows(folder, period), nameBytes),
        modifiedMs,
        etag: () => etagOf(seed, zipKey, revision),
      },
      { key: checksumKey, sizeBytes: 64 + 2 + nameBytes + 1, modifiedMs, etag: () => etagOf(seed, checksumKey, revision) },
    ]
  }

  /** One symbol is always a day late, so that a run over the last days shows `provisional` ones that REST gave. */
  #delayOf(folder: ArchiveFolder): number {
    const { market, symbol } = folder.listed
    return this.#settings.builtInFaults && market === 'spot' && symbol === LATE_SYMBOL ? this.#delayMs + MS_PER_DAY : this.#delayMs
  }

  #isRevised(folder: ArchiveFolder, period: number): boolean {
    const { republished } = this.#content.forSymbol(folder.listed.market, folder.listed.symbol)
    if (republished.size === 0) return false
    const [from, to] = daysOfPeriod(folder, period)
    return [...republished.keys()].some((day) => day >= from && day < to)
  }
}

/** 32 hex digits of a hash of seed, key and revision and `-2`: four 32-bit hashes, cheaper than an MD5 for each of 1,000 keys a page. */
function etagOf(seed: number, key: string, revision: number): string {
  const hash = hashText(`${seed}/${revision}/${key}`)
  let text = ''
  for (let part = 0; part < 4; part++) text += hashWith(hash, part).toString(16).padStart(8, '0')
  return `${text}-2`
}
