import { CkvdError } from '../../errors.ts'
import { filePeriod } from '../../dataset/pack.ts'
import { sha256Hex } from '../../memory/digest.ts'
import { createColumns, KLINE_COLUMNS } from '../../model/kline.ts'
import { encodeKlines } from './arrow-writer.ts'
import { ROW_BYTES, VALUE_BYTES } from './chunk-bytes.ts'
import { digestColumns } from './columns-digest.ts'
import { CHUNKS_KEY, PACK_FORMAT, PACKED_DATASET } from './pack.ts'
import { DIGEST_DIGITS, encodeChunks } from './pack-meta.ts'
import type { ShardMeta } from './shard-meta.ts'
import { DIGEST_KEY, FORMAT_KEY } from './shard-meta.ts'

/** A chunk and the bytes of its rows, on its way into a pack. */
export interface ChunkToPack {
  readonly meta: ShardMeta
  readonly bytes: Uint8Array
  /** what the pack says of the rows, where they are carried along as they are, damaged; default: the digest of the bytes */
  readonly digest?: string
}

/**
 * Chunks of one period as a pack.
 * @param chunks in order, at least one; their bytes as `chunkBytes` gives them
 */
export function encodePack(chunks: readonly ChunkToPack[]): Uint8Array<ArrayBuffer> {
  const first = chunks[0]?.meta
  if (first === undefined) throw new CkvdError('CKVD_BUG', 'Expected a pack of at least one chunk, found none')
  const columns = createColumns(chunks.reduce((sum, { meta }) => sum + meta.rows, 0))
  let row = 0
  for (const { meta, bytes } of chunks) {
    if (bytes.length !== meta.rows * ROW_BYTES || meta.rows === 0)
      throw new CkvdError('CKVD_BUG', `Expected ${meta.rows} rows of ${ROW_BYTES} bytes in ${meta.day}, found ${bytes.length} bytes`)
    KLINE_COLUMNS.forEach(({ key }, i) => {
      const { buffer } = columns[key]
      const size = meta.rows * VALUE_BYTES
      new Uint8Array(buffer).set(bytes.subarray(i * size, (i + 1) * size), row * VALUE_BYTES)
    })
    row += meta.rows
  }
  const packed = chunks.map(({ meta, bytes, digest }) => ({ ...meta, digest: digest ?? sha256Hex(bytes).slice(0, DIGEST_DIGITS) }))
  const metadata = new Map([
    [FORMAT_KEY, PACK_FORMAT],
    ['ckvd.dataset', PACKED_DATASET],
    ['ckvd.market', first.market],
    ['ckvd.symbol', first.symbol],
    ['ckvd.interval', first.interval],
    ['ckvd.period', filePeriod(first.day, first)],
    [DIGEST_KEY, digestColumns(columns, KLINE_COLUMNS)],
    [CHUNKS_KEY, encodeChunks(packed)],
  ])
  return encodeKlines(columns, metadata, CHUNKS_KEY)
}
