import { systemCode } from '../system-errors.ts'
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a directory and its parents where they are absent. Not by `mkdir`'s own `recursive`: Node 20 tries for ever where
 * a directory that is there answers ENOENT (`/proc` does). Throws the error of the operating system.
 * @param mode permissions of what is created; default: what the umask leaves
 */
export function makeDirectoryPath(directory: string, mode?: number): void {
  if (isDirectory(directory)) return
  const parent = dirname(directory)
  if (parent !== directory) makeDirectoryPath(parent, mode)
  try {
    mkdirSync(directory, { mode })
  } catch (error) {
    // another program was faster
    if (systemCode(error) !== 'EEXIST' || !isDirectory(directory)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
