import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Logger } from 'pino'
import { multistream, pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'
import { CkvdError } from './errors.ts'

export type { Logger } from 'pino'

/** Log levels as users name them (the names of Python's `logging`). */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

const PINO_LEVELS: Readonly<Record<LogLevel, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'fatal',
}

/** A log file is closed and compressed when the next line would make it larger than this. */
const FILE_LIMIT_BYTES = 10_000_000
/** Compressed files kept: `ckvd.log.1.gz` is the youngest. */
const FILES_KEPT = 5

export interface LogOptions {
  /** lowest level that is written */
  readonly level: LogLevel
  /** file that gets every line too, as JSON; rotated and compressed */
  readonly file?: string | undefined
  /** lines for people instead of JSON. Default false. */
  readonly pretty?: boolean
  /** colours in pretty lines. Default false. */
  readonly color?: boolean
  /** where lines go. Default: stderr */
  readonly destination?: { write(text: string): unknown }
  /** size in bytes at which the file is rotated. Default 10 MB. */
  readonly fileLimitBytes?: number
}

/**
 * A pino logger: JSON lines `{"level":"WARNING","time":"2024-06-01T12:00:00.000Z",…,"msg":…}`, or pretty ones. Writing is synchronous:
 * no line is lost when the process ends, and no worker thread is started. Neither the environment, the host nor the process id is logged.
 * @throws CkvdError `CKVD_CONFIG` when the log file cannot be written
 */
export function createLogger(options: LogOptions): Logger {
  const destination = options.destination ?? process.stderr
  const terminal = options.pretty === true ? prettyStream(destination, options.color === true) : destination
  const level = PINO_LEVELS[options.level]
  const streams: { level: typeof level; stream: { write(text: string): void } }[] = [
    { level, stream: { write: (text) => void terminal.write(text) } },
  ]
  if (options.file !== undefined)
    streams.push({ level, stream: createLogFile(options.file, options.fileLimitBytes ?? FILE_LIMIT_BYTES, destination) })
  const formatters = { level: (label: string) => ({ level: levelName(label) }) }
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, formatters }, multistream(streams))
}

function levelName(pinoLabel: string): string {
  return Object.entries(PINO_LEVELS).find(([, label]) => label === pinoLabel)?.[0] ?? pinoLabel.toUpperCase()
}

function prettyStream(destination: { write(text: string): unknown }, color: boolean): { write(text: string): unknown } {
  const format = pretty.prettyFactory({
    colorize: color,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    customLevels: { CRITICAL: 60, ERROR: 50, WARNING: 40, INFO: 30, DEBUG: 20 },
    customColors: { critical: 'bgRed', error: 'red', warning: 'yellow', info: 'green', debug: 'blue' },
  })
  return { write: (text) => destination.write(format(text) ?? text) }
}

/**
 * A file that is opened for each line (about 20 µs; there is at most a line a chunk): nothing has to be closed or flushed, and another
 * process may write to the same file. When it is full it becomes `.1.gz`, older ones move on, the oldest goes.
 */
function createLogFile(path: string, limitBytes: number, fallback: { write(text: string): unknown }): { write(text: string): void } {
  try {
    appendLine(path, '', limitBytes)
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
        appendLine(path, text, limitBytes)
      } catch (error) {
        // a full disk must not stop the work that is being logged: said once, then stderr alone goes on
        failed = true
        fallback.write(`The log file ${path} can no longer be written: ${String(error)}\n`)
      }
    },
  }
}

function appendLine(path: string, text: string, limitBytes: number): void {
  if (!appendWithin(path, text, limitBytes)) {
    rotate(path)
    writeFileSync(path, text, { flag: 'a' })
  }
}

/** Appends `text` unless the file, not being empty, would grow beyond the limit. */
function appendWithin(path: string, text: string, limitBytes: number): boolean {
  const file = openSync(path, 'a')
  try {
    const sizeBytes = fstatSync(file).size
    if (sizeBytes > 0 && sizeBytes + Buffer.byteLength(text) > limitBytes) return false
    writeFileSync(file, text)
    return true
  } finally {
    closeSync(file)
  }
}

function rotate(path: string): void {
  for (let age = FILES_KEPT - 1; age >= 1; age--) {
    if (existsSync(`${path}.${age}.gz`)) renameSync(`${path}.${age}.gz`, `${path}.${age + 1}.gz`)
  }
  // compressed under another name first: a kill in between leaves the plain file whole
  writeFileSync(`${path}.tmp`, gzipSync(readFileSync(path)))
  renameSync(`${path}.tmp`, `${path}.1.gz`)
  rmSync(path)
}
