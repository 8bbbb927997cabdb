import { describe, expect, it } from 'vitest'
import { openCatalog } from '../../../src/lake/catalog/catalog.ts'
import type { LakeFilter } from '../../../src/lake/selection.ts'
import { listAbsent, listSelectedSeries } from '../../../src/lake/selection.ts'
import type { Series } from '../../../src/model/series.ts'
import { day, inTempDirectory, rowOf, seriesRowOf } from './lake-fixtures.ts'

/** In the order that is promised: markets as Binance has them, symbols as text, intervals by length. */
const ORDERED = ['spot/AAA/1m', 'spot/AAA/1h', 'spot/BBB/1s', 'um/AAA/1h', 'um/AAA/1M', 'um/ZZZ/5m', 'cm/AAA/1d']
/** Those of which no day is stored: the listing knows them. */
const LISTED_ONLY = ['spot/BBB/1s', 'um/ZZZ/5m']

const nameOf = ({ market, symbol, interval }: Series): string => `${market}/${symbol}/${interval}`

function seriesOf(name: string): Series {
  const [market, symbol, interval] = name.split('/')
  return { market, symbol, interval } as Series
}

async function select(...filters: readonly LakeFilter[]): Promise<string[][]> {
  const selected: string[][] = []
  await inTempDirectory((directory) => {
    using catalog = openCatalog(`${directory}/catalog.sqlite`, { mode: 'write' })
    const stored = ORDERED.filter((name) => !LISTED_ONLY.includes(name))
    // last first, and one of them listed as well as stored
    for (const name of [...LISTED_ONLY, 'um/AAA/1h'].reverse())
      catalog.putSeries(seriesRowOf(seriesOf(name), { firstDay: day('2024-01-01') }))
    catalog.commit(stored.reverse().map((name) => ({ row: rowOf(seriesOf(name), '2024-01-01'), gaps: [] })))
    for (const filter of filters) selected.push(listSelectedSeries(catalog, filter).map(nameOf))
    return Promise.resolve()
  })
  return selected
}

describe('the series that a filter lets through', () => {
  it('are all, listed or stored, each once, in order, when nothing is filtered', async () => {
    expect(await select({}, { intervals: 'all' })).toEqual([ORDERED, ORDERED])
  })

  it.each<[LakeFilter, string[]]>([
    [{ market: 'um' }, ['um/AAA/1h', 'um/AAA/1M', 'um/ZZZ/5m']],
    [{ symbols: ['ZZZ', 'BBB'] }, ['spot/BBB/1s', 'um/ZZZ/5m']],
    [{ symbols: [] }, []],
    [{ intervals: ['1h'] }, ['spot/AAA/1h', 'um/AAA/1h']],
    [{ market: 'spot', symbols: ['AAA'], intervals: ['1m', '1M'] }, ['spot/AAA/1m']],
    [{ market: 'cm', symbols: ['BBB'] }, []],
  ])('%j', async (filter, expected) => {
    expect(await select(filter)).toEqual([expected])
  })
})

describe('what a filter names and no series has', () => {
  const found = ['spot/AAA/1m', 'um/BBB/1h'].map(seriesOf)
  it.each<[LakeFilter, string[]]>([
    [{}, []],
    [{ symbols: ['AAA', 'BBB'], intervals: ['1m', '1h'] }, []],
    [{ symbols: ['CCC', 'AAA', 'DDD'] }, ['CCC', 'DDD']],
    [{ intervals: ['1h', '1d'] }, ['1d']],
    [{ symbols: ['CCC'], intervals: ['1s'] }, ['CCC', '1s']],
    [{ symbols: ['CCC'], intervals: 'all' }, ['CCC']],
  ])('%j: %j', (filter, absent) => {
    expect(listAbsent(filter, found)).toEqual(absent)
  })

  it('of no series it is all that it names', () => {
    expect(listAbsent({ symbols: ['AAA'], intervals: ['1m'] }, [])).toEqual(['AAA', '1m'])
  })
})
