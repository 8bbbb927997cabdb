import type { Stats, BigIntStats } from 'node:fs'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * Flags to open what lies in the place of a file of ours, to read it. A pipe there, which nobody writes to, would keep the process in `open` for
 * ever, where no signal reaches it; of a file these flags change nothing.
 */
export const READ_OWN = constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK)

/** Throws an error of the system for what is no file: a directory (`EISDIR`), a pipe or a device (`ESPIPE`), which may have no end. */
export function checkIsFile(found: Stats | BigIntStats): void {
  if (found.isFile()) return
  throw found.isDirectory()
    ? Object.assign(new Error('It is a directory.'), { code: 'EISDIR' })
    : Object.assign(new Error('It is a pipe or a device.'), { code: 'ESPIPE' })
}

/** The text of a file of ours, however large. Throws errors of the system. */
export async function readOwnText(path: string): Promise<string> {
  await using file = await open(path, READ_OWN)
  checkIsFile(await file.stat())
  return await file.readFile('utf8')
}

/** As `readOwnText`, at once. */
export function readOwnTextSync(path: string): string {
  const file = openSync(path, READ_OWN)
  try {
    checkIsFile(fstatSync(file))
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}
