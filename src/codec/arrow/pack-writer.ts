import { CkvdError } from '../../errors.ts'
import { filePeriod } from '../../dataset/pack.ts'
import { sha256Hex } from '../../memory/digest.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { FileEncoder } from './arrow-template.ts'
import { chunkColumns, rowBytesOf, VALUE_BYTES } from './chunk-bytes.ts'
import { digestColumns } from './columns-digest.ts'
import { CHUNKS_KEY, PACK_FORMAT } from './pack.ts'
import { DIGEST_DIGITS, encodeChunks } from './pack-meta.ts'
import type { ShardMeta } from './shard-meta.ts'
import { DATASET_KEY, DIGEST_KEY, FORMAT_KEY } from './shard-meta.ts'

/** Packs of a run are alike: full months, full years. */
const files = new FileEncoder()

/** A chunk and the bytes of its rows, on its way into a pack. */
export interface ChunkToPack {
  readonly meta: ShardMeta
  readonly bytes: Uint8Array
  /** what the pack says of the rows: what was recorded of them when they were made, so that damage on the way is found; default: their digest */
  readonly digest?: string
}

/**
 * Chunks of one period as a pack.
 * @param chunks in order, at least one; their bytes as `chunkBytes` gives them
 */
export function encodePack(chunks: readonly ChunkToPack[]): Uint8Array {
  const first = chunks[0]?.meta
  if (first === undefined) throw new CkvdError('CKVD_BUG', 'Expected a pack of at least one chunk, found none')
  const dataset = datasetOf(first)
  const rowBytes = rowBytesOf(first)
  const rows = chunks.reduce((sum, { meta }) => sum + meta.rows, 0)
  // not zeroed: each byte is written below
  const room = new Uint8Array(Buffer.allocUnsafeSlow(rows * rowBytes).buffer)
  const columnBytes = rows * VALUE_BYTES
  let row = 0
  for (const { meta, bytes } of chunks) {
    if (bytes.length !== meta.rows * rowBytes || meta.rows === 0)
      throw new CkvdError('CKVD_BUG', `Expected ${meta.rows} rows of ${rowBytes} bytes in ${meta.day}, found ${bytes.length} bytes`)
    const size = meta.rows * VALUE_BYTES
    dataset.columns.forEach((_, i) => room.set(bytes.subarray(i * size, (i + 1) * size), i * columnBytes + row * VALUE_BYTES))
    row += meta.rows
  }
  const columns = chunkColumns(room, first)
  const packed = chunks.map(({ meta, bytes, digest }) => ({ ...meta, digest: digest ?? sha256Hex(bytes).slice(0, DIGEST_DIGITS) }))
  const metadata = new Map([
    [FORMAT_KEY, PACK_FORMAT],
    [DATASET_KEY, dataset.name],
    ['ckvd.market', first.market],
    ['ckvd.symbol', first.symbol],
    ['ckvd.interval', first.interval],
    ['ckvd.period', filePeriod(first.day, first)],
    [DIGEST_KEY, digestColumns(columns, dataset.columns)],
    [CHUNKS_KEY, encodeChunks(packed)],
  ])
  return files.encode(columns, metadata, dataset, { footerOnly: CHUNKS_KEY })
}
