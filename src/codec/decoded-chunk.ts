import { endsOf } from '../dataset/expected.ts'
import { isPacked } from '../dataset/pack.ts'
import type { ChunkEnds } from '../dataset/sequence.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { Columns } from '../model/columns.ts'
import { doubt } from '../model/evidence.ts'
import type { Gap } from '../model/gaps.ts'
import type { Packaging, Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { chunkBytes, rowBytesOf } from './arrow/chunk-bytes.ts'
import type { ShardMeta } from './arrow/shard-meta.ts'
import type { JudgedChunk } from './judge-chunks.ts'
import { encodeShard } from './shard-file.ts'

/*
 * A chunk as a decoder gives it: its bytes, and all that is known of it from its archive alone.
 */

/** One chunk of an archive, encoded. */
export interface DecodedChunk {
  readonly day: UtcDay
  /** an Arrow file at the start of memory of its own, or the bytes of a chunk that stands in a pack (see `shardRows`) */
  readonly shard: Uint8Array
  readonly shardSha256: string
  readonly rows: number
  readonly expected: number
  readonly offGrid: number
  /** rows that repeated another one in all columns */
  readonly duplicates: number
  /** rows that gave other values for an open time; the later row in the file was kept */
  readonly conflicts: number
  /** the first conflicts with both values; empty when there are none */
  readonly conflictNote: string
  /** bars with an odd close time, and bars that break a bar's own rules: see `findOddRows` */
  readonly oddClose: number
  readonly oddRows: number
  readonly gaps: Gap[]
  readonly firstOpenUs: number
  readonly lastOpenUs: number
  /** of a sequence: what tells whether rows are missing between this chunk and those beside it */
  readonly ends?: ChunkEnds | undefined
  readonly condition: 'complete' | 'partial'
}

/** Whose archive it is, as the listing has it. */
export interface ArchiveFacts {
  readonly series: Series
  readonly archive: { readonly key: string; readonly etag: string; readonly packaging: Packaging }
}

/** Rows as the file of a chunk. */
type ShardEncoding = (columns: Columns, meta: ShardMeta) => Uint8Array

/**
 * The chunks of an archive. Those of a pack are small, and many: they lie in one piece of memory, which goes to another thread as one.
 * @param encodeFile for a series whose chunks have a file each
 * @param sources default: the form of the archive
 */
export function encodeChunks(
  judged: readonly JudgedChunk[],
  { series, archive }: ArchiveFacts,
  archiveSha256: string,
  encodeFile: ShardEncoding,
  sources: readonly string[] = [`vision-${archive.packaging}`],
): DecodedChunk[] {
  const rowBytes = rowBytesOf(series)
  const rows = judged.reduce((sum, { chunk }) => sum + chunk.columns.openTime.length, 0)
  const room = new Uint8Array(isPacked(series) ? rows * rowBytes : 0)
  let used = 0
  const encode: ShardEncoding = (columns, meta) =>
    isPacked(series) ? chunkBytes(columns, series, room.subarray(used, (used += meta.rows * rowBytes))) : encodeFile(columns, meta)
  const from = { series, archive, archiveSha256, source: sources.join('+') }
  return judged.map((one) => {
    const facts = factsOf(one, series)
    return chunkOf(facts, encode(one.chunk.columns, metaOf(facts, from)))
  })
}

/** Chunks that are large, and are encoded one after the other. */
export async function encodeLargeChunks(
  judged: readonly JudgedChunk[],
  { series, archive }: ArchiveFacts,
  archiveSha256: string,
): Promise<DecodedChunk[]> {
  const from = { series, archive, archiveSha256, source: `vision-${archive.packaging}` }
  const chunks: DecodedChunk[] = []
  for (const one of judged) {
    const facts = factsOf(one, series)
    chunks.push(chunkOf(facts, await encodeShard(one.chunk.columns, metaOf(facts, from))))
  }
  return chunks
}

/** From which archive a chunk comes. */
export interface ChunkOrigin extends ArchiveFacts {
  readonly archiveSha256: string
  /** `vision-daily`, `vision-monthly`, or a `+`-joined mix */
  readonly source: string
}

/** All that is told of a chunk but its bytes. */
export type ChunkFacts = Omit<DecodedChunk, 'shard' | 'shardSha256' | 'condition'>

function factsOf({ chunk, odd }: JudgedChunk, series: Series): ChunkFacts {
  const { columns, day, expected, offGrid, duplicates, conflicts, conflictNote, gaps } = chunk
  const rows = columns.openTime.length
  return {
    ...{ day, rows, expected, offGrid, duplicates, conflicts, conflictNote, gaps },
    oddClose: odd.oddClose,
    oddRows: odd.oddRows,
    firstOpenUs: Number(columns.openTime[0]),
    lastOpenUs: Number(columns.openTime[rows - 1]),
    ends: endsOf(columns, series),
  }
}

/** What the file of a chunk says of it. */
export function metaOf(facts: ChunkFacts, { series, archive, archiveSha256, source }: ChunkOrigin): ShardMeta {
  return {
    ...(series.dataset === undefined ? {} : { dataset: series.dataset }),
    market: series.market,
    symbol: series.symbol,
    interval: series.interval,
    day: facts.day,
    source,
    archiveKey: archive.key,
    archiveSha256,
    archiveEtag: archive.etag,
    condition: conditionOf(facts),
    rows: facts.rows,
    expected: facts.expected,
    offGrid: facts.offGrid,
    duplicates: facts.duplicates,
    oddClose: facts.oddClose,
    oddRows: facts.oddRows,
    gaps: facts.gaps.map(({ startUs, endUs, bars }) => ({ startUs, endUs, bars, evidence: doubt('not-asked') })),
  }
}

function conditionOf({ gaps }: Pick<ChunkFacts, 'gaps'>): 'complete' | 'partial' {
  return gaps.length === 0 ? 'complete' : 'partial'
}

/** A chunk with its bytes. */
export function chunkOf(facts: ChunkFacts, shard: Uint8Array): DecodedChunk {
  return { ...facts, shard, shardSha256: sha256Hex(shard), condition: conditionOf(facts) }
}
