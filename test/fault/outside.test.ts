import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ingestCommand, runHere, startCkvd } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, digestTree, listFiles, waitUntil } from '../support/temp-lake.ts'

/* Nothing outside of lake and export is ever written or removed, whatever links lie in them. */

const NOW = '2024-03-05T12:00:00Z'
const SERIES = 'data/spot/monthly/klines/AAAUSDT/1h'
const PARTITION = 'data/market=spot/symbol=AAAUSDT'

let exchange: TestExchange
let world: TempDirectory

beforeAll(async () => {
  const markets = [
    { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-01' },
    { market: 'spot', symbol: 'CCCUSDT', firstDay: '2024-02-01' },
  ] as const
  exchange = await startExchange(NOW, { markets })
  world = await createTempDirectory()
  const args = ingestCommand(world.lake, '--start', '2024-03-01', '--json', '--quiet')
  expect((await runHere(args, { env: exchange.env, stdin: 'AAAUSDT\nCCCUSDT' })).exit).toBe(0)
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await exchange[Symbol.asyncDispose]()
})

/** A copy of the lake, and beside it a folder of precious files, named as ours are. */
async function createPlace(): Promise<TempDirectory & { precious: string }> {
  const place = await createTempDirectory()
  await cp(world.lake, place.lake, { recursive: true })
  return { ...place, precious: join(place.path, 'precious') }
}

/** Puts a link where a folder was, which is moved to `target`. */
async function replaceByLink(folder: string, target: string): Promise<void> {
  await rename(folder, target)
  await symlink(target, folder)
}

describe('a link in a lake', () => {
  test.each([SERIES, 'data/spot', 'data'])('%s: a prune is refused and removes nothing that it leads to', async (folder) => {
    await using place = await createPlace()
    await replaceByLink(join(place.lake, folder), place.precious)
    const before = await digestTree(place.precious)
    const { exit, stderr } = await runHere(['verify', '--lake', place.lake, '--prune', 'spot/AAAUSDT/1h'])
    expect({ exit, stderr }).toMatchObject({ exit: 4, stderr: expect.stringMatching(/^error CKVD_LAKE_IO: .*symbolic link/) as string })
    expect(await digestTree(place.precious)).toEqual(before)
    expect(before.length).toBeGreaterThan(0)
  })

  test.each(['catalog.sqlite', 'catalog.sqlite-wal'])('in the place of %s: who only reads writes nothing where it leads', async (name) => {
    await using place = await createPlace()
    await rename(join(place.lake, 'catalog.sqlite'), place.precious)
    await symlink(name === 'catalog.sqlite' ? place.precious : join(place.path, 'none'), join(place.lake, name))
    if (name !== 'catalog.sqlite') await cp(place.precious, join(place.lake, 'catalog.sqlite'))
    const before = await listFiles(place.path)
    const range = ['--interval', '1h', '--start', '2024-03-02', '--end', '2024-03-03']
    for (const args of [
      ['coverage'],
      ['verify'],
      ['upgrade'],
      ['export', '--out', join(place.path, 'out')],
      ['fetch', 'AAAUSDT', ...range, '--source', 'cache'],
    ]) {
      const { exit, stderr } = await runHere([...args, '--lake', place.lake], { env: exchange.env })
      expect({ args, exit, stderr }).toEqual({
        args,
        exit: 4,
        stderr: expect.stringMatching(/^error CKVD_LAKE_IO: .*symbolic link/) as string,
      })
    }
    expect(await listFiles(place.path)).toEqual(before)
  })

  test('data on another disk: the refusal says how a lake gets there, and that way works', async () => {
    await using place = await createPlace()
    await replaceByLink(join(place.lake, 'data'), place.precious)
    const args = (lake: string) => ingestCommand(lake, '--start', '2024-02-20', '--json', '--quiet')
    const refused = await runHere(args(place.lake), { env: exchange.env, stdin: 'AAAUSDT' })
    expect([refused.exit, refused.stderr]).toEqual([4, expect.stringContaining("make the lake's own directory the link")])

    await using other = await createPlace()
    await replaceByLink(other.lake, other.precious)
    expect((await runHere(args(other.lake), { env: exchange.env, stdin: 'AAAUSDT' })).exit).toBe(0)
    expect((await runHere(['verify', '--lake', other.lake, '--prune', 'spot/AAAUSDT/1h'])).exit).toBe(0)
    expect(existsSync(join(other.precious, SERIES))).toBe(true)
    expect(await listFiles(join(other.precious, SERIES))).toEqual([])
  })

  test('in the place of a shard: the link goes, what it leads to stays', async () => {
    await using place = await createPlace()
    const [shard = ''] = await listFiles(join(place.lake, SERIES))
    const path = join(place.lake, SERIES, shard)
    await rename(path, place.precious)
    await symlink(place.precious, path)
    expect((await runHere(['verify', '--lake', place.lake, '--prune', 'spot/AAAUSDT/1h'])).exit).toBe(0)
    expect(await listFiles(join(place.lake, SERIES))).toEqual([])
    expect((await readFile(place.precious)).length).toBeGreaterThan(0)
  })
})

test.each(['link', 'pipe'])(
  'a %s in the place of what availability keeps beside its reports: nothing is written where it leads',
  async (kind) => {
    await using place = await createTempDirectory()
    const out = join(place.path, 'reports')
    const precious = join(place.path, 'precious')
    await mkdir(out)
    await writeFile(precious, 'precious')
    const cache = join(out, '.availability-cache.jsonl')
    if (kind === 'link') await symlink(precious, cache)
    else expect(spawnSync('sh', ['-c', 'mkfifo "$0"', cache]).status).toBe(0)
    const refused = await startCkvd(['availability', '--market', 'spot', '--out', out], { env: exchange.env }).ended
    expect(refused).toMatchObject({ exit: 4, stderr: expect.stringMatching(/^error CKVD_REPORT_IO: .*remove it/) as string })
    expect(await readFile(precious, 'utf8')).toBe('precious')
    // files alone: no report either
    expect(await listFiles(out)).toEqual([])
  },
)

describe('a link in an export', () => {
  const replaced = (place: TempDirectory, out: string) =>
    runHere(['export', '--lake', place.lake, '--out', out, '--symbols', 'CCCUSDT', '--replace', '--quiet'])

  test.each([PARTITION, `${PARTITION}/interval=1h`, 'data'])('%s: a replacement is refused and removes nothing outside', async (folder) => {
    await using place = await createPlace()
    const out = join(place.path, 'out')
    expect((await runHere(['export', '--lake', place.lake, '--out', out, '--quiet'])).exit).toBe(0)
    await replaceByLink(join(out, folder), place.precious)
    const before = await digestTree(place.precious)
    const { exit, stderr } = await replaced(place, out)
    expect({ exit, stderr }).toMatchObject({ exit: 4, stderr: expect.stringMatching(/^error CKVD_EXPORT_IO: .*symbolic link/) as string })
    expect(await digestTree(place.precious)).toEqual(before)
  })

  test.each(['.ckvd', '.ckvd/tmp'])('%s: nothing is locked or swept there', async (folder) => {
    await using place = await createPlace()
    const out = join(place.path, 'out')
    await mkdir(place.precious)
    await mkdir(join(place.precious, 'tmp'))
    const ours = '0b0e7dd5-2f4f-4c4e-9a55-0d6f6f0f0a11.tmp' // as temporary files of ours are named
    for (const at of ['.', 'tmp']) await writeFile(join(place.precious, at, ours), 'mine')
    const before = await digestTree(place.precious)
    await mkdir(join(out, folder, '..'), { recursive: true })
    await symlink(place.precious, join(out, folder))
    expect((await replaced(place, out)).exit).toBe(4)
    expect(await digestTree(place.precious)).toEqual(before)
  })
})

describe('a link before the place of a file', () => {
  test('--out is not written into the lake, whichever way its path goes', async () => {
    await using place = await createPlace()
    const before = await digestTree(place.lake)
    await symlink(join(place.lake, 'data'), place.precious)
    const range = ['--interval', '1h', '--start', '2024-03-02', '--end', '2024-03-03']
    const args = ['fetch', 'AAAUSDT', ...range, '--source', 'cache', '--format', 'csv', '--lake', place.lake]
    const { exit, stderr } = await runHere([...args, '--out', join(place.precious, 'bars.csv')], { env: exchange.env })
    expect({ exit, stderr }).toMatchObject({ exit: 2, stderr: expect.stringMatching(/^error CKVD_USAGE: .*outside of the lake/) as string })
    expect(await digestTree(place.lake)).toEqual(before)
  })
})

test('what a killed fetch left beside its file goes with the next one', async () => {
  await using place = await createPlace()
  const out = join(place.path, 'files', 'bars.csv')
  await mkdir(join(out, '..'))
  const args = [
    'fetch',
    'AAAUSDT',
    '--interval',
    '1h',
    '--start',
    '2024-02-10',
    '--end',
    '2024-02-12',
    '--format',
    'csv',
    '--lake',
    place.lake,
    '--out',
    out,
  ]
  exchange.sandbox.setFaults([{ kind: 'stall', match: '\\.zip$', at: 'headers' }])
  const killed = startCkvd(args, { env: exchange.env })
  await waitUntil('the temporary file', async () => (await listFiles(join(out, '..'))).length > 0)
  killed.kill('SIGKILL')
  await killed.ended
  expect(await listFiles(join(out, '..'))).toEqual([expect.stringMatching(/^bars\.csv\..*\.tmp$/)])
  exchange.sandbox.setFaults([])
  expect((await runHere(args, { env: exchange.env })).exit).toBe(0)
  expect(await listFiles(join(out, '..'))).toEqual(['bars.csv'])
})
