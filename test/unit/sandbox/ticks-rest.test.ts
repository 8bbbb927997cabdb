import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { at, fetchWire } from './client.ts'
import type { Market, TickRow } from './tick-client.ts'
import { fetchTicks, scaled } from './tick-client.ts'

const NOW = at('2024-03-02T12:00:00Z')
const LIFE = { firstDay: '2024-02-28', opensAt: '20:00' } as const
const DAYS = ['2024-02-28', '2024-02-29', '2024-03-01']
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({
    now: () => NOW,
    markets: [
      { market: 'spot', symbol: 'HUSDT', ...LIFE },
      { market: 'um', symbol: 'HUSDT', ...LIFE },
      { market: 'cm', symbol: 'HUSD_PERP', ...LIFE },
      { market: 'spot', symbol: 'NEKOUSDT', ...LIFE, lastDay: '2024-02-29', closesAt: '00:10' },
    ],
    budgets: { spot: 1_000_000, um: 1_000_000, cm: 1_000_000 },
  })
})
afterAll(() => sandbox.close())
beforeEach(() => sandbox.clearRequests())

const BASES: Record<Market, () => string> = {
  spot: () => `${sandbox.urls.spotRest}/api/v3`,
  um: () => `${sandbox.urls.umRest}/fapi/v1`,
  cm: () => `${sandbox.urls.cmRest}/dapi/v1`,
}

type Answer = Record<string, string | number | boolean>[]
async function ask(market: Market, path: string): Promise<Answer> {
  const answer = await fetchWire(`${BASES[market]()}/${path}`)
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`)
  return JSON.parse(answer.body.toString()) as Answer
}

/** An answer's rows in the form of an archive's, times in milliseconds. */
const rowsOf = (answer: Answer): Omit<TickRow, 'tick'>[] =>
  answer.map((row) => {
    const isTrade = 'id' in row
    const id = BigInt(isTrade ? row['id']! : row['a']!)
    return {
      id,
      price: scaled(String(row[isTrade ? 'price' : 'p'])),
      quantity: scaled(String(row[isTrade ? 'qty' : 'q'])),
      first: isTrade ? id : BigInt(row['f']!),
      last: isTrade ? id : BigInt(row['l']!),
      worth: isTrade ? scaled(String(row['quoteQty'])) : 0n,
      timeUs: BigInt(row[isTrade ? 'time' : 'T']!) * 1000n,
      isBuyerMaker: row[isTrade ? 'isBuyerMaker' : 'm'] === true,
    }
  })
const archived = async (market: Market, dataset: 'aggTrades' | 'trades', days = DAYS): Promise<Omit<TickRow, 'tick'>[]> => {
  const symbol = market === 'cm' ? 'HUSD_PERP' : 'HUSDT'
  const parts = await Promise.all(days.map((day) => fetchTicks(sandbox.urls.vision, market, dataset, symbol, day)))
  return parts.flat().map(({ tick: _, ...row }) => row)
}

describe('REST of spot', () => {
  it.each([
    ['aggTrades', 'aggTrades'],
    ['trades', 'historicalTrades'],
  ] as const)('tells %s by id, page by page, as archives have them, and goes on behind them', async (dataset, path) => {
    const rows = await archived('spot', dataset)
    const found: Omit<TickRow, 'tick'>[] = []
    for (let id = rows[0]!.id; found.length < rows.length; id = found.at(-1)!.id + 1n) {
      const page = rowsOf(await ask('spot', `${path}?symbol=HUSDT&fromId=${id}&limit=1000`))
      expect(page).toHaveLength(1000)
      for (const row of page) found.push(row)
    }
    expect(found.slice(0, rows.length)).toEqual(rows)
    expect(found[rows.length]!.id).toBe(rows.at(-1)!.id + 1n)
  })

  it('writes them in the form of the exchange', async () => {
    const [aggregate] = await ask('spot', 'aggTrades?symbol=HUSDT&limit=1')
    expect(Object.keys(aggregate!)).toEqual(['a', 'p', 'q', 'f', 'l', 'T', 'm', 'M'])
    expect([aggregate!['p'], aggregate!['q']].every((text) => /^\d+\.\d{8}$/.test(String(text)))).toBe(true)
    const [trade] = await ask('spot', 'historicalTrades?symbol=HUSDT&limit=1')
    expect(Object.keys(trade!)).toEqual(['id', 'price', 'qty', 'quoteQty', 'time', 'isBuyerMaker', 'isBestMatch'])
    const [futures] = await ask('um', 'aggTrades?symbol=HUSDT&limit=1')
    expect(Object.keys(futures!)).toEqual(['a', 'p', 'q', 'f', 'l', 'T', 'm'])
  })

  it('tells aggregates of a range of times, both ends included, from its start on', async () => {
    const rows = await archived('spot', 'aggTrades', ['2024-02-28', '2024-02-29'])
    const [from, to] = [rows[100]!.timeUs, rows[700]!.timeUs]
    const within = rows.filter(({ timeUs }) => timeUs >= from && timeUs <= to)
    const range = `startTime=${from / 1000n}&endTime=${to / 1000n}`
    expect(rowsOf(await ask('spot', `aggTrades?symbol=HUSDT&${range}&limit=1000`))).toEqual(within)
    expect(rowsOf(await ask('spot', `aggTrades?symbol=HUSDT&${range}`))).toEqual(within.slice(0, 500))
    expect(rowsOf(await ask('spot', `aggTrades?symbol=HUSDT&startTime=${at('2024-02-28T23:59:00Z')}&limit=40`))).toEqual(
      rows.filter(({ timeUs }) => timeUs >= BigInt(at('2024-02-28T23:59:00Z')) * 1000n).slice(0, 40),
    )
    expect(rowsOf(await ask('spot', `aggTrades?symbol=HUSDT&endTime=${to / 1000n}&limit=30`))).toEqual(
      rows.filter(({ timeUs }) => timeUs <= to).slice(-30),
    )
  })

  it('tells the latest ones up to its clock, and nothing before the first or behind the last', async () => {
    for (const path of ['aggTrades', 'historicalTrades']) {
      const latest = rowsOf(await ask('spot', `${path}?symbol=HUSDT`))
      expect(latest).toHaveLength(500)
      expect(latest.every(({ id }, i) => id === latest[0]!.id + BigInt(i))).toBe(true)
      expect(latest.at(-1)!.timeUs).toBeLessThanOrEqual(BigInt(NOW) * 1000n)
      expect(latest.at(-1)!.timeUs).toBeGreaterThan(BigInt(NOW - 120_000) * 1000n)
      expect(await ask('spot', `${path}?symbol=HUSDT&fromId=${latest.at(-1)!.id + 1n}`)).toEqual([])
      const [first] = rowsOf(await ask('spot', `${path}?symbol=HUSDT&fromId=0&limit=1`))
      expect(first).toEqual((await archived('spot', path === 'aggTrades' ? 'aggTrades' : 'trades', ['2024-02-28']))[0])
      const ended = rowsOf(await ask('spot', `${path}?symbol=NEKOUSDT`))
      expect(ended.at(-1)!.timeUs / 60_000_000n).toBe(BigInt(at('2024-02-29T00:09:00Z')) / 60_000n)
    }
    expect(await ask('spot', `aggTrades?symbol=HUSDT&endTime=${at('2024-02-28T19:00:00Z')}`)).toEqual([])
  })

  it('has other quantities than archives where they differ', async () => {
    const day = { market: 'spot', symbol: 'HUSDT', day: '2024-02-29' } as const
    const rows = await archived('spot', 'aggTrades', ['2024-02-29'])
    try {
      sandbox.setFaults([{ ...day, kind: 'differ', source: 'rest' }])
      expect(await archived('spot', 'aggTrades', ['2024-02-29'])).toEqual(rows)
      const found = rowsOf(await ask('spot', `aggTrades?symbol=HUSDT&fromId=${rows[0]!.id}&limit=200`))
      expect(found.filter(({ quantity }, i) => quantity !== rows[i]!.quantity).map(({ id }) => id)).toEqual([rows[0]!.id, rows[100]!.id])
    } finally {
      sandbox.setFaults([])
    }
  })
})

describe('REST of futures', () => {
  it.each(['um', 'cm'] as const)('%s tells aggregates of the last 24 hours alone', async (market) => {
    const symbol = market === 'cm' ? 'HUSD_PERP' : 'HUSDT'
    const rows = await archived(market, 'aggTrades', ['2024-03-01'])
    const sinceUs = BigInt(at('2024-03-01T12:00:00Z')) * 1000n
    const index = rows.findIndex(({ timeUs }) => timeUs >= sinceUs)
    const told = rows.slice(index, index + 300)
    expect(rowsOf(await ask(market, `aggTrades?symbol=${symbol}&fromId=${told[0]!.id}&limit=300`))).toEqual(told)
    expect(rowsOf(await ask(market, `aggTrades?symbol=${symbol}&startTime=${sinceUs / 1000n}&limit=300`))).toEqual(told)
    for (const old of [`fromId=${rows[index - 1]!.id}`, `startTime=${sinceUs / 1000n - 1n}`]) {
      const answer = await fetchWire(`${BASES[market]()}/aggTrades?symbol=${symbol}&${old}`)
      expect([answer.status, answer.body.toString()]).toEqual([400, expect.stringContaining('"code":-1130') as string])
    }
  })
})

describe('a request for trades', () => {
  it.each([
    ['spot', 'aggTrades', -1102],
    ['spot', 'aggTrades?symbol=NOPEUSDT', -1121],
    ['spot', 'historicalTrades?symbol=NOPEUSDT&fromId=1', -1121],
    ['spot', 'aggTrades?symbol=HUSDT&fromId=x', -1100],
    ['spot', 'historicalTrades?symbol=HUSDT&fromId=-1', -1100],
    ['spot', 'aggTrades?symbol=HUSDT&limit=0', -1130],
    ['spot', `aggTrades?symbol=HUSDT&fromId=1&startTime=${NOW - 60_000}`, -1128],
    ['spot', `aggTrades?symbol=HUSDT&startTime=${NOW}&endTime=${NOW - 1}`, -1023],
    ['um', `aggTrades?symbol=HUSDT&startTime=${NOW - 3_600_001}&endTime=${NOW}`, -1127],
    ['cm', 'aggTrades?symbol=HUSDT', -1121],
  ] as const)('%s %s is refused as the exchange does: %i', async (market, path, code) => {
    const answer = await fetchWire(`${BASES[market]()}/${path}`)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code })
  })

  it.each([
    ['spot', 'aggTrades?symbol=HUSDT&limit=1', 4, 200],
    ['spot', 'historicalTrades?symbol=HUSDT&limit=1', 25, 200],
    ['um', 'aggTrades?symbol=HUSDT&limit=1', 20, 200],
    ['cm', 'aggTrades?symbol=HUSD_PERP&limit=1', 20, 200],
    ['um', 'historicalTrades?symbol=HUSDT&limit=1', 1, 404],
  ] as const)('%s %s weighs %i', async (market, path, weight, status) => {
    const answer = await fetchWire(`${BASES[market]()}/${path}`)
    expect(sandbox.requests.map((request) => [request.market, request.weight, request.status])).toEqual([[market, weight, status]])
    expect(answer.status).toBe(status)
  })

  it('gets 1,000 rows at most', async () => {
    expect(await ask('spot', 'aggTrades?symbol=HUSDT&fromId=0&limit=5000')).toHaveLength(1000)
  })
})
