import type { FileWrite } from '../disk/durable-files.ts'
import { CkvdError } from '../errors.ts'

/** A file as a listing shows it. */
export interface ListedFile {
  readonly path: string
  /** false for what lies there and is no file, such as a link: it is told, never believed */
  readonly isFile: boolean
}

export interface FileFacts {
  readonly sizeBytes: number
  readonly writtenAt: Date
}

/** A file that is open for reading: one version of it, whatever is put meanwhile. A store far away has brought its bytes here. */
export interface OpenFile {
  /** as `placeOf` names it */
  readonly place: string
  readonly sizeBytes: number
  /** A name of this version: files of one path and one version have the same bytes. Undefined while that cannot be told. */
  version(): string | undefined
  /** Fills the buffers, one after the other, with the bytes from `at` on; false where there are not as many. */
  read(at: number, buffers: readonly Uint8Array[]): boolean
  close(): void
}

/**
 * Where the files of a lake lie, for who reads them. Files are named by their path relative to the lake, `/` separated, as layout.ts makes
 * it: what a file holds, the store does not know. A path that could leave the lake (`..`, an absolute one) is refused. Absent is a value;
 * what fails throws a `CkvdError` (`CKVD_LAKE_IO`) with the file's place in its details.
 */
export interface ShardReader {
  /** How messages name a file: its absolute path, or its address. */
  placeOf(path: string): string
  /**
   * The whole file; undefined when there is none. One of more than `mostBytes` (default: what no shard has) is not read: throws
   * `CKVD_SHARD_FORMAT`.
   */
  get(path: string, options?: { readonly mostBytes?: number }): Promise<Uint8Array | undefined>
  /** A file of which parts are read; undefined when there is none. A disk of this machine opens at once: a hop for each file of years would be felt. */
  open(path: string): OpenFile | undefined | Promise<OpenFile | undefined>
  stat(path: string): Promise<FileFacts | undefined>
  /** Everything below a folder (`data`), in the order of the paths; nothing where there is no such folder. */
  list(folder: string): AsyncIterable<ListedFile>
}

/** Where the files of a lake lie, for who holds its write lock. */
export interface ShardStore extends ShardReader {
  /**
   * Puts files with distinct paths, a group of them for the price of few. Gives one entry a file: undefined when it is durable under its name, whole,
   * in place of one that was there; else why not (`CKVD_DISK_FULL`, `CKVD_LAKE_IO`), and then there is no part of it.
   */
  put(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]>
  /** Removes a file; false where there is none. */
  remove(path: string): Promise<boolean>
}

/** A hundred times a day of `1s` bars, and half of what Node reads at once. */
export const LARGEST_FILE_BYTES = 1 << 30

/** A file that is not read, since no shard is as large. */
export function tooLarge(place: string, sizeBytes: number, mostBytes: number): CkvdError {
  return new CkvdError('CKVD_SHARD_FORMAT', `Expected at most ${mostBytes} bytes in ${place}, found ${sizeBytes}: it is not read.`, {
    details: { path: place, sizeBytes, mostBytes },
  })
}

/** Puts files that belong together; throws the first error. */
export async function putAll(store: ShardStore, files: readonly FileWrite[]): Promise<void> {
  for (const error of await store.put(files)) if (error !== undefined) throw error
}
