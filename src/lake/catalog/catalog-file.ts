import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import type Database from 'libsql'
import { CkvdError } from '../../errors.ts'
import { LAKE } from '../layout.ts'
import {
  FORMER_MARKET_CHECK,
  MARKET_CHECK,
  PACK_TRIGGERS,
  PACKS,
  PACKS_OF_NONE,
  SCHEMA,
  TABLES,
  VERSION,
  VIEW_NAMES,
  VIEWS,
} from './catalog-schema.ts'
import type { MigrationProgress } from './catalog-versions.ts'
import { migrateFile, OLDEST, readInto } from './catalog-versions.ts'
import { openDatabase, resultCode, sqliteError } from '../../disk/sqlite.ts'

export type CatalogMode = 'write' | 'read'

/** How long a statement waits for another program that has the catalog locked, e.g. a shell that checkpoints it. */
const BUSY_TIMEOUT_MS = 5000

/** Primary result codes, https://www.sqlite.org/rescode.html */
const SQLITE_ERROR = 1
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_CONSTRAINT = 19
const SQLITE_NOTADB = 26

/**
 * Opens the catalog's file. Writing creates it; reading never writes to it. Throws `CKVD_LAKE_MISSING` (reading, no such file),
 * `CKVD_CATALOG_VERSION` (written by a newer version), `CKVD_CATALOG` (damaged, or another program's), `CKVD_LAKE_IO`.
 */
export function openCatalogFile(path: string, mode: CatalogMode, progress?: MigrationProgress): Database.Database {
  if (mode === 'read' && !existsSync(path)) {
    const found = existsSync(dirname(path)) ? 'no lake is in this directory' : 'there is no such directory'
    const message = `Expected a lake in ${dirname(path)}, but ${found}. Run \`ckvd ingest\` first, or check --lake.`
    throw new CkvdError('CKVD_LAKE_MISSING', message, { details: { path: dirname(path) } })
  }
  let database: Database.Database | undefined
  try {
    if (mode === 'write') return openForWriting(path, progress)
    database = openForReading(path)
    const version = checkVersion(database, path)
    if (version === VERSION) {
      // of an earlier build: as one that knows of no pack
      if (!has(database, 'table', 'packs')) database.exec(PACKS_OF_NONE)
      return database
    }
    // an older one is read as it will be once a run has migrated it: reading never writes to it
    database.close()
    database = readInto(openDatabase(':memory:', { timeout: BUSY_TIMEOUT_MS, whose: LAKE }), path, version)
    return database
  } catch (error) {
    database?.close()
    if (mode === 'read' && resultCode(error) === SQLITE_CANTOPEN && existsSync(`${path}-wal`)) throw unreadLog(path, error)
    throw sqliteError(error, 'open the catalog', path, LAKE)
  }
}

/** SQLite reads a log only with a memory beside it, which it makes: what a killed run left can be read where that may be written. */
function unreadLog(path: string, cause: unknown): CkvdError {
  return new CkvdError(
    'CKVD_LAKE_IO',
    `Cannot open the catalog ${path}: a run that was killed, or is writing elsewhere, left the log ${path}-wal, which SQLite does not read where nothing can be written. Run \`ckvd verify\` where the lake can be written, or on a copy of it.`,
    { details: { path, sqlite: SQLITE_CANTOPEN }, cause },
  )
}

/**
 * Closes the file. libsql has no way to finish a statement: the connection lives on until its statements are collected, and
 * would then remove the `-wal` file of whatever catalog lies there by that time. So a writer leaves WAL mode first. At rest the
 * catalog is then a single file, which can be copied, and read where nothing can be written.
 */
export function closeCatalogFile(database: Database.Database, mode: CatalogMode): void {
  try {
    if (mode === 'write') database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE;')
  } catch (error) {
    // a reader has it open, or the disk is full: the log stays beside the file, complete and durable
    if (![SQLITE_BUSY, SQLITE_FULL].includes((resultCode(error) ?? 0) & 0xff)) throw error
  } finally {
    database.close()
  }
}

/** Of a sound file SQLite complains of nothing; of rows that cannot be once a table, whatever else it finds. */
const MAX_COMPLAINTS = 1000

/**
 * True when there is no catalog at `path`, or one that SQLite finds nothing wrong with but rows that cannot be: `verify` names these
 * (`findRowFlaw`), and for their sake nothing else that the catalog knows is thrown away. It reads the whole file. The catalog
 * of a newer version counts as sound. For the holder of the lock. Throws `CKVD_LAKE_IO`, `CKVD_LAKE_LOCKED`, `CKVD_DISK_FULL`.
 */
export function isSoundCatalogFile(path: string): boolean {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return true
  let database: Database.Database | undefined
  try {
    database = openDatabase(path, { timeout: BUSY_TIMEOUT_MS, whose: LAKE })
    // Constraints, because `exec` alone leaves no statement behind: the file can be moved as soon as it is closed.
    database.exec(`
      CREATE TEMP TABLE version (found integer CHECK (found >= ${OLDEST}));
      CREATE TEMP TABLE soundness (found text CHECK (found = 'ok'));
      INSERT INTO version SELECT user_version FROM pragma_user_version;
      INSERT INTO soundness SELECT quick_check FROM pragma_quick_check(${MAX_COMPLAINTS})
        WHERE quick_check NOT LIKE 'CHECK constraint failed in %';`)
    database.exec(TABLES.map((table) => `SELECT 1 FROM ${table} LIMIT 0;`).join('\n'))
    return true
  } catch (error) {
    if ([SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_NOTADB].includes((resultCode(error) ?? 0) & 0xff)) return false
    throw sqliteError(error, 'check the catalog', path, LAKE)
  } finally {
    database?.close()
  }
}

function openForWriting(path: string, progress?: MigrationProgress): Database.Database {
  const database = openDatabase(path, { timeout: BUSY_TIMEOUT_MS, whose: LAKE })
  try {
    const [tables] = database.prepare('SELECT count(*) FROM sqlite_master').raw().get([]) as [number]
    // before anything is changed: the file of a newer version, or of another program, stays as it is
    const found = tables > 0 ? checkVersion(database, path) : VERSION
    if (found < VERSION) {
      database.close()
      migrateFile(path, found, progress)
      return openForWriting(path)
    }
    // Readers go on beside the writer; a transaction is durable when COMMIT returns.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    if (tables === 0) database.exec(`BEGIN IMMEDIATE;${SCHEMA}COMMIT;`)
    else if (!has(database, 'table', 'packs')) database.exec(`BEGIN IMMEDIATE;${PACKS}${PACK_TRIGGERS}COMMIT;`)
    // views from before there was more than one data set: they would show the rows of all as those of klines
    if (!has(database, 'view', 'all_days'))
      database.exec(`BEGIN IMMEDIATE;${VIEW_NAMES.map((name) => `DROP VIEW IF EXISTS ${name};`).join('')}${VIEWS}COMMIT;`)
    admitMarkets(database)
    return database
  } catch (error) {
    // as it is: the file of a newer version, or a damaged one, is not touched
    if (database.open) database.close()
    throw error
  }
}

/**
 * Lets tables hold markets that there were none of when they were made. Their rows stay as they are: only what SQLite keeps of their checks is
 * written, in one transaction, as https://www.sqlite.org/lang_altertable.html tells for a CHECK that is to be wider ("Making Other Kinds Of Table
 * Schema Changes"). Readers see it with their next statement.
 */
function admitMarkets(database: Database.Database): void {
  const former = FORMER_MARKET_CHECK.replaceAll("'", "''")
  const isFormer = `type = 'table' AND instr(sql, '${former}') > 0`
  const [tables] = database.prepare(`SELECT count(*) FROM sqlite_master WHERE ${isFormer}`).raw().get([]) as [number]
  if (tables === 0) return
  const [schema] = database.prepare('PRAGMA schema_version').raw().get([]) as [number]
  database.exec(`BEGIN IMMEDIATE;
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, '${former}', '${MARKET_CHECK.replaceAll("'", "''")}') WHERE ${isFormer};
PRAGMA schema_version = ${schema + 1};
PRAGMA writable_schema = OFF;
COMMIT;`)
}

function has(database: Database.Database, type: 'table' | 'view', name: string): boolean {
  const sql = 'SELECT count(*) FROM sqlite_master WHERE type = ? AND name = ?'
  return (database.prepare(sql).raw().get([type, name]) as [number])[0] > 0
}

function openForReading(path: string): Database.Database {
  return openDatabase(`${pathToFileURL(path).href}?mode=ro`, { timeout: BUSY_TIMEOUT_MS, whose: LAKE })
}

/** The version of a catalog that this program can read. */
function checkVersion(database: Database.Database, path: string): number {
  const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
  if (version > VERSION) {
    throw new CkvdError(
      'CKVD_CATALOG_VERSION',
      `Expected a catalog of version ${VERSION}, found version ${version} in ${path}: a newer ckvd wrote it. Update ckvd, or choose another directory with --lake.`,
      { details: { path, expected: VERSION, found: version } },
    )
  }
  if (version < OLDEST) {
    throw new CkvdError(
      'CKVD_CATALOG',
      `Expected a catalog of ckvd in ${path}, found another SQLite database. Run \`ckvd verify\`: it moves the file aside and rebuilds the catalog from the shards.`,
      { details: { path, expected: VERSION, found: version } },
    )
  }
  return version
}
