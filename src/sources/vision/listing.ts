import { CkvdError } from '../../errors.ts'
import { BufferPool } from '../../memory/buffer-pool.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { HttpAnswer, RequestWatch } from '../http/http-exchange.ts'
import type { HttpClient } from '../http/http.ts'
import type { ArchiveEntry, ArchivePage } from './archive-page.ts'
import { ArchiveFolder } from './archive-page.ts'
import type { ListingPage } from './listing-xml.ts'
import { parseListingPage } from './listing-page.ts'
import { markerBefore } from './vision-url.ts'

/** Archives of a series, oldest first. `more` tells that the listing goes on after the last one. */
export interface SeriesListing {
  readonly archives: readonly ArchiveEntry[]
  readonly more: boolean
}

/** A page has at most 1,000 keys of some 400 bytes; 2 MiB is five times that. */
const MAX_PAGE_BYTES = 2 << 20
/** Of the series whose listings are read at once, a page each. */
const SPARE_PAGE_BYTES = 8 << 20
/** A listing that goes on for longer than this is none: nine years of days are 8 pages, and servers with smaller pages exist. */
const MAX_PAGES = 200
/** The first archives are of August 2017. */
const FIRST_DAY_MS = Date.UTC(2017, 0, 1)
/** A day has its archive and the CHECKSUM beside it; twice that leaves room for strangers and other spellings. */
const KEYS_PER_DAY = 4
const SPARE_KEYS = 1000
/** Symbols of a market, or intervals of a symbol: the largest market has some 4,000 symbols. */
const MAX_FOLDERS = 50_000

/** A folder of the bucket, and what of its pages is wanted. */
interface ListedFolder<P> {
  /** with a final slash */
  readonly prefix: string
  /** undefined: the page is not of the form in which this reads it faster than `parseListingPage` */
  scan(body: Uint8Array): P | undefined
  /** the same of a page that was parsed */
  read(page: ListingPage): P
}

/** What is told of each page: how many keys and folders it has, and where the next one starts (undefined: it is the last one). */
interface CountedPage {
  readonly entries: number
  readonly next: string | undefined
}

/** The listing of the bucket: which archives exist, with size and ETag. Every error of a page is an error of the list. */
export class Listing {
  readonly #http: HttpClient
  readonly #url: string
  readonly #watch: (() => RequestWatch) | undefined
  /** pages are read at once, and then nobody needs their bytes */
  readonly #bodies = new BufferPool(SPARE_PAGE_BYTES)

  /**
   * @param url base of the listing, without a final slash
   * @param watch follows each request; default: nobody does
   */
  constructor(http: HttpClient, url: string, watch?: () => RequestWatch) {
    this.#http = http
    this.#url = url
    this.#watch = watch
  }

  /**
   * Archives of a series that start in [from, to), page by page; `from` undefined reads from the first one.
   * Throws CKVD_LISTING and the codes of HttpClient.
   */
  async fetchArchives(
    series: Series,
    packaging: Packaging,
    o: { from?: UtcDay | undefined; to?: UtcDay | undefined; signal: AbortSignal },
  ): Promise<SeriesListing> {
    const { to } = o
    const pages: ArchivePage[] = []
    let more = false
    const folder = new ArchiveFolder(series, packaging)
    const marker = o.from === undefined ? undefined : markerBefore(series, packaging, o.from)
    for await (const page of this.#pages(folder, marker, mostKeys(), o.signal)) {
      pages.push(page)
      more = to !== undefined && page.latest !== null && page.latest >= to
      if (more) break
    }
    const archives = pages.flatMap((page) => page.archives())
    // keys that are not padded (`2020-8`) sort late, but never before a later year: what is left is later still
    if (more && to !== undefined) archives.splice(archives.findIndex(({ firstDay }) => firstDay >= to))
    return { archives: inOrder(archives), more }
  }

  /**
   * One page of archives that start at `from` or later, with at most `maxKeys` keys (each archive has two: its CHECKSUM is one).
   * Keys that are not padded (`2020-8`) are seen only where they sort after `from`.
   */
  async fetchArchivesPage(
    series: Series,
    packaging: Packaging,
    o: { from: UtcDay; maxKeys?: number; signal: AbortSignal },
  ): Promise<SeriesListing> {
    const marker = markerBefore(series, packaging, o.from)
    const page = await this.#page(new ArchiveFolder(series, packaging), marker, o.signal, o.maxKeys)
    return { archives: inOrder(page.archives().filter(({ firstDay }) => firstDay >= o.from)), more: page.next !== undefined }
  }

  /** The first archive of a series, by a page of two keys; undefined when the series has none. */
  async fetchFirstArchive(series: Series, packaging: Packaging, signal: AbortSignal): Promise<ArchiveEntry | undefined> {
    return (await this.#page(new ArchiveFolder(series, packaging), undefined, signal, 4)).archives()[0]
  }

  /** Names of the folders directly below `prefix` (which ends with `/`). */
  async fetchFolders(prefix: string, signal: AbortSignal): Promise<string[]> {
    const names: string[] = []
    for await (const page of this.#pages(subfoldersOf(prefix), undefined, MAX_FOLDERS, signal)) {
      for (const folder of page.folders) names.push(folder.slice(prefix.length, -1))
    }
    return names
  }

  /** Pages until the last one. A listing without an end is refused as soon as it holds more than anything that is listed can have. */
  async *#pages<P extends CountedPage>(
    folder: ListedFolder<P>,
    start: string | undefined,
    mostEntries: number,
    signal: AbortSignal,
  ): AsyncGenerator<P> {
    const { prefix } = folder
    let marker = start
    let entries = 0
    for (let pages = 1; ; pages++) {
      const page = await this.#page(folder, marker, signal)
      entries += page.entries
      if (entries > mostEntries || pages > MAX_PAGES) {
        throw new CkvdError(
          'CKVD_LISTING',
          `Expected the listing of ${prefix} to end after ${mostEntries} entries or ${MAX_PAGES} pages at most, it goes on after ${entries} on ${pages}. Check --listing-url.`,
          { details: { prefix, entries, pages } },
        )
      }
      yield page
      if (page.next === undefined) return
      if (marker !== undefined && Buffer.compare(Buffer.from(page.next), Buffer.from(marker)) <= 0) {
        throw new CkvdError(
          'CKVD_LISTING',
          `Expected the listing of ${prefix} to go on after ${marker}, it went back to ${page.next}. Check --listing-url.`,
          {
            details: { prefix, marker, next: page.next },
          },
        )
      }
      marker = page.next
    }
  }

  async #page<P>(folder: ListedFolder<P>, marker: string | undefined, signal: AbortSignal, maxKeys?: number): Promise<P> {
    const { prefix } = folder
    const query = new URLSearchParams({ delimiter: '/', prefix })
    if (marker !== undefined) query.set('marker', marker)
    if (maxKeys !== undefined) query.set('max-keys', String(maxKeys))
    const url = `${this.#url}?${query.toString()}`
    const pages: { readonly scanned: P | undefined; readonly parsed: ListingPage | undefined }[] = []
    // S3 may say InternalError with status 200, and a proxy may send a page of its own: both pass as a 5xx does
    const check = async ({ body }: HttpAnswer): Promise<void> => {
      const scanned = folder.scan(body)
      pages.push({ scanned, parsed: scanned === undefined ? await parseListingPage(body, url) : undefined })
      this.#bodies.give(body)
    }
    const watch = this.#watch?.()
    const answer = await this.#http.fetch(url, {
      ...{ kind: 'listing', signal, maxBytes: MAX_PAGE_BYTES, check, pool: this.#bodies },
      ...(watch === undefined ? {} : { watch }),
    })
    const { scanned, parsed } = pages.at(-1) ?? {}
    if (scanned !== undefined) return scanned
    if (parsed === undefined) {
      throw new CkvdError('CKVD_LISTING', `Expected a listing from ${url}, got status ${answer.status}. Check --listing-url.`, {
        details: { url, status: answer.status },
      })
    }
    const { keys, folders } = parsed
    const stranger = keys.find(({ key }) => !key.startsWith(prefix))?.key ?? folders.find((folder) => !folder.startsWith(prefix))
    if (stranger !== undefined) {
      throw new CkvdError('CKVD_LISTING', `Expected keys below ${prefix}, the listing has ${stranger}. Check --listing-url.`, {
        details: { prefix, found: stranger },
      })
    }
    return folder.read(parsed)
  }
}

/** The folders directly below another one. */
function subfoldersOf(prefix: string): ListedFolder<CountedPage & { readonly folders: readonly string[] }> {
  return {
    prefix,
    scan: () => undefined,
    read: ({ keys, folders, next }) => ({ folders, entries: keys.length + folders.length, next }),
  }
}

/** Most keys that the folder of one series can have today: by this machine's clock, but a wrong one only makes it a little less or more. */
function mostKeys(): number {
  return SPARE_KEYS + KEYS_PER_DAY * Math.max(0, Math.ceil((Date.now() - FIRST_DAY_MS) / 86_400_000))
}

/** Oldest first; of a padded and an un-padded key for one period (`2020-08`, `2020-8`) the padded one, which sorts first. */
function inOrder(archives: ArchiveEntry[]): ArchiveEntry[] {
  if (archives.every(({ firstDay }, i) => i === 0 || firstDay > (archives[i - 1]?.firstDay ?? ''))) return archives
  archives.sort((a, b) => (a.firstDay < b.firstDay ? -1 : a.firstDay > b.firstDay ? 1 : a.key < b.key ? -1 : 1))
  return archives.filter((archive, i) => archive.firstDay !== archives[i - 1]?.firstDay)
}
