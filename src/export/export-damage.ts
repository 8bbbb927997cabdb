import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { abortError, CkvdError } from '../errors.ts'
import { exportIoError } from './export-folder.ts'
import type { Manifest } from './manifest.ts'

/**
 * Throws CKVD_EXPORT_IO where a file of an export is gone or has another size than the manifest tells: a text file that was cut off is no
 * error for DuckDB, its answer would only be shorter. While a run is under way files are newer than the manifest, each of them whole.
 */
export function checkSizes(manifest: Manifest, out: string): void {
  for (const { path, bytes } of listedFiles(manifest)) {
    const size = statSync(join(out, path), { throwIfNoEntry: false })?.size
    if (size !== bytes) throw damaged(join(out, path), `${bytes} bytes`, size === undefined ? 'no file' : `${size} bytes`, 'Run')
  }
}

/**
 * The first file of an export that cannot be read, or is not the one that the manifest tells, as CKVD_EXPORT_IO; undefined when all are
 * whole. Reads every file. Throws CKVD_ABORTED.
 */
export async function findDamage(manifest: Manifest, out: string, signal: AbortSignal): Promise<CkvdError | undefined> {
  for (const { path, sha256 } of listedFiles(manifest)) {
    const file = join(out, path)
    const hash = createHash('sha256')
    try {
      await pipeline(createReadStream(file), hash, { signal })
    } catch (error) {
      if (signal.aborted) throw abortError(signal)
      return exportIoError(error, 'read', file)
    }
    const found = hash.digest('hex')
    if (found !== sha256) return damaged(file, `the SHA-256 ${sha256} of the manifest`, found, 'Remove it and run')
  }
  return undefined
}

function listedFiles({ state, files, coverage }: Manifest): readonly { path: string; bytes: number; sha256: string }[] {
  return state !== 'complete' ? [] : coverage === null ? files : [...files, coverage]
}

/** @param advice what comes before `ckvd export again`, which makes files anew that are gone or of another size */
function damaged(path: string, expected: string, found: string, advice: string): CkvdError {
  return new CkvdError(
    'CKVD_EXPORT_IO',
    `Expected ${expected} in ${path}, found ${found}. ${advice} ckvd export again: it makes such files anew.`,
    {
      details: { path, expected, found },
    },
  )
}
