import { z } from 'zod'
import { parseJson } from '../../json-text.ts'
import type { Series } from '../../model/series.ts'
import { chunkPeriod, nextChunk } from '../../dataset/chunk.ts'
import { archiveStem } from '../../dataset/names.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { parseUtcDay } from '../../model/utc-day.ts'
import type { ShardCondition, ShardMeta } from './shard-meta.ts'
import { gapData, parseGapList, SHARD_CONDITIONS } from './shard-meta.ts'

/** What a pack says of one of its chunks. */
export interface PackedChunk extends ShardMeta {
  /** the first 16 bytes of the SHA-256 of its rows, as 32 hex digits */
  readonly digest: string
}

/** Bytes of a digest that a pack keeps: enough to tell every accident. */
const DIGEST_BYTES = 16
export const DIGEST_DIGITS = 2 * DIGEST_BYTES

/*
 * The chunks of a pack as JSON, an entry a chunk, in order. An entry states what differs from the entry before it; `day` where it is not the
 * next chunk. Gaps and digest are always a chunk's own. The first entry differs from a chunk about which there is nothing to say. Where only
 * the digest is to be said, the entry is the digest.
 */
/** Base64 without padding, of 16 and of 32 bytes. */
const Digest = z.string().regex(/^[A-Za-z0-9+/]{22}$/)
const Sha256 = z.string().regex(/^[A-Za-z0-9+/]{43}$/)
const Count = z.int().nonnegative()
const Entry = z.strictObject({
  day: z.string().optional(),
  rows: Count.optional(),
  expected: Count.optional(),
  condition: z.enum(SHARD_CONDITIONS as [ShardCondition, ...ShardCondition[]]).optional(),
  source: z.string().min(1).optional(),
  /** `daily`, `monthly`: the archive that Vision has of the chunk; else a key; null: none */
  archive: z.string().min(1).nullable().optional(),
  sha256: Sha256.nullable().optional(),
  etag: z.string().nullable().optional(),
  off_grid: Count.optional(),
  duplicates: Count.optional(),
  odd_close: Count.optional(),
  odd_rows: Count.optional(),
  gaps: z.array(z.unknown()).optional(),
  digest: Digest,
})
const Chunks = z.array(z.union([Digest, Entry]))

const FORMS = ['monthly', 'daily'] as const

/** What an entry may take from the one before it. */
interface Facts {
  readonly rows: number
  readonly expected: number
  readonly condition: ShardCondition
  readonly source: string
  readonly archive: string | null
  /** as hex digits here, in an entry as base64 */
  readonly sha256: string | null
  readonly etag: string | null
  readonly off_grid: number
  readonly duplicates: number
  readonly odd_close: number
  readonly odd_rows: number
}

const NOTHING: Facts = {
  rows: 0,
  expected: 0,
  condition: 'complete',
  source: 'rest',
  archive: null,
  sha256: null,
  etag: null,
  off_grid: 0,
  duplicates: 0,
  odd_close: 0,
  odd_rows: 0,
}

const FACTS = Object.keys(NOTHING) as readonly (keyof Facts)[]

/** The list of chunks, the same text for the same chunks. @param chunks in order */
export function encodeChunks(chunks: readonly PackedChunk[]): string {
  const stems = chunks[0] === undefined ? [] : keyStems(chunks[0])
  let before = NOTHING
  let next: UtcDay | null = null
  const entries = chunks.map((chunk) => {
    const facts = factsOf(chunk, stems)
    const entry: Record<string, unknown> = {}
    if (chunk.day !== next) entry['day'] = chunk.day
    for (const name of FACTS) if (facts[name] !== before[name]) entry[name] = name === 'sha256' ? sha256Text(facts) : facts[name]
    if (chunk.gaps.length > 0) entry['gaps'] = chunk.gaps.map(gapData)
    before = facts
    next = nextChunk(chunk.day, chunk)
    const digest = toBase64(chunk.digest)
    return Object.keys(entry).length === 0 ? digest : { ...entry, digest }
  })
  return JSON.stringify(entries)
}

/** Of archives most chunks of a pack share one: its digest is written once. */
function sha256Text({ sha256 }: Facts): string | null {
  return sha256 === null ? null : toBase64(sha256)
}

function factsOf(chunk: PackedChunk, stems: readonly KeyStem[]): Facts {
  return {
    rows: chunk.rows,
    expected: chunk.expected,
    condition: chunk.condition,
    source: chunk.source,
    archive: shortKey(chunk, stems),
    sha256: chunk.archiveSha256,
    etag: chunk.archiveEtag,
    off_grid: chunk.offGrid,
    duplicates: chunk.duplicates,
    odd_close: chunk.oddClose,
    odd_rows: chunk.oddRows,
  }
}

/** @param refuse throws the caller's error; gets what was expected and what was found */
export function decodeChunks(text: string, series: Series, refuse: (expected: string, found: string) => never): PackedChunk[] {
  const list = Chunks.safeParse(parseJson(text))
  if (!list.success) return refuse('a list of chunks', list.error.issues[0]?.message ?? 'none')
  const { dataset, market, symbol, interval } = series
  const stems = keyStems(series)
  let facts = NOTHING
  let next: UtcDay | null = null
  const chunks: PackedChunk[] = []
  for (const entry of list.data) {
    const { day: given, gaps: listed = [], digest, ...said } = typeof entry === 'string' ? { digest: entry } : entry
    const changed = said.sha256 == null ? said : { ...said, sha256: toHex(said.sha256) }
    const day = given === undefined ? next : (parseUtcDay(given) ?? null)
    if (day === null || (next !== null && day < next)) return refuse('chunks in order, the first one with its day', `${given ?? 'none'}`)
    facts = { ...facts, ...(changed as Partial<Facts>) }
    const gaps = parseGapList(listed)
    if (gaps === undefined) return refuse('a list of gaps', JSON.stringify(listed).slice(0, 100))
    next = nextChunk(day, series)
    chunks.push({
      ...(dataset === undefined ? {} : { dataset }),
      market,
      symbol,
      interval,
      day,
      rows: facts.rows,
      expected: facts.expected,
      condition: facts.condition,
      source: facts.source,
      archiveKey: longKey(series, day, facts.archive, stems),
      archiveSha256: facts.sha256,
      archiveEtag: facts.etag,
      offGrid: facts.off_grid,
      duplicates: facts.duplicates,
      oddClose: facts.odd_close,
      oddRows: facts.odd_rows,
      gaps,
      digest: toHex(digest),
    })
  }
  return chunks
}

/** How the keys of Vision's archives of a form begin. */
type KeyStem = readonly [form: (typeof FORMS)[number], stem: string]

function keyStems(series: Series): KeyStem[] {
  return FORMS.map((form) => [form, archiveStem(series, form)])
}

/** A key that follows from chunk and form is written as the form. */
function shortKey(chunk: PackedChunk, stems: readonly KeyStem[]): string | null {
  const { archiveKey, day } = chunk
  const found = archiveKey === null ? undefined : stems.find(([, stem]) => archiveKey.startsWith(stem))
  return found !== undefined && archiveKey === keyOf(found, chunk, day) ? found[0] : archiveKey
}

function longKey(series: Series, day: UtcDay, archive: string | null, stems: readonly KeyStem[]): string | null {
  const found = stems.find(([form]) => form === archive)
  return found === undefined ? archive : keyOf(found, series, day)
}

function keyOf([form, stem]: KeyStem, series: Series, day: UtcDay): string {
  return `${stem}${form === 'monthly' ? day.slice(0, 7) : chunkPeriod(day, series)}.zip`
}

function toBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64').replaceAll('=', '')
}

function toHex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex')
}
