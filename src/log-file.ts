import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CkvdError, openFilesError } from './errors.ts'
import { describeSystemError, systemCode } from './system-errors.ts'

/** A log file is put aside when the next line would make it larger than this. */
const LIMIT_BYTES = 10_000_000
const FILES_KEPT = 5
/** No file is put aside so often while one line is written: where it seems so, files have no number that lasts (some network disks). */
const MAX_MOVES = 3

/** How names of files that were put aside go on after the log file's name: the time (UTC, to the microsecond) and a random end. */
const ASIDE = /^\.\d{8}T\d{12}Z-[0-9a-f]{6}(\.gz)?$/

/** A compressed file that is being written, or that a killed program left. */
const UNFINISHED = /^\.\d{8}T\d{12}Z-[0-9a-f]{6}\.tmp$/
/** No compression takes so long. */
const UNFINISHED_MS = 60_000

export interface LogFileOptions {
  /** size in bytes at which the file is put aside. Default 10 MB. */
  readonly limitBytes?: number | undefined
  /** files that were put aside and are kept; older ones are removed. Default 5. */
  readonly filesKept?: number | undefined
  /** gets one line of text when the file cannot be written any more: the work that is being logged goes on */
  readonly onFailure: (message: string) => void
}

/**
 * A rotating log file. When it is full it is renamed and compressed, `ckvd.log.20261125T172531123456Z-5f0c1a.gz`; five of these are kept.
 *
 * Several programs may write to one file at once: an ingest beside a library, two clients in one process. Therefore the file is opened for
 * each line (some 20 µs; there is at most a line a chunk), no two programs choose the same name, and whoever finds after writing that the
 * file was put aside meanwhile writes the line again: twice rather than not at all. Nothing has to be closed or flushed, so no line is lost
 * when the process ends.
 *
 * Transports of pino were tried first: pino-roll 4 does not compress, and writes to other names than the one that it is given;
 * rotating-file-stream 3.2 compresses, but when two programs wrote 4,000 lines to one file, 1,226 were left.
 *
 * @throws CkvdError `CKVD_CONFIG` when the file cannot be written
 */
export function createLogFile(path: string, options: LogFileOptions): { write(text: string): void } {
  const limitBytes = options.limitBytes ?? LIMIT_BYTES
  const filesKept = options.filesKept ?? FILES_KEPT
  const append = (text: string): void => {
    for (let moves = 0; moves < MAX_MOVES;) {
      const outcome = appendWithin(path, text, limitBytes)
      if (outcome === 'written') return
      if (outcome === 'full') putAside(path, filesKept)
      else moves++
    }
  }
  try {
    append('')
  } catch (cause) {
    throw (
      openFilesError(cause) ??
      new CkvdError(
        'CKVD_CONFIG',
        `Cannot write the log file ${path}: ${describeSystemError(cause)}. Name another file with --log-file, or none.`,
        {
          details: { file: path },
          cause,
        },
      )
    )
  }
  let failed = false
  return {
    write(text) {
      if (failed) return
      try {
        append(text)
      } catch (error) {
        failed = true
        options.onFailure(`The log file ${path} can no longer be written: ${String(error)}\n`)
      }
    },
  }
}

/** Appends `text` unless the file, not being empty, would grow beyond the limit (`full`). `moved`: another program put it aside meanwhile. */
function appendWithin(path: string, text: string, limitBytes: number): 'written' | 'full' | 'moved' {
  const file = openSync(path, 'a')
  try {
    const { size, ino } = fstatSync(file, { bigint: true })
    if (size > 0n && Number(size) + Buffer.byteLength(text) > limitBytes) return 'full'
    writeFileSync(file, text)
    return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === ino ? 'written' : 'moved'
  } finally {
    closeSync(file)
  }
}

function putAside(path: string, filesKept: number): void {
  const timeUs = Math.floor((performance.timeOrigin + performance.now()) * 1000)
  const time = new Date(timeUs / 1000).toISOString().replace(/[-:.Z]/g, '') + String(timeUs % 1000).padStart(3, '0')
  const aside = `${path}.${time}Z-${randomBytes(3).toString('hex')}`
  try {
    renameSync(path, aside)
  } catch (error) {
    // another program has put it aside just now
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  // a kill in between leaves the plain file whole; so does a full disk
  try {
    writeFileSync(`${aside}.tmp`, gzipSync(readFileSync(aside)))
    renameSync(`${aside}.tmp`, `${aside}.gz`)
    rmSync(aside, { force: true })
  } catch {
    rmSync(`${aside}.tmp`, { force: true })
  }
  for (const name of listAside(path, ASIDE).slice(0, -filesKept)) rmSync(name, { force: true })
  for (const name of listAside(path, UNFINISHED)) if (Date.now() - modifiedMs(name) > UNFINISHED_MS) rmSync(name, { force: true })
}

/** Files that were put aside, the oldest first. */
function listAside(path: string, ending: RegExp): string[] {
  const name = basename(path)
  return readdirSync(dirname(path))
    .filter((entry) => entry.startsWith(name) && ending.test(entry.slice(name.length)))
    .sort()
    .map((entry) => join(dirname(path), entry))
}

/** When a file was written last, epoch ms; one that is gone is as young as can be. */
function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity
}
