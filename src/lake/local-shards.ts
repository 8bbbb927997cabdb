import { systemCode } from '../system-errors.ts'
import type { BigIntStats, Dirent } from 'node:fs'
import { closeSync, fstatSync, openSync, readvSync } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { whenUncrowded } from '../disk/crowded.ts'
import type { AtomicFiles } from '../disk/durable-files.ts'
import { ioError } from '../disk/io-error.ts'
import { checkIsFile, READ_OWN } from '../disk/own-file.ts'
import { LAKE, joinLake } from './layout.ts'
import type { ListedFile, OpenFile, ShardReader, ShardStore } from './shard-store.ts'
import { LARGEST_FILE_BYTES, tooLarge } from './shard-store.ts'

/** Writes to a file less than this apart may leave it with the same times: what was written so lately has no version yet. */
const SETTLED_MS = 2000

/** The files of a lake in a directory; nothing need be there yet. */
export function createLocalReader(root: string): ShardReader {
  const placeOf = (path: string): string => joinLake(root, path)
  return {
    placeOf,
    async get(path, { mostBytes = LARGEST_FILE_BYTES } = {}) {
      const place = placeOf(path)
      return await orAbsent('read', place, () => whenUncrowded(() => readWhole(place, mostBytes)))
    },
    open: (path) => openFile(placeOf(path)),
    async stat(path) {
      const place = placeOf(path)
      const stats = await orAbsent('read', place, () => stat(place))
      return stats === undefined ? undefined : { sizeBytes: stats.size, writtenAt: stats.mtime }
    },
    list: (folder) => listFiles(root, folder),
  }
}

/** As `createLocalReader`, for the holder of the lake's write lock: `files` writes into the same directory. */
export function createLocalShards(root: string, files: AtomicFiles): ShardStore {
  return { ...createLocalReader(root), put: (group) => files.writeGroup(group), remove: (path) => files.remove(path) }
}

/** The bytes of a file, in memory of their own, which may be handed to a thread. */
async function readWhole(place: string, mostBytes: number): Promise<Uint8Array> {
  await using file = await open(place, READ_OWN)
  const stats = await file.stat()
  checkIsFile(stats)
  if (stats.size > mostBytes) throw tooLarge(place, stats.size, mostBytes)
  const bytes = Buffer.allocUnsafeSlow(stats.size)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, at)
    if (bytesRead === 0) return bytes.subarray(0, at)
    at += bytesRead
  }
  return bytes
}

/** What the system gives; undefined where it has no such file. */
async function orAbsent<T>(operation: string, place: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw ioError(error, operation, place, LAKE)
  }
}

function isAbsent(error: unknown): boolean {
  return systemCode(error) === 'ENOENT'
}

/**
 * Calls are synchronous: a file of a day of minutes takes some 20 to 40 µs that way, less than handing it to a thread and waiting for that.
 * A file that is replaced stays what it was for who has opened it.
 */
function openFile(place: string): OpenFile | undefined {
  let file: number
  try {
    file = openSync(place, READ_OWN)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw ioError(error, 'read', place, LAKE)
  }
  try {
    return new LocalFile(file, place)
  } catch (error) {
    closeSync(file)
    throw ioError(error, 'read', place, LAKE)
  }
}

class LocalFile implements OpenFile {
  readonly place: string
  readonly #file: number
  readonly #stats: BigIntStats

  constructor(file: number, place: string) {
    this.#file = file
    this.place = place
    this.#stats = statExactly(file)
    checkIsFile(this.#stats)
  }

  get sizeBytes(): number {
    return Number(this.#stats.size)
  }

  version(): string | undefined {
    return versionOf(this.#stats)
  }

  read(at: number, buffers: readonly Uint8Array[]): boolean {
    try {
      let [from, left] = [at, buffers]
      for (let wanted = sizeOf(left); wanted > 0;) {
        const read = readvSync(this.#file, left, from)
        if (read === 0) return false
        wanted -= read
        from += read
        // a network's disk may give a part
        if (wanted > 0) left = skip(left, read)
      }
      return true
    } catch (error) {
      throw ioError(error, 'read', this.place, LAKE)
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** While size, times and place of a file stay, its bytes do. */
export function versionOf({ dev, ino, size, mtimeNs, ctimeNs, ctimeMs }: BigIntStats): string | undefined {
  return Date.now() - Number(ctimeMs) < SETTLED_MS ? undefined : `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
}

function statExactly(file: number): BigIntStats {
  return fstatSync(file, { bigint: true })
}

function sizeOf(buffers: readonly Uint8Array[]): number {
  let bytes = 0
  for (const { length } of buffers) bytes += length
  return bytes
}

/** What of the buffers lies behind their first bytes. */
function skip(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return buffers.flatMap((buffer) => {
    const skipped = Math.min(left, buffer.length)
    left -= skipped
    return skipped === buffer.length ? [] : [buffer.subarray(skipped)]
  })
}

/** Everything below a folder that is not a directory; links are listed, never followed. The names of a directory are held at once. */
async function* listFiles(root: string, folder: string): AsyncGenerator<ListedFile, void> {
  const ahead: Entry[] = [{ path: folder, isFile: false, isDirectory: true }]
  for (let entry = ahead.pop(); entry !== undefined; entry = ahead.pop()) {
    if (!entry.isDirectory) yield entry
    else for (const inside of (await readFolder(root, entry.path)).reverse()) ahead.push(inside)
  }
}

interface Entry extends ListedFile {
  readonly isDirectory: boolean
}

/** In the order of the paths below them: a directory `a` stands behind a file `a.arrow`, since `.` comes before `/`. */
async function readFolder(root: string, folder: string): Promise<Entry[]> {
  const directory = joinLake(root, folder)
  const found = await orAbsent('list', directory, () => whenUncrowded(() => readdir(directory, { withFileTypes: true })))
  const byName = new Map(found?.map((entry) => [entry.isDirectory() ? `${entry.name}/` : entry.name, entry]))
  return [...byName.keys()].sort().map((name) => {
    const entry = byName.get(name) as Dirent
    return { path: `${folder}/${entry.name}`, isFile: entry.isFile(), isDirectory: entry.isDirectory() }
  })
}
