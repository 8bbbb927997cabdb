import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CryptoKlineVisionData, DataProvider, DataSource, MarketType } from '../../src/index.ts'
import type { Interval } from '../../src/index.ts'
import { openLake } from '../../src/lake/lake.ts'
import { createLogger } from '../../src/log.ts'
import type { ResampledBars } from '../../src/model/resample.ts'
import { LakeResampler, openRange } from '../../src/resample/resample-lake.ts'
import { jsonOf, runHere, startCkvd } from '../support/ckvd.ts'
import { runExport } from '../support/dist.ts'
import type { TwinLakes } from '../support/format1-lake.ts'
import { createTwinLakes } from '../support/format1-lake.ts'
import { createTempDirectory, digestTree, queryCatalog } from '../support/temp-lake.ts'

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

  it('is resampled with the same bars by who began before', { timeout: 120_000 }, async () => {
    const lake = await twins.copy()
    const hours = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' } as const
    const resample = async (meanwhile: () => Promise<unknown>): Promise<unknown> => {
      await using opened = await openLake(lake, { mode: 'read' })
      const resampler = new LakeResampler(opened, hours, '1d', openRange(undefined, undefined))
      const bars: ResampledBars[] = []
      for await (const some of resampler.bars(new AbortController().signal)) {
        if (bars.length === 0) await meanwhile()
        bars.push(some)
      }
      return { bars, unexplained: resampler.unexplained, neverRequested: resampler.neverRequested }
    }
    const before = await resample(() => Promise.resolve())
    const upgrade = () => runHere(['upgrade', '--lake', lake, '--json', '--quiet'])
    const meanwhile = await resample(async () => expect(jsonOf(await upgrade())).toMatchObject({ exit: 0, left: [] }))
    expect(meanwhile).toEqual(before)
  })

  it('is exported whole by who began before; afterwards no file of the export is written anew', { timeout: 120_000 }, async () => {
    await using directory = await createTempDirectory()
    const [out, fresh] = [join(directory.path, 'out'), join(directory.path, 'fresh')]
    const lake = await twins.copy()
    let upgraded: unknown
    {
      await using opened = await openLake(lake, { mode: 'read' })
      const result = await runExport(opened, {
        ...{ out, encoding: { format: 'parquet', gzip: false }, filter: {}, replace: false, workers: 1 },
        logger: createLogger({ level: 'ERROR', destination: { write: () => true } }),
        signal: new AbortController().signal,
        steps: async (step, path) => {
          if (step === 'before write' && path.endsWith('.json'))
            upgraded ??= jsonOf(await runHere(['upgrade', '--lake', lake, '--json', '--quiet']))
        },
      })
      expect(upgraded).toMatchObject({ exit: 0, left: [] })
      expect(result).toMatchObject({ problems: [], files: { failed: 0 } })
    }
    const files = await digestTree(join(out, 'data'))
    const exportTo = async (folder: string) => jsonOf(await runHere(['export', '--lake', lake, '--out', folder, '--json', '--quiet']))
    expect(await exportTo(out)).toMatchObject({ problems: [], files: { written: 0, removed: 0 } })
    expect(await digestTree(join(out, 'data'))).toEqual(files)
    expect(await exportTo(fresh)).toMatchObject({ problems: [] })
    expect(await digestTree(join(fresh, 'data'))).toEqual(files)
  })
})
