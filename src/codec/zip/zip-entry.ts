import { constants, crc32, inflateRawSync } from 'node:zlib'
import type { CkvdError } from '../../errors.ts'
import type { ZipEntry } from './zip-directory.ts'
import { DEFLATED, locateEntry, STORED, zipError } from './zip-directory.ts'

/**
 * Another inflater than zlib: gives the `sizeBytes` of a raw deflate stream, or undefined where it does not take it. It need
 * not tell what is wrong with a damaged stream, nor notice it where the CRC-32 does: then zlib is asked.
 */
export type Inflate = (data: Uint8Array, sizeBytes: number) => Uint8Array | undefined

export interface ReadZipEntryOptions {
  /** default zlib */
  readonly inflate?: Inflate
  /** largest uncompressed size that is accepted; default 512 MiB (a month of `1s` bars is about 390 MB) */
  readonly maxBytes?: number
}

export const DEFAULT_MAX_BYTES = 512 * 1024 * 1024
/** Deflate cannot expand by more than this, so a larger declared size is a lie: no memory is spent on it. */
const MAX_DEFLATE_RATIO = 1032

/**
 * The bytes of `${expectedStem}.csv`, the only entry of a ZIP archive. Every size is checked before memory is spent on it,
 * and the CRC-32 afterwards (yauzl reads the directory but never checks the CRC).
 * @throws CKVD_ZIP_FORMAT, CKVD_ZIP_ENTRY, CKVD_ZIP_SIZE, CKVD_ZIP_CRC
 */
export async function readZipEntry(zip: Uint8Array, expectedStem: string, options: ReadZipEntryOptions = {}): Promise<Uint8Array> {
  const name = `${expectedStem}.csv`
  const buffer = Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength)
  const entry = await locateEntry(buffer, name)
  checkSizes(entry, options.maxBytes ?? DEFAULT_MAX_BYTES)
  const data = buffer.subarray(entry.dataStart, entry.dataStart + entry.compressedSize)
  if (entry.method === DEFLATED) {
    const fast = options.inflate?.(data, entry.uncompressedSize)
    if (fast !== undefined && crc32(fast) === entry.crc32) return fast
  }
  const bytes = entry.method === STORED ? data : inflate(data, entry)
  checkCrc(entry, crc32(bytes), name)
  return bytes
}

/** Throws where the bytes of an entry have another CRC-32 than it says. */
export function checkCrc(entry: ZipEntry, found: number, name: string): void {
  if (found === entry.crc32) return
  throw zipError('CKVD_ZIP_CRC', `Expected CRC-32 ${hex(entry.crc32)} of ${name}, found ${hex(found)}`, { expected: entry.crc32, found })
}

/** Throws where the sizes of an entry cannot be, or are more than is accepted. */
export function checkSizes({ method, compressedSize, uncompressedSize, gapBytes, maxGapBytes }: ZipEntry, maxBytes: number): void {
  if (uncompressedSize > maxBytes) {
    throw zipError(
      'CKVD_ZIP_SIZE',
      `Expected a ZIP entry of at most ${maxBytes.toLocaleString('en-US')} bytes, found one of ${uncompressedSize.toLocaleString('en-US')}`,
      {
        maxBytes,
        found: uncompressedSize,
      },
    )
  }
  const ratio = method === DEFLATED ? MAX_DEFLATE_RATIO : 1
  if (uncompressedSize > compressedSize * ratio || gapBytes < 0 || gapBytes > maxGapBytes) {
    throw zipError(
      'CKVD_ZIP_SIZE',
      `Expected the sizes of the ZIP entry to fit the file, found ${compressedSize} bytes that claim to hold ${uncompressedSize}`,
      { compressedSize, uncompressedSize, gapBytes },
    )
  }
}

function inflate(data: Buffer, entry: ZipEntry): Uint8Array {
  const sizeBytes = entry.uncompressedSize
  // One chunk with a byte to spare: zlib then fills it in one call and needs no second chunk to see the end.
  const chunkSize = Math.max(sizeBytes + 1, constants.Z_MIN_CHUNK)
  let inflated: { buffer: Buffer; engine: { bytesWritten: number } }
  try {
    // `info` is documented for every zlib convenience method, but missing in the types
    inflated = inflateRawSync(data, {
      maxOutputLength: Math.max(sizeBytes, 1),
      chunkSize,
      info: true,
    }) as unknown as typeof inflated
  } catch (cause) {
    throw (cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE' ? longerError(sizeBytes, cause) : inflateError(cause)
  }
  const { buffer, engine } = inflated
  checkUnpacked(entry, { readBytes: engine.bytesWritten, sizeBytes: buffer.length })
  return buffer
}

/** Of an entry that unpacks to more than it says. */
export function longerError(sizeBytes: number, cause?: unknown): CkvdError {
  return zipError('CKVD_ZIP_SIZE', `Expected the ZIP entry to unpack to ${sizeBytes} bytes, found more`, { expected: sizeBytes }, cause)
}

/** Of bytes that zlib does not take. */
export function inflateError(cause: unknown): CkvdError {
  const found = cause instanceof Error ? cause.message : String(cause)
  return zipError('CKVD_ZIP_FORMAT', `Expected deflated data in the ZIP entry, found: ${found}`, { found }, cause)
}

/** Throws where not all bytes of an entry were read, or they are fewer than it says when they are unpacked. */
export function checkUnpacked(entry: ZipEntry, { readBytes, sizeBytes }: { readonly readBytes: number; readonly sizeBytes: number }): void {
  const { compressedSize, uncompressedSize } = entry
  if (sizeBytes === uncompressedSize && readBytes === compressedSize) return
  throw zipError(
    'CKVD_ZIP_SIZE',
    `Expected the ${compressedSize} bytes of the ZIP entry to unpack to ${uncompressedSize}, found that ${readBytes} unpack to ${sizeBytes}`,
    { expected: uncompressedSize, found: sizeBytes },
  )
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
