import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import type { WritableLake } from '../../../src/lake/lake.ts'
import { openLake } from '../../../src/lake/lake.ts'
import { shardPath } from '../../../src/lake/layout.ts'
import { runUpgrade } from '../../../src/lake/upgrade.ts'
import { runVerify } from '../../../src/lake/verify.ts'
import { chunkOf, HOURS, putFormer } from '../../support/two-formats.ts'
import { day, inTempDirectory } from './lake-fixtures.ts'

const DAYS = ['2024-01-01', '2024-01-02', '2024-01-03']
const RANGE = { first: day('2024-01-01'), end: day('2024-01-04') }
const PACK = shardPath(HOURS, RANGE.first)

async function inLake(test: (lake: WritableLake, root: string) => Promise<void>): Promise<void> {
  await inTempDirectory(async (root) => {
    await using lake = await openLake(root, { mode: 'write' })
    await test(lake, root)
  })
}

async function put(lake: WritableLake, names: readonly string[], options: Parameters<typeof chunkOf>[1] = {}): Promise<void> {
  await Promise.all(names.map((name) => lake.writer.put(chunkOf(name, options).packed)))
}

/** The digest of the file that proves the days of January, as a reader is told; undefined where each day is proven by its own. */
function provenBy({ catalog }: WritableLake, range = RANGE): string | undefined {
  return catalog.findWhole(HOURS, [range], 24)[0]?.pack?.sha256
}

function sha256Of(root: string): string {
  return createHash('sha256')
    .update(readFileSync(join(root, PACK)))
    .digest('hex')
}

describe('a pack with all bars of its days', () => {
  it('is proven by the digest of its file, wholly or in part', async () => {
    await inLake(async (lake, root) => {
      await put(lake, DAYS)
      expect(provenBy(lake)).toBe(sha256Of(root))
      const part = { first: day('2024-01-02'), end: day('2024-01-03') }
      const pack = { ...RANGE, sha256: sha256Of(root) }
      expect(lake.catalog.findWhole(HOURS, [part], 24)).toEqual([{ ...part, rows: 24, digests: '', pack }])
      expect(provenBy(lake, { ...RANGE, end: day('2024-01-05') })).toBeUndefined()
      expect(lake.catalog.findWhole(HOURS, [part], 96)).toEqual([])
      await put(lake, ['2024-01-04'], { price: 8 })
      expect(provenBy(lake)).toBe(sha256Of(root))
    })
  })

  it('so is one that an upgrade makes', async () => {
    await inLake(async (lake, root) => {
      for (const name of DAYS) putFormer(lake, chunkOf(name).former)
      expect(await runUpgrade(lake, [HOURS])).toMatchObject({ chunks: 3, left: [] })
      expect(provenBy(lake)).toBe(sha256Of(root))
    })
  })

  it.each([
    ['lacks bars', (lake: WritableLake) => put(lake, ['2024-01-02'], { missing: [4] })],
    ['is recorded as failed', (lake: WritableLake) => lake.catalog.commit([recorded(lake, { condition: 'failed' })])],
    ['is recorded with other bytes', (lake: WritableLake) => lake.catalog.commit([recorded(lake, { shardSha256: 'e'.repeat(64) })])],
    ['is forgotten', (lake: WritableLake) => lake.catalog.deleteDay(HOURS, day('2024-01-02'))],
    ['belongs to a series that is', (lake: WritableLake) => lake.catalog.deleteSeries(HOURS)],
    [
      'is mended by hand',
      (lake: WritableLake) => {
        const file = new Database(lake.paths.catalog)
        file.exec("UPDATE days SET condition = 'disputed' WHERE day = '2024-01-02'")
        file.close()
      },
    ],
  ])('is not once a day of it %s', async (_, change) => {
    await inLake(async (lake) => {
      await put(lake, DAYS)
      expect(provenBy(lake)).toBeDefined()
      await change(lake)
      expect(provenBy(lake)).toBeUndefined()
    })
  })

  it('is not where a day that it takes along was altered, or a day between is missing', async () => {
    await inLake(async (lake, root) => {
      await put(lake, DAYS.slice(0, 2))
      const bytes = readFileSync(join(root, PACK))
      bytes.writeDoubleLE(7, bytes.indexOf(Buffer.from(new Float64Array([100, 100]).buffer)))
      writeFileSync(join(root, PACK), bytes)
      await put(lake, ['2024-01-03'])
      expect(provenBy(lake)).toBeUndefined()
      expect((await runVerify(lake)).bad.map((one) => one.day)).toEqual(['2024-01-01'])
    })
    await inLake(async (lake) => {
      await put(lake, ['2024-01-01', '2024-01-03'])
      for (const name of ['2024-01-01', '2024-01-03'])
        expect(provenBy(lake, { first: day(name), end: day(name.replace(/.$/, (digit) => String(Number(digit) + 1))) })).toBeUndefined()
    })
  })

  it('a person who accepts a day changes nothing of it', async () => {
    await inLake(async (lake) => {
      await put(lake, DAYS)
      lake.catalog.setAccepted(HOURS, day('2024-01-02'), 'looked at it')
      expect(provenBy(lake)).toBeDefined()
    })
  })
})

describe('a catalog of an earlier build, which knows of no packs', () => {
  it('is read day by day, and gets to know those that are written next', async () => {
    await inTempDirectory(async (root) => {
      {
        await using lake = await openLake(root, { mode: 'write' })
        await put(lake, DAYS)
      }
      const file = new Database(join(root, 'catalog.sqlite'))
      file.exec('DROP TRIGGER packs_insert; DROP TRIGGER packs_update; DROP TRIGGER packs_delete; DROP TABLE packs;')
      file.close()
      {
        await using lake = await openLake(root, { mode: 'read' })
        expect(lake.catalog.findWhole(HOURS, [RANGE], 24)).toMatchObject([
          { ...RANGE, rows: 72, digests: expect.stringMatching(/^[0-9a-f]{192}$/) as string },
        ])
      }
      await using lake = await openLake(root, { mode: 'write' })
      expect(provenBy(lake)).toBeUndefined()
      await put(lake, ['2024-01-04'])
      expect(provenBy(lake)).toBe(sha256Of(root))
      rmSync(join(root, PACK))
    })
  })
})

function recorded(lake: WritableLake, change: object) {
  const row = lake.catalog.getDay(HOURS, day('2024-01-02'))
  if (row === undefined) throw new Error('Expected a row of the day.')
  return { row: { ...row, ...change }, gaps: [] }
}
