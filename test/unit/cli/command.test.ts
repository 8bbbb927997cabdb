import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from '@commander-js/extra-typings'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { COMMAND_KEYS, SETTINGS } from '../../../config/settings.ts'
import type { CliContext, CommandRun } from '../../../src/cli/command.ts'
import { runCommand } from '../../../src/cli/command.ts'
import {
  addSettings,
  dayOption,
  flagKey,
  integerOption,
  intervalsOption,
  mapMarketOption,
  marketOption,
  requireOption,
  symbolsOption,
  wordOption,
} from '../../../src/cli/options.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { CkvdError } from '../../../src/errors.ts'
import { runHere } from './support.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ckvd-cli-'))
})
afterEach(() => {
  rmSync(cwd, { recursive: true })
})

interface Outcome {
  exit: number
  stdout: string
  stderr: string
  options?: Record<string, unknown>
}

/** A command with one option of each kind, run with `args`; `body` stands for its work. */
async function runProbe(
  args: string[],
  body: (run: CommandRun<object>) => number | Promise<number> = () => 0,
  around: Partial<CliContext> = {},
): Promise<Outcome> {
  const outcome: Outcome = { exit: -1, stdout: '', stderr: '' }
  const context: CliContext = {
    stdin: process.stdin,
    stdout: { write: (text) => (outcome.stdout += text) },
    stderr: { write: (text) => (outcome.stderr += text) },
    env: {},
    cwd,
    signal: new AbortController().signal,
    now: () => 0,
    setExit: (exit) => (outcome.exit = exit),
    ...around,
  }
  const program = new Command('ckvd')
  const command = program
    .command('probe')
    .option('--universe <FILE>', 'universe')
    .option('--dry-run', 'plan only')
    .option('--no-rest', 'archives alone')
    .addOption(marketOption())
    .addOption(mapMarketOption())
    .addOption(symbolsOption())
    .addOption(intervalsOption())
    .addOption(dayOption('--start', 'first day'))
    .addOption(integerOption('--days', 'days', { min: 1, max: 10 }))
    .addOption(wordOption('--archives', 'which archives', ['auto', 'daily', 'monthly']))
  addSettings(command, { example: 'ckvd probe', exits: { 0: 'done' } })
  command.action((_options, parsed) =>
    runCommand(context, parsed, async (run) => {
      outcome.options = { ...run.options }
      requireOption(run.options.universe, '--universe FILE')
      return body(run)
    }),
  )
  await program.parseAsync(['probe', ...args], { from: 'user' })
  return outcome
}

const U = ['--universe', 'u.csv']

describe('flags', () => {
  test('are read as values', async () => {
    const flags = '--market UM --map-market cm --symbols btcusdt,ETHUSDT --intervals 1m,1mo --start 2024-02-29 --days 3 --archives daily'
    const { options, exit } = await runProbe([...U, ...flags.split(' ')])
    expect(exit).toBe(0)
    expect(options).toEqual({
      universe: 'u.csv',
      rest: true,
      market: 'um',
      mapMarket: 'cm',
      symbols: ['BTCUSDT', 'ETHUSDT'],
      intervals: ['1m', '1M'],
      start: '2024-02-29',
      days: 3,
      archives: 'daily',
    })
  })

  test.each([
    ['--market', 'swap', 'spot, um, cm or option'],
    ['--map-market', 'spot', 'um or cm'],
    ['--symbols', 'BTC USDT', 'symbols separated by commas'],
    ['--symbols', '', 'symbols separated by commas'],
    ['--intervals', '1m,7m', 'intervals separated by commas'],
    ['--start', '2023-02-29', 'a day of the calendar'],
    ['--days', '11', 'an integer from 1 to 10'],
    ['--days', 'abc', 'an integer from 1 to 10'],
    ['--archives', 'weekly', 'one of auto, daily, monthly'],
  ])('%s %j is refused', async (flag, value, expected) => {
    const error: unknown = await runProbe([...U, flag, value]).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CKVD_USAGE' })
    expect((error as Error).message).toContain(`Expected \`${flag}\` to be ${expected}`)
    expect((error as Error).message).toMatch(new RegExp(`, got ${JSON.stringify(value)} \\(flag\\)$`))
  })

  test('one that is needed and given nowhere', async () => {
    const { exit, stderr } = await runProbe([])
    expect(exit).toBe(2)
    expect(stderr).toContain('error CKVD_USAGE: Expected `--universe FILE`')
  })
})

describe('the config file', () => {
  const write = (value: unknown) => writeFileSync(join(cwd, 'ckvd.config.json'), JSON.stringify(value))

  test('fills flags that were not given', async () => {
    write({ universe: 'file.csv', intervals: ['1m', '1h'], symbols: 'ethusdt', days: 4, noRest: true, dryRun: true, market: 'um' })
    const { options } = await runProbe(['--market', 'cm'])
    expect(options).toEqual({
      universe: 'file.csv',
      intervals: ['1m', '1h'],
      symbols: ['ETHUSDT'],
      days: 4,
      rest: false,
      dryRun: true,
      market: 'cm',
    })
  })

  test.each([
    [{ days: 11 }, 'Expected `days` to be an integer from 1 to 10, got "11"'],
    [{ dryRun: 'yes' }, 'Expected `dryRun` to be true or false, got "yes"'],
    [{ market: 5 }, 'Expected `market` to be spot, um, cm or option, got "5"'],
    [{ intervals: { a: 1 } }, 'Expected `intervals` to be text, a number or a list of texts'],
  ])('%j is refused', async (value, message) => {
    write(value)
    const { exit, stderr } = await runProbe(U)
    expect(exit).toBe(2)
    expect(stderr).toContain(`error CKVD_CONFIG: ${message}`)
    expect(stderr).toContain(join(cwd, 'ckvd.config.json'))
  })

  test('every option of every command is a known key', async () => {
    const program = await createProgram({ stdout: { write: () => 0 }, stderr: { write: () => 0 }, env: {} } as unknown as CliContext)
    const known = new Set<string>([...COMMAND_KEYS, ...SETTINGS.map(({ key }) => key), 'config'])
    const keys = program.commands.flatMap((command) => command.options.map(({ long }) => flagKey(long ?? '')))
    expect(keys.length).toBeGreaterThan(20)
    expect(keys.filter((key) => !known.has(key))).toEqual([])
  })
})

test('CKVD_NOW fixes the time of planning; the clock starts there and runs', async () => {
  let wallMs = 5000
  const seen: number[][] = []
  const look = (run: CommandRun<object>) => seen.push([run.nowMs(), run.clockMs()])
  await runProbe(
    U,
    (run) => {
      look(run)
      wallMs += 60_000
      look(run)
      return 0
    },
    { env: { CKVD_NOW: '1970-01-02' }, now: () => wallMs },
  )
  const day = 86_400_000
  expect(seen).toEqual([
    [day, day],
    [day, day + 60_000],
  ])
})

describe('--sandbox', () => {
  test('points all five URLs at an exchange that lives as long as the command', async () => {
    const seen: string[] = []
    const { exit, stderr } = await runProbe(
      [...U, '--sandbox'],
      async (run) => {
        const { visionUrl, listingUrl, spotRestUrl, umRestUrl, cmRestUrl } = run.settings
        seen.push(visionUrl, listingUrl, spotRestUrl, umRestUrl, cmRestUrl)
        const answer = await fetch(`${spotRestUrl}/api/v3/time`)
        const { serverTime } = (await answer.json()) as { serverTime: number }
        // what it says of the time is true, whatever the time for which it plans
        expect(Math.abs(serverTime - Date.now())).toBeLessThan(60_000)
        return 0
      },
      { env: { CKVD_NOW: '2024-06-01T00:00:00Z', CKVD_LAKE: join(cwd, 'lake') } },
    )
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(seen.every((url) => url.startsWith('http://127.0.0.1:'))).toBe(true)
    await expect(fetch(seen[2] ?? '')).rejects.toThrow()
  })
})

describe('how a command ends', () => {
  test('with what its body returns', async () => {
    expect((await runProbe(U, () => 3)).exit).toBe(3)
  })

  test("with an error's exit code, its message, details and advice", async () => {
    const { exit, stderr, stdout } = await runProbe(U, () => {
      throw new CkvdError('CKVD_LAKE_LOCKED', 'Another run is writing.', {
        details: { lake: '/l', pid: 7n, problems: ['Another run is writing.', 'b'] },
      })
    })
    expect(exit).toBe(4)
    expect(stdout).toBe('')
    expect(stderr).toBe(
      'error CKVD_LAKE_LOCKED: Another run is writing.\n  lake: /l\n  pid: 7\n  also b\n' +
        '  What is stored stays stored: the same command goes on from there.\n',
    )
  })

  test('with --json the error is on stdout too', async () => {
    const { stdout } = await runProbe([...U, '--json'], () => {
      throw new CkvdError('CKVD_DISK_FULL', 'The disk is full.', { details: { lake: '/l' } })
    })
    expect(JSON.parse(stdout)).toEqual({
      command: 'probe',
      exit: 4,
      error: { code: 'CKVD_DISK_FULL', message: 'The disk is full.', details: { lake: '/l' } },
    })
  })

  test('a bug: exit 1 and the stack', async () => {
    const { exit, stderr } = await runProbe(U, () => {
      throw new TypeError('x is not a function')
    })
    expect(exit).toBe(1)
    expect(stderr).toContain('error CKVD_BUG: Unexpected error: x is not a function')
    expect(stderr).toMatch(/TypeError: x is not a function\n\s+at .*command\.test\.ts/)
  })

  test('interrupted: exit 130, whoever threw', async () => {
    const controller = new AbortController()
    const { exit, stderr } = await runProbe(
      U,
      () => {
        controller.abort(new CkvdError('CKVD_ABORTED', 'Interrupted by SIGINT.'))
        throw Object.assign(new Error('The task has been aborted'), { name: 'AbortError' })
      },
      { signal: controller.signal },
    )
    expect(exit).toBe(130)
    expect(stderr).toContain('error CKVD_ABORTED: Interrupted by SIGINT.')
  })

  test('the error goes to the log file too', async () => {
    await runProbe(
      U,
      () => {
        throw new CkvdError('CKVD_DISK_FULL', 'The disk is full.')
      },
      { env: { CKVD_LOG_FILE: 'ckvd.log' } },
    )
    const line = JSON.parse(readFileSync(join(cwd, 'ckvd.log'), 'utf8')) as Record<string, unknown>
    expect(line).toMatchObject({ level: 'ERROR', msg: 'The disk is full.', err: { code: 'CKVD_DISK_FULL' } })
  })
})

describe('the program', () => {
  test('ckvd --help and --version end with 0', async () => {
    const help = await runHere(['--help'], { cwd })
    expect(help).toMatchObject({ exit: 0, stderr: '' })
    expect(help.stdout).toContain('sandbox')
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await runHere(['--version'], { cwd })).toEqual({ exit: 0, stdout: `${manifest.version}\n`, stderr: '' })
  })

  test("a command's help names defaults, variables, exit codes and an example", async () => {
    const { exit, stdout } = await runHere(['config', '--help'], { cwd })
    expect(exit).toBe(0)
    for (const word of ['--max-rate <BYTES>', 'CKVD_MAX_RATE', 'CKVD_LOG_LEVEL', 'HTTPS_PROXY', 'Exit codes:', 'Example:'])
      expect(stdout).toContain(word)
  })

  test.each([
    ['coverage', []],
    ['export', ['--out', 'none']],
    ['query', ['SELECT 1', '--from', 'none']],
    ['resample', ['--to', '1d']],
  ])('%s asks nobody: its help shows no setting of the network, and it takes them', async (name, args) => {
    const { stdout } = await runHere([name, '--help'], { cwd })
    for (const word of ['--lake <DIR>', 'CKVD_LAKE', 'CKVD_LOG_FILE', 'Exit codes:', '`ckvd config --help` lists them'])
      expect(stdout).toContain(word)
    expect(stdout).not.toMatch(/-url|^ +--sandbox|--max-rate|CKVD_USE_POLARS|HTTPS_PROXY/m)
    // what is in the way is the lake or export that is not there, not the flag
    const { stderr } = await runHere([name, ...args, '--max-rate', '1MB', '--lake', 'none'], { cwd })
    expect(stderr).toMatch(/CKVD_(LAKE|EXPORT)_MISSING/)
  })

  test.each([
    [['conifg'], "Unknown command 'conifg'. Did you mean config?"],
    [['config', '--worker', '3'], "Unknown option '--worker'. Did you mean --workers?"],
    [['config', '--lake'], "Option '--lake <DIR>' argument missing"],
    [['config', 'extra'], 'Too many arguments'],
  ])('%j is a usage error', async (args, message) => {
    const { exit, stderr, stdout } = await runHere(args, { cwd })
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toContain(`error CKVD_USAGE: ${message}`)
    expect(stderr).toMatch(/See `ckvd.* --help`/)
  })

  test('ckvd alone prints its help on stderr and ends with 2', async () => {
    const { exit, stdout, stderr } = await runHere([], { cwd })
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toContain('Usage: ckvd')
  })

  test('colours on a terminal, none with NO_COLOR', async () => {
    const esc = '\u001b['
    expect((await runHere(['conifg'], { cwd, terminal: true })).stderr).toContain(esc)
    expect((await runHere(['conifg'], { cwd, terminal: true, env: { NO_COLOR: '1' } })).stderr).not.toContain(esc)
    expect((await runHere(['conifg'], { cwd })).stderr).not.toContain(esc)
  })
})

test('a program that cannot be made, as of a damaged installation, ends with 1 and tells what is wrong', async () => {
  const create = (): Promise<never> => Promise.reject(new Error("Cannot find package 'undici'"))
  const { exit, stdout, stderr } = await runHere(['ingest', '--json'], { create })
  expect(exit).toBe(1)
  expect(stderr).toContain("Cannot find package 'undici'")
  expect(JSON.parse(stdout)).toMatchObject({ exit: 1, error: { code: 'CKVD_BUG' } })
})
