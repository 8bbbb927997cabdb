import { seriesFolder } from '../../dataset/names.ts'
import { CkvdError } from '../../errors.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { HttpAnswer, RequestWatch } from '../http/http-exchange.ts'
import type { HttpClient } from '../http/http.ts'
import type { ListingPage } from './listing-xml.ts'
import { parseListingPage } from './listing-page.ts'
import { archiveKeyParser, markerBefore, parseArchiveKey } from './vision-url.ts'

/** An archive as the listing shows it. */
export interface ArchiveEntry {
  readonly key: string
  readonly packaging: Packaging
  /** as the key spells it: `2024-01-01`, `2024-01`, rarely `2020-8` */
  readonly period: string
  readonly firstDay: UtcDay
  readonly sizeBytes: number
  /** without its quotes */
  readonly etag: string
}

/** Archives of a series, oldest first. `more` tells that the listing goes on after the last one. */
export interface SeriesListing {
  readonly archives: readonly ArchiveEntry[]
  readonly more: boolean
}

/** A page has at most 1,000 keys of some 400 bytes; 2 MiB is five times that. */
const MAX_PAGE_BYTES = 2 << 20
/** A listing that goes on for longer than this is none: nine years of days are 8 pages, and servers with smaller pages exist. */
const MAX_PAGES = 200
/** The first archives are of August 2017. */
const FIRST_DAY_MS = Date.UTC(2017, 0, 1)
/** A day has its archive and the CHECKSUM beside it; twice that leaves room for strangers and other spellings. */
const KEYS_PER_DAY = 4
const SPARE_KEYS = 1000
/** Symbols of a market, or intervals of a symbol: the largest market has some 4,000 symbols. */
const MAX_FOLDERS = 50_000

/** The listing of the bucket: which archives exist, with size and ETag. Every error of a page is an error of the list. */
export class Listing {
  readonly #http: HttpClient
  readonly #url: string
  readonly #watch: (() => RequestWatch) | undefined

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
    const archives: ArchiveEntry[] = []
    const prefix = seriesFolder(series, packaging)
    const marker = o.from === undefined ? undefined : markerBefore(series, packaging, o.from)
    const parseKey = archiveKeyParser(series, packaging)
    for await (const page of this.#pages(prefix, marker, mostKeys(), o.signal)) {
      for (const { key, etag, sizeBytes } of page.keys) {
        const period = parseKey(key)
        if (period === undefined) continue
        if (o.to !== undefined && period.firstDay >= o.to) {
          // keys that are not padded (`2020-8`) sort late, but never before a later year: what is left is later still
          return { archives: inOrder(archives), more: true }
        }
        archives.push({ key, packaging, period: period.period, firstDay: period.firstDay, sizeBytes, etag })
      }
    }
    return { archives: inOrder(archives), more: false }
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
    const page = await this.#page(seriesFolder(series, packaging), markerBefore(series, packaging, o.from), o.signal, o.maxKeys)
    const archives: ArchiveEntry[] = []
    for (const { key, etag, sizeBytes } of page.keys) {
      const period = parseArchiveKey(series, packaging, key)
      if (period !== undefined && period.firstDay >= o.from)
        archives.push({ key, packaging, period: period.period, firstDay: period.firstDay, sizeBytes, etag })
    }
    return { archives: inOrder(archives), more: page.next !== undefined }
  }

  /** The first archive of a series, by a page of two keys; undefined when the series has none. */
  async fetchFirstArchive(series: Series, packaging: Packaging, signal: AbortSignal): Promise<ArchiveEntry | undefined> {
    const page = await this.#page(seriesFolder(series, packaging), undefined, signal, 4)
    for (const { key, etag, sizeBytes } of page.keys) {
      const period = parseArchiveKey(series, packaging, key)
      if (period !== undefined) return { key, packaging, period: period.period, firstDay: period.firstDay, sizeBytes, etag }
    }
    return undefined
  }

  /** Names of the folders directly below `prefix` (which ends with `/`). */
  async fetchFolders(prefix: string, signal: AbortSignal): Promise<string[]> {
    const names: string[] = []
    for await (const page of this.#pages(prefix, undefined, MAX_FOLDERS, signal)) {
      for (const folder of page.folders) names.push(folder.slice(prefix.length, -1))
    }
    return names
  }

  /** Pages until the last one. A listing without an end is refused as soon as it holds more than anything that is listed can have. */
  async *#pages(prefix: string, start: string | undefined, mostEntries: number, signal: AbortSignal): AsyncGenerator<ListingPage> {
    let marker = start
    let entries = 0
    for (let pages = 1; ; pages++) {
      const page = await this.#page(prefix, marker, signal)
      entries += page.keys.length + page.folders.length
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

  async #page(prefix: string, marker: string | undefined, signal: AbortSignal, maxKeys?: number): Promise<ListingPage> {
    const query = new URLSearchParams({ delimiter: '/', prefix })
    if (marker !== undefined) query.set('marker', marker)
    if (maxKeys !== undefined) query.set('max-keys', String(maxKeys))
    const url = `${this.#url}?${query.toString()}`
    const pages: ListingPage[] = []
    // S3 may say InternalError with status 200, and a proxy may send a page of its own: both pass as a 5xx does
    const check = async ({ body }: HttpAnswer): Promise<void> => void pages.push(await parseListingPage(body, url))
    const watch = this.#watch?.()
    const answer = await this.#http.fetch(url, {
      ...{ kind: 'listing', signal, maxBytes: MAX_PAGE_BYTES, check },
      ...(watch === undefined ? {} : { watch }),
    })
    const page = pages.at(-1)
    if (page === undefined) {
      throw new CkvdError('CKVD_LISTING', `Expected a listing from ${url}, got status ${answer.status}. Check --listing-url.`, {
        details: { url, status: answer.status },
      })
    }
    const { keys, folders } = page
    const stranger = keys.find(({ key }) => !key.startsWith(prefix))?.key ?? folders.find((folder) => !folder.startsWith(prefix))
    if (stranger !== undefined) {
      throw new CkvdError('CKVD_LISTING', `Expected keys below ${prefix}, the listing has ${stranger}. Check --listing-url.`, {
        details: { prefix, found: stranger },
      })
    }
    return page
  }
}

/** Most keys that the folder of one series can have today: by this machine's clock, but a wrong one only makes it a little less or more. */
function mostKeys(): number {
  return SPARE_KEYS + KEYS_PER_DAY * Math.max(0, Math.ceil((Date.now() - FIRST_DAY_MS) / 86_400_000))
}

/** Oldest first; of a padded and an un-padded key for one period (`2020-08`, `2020-8`) the padded one, which sorts first. */
function inOrder(archives: ArchiveEntry[]): ArchiveEntry[] {
  archives.sort((a, b) => (a.firstDay < b.firstDay ? -1 : a.firstDay > b.firstDay ? 1 : a.key < b.key ? -1 : 1))
  return archives.filter((archive, i) => archive.firstDay !== archives[i - 1]?.firstDay)
}
