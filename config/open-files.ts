import { closeSync, openSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import type { CkvdError } from '../src/errors.ts'
import { crowdedCode, toCkvdError, tooManyOpenFiles } from '../src/errors.ts'
import { systemCode } from '../src/system-errors.ts'

/** How many of the files that the process may have open at once each part of the program takes at most. */
export interface FileShares {
  /** connections to one host */
  readonly connections: number
  /** files being written at once */
  readonly writes: number
  /** decoding threads: each has some eight files of its own */
  readonly workers: number
  /** threads that make files of an export: to load the Arrow library each opens more than eighty at once */
  readonly exporters: number
}

/** Node itself, SQLite, logs, modules that are loaded late, and up to four threads. */
const RESERVED = 64
/** What a thread of an export has open while it starts, with what the files have that are read for it meanwhile. */
const EXPORTER_FILES = 96
/** Where the system tells no limit, there is none that matters here. */
const UNLIMITED = 1_000_000

/**
 * The shares under a limit (`ulimit -n`). A quarter of what is not reserved goes to one host's connections (an embedded sandbox has the
 * other ends, the other hosts some more), a quarter to writing. From 1,100 files on nothing is held back any more.
 */
export function shareFiles(limit: number): FileShares {
  const part = Math.floor((limit - RESERVED) / 4)
  return {
    connections: Math.max(2, part),
    writes: Math.max(1, part),
    workers: Math.max(1, Math.floor(part / 4)),
    exporters: Math.max(1, Math.floor((limit - RESERVED) / EXPORTER_FILES)),
  }
}

/** What SQLite and the look-up of a name may have open at once beside what is open already. */
const PROBED = 4

/**
 * True where not even a few more files can be opened just now. For errors that may come of that and do not say so: SQLite has one code for all
 * that it cannot open, the look-up of a name may call it unknown.
 */
export function isOutOfFiles(): boolean {
  const opened: number[] = []
  try {
    while (opened.length < PROBED) opened.push(openSync(devNull, 'r'))
    return false
  } catch (error) {
    return crowdedCode(error) !== undefined
  } finally {
    for (const file of opened) closeSync(file)
  }
}

/** What every command works with. */
const ENOUGH_FILES = 128

/** Any thrown value as a `CkvdError`, as `toCkvdError`: where few files may be open Node calls a package unknown whose description it could not open. */
export function loadingError(error: unknown): CkvdError {
  const isLost = systemCode(error) === 'ERR_MODULE_NOT_FOUND' && openFileLimit() < ENOUGH_FILES
  return isLost ? tooManyOpenFiles('EMFILE', 'load a part of this program', error) : toCkvdError(error)
}

let shares: FileShares | undefined

/** The shares of this process. Its limit is read once: Node raises it to what is allowed when it starts, and leaves it there. */
export function fileShares(): FileShares {
  return (shares ??= shareFiles(openFileLimit()))
}

function openFileLimit(): number {
  const limit = process.platform === 'linux' ? readLinuxLimit() : readReportedLimit()
  return limit === undefined || !Number.isFinite(limit) || limit < 1 ? UNLIMITED : limit
}

function readLinuxLimit(): number | undefined {
  try {
    const found = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return found === undefined ? undefined : Number(found)
  } catch {
    return readReportedLimit() // without /proc, or where no file can be opened any more
  }
}

function readReportedLimit(): number | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  report.excludeNetwork = true // or it looks up names
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}
