import { join } from 'node:path'
import { CkvdError } from '../errors.ts'
import type { Whose } from './io-error.ts'

// Backslash and colon are separators on Windows only; no path of ours has them anywhere, so they are refused everywhere.
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f\\:]/

/**
 * The absolute path of a file below `root`. Names may come from the network, so a path that could leave the folder
 * (`..`, an absolute path, an empty segment, a control character) throws the folder's `ioCode`. Symlinks are checked when writing.
 */
export function joinInside(root: string, rel: string, whose: Whose): string {
  const segments = rel.split('/')
  if (UNSAFE.test(rel) || segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new CkvdError(
      whose.ioCode,
      `Expected a path inside ${whose.name}, got ${JSON.stringify(rel)}: nothing is read or written outside ${root}.`,
      { details: { root, path: rel } },
    )
  }
  return join(root, ...segments)
}
