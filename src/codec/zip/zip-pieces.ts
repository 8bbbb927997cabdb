import { crc32, createInflateRaw } from 'node:zlib'
import type { ReadZipEntryOptions } from './zip-entry.ts'
import { checkSizes, DEFAULT_MAX_BYTES, readZipEntry } from './zip-entry.ts'
import { locateEntry, STORED, zipError } from './zip-directory.ts'

/** Pieces that stay in the processor's second-level cache until they are read. */
const PIECE_BYTES = 256 * 1024

/**
 * Gives the bytes of `${expectedStem}.csv`, the only entry of a ZIP archive, to a reader in pieces, so that they are never in memory as a whole.
 * Sizes and CRC-32 are known when the last piece is read: what the reader made before must not be kept where this throws.
 * @param read must read all pieces, unless it throws
 * @throws what `readZipEntry` throws, before what the reader does: of a damaged archive nobody believes what is wrong with a row
 */
export async function readZipPieces<T>(
  zip: Uint8Array,
  expectedStem: string,
  { maxBytes = DEFAULT_MAX_BYTES }: Pick<ReadZipEntryOptions, 'maxBytes'>,
  read: (pieces: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  try {
    return await read(piecesOf(zip, `${expectedStem}.csv`, maxBytes))
  } catch (error) {
    // as a whole, since it alone says what is wrong with an archive
    await readZipEntry(zip, expectedStem, { maxBytes })
    throw error
  }
}

async function* piecesOf(zip: Uint8Array, name: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength)
  const entry = await locateEntry(buffer, name)
  checkSizes(entry, maxBytes)
  const data = buffer.subarray(entry.dataStart, entry.dataStart + entry.compressedSize)
  const inflated = entry.method === STORED ? undefined : createInflateRaw({ chunkSize: PIECE_BYTES })
  inflated?.end(data)
  let sizeBytes = 0
  let crc = 0
  for await (const piece of (inflated ?? [data]) as AsyncIterable<Buffer>) {
    sizeBytes += piece.length
    crc = crc32(piece, crc)
    if (sizeBytes > entry.uncompressedSize) break
    yield piece
  }
  const readBytes = inflated?.bytesWritten ?? data.length
  if (sizeBytes === entry.uncompressedSize && crc === entry.crc32 && readBytes === data.length) return
  throw zipError('CKVD_ZIP_FORMAT', `Expected the ZIP entry ${name} to be as its directory tells`, { found: sizeBytes })
}
