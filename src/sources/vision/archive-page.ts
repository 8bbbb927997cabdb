import { archiveStem, seriesFolder } from '../../dataset/names.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayNumber, dayOfNumber, latestDay, monthOf } from '../../model/utc-day.ts'
import { MOST_NAME_CHARACTERS, readNext, scanHead } from './listing-page.ts'
import type { ListingPage } from './listing-xml.ts'
import type { ArchivePeriod } from './vision-url.ts'
import type { Part } from './page-bytes.ts'
import { bytesOf, PageBytes, partOf } from './page-bytes.ts'
import { archiveKeyParser, parsePeriod } from './vision-url.ts'

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

/** A page of a listing by what it has of one series. */
export interface ArchivePage {
  /** the latest first day of its archives; null: it has none */
  readonly latest: UtcDay | null
  /** all that the page has: CHECKSUM files and strangers, too */
  readonly entries: number
  /** where the next page starts; undefined on the last page */
  readonly next: string | undefined
  /** its archives, in the page's order: made when all pages are there, since what is made before waits with them, and is moved about */
  archives(): ArchiveEntry[]
}

const FIRST_ENTRY = Buffer.from('<Contents>')
const PAGE_END = partOf('</ListBucketResult>')
const BEFORE_ETAG = partOf('</LastModified><ETag>&quot;')
const BEFORE_SIZE = partOf('&quot;</ETag><Size>')
const BEFORE_CLASS = partOf('</Size><StorageClass>')
const ENTRY_END = partOf('</StorageClass></Contents>')
const OF_TIME = bytesOf('0123456789:.TZ-')
const OF_ETAG = bytesOf('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._+/=')
const OF_SIZE = bytesOf('0123456789')
const OF_CLASS = bytesOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ_')
const MOST_SIZE_DIGITS = 15
/** What a key may have after its stem, about. */
const MOST_AFTER_STEM = 100

/** The folder of a series' archives, and its pages. */
export class ArchiveFolder {
  /** in the bucket, with a final slash */
  readonly prefix: string
  readonly #packaging: Packaging
  readonly #periodLength: number
  /** true where a key begins with nothing that XML would write otherwise, and is not too long */
  readonly #isPlain: boolean
  readonly #stem: string
  readonly #parseKey: (key: string) => ArchivePeriod | undefined
  readonly #entryStart: Part
  readonly #found = new FoundArchives()
  readonly #zipEnd = partOf('.zip</Key><LastModified>')
  readonly #checksumEnd = partOf('.zip.CHECKSUM</Key><LastModified>')

  constructor(series: Series, packaging: Packaging) {
    this.prefix = seriesFolder(series, packaging)
    this.#packaging = packaging
    this.#periodLength = packaging === 'daily' ? 'YYYY-MM-DD'.length : 'YYYY-MM'.length
    this.#parseKey = archiveKeyParser(series, packaging)
    this.#stem = archiveStem(series, packaging)
    this.#isPlain = !/[<>&\s]/.test(this.#stem) && this.#stem.length <= MOST_NAME_CHARACTERS - MOST_AFTER_STEM
    this.#entryStart = partOf(`<Contents><Key>${this.#stem}`)
  }

  /** What a page that was parsed has of the series. */
  read({ keys, folders, next }: ListingPage): ArchivePage {
    const packaging = this.#packaging
    const archives: ArchiveEntry[] = []
    for (const { key, etag, sizeBytes } of keys) {
      const period = this.#parseKey(key)
      if (period !== undefined) archives.push({ key, packaging, period: period.period, firstDay: period.firstDay, sizeBytes, etag })
    }
    const latest = archives.map(({ firstDay }) => firstDay).reduce<UtcDay | null>(latestDay, null)
    return { latest, entries: keys.length + folders.length, next, archives: () => archives }
  }

  /**
   * Reads a page from its bytes, far faster than by its text: of a key it is known how it begins, and nearly always which day it is of. A
   * universe has millions of keys.
   *
   * It takes entries of the series' archives and their CHECKSUM files as S3 writes them, and no others: each byte is compared with what must
   * stand there, or is of a class without meaning in XML. Anything else is not for it, be it a stranger among the files, a key that is not
   * padded, a folder, or no page at all: undefined, and `parseListingPage` decides.
   */
  scan(body: Uint8Array): ArchivePage | undefined {
    const entries = new PageBytes(body)
    const bodyEnd = body.length - PAGE_END.length
    if (!this.#isPlain || !entries.startAt(FIRST_ENTRY) || !entries.standsAt(bodyEnd, PAGE_END)) return undefined
    const head = scanHead(entries.text(0, entries.at))
    if (head === undefined) return undefined
    const found = this.#found.clear(body.length)
    let latest = -Infinity
    let count = 0
    let isZip = false
    let period = ''
    let number = 0
    /** of the ZIP that comes next, where none is missing */
    let following = { number: 0, period: '' }
    for (; entries.at < bodyEnd; count++) {
      if (!entries.take(this.#entryStart)) return undefined
      const periodAt = entries.at
      entries.at += this.#periodLength
      isZip = entries.take(this.#zipEnd)
      if (!isZip && !entries.take(this.#checksumEnd)) return undefined
      const expected = isZip ? following.period : period
      if (entries.isText(periodAt, expected)) {
        if (isZip) number = following.number
        period = expected
      } else {
        const other = parsePeriod(this.#packaging, entries.text(periodAt, periodAt + this.#periodLength))
        if (other === undefined) return undefined
        period = other.period
        number = dayNumber(other.firstDay)
      }
      if (!entries.takeSome(OF_TIME) || !entries.take(BEFORE_ETAG)) return undefined
      const etagAt = entries.at
      if (!entries.takeSome(OF_ETAG)) return undefined
      const etagEnd = entries.at
      if (etagEnd - etagAt > MOST_NAME_CHARACTERS || !entries.take(BEFORE_SIZE)) return undefined
      const sizeAt = entries.at
      if (!entries.takeSome(OF_SIZE) || entries.at - sizeAt > MOST_SIZE_DIGITS) return undefined
      const sizeEnd = entries.at
      if (!entries.take(BEFORE_CLASS) || !entries.takeSome(OF_CLASS) || !entries.take(ENTRY_END)) return undefined
      if (!isZip) continue
      found.add(number, entries.number(sizeAt, sizeEnd), etagAt, etagEnd)
      if (number > latest) latest = number
      if (this.#packaging === 'daily') following = { number: number + 1, period: dayOfNumber(number + 1) }
    }
    const next = entries.at === bodyEnd ? readNext(head, `${this.#stem}${period}.zip${isZip ? '' : '.CHECKSUM'}`) : undefined
    if (next === undefined || (next.marker?.length ?? 0) > MOST_NAME_CHARACTERS) return undefined
    const rows = found.take(body)
    return {
      latest: latest === -Infinity ? null : (dayOfNumber(latest) as UtcDay),
      entries: count,
      next: next.marker,
      archives: () => this.#entriesOf(rows),
    }
  }

  #entriesOf({ numbers, sizes, etags, etagEnds }: ArchiveRows): ArchiveEntry[] {
    const archives: ArchiveEntry[] = []
    const packaging = this.#packaging
    const allEtags = etags.toString('latin1')
    let etagAt = 0
    for (let i = 0; i < numbers.length; i++) {
      const firstDay = dayOfNumber(numbers[i] as number) as UtcDay
      const period = packaging === 'daily' ? firstDay : monthOf(firstDay)
      const etagEnd = etagEnds[i] as number
      const etag = allEtags.slice(etagAt, etagEnd)
      archives.push({ key: `${this.#stem}${period}.zip`, packaging, period, firstDay, sizeBytes: sizes[i] as number, etag })
      etagAt = etagEnd
    }
    return archives
  }
}

/** Archives of a page, as bytes outside of the heap. */
interface ArchiveRows {
  /** of their first days, since 1970 */
  readonly numbers: Int32Array
  readonly sizes: Float64Array
  /** one after the other */
  readonly etags: Buffer
  readonly etagEnds: Int32Array
}

/** An entry has more bytes than this, whatever its key. */
const LEAST_ENTRY_BYTES = 150

/** What has been found of a page until now, in memory that serves for page after page. */
class FoundArchives {
  #length = 0
  #etagBytes = 0
  #numbers = new Int32Array(0)
  #sizes = new Float64Array(0)
  #etagStarts = new Int32Array(0)
  #etagEnds = new Int32Array(0)

  /** Begins a page of so many bytes. */
  clear(pageBytes: number): this {
    this.#length = 0
    this.#etagBytes = 0
    const most = Math.ceil(pageBytes / LEAST_ENTRY_BYTES)
    if (most > this.#numbers.length) {
      this.#numbers = new Int32Array(most)
      this.#sizes = new Float64Array(most)
      this.#etagStarts = new Int32Array(most)
      this.#etagEnds = new Int32Array(most)
    }
    return this
  }

  /** An archive by the number of its first day and its size, and where in the page its ETag stands. */
  add(number: number, sizeBytes: number, etagStart: number, etagEnd: number): void {
    const i = this.#length++
    this.#numbers[i] = number
    this.#sizes[i] = sizeBytes
    this.#etagStarts[i] = etagStart
    this.#etagEnds[i] = etagEnd
    this.#etagBytes += etagEnd - etagStart
  }

  /** All of them, with what they need of the page. */
  take(page: Uint8Array): ArchiveRows {
    const etags = Buffer.allocUnsafeSlow(this.#etagBytes)
    const etagEnds = new Int32Array(this.#length)
    let length = 0
    for (let i = 0; i < this.#length; i++) {
      const end = this.#etagEnds[i] as number
      for (let at = this.#etagStarts[i] as number; at < end; at++) etags[length++] = page[at] as number
      etagEnds[i] = length
    }
    return { numbers: this.#numbers.slice(0, this.#length), sizes: this.#sizes.slice(0, this.#length), etags, etagEnds }
  }
}
