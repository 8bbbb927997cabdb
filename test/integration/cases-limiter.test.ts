import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Market } from '../../src/model/market.ts'
import type { RequestRecord, Sandbox, SandboxOptions } from '../../src/sandbox/index.ts'
import { ingestArgs } from '../support/cases.ts'
import type { Ask, Outcome } from '../support/cases.ts'
import { ingestResult, runHere } from '../support/ckvd.ts'
import { startSandbox } from '../support/dist.ts'
import { urlVariables } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import { createVirtualClock } from '../support/virtual-clock.ts'

/*
 * The weight that the whole program spends, minute by minute of the exchange's clock: one clock for program and exchange,
 * which goes on by a little with each request and each answer, and from one waking to the next while no request is on its
 * way. How busy the machine is makes no difference.
 */
const START_MS = Date.parse('2024-03-10T05:00:00Z')
const MINUTE_MS = 60_000
/** From the program to the exchange, and as long back. */
const TRANSIT_MS = 40

let clock: VirtualClock
let temp: TempDirectory
/** What others do, called before each request reaches the exchange. */
let meanwhile: () => void
const realWait = timersPromises.setTimeout
const onTheWay = new Set<object>()
let sent: number

function onRequest(message: unknown): void {
  onTheWay.add((message as { request: object }).request)
  sent++
  clock.nowMs += TRANSIT_MS
  meanwhile()
}

function onEnd(message: unknown): void {
  if (onTheWay.delete((message as { request: object }).request)) clock.nowMs += TRANSIT_MS
}

beforeEach(async () => {
  clock = createVirtualClock(START_MS)
  meanwhile = () => undefined
  sent = 0
  temp = await createTempDirectory()
  timersPromises.setTimeout = ((delayMs: number, _value: unknown, { signal }: { signal: AbortSignal }) =>
    clock.sleep(delayMs, signal)) as typeof realWait
  syncBuiltinESMExports()
  subscribe('undici:request:create', onRequest)
  subscribe('undici:request:trailers', onEnd)
  subscribe('undici:request:error', onEnd)
})

afterEach(async () => {
  unsubscribe('undici:request:create', onRequest)
  unsubscribe('undici:request:trailers', onEnd)
  unsubscribe('undici:request:error', onEnd)
  timersPromises.setTimeout = realWait
  syncBuiltinESMExports()
  await temp[Symbol.asyncDispose]()
})

/** Only REST has these bars: 1m of 60 days is 86,400 bars, 88 pages on spot, 174 on futures. */
async function startRestOnly(market: Market, options: SandboxOptions = {}): Promise<Sandbox> {
  return startSandbox({
    now: () => clock.nowMs,
    markets: [{ market, symbol: 'BTCUSDT', firstDay: '2024-01-10', archivesFrom: '2025-01-01' }],
    ...options,
  })
}

async function ingest(sandbox: Sandbox, ask: Ask): Promise<Outcome> {
  const env = { ...urlVariables(sandbox), CKVD_LAKE: temp.lake }
  const run = runHere(ingestArgs(ask), { env, cwd: temp.path, stdin: ask.symbols.join('\n'), now: clock.now })
  const result = await clock.run(run, () => onTheWay.size > 0)
  // the clock stood still for each of them
  expect(sent).toBeGreaterThanOrEqual(sandbox.requests.length)
  return { ...ingestResult(result), stderr: result.stderr }
}

/** Weight by wall-clock minute of the exchange. */
function byMinute(entries: readonly { readonly atMs: number; readonly weight?: number }[]): Map<number, number> {
  const sums = new Map<number, number>()
  for (const { atMs, weight = 0 } of entries) {
    const minute = Math.floor(atMs / MINUTE_MS)
    sums.set(minute, (sums.get(minute) ?? 0) + weight)
  }
  return sums
}

const restOf = (sandbox: Sandbox): RequestRecord[] => sandbox.requests.filter(({ kind }) => kind === 'rest')

test('case 22: our own weight in a minute never exceeds our share, over minutes in which there is always more to ask', async () => {
  await using sandbox = await startRestOnly('um')
  // 5 % of 2,400 is 120 a minute; a page weighs 2
  const run = await ingest(sandbox, {
    market: 'um',
    symbols: ['BTCUSDT'],
    intervals: '1m',
    start: '2024-01-10',
    flags: ['--rest-share', '0.05'],
  })
  expect(run).toMatchObject({ exit: 0, days: { provisional: 60 }, rows: 86_400 })
  const minutes = byMinute(restOf(sandbox))
  expect(minutes.size).toBeGreaterThanOrEqual(3)
  expect(Math.max(...minutes.values())).toBeLessThanOrEqual(120)
  // and the share is used in all minutes but the first and the last
  const whole = [...minutes.entries()].sort(([a], [b]) => a - b).slice(1, -1)
  expect(Math.min(...whole.map(([, weight]) => weight))).toBeGreaterThanOrEqual(60)
  expect(restOf(sandbox).every(({ status }) => status === 200)).toBe(true)
})

test('case 22: with a second client that spends steadily the sum stays within the budget, and nothing is refused', async () => {
  await using sandbox = await startRestOnly('um')
  const others: { atMs: number; weight: number }[] = []
  // 2,300 a minute of 2,400; alone we would spend 174 within a minute
  let spentMs = START_MS
  meanwhile = () => {
    for (; spentMs + 600 <= clock.nowMs; spentMs += 600) {
      const weight = 23
      others.push({ atMs: spentMs, weight })
      // the exchange counts the minute that it is
      if (Math.floor(spentMs / MINUTE_MS) === Math.floor(clock.nowMs / MINUTE_MS)) sandbox.addWeight('um', weight)
    }
  }
  const run = await ingest(sandbox, {
    market: 'um',
    symbols: ['BTCUSDT'],
    intervals: '1m',
    start: '2024-02-09',
    flags: ['--rest-share', '0.5'],
  })
  expect(run).toMatchObject({ exit: 0, days: { provisional: 30 } })
  // the neighbour goes on: a minute counts when it is over
  clock.nowMs += MINUTE_MS
  meanwhile()
  const ours = restOf(sandbox)
  expect(ours.every(({ status }) => status === 200)).toBe(true)
  const sums = byMinute([...ours, ...others])
  expect(Math.max(...sums.values())).toBeLessThanOrEqual(2400)
  // unhindered, we would spend 174 in four seconds; the first ten seconds' 200 are shared with a neighbour who takes 38 a second
  expect(Math.max(...byMinute(ours).values())).toBeLessThanOrEqual(120)
})

test('case 22: the header jumps by 3,000: the pool waits until the minute has room again', async () => {
  await using sandbox = await startRestOnly('spot')
  let jumpedMs: number | undefined
  meanwhile = () => {
    if (jumpedMs !== undefined || restOf(sandbox).length < 5) return
    jumpedMs = clock.nowMs
    sandbox.addWeight('spot', 3000)
  }
  // 80 % of 6,000 is 4,800 a minute, released in parts: 3,000 of others are not free before second 30
  const run = await ingest(sandbox, { symbols: ['BTCUSDT'], intervals: '1m', start: '2024-01-10' })
  expect(run).toMatchObject({ exit: 0, days: { provisional: 60 } })
  const after = restOf(sandbox).filter(({ atMs }) => atMs > (jumpedMs ?? Infinity))
  expect(after.length).toBeGreaterThan(10)
  const paused = after.filter(({ atMs }) => atMs % MINUTE_MS < 29_000 && atMs < START_MS + MINUTE_MS)
  // those on the wire when it happened, and the one that brought the news
  expect(paused.length).toBeLessThanOrEqual(5)
})
