import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CkvdError, isCkvdError } from '../../../src/errors.ts'
import { readUniverseBytes } from '../../../src/ingest/universe-bytes.ts'
import { parseUniverse } from '../../../src/ingest/universe.ts'
import type { UniverseOptions } from '../../../src/ingest/universe.ts'
import { SHARED } from '../../support/shared.ts'

const HEADER = 'market,symbol,earliest_date,available_intervals,base_symbol'
const TWO = `${HEADER}\nspot,BTCUSDT,2017-08-17,"1d,1h,1m,1s",BTC\nspot,ETHUSDT,2017-08-17,"1d,1m",ETH\n`

function parse(text: string | Uint8Array, options: Partial<UniverseOptions> = {}) {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return parseUniverse(bytes, { name: 'u.csv', intervals: ['1m'], ...options })
}

function refusal(text: string | Uint8Array, options: Partial<UniverseOptions> = {}): CkvdError {
  try {
    parse(text, options)
  } catch (error) {
    if (error instanceof CkvdError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('a CSV', () => {
  test('gives its lines in order, intervals narrowed', () => {
    expect(parse(TWO).series).toEqual([
      { market: 'spot', symbol: 'BTCUSDT', intervals: ['1m'], baseSymbol: 'BTC', line: 2 },
      { market: 'spot', symbol: 'ETHUSDT', intervals: ['1m'], baseSymbol: 'ETH', line: 3 },
    ])
  })

  test('all intervals are those that the line lists, shortest first, 1mo as 1M', () => {
    const { series } = parse(`${HEADER}\num,BTCUSDT,2020-01-01,"12h,1m,1mo,3d",BTC`, { intervals: 'all' })
    expect(series[0]?.intervals).toEqual(['1m', '12h', '3d', '1M'])
  })

  test.each([
    ['a byte order mark', `\uFEFF${TWO}`],
    ['CRLF', TWO.replaceAll('\n', '\r\n')],
    ['no final newline', TWO.trimEnd()],
    ['lower case', TWO.toLowerCase()],
    ['upper case', TWO.toUpperCase().replaceAll('1S', '1s').replaceAll('1M', '1m')],
    ['spaces around cells', TWO.replaceAll(',2017-08-17,', ' , 2017-08-17 , ')],
  ])('with %s is the same', (_name, text) => {
    expect(parse(text).series).toEqual(parse(TWO).series)
  })

  test('blank lines are left out but counted', () => {
    const text = TWO.replace('\nspot,BTC', '\n\n   \nspot,BTC').replace('\nspot,ETH', '\n\nspot,ETH')
    expect(parse(text).series.map(({ symbol, line }) => [symbol, line])).toEqual([
      ['BTCUSDT', 4],
      ['ETHUSDT', 6],
    ])
  })

  test('columns are found by name, others ignored, base_symbol may be absent', () => {
    const text = 'note,available_intervals,symbol,market,earliest_date\nx,"1m,1h",币安人生usdt,SPOT,2025-01-01'
    expect(parse(text).series).toEqual([{ market: 'spot', symbol: '币安人生USDT', intervals: ['1m'], line: 2 }])
  })

  test('a line without any of the intervals is left out and told', () => {
    const universe = parse(TWO, { intervals: ['1h', '1s'] })
    expect(universe.series.map(({ symbol, intervals }) => [symbol, intervals])).toEqual([['BTCUSDT', ['1s', '1h']]])
    expect(universe.withoutInterval.map(({ symbol }) => symbol)).toEqual(['ETHUSDT'])
  })

  test('no line with the interval', () => {
    const error = refusal(TWO, { intervals: ['3m'] })
    expect(error.code).toBe('CKVD_USAGE')
    expect(error.message).toContain('no symbol with interval 3m')
  })
})

describe('filters', () => {
  test('--market keeps one market', () => {
    const text = `${TWO}um,BTCUSDT,2020-01-01,"1m",BTC\n`
    expect(parse(text, { market: 'um' }).series).toEqual([
      { market: 'um', symbol: 'BTCUSDT', intervals: ['1m'], baseSymbol: 'BTC', line: 4 },
    ])
  })

  test('--market that leaves nothing says so and names the way out', () => {
    const error = refusal(TWO, { market: 'um' })
    expect(error.code).toBe('CKVD_USAGE')
    expect(error.exit).toBe(2)
    expect(error.message).toMatch(/no um line.*--map-market um.*USDT contract/)
  })

  test('--symbols keeps some, in any case', () => {
    expect(parse(TWO, { symbols: ['ethusdt'] }).series.map(({ symbol }) => symbol)).toEqual(['ETHUSDT'])
  })

  test('--symbols with one that is not there', () => {
    const error = refusal(TWO, { symbols: ['ETHUSDT', 'FOOUSDT'] })
    expect(error.code).toBe('CKVD_USAGE')
    expect(error.message).toContain('FOOUSDT')
    expect(error.message).not.toContain('ETHUSDT')
  })
})

describe('--map-market', () => {
  test('um: the USDT contract, without 1s', () => {
    expect(parse(TWO, { mapMarket: 'um', intervals: 'all' }).series).toEqual([
      { market: 'um', symbol: 'BTCUSDT', intervals: ['1m', '1h', '1d'], baseSymbol: 'BTC', line: 2 },
      { market: 'um', symbol: 'ETHUSDT', intervals: ['1m', '1d'], baseSymbol: 'ETH', line: 3 },
    ])
  })

  test('cm: the perpetual, found by either name', () => {
    const both = parse(TWO, { mapMarket: 'cm', symbols: ['BTCUSD_PERP', 'ETHUSDT'] })
    expect(both.series.map(({ market, symbol }) => `${market} ${symbol}`)).toEqual(['cm BTCUSD_PERP', 'cm ETHUSD_PERP'])
  })

  test('two lines of one base symbol give one contract with the intervals of both', () => {
    const text = `${HEADER}\nspot,BTCUSDT,2017-08-17,"1m",BTC\nspot,BTCFDUSD,2023-08-04,"1h",BTC\n`
    expect(parse(text, { mapMarket: 'um', intervals: 'all' }).series.map(({ symbol, intervals }) => [symbol, intervals])).toEqual([
      ['BTCUSDT', ['1m', '1h']],
    ])
  })

  test('--market filters the lines that are mapped, or names the same market', () => {
    const text = `${TWO}um,ETHUSDT,2020-01-01,"1m",ETH\num,SOLUSDT,2020-01-01,"1m",SOL\n`
    const symbols = (market: 'spot' | 'um') => parse(text, { mapMarket: 'um', market }).series.map(({ symbol }) => symbol)
    expect(symbols('spot')).toEqual(['BTCUSDT', 'ETHUSDT'])
    expect(symbols('um')).toEqual(['BTCUSDT', 'ETHUSDT', 'SOLUSDT'])
  })

  test('needs base symbols', () => {
    expect(refusal(TWO.replace('base_symbol', 'x'), { mapMarket: 'um' }).code).toBe('CKVD_USAGE')
    expect(refusal('BTCUSDT', { mapMarket: 'um', market: 'spot' }).code).toBe('CKVD_USAGE')
    const error = refusal(TWO.replace(',ETH\n', ',\n'), { mapMarket: 'um' })
    expect(error).toMatchObject({ code: 'CKVD_UNIVERSE', details: { line: 3, column: 5, found: '' } })
  })

  test('1s alone leaves nothing', () => {
    expect(refusal(TWO, { mapMarket: 'um', intervals: ['1s'] }).code).toBe('CKVD_USAGE')
  })
})

describe('a bare list', () => {
  test('takes its market from --market', () => {
    expect(parse('btcusdt\r\n\r\nETHUSDT\r\n', { market: 'um', intervals: ['1h', '1m'] }).series).toEqual([
      { market: 'um', symbol: 'BTCUSDT', intervals: ['1m', '1h'], line: 1 },
      { market: 'um', symbol: 'ETHUSDT', intervals: ['1m', '1h'], line: 3 },
    ])
  })

  test('may have the heading symbol; all intervals stay all', () => {
    expect(parse('symbol\nBTCUSDT', { market: 'cm', intervals: 'all' }).series).toEqual([
      { market: 'cm', symbol: 'BTCUSDT', intervals: 'all', line: 2 },
    ])
  })

  test('without --market is of spot', () => {
    expect(parse('BTCUSDT\nETH/USDT\n').series.map(({ market, symbol }) => [market, symbol])).toEqual([
      ['spot', 'BTCUSDT'],
      ['spot', 'ETHUSDT'],
    ])
  })

  test('an interval that the market does not have', () => {
    expect(refusal('BTCUSDT', { market: 'um', intervals: ['1s'] }).code).toBe('CKVD_USAGE')
  })
})

describe('a wrong file is refused whole, with the place', () => {
  const good = 'spot,BTCUSDT,2017-08-17,"1m,1h",BTC'
  const cases: [string, string, { line: number; column: number; found: string }][] = [
    ['unknown market', `${HEADER}\n${good}\nswap,X,2020-01-01,"1m",X`, { line: 3, column: 1, found: 'swap' }],
    ['unknown interval', `${HEADER}\n${good}\nspot,X,2020-01-01,"1m,7m",X`, { line: 3, column: 4, found: '7m' }],
    ['interval of another market', `${HEADER}\num,X,2020-01-01,"1m,1s",X`, { line: 2, column: 4, found: '1s' }],
    ['interval twice', `${HEADER}\num,X,2020-01-01,"1M,1mo",X`, { line: 2, column: 4, found: '1mo' }],
    ['no interval', `${HEADER}\num,X,2020-01-01,,X`, { line: 2, column: 4, found: '' }],
    ['impossible date', `${HEADER}\n\n${good.replace('2017-08-17', '2023-02-29')}`, { line: 3, column: 3, found: '2023-02-29' }],
    ['no date', `${HEADER}\n${good.replace('2017-08-17', '')}`, { line: 2, column: 3, found: '' }],
    ['path in a symbol', `${HEADER}\n${good.replace('BTCUSDT', '../BTC')}`, { line: 2, column: 2, found: '../BTC' }],
    ['dot in a base symbol', `${HEADER}\nspot,BTCUSDT,2017-08-17,"1m",B.C`, { line: 2, column: 5, found: 'B.C' }],
    ['the same series twice', `${HEADER}\n${good}\n${good.toLowerCase()}`, { line: 3, column: 1, found: 'BTCUSDT' }],
    [
      'a missing column',
      'market,symbol,earliest_date\nspot,BTCUSDT,2017-08-17',
      { line: 1, column: 1, found: 'market,symbol,earliest_date' },
    ],
    ['a column twice', `${HEADER},symbol\n${good},X`, { line: 1, column: 6, found: 'symbol' }],
    ['a cell too few', `${HEADER}\nspot,BTCUSDT,2017-08-17,"1m"`, { line: 2, column: 5, found: 'spot,BTCUSDT,2017-08-17,1m' }],
    [
      'an unquoted list',
      `${HEADER}\nspot,BTCUSDT,2017-08-17,1m,1h,BTC`,
      { line: 2, column: 6, found: 'spot,BTCUSDT,2017-08-17,1m,1h,BTC' },
    ],
    ['NUL', `${HEADER}\nspot,BT\0,2017-08-17,"1m",BTC`, { line: 2, column: 2, found: '\0' }],
    ['an empty file', '', { line: 1, column: 1, found: '' }],
    ['a header alone', `${HEADER}\n`, { line: 2, column: 1, found: '' }],
  ]
  test.each(cases)('%s', (_name, text, place) => {
    const error = refusal(text)
    expect(error).toMatchObject({ code: 'CKVD_UNIVERSE', exit: 2, details: { file: 'u.csv', ...place } })
    expect(error.message).toContain(`u.csv, line ${place.line}, column ${place.column}`)
  })

  test('an open quote', () => {
    expect(refusal(`${HEADER}\nspot,"BTCUSDT,2017-08-17`)).toMatchObject({ code: 'CKVD_UNIVERSE', details: { line: 2, column: 2 } })
  })

  test('bytes that are not UTF-8', () => {
    const latin1 = Buffer.from(`${HEADER}\nspot,\uFFFDBTC,2017-08-17,"1m",B\xe9`, 'latin1')
    const error = refusal(latin1)
    expect(error).toMatchObject({ code: 'CKVD_UNIVERSE', details: { line: 2, found: 'byte 0xfd' } })
    const mixed = Buffer.concat([Buffer.from('A\uFFFDB\nC,'), Buffer.from([0xe9]), Buffer.from('\n')])
    expect(refusal(mixed)).toMatchObject({ details: { line: 2, column: 2, found: 'byte 0xe9' } })
  })

  test('several problems: the first is told, ten are listed, all are counted', () => {
    const rows = Array.from({ length: 12 }, (_, i) => `bad${i},X${i},2020-01-01,"1m",X`)
    const error = refusal([HEADER, ...rows].join('\n'))
    expect(error.message).toContain('"bad0" (and 11 more)')
    expect(error.details).toMatchObject({ count: 12 })
    expect(error.details['problems']).toHaveLength(10)
  })

  test('a file beyond 64 MiB, read no further', async () => {
    let read = 0
    const stdin = (async function* () {
      for (; ; read++) yield await Promise.resolve(new Uint8Array(1024 * 1024).fill(65))
    })()
    await expect(readUniverseBytes('-', { cwd: '.', stdin })).rejects.toMatchObject({
      code: 'CKVD_UNIVERSE',
      message: expect.stringContaining('standard input, line 1, column 1: expected a file of at most 64 MiB') as string,
    })
    expect(read).toBe(64)
  })
})

describe('any bytes end in a value or a code', () => {
  const line = fc.oneof(
    fc.constant(HEADER),
    fc.constant('spot,BTCUSDT,2017-08-17,"1m",BTC'),
    fc
      .array(fc.oneof(fc.string(), fc.constantFrom('um', 'spot', '1m', '"1m,1h"', '2020-01-01', 'X', '"', '')), { maxLength: 6 })
      .map((cells) => cells.join(',')),
  )
  const text = fc.array(line, { maxLength: 6 }).map((lines) => new TextEncoder().encode(lines.join('\n')))
  const options = fc.record({
    market: fc.constantFrom(undefined, 'spot' as const, 'um' as const),
    mapMarket: fc.constantFrom(undefined, 'um' as const, 'cm' as const),
    intervals: fc.constantFrom('all' as const, ['1m' as const]),
  })
  test('property', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), text), options, (bytes, chosen) => {
        try {
          const { series } = parse(bytes, chosen)
          expect(series.length).toBeGreaterThan(0)
          expect(series.every(({ intervals }) => intervals.length > 0)).toBe(true)
        } catch (error) {
          if (!isCkvdError(error, 'CKVD_UNIVERSE', 'CKVD_USAGE')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe.skipIf(SHARED === undefined)("the original project's files", () => {
  const read = (name: string) => readFileSync(join(SHARED ?? '', 'seed', name))

  test.each([
    ['spot_earliest_dates.csv', 1559],
    ['um_earliest_dates.csv', 483],
    ['cm_earliest_dates.csv', 65],
    ['all_markets_earliest_dates.csv', 2107],
    ['spot_synchronal.csv', 45],
    ['spot_um_usdt_filtered.csv', 352],
  ])('%s has %i series', (name, count) => {
    expect(parse(read(name), { name, intervals: 'all' }).series).toHaveLength(count)
  })

  test('the broken list of base symbols is refused with line and column', () => {
    const error = refusal(read('consolidated_base_symbols.csv'), { name: 'consolidated_base_symbols.csv' })
    expect(error.code).toBe('CKVD_UNIVERSE')
    expect(error.message).toMatch(/^consolidated_base_symbols\.csv, line 1, column 2: .*missing: market, symbol/)
  })
})

describe('what spreadsheets write', () => {
  const utf16 = (text: string, order: 'le' | 'be'): Uint8Array => {
    const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le')
    return new Uint8Array(order === 'le' ? bytes : bytes.swap16())
  }
  const expected = parse(TWO).series
  const semicolons = TWO.replaceAll('"', '')
    .replace(/,(?=.*\n)/g, ';')
    .replace(/1d;1h;1m;1s/, '1d,1h,1m,1s')
    .replace(/1d;1m;/, '1d,1m;')

  test.each([
    ['semicolons', semicolons],
    [
      'semicolons and quotes',
      'market;symbol;earliest_date;available_intervals;base_symbol\r\nspot;BTCUSDT;2017-08-17;"1d,1h,1m,1s";BTC\r\nspot;ETHUSDT;2017-08-17;"1d,1m";ETH\r\n',
    ],
    ['tabs', semicolons.replaceAll(';', '\t')],
    ['UTF-16, little-endian', utf16(TWO, 'le')],
    ['UTF-16, big-endian', utf16(TWO, 'be')],
    ['UTF-16 and tabs', utf16(semicolons.replaceAll(';', '\t'), 'le')],
  ])('is read as the CSV that it stands for: %s', (_form, text) => {
    expect(parse(text).series).toEqual(expected)
  })

  test('a list of one symbol a line may be in UTF-16, too', () => {
    expect(parse(utf16('BTCUSDT\nETHUSDT\n', 'le'), { market: 'um' }).series.map(({ symbol }) => symbol)).toEqual(['BTCUSDT', 'ETHUSDT'])
  })

  test('UTF-16 without its mark, or cut in the middle of a sign, is refused with what to write', () => {
    expect(refusal(new Uint8Array(Buffer.from(TWO, 'utf16le'))).message).toMatch(
      /expected text in UTF-8, or in UTF-16 with a byte order mark/,
    )
    expect(refusal(utf16(TWO, 'le').subarray(0, 21)).message).toMatch(/expected whole UTF-16 text/)
  })
})
