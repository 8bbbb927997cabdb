import { existsSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type Database from 'libsql'
import { MAX_HOLD_MS } from '../../../config/markets.ts'
import { openDatabase, sqliteError } from '../../disk/sqlite.ts'
import type { Market } from '../../model/market.ts'
import { LAKE } from '../layout.ts'
import { VERSION } from './catalog-schema.ts'

/** A ban by REST of a market, as a catalog has it. */
export interface CatalogBan {
  readonly market: Market
  readonly untilMs: number
}

const BUSY_TIMEOUT_MS = 5000

/**
 * The end of a ban, in SQL: older versions wrote whatever the exchange's header said. A ban was written before its file was last changed, so it
 * has ended as long after that as a ban can last.
 */
export function boundedUntil(path: string): string {
  const times = [path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const latest = `'${new Date(Math.max(...times) + MAX_HOLD_MS).toISOString()}'`
  // years beyond 9999 begin with a sign
  return `CASE WHEN until BETWEEN '0' AND ${latest} THEN until ELSE ${latest} END`
}

/**
 * Bans that older versions of this program recorded in a catalog. Nothing writes them any more: they belong to the address, whose account takes
 * them over from here. Of any version; none where there is no catalog, or one without such a table. Throws CKVD_CATALOG, CKVD_LAKE_IO.
 */
export function readBans(path: string): CatalogBan[] {
  if (!existsSync(path)) return []
  let database: Database.Database | undefined
  try {
    database = openDatabase(`${pathToFileURL(path).href}?mode=ro`, { timeout: BUSY_TIMEOUT_MS, whose: LAKE })
    const [tables] = database.prepare(`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'bans'`).raw().get([]) as [number]
    if (tables === 0) return []
    const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
    const until = version < VERSION ? boundedUntil(path) : 'until'
    const rows = database.prepare(`SELECT market, ${until} FROM bans`).raw().all([]) as [Market, string][]
    return rows.map(([market, text]) => ({ market, untilMs: Date.parse(text) })).filter(({ untilMs }) => !Number.isNaN(untilMs))
  } catch (error) {
    throw sqliteError(error, 'read the bans of the catalog', path, LAKE)
  } finally {
    database?.close()
  }
}
