import type { Dataset } from '../../dataset/dataset.ts'
import type { Columns } from '../../model/columns.ts'
import { lineEndAt } from './csv-row.ts'
import type { DecodedTable, LineReader, TablePlace } from './csv-table.ts'
import { hasMark, isBlankFrom, MARK_BYTES, MAX_LINE_BYTES, readLines } from './csv-table.ts'
import type { RowBatch } from './row-batch.ts'
import { PlainBatch } from './row-batch.ts'
import { RowColumns } from './row-columns.ts'

/** Lines are scanned in windows, which stay in the processor's second-level cache. */
export const WINDOW_BYTES = 256 * 1024
const LF = 10

/** Whose rows a CSV has, and who gets them. */
export interface TableScanOptions {
  readonly dataset: Dataset
  readonly place: TablePlace
  /** gets each batch when it is full, and the last one; its columns are views, which hold no longer than the call */
  readonly onBatch: (columns: Columns) => void
}

/** Rows in batches: how many each has at most. */
export interface BatchOptions extends TableScanOptions {
  readonly batchRows: number
}

/**
 * Reads the CSV of a data set as `decodeTable` does, in pieces of any length and with its rows in batches, so that neither must be in memory
 * as a whole: the same rows and, where the whole is refused, the same error, after the batches before it.
 *
 * The batch takes the rows of the usual form with its scanner, which never decides that a row is wrong: every other line, the first one and
 * the last without a line feed are read exactly, by the definition of a row that `decodeTable` has.
 */
export class TableScan {
  /** rows so far */
  rows = 0
  readonly #batch: RowBatch
  readonly #lines: LineReader
  readonly #onBatch: (columns: Columns) => void
  /** lines so far */
  #line = 0
  /** a blank line: nothing but line ends may follow; 0: none */
  #blankLine = 0
  /** false until it is told whether there is a byte order mark */
  #hasBegun = false
  /** what came behind the last line feed; of what is too long for a row only the end is kept, and how many bytes were before it */
  #rest: Uint8Array = new Uint8Array(0)
  #dropped = 0

  constructor({ dataset, place, onBatch }: TableScanOptions, batch: RowBatch) {
    this.#lines = readLines(dataset, place)
    this.#onBatch = onBatch
    this.#batch = batch
    batch.clear()
  }

  /** Reads the next piece, which may be overwritten afterwards. */
  write(piece: Uint8Array): void {
    const bytes = this.#hasBegun ? piece : this.#begin(piece)
    let start = 0
    if (this.#rest.length > 0) {
      start = bytes.indexOf(LF) + 1
      if (start > 0) this.#takeRest(bytes.subarray(0, start))
    }
    const end = this.#rest.length > 0 ? start : bytes.lastIndexOf(LF) + 1
    if (end > start) this.#take(bytes.subarray(start, end))
    this.#keep(bytes.subarray(end))
  }

  /** Nothing comes any more: the last line may have no line feed. */
  end(): void {
    if (this.#rest.length > 0) this.#takeRest(new Uint8Array(0))
    if (this.#batch.rows > 0) this.#flush()
  }

  /** What came so far without its byte order mark; nothing, and all of it is kept, where it is too short to tell. */
  #begin(piece: Uint8Array): Uint8Array {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece
    this.#hasBegun = bytes.length >= MARK_BYTES
    this.#rest = this.#hasBegun ? new Uint8Array(0) : Uint8Array.from(bytes)
    if (!this.#hasBegun) return new Uint8Array(0)
    return hasMark(bytes) ? bytes.subarray(MARK_BYTES) : bytes
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#blankLine > 0) return this.#checkBlank(bytes, 0)
    this.#rest = Buffer.concat([this.#rest, bytes])
    // no row, and a CR that is none of its bytes
    const excess = this.#rest.length - (MAX_LINE_BYTES + 2)
    if (excess <= 0) return
    this.#dropped += excess
    this.#rest = Uint8Array.from(this.#rest.subarray(excess))
  }

  /** Takes the line that came in several pieces, of which this is the last. */
  #takeRest(bytes: Uint8Array): void {
    const line = Buffer.concat([this.#rest, bytes])
    this.#rest = new Uint8Array(0)
    this.#readLine(line, 0)
  }

  /** Takes lines, each of which ends in them. */
  #take(lines: Uint8Array): void {
    let at = this.#line === 0 ? this.#readLine(lines, 0) : 0
    while (at < lines.length) {
      const end = lines.lastIndexOf(LF, at + WINDOW_BYTES - 1) + 1
      if (end > at) this.#scan(lines.subarray(at, end))
      at = end > at ? end : this.#readLine(lines, at)
    }
  }

  /** Takes the lines of a window. */
  #scan(lines: Uint8Array): void {
    const batch = this.#batch
    batch.open(lines)
    for (let at = 0; at < lines.length;) {
      if (this.#blankLine === 0) {
        const before = batch.rows
        at = batch.scan(at)
        this.#line += batch.rows - before
      }
      if (batch.rows === batch.capacity) this.#flush()
      else if (at < lines.length) at = this.#readLine(lines, at)
    }
  }

  /** Reads one line exactly and returns where the next one begins. */
  #readLine(bytes: Uint8Array, start: number): number {
    if (this.#blankLine > 0) {
      this.#checkBlank(bytes, start)
      return bytes.length
    }
    const end = lineEndAt(bytes, start)
    const line = ++this.#line
    const text = this.#lines.textOf(bytes, start, end, line, this.#dropped)
    if (line === 1 && this.#lines.isHeader(text)) return end + 1
    if (text === '') this.#blankLine = line
    else this.#batch.push(this.#lines.parse(text, line))
    if (this.#batch.rows === this.#batch.capacity) this.#flush()
    return end + 1
  }

  /** Throws where anything but line ends follows a blank line. */
  #checkBlank(bytes: Uint8Array, start: number): void {
    if (!isBlankFrom(bytes, start)) this.#lines.parse('', this.#blankLine)
  }

  #flush(): void {
    this.rows += this.#batch.rows
    this.#onBatch(this.#batch.columns())
    this.#batch.clear()
  }
}

/** Reads a CSV in batches of rows, and returns how many these are. See `TableScan`. */
export function scanTable(csv: Uint8Array, options: TableScanOptions, batch: RowBatch): number {
  const scan = new TableScan(options, batch)
  scan.write(csv)
  scan.end()
  return scan.rows
}

/** The same of a CSV that comes in pieces. */
export async function scanPieces(pieces: AsyncIterable<Uint8Array>, options: TableScanOptions, batch: RowBatch): Promise<number> {
  const scan = new TableScan(options, batch)
  for await (const piece of pieces) scan.write(piece)
  scan.end()
  return scan.rows
}

/** The same without a scanner. */
export function scanPlainPieces(pieces: AsyncIterable<Uint8Array>, options: BatchOptions): Promise<number> {
  return scanPieces(pieces, options, new PlainBatch(options.dataset.columns, options.batchRows))
}

/** All rows of a CSV, as `decodeTable` gives them: columns of their own. */
export function collectTable(csv: Uint8Array, dataset: Dataset, place: TablePlace, batch: RowBatch): DecodedTable {
  const all = new RowColumns(dataset.columns, guessRows(csv, dataset.columns.length))
  scanTable(csv, { dataset, place, onBatch: (columns) => all.add(columns) }, batch)
  return { columns: all.columns(), rows: all.rows }
}

/** The second line is as long as the others only nearly: a little room to spare is cheaper than growing. */
const SPARE_RATIO = 1.05
const SPARE_ROWS = 16

/** A guess of the rows by the second line, since the first may be a header; a row has a digit and a separator for each column at least. */
function guessRows(csv: Uint8Array, columns: number): number {
  const first = lineEndAt(csv, 0) + 1
  const lineBytes = Math.max(2 * columns, lineEndAt(csv, first) + 1 - first)
  return Math.ceil((Math.max(0, csv.length - first) / lineBytes) * SPARE_RATIO) + SPARE_ROWS
}
