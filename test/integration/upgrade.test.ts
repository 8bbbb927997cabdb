import { spawnSync } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jsonOf, runHere } from '../support/ckvd.ts'
import type { TwinLakes } from '../support/format1-lake.ts'
import { createTwinLakes } from '../support/format1-lake.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'

/** An upgrade that kills itself at a step. */
const UPGRADE_CHILD = fileURLToPath(new URL('../../scripts/torture/upgrade-child.mjs', import.meta.url))

let twins: TwinLakes
beforeAll(async () => {
  twins = await createTwinLakes()
})
afterAll(() => twins[Symbol.asyncDispose]())

/** What `ckvd upgrade --json` prints. */
interface Upgraded {
  readonly exit: number
  readonly series: number
  readonly chunks: number
  readonly files: { readonly before: number; readonly after: number }
  readonly bytes: { readonly before: number; readonly after: number }
  readonly left: readonly { readonly symbol: string; readonly day: string; readonly path: string; readonly code: string }[]
  readonly absent: readonly string[]
}

async function upgrade(lake: string, ...flags: string[]): Promise<Upgraded> {
  return jsonOf(await runHere(['upgrade', '--lake', lake, '--json', '--quiet', ...flags])) as Upgraded
}

async function verify(lake: string, ...flags: string[]): Promise<unknown> {
  return jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet', ...flags]))
}

/** What the catalog says of chunks and gaps, but for digests and sizes where `named` has no word of them. */
function rowsOf(lake: string, columns = '*'): unknown[] {
  return [
    queryCatalog(lake, `SELECT ${columns} FROM days ORDER BY market, symbol, interval, day`),
    queryCatalog(lake, 'SELECT * FROM gaps ORDER BY market, symbol, interval, start_us'),
    queryCatalog(lake, 'SELECT * FROM revisions ORDER BY market, symbol, interval, day'),
  ]
}

/** The format that a lake says it has. */
async function formatOf(lake: string): Promise<unknown> {
  return (JSON.parse(await readFile(join(lake, 'lake.json'), 'utf8')) as { format: unknown }).format
}

/** All that readers say of a lake. */
async function tellAll(lake: string): Promise<unknown> {
  await using directory = await createTempDirectory()
  const range = ['--market', 'spot', '--start', '2024-01-05', '--end', '2024-03-19', '--lake', lake]
  const commands = [
    ['fetch', 'AAAUSDT', ...range, '--interval', '1h', '--source', 'cache', '--format', 'csv'],
    ['fetch', 'AAAUSDT', ...range, '--interval', '1d', '--source', 'cache', '--format', 'csv'],
    ['resample', 'AAAUSDT', ...range, '--from', '1h', '--to', '1d', '--format', 'csv'],
    ['resample', 'AAAUSDT', ...range, '--from', '1h', '--to', '1d', '--check', '--json'],
    ['export', '--lake', lake, '--out', join(directory.path, 'export'), '--format', 'csv', '--quiet'],
  ]
  const told = []
  for (const command of commands) {
    const { exit, stdout } = await runHere(command)
    expect([0, 3]).toContain(exit)
    told.push(command[0] === 'export' ? [exit] : [exit, stdout])
  }
  const { series } = jsonOf(await runHere(['coverage', '--lake', lake, '--json'])) as { series: { bytes?: number }[] }
  // a shard's size is what an upgrade is about
  for (const one of series) delete one.bytes
  const exported = (await digestTree(join(directory.path, 'export/data'))).filter((file) => !file.startsWith('manifest'))
  return { told, series, exported }
}

describe('a lake of format 1', () => {
  it('is read as it is by every command, and after its upgrade with the same values', { timeout: 120_000 }, async () => {
    const lake = await twins.copy()
    const before = await tellAll(lake)
    expect(await formatOf(lake)).toBe(1)
    expect(before).toMatchObject({ exported: expect.arrayContaining([expect.stringContaining('BBBUSDT-15m-2024-02')]) as string[] })
    expect(before).toEqual(await tellAll(twins.packed))
    expect(await upgrade(lake)).toMatchObject({ exit: 0, left: [] })
    expect(await formatOf(lake)).toBe(2)
    expect(await tellAll(lake)).toEqual(before)
  })

  it('becomes, byte for byte and row for row, the lake that a fresh ingest makes; its empty folders go', async () => {
    const lake = await twins.copy()
    const files = (await listFiles(join(lake, 'data'))).length
    const packs = (await listFiles(join(twins.packed, 'data'))).length
    expect(packs).toBeLessThan(files / 10)

    const planned = await upgrade(lake, '--dry-run')
    expect(await digestTree(lake)).toEqual(await digestTree(twins.format1))
    const done = await upgrade(lake)
    expect(done).toMatchObject({ exit: 0, series: 8, left: [], absent: [], files: { before: files - 2, after: packs - 2 } })
    expect(planned).toMatchObject({ series: done.series, chunks: done.chunks, files: done.files, bytes: { before: done.bytes.before } })
    expect(Math.abs(planned.bytes.after / done.bytes.after - 1)).toBeLessThan(0.05)

    expect(await digestTree(join(lake, 'data'))).toEqual(await digestTree(join(twins.packed, 'data')))
    expect(rowsOf(lake)).toEqual(rowsOf(twins.packed))
    expect(await verify(lake)).toMatchObject({ exit: 0, bad: [], foreign: [], adopted: 0, swept: 0 })
    // a second one has nothing to do
    const after = await digestTree(join(lake, 'data'))
    expect(await upgrade(lake)).toMatchObject({ exit: 0, series: 0, chunks: 0, files: { before: 0, after: 0 }, left: [] })
    expect(await digestTree(join(lake, 'data'))).toEqual(after)
  })

  it.each(['after write', 'before rename', 'after rename', 'after sync-dir'])(
    'says that it is of format 2 before it has a pack: an upgrade killed at its first step, %s, is read, and the next one goes on',
    async (moment) => {
      const lake = await twins.copy()
      const task = JSON.stringify({ lake, moment, nth: 1 })
      const { signal } = spawnSync(process.execPath, [UPGRADE_CHILD, task], { stdio: ['ignore', 'ignore', 'inherit'] })
      expect(signal).toBe('SIGKILL')
      expect((await listFiles(join(lake, 'data'))).filter((file) => file.includes('yearly'))).toEqual([])
      expect(await formatOf(lake)).toBe(['after rename', 'after sync-dir'].includes(moment) ? 2 : 1)
      expect(await runHere(['coverage', '--lake', lake, '--json'])).toMatchObject({
        exit: 3,
        stdout: expect.stringContaining('sandbox') as string,
      })
      expect(await upgrade(lake)).toMatchObject({ exit: 0, left: [] })
      expect(await formatOf(lake)).toBe(2)
      expect(await listFiles(join(lake, 'tmp'))).toEqual([])
    },
  )

  it('whose export was made before its upgrade is exported as it was: no file is written, and the manifest says so once', async () => {
    await using directory = await createTempDirectory()
    const out = join(directory.path, 'out')
    const lake = await twins.copy()
    const exportLake = async (): Promise<unknown> => jsonOf(await runHere(['export', '--lake', lake, '--out', out, '--json', '--quiet']))
    expect(await exportLake()).toMatchObject({ problems: [] })
    const files = await digestTree(join(out, 'data'))
    expect(await exportLake()).toMatchObject({ files: { written: 0 } })
    expect(await upgrade(lake)).toMatchObject({ exit: 0, left: [] })
    expect(await exportLake()).toMatchObject({ problems: [], files: { written: 0, unchanged: files.length, removed: 0 }, bytes_written: 0 })
    expect(await digestTree(join(out, 'data'))).toEqual(files)
    const manifest = await readFile(join(out, 'manifest.json'), 'utf8')
    expect(await exportLake()).toMatchObject({ files: { written: 0 } })
    expect(await readFile(join(out, 'manifest.json'), 'utf8')).toBe(manifest)
    expect((await digestTree(join(out, 'data'))).length).toBeGreaterThan(5)
  })

  it('is upgraded in part, as the filters say; what they name and the lake has not is told', async () => {
    const lake = await twins.copy()
    expect(await upgrade(lake, '--market', 'spot', '--intervals', '1d,1w')).toMatchObject({ exit: 0, series: 2 })
    const files = await listFiles(join(lake, 'data'))
    expect(files).toContain('spot/yearly/klines/AAAUSDT/1d/AAAUSDT-1d-2024.arrow')
    expect(files).toContain('spot/daily/klines/AAAUSDT/1h/AAAUSDT-1h-2024-01-01.arrow')
    expect(await verify(lake)).toMatchObject({ exit: 0, bad: [] })
    expect(await upgrade(lake, '--symbols', 'NONEUSDT')).toMatchObject({ exit: 3, chunks: 0, absent: ['NONEUSDT'] })
    expect(await upgrade(lake)).toMatchObject({ exit: 0, series: 6 })
    expect(await digestTree(join(lake, 'data'))).toEqual(await digestTree(join(twins.packed, 'data')))
  })

  it('keeps what is damaged in it where it is, and tells it; verify --repair is the way out', async () => {
    const lake = await twins.copy()
    const rotten = 'data/spot/daily/klines/AAAUSDT/1h/AAAUSDT-1h-2024-01-20.arrow'
    const bytes = await readFile(join(lake, rotten))
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(join(lake, rotten), bytes)
    const lost = 'data/spot/monthly/klines/AAAUSDT/1w/AAAUSDT-1w-2024-01.arrow'
    await rm(join(lake, lost))

    const { exit, left } = await upgrade(lake)
    expect(exit).toBe(3)
    expect(left).toMatchObject([
      { symbol: 'AAAUSDT', day: '2024-01-20', path: rotten, code: 'CKVD_SHARD_DIGEST' },
      { symbol: 'AAAUSDT', day: '2024-01-01', path: lost, code: 'CKVD_SHARD_MISSING' },
    ])
    expect((await readFile(join(lake, rotten))).equals(bytes)).toBe(true)
    expect(await upgrade(lake)).toMatchObject({ exit: 3, chunks: 0, left })
    // it names these two and no other, and so does an upgrade after it
    const { bad } = (await verify(lake)) as { bad: readonly { readonly path: string }[] }
    expect(bad.map(({ path }) => path).sort()).toEqual([rotten, lost].sort())
    expect(await upgrade(lake, '--dry-run')).toMatchObject({ exit: 3, chunks: 0, left })
    expect((await readFile(join(lake, rotten))).equals(bytes)).toBe(true)
  })

  it('whose catalog is lost gets one with all that the shards say, before an upgrade and after it', async () => {
    const said =
      'market, symbol, interval, day, condition, source, rows, expected, archive_key, archive_etag, archive_sha256, off_grid, duplicates, odd_close'
    const files = async (lake: string): Promise<unknown> => {
      await rm(join(lake, 'catalog.sqlite'))
      expect(await verify(lake)).toMatchObject({ exit: 0, bad: [], rebuilt: true })
      const [days, gaps] = rowsOf(lake, said)
      return { days, gaps: (gaps as { evidence: string }[]).map((gap) => ({ ...gap, evidence: JSON.parse(gap.evidence) as unknown })) }
    }
    const lake = await twins.copy()
    const before = await files(lake)
    expect(JSON.stringify(before)).toContain('disputed')
    expect(JSON.stringify(before)).toContain('rest-failed')
    expect(JSON.stringify(before)).toContain('"source":"rest"')
    expect(await upgrade(lake)).toMatchObject({ exit: 0 })
    expect(await files(lake)).toEqual(before)
    expect(await digestTree(join(lake, 'data'))).toEqual(await digestTree(join(twins.packed, 'data')))
  })

  it('tells a person what it has and what it becomes', async () => {
    const lake = await twins.copy()
    const told = await runHere(['upgrade', '--lake', lake, '--dry-run'])
    expect(told.stdout).toMatch(
      /^286 chunks of 8 series stand in files of format 1\nbefore: 286 files, 1\.7 MB\nafter: {2}16 packs, about 5\d\d\.\d kB\n/,
    )
    expect(told.stdout).toMatch(/\nNothing was changed\. \(exit 0\)\n$/)
    expect(told.stderr).toContain('sandbox data')
    await rm(join(lake, 'data/spot/daily/klines/AAAUSDT/1h/AAAUSDT-1h-2024-01-20.arrow'))
    const done = await runHere(['upgrade', '--lake', lake, '--symbols', 'AAAUSDT,NONEUSDT'])
    expect(done.exit).toBe(3)
    expect(done.stdout).toMatch(
      /\nafter: {2}\d+ packs, [\d.]+ kB\n1 damaged shard, left as it is:\n {2}data\/.*-01-20\.arrow {2}CKVD_SHARD_MISSING: .*\n/,
    )
    expect(done.stdout).toMatch(/the lake has nothing of:\n {2}NONEUSDT\nRun `ckvd verify --repair` .*\nDone in .*\(exit 3\)\n$/)
  })

  it('is not begun by an upgrade where there is none', async () => {
    await using directory = await createTempDirectory()
    for (const flags of [[], ['--dry-run']]) {
      expect(await runHere(['upgrade', '--lake', directory.lake, ...flags])).toMatchObject({ exit: 2 })
      expect(await listFiles(directory.path)).toEqual([])
    }
  })
})
