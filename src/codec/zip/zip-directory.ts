import type { Entry, LocalFileHeader, ZipFile } from 'yauzl'
import type { ErrorCode } from '../../errors.ts'
import { CkvdError } from '../../errors.ts'

export const STORED = 0
export const DEFLATED = 8

const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const END64_BYTES = 56
const LOCATOR64_BYTES = 20
const HAS_DESCRIPTOR = 0x8
/** Longest data descriptor: signature, CRC-32 and two 64-bit sizes. */
const MAX_DESCRIPTOR_BYTES = 24

/** The only entry of an archive, as its directory tells; of the sizes nothing is checked yet but that they lie in the file. */
export interface ZipEntry {
  readonly method: typeof STORED | typeof DEFLATED
  readonly crc32: number
  readonly compressedSize: number
  readonly uncompressedSize: number
  /** offset of the compressed bytes */
  readonly dataStart: number
  /** bytes between them and the directory, and how many are allowed there */
  readonly gapBytes: number
  readonly maxGapBytes: number
}

/**
 * Finds the entry `name` of an archive that has no other.
 * @throws CKVD_ZIP_FORMAT, CKVD_ZIP_ENTRY
 */
export async function locateEntry(buffer: Buffer, name: string): Promise<ZipEntry> {
  return locatePlainEntry(buffer, name) ?? (await locateAnyEntry(buffer, name))
}

/**
 * The form in which data.binance.vision packs all but a few of its archives: one entry without flags, extra fields or comments,
 * and no byte that belongs to nothing. Undefined where a single field is otherwise, and for yauzl to judge: it knows all forms,
 * but spends 25 us and 64 KiB of memory on each file (APPNOTE.TXT 4.3 has the offsets).
 */
function locatePlainEntry(zip: Buffer, name: string): ZipEntry | undefined {
  const nameBytes = Buffer.byteLength(name)
  const end = zip.length - END_BYTES
  const central = end - CENTRAL_BYTES - nameBytes
  const dataStart = LOCAL_BYTES + nameBytes
  if (central < dataStart || zip.readUInt32BE(0) !== 0x504b0304 || zip.readUInt32BE(central) !== 0x504b0102) return undefined
  // one disk, one entry, the directory where it must be, no comment
  const endIsPlain =
    zip.readUInt32BE(end) === 0x504b0506 &&
    zip.readUInt32LE(end + 4) === 0 &&
    zip.readUInt32LE(end + 8) === 0x0001_0001 &&
    zip.readUInt32LE(end + 12) === CENTRAL_BYTES + nameBytes &&
    zip.readUInt32LE(end + 16) === central &&
    zip.readUInt16LE(end + 20) === 0
  if (!endIsPlain) return undefined
  const method = zip.readUInt16LE(central + 10)
  const compressedSize = zip.readUInt32LE(central + 20)
  const centralIsPlain =
    (method === DEFLATED || method === STORED) &&
    zip.readUInt16LE(central + 8) === 0 && // flags
    compressedSize === central - dataStart &&
    zip.readUInt16LE(central + 28) === nameBytes &&
    zip.readUInt32LE(central + 30) === 0 && // lengths of extra field and comment
    zip.readUInt16LE(central + 34) === 0 && // disk
    zip.readUInt32LE(central + 42) === 0 // offset of the local header
  if (!centralIsPlain) return undefined
  // from "version needed" to the length of the extra field, the local header repeats the directory; then the name
  const isRepeated = zip.compare(zip, central + 6, central + 32, 4, LOCAL_BYTES) === 0
  if (
    !isRepeated ||
    zip.toString('latin1', LOCAL_BYTES, dataStart) !== name ||
    zip.toString('latin1', central + CENTRAL_BYTES, end) !== name
  )
    return undefined
  return {
    method,
    crc32: zip.readUInt32LE(central + 16),
    compressedSize,
    uncompressedSize: zip.readUInt32LE(central + 24),
    dataStart,
    gapBytes: 0,
    maxGapBytes: 0,
  }
}

async function locateAnyEntry(buffer: Buffer, name: string): Promise<ZipEntry> {
  const { entry, local, directoryStart } = await readDirectory(buffer, name)
  const { compressedSize, uncompressedSize, crc32 } = entry
  return {
    method: checkEntry(entry, local, name),
    crc32,
    compressedSize,
    uncompressedSize,
    dataStart: local.fileDataStart,
    gapBytes: directoryStart - local.fileDataStart - compressedSize,
    maxGapBytes: (local.generalPurposeBitFlag & HAS_DESCRIPTOR) === 0 ? 0 : MAX_DESCRIPTOR_BYTES,
  }
}

interface Directory {
  readonly entry: Entry
  readonly local: LocalFileHeader
  /** offset of the central directory */
  readonly directoryStart: number
}

async function readDirectory(buffer: Buffer, name: string): Promise<Directory> {
  const { fromBufferPromise } = await import('yauzl')
  const file = await readable(() => fromBufferPromise(buffer, { lazyEntries: true, strictFileNames: true, validateEntrySizes: true }))
  try {
    if (file.entryCount !== 1) throw entryError(name, `${file.entryCount} entries`)
    const directoryStart = file.readEntryCursor as unknown as number // declared boolean, is an offset
    const entry = await readable(() => firstEntry(file))
    const directoryEnd = file.readEntryCursor as unknown as number
    const endStart = buffer.length - END_BYTES - file.comment.length // one character a byte: code page 437
    const expectedEnd = findEnd64(buffer, endStart) ?? endStart
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

/** Where the end record of ZIP64 begins, which stands between directory and end record where sizes take more than 32 bits; undefined: there is none. */
function findEnd64(buffer: Buffer, endStart: number): number | undefined {
  const locator = endStart - LOCATOR64_BYTES
  if (locator < 0 || buffer.readUInt32BE(locator) !== 0x504b0607) return undefined
  const start = Number(buffer.readBigUInt64LE(locator + 8))
  const isThere = start + END64_BYTES <= locator && buffer.readUInt32BE(start) === 0x504b0606
  return isThere && start + 12 + Number(buffer.readBigUInt64LE(start + 4)) === locator ? start : undefined
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

/** Gives the compression method. */
function checkEntry(entry: Entry, local: LocalFileHeader, name: string): ZipEntry['method'] {
  if (!entry.fileNameRaw.equals(Buffer.from(name))) throw entryError(name, `an entry "${entry.fileName.slice(0, 100)}"`)
  if (entry.isEncrypted()) throw entryError(name, 'an encrypted entry')
  const method = entry.compressionMethod
  if (method !== STORED && method !== DEFLATED) throw entryError(name, `an entry compressed by method ${method}`)
  if (!local.fileName.equals(entry.fileNameRaw) || local.compressionMethod !== method) {
    throw zipError(
      'CKVD_ZIP_FORMAT',
      'Expected the local header of the ZIP entry to agree with the directory, found another name or method',
      { found: local.fileName.toString('latin1').slice(0, 100) },
    )
  }
  return method
}

function entryError(name: string, found: string): CkvdError {
  return zipError('CKVD_ZIP_ENTRY', `Expected the archive to hold only ${name}, found ${found}`, { expected: name, found })
}

export function zipError(code: ErrorCode, message: string, details: Record<string, unknown>, cause?: unknown): CkvdError {
  return new CkvdError(code, message, { details, cause })
}
