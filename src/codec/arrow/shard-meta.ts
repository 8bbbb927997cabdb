import { parseJson } from '../../json-text.ts'
import type { Chunked } from '../../dataset/chunk.ts'
import { chunkOfUs } from '../../dataset/chunk.ts'
import type { Condition } from '../../model/condition.ts'
import type { EvidencedGap } from '../../model/evidence.ts'
import { doubt, parseEvidenceData, toEvidenceData } from '../../model/evidence.ts'
import type { Interval } from '../../model/interval.ts'
import { parseInterval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import { isMarket, isSymbol } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, parseUtcDay } from '../../model/utc-day.ts'

/** The conditions of a chunk that has a shard. */
export type ShardCondition = Extract<Condition, 'complete' | 'provisional' | 'outage' | 'partial' | 'disputed'>

/** What a shard says of itself, in its schema metadata. Nothing of it depends on when or where it was written. */
export interface ShardMeta {
  /** absent: `klines` */
  readonly dataset?: string | undefined
  readonly market: Market
  readonly symbol: string
  readonly interval: Interval
  readonly day: UtcDay
  /** `vision-daily`, `vision-monthly`, `rest`, or several joined by `+` */
  readonly source: string
  readonly archiveKey: string | null
  readonly archiveSha256: string | null
  readonly archiveEtag: string | null
  readonly condition: ShardCondition
  readonly rows: number
  readonly expected: number
  readonly offGrid: number
  readonly duplicates: number
  /** bars with an odd close time, and bars that break a bar's own rules: see `findOddRows` */
  readonly oddClose: number
  readonly oddRows: number
  readonly gaps: readonly EvidencedGap[]
}

/** The format that this version writes, in `ckvd.format`. */
const FORMAT = '1'
export const FORMAT_KEY = 'ckvd.format'
/** The digest of the columns: see `digestColumns`. */
export const DIGEST_KEY = 'ckvd.digest'
/** The data set; klines do not state it. */
export const DATASET_KEY = 'ckvd.dataset'
export const MARKET_KEY = 'ckvd.market'
const ODD_CLOSE_KEY = 'ckvd.odd_close'
const ODD_ROWS_KEY = 'ckvd.odd_rows'
/** Keys that the first shards of format 1 do not have: a shard has all of them or none. */
const LATER_KEYS = [ODD_CLOSE_KEY, ODD_ROWS_KEY, DIGEST_KEY]

export const SHARD_CONDITIONS: readonly string[] = ['complete', 'provisional', 'outage', 'partial', 'disputed'] satisfies ShardCondition[]

/**
 * The metadata of a shard's schema, always in the same order: it is part of the shard's bytes.
 * @param digest of the columns: see `digestColumns`
 */
export function encodeMeta(meta: ShardMeta, digest: string): Map<string, string> {
  const gaps = meta.gaps.map(gapData)
  return new Map([
    [FORMAT_KEY, FORMAT],
    ...(meta.dataset === undefined ? [] : [[DATASET_KEY, meta.dataset] as const]),
    [MARKET_KEY, meta.market],
    ['ckvd.symbol', meta.symbol],
    ['ckvd.interval', meta.interval],
    ['ckvd.day', meta.day],
    ['ckvd.source', meta.source],
    ['ckvd.archive.key', meta.archiveKey ?? ''],
    ['ckvd.archive.sha256', meta.archiveSha256 ?? ''],
    ['ckvd.archive.etag', meta.archiveEtag ?? ''],
    ['ckvd.condition', meta.condition],
    ['ckvd.rows', String(meta.rows)],
    ['ckvd.expected', String(meta.expected)],
    ['ckvd.off_grid', String(meta.offGrid)],
    ['ckvd.duplicates', String(meta.duplicates)],
    [ODD_CLOSE_KEY, String(meta.oddClose)],
    [ODD_ROWS_KEY, String(meta.oddRows)],
    [DIGEST_KEY, digest],
    ['ckvd.gaps', JSON.stringify(gaps)],
  ])
}

/**
 * Reads the metadata of a shard. One of the first, which does not count what is odd, gets zeros: `statesDigest` tells.
 * @param refuse throws the caller's error; gets what was expected and what was found
 */
export function decodeMeta(metadata: ReadonlyMap<string, string>, refuse: (expected: string, found: string) => never): ShardMeta {
  const text = (key: string): string => metadata.get(key) ?? refuse(`the metadata ${key}`, 'none')
  const read = <T>(key: string, expected: string, parse: (text: string) => T | undefined): T => {
    const value = text(key)
    return parse(value) ?? refuse(`${expected} as ${key}`, `"${value.slice(0, 100)}"`)
  }
  const count = (key: string): number => read(key, 'a count', parseCount)
  read(FORMAT_KEY, `format ${FORMAT}`, (value) => (value === FORMAT ? value : undefined))
  const isFirst = !statesDigest(metadata)
  if (!isFirst) read(DIGEST_KEY, '64 hex digits', (value) => (/^[0-9a-f]{64}$/.test(value) ? value : undefined))
  const dataset = metadata.get(DATASET_KEY)
  const interval = read('ckvd.interval', 'an interval', (value) => (value === '1mo' ? undefined : parseInterval(value)))
  return {
    ...(dataset === undefined ? {} : { dataset }),
    market: read(MARKET_KEY, 'a market', (value) => (isMarket(value) ? value : undefined)),
    symbol: read('ckvd.symbol', 'a symbol', (value) => (isSymbol(value) ? value : undefined)),
    interval,
    day: read('ckvd.day', 'the first day of a chunk', (value) => parseChunk(value, { dataset, interval })),
    source: read('ckvd.source', 'a source', (value) => (value === '' ? undefined : value)),
    archiveKey: text('ckvd.archive.key') || null,
    archiveSha256:
      read('ckvd.archive.sha256', '64 hex digits or nothing', (value) => (/^(?:[0-9a-f]{64})?$/.test(value) ? value : undefined)) || null,
    archiveEtag: text('ckvd.archive.etag') || null,
    condition: read('ckvd.condition', 'a condition', (value) => (SHARD_CONDITIONS.includes(value) ? (value as ShardCondition) : undefined)),
    rows: count('ckvd.rows'),
    expected: count('ckvd.expected'),
    offGrid: count('ckvd.off_grid'),
    duplicates: count('ckvd.duplicates'),
    oddClose: isFirst ? 0 : count(ODD_CLOSE_KEY),
    oddRows: isFirst ? 0 : count(ODD_ROWS_KEY),
    gaps: read('ckvd.gaps', 'a list of gaps', parseGaps),
  }
}

/** False for a shard of the first version that wrote format 1: it has no digest of its columns, and no counts of what is odd. */
export function statesDigest(metadata: ReadonlyMap<string, string>): boolean {
  return LATER_KEYS.some((key) => metadata.has(key))
}

function parseCount(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined
}

function parseChunk(text: string, series: Chunked): UtcDay | undefined {
  const day = parseUtcDay(text)
  return day !== undefined && chunkOfUs(dayStartUs(day), series) === day ? day : undefined
}

function parseGaps(text: string): EvidencedGap[] | undefined {
  const parsed = parseJson(text)
  return Array.isArray(parsed) ? parseGapList(parsed as unknown[]) : undefined // the caller refuses it with the text that it found
}

/** A gap as it stands in a shard's metadata: what was asked and what came, in words, is left out. */
export function gapData({ startUs, endUs, bars, evidence }: EvidencedGap): Readonly<Record<string, unknown>> {
  return { start_us: startUs, end_us: endUs, bars, ...toEvidenceData(evidence, { notes: false }) }
}

/** Gaps as `gapData` writes them, in order and apart; undefined for anything else. */
export function parseGapList(list: readonly unknown[]): EvidencedGap[] | undefined {
  const gaps: EvidencedGap[] = []
  for (const item of list) {
    const fields = (item ?? {}) as Record<string, unknown>
    // the first versions wrote words as evidence: they prove nothing
    const isOld = typeof fields['evidence'] === 'string'
    const { startUs, endUs, bars } = isOld
      ? { startUs: fields['start'], endUs: fields['end'], bars: fields['bars'] }
      : { startUs: fields['start_us'], endUs: fields['end_us'], bars: fields['bars'] }
    const evidence = isOld ? doubt('text', String(fields['evidence'])) : parseEvidenceData(item)
    if (!isCount(startUs) || !isCount(endUs) || !isCount(bars) || evidence === undefined) return undefined
    if (startUs >= endUs || bars === 0 || startUs < (gaps.at(-1)?.endUs ?? 0)) return undefined
    gaps.push({ startUs, endUs, bars, evidence })
  }
  return gaps
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
