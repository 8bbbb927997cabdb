import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { AtomicFiles } from '../disk/durable-files.ts'
import { createAtomicFiles } from '../disk/durable-files.ts'
import { isSoundCatalogFile } from './catalog/catalog-file.ts'
import type { Catalog } from './catalog/catalog.ts'
import { openCatalog } from './catalog/catalog.ts'
import type { MigrationProgress } from './catalog/catalog-versions.ts'
import { createDirectories, refuseLinks } from '../disk/directories.ts'
import { makeDirectoryPath } from '../disk/directory-path.ts'
import { ioError } from '../disk/io-error.ts'
import { FollowedCatalog } from './followed-catalog.ts'
import { removeFormerCacheTag } from './former-cache-tag.ts'
import type { LakeWriter } from './lake-writer.ts'
import { createLakeWriter } from './lake-writer.ts'
import type { LakePaths } from './layout.ts'
import type { Ledger, LedgerReader } from './ledger.ts'
import { LAKE, lakePaths } from './layout.ts'
import { createLocalReader, createLocalShards } from './local-shards.ts'
import type { WriteLock } from '../disk/lock.ts'
import { acquireLock } from '../disk/lock.ts'
import type { Origin } from './origin.ts'
import { checkOrigin, raiseFormat, readLakeFacts, writeOrigin } from './origin.ts'
import type { Quarantine } from './quarantine.ts'
import { createQuarantine } from './quarantine.ts'
import type { ShardReader, ShardStore } from './shard-store.ts'
import type { Steps } from '../disk/steps.ts'

/** A lake that is open for reading: beside a writer `catalog` and `origin` are those of the moment, so who waits in between asks for them again. */
export interface Lake {
  readonly mode: 'read' | 'write'
  readonly paths: LakePaths
  readonly catalog: LedgerReader
  readonly shards: ShardReader
  /** where its data is from; undefined until the first run says so */
  readonly origin: Origin | undefined
  /** undefined when the lake is open for reading */
  readonly writer: LakeWriter | undefined
  /** Stores what is under way, then closes catalog and lock; may be called more than once. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A lake that is open for writing: it holds the write lock until it is closed. */
export interface WritableLake extends Lake {
  readonly mode: 'write'
  readonly writer: LakeWriter
  readonly catalog: Ledger
  readonly shards: ShardStore
  readonly quarantine: Quarantine
  /** how many temporary files of killed runs were removed when the lake was opened */
  readonly swept: number
  /** file name of the damaged catalog that was moved aside, where `repair` found one */
  readonly damagedCatalog: string | undefined
  /** Removes what killed runs were writing; gives how many files. */
  sweep(): Promise<number>
  /** Removes a folder of the lake, `/` separated, that is empty; false where it is not, or is not there. */
  removeEmptyFolder(folder: string): Promise<boolean>
  /** Records where the data is from; throws `CKVD_ORIGIN` when the lake has data of the other origin. */
  setOrigin(origin: Origin): Promise<void>
}

export interface OpenLakeOptions {
  /** checked, and recorded when writing */
  readonly origin?: Origin
  /** checked alone: where data that is not there yet would be from */
  readonly expected?: Origin
  /** moves a damaged catalog aside and begins an empty one instead of throwing `CKVD_CATALOG`; for `verify` */
  readonly repair?: boolean
  /** gets a sentence now and then while an older catalog is brought to this version */
  readonly tell?: (message: string) => void
  /** a seam for crash and fault tests */
  readonly steps?: Steps
}

/**
 * Opens the lake in directory `root`. `write` creates what is missing and takes the write lock; `read` creates nothing (SQLite's
 * own `-wal` and `-shm` files beside the catalog excepted) and works beside a writer. Throws `CKVD_LAKE_MISSING` (reading),
 * `CKVD_LAKE_LOCKED`, `CKVD_ORIGIN`, `CKVD_CATALOG`, `CKVD_CATALOG_VERSION`, `CKVD_LAKE_IO`, `CKVD_DISK_FULL`.
 */
export async function openLake(root: string, options: OpenLakeOptions & { readonly mode: 'write' }): Promise<WritableLake>
export async function openLake(root: string, options: OpenLakeOptions & { readonly mode: 'read' | 'write' }): Promise<Lake>
export async function openLake(root: string, options: OpenLakeOptions & { readonly mode: 'read' | 'write' }): Promise<Lake> {
  const paths = lakePaths(resolve(root))
  const origin = readLakeFacts(paths)?.origin
  for (const wanted of [options.origin, options.expected]) if (wanted !== undefined) checkOrigin(origin, wanted, paths.root)
  return options.mode === 'write' ? await openForWriting(paths, options) : openForReading(paths)
}

function openForReading(paths: LakePaths): Lake {
  const followed = new FollowedCatalog(paths)
  const close = (): Promise<void> => Promise.resolve(followed.close())
  return {
    mode: 'read',
    paths,
    get catalog() {
      return followed.now().catalog
    },
    shards: createLocalReader(paths.root),
    get origin() {
      return followed.now().origin
    },
    writer: undefined,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function openForWriting(paths: LakePaths, options: OpenLakeOptions): Promise<WritableLake> {
  const { steps } = options
  createRoot(paths.root)
  refuseLinks(databaseFiles(paths), paths.root, LAKE)
  const lock = acquireLock(paths.lock, paths.root, LAKE)
  let catalog: Catalog | undefined
  try {
    const files = createAtomicFiles({ ...paths, whose: LAKE }, steps)
    const directories = createDirectories(paths.root, LAKE)
    for (const directory of [paths.data, paths.quarantine, paths.tmp]) await directories.prepare(directory)
    const swept = await files.sweepTmp()
    await removeFormerCacheTag(paths.root, files)
    const damagedCatalog = options.repair === true ? await moveDamagedCatalog(paths) : undefined
    catalog = openCatalog(paths.catalog, { mode: 'write', progress: options.tell === undefined ? undefined : progressOf(options.tell) })
    // the catalog's name must outlive a power cut as well as the shards do
    await directories.sync(paths.root)
    const facts = readLakeFacts(paths)
    await raiseFormat(files, facts)
    const lake = createWritableLake(paths, lock, catalog, files, { swept, damagedCatalog, steps, recorded: facts?.origin })
    if (options.origin !== undefined) await lake.setOrigin(options.origin)
    return lake
  } catch (error) {
    catalog?.close()
    lock.release()
    throw error
  }
}

/** Files that SQLite writes, those that it makes beside them included. */
function databaseFiles({ catalog, lock }: LakePaths): string[] {
  return [catalog, `${catalog}.migrating`, lock].flatMap((path) => ['', '-wal', '-shm', '-journal'].map((side) => path + side))
}

/** A catalog of a whole exchange takes minutes. */
const TELL_EVERY_MS = 10_000

function progressOf(tell: (message: string) => void): MigrationProgress {
  let toldMs = performance.now()
  return (done, of) => {
    if (performance.now() - toldMs < TELL_EVERY_MS) return
    toldMs = performance.now()
    tell(`The catalog of an older version is brought to this one: ${done} of ${of} series are done. Stopped, it goes on from there.`)
  }
}

interface Opened {
  readonly swept: number
  readonly damagedCatalog: string | undefined
  readonly steps: Steps | undefined
  readonly recorded: Origin | undefined
}

function createWritableLake(paths: LakePaths, lock: WriteLock, catalog: Catalog, files: AtomicFiles, opened: Opened): WritableLake {
  const shards = createLocalShards(paths.root, files)
  const writer = createLakeWriter(shards, catalog, opened.steps)
  let origin = opened.recorded
  let closing: Promise<void> | undefined

  async function closeAll(): Promise<void> {
    try {
      await writer.close()
      catalog.close()
    } finally {
      lock.release()
    }
  }
  const close = (): Promise<void> => (closing ??= closeAll())

  return {
    mode: 'write',
    paths,
    catalog,
    shards,
    writer,
    quarantine: createQuarantine(shards),
    swept: opened.swept,
    removeEmptyFolder: (folder) => files.removeEmpty(folder),
    sweep: () => files.sweepTmp(),
    damagedCatalog: opened.damagedCatalog,
    get origin() {
      return origin
    },
    async setOrigin(wanted) {
      checkOrigin(origin, wanted, paths.root)
      if (origin !== undefined) return
      await writeOrigin(files, wanted)
      origin = wanted
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Creates the lake's directory, where there is none. */
function createRoot(root: string): void {
  try {
    makeDirectoryPath(root)
  } catch (error) {
    throw ioError(error, 'create the lake', root, LAKE)
  }
}

/** Moves a catalog that SQLite cannot read, or another program's, to `catalog.sqlite.corrupt-N`; gives the new name. */
async function moveDamagedCatalog(paths: LakePaths): Promise<string | undefined> {
  if (isSoundCatalogFile(paths.catalog)) return undefined
  let moved = 1
  while (existsSync(`${paths.catalog}.corrupt-${moved}`)) moved++
  const target = `${paths.catalog}.corrupt-${moved}`
  for (const side of ['-wal', '-shm', '']) {
    const from = paths.catalog + side
    if (!existsSync(from)) continue
    // the log belongs to the damaged file: beside a new catalog SQLite would apply it
    await rename(from, target + side).catch((error: unknown) => {
      throw ioError(error, 'move aside', from, LAKE)
    })
  }
  return basename(target)
}
