import { createHash } from 'node:crypto'
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'

/** What a test's ZIP entry says of itself; what is left out is right. */
export interface ZipEntrySpec {
  readonly name: string
  readonly data: Uint8Array | string
  /** 8 deflates, 0 stores; other numbers only say so */
  readonly method?: number
  readonly flags?: number
  readonly localExtra?: Uint8Array
  readonly centralExtra?: Uint8Array
  /** lies, told in local header and directory */
  readonly crc?: number
  readonly size?: number
  readonly packedSize?: number
  /** replaces the compressed bytes */
  readonly packed?: Uint8Array
  /** a name in the local header that differs from the directory's */
  readonly localName?: string
}

/** Writes a ZIP file (APPNOTE.TXT 4.3), independently of the code under test. */
export function buildZip(entries: readonly ZipEntrySpec[], comment = ''): Buffer {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const data = Buffer.from(entry.data as string)
    const method = entry.method ?? 8
    const packed = Buffer.from(entry.packed ?? (method === 8 ? deflateRawSync(data) : data))
    const shared = Buffer.alloc(22)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(entry.flags ?? 0, 2)
    shared.writeUInt16LE(method, 4)
    shared.writeUInt32LE(entry.crc ?? crc32(data), 10)
    shared.writeUInt32LE(entry.packedSize ?? packed.length, 14)
    shared.writeUInt32LE(entry.size ?? data.length, 18)
    const name = Buffer.from(entry.name)
    const localName = Buffer.from(entry.localName ?? entry.name)
    const localExtra = Buffer.from(entry.localExtra ?? [])
    const centralExtra = Buffer.from(entry.centralExtra ?? [])
    const local = Buffer.concat([u32(0x04034b50), shared, u16(localName.length), u16(localExtra.length), localName, localExtra, packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    centrals.push(Buffer.concat([u32(0x02014b50), u16(20), shared, u16(name.length), u16(centralExtra.length), tail, name, centralExtra]))
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.concat([
    u32(0x06054b50),
    u32(0),
    u16(entries.length),
    u16(entries.length),
    u32(directory.length),
    u32(offset),
    u16(comment.length),
  ])
  return Buffer.concat([...locals, directory, end, Buffer.from(comment)])
}

/** A sound archive of Vision's shape: the ZIP and its CHECKSUM. */
export function buildArchive(stem: string, csv: string | Uint8Array): { readonly zip: Buffer; readonly checksum: Buffer } {
  const zip = buildZip([{ name: `${stem}.csv`, data: csv }])
  return { zip, checksum: checksumOf(zip, `${stem}.zip`) }
}

export function checksumOf(zip: Uint8Array, name: string): Buffer {
  return Buffer.from(`${createHash('sha256').update(zip).digest('hex')}  ${name}\n`)
}

/** The bytes of a ZIP's first entry, read by its local header alone; for sound files without a data descriptor. */
export function readFirstEntry(zip: Buffer): Buffer {
  if (zip.readUInt32LE(0) !== 0x04034b50) throw new Error('no local header at byte 0')
  const start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28)
  const packed = zip.subarray(start, start + zip.readUInt32LE(18))
  return zip.readUInt16LE(8) === 0 ? packed : inflateRawSync(packed)
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
