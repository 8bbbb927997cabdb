import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readZipEntry } from '../../../../src/codec/zip/zip-entry.ts'
import { sha256Hex } from '../../../../src/memory/digest.ts'
import { checkSha256, parseChecksum } from '../../../../src/codec/zip/checksum.ts'
import type { ErrorCode } from '../../../../src/errors.ts'
import type { ZipEntrySpec } from '../../../support/zip-builder.ts'
import { buildZip } from '../../../support/zip-builder.ts'

const NAME = 'BTCUSDT-1m-2024-01-01.zip'
const HEX = 'dd579c62368ded93d3f01a1904575b932279e32936e181c062763e605793c1c2'
const coded = (code: ErrorCode): Error => expect.objectContaining({ name: 'CkvdError', code }) as Error

describe('parseChecksum', () => {
  test.each([
    ['without a final newline', `${HEX}  ${NAME}`],
    ['with one', `${HEX}  ${NAME}\n`],
    ['with CRLF', `${HEX}  ${NAME}\r\n`],
    ['in the binary mode of sha256sum', `${HEX} *${NAME}\n`],
    ['in upper case', `${HEX.toUpperCase()}  ${NAME}`],
  ])('reads the digest %s', (_, text) => {
    expect(parseChecksum(Buffer.from(text), NAME)).toBe(HEX)
  })

  test('reads a name that is not ASCII', () => {
    expect(parseChecksum(Buffer.from(`${HEX}  币安人生USDT-1m-2025-10.zip\n`), '币安人生USDT-1m-2025-10.zip')).toBe(HEX)
  })

  test.each([
    ['an HTML page', '<html><body>not found</body></html>'],
    ['nothing', ''],
    ['a digest alone', HEX],
    ['a short digest', `${HEX.slice(1)}  ${NAME}`],
    ['one space', `${HEX} ${NAME}`],
    ['a second line', `${HEX}  ${NAME}\n${HEX}  ${NAME}\n`],
    ['two newlines', `${HEX}  ${NAME}\n\n`],
    ['a byte order mark', `\uFEFF${HEX}  ${NAME}`],
    ['a huge page', 'x'.repeat(1_000_000)],
  ])('refuses %s', (_, text) => {
    expect(() => parseChecksum(Buffer.from(text), NAME)).toThrow(coded('CKVD_CHECKSUM_FORMAT'))
  })

  test('refuses more bytes than a name may have, also where they are a line of the right form', () => {
    const name = `${'x'.repeat(70_000)}.zip`
    expect(() => parseChecksum(Buffer.from(`${HEX}  ${name}`), name)).toThrow(coded('CKVD_CHECKSUM_FORMAT'))
  })

  test('refuses bytes that are not UTF-8', () => {
    expect(() => parseChecksum(Buffer.concat([Buffer.from(`${HEX}  `), Buffer.from([0xff])]), NAME)).toThrow(coded('CKVD_CHECKSUM_FORMAT'))
  })

  test('refuses the CHECKSUM of another archive, and names both', () => {
    expect(() => parseChecksum(Buffer.from(`${HEX}  ETHUSDT-1m-2024-01-01.zip`), NAME)).toThrow(
      expect.objectContaining({ code: 'CKVD_CHECKSUM_NAME', details: { expectedName: NAME, found: 'ETHUSDT-1m-2024-01-01.zip' } }) as Error,
    )
  })
})

describe('SHA-256', () => {
  test('is that of FIPS 180-2, "abc"', () => {
    expect(sha256Hex(Buffer.from('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  test('a mismatch tells both digests', () => {
    const found = createHash('sha256').update('abd').digest('hex')
    expect(() => checkSha256(Buffer.from('abd'), HEX)).toThrow(
      expect.objectContaining({ code: 'CKVD_CHECKSUM_MISMATCH', details: { expected: HEX, found, sizeBytes: 3 } }) as Error,
    )
  })
})

describe('readZipEntry', () => {
  const STEM = 'BTCUSDT-1m-2024-01-01'
  const name = `${STEM}.csv`
  const data = '1,2,3\n'.repeat(1000)
  const entry: ZipEntrySpec = { name, data }
  const zip = buildZip([entry])

  test.each<[string, Partial<ZipEntrySpec>]>([
    ['deflated', {}],
    ['stored', { method: 0 }],
    ['empty', { data: '' }],
    [
      'with extra fields that differ in header and directory',
      { localExtra: Buffer.from('5554090003aabbccddeeff0011', 'hex'), centralExtra: Buffer.from('5554050003aabbccdd', 'hex') },
    ],
  ])('reads an entry that is %s', async (_, change) => {
    const spec = { ...entry, ...change }
    const bytes = await readZipEntry(buildZip([spec]), STEM)
    expect(Buffer.from(bytes).toString()).toBe(spec.data)
  })

  test('reads from a view inside a larger buffer', async () => {
    const larger = Buffer.concat([Buffer.alloc(7, 1), zip, Buffer.alloc(9, 2)])
    const bytes = await readZipEntry(larger.subarray(7, 7 + zip.length), STEM)
    expect(Buffer.from(bytes).toString()).toBe(data)
  })

  test('takes what another inflater gives, if its CRC-32 is right, else what zlib gives', async () => {
    const right = Buffer.from(data)
    const asked: number[] = []
    const inflate = (gives: Uint8Array | undefined) => (_data: Uint8Array, sizeBytes: number) => {
      asked.push(sizeBytes)
      return gives
    }
    expect(await readZipEntry(zip, STEM, { inflate: inflate(right) })).toBe(right)
    for (const gives of [undefined, Buffer.alloc(0), Buffer.alloc(6000, '1'), right.subarray(1)])
      expect(Buffer.from(await readZipEntry(zip, STEM, { inflate: inflate(gives) })).toString()).toBe(data)
    expect(asked).toEqual([6000, 6000, 6000, 6000, 6000])
    // a stored entry has nothing to inflate
    await readZipEntry(buildZip([{ ...entry, method: 0 }]), STEM, { inflate: inflate(right) })
    expect(asked).toHaveLength(5)
  })

  test.each([
    [8, 12, true],
    [8, 24, true],
    [8, 25, false],
    [0, 12, false],
  ])('with flags %i and %i bytes behind the data (a descriptor has up to 24): %s', async (flags, bytes, isRead) => {
    const deflated = deflateRawSync(Buffer.from(data))
    const packed = Buffer.concat([deflated, Buffer.alloc(bytes)])
    const read = readZipEntry(buildZip([{ ...entry, flags, packed, packedSize: deflated.length }]), STEM)
    if (isRead) expect(Buffer.from(await read).toString()).toBe(data)
    else await expect(read).rejects.toThrow(coded('CKVD_ZIP_SIZE'))
  })

  test('reads a ZIP with a comment', async () => {
    expect(Buffer.from(await readZipEntry(buildZip([entry], 'made by hand'), STEM)).toString()).toBe(data)
  })

  test('judges a ZIP of the usual form as it does one with a comment, which yauzl reads, whatever bit of its headers is wrong', async () => {
    const outcomeOf = (bytes: Buffer): Promise<string> =>
      readZipEntry(bytes, STEM).then(
        (read) => Buffer.from(read).toString('hex'),
        (error: unknown) => (error as { code: string }).code,
      )
    const commented = (bytes: Buffer): Buffer => Buffer.concat([bytes.subarray(0, -2), Buffer.from([1, 0]), Buffer.from('x')])
    const dataStart = 30 + name.length
    const dataEnd = zip.length - 22 - 46 - name.length
    const seen = new Set<string>()
    for (const method of [8, 0]) {
      const sound = buildZip([{ ...entry, method }])
      expect(await outcomeOf(sound)).toBe(Buffer.from(data).toString('hex'))
      // all but the length of the comment, which the other form has in its place
      for (let at = 0; at < sound.length - 2; at++) {
        if (method === 8 && at >= dataStart && at < dataEnd) continue
        for (let bit = 0; bit < 8; bit++) {
          const changed = Buffer.from(sound)
          changed[at] = (sound[at] ?? 0) ^ (1 << bit)
          const outcome = await outcomeOf(changed)
          seen.add(outcome)
          expect(outcome, `method ${method}, bit ${bit} of byte ${at}`).toBe(await outcomeOf(commented(changed)))
        }
      }
    }
    expect([...seen].filter((outcome) => outcome.startsWith('CKVD_')).sort()).toEqual([
      'CKVD_ZIP_CRC',
      'CKVD_ZIP_ENTRY',
      'CKVD_ZIP_FORMAT',
      'CKVD_ZIP_SIZE',
    ])
  })

  test.each<[string, Uint8Array, ErrorCode]>([
    ['no ZIP', Buffer.from('<html>404</html>'), 'CKVD_ZIP_FORMAT'],
    ['nothing', Buffer.alloc(0), 'CKVD_ZIP_FORMAT'],
    ['a cut file', zip.subarray(0, zip.length - 5), 'CKVD_ZIP_FORMAT'],
    ['bytes after the end', Buffer.concat([zip, Buffer.from('x')]), 'CKVD_ZIP_FORMAT'],
    ['bytes before the start', Buffer.concat([Buffer.from('x'), zip]), 'CKVD_ZIP_FORMAT'],
    ['the file twice', Buffer.concat([zip, zip]), 'CKVD_ZIP_FORMAT'],
    ['two different files', Buffer.concat([buildZip([{ name, data: 'other' }]), zip]), 'CKVD_ZIP_FORMAT'],
    ['another name in the local header', buildZip([{ ...entry, localName: name.replace('BTC', 'ETH') }]), 'CKVD_ZIP_FORMAT'],
    ['another method in the local header', patched(zip, 8, 0), 'CKVD_ZIP_FORMAT'],
    ['broken deflate data', buildZip([{ ...entry, packed: Buffer.alloc(64, 0xff) }]), 'CKVD_ZIP_FORMAT'],
    ['no entry', buildZip([]), 'CKVD_ZIP_ENTRY'],
    ['two entries', buildZip([entry, { name: 'readme.txt', data: 'hello' }]), 'CKVD_ZIP_ENTRY'],
    ['another name', buildZip([{ name: 'ETHUSDT-1m-2024-01-01.csv', data }]), 'CKVD_ZIP_ENTRY'],
    ['a folder', buildZip([{ name: `${STEM}/`, data: '' }]), 'CKVD_ZIP_ENTRY'],
    ['a name that climbs', buildZip([{ name: `../${name}`, data }]), 'CKVD_ZIP_FORMAT'],
    ['encryption', buildZip([{ ...entry, flags: 1, method: 8 }]), 'CKVD_ZIP_ENTRY'],
    ['another method', buildZip([{ ...entry, method: 93, packed: Buffer.from('zstd') }]), 'CKVD_ZIP_ENTRY'],
    ['more bytes than declared', buildZip([{ ...entry, size: 5999 }]), 'CKVD_ZIP_SIZE'],
    ['fewer bytes than declared', buildZip([{ ...entry, size: 6001 }]), 'CKVD_ZIP_SIZE'],
    ['a declared size that deflate cannot reach', buildZip([{ ...entry, size: 500_000_000 }]), 'CKVD_ZIP_SIZE'],
    [
      'bytes after the deflated data',
      buildZip([{ ...entry, packed: Buffer.concat([deflateRawSync(Buffer.from(data)), Buffer.alloc(9)]) }]),
      'CKVD_ZIP_SIZE',
    ],
    ['a stored entry that reaches into the directory', buildZip([{ ...entry, method: 0, size: 6010, packedSize: 6010 }]), 'CKVD_ZIP_SIZE'],
    ['a packed size that is too small', buildZip([{ ...entry, method: 8, packedSize: 10 }]), 'CKVD_ZIP_SIZE'],
    ['a wrong CRC-32', buildZip([{ ...entry, crc: 1 }]), 'CKVD_ZIP_CRC'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(readZipEntry(bytes, STEM)).rejects.toThrow(coded(code))
  })

  test('refuses a size that deflate cannot reach without spending the memory', async () => {
    await expect(readZipEntry(buildZip([{ ...entry, size: 500_000_000 }]), STEM)).rejects.toThrow(/claim to hold 500000000$/)
  })

  test('refuses an entry above the cap before it is inflated', async () => {
    await expect(readZipEntry(zip, STEM, { maxBytes: 5999 })).rejects.toThrow(coded('CKVD_ZIP_SIZE'))
    await expect(readZipEntry(zip, STEM, { maxBytes: 6000 })).resolves.toHaveLength(6000)
  })
})

/** The bytes with two of them, a little-endian number, replaced. */
function patched(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt16LE(value, at)
  return changed
}
