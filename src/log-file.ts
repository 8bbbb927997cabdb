import { closeSync, fstatSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CkvdError } from './errors.ts'

/** A log file is put aside when the next line would make it larger than this. */
const LIMIT_BYTES = 10_000_000
const FILES_KEPT = 6

/** What is told apart among the files beside a log file: when it was put aside (UTC), by which process, and its how many-th. */
const ASIDE = /^\.\d{8}T\d{9}Z-\d+-\d+(\.gz)?$/

export interface LogFileOptions {
  /** size in bytes at which the file is put aside. Default 10 MB. */
  readonly limitBytes?: number | undefined
  /** files that were put aside and are kept; older ones are removed. Default 6. */
  readonly filesKept?: number | undefined
  /** gets one line of text when the file cannot be written any more: the work that is being logged goes on */
  readonly onFailure: (message: string) => void
}

/**
 * A rotating log file. When it is full it is renamed, `ckvd.log.20261125T172531123Z-4711-000000`, and the one that was put aside before it is
 * compressed (`….gz`); six are kept.
 *
 * Several programs may write to one file at once: an ingest beside a library, two clients in one process. Therefore the file is opened for
 * each line (some 20 µs; there is at most a line a chunk), no two programs choose the same name, and a file is compressed one rotation
 * after it was renamed, as logrotate does with `delaycompress`: whoever had it open has written long ago. Nothing has to be closed or
 * flushed, so no line is lost when the process ends.
 *
 * Transports of pino were tried first: pino-roll 4 does not compress, and writes to other names than the one that it is given;
 * rotating-file-stream 3.2 compresses, but when two programs wrote 4,000 lines to one file, 1,226 were left.
 *
 * @throws CkvdError `CKVD_CONFIG` when the file cannot be written
 */
export function createLogFile(path: string, options: LogFileOptions): { write(text: string): void } {
  const limitBytes = options.limitBytes ?? LIMIT_BYTES
  const filesKept = options.filesKept ?? FILES_KEPT
  let rotations = 0
  const append = (text: string): void => {
    while (!appendWithin(path, text, limitBytes)) putAside(path, rotations++, filesKept)
  }
  try {
    append('')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new CkvdError('CKVD_CONFIG', `Expected the log file ${path} to be writable, got ${reason}. Name another file or none.`, {
      details: { file: path },
      cause,
    })
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

/** Appends `text`; false when the file, not being empty, would grow beyond the limit, or is gone. */
function appendWithin(path: string, text: string, limitBytes: number): boolean {
  const file = openSync(path, 'a')
  try {
    const sizeBytes = fstatSync(file).size
    if (sizeBytes > 0 && sizeBytes + Buffer.byteLength(text) > limitBytes) return false
    writeFileSync(file, text)
    // compressed and removed by another program between opening and writing: the line goes to the new file
    return fstatSync(file).nlink > 0
  } finally {
    closeSync(file)
  }
}

function putAside(path: string, rotation: number, filesKept: number): void {
  const time = new Date().toISOString().replace(/[-:.]/g, '')
  // another program may have put it aside just now: then there is a new file, or none yet
  unlessGone(() => renameSync(path, `${path}.${time}-${process.pid}-${String(rotation).padStart(6, '0')}`))
  const aside = listAside(path)
  for (const name of aside.slice(0, -1).filter((one) => !one.endsWith('.gz'))) unlessGone(() => compress(name))
  for (const name of aside.slice(0, -filesKept)) {
    rmSync(name, { force: true })
    rmSync(`${name}.gz`, { force: true })
  }
}

/** Files that were put aside, the oldest first. */
function listAside(path: string): string[] {
  const name = basename(path)
  return readdirSync(dirname(path))
    .filter((entry) => entry.startsWith(name) && ASIDE.test(entry.slice(name.length)))
    .sort()
    .map((entry) => join(dirname(path), entry))
}

/** Under another name first: a kill in between leaves the plain file whole, and another program may do the same. */
function compress(path: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    for (let sizeBytes = -1; sizeBytes < statSync(path).size;) {
      const bytes = readFileSync(path)
      sizeBytes = bytes.length
      writeFileSync(temporary, gzipSync(bytes))
    }
    renameSync(temporary, `${path}.gz`)
    rmSync(path, { force: true })
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Two programs that put files aside at once do the same work: what is not there any more, the other one has dealt with. */
function unlessGone(work: () => void): void {
  try {
    work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
