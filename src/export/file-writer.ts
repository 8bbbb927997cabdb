import type { ExportEncoding } from '../codec/export/export-format.ts'
import type { RowsTask } from '../codec/export/export-task.ts'
import type { CkvdError } from '../errors.ts'
import { datasetOf, named } from '../dataset/registry.ts'
import { toldInterval, toldPathName } from '../dataset/told.ts'
import type { Lake } from '../lake/lake.ts'
import { isShardError } from '../lake/current-shard.ts'
import { MAX_MOVES, withoutMoved } from '../lake/moved-chunks.ts'
import { readShardBytes } from '../lake/shards.ts'
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
 * Brings the file of a unit up to date: as it is where the catalog's digests, or those of the rows, are those of `before`, else made anew from
 * the shards, each checked against its digest. A shard that is not what the catalog says, and that no writer has moved meanwhile, is a problem
 * of this file, never left out of it.
 */
export async function writeUnit(unit: ExportUnit, before: FileEntry | undefined, context: FileWriterContext): Promise<UnitOutcome> {
  const { lake, folder, encoding, signal } = context
  const there = before !== undefined && (await folder.sizeOf(unit.path)) === before.bytes ? before : undefined
  for (let [state, moves] = [readUnit(lake.catalog, unit, encoding), 0]; ; moves++) {
    if (state.stored.length === 0) return { state, entry: null, written: false, problem: null }
    if (there !== undefined && (there.catalog_digest ?? there.source_digest) === state.catalogDigest)
      return { state, entry: there, written: false, problem: null }
    try {
      return { state, ...(await makeFile(unit, state, there, context)), problem: null }
    } catch (error) {
      if (!isShardError(error)) throw error
      const { stored } = state
      const same = await withoutMoved(lake.shards, () => lake.catalog, unit.series, stored, signal)
      state = readUnit(lake.catalog, unit, encoding)
      if (same.length === stored.length || moves === MAX_MOVES) return { state, entry: before ?? null, written: false, problem: error }
    }
  }
}

/** Writes a unit's file where its rows are not those of the one that is there. */
async function makeFile(
  unit: ExportUnit,
  state: UnitState,
  there: FileEntry | undefined,
  context: FileWriterContext,
): Promise<Pick<UnitOutcome, 'entry' | 'written'>> {
  const { folder, pool, signal } = context
  const task = { ...(await createTask(unit, state, context)), before: there?.source_digest ?? null }
  const { file, sourceDigest } = await pool.encode(task, signal)
  if (file === null) return { entry: there === undefined ? null : entryOf(unit, state, sourceDigest, there), written: false }
  await context.beforeWrite()
  await folder.write({ path: unit.path, bytes: file.bytes })
  return { entry: entryOf(unit, state, sourceDigest, { ...file, bytes: file.bytes.length }), written: true }
}

function entryOf(
  { series, period, path, first }: ExportUnit,
  { stored, catalogDigest }: UnitState,
  sourceDigest: string,
  { rows, bytes, sha256 }: Pick<FileEntry, 'rows' | 'bytes' | 'sha256'>,
): FileEntry {
  return {
    path,
    ...named(datasetOf(series)),
    market: series.market,
    symbol: series.symbol,
    interval: toldPathName(series),
    period,
    first_day: stored[0]?.day ?? first,
    last_day: stored.at(-1)?.day ?? first,
    days: stored.length,
    rows,
    bytes,
    sha256,
    source_digest: sourceDigest,
    ...(catalogDigest === sourceDigest ? {} : { catalog_digest: catalogDigest }),
    revisions: Object.fromEntries(stored.filter(({ revision }) => revision !== 1).map(({ day, revision }) => [day, revision])),
  }
}

async function createTask(unit: ExportUnit, state: UnitState, { lake, encoding }: FileWriterContext): Promise<Omit<RowsTask, 'before'>> {
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
    ...(toldInterval(series) === null ? [] : [['ckvd.interval', series.interval] as const]),
    ['ckvd.period', period],
    ['ckvd.days', String(state.stored.length)],
    ['ckvd.rows', String(state.rows)],
  ] as const
  const described = series.dataset === undefined ? {} : { described: datasetOf({ dataset: series.dataset }) }
  return { kind: 'rows', ...named(datasetOf(series)), ...described, ...encoding, shards, metadata }
}

/** Bytes that can be transferred: Node may read a file into a part of a larger buffer. */
function wholeBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}
