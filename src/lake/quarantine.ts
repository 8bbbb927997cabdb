import { QUARANTINE_FOLDER, quarantinePath, quarantineReasonPath } from './layout.ts'
import type { ShardStore } from './shard-store.ts'
import { putAll } from './shard-store.ts'

/** An archive that failed verification, and why: plain values that JSON can hold. */
export interface Quarantined {
  readonly key: string
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly reason: Readonly<Record<string, unknown>>
}

export interface QuarantineBounds {
  /** of all archives that are kept */
  readonly maxBytes: number
  /** archives that are kept, or told by their reason alone */
  readonly maxArchives: number
}

/** Two of the largest archives that exist, or some ten thousand days: enough to see what a source sends, and no way to fill a disk. */
const QUARANTINE_BOUNDS: QuarantineBounds = { maxBytes: 256 * 1024 * 1024, maxArchives: 10_000 }

/** Keeps archives that failed verification, for people to look at. Nothing is ever read from here. */
export interface Quarantine {
  /**
   * Keeps an archive, with the reason beside it. What was kept first stays: past the bound on bytes only the reason is written (`kept`
   * false in it), past the bound on archives nothing, since the catalog has code and message of every day anyway.
   * Gives the archive's path relative to the lake, null where it was not kept. Throws CKVD_DISK_FULL, CKVD_LAKE_IO.
   */
  keep(archive: Quarantined): Promise<string | null>
}

export function createQuarantine(store: ShardStore, bounds: QuarantineBounds = QUARANTINE_BOUNDS): Quarantine {
  let found: Promise<Stock> | undefined

  return {
    async keep({ key, bytes, sha256, reason }) {
      const stock = await (found ??= takeStock(store))
      const path = quarantinePath(key, sha256)
      if (stock.archives.has(path)) return path // the same bytes
      const note = quarantineReasonPath(key, sha256)
      if (stock.notes.has(note) || stock.notes.size >= bounds.maxArchives) return null
      const kept = stock.bytes + bytes.length <= bounds.maxBytes
      // counted before the first await: others come meanwhile
      stock.notes.add(note)
      if (kept) {
        stock.archives.add(path)
        stock.bytes += bytes.length
      }
      const text = JSON.stringify({ key, sha256, sizeBytes: bytes.length, ...(kept ? {} : { kept }), ...reason }, null, 2)
      await putAll(store, [...(kept ? [{ path, bytes }] : []), { path: note, bytes: new TextEncoder().encode(`${text}\n`) }])
      return kept ? path : null
    },
  }
}

/** What lies in quarantine: paths relative to the lake, `/` separated. */
interface Stock {
  readonly archives: Set<string>
  readonly notes: Set<string>
  bytes: number
}

async function takeStock(store: ShardStore): Promise<Stock> {
  const stock: Stock = { archives: new Set(), notes: new Set(), bytes: 0 }
  for await (const { path, isFile } of store.list(QUARANTINE_FOLDER)) {
    if (!isFile) continue
    if (path.endsWith('.reason.json')) stock.notes.add(path)
    else {
      stock.archives.add(path)
      stock.bytes += (await store.stat(path))?.sizeBytes ?? 0
    }
  }
  return stock
}
