import { createHash } from 'node:crypto'
import { constants, deflateRaw, inflateRawSync } from 'node:zlib'
import { promisify } from 'node:util'
import { CkvdError } from '../errors.ts'

const deflateRawAsync = promisify(deflateRaw)

/** Marks padding in an extra field, as Android's zipalign does. */
const PADDING_ID = 0xd935
const EMPTY_STORED_BLOCK = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff])
const FINAL_BLOCK = Buffer.from([0x03, 0x00])
const UTF8_NAME = 0x0800

/**
 * Deflates a part of an entry on zlib's threads. A part ends on a byte boundary without a final block, so parts
 * deflated alone can be laid one after the other: a month is made day by day without holding its CSV.
 */
export async function deflatePart(data: Buffer, level: number): Promise<Buffer> {
  return deflateRawAsync(data, { level, finishFlush: constants.Z_SYNC_FLUSH })
}

/** One entry of a ZIP, deflated in parts by `deflatePart`. */
export interface ZipEntry {
  readonly name: string
  readonly parts: readonly Buffer[]
  readonly crc32: number
  /** size before deflation */
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** Size of the smallest ZIP of an entry, without padding. */
export function minimalZipBytes(name: string, deflatedBytes: number): number {
  return 30 + 46 + 22 + 2 * Buffer.byteLength(name) + 4 + deflatedBytes + FINAL_BLOCK.length
}

/**
 * A ZIP of one entry, padded to exactly `totalBytes`: the first 60,000 bytes of padding as an extra field of the local
 * header, the rest as empty stored blocks (5 bytes each) at the end of the deflate stream. Any reader skips both.
 * `CKVD_BUG` when the entry does not fit.
 */
export function createZip(entry: ZipEntry, totalBytes: number): Buffer {
  const name = Buffer.from(entry.name)
  const deflatedBytes = entry.parts.reduce((sum, part) => sum + part.length, 0)
  const padding = totalBytes - minimalZipBytes(entry.name, deflatedBytes)
  if (padding < 0)
    throw new CkvdError('CKVD_BUG', `The archive ${entry.name} needs ${-padding} bytes more than its fixed size ${totalBytes}.`)
  const blocks = Math.max(0, Math.ceil((padding - 60_000) / EMPTY_STORED_BLOCK.length))
  const extraBytes = 4 + padding - blocks * EMPTY_STORED_BLOCK.length
  const compressedBytes = deflatedBytes + blocks * EMPTY_STORED_BLOCK.length + FINAL_BLOCK.length

  const zip = Buffer.alloc(totalBytes)
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(name.length === entry.name.length ? 0 : UTF8_NAME, 2)
  fields.writeUInt16LE(8, 4)
  writeDosTime(fields, 6, entry.modifiedMs)
  fields.writeUInt32LE(entry.crc32, 10)
  fields.writeUInt32LE(compressedBytes, 14)
  fields.writeUInt32LE(entry.sizeBytes, 18)
  fields.writeUInt16LE(name.length, 22)

  zip.writeUInt32LE(0x04034b50, 0)
  fields.copy(zip, 4)
  zip.writeUInt16LE(extraBytes, 28)
  name.copy(zip, 30)
  let at = 30 + name.length
  zip.writeUInt16LE(PADDING_ID, at)
  zip.writeUInt16LE(extraBytes - 4, at + 2)
  at += extraBytes
  for (const part of entry.parts) at += part.copy(zip, at)
  if (blocks > 0) zip.fill(EMPTY_STORED_BLOCK, at, at + blocks * EMPTY_STORED_BLOCK.length)
  at += blocks * EMPTY_STORED_BLOCK.length
  at += FINAL_BLOCK.copy(zip, at)

  const directoryAt = at
  zip.writeUInt32LE(0x02014b50, at)
  zip.writeUInt16LE(0x0314, at + 4) // made by Unix, version 2.0, as Binance's archives say
  fields.copy(zip, at + 6)
  zip.writeUInt32LE((0o100644 << 16) >>> 0, at + 38)
  name.copy(zip, at + 46)
  at += 46 + name.length

  zip.writeUInt32LE(0x06054b50, at)
  zip.writeUInt16LE(1, at + 8)
  zip.writeUInt16LE(1, at + 10)
  zip.writeUInt32LE(at - directoryAt, at + 12)
  zip.writeUInt32LE(directoryAt, at + 16)
  return zip
}

function writeDosTime(target: Buffer, at: number, ms: number): void {
  const date = new Date(ms)
  target.writeUInt16LE((date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1), at)
  target.writeUInt16LE(((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(), at + 2)
}

/**
 * The text of the only entry of a ZIP. A reader for the sandbox's own needs: deflated or stored, no zip64, CRC not checked.
 * `CKVD_ZIP_FORMAT` when there is no such entry.
 */
export function readZipText(zip: Buffer): string {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  if (end < 0 || zip.length - end < 22) throw new CkvdError('CKVD_ZIP_FORMAT', 'Expected a ZIP file, found no end record.')
  const directoryAt = zip.readUInt32LE(end + 16)
  if (directoryAt + 46 > end || zip.readUInt32LE(directoryAt) !== 0x02014b50) {
    throw new CkvdError('CKVD_ZIP_FORMAT', 'Expected a ZIP directory with one entry, found none.')
  }
  const method = zip.readUInt16LE(directoryAt + 10)
  const compressedBytes = zip.readUInt32LE(directoryAt + 20)
  const headerAt = zip.readUInt32LE(directoryAt + 42)
  const dataAt = headerAt + 30 + zip.readUInt16LE(headerAt + 26) + zip.readUInt16LE(headerAt + 28)
  const data = zip.subarray(dataAt, dataAt + compressedBytes)
  return (method === 0 ? data : inflateRawSync(data)).toString('utf8')
}

/** The SHA-256 of bytes in hex. */
export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
