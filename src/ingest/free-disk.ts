import { statfs } from 'node:fs/promises'
import { CkvdError } from '../errors.ts'
import { ioError } from '../disk/io-error.ts'
import { LAKE } from '../lake/layout.ts'

/** The disk that is free where a lake lies, in bytes. Throws CKVD_LAKE_IO. */
export async function findFreeDisk(root: string): Promise<number> {
  const { bavail, bsize } = await statfs(root).catch((error: unknown) => {
    throw ioError(error, 'find the free disk of', root, LAKE)
  })
  return bavail * bsize
}

/**
 * Compares what a plan needs with the disk that was free before its first download.
 * @throws CKVD_DISK_FULL
 */
export function checkFreeDisk(root: string, needed: number, free: number): void {
  if (needed <= free) return
  const [neededText, freeText] = tellApart(needed, free)
  throw new CkvdError(
    'CKVD_DISK_FULL',
    `Expected about ${neededText} of free disk for this plan, found ${freeText} at ${root}. Free some, choose another --lake, or ask for less.`,
    { details: { needed, free, root } },
  )
}

const UNITS = ['GiB', 'MiB', 'KiB'] as const

/** Two sizes in the largest unit in which both are something and a reader sees which one is larger. */
export function tellApart(a: number, b: number): readonly [string, string] {
  for (const [i, unit] of UNITS.entries()) {
    const text = (bytes: number): string => `${(bytes / 1024 ** (UNITS.length - i)).toFixed(1)} ${unit}`
    const texts = [text(a), text(b)] as const
    if (texts[0] !== texts[1] && Math.max(a, b) >= 1024 ** (UNITS.length - i)) return texts
  }
  return [`${a} bytes`, `${b} bytes`]
}
