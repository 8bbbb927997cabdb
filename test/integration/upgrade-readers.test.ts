import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CryptoKlineVisionData, DataProvider, DataSource, MarketType } from '../../src/index.ts'
import type { Interval } from '../../src/index.ts'
import { startCkvd } from '../support/ckvd.ts'
import type { TwinLakes } from '../support/format1-lake.ts'
import { createTwinLakes } from '../support/format1-lake.ts'
import { queryCatalog } from '../support/temp-lake.ts'

let twins: TwinLakes
beforeAll(async () => {
  twins = await createTwinLakes()
})
afterAll(() => twins[Symbol.asyncDispose]())

describe('a lake that another process brings to format 2', () => {
  it('gives a reader the same bars before, meanwhile and after', { timeout: 120_000 }, async () => {
    const lake = await twins.copy()
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake })
    const read = async (symbol: string, interval: string): Promise<unknown> => {
      const query = { symbol, interval: interval as Interval, enforceSource: DataSource.CACHE }
      try {
        const { rows, columns } = await ckvd.getColumns({ ...query, startTime: '2024-01-05T00:00:00Z', endTime: '2024-03-19T00:00:00Z' })
        return { rows, closes: [...(columns.close ?? [])] }
      } catch (error) {
        const { code, details } = error as { code: string; details: { gaps?: unknown } }
        return { code, gaps: details.gaps }
      }
    }
    // some have days that nothing explains: these are refused, with the same gaps each time
    const readAll = async (): Promise<unknown[]> => {
      const found = []
      for (const symbol of ['AAAUSDT', 'BBBUSDT'])
        for (const interval of ['15m', '1h', '1d']) found.push({ symbol, interval, read: await read(symbol, interval) })
      return found
    }
    const before = await readAll()
    expect(before).toContainEqual(
      expect.objectContaining({ read: expect.objectContaining({ rows: expect.any(Number) as number }) as object }),
    )
    const upgrading = startCkvd(['upgrade', '--lake', lake, '--quiet'])
    let isDone = false
    const done = upgrading.ended.finally(() => (isDone = true))
    let reads = 0
    while (!isDone) {
      expect(await readAll()).toEqual(before)
      reads++
      // the other process's end is told between two rounds
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await done).toMatchObject({ exit: 0 })
    expect(reads).toBeGreaterThan(1)
    const former = "SELECT count(*) AS n FROM days WHERE interval IN ('15m', '1h', '1d') AND shard_bytes <> 88 * rows"
    expect(queryCatalog(lake, former)).toEqual([{ n: 0 }])
    expect(await readAll()).toEqual(before)
  })
})
