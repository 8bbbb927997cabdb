import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readZipEntry } from '../../../../src/codec/zip/zip-entry.ts'
import { readZipPieces } from '../../../../src/codec/zip/zip-pieces.ts'
import { errorOf } from '../../../support/table-outcome.ts'
import type { ZipEntrySpec } from '../../../support/zip-builder.ts'
import { buildZip } from '../../../support/zip-builder.ts'

const STEM = 'BTCUSDT-aggTrades-2024-01-01'
/** Some pieces, and text that is not the same everywhere. */
const CSV = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `${i * 7919},${i % 97}\n`).join(''))
const PACKED = deflateRawSync(CSV)

function zipOf(entry: Partial<ZipEntrySpec>): Buffer {
  return buildZip([{ name: `${STEM}.csv`, data: CSV, ...entry }])
}

/** All pieces, and how many there are. */
async function join(pieces: AsyncIterable<Uint8Array>) {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return { count: all.length, bytes: Buffer.concat(all) }
}

/** PACKED with one bit of its middle flipped, so that it is damaged, or is another text. */
function flipped(): Buffer {
  const packed = Buffer.from(PACKED)
  packed[packed.length >> 1]! ^= 0x10
  return packed
}

describe('a ZIP entry in pieces', () => {
  test('has the bytes of the entry, none of them longer than 256 KiB', async () => {
    const { count, bytes } = await readZipPieces(zipOf({}), STEM, {}, join)
    expect(Buffer.compare(bytes, CSV)).toBe(0)
    expect(count).toBeGreaterThanOrEqual(CSV.length / 262_144)
  })

  test('that is stored, or empty', async () => {
    expect(Buffer.compare((await readZipPieces(zipOf({ method: 0 }), STEM, {}, join)).bytes, CSV)).toBe(0)
    expect((await readZipPieces(zipOf({ data: '' }), STEM, {}, join)).bytes).toHaveLength(0)
  })

  test.each<[string, Buffer, number | undefined]>([
    ['another CRC-32', zipOf({ crc: 7 }), undefined],
    ['another CRC-32 of a stored entry', zipOf({ crc: 7, method: 0 }), undefined],
    ['a size that is too small', zipOf({ size: CSV.length - 1 }), undefined],
    ['a size that is far too small', zipOf({ size: 10 }), undefined],
    ['a size that is too large', zipOf({ size: CSV.length + 1 }), undefined],
    ['a stream that is cut', zipOf({ packed: PACKED.subarray(0, -5) }), undefined],
    ['bytes behind the stream', zipOf({ packed: Buffer.concat([PACKED, Buffer.from('more')]) }), undefined],
    ['a damaged stream', zipOf({ packed: flipped() }), undefined],
    ['another name', zipOf({ name: 'ETHUSDT.csv' }), undefined],
    ['more than is accepted', zipOf({}), 1000],
    ['no ZIP', Buffer.from('nonsense'), undefined],
  ])('%s: the error of the whole, also where its reader fails', async (_name, zip, maxBytes) => {
    const options = maxBytes === undefined ? {} : { maxBytes }
    const expected: unknown = await readZipEntry(zip, STEM, options).catch(errorOf)
    expect(expected).toMatchObject({ code: expect.stringMatching(/^CKVD_ZIP_/) as string })
    expect(await readZipPieces(zip, STEM, options, join).catch(errorOf)).toEqual(expected)
    const failing = (): Promise<never> => Promise.reject(new Error('a row is wrong'))
    expect(await readZipPieces(zip, STEM, options, failing).catch(errorOf)).toEqual(expected)
  })

  test('of a sound archive the error of its reader', async () => {
    const failing = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const piece of pieces) throw new Error(`a row of ${piece.length > 0 ? 'it' : 'none'} is wrong`)
    }
    await expect(readZipPieces(zipOf({}), STEM, {}, failing)).rejects.toThrow('a row of it is wrong')
  })
})
