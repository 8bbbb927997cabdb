import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import type { CliContext } from '../../../src/cli/command.ts'
import { runCli } from '../../../src/cli/program.ts'

/** A command line run in this process: its exit code and what it wrote. */
export interface CliResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliSurroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly signal?: AbortSignal
  readonly terminal?: boolean
  /** called with each piece of stdout */
  readonly onStdout?: (text: string) => void
  /** makes the program; default: the one of `ckvd` */
  readonly create?: (context: CliContext) => Command | Promise<Command>
}

/** Runs `ckvd ARGS` in this process, with nothing of the real environment. */
export async function runHere(args: readonly string[], around: CliSurroundings = {}): Promise<CliResult> {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr') => ({
    isTTY: around.terminal === true,
    columns: 80,
    write(text: string) {
      written[name] += text
      if (name === 'stdout') around.onStdout?.(text)
    },
  })
  const context = {
    stdin: noInput(),
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: around.env ?? {},
    cwd: around.cwd ?? resolve('.'),
    signal: around.signal ?? new AbortController().signal,
    now: () => Date.parse('2024-06-01T00:00:00Z'),
  }
  const exit = await runCli(args, context, around.create)
  return { exit, ...written }
}

async function* noInput(): AsyncGenerator<Uint8Array> {
  // standard input that ends at once
}
