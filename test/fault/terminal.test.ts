import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNode } from '../support/ckvd.ts'
import { MAIN } from '../support/dist.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const NOW = '2024-06-01T00:00:00Z'
const HAS_PYTHON = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']).status === 0
if (!HAS_PYTHON) console.warn('skipped: the tests of a real terminal need python3 (3.9 or later) with its module pty')

const ESC = '\u001b'
let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, { markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-01' }] })
})
afterAll(() => exchange[Symbol.asyncDispose]())

interface Seen {
  readonly exit: number | null
  /** all that the terminal got */
  readonly text: string
  /** its modes are those that it had before */
  readonly same: boolean
}

/** `ckvd ARGS` on a terminal of 80 columns; `send` is sent, one after the other, once `when` has been shown. */
async function runOnTerminal(args: readonly string[], when: string, send: readonly string[]): Promise<Seen> {
  const env = { ...exchange.env, PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', CKVD_WORKERS: '1' }
  const spec = JSON.stringify({ args: [process.execPath, MAIN, ...args], env, when, send })
  const program = `import sys; exec(open(${JSON.stringify(join(import.meta.dirname, 'pty.py'))}).read())`
  return await runPython(program, spec)
}

/** Python in a process of its own: the exchange answers meanwhile. */
async function runPython(program: string, spec: string): Promise<Seen> {
  const code = `const { spawnSync } = require('node:child_process'); const r = spawnSync('python3', ['-c', ${JSON.stringify(program)}, ${JSON.stringify(spec)}], { encoding: 'utf8', maxBuffer: 1e8 }); process.stdout.write(r.stdout); process.stderr.write(r.stderr)`
  const { stdout, stderr } = await startNode(['-e', code]).ended
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Seen
}

/** What a terminal has been told and not been told back. */
function leftBehind(text: string): string[] {
  const last = (one: string, other: string): boolean => text.lastIndexOf(one) > text.lastIndexOf(other)
  // what is typed is echoed by the terminal itself, and may come behind the last word of a program that has ended
  const line = text.slice(text.lastIndexOf('\n') + 1).replaceAll('^C', '')
  return [
    ...(last(`${ESC}[?25l`, `${ESC}[?25h`) ? ['cursor hidden'] : []),
    ...(last(`${ESC}[?7l`, `${ESC}[?7h`) ? ['wrapping off'] : []),
    ...([...text.matchAll(new RegExp(`${ESC}\\[([\\d;]*)m`, 'g'))].at(-1)?.[1]?.match(/^(|0|39|22)$/) === null ? ['a colour'] : []),
    ...(line.slice(line.lastIndexOf(`${ESC}[K`) < 0 ? 0 : line.lastIndexOf(`${ESC}[K`) + 3) !== '' ? [`a line: ${line}`] : []),
  ]
}

describe.skipIf(!HAS_PYTHON)('a terminal is left as it was found', () => {
  const INGEST = ['ingest', 'AAAUSDT', '--intervals', '1h', '--start', '2024-05-01', '--concurrency', '1', '--archives', 'daily']
  test.each([
    ['Ctrl-C', ['^C'], 130],
    ['Ctrl-C twice', ['^C', '^C'], 130],
    ['SIGTERM', ['SIGTERM'], 130],
    ['SIGHUP', ['SIGHUP'], 130],
  ])('after %s', async (_name, send, exit) => {
    await using temp = await createTempDirectory()
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 20_000 }])
    const seen = await runOnTerminal([...INGEST, '--lake', temp.lake, '--state', temp.path], '\\d+%', send)
    expect([seen.exit, seen.same, leftBehind(seen.text)]).toEqual([exit, true, []])
    // share, rate and time left are on the line of 80 columns
    expect(seen.text).toMatch(/\r[█░]{10} \d+% · [\d.]+ k?B\/s( · ETA \d+.*)?/)
    for (const line of seen.text.split(/\r|\n/)) expect(line.replaceAll(`${ESC}[K`, '').length).toBeLessThanOrEqual(80)
    if (send.length === 1) expect(seen.text).toMatch(/Interrupted, \d+ days to go\./)
  })

  test('after exit 4', async () => {
    await using temp = await createTempDirectory()
    exchange.sandbox.setFaults([{ kind: 'status', match: '/api/v3/klines', status: 418 }])
    const seen = await runOnTerminal([...INGEST, '--lake', temp.lake, '--state', temp.path], 'never', [])
    expect([seen.exit, seen.same, leftBehind(seen.text)]).toEqual([4, true, []])
    expect(seen.text).toMatch(/stopped early: CKVD_[\s\S]*What is stored/)
  })

  test('fetch shows how far it is, and what came at the end; verify of how many', async () => {
    await using temp = await createTempDirectory()
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 20_000 }])
    const lake = ['--lake', temp.lake, '--state', temp.path]
    const range = ['--start', '2024-05-01', '--end', '2024-05-21']
    const fetched = await runOnTerminal(['fetch', 'AAAUSDT', '--interval', '5m', ...range, ...lake], 'never', [])
    expect([fetched.exit, leftBehind(fetched.text)]).toEqual([0, []])
    expect(fetched.text).toMatch(/\r[█░]{10} \d+% · [\d.]+ days\/s · ETA .* · \d+\/20 days fetched/)
    expect(fetched.text).toMatch(/5,760 rows \(20 days from Vision\) in [\d.]+ m?s/)
    const verified = await runOnTerminal(['verify', ...lake], 'never', [])
    expect([verified.exit, leftBehind(verified.text)]).toEqual([0, []])
    expect(verified.text).toMatch(/checked \d+\/20 shards/)
  })
})
