import nodeModule from 'node:module'
import { join } from 'node:path'
import { userCacheDirectory } from '../../config/user-directories.ts'
import { isCkvdError } from '../errors.ts'

/** What Node has from 22.1 on; older ones have no such function. */
interface CompilingNode {
  readonly builtinModules: readonly string[]
  readonly enableCompileCache?: (directory: string) => unknown
}

/**
 * Has Node keep what it compiles of all that is loaded from now on, so that the next start need not. What lies there is run: it is this user's
 * own directory, not the temporary one of all. Where Node cannot do so, or there is no home, nothing is kept; where it cannot write, Node says nothing.
 */
export function keepCompiled(env: Readonly<Record<string, string | undefined>>, node: CompilingNode = nodeModule): void {
  if (node.enableCompileCache === undefined) return
  try {
    node.enableCompileCache(join(userCacheDirectory(env), 'ckvd', 'compiled'))
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_CONFIG')) throw error
  }
}
