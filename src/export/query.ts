import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { DuckDBConnection, DuckDBInstance, DuckDBResult } from '@duckdb/node-api'
import { abortError, CkvdError, openFilesError } from '../errors.ts'
import type { OfDataset } from '../dataset/registry.ts'
import { datasetOf } from '../dataset/registry.ts'
import { checkSizes, findDamage } from './export-damage.ts'
import { checkHolds } from './held-datasets.ts'
import type { Manifest } from './manifest.ts'
import { readManifest } from './manifest.ts'
import type { PlainValue } from './query-value.ts'
import { plainValue } from './query-value.ts'

/* eslint-disable @typescript-eslint/consistent-type-imports -- the optional package is loaded when it is needed */
type DuckDb = typeof import('@duckdb/node-api')
/* eslint-enable @typescript-eslint/consistent-type-imports */

/**
 * DuckDB over the files of an export: read-only, without a database file, without network. How that is held:
 *
 * - DuckDB may open the files that the manifest lists and no others (`allowed_paths`, `enable_external_access` off), which also rules out
 *   the network, other databases and loading extensions; spilling to disk is off;
 * - the configuration is locked, so that no query can undo it;
 * - one statement a query, and it must be a SELECT (or an EXPLAIN of one): what would write is refused before it runs.
 */
export interface ExportDatabase extends Disposable {
  readonly manifest: Manifest
  /** Runs one SELECT. Throws CKVD_QUERY, CKVD_ABORTED. */
  select(sql: string, signal: AbortSignal): Promise<QueryRows>
}

/** The answer to a query. */
export interface QueryRows {
  /** names and DuckDB's types, e.g. `open_time`, `TIMESTAMP WITH TIME ZONE` */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** rows, some at a time, as they are found; throws CKVD_QUERY, CKVD_ABORTED */
  readonly chunks: AsyncIterable<readonly (readonly PlainValue[])[]>
}

const CONFIG = {
  temp_directory: '',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
}
/** A text that is no time would be NULL for DuckDB where a column of a CSV file has a zone, and is an error where it has none. */
const SQL_TYPES = { timestamp: 'TIMESTAMP', float64: 'DOUBLE', int64: 'BIGINT', bool: 'BOOLEAN', word: 'VARCHAR', text: 'VARCHAR' } as const
const GAP_TYPE = '[{"start": "TIMESTAMPTZ", "end": "TIMESTAMPTZ", "bars": "BIGINT", "evidence": "VARCHAR"}]'

/**
 * Opens the export in `out` (absolute). Throws CKVD_DUCKDB_MISSING, CKVD_EXPORT_MISSING, CKVD_EXPORT_MANIFEST, CKVD_EXPORT_IO, CKVD_ABORTED,
 * CKVD_USAGE (an export of Arrow files, which DuckDB cannot read, one in a folder that is named like a partition, or one without files of
 * the data sets that are named).
 * @param datasets those that have views; default: all
 */
export async function openExportDatabase(out: string, signal: AbortSignal, datasets?: readonly string[]): Promise<ExportDatabase> {
  const found = await readManifest(out)
  if (found === undefined && existsSync(join(out, 'lake.json')))
    throw new CkvdError(
      'CKVD_EXPORT_MISSING',
      `${out} is a lake, not an export. Make one of it: \`ckvd export --lake ${out} --out ./export\`, then \`--from ./export\`.`,
      { details: { out } },
    )
  if (found === undefined)
    throw new CkvdError(
      'CKVD_EXPORT_MISSING',
      `Expected an export in ${out}, found no manifest.json. Make one: \`ckvd export --out ${out}\`.`,
      {
        details: { out },
      },
    )
  const { manifest } = found
  if (manifest.encoding.format === 'arrow')
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected an export as Parquet or CSV in ${out}, found Arrow files, which DuckDB cannot read. Export again with --format parquet to another directory.`,
    )
  checkPlace(out)
  checkHolds(manifest, out, datasets)
  checkSizes(manifest, out)
  const duckdb = await loadDuckDb()
  const instance = await duckdb.DuckDBInstance.create(':memory:', CONFIG)
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    const views = [...groupFiles(manifest, datasets)].map(([name, files]) => ({ name, sql: rowsSql(manifest, out, files) }))
    if (manifest.coverage !== null) views.push({ name: 'coverage', sql: coverageSql(manifest, join(out, manifest.coverage.path)) })
    const paths = [...manifest.files, ...(manifest.coverage === null ? [] : [manifest.coverage])].map(({ path }) => join(out, path))
    // a path, and the pattern that stands for it alone
    await connection.run(`SET allowed_paths = ${listOf(paths.flatMap((path) => [path, patternOf(path)]))}`)
    for (const { name, sql } of views) await connection.run(`CREATE VIEW "${name}" AS ${sql}`)
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    return createDatabase(
      duckdb,
      instance,
      connection,
      manifest,
      out,
      views.map(({ name }) => name),
    )
  } catch (error) {
    connection.closeSync()
    instance.closeSync()
    throw (await findDamage(manifest, out, signal)) ?? queryError(error)
  }
}

/** DuckDB takes the symbol from the whole path of a file: a folder above the export that is named like a partition would give another one. */
function checkPlace(out: string): void {
  const folder = out.split(sep).find((name) => /^(?:market|symbol|interval|dataset|year)=/i.test(name))
  if (folder === undefined) return
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected no folder above the export to be named like a partition, found ${folder} in ${out}: DuckDB would take it for one of the bars. Move the export, or give that folder another name.`,
    { details: { out, folder } },
  )
}

async function loadDuckDb(): Promise<DuckDb> {
  return await import('@duckdb/node-api').catch((cause: unknown) => {
    throw (
      openFilesError(cause) ??
      new CkvdError(
        'CKVD_DUCKDB_MISSING',
        'Expected the package @duckdb/node-api for queries, found none. Run `npm install @duckdb/node-api` beside ckvd (`npm install --global` where ckvd is installed so), or read the files with any other tool.',
        { cause },
      )
    )
  })
}

/** The files of a view, and whose rows they have. */
interface ViewFiles extends OfDataset {
  readonly paths: string[]
}

/** Paths of each view, `spot_1m`, `um_markPriceKlines_1m` or `um_fundingRate`, in the order of the manifest. */
function groupFiles({ files }: Manifest, datasets: readonly string[] | undefined): Map<string, ViewFiles> {
  const groups = new Map<string, ViewFiles>()
  for (const { dataset, market, interval, path } of files.filter((file) => datasets?.includes(datasetOf(file).name) ?? true)) {
    const words = [market, ...(dataset === undefined ? [] : [dataset]), ...(interval === null ? [] : [interval])]
    const name = words.join('_')
    const group = groups.get(name)
    if (group === undefined) groups.set(name, { dataset, market, paths: [path] })
    else group.paths.push(path)
  }
  return groups
}

/** The symbol first, then the columns of the files: what the view's name says is left out. */
function rowsSql({ encoding }: Manifest, out: string, group: ViewFiles): string {
  const { columns: described, hasInterval } = datasetOf(group)
  const folders = ['market', 'symbol', ...(group.dataset === undefined ? [] : ['dataset']), ...(hasInterval ? ['interval'] : [])]
  const files = listOf(group.paths.map((path) => patternOf(join(out, path))))
  const hive = `hive_partitioning = true, hive_types = {${folders.map((folder) => `'${folder}': VARCHAR, `).join('')}'year': BIGINT}`
  const names = described.map(({ name }) => `"${name}"`).join(', ')
  if (encoding.format === 'parquet') return `SELECT symbol, ${names} FROM read_parquet(${files}, ${hive})`
  const columns = described.map(({ name, type }) => `'${name}': '${SQL_TYPES[type]}'`).join(', ')
  const values = described.map(({ name, type }) => (type === 'timestamp' ? `CAST("${name}" AS TIMESTAMPTZ) AS "${name}"` : `"${name}"`))
  return `SELECT symbol, ${values.join(', ')} FROM read_csv(${files}, ${hive}, header = true, auto_detect = false, columns = {${columns}})`
}

function coverageSql({ encoding }: Manifest, path: string): string {
  if (encoding.format === 'parquet') return `SELECT * FROM read_parquet(${textOf(patternOf(path))})`
  return `SELECT * REPLACE (from_json(gaps, '${GAP_TYPE}') AS gaps) FROM read_csv(${textOf(patternOf(path))}, header = true, types = {'gaps': 'VARCHAR', 'evidence': 'VARCHAR', 'error': 'VARCHAR'})`
}

function listOf(paths: readonly string[]): string {
  return `[${paths.map(textOf).join(', ')}]`
}

/** The pattern of DuckDB that a path alone fits: folders above an export may have `*`, `?` or `[` in their names. */
function patternOf(path: string): string {
  return path.replace(/[[*?]/g, '[$&]')
}

function textOf(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function createDatabase(
  duckdb: DuckDb,
  instance: DuckDBInstance,
  connection: DuckDBConnection,
  manifest: Manifest,
  out: string,
  views: readonly string[],
): ExportDatabase {
  /** What DuckDB says of a query that it understands may come of a damaged file. */
  const causeOf = async (error: unknown, signal: AbortSignal): Promise<CkvdError> => {
    const known = queryError(error, views)
    const isOurs = error instanceof CkvdError || /^DuckDB: (?:Parser|Binder|Catalog|Permission) Error/.test(known.message)
    return isOurs ? known : ((await findDamage(manifest, out, signal)) ?? known)
  }
  return {
    manifest,
    async select(sql, signal) {
      const result = await interruptible(connection, signal, async () => {
        await checkReads(duckdb, connection, sql)
        await checkNames(duckdb, sql)
        return await connection.stream(sql)
      }).catch(async (error: unknown) => {
        throw await causeOf(error, signal)
      })
      const types = result.columnTypes()
      const columns = result.deduplicatedColumnNames().map((name, i) => ({ name, type: String(types[i]) }))
      return { columns, chunks: readChunks(result, connection, signal, causeOf) }
    },
    [Symbol.dispose]() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

async function* readChunks(
  result: DuckDBResult,
  connection: DuckDBConnection,
  signal: AbortSignal,
  causeOf: (error: unknown, signal: AbortSignal) => Promise<CkvdError>,
): AsyncGenerator<PlainValue[][]> {
  for (;;) {
    const chunk = await interruptible(connection, signal, () => result.fetchChunk()).catch(async (error: unknown) => {
      throw await causeOf(error, signal)
    })
    if (chunk === null || chunk.rowCount === 0) return
    yield chunk.getRows().map((row) => row.map(plainValue))
  }
}

/** Runs a step of a query; a signal interrupts it. Throws CKVD_ABORTED. */
async function interruptible<T>(connection: DuckDBConnection, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw abortError(signal)
  const interrupt = (): void => connection.interrupt()
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    return await step()
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}

/** EXPLAIN ANALYZE runs what it explains, so that is checked as well. */
const EXPLAIN = /^\s*EXPLAIN(?:\s+ANALYZE)?\s/i

/** Comments, spaces and the ends of statements. */
const NO_SQL = /^(?:--[^\n]*|\/\*[^]*?\*\/|[\s;])*$/

async function checkReads({ StatementType }: DuckDb, connection: DuckDBConnection, sql: string): Promise<void> {
  if (NO_SQL.test(sql)) throw new CkvdError('CKVD_QUERY', 'Expected a SELECT, got a text without a statement.')
  const explained = sql.replace(EXPLAIN, '')
  const statements = await connection.extractStatements(explained)
  if (statements.count !== 1)
    throw new CkvdError(
      'CKVD_QUERY',
      `Expected one statement, got ${statements.count}. (PIVOT needs its values: PIVOT … ON symbol IN (…).)`,
    )
  const prepared = await statements.prepare(0)
  const type = prepared.statementType
  prepared.destroySync()
  if (type !== StatementType.SELECT)
    throw new CkvdError('CKVD_QUERY', `Expected a SELECT, got a statement of type ${StatementType[type]}: queries only read.`)
}

/**
 * DuckDB does not tell capital letters in names apart: bars of a month as they are named elsewhere, `spot_1M`, would be those of a minute.
 * Names as they are written come of a database without views.
 */
async function checkNames({ DuckDBInstance }: DuckDb, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { ...CONFIG, enable_external_access: 'false' })
  const connection = await instance.connect()
  try {
    const name = connection.getTableNames(sql, false).find((table) => /_\d+M$/.test(table))
    if (name === undefined) return
    const bare = name.slice(0, -1).toLowerCase()
    throw new CkvdError(
      'CKVD_QUERY',
      `Expected \`${bare}m\` (minutes) or \`${bare}mo\` (months), got \`${name}\`: capital letters are not told apart in SQL, so that it would be minutes.`,
    )
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** What DuckDB says of a query, in our form. */
function queryError(error: unknown, views: readonly string[] = []): CkvdError {
  if (error instanceof CkvdError) return error
  const text = error instanceof Error ? error.message : String(error)
  const known = /Catalog Error: Table with name/.test(text) ? `\nThe views here are ${views.join(', ')}.` : ''
  return new CkvdError('CKVD_QUERY', `DuckDB: ${text.replace(/^Failed to \w+ statements?: /, '').trim()}${known}`, { cause: error })
}
