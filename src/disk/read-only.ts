import { systemCode } from '../system-errors.ts'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'

/** What the system says of a place that this user may not write to, now or ever. */
const REFUSALS: readonly string[] = ['EROFS', 'EACCES', 'EPERM']

/** Why one of the paths that are there cannot be written to, as the system's code (`EROFS`, `EACCES`, `EPERM`); undefined: all of them can. */
export async function findReadOnly(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await access(path, constants.W_OK)
    } catch (error) {
      // what is missing is made, and of other errors whoever writes tells more
      const code = systemCode(error)
      if (code !== undefined && REFUSALS.includes(code)) return code
    }
  }
  return undefined
}
