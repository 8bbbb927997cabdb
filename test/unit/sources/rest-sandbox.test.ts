import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCkvdError } from '../../../src/errors.ts'
import { dayStartUs, parseUtcDay } from '../../../src/model/utc-day.ts'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../src/sources/http/http.ts'
import type { RestAccount } from '../../../src/sources/rest/rest-account.ts'
import { MemoryRestAccount } from '../../../src/sources/rest/rest-account-memory.ts'
import { createRestLimiter } from '../../../src/sources/rest/rest-limiter.ts'
import type { StretchAsk } from '../../../src/sources/rest/rest-walk.ts'
import { Rest } from '../../../src/sources/rest/rest.ts'

const MINUTE = 60_000
const BUDGET = 120
const firstDay = parseUtcDay('2023-01-10') ?? fail()
const signal = new AbortController().signal
const range: StretchAsk = {
  startUs: Date.UTC(2023, 0, 9) * 1000,
  endUs: Date.UTC(2023, 0, 12) * 1000,
  beforeUs: null,
  afterUs: null,
  first: false,
}

function fail(): never {
  throw new Error('a day was expected')
}

let nowMs: number
let sandbox: Sandbox
let http: HttpClient
beforeEach(async () => {
  nowMs = Date.UTC(2023, 0, 20, 12, 0, 31)
  sandbox = await startSandbox({
    now: () => nowMs,
    builtInFaults: false,
    budgets: { spot: BUDGET, um: BUDGET, cm: BUDGET },
    markets: (['spot', 'um', 'cm'] as const).map((market) => ({ market, symbol: 'AAAUSDT', firstDay })),
  })
  http = new HttpClient(HTTP_DEFAULTS, {})
})
afterEach(async () => {
  await http.close()
  await sandbox.close()
})

/** A source on the sandbox's clock; while it waits, `others` may spend. */
function createRest(o: { account?: RestAccount; onTick?: () => void } = {}): Rest {
  const sleep = (delayMs: number): Promise<void> => {
    for (const endMs = nowMs + delayMs; nowMs < endMs; nowMs += Math.min(1000, endMs - nowMs)) o.onTick?.()
    return Promise.resolve()
  }
  const limiter = createRestLimiter({
    account: o.account ?? new MemoryRestAccount(() => nowMs),
    sleep,
    budgets: { spot: BUDGET, um: BUDGET, cm: BUDGET },
  })
  const urls = { spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest }
  return new Rest(http, { urls, limiter, nowMs: () => nowMs, sleep })
}

/** Own weight by wall-clock minute, as the sandbox counted it. */
function weightByMinute(): Map<number, number> {
  const minutes = new Map<number, number>()
  for (const { atMs, weight } of sandbox.requests) {
    const minute = Math.floor(atMs / MINUTE)
    minutes.set(minute, (minutes.get(minute) ?? 0) + (weight ?? 0))
  }
  return minutes
}

const statuses = (): number[] => [...new Set(sandbox.requests.map(({ status }) => status))]

describe.each(['spot', 'um', 'cm'] as const)('%s', (market) => {
  const series = { market, symbol: 'AAAUSDT', interval: '1m' } as const

  test('three days arrive whole, with the bar behind them; nothing opens before the first one', async () => {
    const rest = createRest()
    const first = await rest.fetchFirstBar(series, null, { signal })
    const stretch = await rest.fetchStretch(series, range, { signal })
    if (typeof first !== 'number' || stretch === null) return fail()
    expect(first).toBeGreaterThanOrEqual(dayStartUs(firstDay))
    expect(Number(stretch.rows.openTime[0])).toBe(first)
    expect([...stretch.rows.openTime].filter((time) => time < range.endUs)).toHaveLength((range.endUs - first) / 60_000_000)
    expect(stretch.seen).toContain(range.endUs)
    expect(statuses()).toEqual([200])
  })

  test('our weight of a minute stays within the share, and with a neighbour within the budget', async () => {
    const others = new Map<number, number>()
    const neighbour = (): void => {
      sandbox.addWeight(market, 1)
      const minute = Math.floor(nowMs / MINUTE)
      others.set(minute, (others.get(minute) ?? 0) + 1)
    }
    const rest = createRest({ onTick: neighbour })
    for (let i = 0; i < 40; i++) await rest.fetchStretch(series, range, { signal })
    const own = weightByMinute()
    expect(own.size).toBeGreaterThan(3)
    for (const [minute, weight] of own) {
      expect(weight).toBeLessThanOrEqual(0.8 * BUDGET)
      expect(weight + (others.get(minute) ?? 0)).toBeLessThanOrEqual(BUDGET)
    }
    expect(statuses()).toEqual([200])
  })

  test('a ban outlives the process: nothing is sent until it ends', async () => {
    const account = new MemoryRestAccount(() => nowMs)
    sandbox.addWeight(market, 10 * BUDGET)
    const greedy = { ...series }
    const url = { spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest }[market]
    const path = { spot: '/api/v3/klines', um: '/fapi/v1/klines', cm: '/dapi/v1/klines' }[market]
    for (let i = 0; i < 5; i++) await fetch(`${url}${path}?symbol=${greedy.symbol}&interval=1m`)
    const codeOf = async (rest: Rest): Promise<string> => {
      try {
        return (await rest.fetchStretch(series, range, { signal })) === null ? 'unlisted' : 'found'
      } catch (error) {
        return isCkvdError(error) ? error.code : String(error)
      }
    }
    expect(await codeOf(createRest({ account }))).toBe('CKVD_BANNED')
    const sent = sandbox.requests.length
    const name = market === 'spot' ? 'spot' : 'futures'
    const untilMs = (await account.usage({ name })).hold?.untilMs ?? 0
    expect(untilMs).toBeGreaterThan(nowMs)
    nowMs = untilMs - 1
    expect(await codeOf(createRest({ account }))).toBe('CKVD_BANNED')
    expect(sandbox.requests.length).toBe(sent)
    nowMs = untilMs
    expect(await codeOf(createRest({ account }))).toBe('found')
  })
})
