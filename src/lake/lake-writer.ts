import { fileShares } from '../../config/open-files.ts'
import { CkvdError, isCkvdError, toCkvdError } from '../errors.ts'
import type { CatalogWrite } from './catalog/catalog-rows.ts'
import type { Ledger } from './ledger.ts'
import { ioError } from '../disk/io-error.ts'
import { LAKE, shardPath } from './layout.ts'
import type { ShardStore } from './shard-store.ts'
import type { PackedWrite } from './pack-merge.ts'
import { mergePack } from './pack-merge.ts'
import { isPacked } from '../dataset/pack.ts'
import type { Steps } from '../disk/steps.ts'
import { runStep } from '../disk/steps.ts'

/** A chunk to store: its row and gaps, and its shard's bytes (null: the chunk has none, or its shard is there already). */
export interface LakeWrite extends CatalogWrite {
  readonly shard: Uint8Array | null
}

/** Stores chunks; shards and rows that arrive while a group is being synced form the next group. */
export interface LakeWriter {
  /**
   * Resolves when shard and row are durable. Rejects with `CKVD_DISK_FULL`, `CKVD_LAKE_IO` or `CKVD_CATALOG`; then the
   * catalog says of the chunk what it said before. Callers bound how many puts they have open.
   */
  put(item: LakeWrite): Promise<void>
  /** Waits until everything put so far is stored or has failed. */
  drain(): Promise<void>
  /** Drains, then refuses further chunks; may be called more than once. */
  close(): Promise<void>
}

/** A group's bounds: more files gain nothing, more bytes only hold memory. */
const GROUP_ITEMS = 64
/** Rows without a shard cost no sync of their own: many share a transaction. */
const GROUP_ROWS = 2000
const GROUP_BYTES = 64 * 1024 * 1024

interface Waiting {
  readonly item: LakeWrite
  /** of the file that holds the chunk */
  readonly path: string
  resolve(): void
  reject(error: CkvdError): void
}

/** A file that a group writes, and what hangs on it. */
interface GroupFile {
  readonly path: string
  readonly entries: readonly Waiting[]
  /** undefined: it cannot be made, for `error` */
  readonly bytes: Uint8Array | undefined
  readonly error?: CkvdError
  /** see `MergedPack` */
  readonly taken: readonly CatalogWrite[]
  readonly former: readonly string[]
}

export function createLakeWriter(shards: ShardStore, catalog: Ledger, steps?: Steps): LakeWriter {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let closed = false

  async function run(): Promise<void> {
    // the puts of one tick form one group
    await Promise.resolve()
    while (queue.length > 0) {
      const group = takeGroup(queue)
      queue = queue.slice(group.length)
      await storeGroup(group)
    }
    running = undefined
  }

  /** Never throws: every outcome goes to the chunk it belongs to. */
  async function storeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const files = await gatherFiles(group)
      const failed = new Set<Waiting>()
      const fail = (entry: Waiting, error: CkvdError): void => {
        failed.add(entry)
        entry.reject(placed(error, entry))
      }
      for (const { entries, error } of files) if (error !== undefined) for (const entry of entries) fail(entry, error)
      const written = files.filter((file): file is GroupFile & { bytes: Uint8Array } => file.bytes !== undefined)
      const errors = await shards.put(written.map(({ path, bytes }) => ({ path, bytes })))
      written.forEach(({ entries }, i) => {
        const error = errors[i]
        if (error !== undefined) for (const entry of entries) fail(entry, error)
      })
      const whole = written.filter((_, i) => errors[i] === undefined)
      await record(
        group.filter((entry) => !failed.has(entry)),
        whole.flatMap(({ taken }) => taken),
      )
      // what packs hold now; a file that a killed run leaves is removed by `verify`
      for (const { former } of whole) for (const path of former) await shards.remove(path)
    } catch (error) {
      // settled entries ignore this
      for (const entry of group) entry.reject(placed(toCkvdError(error), entry))
    }
  }

  /** The files of a group: one for a chunk of its own, one for all chunks of a pack. */
  async function gatherFiles(group: readonly Waiting[]): Promise<GroupFile[]> {
    const byPath = new Map<string, Waiting[]>()
    for (const entry of group) {
      if (entry.item.shard === null) continue
      const there = byPath.get(entry.path)
      if (there === undefined) byPath.set(entry.path, [entry])
      else there.push(entry)
    }
    return await Promise.all([...byPath].map(([path, entries]) => gatherFile(path, entries)))
  }

  async function gatherFile(path: string, entries: readonly Waiting[]): Promise<GroupFile> {
    const items = entries.map(({ item }) => item as PackedWrite)
    const [first] = items
    if (first === undefined || !isPacked(first.row)) return { path, entries, bytes: first?.shard, taken: [], former: [] }
    try {
      const { market, symbol, interval, day } = first.row
      const merged = await mergePack(shards, catalog, { series: { market, symbol, interval }, day }, items)
      return { path, entries, bytes: merged?.bytes, taken: merged?.taken ?? [], former: merged?.former ?? [] }
    } catch (error) {
      return { path, entries, bytes: undefined, error: toCkvdError(error), taken: [], former: [] }
    }
  }

  async function record(entries: readonly Waiting[], taken: readonly CatalogWrite[] = []): Promise<void> {
    if (entries.length === 0) return
    try {
      await runStep(steps, 'transaction', catalog.place, () => catalog.commit([...entries.map((entry) => entry.item), ...taken]))
    } catch (thrown) {
      const error = ioError(thrown, 'record chunks in', catalog.place, LAKE)
      // a row that SQLite refuses must not take its neighbours along; anything else holds for all of them
      if (entries.length === 1 || !isCkvdError(error, 'CKVD_BUG')) throw error
      if (taken.length > 0) await catalog.commit(taken)
      for (const entry of entries) await record([entry]).catch((own: unknown) => entry.reject(placed(toCkvdError(own), entry)))
    }
    for (const entry of entries) entry.resolve()
  }

  async function drain(): Promise<void> {
    while (running !== undefined) await running
  }

  return {
    put(item) {
      return new Promise((resolve, reject) => {
        checkItem(item, closed)
        queue.push({ item, path: shardPath(item.row, item.row.day), resolve, reject })
        running ??= run()
      })
    },
    drain,
    async close() {
      closed = true
      await drain()
    },
  }
}

/** The head of the queue that may be stored together: a chunk twice in one group would race with itself. */
function takeGroup(queue: readonly Waiting[]): Waiting[] {
  const chunks = new Set<string>()
  const files = new Set<string>()
  const maxFiles = Math.min(GROUP_ITEMS, fileShares().writes)
  let sizeBytes = 0
  for (const { item, path } of queue) {
    const chunk = `${path} ${item.row.day}`
    sizeBytes += item.shard?.length ?? 0
    if (item.shard !== null) files.add(path)
    if (files.size > maxFiles || chunks.size === GROUP_ROWS || chunks.has(chunk) || (sizeBytes > GROUP_BYTES && chunks.size > 0)) break
    chunks.add(chunk)
  }
  return queue.slice(0, chunks.size)
}

function checkItem({ row, shard }: LakeWrite, closed: boolean): void {
  const details = { market: row.market, symbol: row.symbol, interval: row.interval, day: row.day }
  if (closed) throw new CkvdError('CKVD_BUG', 'Expected an open lake, but it is closed: nothing more is stored.', { details })
  if (shard !== null && (row.shardSha256 === null || row.shardBytes !== shard.length)) {
    const found = `${String(row.shardSha256)}, ${String(row.shardBytes)} bytes`
    throw new CkvdError('CKVD_BUG', `Expected the row of a shard to state its digest and its ${shard.length} bytes, found ${found}.`, {
      details,
    })
  }
}

function placed(error: CkvdError, { item }: Waiting): CkvdError {
  const { market, symbol, interval, day } = item.row
  return error.with({ market, symbol, interval, day })
}
