import type { DatasetColumn } from '../../dataset/dataset.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import { sliceColumns } from '../../model/columns.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { RowColumns } from '../csv/row-columns.ts'
import { ROW_GROUP_ROWS } from '../parquet/parquet-shard.ts'
import type { RowGroupFile } from '../parquet/parquet-writer.ts'

/** Begins a file; see `RowGroupFile`. */
type OpenFile = (day: UtcDay) => RowGroupFile

/** Writes the rows of an archive, which come day by day, a file a day: of the one that is written two row groups are in memory. */
export class DayFiles {
  readonly #open: OpenFile
  /** rows of the day that are no whole group yet */
  readonly #rest: RowColumns
  readonly #files = new Map<UtcDay, RowGroupFile>()
  readonly #ended = new Map<UtcDay, Promise<Uint8Array>>()
  #day: UtcDay | undefined

  constructor(described: readonly DatasetColumn[], open: OpenFile) {
    this.#open = open
    this.#rest = new RowColumns(described, 0)
  }

  /** Takes rows of a day, which are copied at once. */
  take(day: UtcDay, columns: Columns): void {
    if (day !== this.#day) this.#begin(day)
    const rows = columns.openTime.length
    for (let at = 0; at < rows;) {
      const end = Math.min(rows, at + ROW_GROUP_ROWS - this.#rest.rows)
      const own = end - at === rows ? columns : sliceColumns(columns, at, end)
      at = end
      if (own.openTime.length === ROW_GROUP_ROWS) this.#write(own)
      else {
        this.#rest.add(own)
        if (this.#rest.rows === ROW_GROUP_ROWS) this.#writeRest()
      }
    }
  }

  #begin(day: UtcDay): void {
    this.#end()
    this.#day = day
    this.#files.set(day, this.#open(day))
  }

  #write(columns: Columns): void {
    const file = this.#day === undefined ? undefined : this.#files.get(this.#day)
    if (file === undefined) throw new CkvdError('CKVD_BUG', 'Expected rows of a day that was begun, found others')
    file.write(columns)
  }

  #writeRest(): void {
    if (this.#rest.rows > 0) this.#write(this.#rest.columns())
    this.#rest.clear()
  }

  /** The day at hand has no more rows. */
  #end(): void {
    this.#writeRest()
    const day = this.#day
    const ended = day === undefined ? undefined : this.#files.get(day)?.end()
    if (day === undefined || ended === undefined) return
    // told by `ready` and `end`
    ended.catch(() => undefined)
    this.#ended.set(day, ended)
  }

  /** Resolves when more rows may come. */
  async ready(): Promise<void> {
    await Promise.all(this.#ended.values())
    if (this.#day !== undefined) await this.#files.get(this.#day)?.ready()
  }

  /** All files, when all rows have come. */
  async end(): Promise<Map<UtcDay, Uint8Array>> {
    this.#end()
    const files = new Map<UtcDay, Uint8Array>()
    for (const [day, file] of this.#ended) files.set(day, await file)
    return files
  }

  /** Gives all of them up. */
  async abort(reason: unknown): Promise<void> {
    for (const file of this.#files.values()) await file.abort(reason)
  }
}
