import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import type { CommandResult } from '../support/ckvd.ts'
import { ingestCommand, jsonOf, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

/*
 * `--quiet`: nothing at all when all is well; what is not on standard error, and nothing else. What a pipe gets on standard error is lines for
 * people, of one kind.
 */

const NOW = '2024-03-10T12:00:00Z'
const MARKETS = [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] as const
const OUTAGE_OF_REST: FaultRule = { match: 'klines\\?', kind: 'status', status: 500 }
/** The archives of a day end early, and REST cannot be asked. */
const CUT: FaultRule = { market: 'spot', symbol: 'AAAUSDT', day: '2024-03-05', kind: 'cut', at: '10:00' }

let exchange: TestExchange
let directory: TempDirectory
beforeEach(async () => {
  exchange = await startExchange(NOW, { markets: MARKETS })
  directory = await createTempDirectory()
})
afterEach(async () => {
  await exchange[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

const SILENT: CommandResult = { exit: 0, stdout: '', stderr: '' }

const run = (args: readonly string[], stdin = '') =>
  runHere(args, { env: { ...exchange.env, CKVD_LAKE: directory.lake, CKVD_MAX_RETRIES: '0' }, cwd: directory.path, stdin })
const ingest = (...flags: string[]) =>
  run([...ingestCommand(directory.lake, '--start', '2024-03-01', '--archives', 'daily'), ...flags], 'AAAUSDT')

describe('when all is well, nothing is printed', () => {
  test('by what ingests', async () => {
    expect(await ingest('--quiet')).toEqual(SILENT)
    expect(await run(['sync', '--quiet'])).toEqual(SILENT)
    expect(await run(['sync', '--dry-run', '--quiet'])).toEqual(SILENT)
  })

  test('by what tells how a lake is', async () => {
    await ingest('--quiet', '--intervals', '1h,1d')
    expect(await run(['coverage', '--quiet'])).toEqual(SILENT)
    expect(await run(['verify', '--quiet'])).toEqual(SILENT)
    expect(await run(['upgrade', '--quiet'])).toEqual(SILENT)
    expect(await run(['export', '--out', 'export', '--quiet'])).toEqual(SILENT)
    expect(await run(['availability', '--market', 'spot', '--out', 'reports', '--quiet'])).toEqual(SILENT)
    expect(await run(['resample', '--from', '1h', '--to', '1d', '--check', '--quiet'])).toEqual(SILENT)
  })

  test('but what was asked for as data is printed', async () => {
    await ingest('--quiet')
    const rows = await run(['fetch', 'AAAUSDT', '--interval', '1h', '--days', '1', '--format', 'csv', '--quiet'])
    expect(rows).toMatchObject({ exit: 0, stderr: '' })
    expect(rows.stdout.split('\n').length).toBeGreaterThan(20)
    expect((await run(['coverage', '--csv', '--quiet'])).stdout).toMatch(/^market,symbol,/)
    expect(jsonOf(await run(['coverage', '--json', '--quiet']))).toMatchObject({ exit: 0 })
    expect(jsonOf(await run(['sync', '--json', '--quiet']))).toMatchObject({ exit: 0 })
  })
})

describe('what is not well is told on standard error', () => {
  beforeEach(async () => {
    exchange.sandbox.setFaults([CUT, OUTAGE_OF_REST])
    await ingest('--json')
  })

  test.each([[['sync']], [['coverage']], [['export', '--out', 'export']]])('by %j', async (args) => {
    const { exit, stdout, stderr } = await run([...args, '--quiet'])
    expect({ exit, stdout }).toEqual({ exit: 3, stdout: '' })
    expect(stderr).toContain('spot AAAUSDT 1h')
    expect(stderr).toContain('2024-03-05')
    expect(stderr).toMatch(/\(exit 3\)\n$/)
  })

  test('of a sync the problems alone, with what to do', async () => {
    const { stderr } = await run(['sync', '--quiet'])
    const lines = stderr.trimEnd().split('\n')
    expect(lines[0]).toBe(`ckvd sync: 1 problem, 1 series (lake ${directory.lake})`)
    expect(lines[1]).toBe('1 problem:')
    expect(lines[2]).toMatch(/^ {2}spot AAAUSDT 1h 2024-03-05 {2}partial {2}CKVD_\w+: /)
    expect(lines.at(-1)).toContain('the next run asks again')
    expect(lines).toHaveLength(4)
  })

  test('of a run that was stopped, why', async () => {
    exchange.sandbox.setFaults([{ match: 'prefix=', kind: 'status', status: 500 }])
    const { exit, stdout, stderr } = await run(['sync', '--refresh', '--quiet'])
    expect({ exit: exit !== 0, stdout }).toEqual({ exit: true, stdout: '' })
    expect(stderr).toMatch(/CKVD_\w+/)
  })

  test('by --json it is told there alone', async () => {
    const { stdout, stderr } = await run(['sync', '--json', '--quiet'])
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({ exit: 3, problems: [{ day: '2024-03-05' }] })
  })
})

test('lines of the log in a pipe are for people, as all else there; in the log file they are JSON', async () => {
  const universe = 'market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-01-10,"1h"\nspot,BBBUSDT,2024-01-10,"1m"\n'
  const file = join(directory.path, 'ckvd.log')
  const { exit, stderr } = await runHere(['ingest', '--universe', '-', '--intervals', '1h', '--start', '2024-03-01', '--verbose'], {
    env: { ...exchange.env, CKVD_LAKE: directory.lake, CKVD_LOG_FILE: file },
    cwd: directory.path,
    stdin: universe,
  })
  expect(exit).toBe(0)
  expect(stderr).toMatch(/^\[2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] WARNING: symbol left out: /m)
  expect(stderr).toMatch(/^Plan: /m)
  expect(stderr.split('\n').filter((line) => line.startsWith('{'))).toEqual([])
  const logged = (await readFile(file, 'utf8')).trimEnd().split('\n')
  expect(logged.map((line) => (JSON.parse(line) as { level: string }).level)).toContain('WARNING')
})
