import { sha256Hex } from '../memory/digest.ts'
import { VALUE_BYTES } from '../codec/arrow/chunk-bytes.ts'
import type { PackPlaces, RowRange } from '../codec/arrow/pack-places.ts'
import { locateChunks, locateColumns } from '../codec/arrow/pack-places.ts'
import { chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { isCkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { WholeDays, WholePack } from '../lake/ledger.ts'
import type { OpenFile } from '../lake/shard-store.ts'
import { LARGEST_FILE_BYTES } from '../lake/shard-store.ts'
import { datasetOf } from '../dataset/registry.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { countDays, dayStartUs } from '../model/utc-day.ts'
import type { ColumnBlock } from './column-block.ts'
import { bytesOfRows } from './column-block.ts'
import type { FileMemory } from './file-reads.ts'
import { joinReads } from './file-reads.ts'

/** A stored chunk and where its rows go in the block. */
export interface StoredPart {
  readonly row: DayRow
  readonly offset: number
}

/** Days that stand whole in a pack, and where their rows go in the block. */
export interface StoredDays {
  readonly whole: WholeDays
  readonly offset: number
}

/** Chunks of one pack that are wanted, by day. */
interface WantedChunks {
  readonly file: OpenFile
  readonly series: Series
  readonly parts: readonly StoredPart[]
  readonly target: ColumnBlock
}

/** Rows of a pack, and where they go. */
interface Run extends RowRange {
  readonly offset: number
}

/** A version of a pack that was read: where its chunks lie, and the digests that their rows were found to have. */
interface ReadPack extends PackPlaces {
  readonly version: string
  /** digest of the rows, by day */
  readonly proven: Map<UtcDay, string>
  /** the digests of days that were read at once, by the first one and the one after the last */
  readonly provenDays: Map<string, string>
}

/** A year of a hundred symbols; each takes some four kilobytes. */
const KEPT = 1200
/** What this process knows of packs, whichever client reads them: a digest is computed once. */
const kept = new Map<string, ReadPack>()

/**
 * Reads columns of chunks of a pack straight into their places. The first time the file is read whole, and the digest of each chunk's rows
 * compared with the one that the catalog records; while the file stays what it was, only the wanted rows of the wanted columns are read
 * after that. Closes the file.
 * @returns the parts whose rows are not there, or not the ones that the catalog records; theirs in the block are undefined
 */
export function readPacked(wanted: WantedChunks, whole: FileMemory): readonly StoredPart[] {
  const { file, parts } = wanted
  try {
    const version = file.version()
    const known = kept.get(file.place)
    if (known !== undefined && known.version === version && readDirectly(wanted, known)) return []
    return readWhole(wanted, version, whole)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_FORMAT', 'CKVD_LAKE_IO')) return parts
    throw error
  } finally {
    file.close()
  }
}

/**
 * The same of days that are there with all of their bars: one run of rows. Closes the file.
 * @returns false where their rows are not the ones that the catalog records, or do not follow each other; those in the block are undefined then
 */
export function readPackedDays(file: OpenFile, series: Series, stored: StoredDays, target: ColumnBlock, memory: FileMemory): boolean {
  try {
    const { whole, offset } = stored
    const version = file.version()
    const known = kept.get(file.place)
    const place = known !== undefined && known.version === version ? placeInKnown(series, whole, known) : undefined
    if (place !== undefined && readRun(file, series, { ...place.run, offset }, place.starts, target))
      return opensWithin(series, stored, target)
    const bytes = takeWhole(file, memory)
    const proven = bytes === undefined ? undefined : proveDays(bytes, series, whole)
    if (bytes === undefined || proven === undefined) return false
    copyPlace(bytes, series, proven, { ...proven.run, offset }, target)
    if (!opensWithin(series, stored, target)) return false
    if (version !== undefined) keep(file.place, version, proven).provenDays.set(nameOf(whole), proofOf(whole))
    return true
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_FORMAT', 'CKVD_LAKE_IO')) return false
    throw error
  } finally {
    file.close()
  }
}

/** Days of a pack that are proven, and where their rows lie. */
interface ProvenDays extends PackPlaces {
  readonly run: RowRange
}

/** What is proven once: a file with just these days, or some days of it. */
function nameOf({ first, end, pack }: WholeDays): string {
  return pack === undefined ? `${first} ${end}` : `file of ${pack.first} ${pack.end}`
}

/** The digests that prove it. */
function proofOf({ digests, pack }: WholeDays): string {
  return pack?.sha256 ?? digests
}

function placeInKnown(series: Series, whole: WholeDays, known: ReadPack): { run: RowRange; starts: readonly number[] } | undefined {
  if (known.provenDays.get(nameOf(whole)) !== proofOf(whole)) return undefined
  const run = whole.pack === undefined ? runOf(series, whole, known) : runInPack(whole, whole.pack)
  return run === undefined ? undefined : { run, starts: known.starts }
}

/** Compares the digest of the file, or those of the days; undefined where they are others. */
function proveDays(bytes: Buffer, series: Series, whole: WholeDays): ProvenDays | undefined {
  const { pack } = whole
  if (pack === undefined) {
    const places = locateChunks(bytes, series)
    const run = runOf(series, whole, places)
    return run !== undefined && digestsOf(bytes, series, whole, places) === whole.digests ? { ...places, run } : undefined
  }
  if (sha256Hex(bytes) !== pack.sha256) return undefined
  const run = runInPack(whole, pack)
  return { starts: locateColumns(bytes, series, barsOf(whole) * countDays(pack.first, pack.end)), chunks: new Map(), run }
}

/** Where the rows of some days lie in a pack that has all bars of its days. */
function runInPack(whole: WholeDays, pack: WholePack): RowRange {
  return { first: countDays(pack.first, whole.first) * barsOf(whole), rows: whole.rows }
}

function barsOf({ first, end, rows }: WholeDays): number {
  return rows / countDays(first, end)
}

/** The rows of some days, where a pack has them one after the other and no more. */
function runOf(series: Series, { first, end, rows }: WholeDays, { chunks }: PackPlaces): RowRange | undefined {
  const from = chunks.get(first)
  const last = chunks.get(previousChunk(end, series))
  return from !== undefined && last !== undefined && last.first + last.rows - from.first === rows ? { first: from.first, rows } : undefined
}

function digestsOf(bytes: Buffer, series: Series, { first, end }: WholeDays, places: PackPlaces): string {
  let digests = ''
  for (let day = first; day < end; day = nextChunk(day, series)) {
    const place = places.chunks.get(day)
    digests += place === undefined ? '' : digestOf(bytes, places, place)
  }
  return digests
}

function opensWithin(series: Series, { whole, offset }: StoredDays, { openTime }: ColumnBlock): boolean {
  const { startUs } = chunkRange(whole.first, series)
  return Number(openTime[offset]) >= startUs && Number(openTime[offset + whole.rows - 1]) < dayStartUs(whole.end)
}

function takeWhole(file: OpenFile, memory: FileMemory): Buffer | undefined {
  if (file.sizeBytes > LARGEST_FILE_BYTES) return undefined
  const bytes = memory.take(file.sizeBytes)
  return file.read(0, [bytes]) ? bytes : undefined
}

/** Reads the wanted rows of proven chunks; false where one is not, or the file ends early. */
function readDirectly({ file, series, parts, target }: WantedChunks, { starts, chunks, proven }: ReadPack): boolean {
  const runs: Run[] = []
  for (const { row, offset } of parts) {
    const place = chunks.get(row.day)
    if (place === undefined || place.rows !== row.rows || proven.get(row.day) !== row.shardSha256) return false
    const last = runs.at(-1)
    const isNext = last !== undefined && last.first + last.rows === place.first && last.offset + last.rows === offset
    if (isNext) runs[runs.length - 1] = { ...last, rows: last.rows + place.rows }
    else runs.push({ ...place, offset })
  }
  return runs.every((run) => readRun(file, series, run, starts, target)) && parts.every((part) => opensInChunk(series, part, target))
}

function readRun(file: OpenFile, series: Series, { first, rows, offset }: Run, starts: readonly number[], target: ColumnBlock): boolean {
  const places = datasetOf(series).columns.flatMap(({ key }, i) => {
    const values = target[key]
    const at = (starts[i] as number) + first * VALUE_BYTES
    return values === undefined ? [] : [{ at, into: bytesOfRows(values, offset, rows) }]
  })
  return joinReads(places).every(({ at, buffers }) => file.read(at, buffers))
}

/** Reads the whole file and proves each wanted chunk. */
function readWhole({ file, series, parts, target }: WantedChunks, version: string | undefined, whole: FileMemory): StoredPart[] {
  const bytes = takeWhole(file, whole)
  if (bytes === undefined) return [...parts]
  const places = locateChunks(bytes, series)
  const pack = version === undefined ? undefined : keep(file.place, version, places)
  const bad: StoredPart[] = []
  for (const part of parts) {
    const { row, offset } = part
    const place = places.chunks.get(row.day)
    if (place === undefined || place.rows !== row.rows || digestOf(bytes, places, place) !== row.shardSha256) bad.push(part)
    else {
      copyPlace(bytes, series, places, { ...place, offset }, target)
      if (opensInChunk(series, part, target)) pack?.proven.set(row.day, row.shardSha256)
      else bad.push(part)
    }
  }
  return bad
}

const WORD_BYTES = 4
/** Where the rows of one chunk after the other are gathered. */
let gathered = new Int32Array(0)

/**
 * SHA-256 of the rows of a chunk, column after column. Gathered word by word: a day has a few values of each column, and a call to copy them
 * takes longer than they do.
 */
function digestOf(bytes: Buffer, { starts }: PackPlaces, { first, rows }: RowRange): string {
  const words = rows * (VALUE_BYTES / WORD_BYTES)
  const sizeBytes = rows * VALUE_BYTES * starts.length
  if (gathered.byteLength < sizeBytes) gathered = new Int32Array(sizeBytes / WORD_BYTES)
  const file = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / WORD_BYTES))
  let at = 0
  for (const start of starts) {
    const from = start / WORD_BYTES + first * (VALUE_BYTES / WORD_BYTES)
    for (let i = 0; i < words; i++) gathered[at++] = file[from + i] as number
  }
  return sha256Hex(new Uint8Array(gathered.buffer, 0, sizeBytes))
}

function copyPlace(bytes: Buffer, series: Series, { starts }: PackPlaces, { first, rows, offset }: Run, target: ColumnBlock): void {
  datasetOf(series).columns.forEach(({ key }, i) => {
    const values = target[key]
    const at = (starts[i] as number) + first * VALUE_BYTES
    if (values !== undefined) bytes.copy(bytesOfRows(values, offset, rows), 0, at, at + rows * VALUE_BYTES)
  })
}

function opensInChunk(series: Series, { row, offset }: StoredPart, { openTime }: ColumnBlock): boolean {
  const { startUs, endUs } = chunkRange(row.day, series)
  return Number(openTime[offset]) >= startUs && Number(openTime[offset + row.rows - 1]) < endUs
}

/** Remembers a version of a pack, and what was proven of it. The oldest are forgotten first. */
function keep(place: string, version: string, places: PackPlaces): ReadPack {
  const known = kept.get(place)
  const before = known?.version === version ? known : undefined
  const pack = {
    version,
    starts: places.starts,
    // who proved the whole file has not looked where each chunk lies
    chunks: places.chunks.size > 0 ? places.chunks : (before?.chunks ?? places.chunks),
    proven: before?.proven ?? new Map<UtcDay, string>(),
    provenDays: before?.provenDays ?? new Map<string, string>(),
  }
  kept.delete(place)
  kept.set(place, pack)
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break
    kept.delete(oldest)
  }
  return pack
}
