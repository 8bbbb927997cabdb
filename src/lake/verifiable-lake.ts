import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ErrorCode } from '../errors.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import { keepWritersOut } from '../disk/lock.ts'
import { findReadOnly } from '../disk/read-only.ts'
import { isSoundCatalogFile } from './catalog/catalog-file.ts'
import type { Lake, OpenLakeOptions, WritableLake } from './lake.ts'
import { openLake } from './lake.ts'
import type { LakePaths } from './layout.ts'
import { LAKE, lakePaths } from './layout.ts'

/** A lake in which nothing may be written: a snapshot, a backup, another user's. */
export interface ReadOnlyLake extends Lake {
  readonly mode: 'read'
  /** why not, as the system's code (`EROFS`) */
  readonly readOnly: string
}

/** Codes of a catalog that is not there, or cannot be read. */
const UNUSABLE: readonly ErrorCode[] = ['CKVD_LAKE_MISSING', 'CKVD_CATALOG']

/**
 * Opens a lake to be verified: for writing, and where nothing may be written there for reading, with writers kept out meanwhile. A catalog that
 * is lost or damaged can be rebuilt by who writes alone: CKVD_LAKE_IO. Throws as `openLake` does.
 */
export async function openLakeToVerify(root: string, options: Omit<OpenLakeOptions, 'repair'>): Promise<WritableLake | ReadOnlyLake> {
  const paths = lakePaths(resolve(root))
  const readOnly = await findReadOnly([paths.root, paths.catalog, paths.lock, paths.data, paths.quarantine, paths.tmp])
  if (readOnly === undefined) return await openLake(root, { ...options, mode: 'write', repair: true })
  const lock = keepWritersOut(paths.lock, paths.root, LAKE)
  try {
    const lake = await openSound(paths, options, readOnly)
    const close = async (): Promise<void> => {
      await lake.close()
      lock?.release()
    }
    return { ...lake, mode: 'read', readOnly, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    lock?.release()
    throw error
  }
}

async function openSound(paths: LakePaths, options: OpenLakeOptions, system: string): Promise<Lake> {
  const unbuilt = (cause?: unknown): CkvdError =>
    new CkvdError(
      'CKVD_LAKE_IO',
      `Cannot rebuild the catalog ${paths.catalog} (${system}): it is ${existsSync(paths.catalog) ? 'damaged' : 'missing'}, and the lake is read-only. Run \`ckvd verify\` where it can be written, or on a copy of it.`,
      { details: { path: paths.catalog, system }, cause },
    )
  const lake = await openLake(paths.root, { ...options, mode: 'read' }).catch((error: unknown) => {
    throw isCkvdError(error) && UNUSABLE.includes(error.code) ? unbuilt(error) : error
  })
  if (isSoundCatalogFile(paths.catalog)) return lake
  await lake.close()
  throw unbuilt()
}
