import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, integerOption } from '../options.ts'
import { jsonLine } from '../show/json-line.ts'

interface SandboxFlags {
  readonly port?: number | undefined
  readonly archive?: string | undefined
  readonly faults?: string | undefined
  readonly seed?: number | undefined
}

/** `ckvd sandbox`: the embedded exchange as a server of its own, until a signal comes. */
export function addSandboxCommand(program: Command, context: CliContext): void {
  const command = program
    .command('sandbox')
    .description('a stand-in for Binance on this machine; prints its URLs as JSON on stdout and runs until interrupted')
    .addOption(integerOption('--port', 'port on 127.0.0.1 (default: any free one)', { min: 0, max: 65_535 }))
    .option('--archive <DIR>', 'serve the real archives below DIR/data instead of synthetic markets')
    .option('--faults <FILE>', 'JSON list of faults to play')
    .addOption(integerOption('--seed', 'seed of the synthetic markets (default: 1)', { min: 0, max: 4_294_967_295 }))
  addSettings(command, {
    settings: ['logLevel', 'logFile', 'now'],
    example:
      'ckvd sandbox --port 8700 &\nckvd ingest --universe symbols.csv --no-rest --lake ./sandbox-lake --vision-url http://127.0.0.1:8700/vision --listing-url http://127.0.0.1:8700/listing',
    exits: { 0: 'stopped by SIGINT or SIGTERM', 2: 'wrong flags, faults file or folder, or the port is in use' },
  })
  command.action((_options, parsed) => runCommand(context, parsed, runSandbox, { sources: false }))
}

async function runSandbox(run: CommandRun<SandboxFlags>): Promise<number> {
  const { port, seed, archive, faults } = run.options
  const { cwd, stdout } = run.context
  const { parseFaultRules, startSandbox } = await import('../../sandbox/index.ts')
  const sandbox = await startSandbox({
    ...(port === undefined ? {} : { port }),
    ...(seed === undefined ? {} : { seed }),
    ...(archive === undefined ? {} : { archive: resolve(cwd, archive) }),
    ...(faults === undefined ? {} : { faults: parseFaultRules(readJson(resolve(cwd, faults))) }),
    now: () => run.clockMs(),
  })
  try {
    stdout.write(jsonLine(sandbox.urls))
    await aborted(run.signal)
  } finally {
    await sandbox.close()
  }
  return 0
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CkvdError('CKVD_USAGE', `Expected \`--faults\` to be a JSON file with a list of faults: ${reason} (flag)`, {
      details: { faults: path },
      cause,
    })
  }
}
