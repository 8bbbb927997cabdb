import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { CkvdError, openFilesError } from '../errors.ts'
import { describeSystemError } from '../system-errors.ts'
import { universeError, universeLabel } from './universe-file.ts'

const LARGEST_BYTES = 64 * 1024 * 1024

/**
 * The bytes of a universe file, or of standard input for the name `-` where there is one.
 * @throws CkvdError `CKVD_USAGE` when it cannot be read, `CKVD_UNIVERSE` when it is larger than any universe
 */
export async function readUniverseBytes(
  name: string,
  around: { readonly cwd: string; readonly stdin?: AsyncIterable<Uint8Array | string> | undefined },
): Promise<Uint8Array> {
  const stream: AsyncIterable<Uint8Array | string> =
    name === '-' && around.stdin !== undefined ? around.stdin : createReadStream(resolve(around.cwd, name))
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk
      length += bytes.length
      if (length > LARGEST_BYTES)
        throw universeError(name, [{ line: 1, column: 1, expected: 'a file of at most 64 MiB', found: 'a larger one' }])
      chunks.push(bytes)
    }
  } catch (cause) {
    if (cause instanceof CkvdError) throw cause
    throw (
      openFilesError(cause) ??
      new CkvdError('CKVD_USAGE', `Could not read the universe from ${universeLabel(name)}: ${describeSystemError(cause)}.`, { cause })
    )
  }
  return Buffer.concat(chunks)
}
