import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IngestResult } from '../../src/ingest/result.ts'
import { MAIN, runCli, sharedPool } from './dist.ts'

/** A command that has ended. */
export interface CommandResult {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>
  /** default: the temporary directory of the system, which has no config file */
  readonly cwd?: string
  readonly stdin?: string
}

/** A command that runs in a process of its own. */
export interface RunningCommand {
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<CommandResult>
}

/** Starts `ckvd ARGS` as users do. */
export function startCkvd(args: readonly string[], around: Surroundings = {}): RunningCommand {
  return startNode([MAIN, ...args], around)
}

/** Where commands keep their state: never in the home of the user who runs the tests (see state.ts). */
const stateVariable = { CKVD_STATE: process.env['CKVD_STATE'] ?? '' }

/** Starts `node ARGS`, with nothing of the tests' own environment but the search path and the state directory. */
export function startNode(args: readonly string[], around: Surroundings = {}): RunningCommand {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', ...stateVariable, ...around.env },
    ...(around.cwd === undefined ? {} : { cwd: around.cwd }),
    stdio: 'pipe',
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  }
  child.stdin.end(around.stdin ?? '')
  const ended = once(child, 'close').then(([code]): CommandResult => ({ exit: code as number | null, ...written }))
  return { kill: (signal) => child.kill(signal), ended }
}

/** Runs `ckvd ARGS` in a process of its own. */
export function runCkvd(args: readonly string[], around: Surroundings = {}): Promise<CommandResult> {
  return startCkvd(args, around).ended
}

/**
 * Runs `ckvd ARGS` in this process, from the built program: the same command line, without a second for starting it.
 * Archives are decoded in one thread for all commands, unless the command line says in how many.
 */
export async function runHere(
  args: readonly string[],
  around: Surroundings & {
    readonly signal?: AbortSignal
    readonly now?: () => number
    /** columns of a terminal that both outputs are; left out: a pipe */
    readonly terminal?: number
  } = {},
): Promise<CommandResult> {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr') => ({
    isTTY: around.terminal !== undefined,
    columns: around.terminal ?? 120,
    write: (text: string) => {
      written[name] += text
    },
  })
  const exit = await runCli(args, {
    stdin: textStream(around.stdin ?? ''),
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: { ...stateVariable, ...around.env },
    cwd: around.cwd ?? process.cwd(),
    signal: around.signal ?? new AbortController().signal,
    ...(args.includes('--workers') ? {} : { pool: sharedPool }),
    now: around.now ?? Date.now,
  })
  return { exit, ...written }
}

async function* textStream(text: string): AsyncGenerator<string> {
  yield await Promise.resolve(text)
}

/** `ckvd ingest` of 1h bars of the spot symbols on standard input; of a flag that comes twice the last one counts. */
export function ingestCommand(lake: string, ...flags: string[]): string[] {
  return ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--lake', lake, ...flags]
}

/** What `ckvd ingest --json` printed; throws with all that the command wrote where it is not that. */
export function ingestResult(result: CommandResult): IngestResult {
  return jsonOf(result) as IngestResult
}

export function jsonOf(result: CommandResult): unknown {
  try {
    return JSON.parse(result.stdout)
  } catch {
    throw new Error(`Expected JSON on stdout (exit ${result.exit}), got ${JSON.stringify(result.stdout)}; stderr: ${result.stderr}`)
  }
}
