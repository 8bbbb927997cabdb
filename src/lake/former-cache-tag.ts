import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AtomicFiles } from '../disk/durable-files.ts'

/** The tag of a directory that backup programs may leave out (https://bford.info/cachedir/), and what earlier builds wrote as such into a lake. */
const NAME = 'CACHEDIR.TAG'
const TEXT = `Signature: 8a477f597d28d172789f06886806bc55
# This directory is a lake of ckvd: candlesticks that can be downloaded again.
`

/**
 * Removes the tag that earlier builds wrote. A lake is data: what the exchange has forgotten, and what a person has accepted, cannot be
 * downloaded again. A tag with other words is somebody's own, and stays. Only for the holder of the write lock.
 */
export async function removeFormerCacheTag(root: string, files: AtomicFiles): Promise<void> {
  if ((await readTag(join(root, NAME))) === TEXT) await files.remove(NAME)
}

/** The text of a tag; undefined where there is none, or none that could be ours. */
async function readTag(path: string): Promise<string | undefined> {
  try {
    const facts = await lstat(path)
    return facts.isFile() && facts.size === TEXT.length ? await readFile(path, 'utf8') : undefined
  } catch {
    return undefined // what cannot be read is not known to be ours
  }
}
