import { crc32, deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readZipEntry } from '../../../../src/codec/zip/zip-entry.ts'
import { readZipPieces } from '../../../../src/codec/zip/zip-pieces.ts'
import { errorOf } from '../../../support/table-outcome.ts'

const STEM = 'BTCUSDT-trades-2024-01'
const CSV = Buffer.from(Array.from({ length: 5000 }, (_, i) => `${i},${i * 31}\n`).join(''))
const GIBIBYTE = 2 ** 30

/** A ZIP as one is written whose sizes may take more than 32 bits (APPNOTE.TXT 4.3.14 to 4.3.16, 4.5.3). @param size that it states */
function buildZip64(size = CSV.length, between = Buffer.alloc(0)): Buffer {
  const name = Buffer.from(`${STEM}.csv`)
  const packed = deflateRawSync(CSV)
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(45, 0)
  shared.writeUInt16LE(8, 4)
  shared.writeUInt32LE(crc32(CSV), 10)
  shared.fill(0xff, 14, 22)
  shared.writeUInt16LE(name.length, 22)
  shared.writeUInt16LE(20, 24)
  const extra = Buffer.alloc(20)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(16, 2)
  extra.writeBigUInt64LE(BigInt(size), 4)
  extra.writeBigUInt64LE(BigInt(packed.length), 12)
  const local = Buffer.concat([Buffer.from('504b0304', 'hex'), shared, name, extra, packed])
  const central = Buffer.concat([Buffer.from('504b01022d00', 'hex'), shared, Buffer.alloc(14), name, extra])
  const end64 = Buffer.alloc(56)
  end64.write('504b0606', 'hex')
  end64.writeBigUInt64LE(44n, 4)
  end64.writeUInt16LE(45, 12)
  end64.writeUInt16LE(45, 14)
  end64.writeBigUInt64LE(1n, 24)
  end64.writeBigUInt64LE(1n, 32)
  end64.writeBigUInt64LE(BigInt(central.length), 40)
  end64.writeBigUInt64LE(BigInt(local.length), 48)
  const locator = Buffer.alloc(20)
  locator.write('504b0607', 'hex')
  locator.writeBigUInt64LE(BigInt(local.length + central.length + between.length), 8)
  locator.writeUInt32LE(1, 16)
  const end = Buffer.alloc(22)
  end.write('504b0506', 'hex')
  end.fill(0xff, 8, 20)
  return Buffer.concat([local, central, between, end64, locator, end])
}

async function join(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

describe('a ZIP64 archive', () => {
  test('is read as any other, whole and in pieces', async () => {
    expect(Buffer.compare(await readZipEntry(buildZip64(), STEM), CSV)).toBe(0)
    expect(Buffer.compare(await readZipPieces(buildZip64(), STEM, {}, join), CSV)).toBe(0)
  })

  test('that says more than 4 GiB is judged by that size', async () => {
    const more = await readZipPieces(buildZip64(5 * GIBIBYTE), STEM, { maxBytes: 4 * GIBIBYTE }, join).catch(errorOf)
    expect(more).toMatchObject({ code: 'CKVD_ZIP_SIZE', details: { found: 5 * GIBIBYTE } })
    // few bytes never hold so many
    const lie = await readZipPieces(buildZip64(5 * GIBIBYTE), STEM, { maxBytes: 8 * GIBIBYTE }, join).catch(errorOf)
    expect(lie).toMatchObject({ code: 'CKVD_ZIP_SIZE', message: expect.stringContaining('to fit the file') as string })
  })

  test('with bytes that belong to nothing is refused', async () => {
    const hidden = buildZip64(CSV.length, Buffer.from('hidden'))
    await expect(readZipEntry(hidden, STEM)).rejects.toMatchObject({ code: 'CKVD_ZIP_FORMAT' })
    const glued = Buffer.concat([buildZip64().subarray(0, -22), Buffer.alloc(4), buildZip64().subarray(-22)])
    await expect(readZipEntry(glued, STEM)).rejects.toMatchObject({ code: 'CKVD_ZIP_ENTRY' })
  })
})
