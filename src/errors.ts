import { systemCode } from './system-errors.ts'

/**
 * The one catalogue of errors. Each code is stable: users match on `code`, never on the message.
 * `about` says what the error concerns, which decides what is done about it; `exit` is the exit code with which a command ends when this error stops it (see README, "Exit codes");
 * `retryable` tells whether the same call may succeed when it is tried again at once.
 */
const ENTRIES = {
  CKVD_BUG: { about: 'program', exit: 1, retryable: false, meaning: 'an unexpected error: a fault of this program' },
  CKVD_USAGE: { about: 'usage', exit: 2, retryable: false, meaning: 'a flag, an argument or a combination of them is wrong' },
  CKVD_CONFIG: { about: 'usage', exit: 2, retryable: false, meaning: 'a setting from the environment or the config file is wrong' },
  CKVD_UNIVERSE: { about: 'usage', exit: 2, retryable: false, meaning: 'a universe file is wrong; line and column are in details' },
  CKVD_ORIGIN: { about: 'lake', exit: 2, retryable: false, meaning: 'sandbox data and real data would be mixed in one lake' },
  CKVD_ABORTED: { about: 'program', exit: 130, retryable: false, meaning: 'interrupted by a signal; safe to run again' },

  CKVD_HTTP_NETWORK: { about: 'network', exit: 4, retryable: true, meaning: 'the connection failed or broke' },
  CKVD_HTTP_TIMEOUT: { about: 'network', exit: 4, retryable: true, meaning: 'the server did not answer in time' },
  CKVD_HTTP_STATUS: { about: 'source', exit: 4, retryable: false, meaning: 'the server answered with an unexpected status' },
  CKVD_HTTP_BUSY: { about: 'network', exit: 4, retryable: true, meaning: 'the server answered 408, 429 or 5xx' },
  CKVD_HTTP_TRUNCATED: { about: 'network', exit: 4, retryable: true, meaning: 'the body was shorter or longer than content-length' },
  CKVD_HTTP_TOO_LARGE: { about: 'content', exit: 4, retryable: false, meaning: 'the body was larger than any legal answer' },
  CKVD_FORBIDDEN: { about: 'source', exit: 4, retryable: false, meaning: 'the server refuses this address (403, 451)' },
  CKVD_RATE_LIMITED: { about: 'rest', exit: 4, retryable: true, meaning: 'REST answered 429: the weight budget of the minute is used up' },
  CKVD_BANNED: { about: 'rest', exit: 4, retryable: false, meaning: 'REST answered 418: this address is banned until the time in details' },
  CKVD_UNREACHABLE: { about: 'network', exit: 4, retryable: false, meaning: 'a source could not be reached at all' },
  CKVD_ACCOUNT: { about: 'rest', exit: 4, retryable: false, meaning: 'the account of REST weight and bans could not be read or written' },

  CKVD_LISTING: { about: 'listing', exit: 3, retryable: true, meaning: 'an answer of the archive listing could not be understood' },
  CKVD_UNKNOWN_SYMBOL: { about: 'listing', exit: 3, retryable: false, meaning: 'neither the listing nor REST knows this series' },
  CKVD_UNKNOWN_INTERVAL: { about: 'listing', exit: 3, retryable: false, meaning: 'this market does not have this interval' },
  CKVD_REST_RANGE: { about: 'rest', exit: 3, retryable: false, meaning: 'REST refuses this range of times' },
  CKVD_REST_BODY: { about: 'rest', exit: 3, retryable: false, meaning: 'an answer of REST could not be understood' },
  CKVD_HTTP_ENCODING: { about: 'content', exit: 4, retryable: false, meaning: 'the body came in an encoding that nobody asked for' },
  CKVD_PROXY: { about: 'network', exit: 4, retryable: false, meaning: 'the proxy wants a user and a password, or other ones (407)' },
  CKVD_CLOCK: {
    about: 'network',
    exit: 4,
    retryable: false,
    meaning: "this machine's clock and the exchange's differ by more than an hour",
  },

  CKVD_ARCHIVE_MISSING: { about: 'source', exit: 3, retryable: false, meaning: 'an archive that was listed is not there' },
  CKVD_CHECKSUM_MISSING: { about: 'content', exit: 3, retryable: false, meaning: 'an archive has no CHECKSUM file' },
  CKVD_CHECKSUM_FORMAT: { about: 'content', exit: 3, retryable: false, meaning: 'a CHECKSUM file is not one line "<64 hex>  <name>"' },
  CKVD_CHECKSUM_NAME: { about: 'content', exit: 3, retryable: false, meaning: 'a CHECKSUM file names another archive' },
  CKVD_CHECKSUM_MISMATCH: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'the SHA-256 of an archive is not the one its CHECKSUM states',
  },
  CKVD_ZIP_FORMAT: { about: 'content', exit: 3, retryable: false, meaning: 'an archive is not a readable ZIP file' },
  CKVD_ZIP_ENTRY: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'an archive does not hold exactly the one CSV that its name promises',
  },
  CKVD_ZIP_SIZE: { about: 'content', exit: 3, retryable: false, meaning: 'a ZIP entry is larger than allowed or than it says' },
  CKVD_ZIP_CRC: { about: 'content', exit: 3, retryable: false, meaning: 'the CRC-32 of a ZIP entry is wrong' },
  CKVD_CSV_HEADER: { about: 'content', exit: 3, retryable: false, meaning: 'the first line of a CSV is neither data nor the known header' },
  CKVD_CSV_COLUMNS: { about: 'content', exit: 3, retryable: false, meaning: 'a CSV line does not have 12 columns' },
  CKVD_CSV_NUMBER: { about: 'content', exit: 3, retryable: false, meaning: 'a CSV cell is not a plain decimal number' },
  CKVD_CSV_TIME: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'a time is not in milliseconds or microseconds of a plausible year',
  },
  CKVD_CSV_WORD: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'a cell of a CSV is none of the words that its column has, or no plain name',
  },
  CKVD_CSV_SYMBOL: { about: 'content', exit: 3, retryable: false, meaning: 'a CSV line is of another symbol than its archive' },
  CKVD_CSV_ORDER: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'rows of a CSV are not in order, or there twice, and are too many to be put in order in memory',
  },
  CKVD_BAR_INVALID: { about: 'content', exit: 3, retryable: false, meaning: 'a bar contradicts itself, e.g. its high is below its low' },
  CKVD_ARCHIVE_STALE: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'an archive is not the one that the listing has: another size or ETag',
  },
  CKVD_DISPUTED: {
    about: 'day',
    exit: 3,
    retryable: false,
    meaning: 'two sources give different bars for the same day, and no third decides',
  },
  CKVD_CSV_INTERVAL: {
    about: 'content',
    exit: 3,
    retryable: false,
    meaning: 'an archive holds the bars of another interval than its name says',
  },

  CKVD_SHARD_FORMAT: { about: 'shard', exit: 3, retryable: false, meaning: 'a file in the lake is not a shard of this format' },
  CKVD_SHARD_DIGEST: {
    about: 'shard',
    exit: 3,
    retryable: false,
    meaning: 'a shard is not the one that the catalog, or the shard itself, recorded',
  },
  CKVD_SHARD_MISSING: { about: 'shard', exit: 3, retryable: false, meaning: 'the catalog records a shard that is not on disk' },
  CKVD_CATALOG_ROW: {
    about: 'shard',
    exit: 3,
    retryable: false,
    meaning: 'the catalog says of a day what cannot be, e.g. complete without a shard',
  },
  CKVD_PARTIAL: { about: 'day', exit: 3, retryable: false, meaning: 'bars are missing and it is not known why' },

  CKVD_LAKE_LOCKED: { about: 'lake', exit: 4, retryable: false, meaning: 'another run is writing to this lake' },
  CKVD_LAKE_MISSING: { about: 'lake', exit: 2, retryable: false, meaning: 'there is no lake in this directory' },
  CKVD_LAKE_IO: { about: 'lake', exit: 4, retryable: false, meaning: 'reading or writing the lake failed' },
  CKVD_DISK_FULL: { about: 'lake', exit: 4, retryable: false, meaning: 'the disk or the quota is full' },
  CKVD_CATALOG: { about: 'lake', exit: 4, retryable: false, meaning: 'the catalog could not be read or written' },
  CKVD_CATALOG_VERSION: { about: 'lake', exit: 4, retryable: false, meaning: 'the catalog was written by a newer version' },
  CKVD_TIME: { about: 'usage', exit: 2, retryable: false, meaning: 'a time is naive, in the future or not a time, or a range is empty' },
  CKVD_SYMBOL_FORMAT: {
    about: 'usage',
    exit: 2,
    retryable: false,
    meaning: 'a symbol has the form of another market; details suggest the right one',
  },
  CKVD_OPEN_FILES: {
    about: 'program',
    exit: 4,
    retryable: false,
    meaning: 'this process may not open as many files as it needs (ulimit -n)',
  },
  CKVD_MEMORY: {
    about: 'program',
    exit: 4,
    retryable: false,
    meaning: 'the system refuses memory to this process (ulimit -v, the limit of a container)',
  },
  CKVD_UNAVAILABLE: {
    about: 'day',
    exit: 3,
    retryable: false,
    meaning: 'a series has no bar in the range: it lies before the first or after the last one',
  },
  CKVD_POLARS_MISSING: {
    about: 'usage',
    exit: 2,
    retryable: false,
    meaning: 'a Polars frame was asked for, but nodejs-polars is not installed',
  },
  CKVD_DUCKDB_MISSING: {
    about: 'usage',
    exit: 2,
    retryable: false,
    meaning: 'a query was asked for, but @duckdb/node-api is not installed',
  },
  CKVD_BROWSER_MISSING: {
    about: 'usage',
    exit: 2,
    retryable: false,
    meaning: 'a picture was asked for, but no browser is there to draw it',
  },
  CKVD_QUERY: { about: 'usage', exit: 2, retryable: false, meaning: 'a query is not one SELECT that DuckDB can answer from the export' },
  CKVD_SQLITE_MISSING: {
    about: 'program',
    exit: 2,
    retryable: false,
    meaning: 'SQLite, in which a lake keeps its catalog, cannot be loaded on this platform',
  },

  CKVD_EXPORT_MISSING: { about: 'export', exit: 2, retryable: false, meaning: 'there is no export in this directory' },
  CKVD_EXPORT_MANIFEST: {
    about: 'export',
    exit: 2,
    retryable: false,
    meaning: 'manifest.json in the directory of an export is not one of this program',
  },
  CKVD_EXPORT_SELECTION: {
    about: 'export',
    exit: 2,
    retryable: false,
    meaning: 'the directory holds an export of other filters or another format',
  },
  CKVD_EXPORT_LOCKED: { about: 'export', exit: 4, retryable: false, meaning: 'another run is writing to this export' },
  CKVD_EXPORT_IO: { about: 'export', exit: 4, retryable: false, meaning: 'reading or writing an export failed' },

  CKVD_CLOSED: { about: 'program', exit: 1, retryable: false, meaning: 'a client was used after it was closed' },
  CKVD_WORKER: { about: 'program', exit: 3, retryable: true, meaning: 'a worker thread died, or gave no answer' },

  CKVD_REPORT_IO: { about: 'report', exit: 4, retryable: false, meaning: 'a report file could not be read or written' },
} as const

/** A stable error code, `CKVD_…`. */
export type ErrorCode = keyof typeof ENTRIES

/**
 * What an error is about. `network`: a connection or an overloaded server, which may do better soon; `source`: one object of a source;
 * `content`: an archive's bytes, which are then quarantined, and other sources are asked.
 */
export type ErrorTopic =
  'program' | 'usage' | 'network' | 'source' | 'listing' | 'rest' | 'content' | 'day' | 'shard' | 'lake' | 'export' | 'report'

/** What the catalogue says of a code. */
export interface ErrorEntry {
  /** what the error is about: decides what is done about it */
  readonly about: ErrorTopic
  /** exit code of a command that this error stops */
  readonly exit: 1 | 2 | 3 | 4 | 130
  /** whether the same call may succeed when it is tried again at once */
  readonly retryable: boolean
  /** one line for people */
  readonly meaning: string
}

/** Every code with its exit code, retryability and meaning; `docs/errors.md` is tested against it. */
export const ERROR_CATALOGUE: Readonly<Record<ErrorCode, ErrorEntry>> = ENTRIES

/** Facts about an error: plain values, so that they survive JSON and threads. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** The form in which an error crosses threads: a class instance would arrive as a plain `Error`. */
export interface ErrorData {
  /** stable, of the catalogue */
  readonly code: ErrorCode
  /** what was expected, what was found, what to do */
  readonly message: string
  /** facts: plain values */
  readonly details: ErrorDetails
}

/** The only error class that this package throws on purpose. Match on `code`. */
export class CkvdError extends Error {
  /** stable, of the catalogue: what to match on */
  readonly code: ErrorCode
  /** facts about the error, such as `symbol`, `gaps`, `until`, `supported`: plain values */
  readonly details: ErrorDetails
  /** whether the same call may succeed when it is tried again at once */
  readonly retryable: boolean

  /**
   * An error to be thrown.
   * @param code of the catalogue
   * @param message what was expected, what was found, what to do
   * @param options facts, and the error that led to this one
   */
  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CkvdError'
    this.code = code
    this.details = options.details ?? {}
    this.retryable = ERROR_CATALOGUE[code].retryable
  }

  /** exit code of a command that this error stops */
  get exit(): ErrorEntry['exit'] {
    return ERROR_CATALOGUE[this.code].exit
  }

  /** what the error is about */
  get about(): ErrorTopic {
    return ERROR_CATALOGUE[this.code].about
  }

  /** The same error with more facts in `details` (the older ones win). */
  with(details: ErrorDetails): CkvdError {
    return new CkvdError(this.code, this.message, { details: { ...details, ...this.details }, cause: this.cause ?? this })
  }

  /** The error as plain values, for JSON and other threads. */
  toData(): ErrorData {
    return { code: this.code, message: this.message, details: this.details }
  }

  /** What `JSON.stringify` makes of the error: without it an error would be `{}`, its message and its cause gone. */
  toJSON(): ErrorData {
    return this.toData()
  }

  /** The error of `toData`. */
  static fromData(data: ErrorData): CkvdError {
    return new CkvdError(data.code, data.message, { details: data.details })
  }
}

/** True for a `CkvdError`, optionally of one of the given codes. */
export function isCkvdError(error: unknown, ...codes: ErrorCode[]): error is CkvdError {
  return error instanceof CkvdError && (codes.length === 0 || codes.includes(error.code))
}

/** Codes that end the whole call: an interrupt, a bug, and what is wrong for every source alike. */
const ENDS_ALL: ReadonlySet<ErrorCode> = new Set(['CKVD_ABORTED', 'CKVD_BUG', 'CKVD_CLOCK', 'CKVD_PROXY', 'CKVD_CONFIG', 'CKVD_OPEN_FILES'])

/** True for an error that a caller may tell of and go on. */
export function isFailure(error: unknown): error is CkvdError {
  return error instanceof CkvdError && !ENDS_ALL.has(error.code)
}

/** Any thrown value as a `CkvdError`: what is not one already is a bug of ours (`CKVD_BUG`), kept as `cause`. */
export function toCkvdError(error: unknown): CkvdError {
  if (error instanceof CkvdError) return error
  // what `await using` throws when closing fails as well: the first error is what the reader must know
  if (error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error) return toCkvdError(error.suppressed)
  const message = error instanceof Error ? error.message : String(error)
  return resourceError(error) ?? new CkvdError('CKVD_BUG', `Unexpected error: ${message}`, { cause: error })
}

/** The error of what the system does not give, open files or memory, where nobody expects it: the program is not at fault. Undefined for every other error. */
export function resourceError(error: unknown): CkvdError | undefined {
  return openFilesError(error) ?? memoryError(error)
}

/** What V8 and Node say where they get no memory, or a thread reaches the limit of its own. */
const NO_MEMORY =
  /out of memory|allocation failed|cannot allocate memory|unable to grow instance memory|reached (its )?heap (memory )?limit/i
const NO_MEMORY_CODES: ReadonlySet<string | undefined> = new Set(['ENOMEM', 'ERR_WORKER_OUT_OF_MEMORY', 'ERR_MEMORY_ALLOCATION_FAILED'])

/** The error of memory that was refused; undefined for every other error, and for one that is told already. */
export function memoryError(error: unknown): CkvdError | undefined {
  if (!(error instanceof Error) || error instanceof CkvdError) return undefined
  if (!NO_MEMORY_CODES.has(systemCode(error)) && !NO_MEMORY.test(error.message)) return undefined
  const found = `the system refused it (${error.message})`
  const advice =
    'Give it more (`ulimit -v unlimited`, the limit of its container or service), or fewer threads (--workers 1), then run again.'
  return new CkvdError('CKVD_MEMORY', `Expected to get memory for this process, but ${found}. ${advice}`, { cause: error })
}

/** What the operating system says where the process (`EMFILE`), or the whole machine (`ENFILE`), may open no more files. */
export type CrowdedCode = 'EMFILE' | 'ENFILE'

/** `EMFILE` or `ENFILE` of an error, of Node's or of ours; from a thread, or where Node loads a module, the message alone may tell it. */
export function crowdedCode(error: unknown): CrowdedCode | undefined {
  if (!(error instanceof Error)) return undefined
  const told = error instanceof CkvdError ? String(error.details['system']) : `${systemCode(error) ?? ''} ${error.message}`
  if (/\bENFILE\b|Too many open files in system/.test(told)) return 'ENFILE'
  // the words are those of the loader of binaries, which has no code
  return /\bEMFILE\b|Too many open files/.test(told) ? 'EMFILE' : undefined
}

/**
 * The error of what comes of too many open files, wherever it is met: the program is not at fault. Undefined for every other error, and for one
 * that is told already.
 */
export function openFilesError(error: unknown): CkvdError | undefined {
  const system = error instanceof CkvdError ? undefined : crowdedCode(error)
  if (system === undefined || !(error instanceof Error)) return undefined
  return tooManyOpenFiles(system, error.message.replace(/^E[MN]FILE: [^,]*, /, ''), error)
}

/** `wanted`: what could not be opened, or done. */
export function tooManyOpenFiles(system: CrowdedCode, wanted: string, cause: unknown, details: ErrorDetails = {}): CkvdError {
  const found =
    system === 'EMFILE' ? 'this process has as many files open as it may' : 'this machine has as many files open as it can, of all programs'
  const advice = system === 'EMFILE' ? 'Raise the limit (`ulimit -n 1024`, at least 128)' : 'Close some programs'
  return new CkvdError(
    'CKVD_OPEN_FILES',
    `Expected to open one more file, but ${found} (${system}: ${wanted}). ${advice}, then run again.`,
    {
      details: { ...details, system },
      cause,
    },
  )
}

/** The reason of an aborted signal as a `CkvdError` (`CKVD_ABORTED`). */
export function abortError(signal: AbortSignal): CkvdError {
  const reason: unknown = signal.reason
  return reason instanceof CkvdError
    ? reason
    : new CkvdError('CKVD_ABORTED', 'Interrupted. It is safe to run the same command again.', { cause: reason })
}
