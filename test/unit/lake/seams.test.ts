import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLakeWriter } from '../../../src/lake/lake-writer.ts'
import type { LakeWriter } from '../../../src/lake/lake-writer.ts'
import { shardPath } from '../../../src/lake/layout.ts'
import { createQuarantine } from '../../../src/lake/quarantine.ts'
import { adoptShard, readShard } from '../../../src/lake/shards.ts'
import { addDays } from '../../../src/model/utc-day.ts'
import { createBlock } from '../../../src/read/column-block.ts'
import { readParts } from '../../../src/read/shard-columns.ts'
import { MemoryLedger } from '../../support/memory-ledger.ts'
import { MemoryShards } from '../../support/memory-shards.ts'
import { BTC as BTC_1H, day, barsOf } from './lake-fixtures.ts'

/** A series of files a day. */
const BTC = { ...BTC_1H, interval: '5m' } as const

const ITEMS = Array.from({ length: 100 }, (_, i) =>
  barsOf(BTC, addDays(day('2024-01-01'), i), { price: 100 + i, missing: i % 9 === 3 ? [3, 9] : [] }),
)

/** A lake of which nothing lies on a disk: every answer of its store comes later, and so does what its ledger records. */
describe('chunks whose files and whose ledger are far away', () => {
  let shards: MemoryShards
  let ledger: MemoryLedger
  let writer: LakeWriter
  beforeEach(async () => {
    shards = new MemoryShards()
    ledger = new MemoryLedger()
    writer = createLakeWriter(shards, ledger)
    await Promise.all(ITEMS.map((item) => writer.put(item)))
  })
  afterEach(() => writer.close())

  /** Reads all days; those that are bad, and the closes of the others. */
  async function read() {
    let before = 0
    const parts = ITEMS.map(({ row }) => ({ row, offset: (before += row.rows) - row.rows }))
    const target = createBlock(['openTime', 'close'], before)
    const bad = await readParts(shards, BTC, parts, target, new AbortController().signal)
    const good = parts.filter((part) => !bad.includes(part))
    return {
      bad: bad.map(({ row }) => row.day),
      closes: good.map(({ row, offset }) => new Set(target.close?.subarray(offset, offset + row.rows))),
    }
  }

  test('are stored with their rows and gaps, and read and adopted as they were', async () => {
    expect(ledger.readDays(BTC)).toEqual(ITEMS.map(({ row }) => row))
    expect(ledger.listGaps(BTC)).toEqual(ITEMS.flatMap(({ gaps }) => gaps))
    for (const { row, gaps } of ITEMS.slice(0, 12)) {
      expect((await readShard(shards, BTC, row.day, row)).meta).toMatchObject({ day: row.day, rows: row.rows })
      const adopted = await adoptShard(shards, BTC, row.day)
      expect(adopted).toEqual({ row: { ...row, updatedAt: adopted?.row.updatedAt }, gaps })
    }
  })

  test('give their columns, the first time and again', async () => {
    const all = { bad: [], closes: ITEMS.map((_, i) => new Set([100 + i])) }
    expect(await read()).toEqual(all)
    expect(await read()).toEqual(all)
  })

  test('are bad where a file is gone or another one, and all of them where nobody answers', async () => {
    await shards.remove(shardPath(BTC, ITEMS[5]!.row.day))
    await shards.put([{ path: shardPath(BTC, ITEMS[7]!.row.day), bytes: ITEMS[8]!.shard }])
    expect((await read()).bad).toEqual([ITEMS[5]!.row.day, ITEMS[7]!.row.day])
    shards.breakDown()
    expect((await read()).bad).toHaveLength(ITEMS.length)
  })

  test('are not recorded where the store takes nothing, and the error names the chunk', async () => {
    shards.breakDown()
    const item = barsOf(BTC, '2025-01-01')
    const last = item.row.day
    await expect(writer.put(item)).rejects.toMatchObject({ code: 'CKVD_LAKE_IO', details: { symbol: 'BTCUSDT', day: last } })
    expect(ledger.getDay(BTC, last)).toBeUndefined()
  })

  test('fail one by one where the ledger refuses a row of a group', async () => {
    const good = barsOf(BTC, '2025-01-01')
    const bad = { ...barsOf(BTC, '2025-01-02'), gaps: barsOf(BTC, '2025-01-09', { missing: [1] }).gaps }
    const [one, other] = await Promise.allSettled([writer.put(good), writer.put(bad)])
    expect(one.status).toBe('fulfilled')
    expect(other).toMatchObject({ status: 'rejected', reason: { code: 'CKVD_BUG', details: { day: '2025-01-02' } } })
    expect(ledger.getDay(BTC, day('2025-01-01'))).toEqual(good.row)
    expect(ledger.getDay(BTC, day('2025-01-02'))).toBeUndefined()
  })

  test('have a quarantine that knows what it kept before', async () => {
    const archive = { key: 'data/x.zip', bytes: new Uint8Array(6), sha256: 'f'.repeat(64), reason: { code: 'CKVD_ZIP_CRC' } }
    const bounds = { maxBytes: 10, maxArchives: 4 }
    const kept = await createQuarantine(shards, bounds).keep(archive)
    expect(await shards.get(String(kept))).toEqual(archive.bytes)
    expect(await createQuarantine(shards, bounds).keep(archive)).toBe(kept)
    expect(await createQuarantine(shards, bounds).keep({ ...archive, key: 'data/y.zip' })).toBeNull()
  })
})
