import { CkvdError } from '../../errors.ts'
import { sha256Hex } from '../../memory/digest.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A CHECKSUM file holds one short line; anything longer is another page. */
const MAX_CHECKSUM_BYTES = 1024

/** 64 hex digits, two spaces (or ` *`, the binary mode of sha256sum), a file name, at most one line end. */
const CHECKSUM_LINE = /^([0-9a-fA-F]{64}) [ *]([^\r\n]+)(?:\r?\n)?$/

/**
 * Reads a CHECKSUM file, `<64 hex>  <file name>`, and returns the digest in lower case.
 * @param expectedName file name of the archive that it must speak of, `BTCUSDT-1m-2024-01-01.zip`
 * @throws CKVD_CHECKSUM_FORMAT when it is anything else, such as an HTML page served with status 200; CKVD_CHECKSUM_NAME
 */
export function parseChecksum(bytes: Uint8Array, expectedName: string): string {
  const text = bytes.length > MAX_CHECKSUM_BYTES ? undefined : decodeUtf8(bytes)
  const match = text === undefined ? null : CHECKSUM_LINE.exec(text)
  if (match === null) {
    const found = Array.from(bytes.subarray(0, 40), (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    throw new CkvdError(
      'CKVD_CHECKSUM_FORMAT',
      `Expected a CHECKSUM of one line "<64 hex>  ${expectedName}", found ${bytes.length} bytes "${found}"`,
      {
        details: { expectedName, sizeBytes: bytes.length, found },
      },
    )
  }
  const [, digest = '', name = ''] = match
  if (name !== expectedName) {
    throw new CkvdError('CKVD_CHECKSUM_NAME', `Expected the CHECKSUM of ${expectedName}, found that of ${name}`, {
      details: { expectedName, found: name },
    })
  }
  return digest.toLowerCase()
}

/**
 * Compares the SHA-256 of `bytes` with `expectedHex` (lower case) and returns it.
 * @throws CKVD_CHECKSUM_MISMATCH
 */
export function checkSha256(bytes: Uint8Array, expectedHex: string): string {
  const found = sha256Hex(bytes)
  if (found !== expectedHex) {
    throw new CkvdError('CKVD_CHECKSUM_MISMATCH', `Expected SHA-256 ${expectedHex}, found ${found} (${bytes.length} bytes)`, {
      details: { expected: expectedHex, found, sizeBytes: bytes.length },
    })
  }
  return found
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined // not UTF-8: the caller reports it with what it found
  }
}
