import type { InflateRaw } from 'node:zlib'
import { crc32, createInflateRaw } from 'node:zlib'
import type { ReadZipEntryOptions } from './zip-entry.ts'
import { checkCrc, checkSizes, checkUnpacked, DEFAULT_MAX_BYTES, inflateError, longerError } from './zip-entry.ts'
import { locateEntry, STORED } from './zip-directory.ts'

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
  const pieces = (): AsyncGenerator<Uint8Array> => piecesOf(zip, `${expectedStem}.csv`, maxBytes)
  try {
    return await read(pieces())
  } catch (error) {
    // all of it once more, unless the archive itself is what failed
    for await (const piece of pieces()) void piece
    throw error
  }
}

async function* piecesOf(zip: Uint8Array, name: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength)
  const entry = await locateEntry(buffer, name)
  checkSizes(entry, maxBytes)
  const data = buffer.subarray(entry.dataStart, entry.dataStart + entry.compressedSize)
  const inflated = entry.method === STORED ? undefined : createInflateRaw({ chunkSize: PIECE_BYTES })
  let sizeBytes = 0
  let crc = 0
  for await (const piece of inflated === undefined ? [data] : inflate(inflated, data)) {
    sizeBytes += piece.length
    if (sizeBytes > entry.uncompressedSize) throw longerError(entry.uncompressedSize)
    crc = crc32(piece, crc)
    yield piece
  }
  checkUnpacked(entry, { readBytes: inflated?.bytesWritten ?? data.length, sizeBytes })
  checkCrc(entry, crc, name)
}

async function* inflate(inflated: InflateRaw, data: Uint8Array): AsyncGenerator<Buffer> {
  inflated.end(data)
  try {
    for await (const piece of inflated as AsyncIterable<Buffer>) yield piece
  } catch (cause) {
    throw inflateError(cause)
  }
}
