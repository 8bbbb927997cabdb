import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import { multistream, pino, stdTimeFunctions } from 'pino'
import type PinoPretty from 'pino-pretty'
import { createLogFile } from './log-file.ts'
import { cleanLine, cleanText } from './terminal-text.ts'

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

export interface LogOptions {
  /** lowest level that is written */
  readonly level: LogLevel
  /** file that gets every line too, as JSON; rotated and compressed */
  readonly file?: string | undefined
  /** lines for people instead of JSON: `clock` with the time of day, `dated` with the day, UTC. Default: JSON */
  readonly pretty?: 'clock' | 'dated' | undefined
  /** colours in pretty lines. Default false. */
  readonly color?: boolean
  /** where lines go. Default: stderr */
  readonly destination?: { write(text: string): unknown }
  /** size in bytes at which the file is put aside. Default 10 MB. */
  readonly fileLimitBytes?: number
}

/**
 * A pino logger: JSON lines `{"level":"WARNING","time":"2024-06-01T12:00:00.000Z",…,"msg":…}`, or pretty ones. Writing is synchronous:
 * no line is lost when the process ends, and no worker thread is started. Neither the environment, the host nor the process id is logged.
 * Control characters of what servers said are spelled out (`\\u001b`), in JSON as its own escapes: a terminal shows them, and obeys none.
 * A destination that cannot be written to does not stop what is being logged.
 * @throws CkvdError `CKVD_CONFIG` when the log file cannot be written
 */
export function createLogger(options: LogOptions): Logger {
  const destination = options.destination ?? standardError()
  const terminal = options.pretty === undefined ? destination : prettyStream(destination, options.pretty, options.color === true)
  const level = PINO_LEVELS[options.level]
  const streams: { level: typeof level; stream: { write(text: string): void } }[] = [
    { level, stream: { write: (text) => void terminal.write(cleanText(text)) } },
  ]
  if (options.file !== undefined) {
    const onFailure = (message: string): void => void destination.write(message)
    const file = createLogFile(options.file, { limitBytes: options.fileLimitBytes, onFailure })
    streams.push({ level, stream: { write: (text) => file.write(cleanText(text)) } })
  }
  const formatters = { level: (label: string) => ({ level: levelName(label) }) }
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, formatters }, multistream(streams))
}

/**
 * Standard error of a process that we are a guest of: where it cannot be written to (a full disk, a closed pipe), lines are dropped from
 * then on, and the process goes on. Not by a `Console`, which ignores the first error of a file and throws the second.
 */
function standardError(): { write(text: string): void } {
  const stream = process.stderr
  let failed = false
  const fail = (): void => {
    failed = true
  }
  return {
    write(text) {
      if (failed) return
      stream.once('error', fail)
      try {
        // after an error the listener stays for the event that follows the callback
        stream.write(text, (error) => {
          if (error === null || error === undefined) stream.off('error', fail)
        })
      } catch {
        stream.off('error', fail)
        failed = true
      }
    },
  }
}

function levelName(pinoLabel: string): string {
  return Object.entries(PINO_LEVELS).find(([, label]) => label === pinoLabel)?.[0] ?? pinoLabel.toUpperCase()
}

/** How the time of a line is written: at a terminal today's clock, elsewhere who reads it later must know the day. */
const PRETTY_TIMES = { clock: 'SYS:HH:MM:ss', dated: "UTC:yyyy-mm-dd'T'HH:MM:ss'Z'" } as const

function prettyStream(
  destination: { write(text: string): unknown },
  time: keyof typeof PRETTY_TIMES,
  color: boolean,
): { write(text: string): unknown } {
  let format: ReturnType<typeof PinoPretty.prettyFactory> | undefined
  return {
    write: (text) => {
      format ??= createPrettyFormat(time, color)
      const line: unknown = JSON.parse(text)
      return destination.write(format(cleanValue(line)) ?? text)
    },
  }
}

/** Loaded with the first line: most runs write none. */
function createPrettyFormat(time: keyof typeof PRETTY_TIMES, color: boolean): ReturnType<typeof PinoPretty.prettyFactory> {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty
  return pretty.prettyFactory({
    colorize: color,
    translateTime: PRETTY_TIMES[time],
    singleLine: true,
    customLevels: { CRITICAL: 60, ERROR: 50, WARNING: 40, INFO: 30, DEBUG: 20 },
    customColors: { critical: 'bgRed', error: 'red', warning: 'yellow', info: 'green', debug: 'blue' },
  })
}

/** The strings of a log line, each on its line; a stack has several. */
function cleanValue(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return key === 'stack' ? cleanText(value) : cleanLine(value)
  if (Array.isArray(value)) return value.map((member) => cleanValue(member))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, cleanValue(member, name)]))
}
