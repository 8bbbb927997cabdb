import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ingestCommand, ingestResult, runHere, startCkvd } from '../support/ckvd.ts'
import { MAIN, runCli, sharedPool } from '../support/dist.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, listFiles, waitUntil } from '../support/temp-lake.ts'

/* What a run stores does not depend on whether anybody can be told of it. */

const NOW = '2024-03-20T12:00:00Z'
const FULL = '/dev/full'
const DAYS = 19

let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, { markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] })
})
afterAll(() => exchange[Symbol.asyncDispose]())
beforeEach(() => {
  exchange.sandbox.setFaults([])
  exchange.sandbox.clearRequests()
})

type Place = 'full' | 'closed' | 'read'

/** `ckvd ARGS` with its outputs on a full disk, in a pipe that nobody reads, or read to the end. */
async function runInto(args: readonly string[], places: { stdout: Place; stderr: Place }, env: Record<string, string> = {}) {
  const full = openSync(FULL, 'w')
  const stdio = (place: Place) => (place === 'full' ? full : 'pipe')
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...exchange.env, ...env },
    stdio: ['pipe', stdio(places.stdout), stdio(places.stderr)],
  })
  const told = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    if (places[name] === 'closed') child[name]?.destroy()
    else child[name]?.setEncoding('utf8').on('data', (text: string) => (told[name] += text))
  }
  child.stdin?.end('AAAUSDT')
  const [exit] = (await once(child, 'close')) as [number | null]
  closeSync(full)
  return { exit, ...told }
}

async function storedDays(temp: TempDirectory): Promise<number> {
  return (await readStoredChunks(temp.lake)).length
}

describe.skipIf(!existsSync(FULL))('output that fails', () => {
  test.each([
    ['full', /^error CKVD_DISK_FULL: Cannot write to standard output: the disk is full/m],
    ['closed', /^error CKVD_REPORT_IO: Cannot write to standard output: its reader has closed it/m],
  ] as const)('standard output is %s: every day is stored, one sentence tells it, and the exit code is 4', async (place, sentence) => {
    for (const flags of [[], ['--json']]) {
      await using temp = await createTempDirectory()
      const args = ingestCommand(temp.lake, '--start', '2024-03-01', ...flags)
      const { exit, stderr } = await runInto(args, { stdout: place, stderr: 'read' })
      expect({ exit, stderr }).toEqual({ exit: 4, stderr: expect.stringMatching(sentence) as string })
      expect(stderr).not.toMatch(/\n {4}at /)
      expect(await storedDays(temp)).toBe(DAYS)
    }
  })

  test.each(['full', 'closed'] as const)('standard error is %s: every day is stored, and the result says so', async (place) => {
    await using temp = await createTempDirectory()
    const args = ingestCommand(temp.lake, '--start', '2024-03-01', '--json', '--verbose')
    const result = await runInto(args, { stdout: 'read', stderr: place })
    expect(ingestResult({ ...result, stderr: '' })).toMatchObject({ exit: 0, stored: DAYS })
    expect(result.exit).toBe(0)
  })

  test('both are full, and the log file too: every day is stored', async () => {
    await using temp = await createTempDirectory()
    const args = ingestCommand(temp.lake, '--start', '2024-03-01', '--verbose')
    expect((await runInto(args, { stdout: 'full', stderr: 'full' }, { CKVD_LOG_FILE: FULL })).exit).toBe(4)
    expect(await storedDays(temp)).toBe(DAYS)
  })

  test('the log file alone is full: that is told once, and the run is none the worse', async () => {
    await using temp = await createTempDirectory()
    const args = ingestCommand(temp.lake, '--start', '2024-03-01', '--verbose', '--json')
    const result = await runInto(args, { stdout: 'read', stderr: 'read' }, { CKVD_LOG_FILE: FULL })
    expect(ingestResult(result)).toMatchObject({ exit: 0, stored: DAYS })
    expect(result.stderr.match(/The log file \/dev\/full can no longer be written/g)).toHaveLength(1)
  })

  test('an error keeps its own exit code, and help and version have one as well', async () => {
    expect((await runInto(['ingest', '--market', 'nowhere'], { stdout: 'full', stderr: 'full' })).exit).toBe(2)
    expect((await runInto(['ingest', '--market', 'nowhere', '--json'], { stdout: 'full', stderr: 'read' })).exit).toBe(2)
    for (const words of [['--version'], ['ingest', '--help']])
      expect((await runInto(words, { stdout: 'full', stderr: 'read' })).exit).toBe(4)
  })
})

describe('a hangup', () => {
  /** Starts an ingest, hangs up while it downloads, and then lets it go on. */
  async function hangUp(temp: TempDirectory, env: Record<string, string>) {
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 20_000 }])
    const run = startCkvd(ingestCommand(temp.lake, '--start', '2024-03-01', '--json'), {
      env: { ...exchange.env, ...env },
      stdin: 'AAAUSDT',
    })
    await waitUntil('the first download', () => exchange.requests('archive').length > 0)
    run.kill('SIGHUP')
    return ingestResult(await run.ended)
  }

  test('stops a run as SIGTERM does: cleanly, and the same command goes on from there', async () => {
    await using temp = await createTempDirectory()
    expect(await hangUp(temp, {})).toMatchObject({ exit: 130, stopped: { code: 'CKVD_ABORTED' } })
    expect(await listFiles(join(temp.lake, 'tmp'))).toEqual([])
    exchange.sandbox.setFaults([])
    const again = await runHere(ingestCommand(temp.lake, '--start', '2024-03-01', '--json'), { env: exchange.env, stdin: 'AAAUSDT' })
    expect(ingestResult(again)).toMatchObject({ exit: 0 })
  })

  // the shell's variable, as bash sets it for `nohup ckvd …`
  test('changes nothing under nohup', async () => {
    await using temp = await createTempDirectory()
    expect(await hangUp(temp, { _: '/usr/bin/nohup' })).toMatchObject({ exit: 0, stored: DAYS })
  })
})

describe('a terminal', () => {
  const ESC = '\u001b'

  /** An ingest on a terminal of both outputs, interrupted as soon as its bar is there. Gives all that the terminal got, in order. */
  async function interrupted(env: Record<string, string>): Promise<{ exit: number; text: string }> {
    await using temp = await createTempDirectory()
    exchange.sandbox.setFaults([{ kind: 'slow', match: '\\.zip$', bytesPerSecond: 20_000 }])
    const stop = new AbortController()
    let text = ''
    const output = {
      isTTY: true,
      columns: 100,
      write(part: string) {
        text += part
        if (part.includes('%')) stop.abort()
      },
    }
    const exit = await runCli(ingestCommand(temp.lake, '--start', '2024-03-01'), {
      stdin: Readable.from(['AAAUSDT']),
      stdout: output,
      stderr: output,
      env: { ...exchange.env, ...env },
      cwd: temp.path,
      signal: stop.signal,
      pool: sharedPool,
      now: Date.now,
    })
    return { exit, text }
  }

  test('is left as it was found when a run is interrupted: no mode is changed, and the summary has lines of its own', async () => {
    const { exit, text } = await interrupted({ TERM: 'xterm' })
    expect(exit).toBe(130)
    // no mode is changed, so that there is none to give back
    expect(text).toContain('%')
    expect(text).not.toContain(`${ESC}[?`)
    // nothing of the bar stands on the line on which the table begins
    const before = text.slice(0, text.indexOf('┌'))
    const line = before.slice(
      Math.max(before.lastIndexOf('\n') + 1, before.lastIndexOf(`${ESC}[2K`) + 4, before.lastIndexOf(`${ESC}[K`) + 3),
    )
    expect(line).toBe('')
    expect(text.slice(text.indexOf('┌'))).not.toContain(ESC)
  })

  test('that is dumb gets no control sequence at all', async () => {
    await using temp = await createTempDirectory()
    let text = ''
    const output = { isTTY: true, columns: 100, write: (part: string) => (text += part) }
    const context = {
      stdin: Readable.from(['AAAUSDT']),
      stdout: output,
      stderr: output,
      cwd: temp.path,
      signal: new AbortController().signal,
      now: Date.now,
    }
    const env = { ...exchange.env, TERM: 'dumb' }
    expect(await runCli(ingestCommand(temp.lake, '--start', '2024-03-01', '--verbose'), { ...context, env, pool: sharedPool })).toBe(0)
    expect(text).toContain('chunk recorded')
    expect(text).not.toContain(ESC)
  })
})

test('a working directory that was removed is told, and is no matter for --version', async () => {
  await using temp = await createTempDirectory()
  const gone = join(temp.path, 'gone')
  await mkdir(gone)
  const inGone = async (args: string): Promise<[number | null, string]> => {
    const child = spawn(
      'sh',
      ['-c', `mkdir -p "${gone}" && cd "${gone}" && rmdir "${gone}" && exec "${process.execPath}" "${MAIN}" ${args}`],
      { stdio: 'pipe' },
    )
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part))
    const [exit] = (await once(child, 'close')) as [number | null]
    return [exit, text]
  }
  expect(await inGone('coverage --lake lake')).toEqual([
    2,
    expect.stringMatching(/^error CKVD_USAGE: The working directory .* has been removed/),
  ])
  expect(await inGone('--version')).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+/)])
})
