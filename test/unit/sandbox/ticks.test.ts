import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { FaultRule, Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import type { ExactRow } from './client.ts'
import { at, fetchPage, fetchRows, fetchWire, unzip } from './client.ts'
import type { Dataset, Market, TickRow } from './tick-client.ts'
import { fetchText, fetchTicks, klinesKey, parseTicks, tickKey } from './tick-client.ts'

const NOW = at('2025-03-01T12:00:00Z')
const QUIET = { firstDay: '2024-12-30', opensAt: '22:00', lastDay: '2025-01-02', closesAt: '03:00' }
/** Some minutes around a midnight. */
const BUSY = { firstDay: '2024-12-31', opensAt: '23:57', lastDay: '2025-01-01', closesAt: '00:03' }
const QUIET_DAYS = ['2024-12-30', '2024-12-31', '2025-01-01', '2025-01-02']
const BUSY_DAYS = ['2024-12-31', '2025-01-01']
const MARKETS = [
  { market: 'spot', symbol: 'HUSDT', ...QUIET },
  { market: 'um', symbol: 'HUSDT', ...QUIET },
  { market: 'cm', symbol: 'HUSD_PERP', ...QUIET },
  { market: 'spot', symbol: 'BTCUSDT', ...BUSY },
  { market: 'um', symbol: 'BTCUSDT', ...BUSY },
  { market: 'cm', symbol: 'BTCUSD_PERP', ...BUSY },
  { market: 'spot', symbol: 'ADAUSDT', ...BUSY },
  { market: 'um', symbol: 'LTCUSDT', ...BUSY },
  { market: 'cm', symbol: 'AAVEUSD_PERP', ...BUSY },
] as const
const SERIES = MARKETS.map(({ market, symbol, firstDay }) => ({
  market,
  symbol,
  days: firstDay === QUIET.firstDay ? QUIET_DAYS : BUSY_DAYS,
}))
/** Nobody trades for hours. */
const outages = (market: Market, symbol: string, stretches: readonly (readonly [string, string])[]): FaultRule[] =>
  stretches.map(([from, to]) => ({ kind: 'outage', market, symbol, from, to }))
const OUTAGES = (['spot', 'um', 'cm'] as const).flatMap((market) =>
  outages(market, market === 'cm' ? 'HUSD_PERP' : 'HUSDT', [
    ['2024-12-31T01:30:00Z', '2024-12-31T22:00:00Z'],
    ['2025-01-01T01:10:00Z', '2025-01-01T21:00:00Z'],
  ]),
)
const start = (seed: number, faults: readonly FaultRule[] = OUTAGES): Promise<Sandbox> =>
  startSandbox({ now: () => NOW, seed, markets: MARKETS, faults })

const UNIT = 100_000_000n
const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)
const isAscending = (values: readonly bigint[]): boolean => values.every((value, i) => i === 0 || value >= values[i - 1]!)
const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a)
/** What a trade is worth, scaled: in the quote asset; of COIN-M in coins, for contracts of 100 USD of Bitcoin and 10 USD of others. */
const worthOf = (market: Market, symbol: string, { price, quantity }: TickRow): bigint =>
  market === 'cm' ? (quantity * (symbol.startsWith('BTC') ? 100n : 10n) * UNIT) / price : (price * quantity) / UNIT

/** Of COIN-M contracts are whole, and so are ticks: what a contract is worth less at a price one tick higher, scaled. */
function contractATickOff(tick: bigint, { prices, sums }: ExactRow): number {
  return (Number(sums[1] * UNIT) / Number(sums[0])) * (Number(tick) / Number(prices[2])) * 1.01
}

/** Rows by the minute in which they were made. */
function byMinute(rows: readonly TickRow[]): Map<bigint, TickRow[]> {
  const minutes = new Map<bigint, TickRow[]>()
  for (const row of rows) {
    const minute = row.timeUs / 60_000_000n
    const known = minutes.get(minute)
    if (known === undefined) minutes.set(minute, [row])
    else known.push(row)
  }
  return minutes
}

/** What the rows of a minute have together, in the form of what its bar has. */
function summaryOf(market: Market, symbol: string, rows: readonly TickRow[]) {
  const taken = rows.filter(({ isBuyerMaker }) => !isBuyerMaker)
  const prices = rows.map(({ price }) => price)
  const worth = (all: readonly TickRow[]): bigint => sum(all.map((row) => worthOf(market, symbol, row)))
  return {
    prices: [prices[0], prices.reduce((a, b) => (b > a ? b : a)), prices.reduce((a, b) => (b < a ? b : a)), prices.at(-1)],
    volumes: [sum(rows.map(({ quantity }) => quantity)), sum(taken.map(({ quantity }) => quantity))],
    quotes: [worth(rows), worth(taken)] as const,
  }
}

describe.each([1, 4])('trades under seed %i', (seed) => {
  it.each(SERIES)('of $market $symbol are those of its bars, single and as aggregates', async ({ market, symbol, days }) => {
    await using sandbox = await start(seed)
    let bars = 0
    for (const day of days) {
      const traded = (await fetchRows(sandbox.urls.vision, klinesKey(market, symbol, day))).filter(({ sums }) => sums[2] > 0n)
      bars += traded.length
      const minuteOf = ({ open }: ExactRow): bigint => BigInt(String(open).slice(0, 13)) / 60_000n
      for (const dataset of ['trades', 'aggTrades'] as const) {
        const rows = await fetchTicks(sandbox.urls.vision, market, dataset, symbol, day)
        const minutes = byMinute(rows)
        expect([...minutes.keys()]).toEqual(traded.map(minuteOf))
        // what a trade says that it is worth is that, of COIN-M rounded to eight decimals
        const off = market === 'cm' ? 1n : 0n
        expect(dataset === 'trades' ? rows.filter((row) => distance(row.worth, worthOf(market, symbol, row)) > off) : []).toEqual([])
        for (const bar of traded) {
          const [volume, quote, count, taker, takerQuote] = bar.sums
          const ofBar = minutes.get(minuteOf(bar))!
          const { prices, volumes, quotes } = summaryOf(market, symbol, ofBar)
          if (dataset === 'trades') expect(BigInt(ofBar.length)).toBe(count)
          else expect(BigInt(ofBar.length)).toBeLessThanOrEqual(count)
          if (count >= 6n) {
            expect({ prices, volumes }).toEqual({ prices: bar.prices, volumes: [volume, taker] })
            const misses = [distance(quotes[0], quote), distance(quotes[1], takerQuote)].map(Number)
            if (market !== 'cm') expect(misses).toEqual([0, 0])
            else expect(Math.max(...misses)).toBeLessThanOrEqual(contractATickOff(ofBar[0]!.tick, bar) + ofBar.length + 2)
            continue
          }
          // fewer trades cannot be all that a bar says: volume and close they are always, then open and taker volume, then high and low
          expect([volumes[0], prices[3]]).toEqual([volume, bar.prices[3]])
          if (count >= 2n) expect([prices[0], volumes[1]]).toEqual([bar.prices[0], taker])
          if (count >= 3n) expect([1, 2].filter((i) => prices[i] === bar.prices[i])).not.toEqual([])
          if (count >= 4n) expect(prices).toEqual(bar.prices)
          // and what they are worth is off by less than the bar's prices are apart
          expect(prices[1]! <= bar.prices[1] && prices[2]! >= bar.prices[2]).toBe(true)
        }
      }
    }
    expect(bars).toBeGreaterThan(3)
  })

  it.each(SERIES)('of $market $symbol go on from day to day, and aggregates are made of them', async ({ market, symbol, days }) => {
    await using sandbox = await start(seed)
    const trades: TickRow[] = []
    const aggregates: TickRow[] = []
    for (const day of days) {
      for (const [dataset, all] of [
        ['trades', trades],
        ['aggTrades', aggregates],
      ] as const) {
        const rows = await fetchTicks(sandbox.urls.vision, market, dataset, symbol, day)
        expect(rows.length).toBeGreaterThan(0)
        expect(new Set(rows.map(({ timeUs }) => new Date(Number(timeUs / 1000n)).toISOString().slice(0, 10)))).toEqual(new Set([day]))
        for (const row of rows) all.push(row)
      }
    }
    for (const rows of [trades, aggregates]) expect(isAscending(rows.map(({ timeUs }) => timeUs))).toBe(true)
    expect(aggregates.every(({ id }, i) => id === aggregates[0]!.id + BigInt(i))).toBe(true)
    const skipped = trades.filter(({ id }, i) => i > 0 && id !== trades[i - 1]!.id + 1n)
    expect(trades.every(({ id }, i) => i === 0 || id > trades[i - 1]!.id)).toBe(true)
    if (market === 'spot') expect(skipped).toEqual([])
    else if (days === QUIET_DAYS) expect(skipped.length).toBeGreaterThan(2)

    let next = 0
    let inside = 0
    const odd: TickRow[] = []
    for (const aggregate of aggregates) {
      const { price, quantity, first, last, timeUs, isBuyerMaker } = aggregate
      const from = next
      while (next < trades.length && trades[next]!.id <= last) next++
      const parts = trades.slice(from, next)
      if (BigInt(parts.length) !== last - first + 1n) inside++
      const isOne =
        parts[0]?.id === first &&
        parts.at(-1)?.id === last &&
        sum(parts.map((part) => part.quantity)) === quantity &&
        parts.every((part) => part.price === price && part.timeUs === timeUs && part.isBuyerMaker === isBuyerMaker)
      if (!isOne) odd.push(aggregate)
    }
    expect(odd).toEqual([])
    expect(next).toBe(trades.length)
    expect(aggregates.length).toBeLessThan(trades.length)
    if (market === 'um' && symbol === 'HUSDT') expect(inside).toBeGreaterThan(0)
  })
})

describe('archives of trades', () => {
  it.each([
    ['spot', 'aggTrades', '2024-12-31', /^\d+,\d+\.\d{8},\d+\.\d{8},\d+,\d+,\d{13},(True|False),True$/, undefined],
    ['spot', 'aggTrades', '2025-01-01', /^\d+,\d+\.\d{8},\d+\.\d{8},\d+,\d+,\d{16},(True|False),True$/, undefined],
    ['spot', 'trades', '2024-12-31', /^\d+,\d+\.\d{8},\d+\.\d{8},\d+\.\d{8},\d{13},(True|False),True$/, undefined],
    ['spot', 'trades', '2025-01', /^\d+,\d+\.\d{8},\d+\.\d{8},\d+\.\d{8},\d{16},(True|False),True$/, undefined],
    [
      'um',
      'aggTrades',
      '2025-01-01',
      /^\d+,\d+\.\d{4},\d+,\d+,\d+,\d{13},(true|false)$/,
      'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker',
    ],
    ['um', 'trades', '2025-01-01', /^\d+,\d+\.\d{4},\d+,\d+\.\d{4},\d{13},(true|false)$/, 'id,price,qty,quote_qty,time,is_buyer_maker'],
    [
      'cm',
      'aggTrades',
      '2025-01-01',
      /^\d+,\d+\.\d{4},\d+\.0,\d+,\d+,\d{13},(true|false)$/,
      'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker',
    ],
    ['cm', 'trades', '2025-01', /^\d+,\d+\.\d{4},\d+,\d+\.\d{8},\d{13},(true|false)$/, 'id,price,qty,base_qty,time,is_buyer_maker'],
  ] as const)('of %s %s %s have the columns, the header and the times of their market', async (market, dataset, period, line, header) => {
    await using sandbox = await start(1)
    const symbol = market === 'cm' ? 'HUSD_PERP' : 'HUSDT'
    const lines = (await fetchText(sandbox.urls.vision, tickKey(market, dataset, symbol, period)))!.trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(100)
    if (header !== undefined) expect(lines.shift()).toBe(header)
    expect(lines.filter((text) => !line.test(text))).toEqual([])
    expect(new Set(lines.map((text) => /true|false/i.exec(text)?.[0])).size).toBe(2)
  })

  it('of USDⓈ-M have a header from 2022-08-15 on, by months from 2022-07 on; of COIN-M always', async () => {
    const life = { firstDay: '2022-06-30', opensAt: '23:50' } as const
    await using sandbox = await startSandbox({
      now: () => at('2022-09-10T00:00:00Z'),
      markets: [
        { market: 'um', symbol: 'HUSDT', ...life },
        { market: 'cm', symbol: 'HUSD_PERP', ...life },
      ],
      // what is far from the changes is not traded
      faults: (['um', 'cm'] as const).flatMap((market) =>
        outages(market, '*', [
          ['2022-07-01T00:10:00Z', '2022-08-14T23:50:00Z'],
          ['2022-08-15T00:10:00Z', '2022-09-10T00:00:00Z'],
        ]),
      ),
    })
    const hasHeader = async (market: Market, symbol: string, period: string): Promise<boolean> =>
      /^agg/.test((await fetchText(sandbox.urls.vision, tickKey(market, 'aggTrades', symbol, period)))!)
    for (const [period, um] of [
      ['2022-08-14', false],
      ['2022-08-15', true],
      ['2022-06', false],
      ['2022-07', true],
    ] as const) {
      expect([period, await hasHeader('um', 'HUSDT', period), await hasHeader('cm', 'HUSD_PERP', period)]).toEqual([period, um, true])
    }
  })

  it.each([
    tickKey('spot', 'trades', 'HUSDT', '2024-12-31'),
    tickKey('um', 'aggTrades', 'BTCUSDT', '2025-01-01'),
    tickKey('cm', 'trades', 'HUSD_PERP', '2025-01-02'),
    tickKey('spot', 'aggTrades', 'HUSDT', '2025-01'),
    tickKey('um', 'trades', 'BTCUSDT', '2024-12-31'),
  ])('%s is a sound ZIP of the listed size with a right CHECKSUM, the same whatever was asked before', async (key) => {
    await using sandbox = await start(1)
    const archive = await fetchWire(`${sandbox.urls.vision}/${key}`)
    const checksum = await fetchWire(`${sandbox.urls.vision}/${key}.CHECKSUM`)
    const name = key.slice(key.lastIndexOf('/') + 1)
    expect(checksum.body.toString()).toBe(`${createHash('sha256').update(archive.body).digest('hex')}  ${name}\n`)
    expect((await unzip(archive.body)).name).toBe(name.replace('.zip', '.csv'))
    const { contents } = await fetchPage(sandbox.urls.listing, { prefix: key })
    expect(contents.map(({ Key, Size }) => [Key, Number(Size)])).toEqual([
      [key, archive.body.length],
      [`${key}.CHECKSUM`, checksum.body.length],
    ])
    expect(contents[0]?.ETag).toBe(archive.headers['etag'])
    await using later = await startSandbox({ now: () => at('2026-01-01T00:00:00Z'), markets: MARKETS, faults: OUTAGES })
    await fetchWire(`${later.urls.vision}/${tickKey('spot', 'trades', 'HUSDT', '2025-01-02')}`)
    expect((await fetchWire(`${later.urls.vision}/${key}`)).body.equals(archive.body)).toBe(true)
  })

  it('of a month are those of its days, one after the other', async () => {
    await using sandbox = await start(1)
    for (const dataset of ['trades', 'aggTrades'] as const) {
      for (const [market, symbol] of [
        ['spot', 'HUSDT'],
        ['cm', 'HUSD_PERP'],
      ] as const) {
        const rowsOf = (period: string): Promise<TickRow[]> => fetchTicks(sandbox.urls.vision, market, dataset, symbol, period)
        expect(await rowsOf('2024-12')).toEqual([...(await rowsOf('2024-12-30')), ...(await rowsOf('2024-12-31'))])
        expect(await rowsOf('2025-01')).toEqual([...(await rowsOf('2025-01-01')), ...(await rowsOf('2025-01-02'))])
      }
    }
  })

  it('of the busiest symbols are by days alone', async () => {
    await using sandbox = await startSandbox({ now: () => NOW, builtInFaults: false })
    const countOf = async (packaging: string, dataset: string, symbol: string): Promise<number> =>
      (await fetchPage(sandbox.urls.listing, { prefix: `data/futures/um/${packaging}/${dataset}/${symbol}/`, 'max-keys': '2' })).contents
        .length
    expect([await countOf('daily', 'trades', 'BTCUSDT'), await countOf('monthly', 'trades', 'BTCUSDT')]).toEqual([2, 0])
    expect([await countOf('daily', 'trades', 'ADAUSDT'), await countOf('monthly', 'trades', 'ADAUSDT')]).toEqual([2, 2])
  })
})

describe('faults of content in trades', () => {
  const DAY = { market: 'spot', symbol: 'HUSDT', day: '2024-12-31' } as const
  const KEY = tickKey('spot', 'aggTrades', 'HUSDT', '2024-12-31')
  const both = async (
    rules: readonly FaultRule[],
    dataset: Dataset,
    { period = '2024-12-31', symbol = 'HUSDT' } = {},
  ): Promise<[TickRow[], TickRow[]]> => {
    await using sandbox = await start(1, [])
    const sound = await fetchTicks(sandbox.urls.vision, 'spot', dataset, symbol, period)
    sandbox.setFaults(rules)
    return [sound, await fetchTicks(sandbox.urls.vision, 'spot', dataset, symbol, period)]
  }

  it('a day that is cut in all archives is whole in REST, and ids go on behind it', async () => {
    for (const dataset of ['trades', 'aggTrades'] as const) {
      const cut: FaultRule = { ...DAY, symbol: '*', kind: 'cut', at: '09:29' }
      const [sound, faulty] = await both([cut], dataset)
      expect(faulty.length).toBeGreaterThan(0)
      expect(faulty).toEqual(sound.filter(({ timeUs }) => timeUs < BigInt(at('2024-12-31T09:29:00Z')) * 1000n))
      const [next, nextFaulty] = await both([cut], dataset, { period: '2025-01-01' })
      expect(nextFaulty).toEqual(next)
      await using sandbox = await start(1, [cut])
      const path = dataset === 'trades' ? 'historicalTrades' : 'aggTrades'
      const lost = sound[faulty.length]!
      const answer = await fetchWire(`${sandbox.urls.spotRest}/api/v3/${path}?symbol=HUSDT&fromId=${lost.id}&limit=1`)
      expect(Number((JSON.parse(answer.body.toString()) as Record<string, unknown>[])[0]?.[dataset === 'trades' ? 'id' : 'a'])).toBe(
        Number(lost.id),
      )
    }
  })

  it('an outage takes rows and no id', async () => {
    const [, faulty] = await both(outages('spot', 'HUSDT', [['2024-12-31T05:00:00Z', '2024-12-31T06:30:00Z']]), 'aggTrades')
    const gap = faulty.findIndex(({ timeUs }, i) => i > 0 && timeUs - faulty[i - 1]!.timeUs > 90n * 60_000_000n)
    expect(gap).toBeGreaterThan(0)
    expect(faulty[gap]!.id).toBe(faulty[gap - 1]!.id + 1n)
  })

  it('a month lacks a whole day, or has other quantities than the day', async () => {
    const [sound, dropped] = await both([{ ...DAY, kind: 'drop-day' }], 'aggTrades', { period: '2024-12' })
    expect(dropped).toEqual(sound.filter(({ timeUs }) => timeUs < BigInt(at('2024-12-31T00:00:00Z')) * 1000n))
    const [same, differing] = await both([{ ...DAY, kind: 'differ', source: 'monthly' }], 'trades', { period: '2024-12' })
    const other = differing.filter(({ quantity }, i) => quantity !== same[i]!.quantity)
    expect(other.length).toBeGreaterThan(100)
    expect(other.map(({ id }) => id)).toEqual(
      same
        .filter(({ timeUs }) => timeUs >= BigInt(at('2024-12-31T00:00:00Z')) * 1000n)
        .filter((_, i) => i % 100 === 0)
        .map(({ id }) => id),
    )
    const [day, dayFaulty] = await both([{ ...DAY, kind: 'differ', source: 'monthly' }], 'trades')
    expect(dayFaulty).toEqual(day)
  })

  it('lines that are missing, twice, other or in another order are so in the archive', async () => {
    for (const dataset of ['trades', 'aggTrades'] as const) {
      const minutes = { symbol: 'ADAUSDT' }
      const match = `${dataset}-2024-12-31`
      const [sound, missing] = await both([{ match, kind: 'missing-rows', line: 11, rows: 5 }], dataset, minutes)
      expect(missing).toEqual([...sound.slice(0, 10), ...sound.slice(15)])
      const [, doubled] = await both([{ match, kind: 'doubled-rows' }], dataset, minutes)
      expect(doubled).toHaveLength(2 * sound.length - 1)
      const [, duplicate] = await both([{ match, kind: 'duplicate-rows' }], dataset, minutes)
      expect(duplicate).toEqual([...sound.slice(0, 4), ...sound.slice(3)])
      const [, conflicting] = await both([{ match, kind: 'conflicting-rows' }], dataset, minutes)
      expect(conflicting).toEqual([...sound.slice(0, 4), { ...sound[3]!, quantity: sound[3]!.quantity + UNIT }, ...sound.slice(4)])
      const [, unsorted] = await both([{ match, kind: 'unsorted-rows' }], dataset, minutes)
      expect([unsorted[1], unsorted.at(-1)]).toEqual([sound.at(-1), sound[1]])
      const [, shuffled] = await both([{ match, kind: 'shuffled-rows' }], dataset, minutes)
      expect(shuffled).not.toEqual(sound)
      expect([...shuffled].sort((a, b) => Number(a.id - b.id))).toEqual(sound)
    }
    await using sandbox = await start(1, [{ match: 'aggTrades-2024-12-31', kind: 'corrupt-line', line: 2, text: 'no row' }])
    expect((await fetchText(sandbox.urls.vision, KEY))!.split('\n')[1]).toBe('no row')
  })

  it('a day is published late, not at all, or again with other rows and another ETag', async () => {
    await using late = await startSandbox({
      now: () => at('2025-01-01T12:00:00Z'),
      markets: MARKETS,
      faults: [{ ...DAY, kind: 'late', hours: 5 }],
    })
    expect(await fetchText(late.urls.vision, KEY)).toBeUndefined()
    await using unlisted = await start(1, [{ ...DAY, kind: 'unlisted' }])
    expect(await fetchText(unlisted.urls.vision, KEY)).toBeUndefined()
    await using sound = await start(1, [])
    await using again = await start(1, [{ ...DAY, kind: 'republish' }])
    const [before, after] = [await fetchWire(`${sound.urls.vision}/${KEY}`), await fetchWire(`${again.urls.vision}/${KEY}`)]
    expect(after.headers['etag']).not.toBe(before.headers['etag'])
    const rowsOf = async ({ body }: { body: Buffer }): Promise<TickRow[]> => parseTicks((await unzip(body)).text, 'aggTrades')
    expect(await rowsOf(after)).not.toEqual(await rowsOf(before))
    expect((await rowsOf(after)).map(({ id }) => id)).toEqual((await rowsOf(before)).map(({ id }) => id))
  })
})
