import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { runCkvd } from '../support/ckvd.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Interval, Market, Row } from '../support/lying-exchange-bars.ts'
import { msOf } from '../support/lying-exchange-bars.ts'
import { storedPath } from '../support/stored-chunk.ts'
import { listFiles } from '../support/temp-lake.ts'

/* No byte of a shard reaches a caller unchecked, and no row of the catalog is believed that cannot be. */

/** Days that lie in files of their own, and one among others in a file of a month; and an interval to resample to. */
const DAYS = [
  ['2024-03-02', '1m', '5m'],
  ['2024-03-03', '1m', '5m'],
  ['2024-03-04', '1m', '5m'],
  ['2024-03-03', '1h', '4h'],
] as const

async function openStored(market: Market = 'spot', interval: Interval = '1m'): Promise<Lab> {
  const lab = await Lab.open({ market, interval, from: '2024-03-01' })
  lab.series.publish('2024-03-01', '2024-03-10')
  const told = await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')
  if (told.exit !== 0) throw new Error(`the lake is not as it should be: ${JSON.stringify(told.problems)}`)
  return lab
}

/** The file that holds a day. */
function shardOf(lab: Lab, day: string): string {
  return join(lab.lake, storedPath(lab.series.life, day))
}

/** Another close in a shard, twice as high or, `subtle`, one that the bar could have; size and times of the file stay. */
async function doubleClose(lab: Lab, day: string, subtle = false): Promise<{ readonly row: Row; readonly wrong: string }> {
  const path = shardOf(lab, day)
  const bytes = await readFile(path)
  const row = lab.series.closed(`${day}T10:00`)[0]!
  const right = Buffer.alloc(8)
  right.writeDoubleLE(Number(row.close))
  // the row after it in the same column tells it from an equal number elsewhere
  const next = Buffer.alloc(8)
  next.writeDoubleLE(Number(lab.series.closed(row.openMs + 1)[0]!.close))
  const at = bytes.indexOf(Buffer.concat([right, next]))
  if (at < 0) throw new Error('the close is not in the shard')
  const other = subtle ? Number(row.open) : Number(row.close) * 2
  if (other === Number(row.close)) throw new Error('this bar closes where it opened')
  bytes.writeDoubleLE(other, at)
  const { atime, mtime } = await stat(path)
  await writeFile(path, bytes)
  await utimes(path, atime, mtime)
  // as a cell: its digits may stand in another number
  return { row, wrong: `,${String(other)},` }
}

const fetchArgs = (lab: Lab, ...flags: string[]): string[] => {
  const { market, symbol, interval } = lab.series.life
  return ['fetch', symbol, '--market', market, '--interval', interval, '--lake', lab.lake, '--format', 'csv', ...flags]
}

describe.each(DAYS)('a rotten byte in the shard of %s, bars of %s', (day, interval, larger) => {
  it.each([
    ['three days', '2024-03-02', '2024-03-05'],
    ['the day', day, `2024-03-0${Number(day.slice(-1)) + 1}`],
    ['a part of the day', `${day}T09:00:00Z`, `${day}T11:00:00Z`],
    ['all', '2024-03-01', '2024-03-08'],
  ])('is not handed out: fetch --source cache of %s', async (_, start, end) => {
    await using lab = await openStored('spot', interval)
    const { wrong } = await doubleClose(lab, day)
    // in a process of its own: a digest that was checked before says nothing of this
    const result = await runCkvd(fetchArgs(lab, '--source', 'cache', '--start', start, '--end', end), {
      env: lab.env,
      cwd: lab.directory.path,
    })
    expect(result.exit, result.stderr).toBe(3)
    expect(result.stdout.split(/[,\n]/)).not.toContain(wrong)
  })

  it('keeps no other day from being handed out', async () => {
    await using lab = await openStored('spot', interval)
    await doubleClose(lab, day)
    for (const [start, end] of [
      ['2024-03-01', day],
      [`2024-03-0${Number(day.slice(-1)) + 1}`, '2024-03-08'],
    ] as const) {
      const { exit, stdout, stderr } = await runCkvd(fetchArgs(lab, '--source', 'cache', '--start', start, '--end', end), {
        env: lab.env,
        cwd: lab.directory.path,
      })
      expect([exit, stdout.trimEnd().split('\n').length - 1], stderr).toEqual([0, lab.series.closed(start, end).length])
    }
  })

  it('is fetched again where the sources may be asked', async () => {
    await using lab = await openStored('spot', interval)
    const { row } = await doubleClose(lab, day)
    const result = await runCkvd(fetchArgs(lab, '--start', '2024-03-02', '--end', '2024-03-05'), { env: lab.env, cwd: lab.directory.path })
    expect(result.exit, result.stderr).toBe(0)
    const line = result.stdout.split('\n').find((text) => text.startsWith(new Date(row.openMs).toISOString().slice(0, 19)))
    expect(Number(line!.split(',')[4])).toBe(Number(row.close))
  })

  it.each(['parquet', 'csv', 'arrow'])('is not exported as %s', async (format) => {
    await using lab = await openStored('spot', interval)
    const { wrong } = await doubleClose(lab, day)
    const out = join(lab.directory.path, 'out')
    const result = await lab.run(['export', '--lake', lab.lake, '--out', out, '--format', format])
    expect(result.exit, result.stdout).not.toBe(0)
    for (const file of await listFiles(out)) {
      if (file.endsWith('.csv')) expect((await readFile(join(out, file), 'utf8')).split(/[,\n]/)).not.toContain(wrong)
    }
  })

  it('is not resampled', async () => {
    await using lab = await openStored('spot', interval)
    const { wrong } = await doubleClose(lab, day)
    const result = await lab.run(['resample', 'AAAUSDT', '--from', interval, '--to', larger, '--format', 'csv', '--lake', lab.lake])
    expect(result.exit, result.stderr).not.toBe(0)
    expect(result.stdout.split(/[,\n]/)).not.toContain(wrong)
  })

  it.each([
    ['of a price that cannot be', false],
    ['of a price that could be', true],
  ])('%s is found by verify, with the catalog and without it', async (_, subtle) => {
    await using lab = await openStored('spot', interval)
    await doubleClose(lab, day, subtle)
    for (const isLost of [false, true]) {
      if (isLost) await loseCatalog(lab)
      const result = await lab.run(['verify', '--lake', lab.lake, '--json'])
      expect(result.exit, result.stdout).toBe(3)
      expect((JSON.parse(result.stdout) as { bad: { day: string }[] }).bad.map((bad) => bad.day)).toEqual([day])
    }
  })

  it('does not become whole by an ingest after the catalog is lost', async () => {
    await using lab = await openStored('spot', interval)
    await doubleClose(lab, day, true)
    await loseCatalog(lab)
    await lab.run(['verify', '--lake', lab.lake, '--json'])
    await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')).toMatchObject({ exit: 0 })
    expect(await lab.differences('2024-03-01', '2024-03-08')).toEqual([])
  })
})

async function loseCatalog(lab: Lab): Promise<void> {
  for (const name of await readdir(lab.lake)) if (name.startsWith('catalog.sqlite')) await rm(join(lab.lake, name))
}

describe('a row of the catalog that cannot be', () => {
  it.each([
    ['without a shard', 'shard_sha256 = null, rows = 0'],
    ['with fewer rows than expected', 'rows = 7'],
  ])('%s: is not believed by the next ingest', async (_, change) => {
    await using lab = await openStored('spot', '1h')
    const database = new Database(join(lab.lake, 'catalog.sqlite'))
    try {
      database.prepare(`update days set ${change} where day = '2024-03-03'`).run()
      await rm(shardOf(lab, '2024-03-03'))
    } catch (error) {
      // a schema that refuses it is as good
      expect(String(error)).toMatch(/constraint/i)
    } finally {
      database.close()
    }
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')).toMatchObject({ exit: 0 })
    expect(await lab.differences('2024-03-01', '2024-03-08')).toEqual([])
  })

  it.each([
    ['complete without a shard', 'shard_sha256 = null, rows = 0'],
    ['complete without a digest', 'shard_sha256 = null'],
    ['complete with fewer rows than expected', 'rows = 7'],
    ['provisional without a shard', "condition = 'provisional', source = 'rest', shard_sha256 = null, rows = 0"],
  ])('%s: is refused, or found by verify and mended', async (_, change) => {
    await using lab = await openStored('um', '1h')
    const database = new Database(join(lab.lake, 'catalog.sqlite'))
    let refused = false
    try {
      database.prepare(`update days set ${change} where day = '2024-03-03'`).run()
    } catch (error) {
      refused = /constraint/i.test(String(error))
      if (!refused) throw error
    } finally {
      database.close()
    }
    if (!refused) {
      const found = await lab.run(['verify', '--lake', lab.lake, '--json'])
      expect(found.exit, found.stdout).toBe(3)
      expect(found.stdout).toContain('2024-03-03')
      expect((await lab.run(fetchArgs(lab, '--source', 'cache', '--start', '2024-03-02', '--end', '2024-03-05'))).exit).toBe(3)
    }
    await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-08')).toMatchObject({ exit: 0 })
    expect(await lab.differences('2024-03-01', '2024-03-08')).toEqual([])
  })

  it('a shard that is gone is found', async () => {
    await using lab = await openStored('cm', '1h')
    await rm(shardOf(lab, '2024-03-03'))
    expect((await lab.run(['verify', '--lake', lab.lake, '--json'])).exit).toBe(3)
    expect((await lab.run(fetchArgs(lab, '--source', 'cache', '--start', '2024-03-02', '--end', '2024-03-05'))).exit).toBe(3)
  })

  it('a lost catalog is built again from the shards, day by day the same', async () => {
    await using lab = await openStored('spot', '1h')
    const before = lab.conditions()
    await loseCatalog(lab)
    const result = await lab.run(['verify', '--lake', lab.lake, '--json'])
    expect(result.exit, result.stdout).toBe(0)
    expect(lab.conditions()).toEqual(before)
    expect(lab.days().every(({ day }) => msOf(day) >= msOf('2024-03-01'))).toBe(true)
  })
})
