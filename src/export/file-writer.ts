import type { ExportEncoding } from '../codec/export/export-format.ts'
import type { RowsTask } from '../codec/export/export-task.ts'
import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import { datasetOf, named } from '../dataset/registry.ts'
import type { Lake } from '../lake/lake.ts'
import { readShardBytes } from '../lake/shards.ts'
import { intervalPathName } from '../model/interval.ts'
import { pause } from '../waiting.ts'
import type { EncodePool } from './encode-pool.ts'
import type { ExportFolder } from './export-folder.ts'
import type { ExportUnit, UnitState } from './export-plan.ts'
import { readUnit } from './export-plan.ts'
import type { FileEntry } from './manifest.ts'

/** What became of a unit. `entry` is null where there is no file. */
export interface UnitOutcome {
  readonly state: UnitState
  readonly entry: FileEntry | null
  readonly written: boolean
  /** why the file could not be made; `entry` is then that of the file as it was */
  readonly problem: CkvdError | null
}

export interface FileWriterContext {
  readonly lake: Lake
  readonly folder: ExportFolder
  readonly pool: EncodePool
  readonly encoding: ExportEncoding
  readonly signal: AbortSignal
  /** called before a file is written */
  beforeWrite(): Promise<void>
}

/**
 * A lake that is written to meanwhile may replace a shard between catalog and file: so often the unit is read again. A writer syncs a group
 * of shards under their names and then records them, so the catalog may be behind for a moment.
 */
const MAX_ATTEMPTS = 5
const FIRST_PAUSE_MS = 50

/**
 * Brings the file of a unit up to date: as it is where the catalog's digests are those of `before`, else made anew from the shards, each
 * checked against its digest. A shard that is not what the catalog says is a problem of this file, never left out of it.
 */
export async function writeUnit(unit: ExportUnit, before: FileEntry | undefined, context: FileWriterContext): Promise<UnitOutcome> {
  const { lake, folder, encoding } = context
  let state = readUnit(lake.catalog, unit, encoding)
  for (let attempt = 1; ; attempt++) {
    if (state.stored.length === 0) return { state, entry: null, written: false, problem: null }
    if (before?.source_digest === state.digest && (await folder.sizeOf(unit.path)) === before.bytes)
      return { state, entry: before, written: false, problem: null }
    try {
      return { state, entry: await writeFile(unit, state, context), written: true, problem: null }
    } catch (error) {
      if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_MISSING', 'CKVD_SHARD_FORMAT')) throw error
      const again = readUnit(lake.catalog, unit, encoding)
      if (attempt === MAX_ATTEMPTS) return { state: again, entry: before ?? null, written: false, problem: error }
      if (again.digest === state.digest) {
        await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), context.signal)
        state = readUnit(lake.catalog, unit, encoding)
      } else state = again
    }
  }
}

async function writeFile(unit: ExportUnit, state: UnitState, context: FileWriterContext): Promise<FileEntry> {
  const { folder, pool, signal } = context
  const task = await createTask(unit, state, context)
  const { bytes, sha256, rows } = await pool.encode(task, signal)
  await context.beforeWrite()
  await folder.write({ path: unit.path, bytes })
  const { series, period, path } = unit
  const first = state.stored[0]?.day ?? unit.first
  const last = state.stored.at(-1)?.day ?? unit.first
  return {
    path,
    ...named(datasetOf(series)),
    market: series.market,
    symbol: series.symbol,
    interval: intervalPathName(series.interval),
    period,
    first_day: first,
    last_day: last,
    days: state.stored.length,
    rows,
    bytes: bytes.length,
    sha256,
    source_digest: state.digest,
    revisions: Object.fromEntries(state.stored.filter(({ revision }) => revision !== 1).map(({ day, revision }) => [day, revision])),
  }
}

async function createTask(unit: ExportUnit, state: UnitState, { lake, encoding }: FileWriterContext): Promise<RowsTask> {
  const { series, period } = unit
  const shards = await Promise.all(
    state.stored.map(async ({ day, rows, shardSha256, shardBytes }) => {
      const expected = { rows, shardSha256, shardBytes }
      const { path, bytes } = await readShardBytes(lake.shards, series, day, expected)
      return { bytes: wholeBuffer(bytes), place: { ...series, day, path, expected } }
    }),
  )
  const metadata = [
    ['ckvd.export', '1'],
    ...(series.dataset === undefined ? [] : [['ckvd.dataset', series.dataset] as const]),
    ['ckvd.market', series.market],
    ['ckvd.symbol', series.symbol],
    ['ckvd.interval', series.interval],
    ['ckvd.period', period],
    ['ckvd.days', String(state.stored.length)],
    ['ckvd.rows', String(state.rows)],
    ['ckvd.source_digest', state.digest],
  ] as const
  const described = series.dataset === undefined ? {} : { described: datasetOf(series) }
  return { kind: 'rows', ...named(datasetOf(series)), ...described, ...encoding, shards, metadata }
}

/** Bytes that can be transferred: Node may read a file into a part of a larger buffer. */
function wholeBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}
