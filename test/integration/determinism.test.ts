import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import { ingestResult, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { StoredChunk } from '../support/stored-chunk.ts'
import { bytesOf, readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'

/** Content that takes every way through the program: whole days, holes that REST fills, real outages, odd archives. */
const CONTENT: readonly FaultRule[] = [
  { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: '2024-02-07', at: '07:36' },
  { kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-02-11T04:00:00Z', to: '2024-02-11T06:00:00Z' },
  { kind: 'outage', market: 'um', symbol: 'BBBUSDT', from: '2024-02-20T00:00:00Z', to: '2024-02-23T00:00:00Z' },
  { kind: 'drop-day', market: 'um', symbol: 'BBBUSDT', day: '2024-02-02' },
  { kind: 'unlisted', market: 'cm', symbol: 'CCCUSD_PERP', day: '2024-03-04' },
  { kind: 'duplicate-rows', match: 'AAAUSDT-1h-2024-03-01' },
  { kind: 'unsorted-rows', match: 'AAAUSDT-1h-2024-03-02' },
  { kind: 'off-grid', market: 'spot', symbol: 'AAAUSDT', from: '2024-03-03T02:00:00Z', to: '2024-03-03T05:00:00Z', offsetMs: 14_789 },
]

/** Downloads that end in another order than they began. */
const SLOW: readonly FaultRule[] = [
  { kind: 'slow', match: '2024-01(-2\\d)?\\.zip$', bytesPerSecond: 30_000 },
  { kind: 'slow', match: 'BBBUSDT-1h-2024-03-0[1-5]\\.zip$', bytesPerSecond: 6_000 },
  { kind: 'slow', match: '2024-03-1[0-9]\\.zip\\.CHECKSUM$', bytesPerSecond: 1_200, times: 10 },
  { kind: 'slow', match: '2024-02\\.zip$', bytesPerSecond: 60_000 },
]

const UNIVERSE = [
  'market,symbol,earliest_date,available_intervals',
  'spot,AAAUSDT,2024-01-20,"1h,1w"',
  'um,BBBUSDT,2024-01-20,"1h"',
  'cm,CCCUSD_PERP,2024-01-20,"1h"',
].join('\n')

describe('the same inputs give the same bytes under data/', () => {
  let exchange: TestExchange
  let reference: string[]
  let chunks: StoredChunk[]

  async function ingest(lake: string, ...flags: string[]) {
    const common = ['ingest', '--universe', '-', '--intervals', '1h,1w', '--lake', lake, '--json', '--quiet']
    return ingestResult(await runHere([...common, ...flags], { env: exchange.env, stdin: UNIVERSE }))
  }

  beforeAll(async () => {
    exchange = await startExchange(NOW, {
      faults: CONTENT,
      markets: [
        { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-20', opensAt: '05:00' },
        { market: 'um', symbol: 'BBBUSDT', firstDay: '2024-01-20' },
        { market: 'cm', symbol: 'CCCUSD_PERP', firstDay: '2024-01-20' },
      ],
    })
    await using one = await createTempDirectory()
    const result = await ingest(one.lake, '--workers', '1', '--concurrency', '1')
    expect(result).toMatchObject({ exit: 0, problems: [], series: 4 })
    reference = await digestTree(join(one.lake, 'data'))
    chunks = await readStoredChunks(one.lake)
  })

  afterAll(() => exchange[Symbol.asyncDispose]())

  test('the reference holds every day that has a bar', () => {
    const of = (symbol: string, interval: string): string[] =>
      chunks
        .filter(({ metadata }) => metadata.get('ckvd.symbol') === symbol && metadata.get('ckvd.interval') === interval)
        .map(({ day }) => day)
    const hours = (symbol: string): number => new Set(of(symbol, '1h')).size
    // 2024-01-20 to 2024-03-19 are 60 days; three of BBBUSDT are one outage
    expect([hours('AAAUSDT'), hours('BBBUSDT'), hours('CCCUSD_PERP')]).toEqual([60, 57, 60])
    expect(of('AAAUSDT', '1w')).toEqual(['2024-01-01', '2024-02-01'])
    expect(chunks).toHaveLength(60 + 57 + 60 + 2)
    // a pack a month, a pack a year
    expect(reference.map((line) => line.split(' ')[0]?.split('/').at(-1)).toSorted()).toEqual(
      [
        ...['AAAUSDT', 'BBBUSDT', 'CCCUSD_PERP'].flatMap((name) => ['01', '02', '03'].map((month) => `${name}-1h-2024-${month}.arrow`)),
        'AAAUSDT-1w-2024.arrow',
      ].toSorted(),
    )
  })

  test.each([
    ['4 workers, 32 downloads at once', [], ['--workers', '4', '--concurrency', '32']],
    ['4 workers, downloads that end in another order', SLOW, ['--workers', '4', '--concurrency', '32']],
    ['16 workers, 64 downloads at once, that end in another order', SLOW, ['--workers', '16', '--concurrency', '64']],
    ['2 workers, few downloads at once, that end in another order', SLOW, ['--workers', '2', '--concurrency', '3']],
  ])('%s', async (_name, faults, flags) => {
    exchange.sandbox.setFaults([...CONTENT, ...faults])
    await using other = await createTempDirectory()
    const result = await ingest(other.lake, ...flags)
    expect(result).toMatchObject({ exit: 0, problems: [] })
    expect(await digestTree(join(other.lake, 'data'))).toEqual(reference)
  })

  test('the lake in parts, later days first, is the lake at once', async () => {
    exchange.sandbox.setFaults(CONTENT)
    await using parts = await createTempDirectory()
    // whole months, so that the same archives are taken
    for (const [start, end] of [
      ['2024-03-01', '2024-03-20'],
      ['2024-02-01', '2024-03-01'],
      ['2024-01-01', '2024-02-01'],
    ] as const) {
      expect((await ingest(parts.lake, '--start', start, '--end', end)).problems).toEqual([])
    }
    expect((await ingest(parts.lake)).exit).toBe(0)
    expect(await digestTree(join(parts.lake, 'data'))).toEqual(reference)
  })

  test('from daily archives and from monthly ones: the same column bytes, only the provenance differs', async () => {
    exchange.sandbox.setFaults([])
    await using daily = await createTempDirectory()
    await using monthly = await createTempDirectory()
    const range = ['--intervals', '1h', '--start', '2024-02-01', '--end', '2024-03-01']
    for (const [directory, choice] of [
      [daily, 'daily'],
      [monthly, 'monthly'],
    ] as const) {
      expect((await ingest(directory.lake, ...range, '--archives', choice)).days.complete).toBe(3 * 29)
    }
    const files = await listFiles(join(daily.lake, 'data'))
    expect(files).toEqual(await listFiles(join(monthly.lake, 'data')))
    const [some, others] = [await readStoredChunks(daily.lake), await readStoredChunks(monthly.lake)]
    expect(some).toHaveLength(3 * 29)
    expect(others).toHaveLength(3 * 29)
    for (const [i, one] of some.entries()) {
      const other = others[i]!
      expect(bytesOf(one).equals(bytesOf(other)), one.day).toBe(true)
      const different = [...one.metadata].filter(([name, value]) => other.metadata.get(name) !== value).map(([name]) => name)
      expect(different.sort()).toEqual(['ckvd.archive.etag', 'ckvd.archive.key', 'ckvd.archive.sha256', 'ckvd.source'])
    }
  })
})
