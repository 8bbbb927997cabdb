import { constants, crc32, inflateRawSync } from 'node:zlib'
import type { Entry, LocalFileHeader, ZipFile } from 'yauzl'
import { fromBufferPromise } from 'yauzl'
import type { ErrorCode } from '../errors.ts'
import { CkvdError } from '../errors.ts'

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

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024
const STORED = 0
const DEFLATED = 8
/** Deflate cannot expand by more than this, so a larger declared size is a lie: no memory is spent on it. */
const MAX_DEFLATE_RATIO = 1032
const END_RECORD_BYTES = 22
/** Longest data descriptor: signature, CRC-32 and two 64-bit sizes. */
const MAX_DESCRIPTOR_BYTES = 24
const HAS_DESCRIPTOR = 0x8

/**
 * The bytes of `${expectedStem}.csv`, the only entry of a ZIP archive. Every size is checked before memory is spent on it,
 * and the CRC-32 afterwards (yauzl reads the directory but never checks the CRC).
 * @throws CKVD_ZIP_FORMAT, CKVD_ZIP_ENTRY, CKVD_ZIP_SIZE, CKVD_ZIP_CRC
 */
export async function readZipEntry(zip: Uint8Array, expectedStem: string, options: ReadZipEntryOptions = {}): Promise<Uint8Array> {
  const name = `${expectedStem}.csv`
  const buffer = Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength)
  const { entry, local, directoryStart } = await readDirectory(buffer, name)
  checkEntry(entry, local, name)
  checkSizes(entry, local, directoryStart, options.maxBytes ?? DEFAULT_MAX_BYTES)
  const data = buffer.subarray(local.fileDataStart, local.fileDataStart + entry.compressedSize)
  if (entry.compressionMethod === DEFLATED) {
    const fast = options.inflate?.(data, entry.uncompressedSize)
    if (fast !== undefined && crc32(fast) === entry.crc32) return fast
  }
  const bytes = entry.compressionMethod === STORED ? data : inflate(data, entry.uncompressedSize)
  const found = crc32(bytes)
  if (found !== entry.crc32) {
    throw zipError('CKVD_ZIP_CRC', `Expected CRC-32 ${hex(entry.crc32)} of ${name}, found ${hex(found)}`, { expected: entry.crc32, found })
  }
  return bytes
}

interface Directory {
  readonly entry: Entry
  readonly local: LocalFileHeader
  /** offset of the central directory */
  readonly directoryStart: number
}

async function readDirectory(buffer: Buffer, name: string): Promise<Directory> {
  const file = await readable(() => fromBufferPromise(buffer, { lazyEntries: true, strictFileNames: true, validateEntrySizes: true }))
  try {
    if (file.entryCount !== 1) throw entryError(name, `${file.entryCount} entries`)
    const directoryStart = file.readEntryCursor as unknown as number // declared boolean, is an offset
    const entry = await readable(() => firstEntry(file))
    const directoryEnd = file.readEntryCursor as unknown as number
    const expectedEnd = buffer.length - END_RECORD_BYTES - file.comment.length // one character a byte: code page 437
    // a second archive glued to the first, or bytes hidden between directory and end record
    if (directoryEnd !== expectedEnd) {
      throw zipError('CKVD_ZIP_FORMAT', `Expected the ZIP directory to end at byte ${expectedEnd}, found its end at ${directoryEnd}`, {
        expected: expectedEnd,
        found: directoryEnd,
      })
    }
    return { entry, local: await readable(() => file.readLocalFileHeaderPromise(entry)), directoryStart }
  } finally {
    file.close()
  }
}

async function firstEntry(file: ZipFile): Promise<Entry> {
  for await (const entry of file.eachEntry()) return entry
  throw new Error('the directory is empty')
}

/** Runs a step of yauzl; whatever it throws means that the bytes are no readable ZIP. */
async function readable<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause)
    throw zipError('CKVD_ZIP_FORMAT', `Expected a readable ZIP file, found: ${found}`, { found }, cause)
  }
}

function checkEntry(entry: Entry, local: LocalFileHeader, name: string): void {
  if (!entry.fileNameRaw.equals(Buffer.from(name))) throw entryError(name, `an entry "${entry.fileName.slice(0, 100)}"`)
  if (entry.isEncrypted()) throw entryError(name, 'an encrypted entry')
  const method = entry.compressionMethod
  if (method !== STORED && method !== DEFLATED) throw entryError(name, `an entry compressed by method ${method}`)
  if (!local.fileName.equals(entry.fileNameRaw) || local.compressionMethod !== method) {
    throw zipError(
      'CKVD_ZIP_FORMAT',
      'Expected the local header of the ZIP entry to agree with the directory, found another name or method',
      {
        found: local.fileName.toString('latin1').slice(0, 100),
      },
    )
  }
}

function checkSizes(entry: Entry, local: LocalFileHeader, directoryStart: number, maxBytes: number): void {
  const { compressedSize, uncompressedSize } = entry
  if (uncompressedSize > maxBytes) {
    throw zipError('CKVD_ZIP_SIZE', `Expected a ZIP entry of at most ${maxBytes} bytes, found one of ${uncompressedSize}`, {
      maxBytes,
      found: uncompressedSize,
    })
  }
  const ratio = entry.compressionMethod === DEFLATED ? MAX_DEFLATE_RATIO : 1
  const gapBytes = directoryStart - local.fileDataStart - compressedSize
  const mayHaveDescriptor = (local.generalPurposeBitFlag & HAS_DESCRIPTOR) !== 0
  if (uncompressedSize > compressedSize * ratio || gapBytes < 0 || gapBytes > (mayHaveDescriptor ? MAX_DESCRIPTOR_BYTES : 0)) {
    throw zipError(
      'CKVD_ZIP_SIZE',
      `Expected the sizes of the ZIP entry to fit the file, found ${compressedSize} bytes that claim to hold ${uncompressedSize}`,
      {
        compressedSize,
        uncompressedSize,
        gapBytes,
      },
    )
  }
}

function inflate(data: Buffer, sizeBytes: number): Uint8Array {
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
    const tooLarge = (cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'
    const found = cause instanceof Error ? cause.message : String(cause)
    if (tooLarge)
      throw zipError('CKVD_ZIP_SIZE', `Expected ${sizeBytes} bytes in the ZIP entry, found more`, { expected: sizeBytes }, cause)
    throw zipError('CKVD_ZIP_FORMAT', `Expected deflated data in the ZIP entry, found: ${found}`, { found }, cause)
  }
  const { buffer, engine } = inflated
  if (buffer.length !== sizeBytes || engine.bytesWritten !== data.length) {
    throw zipError(
      'CKVD_ZIP_SIZE',
      `Expected ${sizeBytes} bytes out of ${data.length} in the ZIP entry, found ${buffer.length} out of ${engine.bytesWritten}`,
      { expected: sizeBytes, found: buffer.length },
    )
  }
  return buffer
}

function entryError(name: string, found: string): CkvdError {
  return zipError('CKVD_ZIP_ENTRY', `Expected the archive to hold only ${name}, found ${found}`, { expected: name, found })
}

function zipError(code: ErrorCode, message: string, details: Record<string, unknown>, cause?: unknown): CkvdError {
  return new CkvdError(code, message, { details, cause })
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
