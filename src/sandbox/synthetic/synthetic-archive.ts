import { crc32 } from 'node:zlib'
import type { Interval } from '../../model/interval.ts'
import type { RestMarket } from '../../model/market.ts'
import type { ArchiveFolder } from './archive-layout.ts'
import { archiveStem, daysOfPeriod, MICROSECONDS_FROM } from './archive-layout.ts'
import type { Bars } from './bars.ts'
import { filterBars } from './bars.ts'
import type { ArchiveFault, ContentFaults } from './content.ts'
import { maxLengthMs, MS_PER_DAY } from '../grid.ts'
import { LruCache } from './lru-cache.ts'
import { encodePriceCsv } from './price-bars.ts'
import { Random } from './random.ts'
import { CSV_HEADER, encodeCsvRows } from './rows.ts'
import { isCoarse } from './synthetic-bars.ts'
import type { SyntheticBars } from './synthetic-bars.ts'
import type { SyntheticTicks } from '../ticks/synthetic-ticks.ts'
import { encodeTickParts, maxTickParts } from '../ticks/tick-archive.ts'
import { encodeFunding, FUNDING } from './funding.ts'
import { isTickDataset } from '../ticks/ticks.ts'
import type { TickDataset } from '../ticks/ticks.ts'
import { createZip, deflatePart, minimalZipBytes, sha256Of } from '../zip.ts'

const CACHED_BYTES = 64 * 1024 * 1024
const CACHED_DIGESTS = 50_000
const FAST_LEVEL = 1
const BEST_LEVEL = 9

/** Futures archives have a header row from this day on. */
const HEADER_FROM = Date.parse('2022-07-01T00:00Z') / MS_PER_DAY

interface BuiltArchive {
  readonly zip: Buffer
  readonly sha256: string
}

/** Makes synthetic archives, keeps the last ones, and makes none twice at the same time. */
export class ArchiveBuilder {
  readonly #bars: SyntheticBars
  readonly #ticks: SyntheticTicks
  readonly #content: ContentFaults
  readonly #seed: number
  readonly #built = new LruCache<BuiltArchive>(CACHED_BYTES)
  readonly #digests = new LruCache<string>(CACHED_DIGESTS)
  readonly #underWay = new Map<string, Promise<BuiltArchive>>()

  constructor(seed: number, bars: SyntheticBars, ticks: SyntheticTicks, content: ContentFaults) {
    this.#seed = seed
    this.#bars = bars
    this.#ticks = ticks
    this.#content = content
  }

  /** Size of an archive of at most `rows` rows whose file name has `nameBytes`: an upper bound, to which it is padded. */
  sizeOf(folder: ArchiveFolder, rows: number, nameBytes: number): number {
    const { listed, dataset, table, interval } = folder
    if (table !== undefined) return 600 + 2 * nameBytes + rows * table.rowBytes
    if (dataset === FUNDING) return 600 + 2 * nameBytes + rows * FUNDING_ROW_BYTES
    if (isTickDataset(dataset)) {
      const parts = maxTickParts(rows, folder.packaging)
      return 400 + 2 * nameBytes + parts * PART_BYTES + Math.ceil(rows * TICK_ROW_BYTES[dataset][listed.profile.market])
    }
    // a month is deflated day by day, and each part begins without the words of the one before
    const parts = folder.packaging === 'monthly' && !isCoarse(interval) ? Math.ceil((rows * maxLengthMs(interval)) / MS_PER_DAY) : 1
    return (
      240 + 2 * nameBytes + (parts - 1) * PART_BYTES + Math.ceil(rows * (ROW_BYTES[interval] ?? LONGER_ROW_BYTES)[listed.profile.market])
    )
  }

  async readZip(folder: ArchiveFolder, period: number, sizeBytes: number, modifiedMs: number): Promise<Buffer> {
    return (await this.#archive(folder, period, sizeBytes, modifiedMs)).zip
  }

  /** The SHA-256 of an archive in hex. */
  async readDigest(folder: ArchiveFolder, period: number, sizeBytes: number, modifiedMs: number): Promise<string> {
    const known = this.#digests.get(folder.prefix + period)
    return known ?? (await this.#archive(folder, period, sizeBytes, modifiedMs)).sha256
  }

  async #archive(folder: ArchiveFolder, period: number, sizeBytes: number, modifiedMs: number): Promise<BuiltArchive> {
    const key = folder.prefix + period
    const known = this.#built.get(key) ?? this.#underWay.get(key)
    if (known !== undefined) return known
    const building = this.#build(folder, period, sizeBytes, modifiedMs)
    this.#underWay.set(key, building)
    try {
      const archive = await building
      this.#built.set(key, archive, archive.zip.length)
      this.#digests.set(key, archive.sha256)
      return archive
    } finally {
      this.#underWay.delete(key)
    }
  }

  async #build(folder: ArchiveFolder, period: number, sizeBytes: number, modifiedMs: number): Promise<BuiltArchive> {
    const stem = archiveStem(folder, period)
    const faults = this.#content.forArchive(`/vision/${folder.prefix}${stem}.zip`)
    const name = `${stem}.csv`
    let entry = await this.#deflate(folder, period, faults, FAST_LEVEL)
    if (minimalZipBytes(name, lengthOf(entry.parts)) > sizeBytes) entry = await this.#deflate(folder, period, faults, BEST_LEVEL)
    const zip = createZip({ ...entry, name, modifiedMs }, sizeBytes)
    if (faults.some((fault) => fault.kind === 'corrupt-zip')) spoil(zip, lengthOf(entry.parts))
    return { zip, sha256: sha256Of(zip) }
  }

  /** Deflates the CSV part by part, on zlib's threads, while the next part is made here. */
  async #deflate(
    folder: ArchiveFolder,
    period: number,
    faults: readonly ArchiveFault[],
    level: number,
  ): Promise<{ parts: Buffer[]; crc32: number; sizeBytes: number }> {
    const parts: Buffer[] = []
    let checksum = 0
    let sizeBytes = 0
    let pending: Promise<Buffer> | undefined
    for (const csv of this.#csvParts(folder, period, faults)) {
      // zlib.crc32 of no bytes may forget the checksum so far
      if (csv.length === 0) continue
      if (pending !== undefined) parts.push(await pending)
      pending = deflatePart(csv, level)
      checksum = crc32(csv, checksum)
      sizeBytes += csv.length
    }
    if (pending !== undefined) parts.push(await pending)
    return { parts, crc32: checksum, sizeBytes }
  }

  *#csvParts(folder: ArchiveFolder, period: number, faults: readonly ArchiveFault[]): Generator<Buffer> {
    const parts = this.#cleanParts(folder, period)
    if (faults.length === 0) yield* parts
    else yield changeLines(Buffer.concat([...parts]).toString('latin1'), faults)
  }

  *#cleanParts(folder: ArchiveFolder, period: number): Generator<Buffer> {
    const { listed, dataset, table, interval, packaging } = folder
    const [from, to] = daysOfPeriod(folder, period)
    if (table !== undefined) {
      yield Buffer.from(table.encode(this.#bars.ofDay(listed, interval, from, packaging), listed), 'latin1')
      return
    }
    if (dataset === FUNDING) {
      yield Buffer.from(encodeFunding(listed, this.#seed, [from, to]), 'latin1')
      return
    }
    if (isTickDataset(dataset)) {
      yield* encodeTickParts(this.#ticks, { listed, dataset, packaging }, [from, to], this.#content)
      return
    }
    if (listed.market !== 'spot' && from >= HEADER_FROM) yield Buffer.from(CSV_HEADER)
    const unit = listed.market === 'spot' && from >= MICROSECONDS_FROM ? 'us' : 'ms'
    const encode = (bars: Bars): Buffer =>
      dataset === undefined ? encodeCsvRows(bars, listed.profile, interval, unit) : encodePriceCsv(bars, dataset, listed.profile, interval)
    const { dropped } = this.#content.forSymbol(listed.market, listed.symbol)
    if (packaging === 'monthly' && isCoarse(interval)) {
      const isHere = (openMs: number): boolean =>
        interval !== '1d' || (openMs >= listed.firstArchiveDay * MS_PER_DAY && !dropped.has(openMs / MS_PER_DAY))
      yield encode(filterBars(this.#bars.ofMonth(listed, interval, period, packaging), isHere))
      return
    }
    const first = Math.max(from, listed.firstArchiveDay)
    for (let day = first; day < to && day <= listed.lastDay; day++) {
      if (packaging === 'monthly' && dropped.has(day)) continue
      yield encode(this.#bars.ofDay(listed, interval, day, packaging))
    }
  }
}

/**
 * Bytes of a deflated row at most: measured over all default symbols, three seeds, level 1, with 5 % added. An archive
 * that is larger all the same is deflated again at the best level, which takes a tenth off.
 */
const ROW_BYTES: Readonly<Partial<Record<Interval, Readonly<Record<RestMarket, number>>>>> = {
  '1s': { spot: 42, um: 42, cm: 42 },
  '1m': { spot: 61.5, um: 51.5, cm: 44.5 },
}
/** The same of funding rates. */
const FUNDING_ROW_BYTES = 30
/** The same of trades and aggregates, of times in microseconds. */
const TICK_ROW_BYTES: Readonly<Record<TickDataset, Readonly<Record<RestMarket, number>>>> = {
  aggTrades: { spot: 24.8, um: 20.2, cm: 19.7 },
  trades: { spot: 23.8, um: 18.4, cm: 19 },
}
/** What a further part of an archive takes beyond its rows; measured on 12h, which has two rows a part. */
const PART_BYTES = 40
const LONGER_ROW_BYTES: Readonly<Record<RestMarket, number>> = { spot: 66.5, um: 55, cm: 49 }

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function changeLines(csv: string, faults: readonly ArchiveFault[]): Buffer {
  const lines = csv.split('\n').slice(0, -1)
  const third = Math.min(lines.length - 1, 3)
  for (const fault of faults) {
    switch (fault.kind) {
      case 'corrupt-line':
        lines[Math.min(fault.line, lines.length) - 1] = fault.text
        break
      case 'duplicate-rows':
        lines.splice(third, 0, lines[third] ?? '')
        break
      case 'conflicting-rows': {
        const cells = (lines[third] ?? '').split(',')
        // the number of trades; of statistics the open interest, of trades the quantity
        const place = cells.length > 8 ? 8 : 2
        cells[place] = String(Number(cells[place]) + 1)
        lines.splice(third + 1, 0, cells.join(','))
        break
      }
      case 'unsorted-rows': {
        const [second = '', last = ''] = [lines[1], lines.at(-1)]
        lines[1] = last
        lines[lines.length - 1] = second
        break
      }
      case 'doubled-rows':
        putBehindHeader(
          lines,
          lines.slice(1).flatMap((line) => [line, line]),
        )
        break
      case 'shuffled-rows':
        putBehindHeader(lines, shuffled(lines.slice(1)))
        break
      case 'missing-rows':
        lines.splice(fault.line - 1, fault.rows)
        break
      case 'corrupt-zip':
        break
    }
  }
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

/** One by one: more arguments than a call takes are lines of a day of seconds. */
function putBehindHeader(lines: string[], rows: readonly string[]): void {
  lines.length = 1
  for (const row of rows) lines.push(row)
}

/** Lines in another order, always the same one. */
function shuffled(lines: readonly string[]): string[] {
  const random = new Random(lines.length)
  return lines
    .map((line) => ({ line, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ line }) => line)
}

/** Inverts bytes in the middle of the deflated data. */
function spoil(zip: Buffer, deflatedBytes: number): void {
  const dataAt = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28)
  const middle = dataAt + Math.floor(deflatedBytes / 2)
  for (let at = middle; at < middle + 16; at++) zip[at] = (zip[at] as number) ^ 0xff
}
