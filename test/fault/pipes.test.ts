import { spawnSync } from 'node:child_process'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandResult } from '../support/ckvd.ts'
import { ingestCommand, runHere, startCkvd } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

/* Where a file of ours is expected there may be a pipe that nobody writes to: who opens it waits for ever, and hears no signal. */

const NOW = '2024-03-05T12:00:00Z'
const SHARD = 'data/spot/monthly/klines/AAAUSDT/1h/AAAUSDT-1h-2024-03.arrow'
const RANGE = ['--interval', '1h', '--start', '2024-03-02', '--end', '2024-03-03']
/** A command that waits for a pipe is ended by nothing else. */
const PATIENCE_MS = 20_000

let exchange: TestExchange
let world: TempDirectory

beforeAll(async () => {
  exchange = await startExchange(NOW, { markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-01' }] })
  world = await createTempDirectory()
  const args = ingestCommand(world.lake, '--start', '2024-03-01', '--end', '2024-03-04', '--quiet')
  expect((await runHere(args, { env: exchange.env, stdin: 'AAAUSDT' })).exit).toBe(0)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await exchange[Symbol.asyncDispose]()
})

async function putPipe(path: string): Promise<void> {
  await rm(path, { force: true })
  expect(spawnSync('sh', ['-c', 'mkfifo "$0"', path]).status).toBe(0)
}

/** Runs a command in a process of its own, since it may never come back. */
async function runPatiently(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const running = startCkvd(args, { env: { ...exchange.env, ...env }, stdin: 'AAAUSDT' })
  const timer = setTimeout(() => running.kill('SIGKILL'), PATIENCE_MS)
  const ended = await running.ended
  clearTimeout(timer)
  return ended
}

describe.skipIf(process.platform === 'win32')('a pipe in the place of', { timeout: 120_000 }, () => {
  test.each(['lake.json', 'catalog.sqlite', 'catalog.sqlite-wal', SHARD])('%s of a lake: no command waits for it', async (name) => {
    await using place = await createTempDirectory()
    await cp(world.lake, place.lake, { recursive: true })
    await putPipe(join(place.lake, name))
    const commands = [
      ['coverage', '--lake', place.lake],
      ['verify', '--lake', place.lake],
      ['fetch', 'AAAUSDT', ...RANGE, '--source', 'cache', '--lake', place.lake],
      ['export', '--lake', place.lake, '--out', join(place.path, 'out')],
      ingestCommand(place.lake, '--start', '2024-03-01', '--end', '2024-03-05'),
    ]
    const ends: CommandResult[] = []
    for (const args of commands) ends.push(await runPatiently(args))
    for (const [i, { exit, stdout, stderr }] of ends.entries()) {
      const told = `${commands[i]?.[0] ?? ''}: ${stdout}${stderr}`
      expect(told).not.toMatch(/CKVD_BUG|^ +at /m)
      // a command that has no need of the file ends well
      expect([0, 3, 4], told).toContain(exit)
      if (exit === 4) expect(told).toContain('A pipe or a device stands where a file is needed')
    }
    expect(ends.filter(({ exit }) => exit === 0).length).toBeLessThan(name === SHARD ? 3 : 1)
  })

  test('the manifest of an export', async () => {
    await using place = await createTempDirectory()
    await mkdir(join(place.path, 'out'))
    await putPipe(join(place.path, 'out', 'manifest.json'))
    for (const args of [
      ['export', '--lake', world.lake, '--out', join(place.path, 'out')],
      ['query', 'SELECT 1', '--from', join(place.path, 'out')],
    ])
      expect(await runPatiently(args)).toMatchObject({ exit: 4, stderr: expect.stringContaining('A pipe or a device') as string })
  })

  test('the account: told, and it is in the lake', async () => {
    await using place = await createTempDirectory()
    await putPipe(join(place.path, 'rest-account.sqlite'))
    const args = ['fetch', 'AAAUSDT', ...RANGE, '--source', 'rest', '--lake', place.lake, '--state', place.path]
    expect(await runPatiently(args)).toMatchObject({ exit: 0, stderr: expect.stringContaining('is no file') as string })
  })
})
