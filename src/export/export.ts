import { fileShares } from '../../config/open-files.ts'
import type { CoverageRow } from '../codec/export/coverage-file.ts'
import type { ExportEncoding } from '../codec/export/export-format.ts'
import { toldSeries } from '../dataset/told.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { Lake } from '../lake/lake.ts'
import type { LakeFilter } from '../lake/selection.ts'
import type { Steps } from '../disk/steps.ts'
import type { Logger } from '../log.ts'
import { EncodePool } from './encode-pool.ts'
import type { ExportFolder } from './export-folder.ts'
import { openExportFolder } from './export-folder.ts'
import type { ExportUnit } from './export-plan.ts'
import { planExport } from './export-plan.ts'
import { checkNamed, checkPlace, checkSelection, selectionOf } from './export-selection.ts'
import { ExportTally } from './export-tally.ts'
import type { ExportProgress, ExportResult } from './export-tally.ts'
import { writeUnit } from './file-writer.ts'
import { ManifestKeeper } from './manifest-keeper.ts'
import type { Manifest } from './manifest.ts'
import { readManifest } from './manifest.ts'

export interface ExportOptions {
  /** absolute; created where it is absent */
  readonly out: string
  readonly encoding: ExportEncoding
  readonly filter: LakeFilter
  /** `out` may hold an export of another selection: what is not selected any more is removed */
  readonly replace: boolean
  readonly workers: number
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onProgress?: (progress: ExportProgress) => void
  /** a seam for crash and fault tests */
  readonly steps?: Steps
}

/**
 * Makes `out` the export of a part of a lake. Files whose days have not changed stay as they are, files whose days are gone are removed,
 * files that no manifest of ours lists are left alone. The lake may be written to meanwhile: each file has its days as of one moment.
 * Throws CKVD_USAGE (nothing selected, `out` in the lake), CKVD_EXPORT_SELECTION, CKVD_EXPORT_MANIFEST, CKVD_ORIGIN, CKVD_EXPORT_LOCKED,
 * CKVD_EXPORT_IO, CKVD_DISK_FULL, CKVD_ABORTED (safe to run again).
 */
export async function runExport(lake: Lake, options: ExportOptions): Promise<ExportResult> {
  const { out, encoding, filter } = options
  checkPlace(lake.paths.root, out)
  const known = await readManifest(out)
  if (known !== undefined && !options.replace) checkSelection(known.manifest, { filter, encoding, origin: lake.origin, out })
  const { units, neverRequested } = planExport(lake.catalog, filter, encoding)
  if (known === undefined || !options.replace)
    checkNamed(
      lake.paths.root,
      filter,
      units.map(({ series }) => series),
    )
  using folder = await openExportFolder(out, options.steps)
  const workers = Math.min(options.workers, fileShares().exporters)
  await using pool = new EncodePool(workers)
  const head = { origin: lake.origin ?? null, encoding, selection: selectionOf(filter) }
  const planned = units.filter(({ rows }) => rows > 0).map(({ path }) => path)
  // read again under the lock: a run that has just ended may have changed it
  const current = await readManifest(out)
  const keeper = new ManifestKeeper(folder, head, current, planned)
  const tally = new ExportTally(units, options.onProgress)
  try {
    await runLanes(units, { ...options, workers, lake, folder, pool, keeper, tally })
  } catch (error) {
    const second = await keeper.saveInterrupted()
    if (second !== undefined) options.logger.warn({ err: second }, 'the manifest could not be saved; the next run writes more files again')
    throw error
  }
  const removed = await keeper.removeLeftovers()
  const rows = tally.coverage()
  const coverage = await writeCoverage(rows, current?.manifest.coverage ?? null, { ...options, folder, pool, keeper })
  return tally.result({ ...(await keeper.finish(coverage)), removed, neverRequested, coverage: coverage.path, out, encoding })
}

interface RunContext extends ExportOptions {
  readonly lake: Lake
  readonly folder: ExportFolder
  readonly pool: EncodePool
  readonly keeper: ManifestKeeper
  readonly tally: ExportTally
}

/** A few units more than there are workers are under way: while files are read and synced the workers have something to do. */
async function runLanes(units: readonly ExportUnit[], context: RunContext): Promise<void> {
  const { keeper, tally, workers, logger } = context
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  const queue = units.entries()
  const runLane = async (): Promise<void> => {
    for (const [index, unit] of queue) {
      if (signal.aborted) throw abortError(signal)
      const outcome = await writeUnit(unit, keeper.before(unit.path), { ...context, signal, beforeWrite: () => keeper.begin() })
      const { entry, problem } = outcome
      if (problem !== null)
        logger.warn({ ...toldSeries(unit.series), path: unit.path, code: problem.code, reason: problem.message }, 'file not exported')
      if (entry !== null) await keeper.settle(entry)
      tally.add(index, unit, outcome)
    }
  }
  const lanes = Array.from({ length: workers + 2 }, () =>
    runLane().catch((error: unknown) => {
      stop.abort(error)
      throw error
    }),
  )
  // all lanes have ended before anything else is done: none writes behind the run's back
  const ended = await Promise.allSettled(lanes)
  if (ended.every(({ status }) => status === 'fulfilled')) return
  throw context.signal.aborted ? abortError(context.signal) : stop.signal.reason
}

/** Writes the ledger where it says something new. */
async function writeCoverage(
  rows: readonly CoverageRow[],
  before: Manifest['coverage'],
  { folder, pool, keeper, encoding, signal }: Omit<RunContext, 'lake' | 'tally'>,
): Promise<NonNullable<Manifest['coverage']>> {
  const path = `coverage.${encoding.format}`
  const task = { kind: 'coverage', format: encoding.format, gzip: false, rows, metadata: [['ckvd.export', '1']] } as const
  const { file } = await pool.encode(task, signal)
  if (file === null) throw new CkvdError('CKVD_BUG', 'Expected the coverage of an export as a file, got none.')
  const { bytes, sha256 } = file
  if (before !== null && before.path !== path) {
    await keeper.begin()
    await folder.remove(before.path)
  }
  if (before?.path !== path || before.sha256 !== sha256 || (await folder.sizeOf(path)) !== bytes.length) {
    await keeper.begin()
    await folder.write({ path, bytes })
  }
  return { path, rows: rows.length, bytes: bytes.length, sha256 }
}
