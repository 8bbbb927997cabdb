import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { shareFiles } from '../../config/open-files.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { CommandResult } from '../support/ckvd.ts'
import { MAIN, startSandbox } from '../support/dist.ts'
import { urlVariables } from '../support/exchange.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const RANGE = ['--start', '2024-01-01', '--end', '2024-03-01']

interface Around {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** of Node, before the program */
  readonly flags?: readonly string[]
  /** another program than `ckvd` */
  readonly program?: string
}

/** Runs a command with at most so many open files. */
async function runWithin(
  files: number,
  args: readonly string[],
  { stdin = '', env = {}, flags = [], program = MAIN }: Around = {},
): Promise<CommandResult> {
  const child = spawn('sh', ['-c', `ulimit -n ${files} && exec "$@"`, 'sh', process.execPath, ...flags, program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
  })
  child.stdin.on('error', () => undefined).end(stdin)
  const [stdout, stderr, [exit]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { exit, stdout, stderr }
}

/** Runs a command, and takes away all the files that it may still open when `trigger`, a line of its own, calls `take`. */
async function runRobbed(trigger: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const preload = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module'; import { isMainThread } from 'node:worker_threads'
import { subscribe } from 'node:diagnostics_channel'
const take = () => {
  try { for (;;) fs.openSync('/dev/null') } catch (error) { if (error.code !== 'EMFILE') throw error }
}
if (isMainThread) { ${trigger} }`
  return runWithin(300, args, { env, flags: ['--import', `data:text/javascript,${encodeURIComponent(preload)}`] })
}

const ON_FIRST_SHARD = `const { open } = fs.promises
  fs.promises.open = (path, ...rest) => { if (String(path).endsWith('.arrow')) take(); return open(path, ...rest) }
  syncBuiltinESMExports()`
const onRequest = (path: string): string =>
  `subscribe('undici:request:create', ({ request }) => { if (request.path.includes('${path}')) take() })`

test('the shares leave room, and hold nothing back where there is plenty', () => {
  expect(shareFiles(1_000_000).connections).toBeGreaterThan(1024)
  expect(shareFiles(1100)).toMatchObject({ connections: 259, writes: 259 })
  for (const limit of [64, 96, 128, 256, 1024]) {
    const { connections, writes, workers } = shareFiles(limit)
    expect(Math.min(connections, writes, workers)).toBeGreaterThan(0)
    if (limit >= 128) expect(2 * connections + writes).toBeLessThanOrEqual(limit - 64)
  }
})

describe.skipIf(process.platform === 'win32')('few open files make a run slower, never wrong', { timeout: 120_000 }, () => {
  test.each([
    [128, 32, '1h,5m'],
    [128, 256, '1h,5m'],
    // to load the Arrow library, which packs need, Node opens more than a hundred files at once
    [96, 32, '5m'],
  ])('ulimit -n %i, --concurrency %i', async (files, concurrency, intervals) => {
    await using temp = await createTempDirectory()
    const source = ['--sandbox', '--lake', temp.lake]
    const ingest = [
      'ingest',
      '--universe',
      '-',
      '--market',
      'spot',
      '--intervals',
      intervals,
      ...RANGE,
      '--archives',
      'daily',
      '--json',
      '--quiet',
    ]
    const { exit, stdout, stderr } = await runWithin(files, [...ingest, ...source, '--concurrency', String(concurrency)], {
      stdin: 'BTCUSDT\nETHUSDT\n',
    })
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(JSON.parse(stdout) as IngestResult).toMatchObject({ days: { complete: 120 * intervals.split(',').length }, problems: [] })
    const verified = await runWithin(files, ['verify', '--lake', temp.lake])
    expect({ exit: verified.exit, stderr: verified.stderr }).toMatchObject({ exit: 0 })
    // to load the Arrow library Node opens more than a hundred files at once
    if (files < 128) return
    const fetched = await runWithin(files, [
      'fetch',
      'BTCUSDT',
      '--interval',
      '5m',
      ...RANGE,
      '--source',
      'cache',
      '--format',
      'json',
      ...source,
    ])
    expect({ exit: fetched.exit, stderr: fetched.stderr }).toMatchObject({ exit: 0 })
  })
  test('too few even to load its parts, in the main thread or in another: exit 4 and what to raise, no bug', async () => {
    await using temp = await createTempDirectory()
    const source = ['--sandbox', '--lake', temp.lake]
    const ingest = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--start', '2024-01-01', '--end', '2024-01-05']
    expect((await runWithin(1024, [...ingest, ...source], { stdin: 'BTCUSDT' })).exit).toBe(0)
    const out = `${temp.path}/out`
    const exported = ['export', '--lake', temp.lake, '--out', out, '--format', 'parquet', '--quiet']
    expect((await runWithin(1024, exported)).exit).toBe(0)
    const commands = [
      ['--version'],
      ['ingest', 'BTCUSDT', '--intervals', '1h', '--start', '2024-01-01', '--end', '2024-01-05', '--json', ...source],
      ['fetch', 'BTCUSDT', '--interval', '1h', '--start', '2024-01-01', '--end', '2024-01-05', ...source],
      [...exported, '--replace', '--symbols', 'BTCUSDT'],
      ['verify', '--lake', temp.lake],
      ['upgrade', '--lake', temp.lake],
      ['coverage', '--lake', temp.lake],
      ['availability', '--out', `${temp.path}/reports`, '--sandbox'],
      ['query', 'SELECT count(*) FROM spot_1h', '--from', out],
    ]
    // below that Node cannot read the program's first file; from 128 on all commands work
    for (const files of [20, 24, 28, 34, 60])
      for (const args of commands) {
        const { exit, stdout, stderr } = await runWithin(files, args)
        expect(`${stdout}${stderr}`, `ulimit -n ${files} ${args.join(' ')}`).not.toMatch(/CKVD_BUG|^ +at |node:internal/m)
        expect([0, 4], `ulimit -n ${files} ${args.join(' ')}: ${stderr}`).toContain(exit)
        if (exit === 4) expect(stderr).toMatch(/^error CKVD_OPEN_FILES: .*`ulimit -n 1024`, at least 128/m)
        if (exit === 4 && args.includes('--json')) expect(JSON.parse(stdout)).toMatchObject({ command: 'ingest', exit: 4 })
      }
    expect((await runWithin(128, ['verify', '--lake', temp.lake])).exit).toBe(0)
    expect((await runWithin(128, [...exported, '--workers', '4'])).exit).toBe(0)
    expect((await runWithin(128, ['query', 'SELECT count(*) FROM spot_1h', '--from', out])).exit).toBe(0)
  })

  test.each(['demo-cli.js', 'demo-module.js'])('too few to load %s: the same', async (name) => {
    const program = join(MAIN, '..', name)
    await using temp = await createTempDirectory()
    for (const files of [20, 24, 28, 34, 60])
      for (const args of [['--version'], ['--sandbox', '--lake', temp.lake, '-d', '1', '-i', '1h']]) {
        const { exit, stdout, stderr } = await runWithin(files, args, { program })
        expect(`${stdout}${stderr}`, `ulimit -n ${files} ${args.join(' ')}`).not.toMatch(/CKVD_BUG|^ +at |node:internal/m)
        expect([0, 4], `ulimit -n ${files} ${args.join(' ')}: ${stderr}`).toContain(exit)
        if (exit === 4) expect(stderr).toMatch(/^error CKVD_OPEN_FILES: .*`ulimit -n 1024`, at least 128/m)
      }
  })

  test('a sound shard that cannot be opened for that is not called damaged', async () => {
    await using temp = await createTempDirectory()
    const source = ['--sandbox', '--lake', temp.lake]
    expect(
      (await runWithin(1024, ['ingest', 'BTCUSDT', '--intervals', '5m', '--start', '2024-01-01', '--end', '2024-01-05', ...source])).exit,
    ).toBe(0)
    const robbed = await runRobbed(ON_FIRST_SHARD, ['verify', '--lake', temp.lake, '--quiet'])
    expect(robbed).toMatchObject({ exit: 4, stderr: expect.stringContaining('error CKVD_OPEN_FILES') as string })
    expect((await runWithin(1024, ['coverage', '--lake', temp.lake])).exit).toBe(0)
  })

  test('a connection, or the account, that cannot be opened for that: no word of the network, and none of an account of its own', async () => {
    await using temp = await createTempDirectory()
    await using sandbox = await startSandbox({
      now: () => Date.parse('2024-03-20T12:00:00Z'),
      markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }],
      faults: [{ match: '2024-02-02', kind: 'status', status: 404, times: 9 }],
    })
    const env = { ...urlVariables(sandbox), CKVD_NOW: '2024-03-20T12:00:00Z', CKVD_STATE: `${temp.path}/state`, CKVD_MAX_RETRIES: '1' }
    const args = ['ingest', 'AAAUSDT', '--intervals', '1h', '--start', '2024-02-01', '--end', '2024-02-04', '--archives', 'daily']
    for (const path of ['prefix=', '.zip', '/api/v3/']) {
      const robbed = await runRobbed(onRequest(path), [...args, '--lake', temp.lake, '--quiet'], env)
      expect(robbed.stderr, path).not.toMatch(/CKVD_BUG|No network|UNREACHABLE|HTTP_NETWORK|in the memory of this process|^ +at /m)
      if (robbed.exit !== 0) expect(robbed, path).toMatchObject({ exit: 4, stderr: expect.stringContaining('CKVD_OPEN_FILES') as string })
    }
  })
})
