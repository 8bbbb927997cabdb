import type { ExportEncoding } from '../codec/export/export-format.ts'
import type { CoverageRow } from '../codec/export/coverage-file.ts'
import { seriesLabel } from '../dataset/names.ts'
import type { ToldSeries } from '../dataset/told.ts'
import { toldSeries } from '../dataset/told.ts'
import type { UnexplainedDay } from '../lake/day-facts.ts'
import { countsAsExplained, unexplainedDay } from '../lake/day-facts.ts'
import type { NeverRequested } from '../lake/requested.ts'
import type { Condition } from '../model/condition.ts'
import { countNone } from '../model/condition.ts'
import { coverageRows } from './coverage-rows.ts'
import type { ExportUnit } from './export-plan.ts'
import type { UnitOutcome } from './file-writer.ts'
import { MANIFEST } from './manifest.ts'

/** A file that could not be made: what was there before is still there. */
export interface FileProblem extends ToldSeries {
  readonly path: string
  readonly code: string
  readonly message: string
}

/** What a run of `export` did: exactly what `--json` prints. */
export interface ExportResult extends ExportEncoding {
  readonly command: 'export'
  /** 0, or 3 when days are unexplained or were never requested, or files could not be made */
  readonly exit: number
  readonly out: string
  readonly elapsed_ms: number
  readonly series: number
  readonly files: { readonly written: number; readonly unchanged: number; readonly removed: number; readonly failed: number }
  /** bars and bytes of the export as it is now */
  readonly rows: number
  readonly bytes: number
  readonly rows_written: number
  readonly bytes_written: number
  /** chunks of the selection by condition */
  readonly days: Readonly<Record<Condition, number>>
  readonly accepted: number
  /** chunks of the selection that the lake knows nothing of, as `coverage` counts them; the list has them one stretch an entry */
  readonly never_requested: number
  readonly never_requested_days: readonly (ToldSeries & NeverRequested)[]
  readonly manifest: string
  readonly coverage: string
  /** days of the selection that are neither explained nor accepted */
  readonly unexplained: readonly (ToldSeries & UnexplainedDay)[]
  readonly problems: readonly FileProblem[]
}

/** Told as the run goes on. */
export interface ExportProgress {
  /** units of the plan */
  readonly done: number
  readonly total: number
  /** bars looked at so far, written anew or found as they should be, of all */
  readonly rows: number
  readonly totalRows: number
  readonly bytesWritten: number
  readonly problems: number
  readonly elapsedMs: number
  readonly etaMs: number | null
}

/** What stands in the result beside the counts of the units. */
export interface ExportTotals {
  readonly rows: number
  readonly bytes: number
  readonly removed: number
  readonly neverRequested: readonly (ToldSeries & NeverRequested)[]
  readonly coverage: string
  readonly out: string
  readonly encoding: ExportEncoding
}

/** Gathers the outcomes of units, in whatever order they come. */
export class ExportTally {
  readonly #units: readonly ExportUnit[]
  readonly #onProgress: ((progress: ExportProgress) => void) | undefined
  readonly #startedMs = performance.now()
  readonly #totalRows: number
  readonly #ledger: CoverageRow[][] = []
  readonly #unexplained: (ToldSeries & UnexplainedDay)[][] = []
  readonly #problems = new Map<number, FileProblem>()
  readonly #sums = { done: 0, rows: 0, written: 0, unchanged: 0, rowsWritten: 0, bytesWritten: 0 }

  constructor(units: readonly ExportUnit[], onProgress?: (progress: ExportProgress) => void) {
    this.#units = units
    this.#onProgress = onProgress
    this.#totalRows = units.reduce((sum, { rows }) => sum + rows, 0)
  }

  /** @param index of the unit in the plan */
  add(index: number, unit: ExportUnit, { state, entry, written, problem }: UnitOutcome): void {
    this.#ledger[index] = coverageRows(state, entry?.path ?? null)
    this.#unexplained[index] = state.days
      .filter((row) => !countsAsExplained(row))
      .map((row) => ({ ...toldSeries(unit.series), ...unexplainedDay(row, state.gaps.get(row.day) ?? []) }))
    if (problem !== null)
      this.#problems.set(index, { ...toldSeries(unit.series), path: unit.path, code: problem.code, message: problem.message })
    else if (entry !== null) this.#sums[written ? 'written' : 'unchanged']++
    if (written && entry !== null) {
      this.#sums.rowsWritten += entry.rows
      this.#sums.bytesWritten += entry.bytes
    }
    this.#sums.done++
    this.#sums.rows += unit.rows
    this.#tell()
  }

  /** The ledger of all units, in the order of the plan. */
  coverage(): CoverageRow[] {
    return this.#ledger.flat()
  }

  result({ rows, bytes, removed, neverRequested, coverage, out, encoding }: ExportTotals): ExportResult {
    const ledger = this.coverage()
    const days = countNone()
    for (const { condition } of ledger) days[condition]++
    const unexplained = this.#unexplained.flat()
    const problems = [...this.#problems].sort(([a], [b]) => a - b).map(([, problem]) => problem)
    const { written, unchanged, rowsWritten, bytesWritten } = this.#sums
    return {
      command: 'export',
      exit: unexplained.length > 0 || neverRequested.length > 0 || problems.length > 0 ? 3 : 0,
      out,
      ...encoding,
      elapsed_ms: Math.round(performance.now() - this.#startedMs),
      series: new Set(this.#units.map(({ series }) => seriesLabel(series))).size,
      files: { written, unchanged, removed, failed: problems.length },
      rows,
      bytes,
      rows_written: rowsWritten,
      bytes_written: bytesWritten,
      days,
      accepted: ledger.filter(({ accepted }) => accepted).length,
      never_requested: neverRequested.reduce((sum, { days: count }) => sum + count, 0),
      never_requested_days: neverRequested,
      manifest: MANIFEST,
      coverage,
      unexplained,
      problems,
    }
  }

  #tell(): void {
    const { done, rows, bytesWritten } = this.#sums
    const elapsedMs = performance.now() - this.#startedMs
    const totalRows = this.#totalRows
    const etaMs = rows === 0 ? null : (elapsedMs / rows) * (totalRows - rows)
    const problems = this.#problems.size
    this.#onProgress?.({ done, total: this.#units.length, rows, totalRows, bytesWritten, problems, elapsedMs, etaMs })
  }
}
