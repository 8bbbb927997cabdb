import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isCkvdError } from '../src/errors.ts'
import { userCacheDirectory, userDataDirectory } from './user-directories.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where a lake lies that nobody named. */
export interface LakePlace {
  readonly path: string
  /** where it belongs, when it lies in the place of earlier builds; null: it lies where it belongs */
  readonly belongs: string | null
}

/**
 * `ckvd/lake` (of a sandbox `ckvd/sandbox`) in the user's data directory. A lake in the cache directory, where earlier builds put it, is
 * used until it is moved. Looked for only where no lake is named: a container may have no home.
 * @throws CkvdError `CKVD_CONFIG` where this user has no home directory
 */
export function findLakePlace(sandbox: boolean, env: Environment): LakePlace {
  const name = sandbox ? 'sandbox' : 'lake'
  const place = join(userDataDirectory(env), 'ckvd', name)
  const old = oldPlace(name, env)
  return old !== undefined && !existsSync(place) && existsSync(join(old, 'lake.json'))
    ? { path: old, belongs: place }
    : { path: place, belongs: null }
}

function oldPlace(name: string, env: Environment): string | undefined {
  try {
    const own = join(userCacheDirectory(env), 'crypto-kline-vision-data')
    return process.platform === 'win32' ? join(own, 'Cache', name) : join(own, name)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_CONFIG')) return undefined // a user without a home, whose data directory a variable names
    throw error
  }
}

/** What is said of a lake that lies in the place of earlier builds. */
export function oldPlaceMessage({ path, belongs }: { readonly path: string; readonly belongs: string }): string {
  return `the lake lies in the cache directory, where other programs may clear it away: it is used until it is moved to where it belongs (mkdir -p "${belongs.replace(/[^/\\]+$/, '')}" && mv "${path}" "${belongs}")`
}
