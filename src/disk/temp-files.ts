import { systemCode } from '../system-errors.ts'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { lstat, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Whose } from './io-error.ts'
import { ioError } from './io-error.ts'

/** How the names of our temporary files end: the machine, the process and the file, so that it can be told whose writer is gone. */
const ENDING = /\.([0-9a-f]{8})-(\d{1,10})-([0-9a-f]{12})\.tmp$/
/** Of another machine on a shared disk it cannot be asked whether a process lives: nothing that is younger is removed. */
const FOREIGN_AGE_MS = 7 * 86_400_000

/** Names of one process, so that a file of an earlier process with the same id (in a container it is 1 each time) is told apart. */
const OWN = randomBytes(3).toString('hex')

/** A name beside `path` under which it is written before it takes its own. */
export function tempPath(path: string): string {
  return `${path}.${machine()}-${process.pid}-${OWN}${randomBytes(3).toString('hex')}.tmp`
}

/**
 * Removes what killed commands left in the directory of `path`, under names that `tempPath` makes; files alone, never what a link leads to.
 * One that cannot be removed stays: it is no reason not to write. Nothing is swept in a
 * directory that cannot be read.
 */
export async function sweepTempFiles(path: string): Promise<void> {
  const directory = dirname(path)
  const names = await readdir(directory).catch(() => null)
  if (names === null) return // writing there will tell
  for (const name of names) {
    const [ending, of = '', pid = '', file = ''] = ENDING.exec(name) ?? []
    if (ending === undefined) continue
    const leftover = join(directory, name)
    try {
      const found = await lstat(leftover)
      const isGone = of === machine() ? isDead(Number(pid), file) : Date.now() - found.mtimeMs > FOREIGN_AGE_MS
      if (found.isFile() && isGone) await rm(leftover, { force: true })
    } catch {
      continue // another command was faster, or the directory refuses
    }
  }
}

function machine(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
}

function isDead(pid: number, file: string): boolean {
  if (pid === process.pid) return !file.startsWith(OWN)
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    // EPERM: it lives, as another user's
    return systemCode(error) === 'ESRCH'
  }
}

/** Names of our temporary files. A user may point the lake at a folder that has a `tmp/` of its own: nothing else is swept. */
const NAME_IN_FOLDER = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** A name in a folder that is for temporary files alone, of the holder of its lock alone. */
export function newTempName(): string {
  return `${randomUUID()}.tmp`
}

/** Removes what killed runs left in such a folder; gives how many files. Throws the folder's `ioCode`. */
export async function sweepTempFolder(folder: string, whose: Whose): Promise<number> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw ioError(error, 'list', folder, whose)
  })
  const leftovers = names.filter((name) => NAME_IN_FOLDER.test(name))
  for (const name of leftovers) {
    const path = join(folder, name)
    await rm(path, { force: true }).catch((error: unknown) => {
      throw ioError(error, 'remove', path, whose)
    })
  }
  return leftovers.length
}
