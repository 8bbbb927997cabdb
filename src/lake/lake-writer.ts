import { fileShares } from '../../config/open-files.ts'
import type { ErrorDetails } from '../errors.ts'
import { CkvdError, isCkvdError, toCkvdError } from '../errors.ts'
import type { CatalogWrite } from './catalog/catalog-rows.ts'
import type { Ledger, WrittenPack } from './ledger.ts'
import { ioError } from '../disk/io-error.ts'
import { formerPath, LAKE, shardPath } from './layout.ts'
import type { ShardStore } from './shard-store.ts'
import type { LeftChunk, MergedPack, PackedWrite } from './pack-merge.ts'
import { mergePack } from './pack-merge.ts'
import { isPackedRow } from '../codec/arrow/chunk-bytes.ts'
import { isPacked } from '../dataset/pack.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
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
  /**
   * Brings what stands of a period in files of format 1 into its pack, without a download. Resolves when the pack and its rows are durable
   * and the former files are gone. Rejects as `put`, and where the pack that is there is damaged; what was stored stays stored.
   * @param day any chunk of the period
   */
  upgrade(series: Series, day: UtcDay): Promise<UpgradedPeriod>
  /** Waits until everything put so far is stored or has failed. */
  drain(): Promise<void>
  /** Drains, then refuses further chunks; may be called more than once. */
  close(): Promise<void>
}

/** What became of the chunks of a period that stood in files of format 1. */
export interface UpgradedPeriod {
  /** chunks that were brought into the pack */
  readonly chunks: number
  /** of the pack that was written; 0: none was */
  readonly bytes: number
  readonly left: readonly LeftChunk[]
}

/** A group's bounds: more files gain nothing, more bytes only hold memory. */
const GROUP_ITEMS = 64
/** Rows without a shard cost no sync of their own: many share a transaction. */
const GROUP_ROWS = 2000
const GROUP_BYTES = 64 * 1024 * 1024

interface Waiting {
  readonly series: Series
  readonly day: UtcDay
  /** null: format 1 is taken in alone */
  readonly item: LakeWrite | null
  /** of the file that holds the chunk */
  readonly path: string
  resolve(): void
  reject(error: CkvdError): void
  /** what its pack was made of */
  tell?(merged: MergedPack): void
}

/** A file that a group writes, and what hangs on it. */
interface GroupFile {
  readonly path: string
  readonly entries: readonly Waiting[]
  /** null: there is nothing to write, or it cannot be made, for `error` */
  readonly bytes: Uint8Array | null
  readonly error?: CkvdError
  /** see `MergedPack` */
  readonly taken: readonly CatalogWrite[]
  readonly former: readonly UtcDay[]
  readonly pack: WrittenPack | null
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
      const written = files.filter((file): file is GroupFile & { bytes: Uint8Array } => file.bytes !== null)
      const errors = await shards.put(written.map(({ path, bytes }) => ({ path, bytes })))
      written.forEach(({ entries }, i) => {
        const error = errors[i]
        if (error !== undefined) for (const entry of entries) fail(entry, error)
      })
      const whole = written.filter((_, i) => errors[i] === undefined)
      const stored = group.filter((entry) => !failed.has(entry))
      await record(
        stored,
        whole.flatMap(({ taken }) => taken),
        whole.flatMap(({ pack }) => pack ?? []),
      )
      for (const file of whole) await removeFormer(file)
      for (const entry of stored) entry.resolve()
    } catch (error) {
      // settled entries ignore this
      for (const entry of group) entry.reject(placed(toCkvdError(error), entry))
    }
  }

  /** Removes files of format 1 whose chunks a pack holds now, as the catalog says; what a killed run leaves is removed by `verify` and `upgrade`. */
  async function removeFormer({ entries, former }: GroupFile): Promise<void> {
    const series = entries[0]?.series
    if (series === undefined) return
    for (const day of former) {
      const row = catalog.getDay(series, day)
      if (row === undefined || !isPackedRow(row, row)) continue
      const path = formerPath(series, day)
      const place = shards.placeOf(path)
      try {
        await runStep(steps, 'remove', place, async () => void (await shards.remove(path)))
      } catch (error) {
        throw ioError(error, 'remove', place, LAKE)
      }
    }
  }

  /** The files of a group: one for a chunk of its own, one for all chunks of a pack. */
  async function gatherFiles(group: readonly Waiting[]): Promise<GroupFile[]> {
    const byPath = new Map<string, Waiting[]>()
    for (const entry of group) {
      if (entry.item?.shard === null) continue
      const there = byPath.get(entry.path)
      if (there === undefined) byPath.set(entry.path, [entry])
      else there.push(entry)
    }
    return await Promise.all([...byPath].map(([path, entries]) => gatherFile(path, entries)))
  }

  async function gatherFile(path: string, entries: readonly Waiting[]): Promise<GroupFile> {
    const items = entries.flatMap(({ item }) => (item === null ? [] : [item as PackedWrite]))
    const [first] = entries
    if (first === undefined || !isPacked(first.series))
      return { path, entries, bytes: items[0]?.shard ?? null, taken: [], former: [], pack: null }
    try {
      const merged = await mergePack(shards, catalog, first, items)
      for (const entry of entries) entry.tell?.(merged)
      return { path, entries, ...merged }
    } catch (error) {
      return { path, entries, bytes: null, error: toCkvdError(error), taken: [], former: [], pack: null }
    }
  }

  async function record(
    entries: readonly Waiting[],
    taken: readonly CatalogWrite[] = [],
    packs: readonly WrittenPack[] = [],
  ): Promise<void> {
    if (entries.length === 0) return
    try {
      await runStep(steps, 'transaction', catalog.place, () =>
        catalog.commit([...entries.flatMap(({ item }) => item ?? []), ...taken], packs),
      )
    } catch (thrown) {
      const error = ioError(thrown, 'record chunks in', catalog.place, LAKE)
      // a row that SQLite refuses must not take its neighbours along; anything else holds for all of them
      if (entries.length === 1 || !isCkvdError(error, 'CKVD_BUG')) throw error
      if (taken.length > 0) await catalog.commit(taken)
      for (const entry of entries) await record([entry]).catch((own: unknown) => entry.reject(placed(toCkvdError(own), entry)))
    }
    // whatever follows: a chunk that was put is stored
    for (const entry of entries) if (entry.item !== null) entry.resolve()
  }

  async function drain(): Promise<void> {
    while (running !== undefined) await running
  }

  function enqueue(entry: Omit<Waiting, 'path'>): void {
    queue.push({ ...entry, path: shardPath(entry.series, entry.day) })
    running ??= run()
  }

  return {
    put(item) {
      return new Promise((resolve, reject) => {
        checkItem(item, closed)
        const { dataset, market, symbol, interval, day } = item.row
        enqueue({ series: { dataset, market, symbol, interval }, day, item, resolve, reject })
      })
    },
    async upgrade(series, day) {
      let merged: MergedPack | undefined
      await new Promise<void>((resolve, reject) => {
        checkOpen(closed, { ...series, day })
        enqueue({ series, day, item: null, resolve, reject, tell: (made) => (merged = made) })
      })
      return { chunks: merged?.taken.length ?? 0, bytes: merged?.bytes?.length ?? 0, left: merged?.left ?? [] }
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
  for (const { item, path, day } of queue) {
    const chunk = item === null ? path : `${path} ${day}`
    sizeBytes += item?.shard?.length ?? 0
    if (item?.shard !== null) files.add(path)
    if (files.size > maxFiles || chunks.size === GROUP_ROWS || chunks.has(chunk) || (sizeBytes > GROUP_BYTES && chunks.size > 0)) break
    chunks.add(chunk)
  }
  return queue.slice(0, chunks.size)
}

function checkItem({ row, shard }: LakeWrite, closed: boolean): void {
  const details = { market: row.market, symbol: row.symbol, interval: row.interval, day: row.day }
  checkOpen(closed, details)
  if (shard !== null && (row.shardSha256 === null || row.shardBytes !== shard.length)) {
    const found = `${String(row.shardSha256)}, ${String(row.shardBytes)} bytes`
    throw new CkvdError('CKVD_BUG', `Expected the row of a shard to state its digest and its ${shard.length} bytes, found ${found}.`, {
      details,
    })
  }
}

function checkOpen(closed: boolean, details: ErrorDetails): void {
  if (closed) throw new CkvdError('CKVD_BUG', 'Expected an open lake, but it is closed: nothing more is stored.', { details })
}

function placed(error: CkvdError, { series, day }: Waiting): CkvdError {
  const { market, symbol, interval } = series
  return error.with({ market, symbol, interval, day })
}
