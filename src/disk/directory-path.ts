import { systemCode } from '../errors.ts'
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a directory and its parents where they are absent. Not by `mkdir`'s own `recursive`: Node 20 tries for ever where
 * a directory that is there answers ENOENT (`/proc` does). Throws the error of the operating system.
 */
export function makeDirectoryPath(directory: string): void {
  if (isDirectory(directory)) return
  const parent = dirname(directory)
  if (parent !== directory) makeDirectoryPath(parent)
  try {
    mkdirSync(directory)
  } catch (error) {
    // another program was faster
    if (systemCode(error) !== 'EEXIST' || !isDirectory(directory)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
