import { describe, expect, it } from 'vitest'
import type { Market } from '../../../../src/model/market.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { formatCsvReports } from '../../../../src/report/availability/availability-csv.ts'
import type { SymbolListing } from '../../../../src/report/availability/availability.ts'
import { findAvailability, findCommonBases } from '../../../../src/report/availability/availability.ts'

const day = (text: string): UtcDay => text as UtcDay

/** Ranges as `2024-01-01..2024-02-01`, the end excluded. */
function listing(market: Market, symbol: string, ...ranges: string[]): SymbolListing {
  const parsed = ranges.map((range) => ({ start: day(range.slice(0, 10)), end: day(range.slice(12)) }))
  return { market, symbol, intervals: ['12h', '1m'], interval: '1m', days: { kind: 'all', ranges: parsed } }
}

describe('findAvailability', () => {
  const luna = listing('spot', 'LUNAUSDT', '2020-08-21..2022-05-14', '2022-05-31..2024-01-10')

  it('tells days and holes', () => {
    expect(findAvailability([luna], { asOf: day('2024-01-12'), recentDays: 5 })).toEqual([
      {
        ...{ dataset: 'klines', market: 'spot', symbol: 'LUNAUSDT', kind: 'spot', delivery_date: null, base: 'LUNA', quote: 'USDT' },
        ...{ first: '2020-08-21', last: '2024-01-09', recent: true, days: 631 + 589, missing_days: 17 },
        ...{ missing: [{ start: '2022-05-14', end: '2022-05-31', days: 17 }], interval: '1m', available_intervals: ['12h', '1m'] },
      },
    ])
  })

  it('sees nothing that came after the as-of day: not a day, not a hole, not a symbol', () => {
    const during = findAvailability([luna], { asOf: day('2022-05-20'), recentDays: 5 })
    expect(during).toMatchObject([{ last: '2022-05-13', recent: false, missing_days: 0, missing: [] }])
    expect(findAvailability([luna], { asOf: day('2020-08-20'), recentDays: 5 })).toEqual([])
    expect(findAvailability([luna], { asOf: day('2020-08-21'), recentDays: 0 })).toMatchObject([
      { first: '2020-08-21', last: '2020-08-21', days: 1, recent: true },
    ])
  })

  it('calls a symbol recent up to the day and not a day longer', () => {
    const recent = (asOf: string) => findAvailability([luna], { asOf: day(asOf), recentDays: 5 })[0]?.recent
    expect([recent('2024-01-14'), recent('2024-01-15')]).toEqual([true, false])
  })

  it('orders by market and then by symbol, byte by byte', () => {
    const names = ['龙虾USDT', 'ZRXUSDT', '1INCHUSDT'].map((symbol) => listing('um', symbol, '2024-01-01..2024-01-10'))
    const found = findAvailability([listing('cm', 'BTCUSD_PERP', '2024-01-01..2024-01-10'), ...names, luna], {
      asOf: day('2024-01-10'),
      recentDays: 5,
    })
    expect(found.map(({ symbol }) => symbol)).toEqual(['LUNAUSDT', '1INCHUSDT', 'ZRXUSDT', '龙虾USDT', 'BTCUSD_PERP'])
  })
})

describe('findCommonBases and the reports', () => {
  const now = '..2024-01-10'
  const symbols = findAvailability(
    [
      ...[
        listing('spot', 'BTCUSDT', `2017-08-17${now}`),
        listing('um', 'BTCUSDT', `2019-12-31${now}`),
        listing('cm', 'BTCUSD_PERP', `2020-08-11${now}`),
      ],
      ...[listing('spot', 'AUSDT', `2018-01-01${now}`), listing('um', 'AUSDT', `2018-01-01${now}`)],
      ...[
        listing('spot', 'BUSDT', `2018-01-01${now}`),
        listing('um', 'BUSDT', `2018-01-01${now}`),
        listing('cm', 'BUSD_PERP', '2020-08-11..2021-01-01'),
      ],
      ...[listing('spot', 'DEADUSDT', '2018-01-01..2022-01-01'), listing('um', 'DEADUSDT', `2018-01-01${now}`)],
      ...[
        listing('spot', 'ETHUSDC', `2018-01-01${now}`),
        listing('um', 'ETHUSDC', `2018-01-01${now}`),
        listing('cm', 'ETHUSD_PERP', `2020-08-11${now}`),
      ],
      ...[listing('spot', 'UMDEADUSDT', `2018-01-01${now}`), listing('um', 'UMDEADUSDT', '2018-01-01..2022-01-01')],
      ...[listing('spot', '1000USDT', `2018-01-01${now}`), listing('um', '10000USDT', `2018-01-01${now}`)],
    ],
    { asOf: day('2024-01-10'), recentDays: 5 },
  )

  it('takes the exact symbol with recent data in both markets, by first day and symbol', () => {
    expect(findCommonBases(symbols, 'USDT').map(({ base, cm }) => `${base} ${cm?.symbol ?? '-'}`)).toEqual([
      'BTC BTCUSD_PERP',
      'A -',
      'B -',
    ])
    expect(findCommonBases(symbols, 'USDC').map(({ base, cm }) => `${base} ${cm?.symbol ?? '-'}`)).toEqual(['ETH ETHUSD_PERP'])
  })

  it('keeps symbols that have ended in the lists of their market', () => {
    const files = new Map(formatCsvReports(symbols, ['spot', 'um', 'cm'], 'USDT').map(({ name, text }) => [name, text]))
    expect(files.get('spot_earliest_dates.csv')).toContain('\nspot,DEADUSDT,2018-01-01,"12h,1m"\n')
    expect(files.get('spot_synchronal.csv')).toBe(
      'market,symbol,earliest_date,available_intervals,base_symbol\nspot,BTCUSDT,2017-08-17,"12h,1m",BTC\n',
    )
    expect(files.get('consolidated_base_symbols.csv')?.split('\n').slice(1, 3)).toEqual([
      'BTC,BTCUSDT,2017-08-17,"12h,1m",BTCUSDT,2019-12-31,"12h,1m",BTCUSD_PERP,2020-08-11,"12h,1m"',
      'A,AUSDT,2018-01-01,"12h,1m",AUSDT,2018-01-01,"12h,1m",,,',
    ])
  })

  it('names the filtered report after the quote, and makes no report over markets that were not listed', () => {
    const names = (markets: Market[], quote: string) => formatCsvReports(symbols, markets, quote).map(({ name }) => name)
    expect(names(['spot', 'um', 'cm'], 'USDC')).toContain('spot_um_usdc_filtered.csv')
    expect(names(['um'], 'USDT')).toEqual(['um_earliest_dates.csv'])
  })
})
