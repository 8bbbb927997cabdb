import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ingestCommand, runHere, startNode } from '../support/ckvd.ts'
import { MAIN } from '../support/dist.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

/* Machines that lack what others have. */

const NOW = '2024-03-20T12:00:00Z'
const INDEX = pathToFileURL(join(MAIN, '../../index.js')).href
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: a user id without an entry (only root can take one)')

describe.skipIf(process.platform !== 'linux')('a process that gets few addresses', () => {
  // each memory of WebAssembly reserves 10 GB of them: those of Node's own parts come first, then a connection's, then the decoder's
  test.each([3, 12, 20, 30])(
    'where addresses are too few even for a connection: exit 4 and what to give, no bug (%i GB)',
    async (gigabytes) => {
      await using temp = await createTempDirectory()
      const command = [process.execPath, MAIN, ...ingestCommand(temp.lake, '--start', '2024-03-01', '--end', '2024-03-04', '--sandbox')]
      const child = spawn('bash', ['-c', `ulimit -v ${gigabytes}000000 && exec "$@"`, 'bash', ...command], {
        env: { PATH: process.env['PATH'] ?? '', CKVD_NOW: NOW },
      })
      child.stdin.on('error', () => undefined).end('BTCUSDT')
      const [stdout, stderr, [exit]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close') as Promise<[number | null]>,
      ])
      expect(`${stdout}${stderr}`).not.toMatch(/CKVD_BUG|HTTP_NETWORK|UNREACHABLE|^ +at /m)
      // V8 itself ends the process where it gets none for the code of a thread: as any kill, and nobody can tell more
      if (/^# Fatal process OOM/m.test(stderr)) return
      expect([0, 4], stderr).toContain(exit)
      if (exit === 4) expect(`${stdout}${stderr}`).toContain('CKVD_MEMORY')
      if (gigabytes < 10) expect(exit).toBe(4)
    },
  )
})

describe('a platform without a prebuilt SQLite', () => {
  const run = async (...args: string[]) => {
    await using temp = await createTempDirectory()
    const hook = join(temp.path, 'hook.cjs')
    // as npm leaves it with --omit=optional: the package is there, the binary is not
    await writeFile(
      hook,
      `const Module = require('node:module')
       const load = Module._load
       Module._load = function (name, ...rest) {
         if (name.startsWith('@libsql/') && name !== '@libsql/detect-libc') throw Object.assign(new Error("Cannot find module '" + name + "'"), { code: 'MODULE_NOT_FOUND' })
         return load.call(this, name, ...rest)
       }`,
    )
    return await startNode(['--require', hook, ...args], { env: { CKVD_LAKE: join(temp.path, 'lake'), CKVD_NOW: NOW }, stdin: 'BTCUSDT' })
      .ended
  }

  test('commands that open a lake say so, with the remedy; all else works', async () => {
    for (const args of [
      ['fetch', 'BTCUSDT', '--days', '1', '--sandbox'],
      ['ingest', '--universe', '-', '--market', 'spot', '--sandbox'],
    ]) {
      const { exit, stderr } = await run(MAIN, ...args)
      expect({ exit, stderr }).toEqual({
        exit: 2,
        stderr: expect.stringMatching(/^error CKVD_SQLITE_MISSING: .*(optional dependencies)/) as string,
      })
      expect(stderr).toContain(process.platform)
    }
    expect(await run(MAIN, '--version')).toMatchObject({ exit: 0, stderr: '' })
    expect(await run(MAIN, 'ingest', '--help')).toMatchObject({ exit: 0, stderr: '' })
  })

  test('the library can be imported, and a call says so', async () => {
    const { exit, stdout, stderr } = await run(
      '--input-type=module',
      '--eval',
      `const { CryptoKlineVisionData } = await import('${INDEX}')
       const ckvd = CryptoKlineVisionData.create('binance', 'spot', { sandbox: true })
       await ckvd.getData({ symbol: 'BTCUSDT', interval: '1d', days: 3 }).catch((error) => console.log(error.code))
       await ckvd.close()`,
    )
    expect({ exit, stdout, stderr }).toEqual({ exit: 0, stdout: 'CKVD_SQLITE_MISSING\n', stderr: '' })
  })
})

describe.skipIf(!isRoot)('a user id without a home and without an entry', () => {
  const run = async (args: readonly string[], env: Record<string, string> = {}) => {
    await using temp = await createTempDirectory()
    await chmod(temp.path, 0o777)
    const child = spawn(process.execPath, args, { uid: 54_321, gid: 54_321, cwd: temp.path, env: { CKVD_NOW: NOW, ...env }, stdio: 'pipe' })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.end('BTCUSDT')
    const [exit] = (await once(child, 'close')) as [number | null]
    return { exit, stdout, stderr, left: await readdir(temp.path) }
  }

  test('needs one only where no lake is named', async () => {
    expect(await run([MAIN, '--version'])).toMatchObject({ exit: 0, stderr: '' })
    expect(await run([MAIN, 'fetch', '--help'])).toMatchObject({ exit: 0, stderr: '' })
    expect(await run(['--input-type=module', '--eval', `await import('${INDEX}')`])).toMatchObject({ exit: 0, stderr: '' })
    for (const env of [{}, { HOME: '' }, { HOME: 'here', XDG_CACHE_HOME: 'there' }] as Record<string, string>[])
      expect(await run([MAIN, 'coverage'], env)).toMatchObject({
        exit: 2,
        stderr: expect.stringMatching(/^error CKVD_CONFIG: .*home.*CKVD_LAKE/) as string,
        left: [],
      })
    const named = await run([MAIN, ...ingestCommand('lake', '--start', '2024-03-18', '--sandbox')])
    expect(named).toMatchObject({ exit: 0, left: ['lake'] })
  })
})

test('an empty HOME makes no lake below the working directory', async () => {
  await using temp = await createTempDirectory()
  await runHere(['coverage'], { env: { HOME: '', XDG_CACHE_HOME: 'cache' }, cwd: temp.path })
  expect(await readdir(temp.path)).toEqual([])
})

test('a lake whose path is too long for SQLite is told so, with the number of bytes', async () => {
  await using temp = await createTempDirectory()
  // 489 bytes are the last that fit; a name has at most 255
  const pathOf = (sizeBytes: number): string => {
    const rest = sizeBytes - temp.path.length - 1
    const half = Math.floor(rest / 2)
    return join(temp.path, 'a'.repeat(half), 'b'.repeat(rest - half - 1))
  }
  const args = (lake: string) => ingestCommand(lake, '--start', '2024-03-18', '--sandbox', '--quiet')
  for (const [sizeBytes, exit] of [
    [489, 0],
    [490, 4],
  ] as const) {
    const lake = pathOf(sizeBytes)
    expect(Buffer.byteLength(lake)).toBe(sizeBytes)
    await mkdir(lake, { recursive: true })
    const result = await runHere(args(lake), { env: { CKVD_NOW: NOW }, stdin: 'BTCUSDT' })
    expect(result.exit).toBe(exit)
    if (exit === 4)
      expect(result.stderr).toMatch(/^error CKVD_LAKE_IO: .*at most 504 bytes, this one has 505\. Choose a directory with a shorter path/)
  }
})
