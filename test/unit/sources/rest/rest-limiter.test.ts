import { describe, expect, test } from 'vitest'
import { CkvdError, isCkvdError } from '../../../../src/errors.ts'
import { MemoryRestAccount } from '../../../../src/sources/rest/rest-account-memory.ts'
import type { LimitedAnswer, RestLimiterOptions } from '../../../../src/sources/rest/rest-limiter.ts'
import { createRestLimiter } from '../../../../src/sources/rest/rest-limiter.ts'
import type { VirtualClock } from '../../../support/virtual-clock.ts'
import { createVirtualClock } from '../../../support/virtual-clock.ts'

const MINUTE = 60_000
const START = Date.UTC(2024, 0, 1)
const never = new AbortController().signal

/** Counts weight by wall-clock minute as the exchange does; `others` adds what a neighbour has spent by a time. */
function createExchange(clock: VirtualClock, budget: number, others: (nowMs: number) => number = () => 0) {
  const own = new Map<number, number>()
  const exchange = {
    own,
    requests: 0,
    inFlight: 0,
    mostInFlight: 0,
    refused: 0,
    sumOf: (minute: number) => (own.get(minute) ?? 0) + others((minute + 1) * MINUTE - 1),
    async send(weight: number, latencyMs = 50): Promise<LimitedAnswer> {
      exchange.requests++
      exchange.mostInFlight = Math.max(exchange.mostInFlight, ++exchange.inFlight)
      const minute = Math.floor(clock.nowMs / MINUTE)
      own.set(minute, (own.get(minute) ?? 0) + weight)
      const count = (own.get(minute) ?? 0) + others(clock.nowMs)
      await clock.sleep(latencyMs, never)
      exchange.inFlight--
      if (count <= budget) return { status: 200, headers: { 'x-mbx-used-weight-1m': String(count) } }
      exchange.refused++
      return { status: 429, headers: { 'retry-after': '5', 'x-mbx-used-weight-1m': String(count) } }
    },
  }
  return exchange
}

function setup(options: RestLimiterOptions & { startMs?: number } = {}) {
  const { startMs, ...rest } = options
  const clock = createVirtualClock(startMs ?? START)
  const account = new MemoryRestAccount(clock.now)
  const limiter = createRestLimiter({ account, sleep: clock.sleep, ...rest })
  return { clock, limiter, account }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    return isCkvdError(error) ? error.code : String(error)
  }
}

describe('weight budgets', () => {
  test('own weight of a wall-clock minute never exceeds the share, and comes to it', async () => {
    const { clock, limiter } = setup({ budgets: { um: 240 }, startMs: START + 17_300 })
    const exchange = createExchange(clock, 240)
    const weights = Array.from({ length: 400 }, (_, i) => (i % 7 === 0 ? 1 : 2))
    await clock.run(Promise.all(weights.map((weight) => limiter.run('um', weight, never, () => exchange.send(weight)))))
    const minutes = [...exchange.own.values()]
    expect(exchange.requests).toBe(400)
    expect(minutes.length).toBeGreaterThanOrEqual(4)
    expect(Math.max(...minutes)).toBeLessThanOrEqual(192)
    // whole minutes in the middle are used to the last request
    for (const weight of minutes.slice(1, -1)) expect(weight).toBeGreaterThanOrEqual(190)
    expect(exchange.mostInFlight).toBe(4)
    expect(exchange.refused).toBe(0)
  })

  test('beside a neighbour that spends steadily the sum stays within the budget', async () => {
    const perMinute = 150
    const { clock, limiter } = setup({ budgets: { um: 240 }, startMs: START + 31_000 })
    const exchange = createExchange(clock, 240, (nowMs) => Math.floor(((nowMs % MINUTE) / MINUTE) * perMinute))
    await clock.run(Promise.all(Array.from({ length: 100 }, () => limiter.run('um', 2, never, () => exchange.send(2)))))
    expect(exchange.requests).toBe(100)
    for (const minute of exchange.own.keys()) expect(exchange.sumOf(minute)).toBeLessThanOrEqual(240)
    expect(exchange.refused).toBe(0)
  })

  test('a header that jumps by 3,000 slows the lane: the sum stays within the share', async () => {
    const { clock, limiter } = setup({ startMs: START + 40_000 })
    let others = 0
    const exchange = createExchange(clock, 6000, () => others)
    const first = Math.floor(START / MINUTE)
    await clock.run(Promise.all(Array.from({ length: 20 }, () => limiter.run('spot', 2, never, () => exchange.send(2)))))
    others = 3000
    await clock.run(limiter.run('spot', 2, never, () => exchange.send(2)))
    others = 4750
    const work = Promise.all(Array.from({ length: 60 }, () => limiter.run('spot', 2, never, () => exchange.send(2))))
    await clock.run(work.then(() => (others = 0)))
    expect(exchange.sumOf(first)).toBeLessThanOrEqual(4800)
    expect(exchange.own.get(first)).toBeGreaterThan(42)
    expect(exchange.own.get(first + 1)).toBeGreaterThan(0)
    expect(exchange.refused).toBe(0)
  })

  test('the first request of a minute goes alone, so that a used-up budget is met by one', async () => {
    const { limiter } = setup()
    const answers: ((answer: LimitedAnswer) => void)[] = []
    const calls = Array.from({ length: 8 }, () => limiter.run('um', 2, never, () => new Promise<LimitedAnswer>((r) => answers.push(r))))
    // requests of another lane, one after the other: what this lane can start has started meanwhile
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await limiter.run('spot', 2, never, () => Promise.resolve({ status: 200, headers: {} }))
    }
    await settle()
    expect(answers).toHaveLength(1)
    answers[0]?.({ status: 200, headers: { 'x-mbx-used-weight-1m': '2' } })
    await settle()
    expect(answers).toHaveLength(5)
    for (let i = 1; i < 8; i++) {
      answers[i]?.({ status: 200, headers: {} })
      await settle()
    }
    expect(await Promise.all(calls)).toHaveLength(8)
  })

  test('um and cm are one budget, spot is apart', async () => {
    const { clock, limiter } = setup({ budgets: { um: 240, cm: 240 }, startMs: START + 17_300 })
    const exchange = createExchange(clock, 240)
    const spot = createExchange(clock, 6000)
    const calls = Array.from({ length: 200 }, (_, i) => limiter.run(i % 2 === 0 ? 'um' : 'cm', 2, never, () => exchange.send(2)))
    await clock.run(Promise.all([...calls, limiter.run('spot', 2, never, () => spot.send(2))]))
    expect(Math.max(...exchange.own.values())).toBeLessThanOrEqual(192)
    expect(exchange.own.size).toBeGreaterThanOrEqual(3)
    expect(exchange.mostInFlight).toBe(4)
    expect(spot.own.get(Math.floor((START + 17_300) / MINUTE))).toBe(2)
  })

  test('two limiters on one account stay within the share together', async () => {
    const { clock, limiter, account } = setup({ budgets: { spot: 240 }, startMs: START + 17_300 })
    const second = createRestLimiter({ account, sleep: clock.sleep, budgets: { spot: 240 } })
    const exchange = createExchange(clock, 240)
    const calls = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? limiter : second).run('spot', 2, never, () => exchange.send(2)))
    await clock.run(Promise.all(calls))
    expect(exchange.requests).toBe(300)
    expect(Math.max(...exchange.own.values())).toBeLessThanOrEqual(192)
    expect(exchange.refused).toBe(0)
  })

  test('wrong options and a share that no request fits into are refused', async () => {
    expect(() => createRestLimiter({ share: 0 })).toThrow('Expected `share` of the REST limiter')
    expect(() => createRestLimiter({ share: 1.01 })).toThrow('Expected `share` of the REST limiter')
    expect(() => createRestLimiter({ maxConcurrent: 0 })).toThrow('maxConcurrent')
    expect(() => createRestLimiter({ budgets: { um: 0.5 } })).toThrow('budgets.um')
    const { limiter } = setup({ share: 0.0005 })
    expect(await codeOf(limiter.run('um', 2, never, () => Promise.reject(new Error('sent'))))).toBe('CKVD_CONFIG')
  })
})

describe('429', () => {
  test('pauses the lane for Retry-After, then the call is tried again', async () => {
    const { clock, limiter } = setup()
    const sentAt: number[] = []
    const send = (): Promise<LimitedAnswer> => {
      sentAt.push(clock.nowMs - START)
      return Promise.resolve(sentAt.length === 1 ? { status: 429, headers: { 'retry-after': '7' } } : { status: 200, headers: {} })
    }
    const answer = await clock.run(limiter.run('spot', 2, never, send))
    expect(answer.status).toBe(200)
    expect(sentAt).toEqual([0, 7000])
  })

  test('without Retry-After it pauses to the end of the minute, other calls of the lane too, other markets not', async () => {
    const { clock, limiter } = setup({ startMs: START + 20_000 })
    const sentAt: [string, number][] = []
    const send = (name: string, status: number) => (): Promise<LimitedAnswer> => {
      sentAt.push([name, clock.nowMs - START])
      return Promise.resolve({ status: sentAt.length === 1 ? status : 200, headers: {} })
    }
    const refused = limiter.run('spot', 2, never, send('refused', 429))
    await clock.run(Promise.all([refused, limiter.run('spot', 2, never, send('later', 200)), limiter.run('um', 2, never, send('um', 200))]))
    expect(sentAt.filter(([name]) => name === 'um')).toEqual([['um', 20_000]])
    expect(sentAt[0]).toEqual(['refused', 20_000])
    for (const [name, at] of sentAt.slice(1)) if (name !== 'um') expect(at).toBe(60_000)
    expect(sentAt).toHaveLength(4)
  })

  test('a 429 that does not end fails the call after four tries', async () => {
    const { clock, limiter } = setup()
    let sent = 0
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: 429, headers: { 'retry-after': String(++sent) } })
    expect(await codeOf(clock.run(limiter.run('spot', 2, never, send)))).toBe('CKVD_RATE_LIMITED')
    expect(sent).toBe(4)
  })

  test('a pause of more than five minutes fails the call instead of hanging', async () => {
    const { clock, limiter } = setup()
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: 429, headers: { 'retry-after': '3600' } })
    expect(await codeOf(clock.run(limiter.run('spot', 2, never, send)))).toBe('CKVD_RATE_LIMITED')
    expect(clock.nowMs).toBe(START)
  })

  test.each([
    ['400', '7 min'],
    ['600', '10 min'],
    ['86400', '24 h'],
  ])('a pause of %s s is told as %s, with its end', async (seconds, told) => {
    const { clock, limiter } = setup()
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: 429, headers: { 'retry-after': seconds } })
    const until = new Date(START + Number(seconds) * 1000).toISOString()
    await expect(clock.run(limiter.run('spot', 2, never, send))).rejects.toThrow(`asked for a pause of ${told}, until ${until}: `)
  })

  test('its pause holds for whoever comes later, in another process too: an hour ends the call at once', async () => {
    const { clock, limiter, account } = setup()
    let sent = 0
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: ++sent === 1 ? 429 : 200, headers: { 'retry-after': '3600' } })
    expect(await codeOf(limiter.run('um', 2, never, send))).toBe('CKVD_RATE_LIMITED')
    const later = createRestLimiter({ account, sleep: clock.sleep })
    clock.nowMs = START + 3_299_999
    const error: unknown = await later.run('cm', 2, never, send).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CKVD_RATE_LIMITED', details: { market: 'cm', until: '2024-01-01T01:00:00.000Z' } })
    expect(sent).toBe(1)
    // the last five minutes are waited for
    clock.nowMs = START + 3_300_000
    await clock.run(later.run('cm', 2, never, send))
    expect(clock.nowMs).toBe(START + 3_600_000)
    expect(sent).toBe(2)
  })

  test('what waits behind a call that was refused for good ends with it, unsent', async () => {
    const { clock, limiter } = setup({ maxConcurrent: 1 })
    let sent = 0
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: 429, headers: { 'retry-after': String(++sent) } })
    const codes = await clock.run(Promise.all(Array.from({ length: 20 }, () => codeOf(limiter.run('spot', 2, never, send)))))
    expect(new Set(codes)).toEqual(new Set(['CKVD_RATE_LIMITED']))
    expect(sent).toBe(4)
  })
})

describe('418', () => {
  const banned = (retryAfter?: string, text?: string): LimitedAnswer => ({
    status: 418,
    headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
    ...(text === undefined ? {} : { body: new TextEncoder().encode(text) }),
  })

  test('stops the lane at once: queued and later calls fail without a request, cm with um, spot goes on', async () => {
    const { clock, limiter } = setup({ budgets: { um: 12 } })
    let sent = 0
    const send = async (): Promise<LimitedAnswer> => {
      sent++
      await clock.sleep(10, never)
      return banned('300')
    }
    const codes = await clock.run(Promise.all(Array.from({ length: 20 }, () => codeOf(limiter.run('um', 2, never, send)))))
    expect(codes).toEqual(Array.from({ length: 20 }, () => 'CKVD_BANNED'))
    expect(sent).toBe(1)
    expect(clock.nowMs).toBeLessThan(START + 20_000)
    expect(await codeOf(limiter.run('um', 2, never, send))).toBe('CKVD_BANNED')
    expect(await codeOf(limiter.run('cm', 2, never, send))).toBe('CKVD_BANNED')
    expect(sent).toBe(1)
    expect((await clock.run(limiter.run('spot', 2, never, () => Promise.resolve({ status: 200, headers: {} })))).status).toBe(200)
  })

  test('a call in flight keeps its answer when another one is banned', async () => {
    const { clock, limiter } = setup()
    await clock.run(limiter.run('spot', 2, never, () => Promise.resolve({ status: 200, headers: {} })))
    const slow = limiter.run('spot', 2, never, async (watch) => {
      watch.onSend()
      await clock.sleep(500, never)
      return { status: 200, headers: {} }
    })
    const refused = codeOf(limiter.run('spot', 2, never, () => Promise.resolve(banned('60'))))
    const [answer, code] = await clock.run(Promise.all([slow, refused]))
    expect(code).toBe('CKVD_BANNED')
    expect(answer.status).toBe(200)
  })

  test('what was booked before, and has not gone out when another process is banned, stays here', async () => {
    const { clock, limiter, account } = setup()
    const fine = (): Promise<LimitedAnswer> => Promise.resolve({ status: 200, headers: {} })
    await clock.run(limiter.run('um', 2, never, fine))
    const other = createRestLimiter({ account, sleep: clock.sleep })
    let sent = 0
    // it waits for a connection while the other process is answered, and nobody else asks, who would hear of the ban
    const late = codeOf(
      limiter.run('um', 2, never, async (watch) => {
        await clock.sleep(300, never)
        watch.onSend()
        sent++
        return fine()
      }),
    )
    const first = codeOf(
      other.run('cm', 2, never, async () => {
        await clock.sleep(200, never)
        return banned('600')
      }),
    )
    expect(await clock.run(Promise.all([first, late]))).toEqual(['CKVD_BANNED', 'CKVD_BANNED'])
    expect(sent).toBe(0)
  })

  test.each([
    ['breaks off', 1, () => Promise.reject(new CkvdError('CKVD_HTTP_TRUNCATED', 'the body broke off'))],
    ['is late', 5_000, () => Promise.resolve(banned('600'))],
  ])('is heard from its first line: its text %s', async (_name, lateMs, end) => {
    const { clock, limiter, account } = setup()
    const heard = codeOf(
      limiter.run('um', 2, never, async (watch) => {
        watch.onSend()
        watch.onStatus(418, { 'retry-after': '600' })
        await clock.sleep(lateMs, never)
        return end()
      }),
    )
    let sent = 0
    const other = createRestLimiter({ account, sleep: clock.sleep })
    const send = (): Promise<LimitedAnswer> => Promise.resolve(banned(String(sent++)))
    await clock.run(clock.sleep(1, never))
    expect(await codeOf(other.run('cm', 2, never, send))).toBe('CKVD_BANNED')
    expect(await clock.run(heard)).toBe('CKVD_BANNED')
    expect(sent).toBe(0)
  })

  test('a new limiter with the same account sends nothing until the ban ends, and says until when', async () => {
    const { clock, limiter: before, account } = setup()
    await codeOf(clock.run(before.run('um', 1, never, () => Promise.resolve(banned('600')))))

    const limiter = createRestLimiter({ account, sleep: clock.sleep })
    let sent = 0
    const send = (): Promise<LimitedAnswer> => Promise.resolve({ status: 200, headers: {}, sent: ++sent })
    const error: unknown = await limiter.run('um', 1, never, send).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CKVD_BANNED', details: { market: 'um', until: '2024-01-01T00:10:00.000Z' } })
    clock.nowMs = START + 599_999
    expect(await codeOf(limiter.run('um', 1, never, send))).toBe('CKVD_BANNED')
    expect(sent).toBe(0)
    clock.nowMs = START + 600_000
    await clock.run(limiter.run('um', 1, never, send))
    expect(sent).toBe(1)
  })

  const HOUR = 3_600_000
  const text = (untilMs: number | string): string =>
    `{"code":-1003,"msg":"Way too much request weight used; IP banned until ${untilMs}. Please use WebSocket Streams."}`
  test.each<[string, LimitedAnswer, number]>([
    ['nothing is said', banned(), 120_000],
    ['seconds', banned('300'), 300_000],
    ['a fraction of seconds', banned('300.5'), 300_500],
    ['a date', banned(new Date(START + 7_200_000).toUTCString()), 7_200_000],
    ['a date in the obsolete form of C', banned('Mon Jan  1 02:00:00 2024'), 2 * HOUR],
    ['a date that has passed', banned(new Date(START - 5000).toUTCString()), 120_000],
    ['a date far away', banned('Fri, 31 Dec 9999 23:59:59 GMT'), 72 * HOUR],
    ['a number without end', banned('99999999999999999999'), 72 * HOUR],
    ['a number that no double holds', banned('9'.repeat(400)), 72 * HOUR],
    ['a negative number', banned('-5'), 120_000],
    ['no number', banned('soon'), 120_000],
    ['an exponent', banned('1e9'), 120_000],
    ['an empty header', banned(''), 120_000],
    ['a text that ends later than the header', banned('300', text(START + 6 * HOUR)), 6 * HOUR],
    ['a header that ends later than the text', banned('7200', text(START + 60_000)), 2 * HOUR],
    ['a text alone', banned(undefined, text(START + 6 * HOUR)), 6 * HOUR],
    ['a text that has passed', banned(undefined, text(START - 1)), 120_000],
    ['a text far away', banned(undefined, text('9'.repeat(40))), 72 * HOUR],
    ['a text that is none', banned(undefined, text('tomorrow')), 120_000],
    ['a page of HTML', banned(undefined, '<html>'.repeat(10_000)), 120_000],
    ['a 429 that speaks of a ban', { ...banned('5', text(START + 2 * HOUR)), status: 429 }, 2 * HOUR],
  ])('how long it lasts: %s', async (_name, answer, expectedMs) => {
    const { clock, limiter } = setup()
    const error: unknown = await clock.run(limiter.run('cm', 1, never, () => Promise.resolve(answer)).catch((reason: unknown) => reason))
    expect(error).toMatchObject({ code: 'CKVD_BANNED', details: { until: new Date(START + expectedMs).toISOString() } })
  })
})

describe('403', () => {
  const refusal = (): Promise<never> => Promise.reject(new CkvdError('CKVD_FORBIDDEN', 'spot answered 403'))

  test('three in a row stop their market for five minutes, whatever other markets answer', async () => {
    const { clock, limiter } = setup()
    let sent = 0
    const send = (): Promise<never> => {
      sent++
      return refusal()
    }
    const fine = (): Promise<LimitedAnswer> => Promise.resolve({ status: 200, headers: {} })
    const calls = Array.from({ length: 60 }, () => codeOf(limiter.run('um', 2, never, send)))
    const others = Array.from({ length: 60 }, () => limiter.run('cm', 2, never, fine))
    expect(new Set(await clock.run(Promise.all(calls)))).toEqual(new Set(['CKVD_FORBIDDEN']))
    expect(await clock.run(Promise.all(others))).toHaveLength(60)
    // those that were on the wire with the third
    expect(sent).toBeLessThanOrEqual(3 + 3)
    const before = sent
    expect(await codeOf(limiter.run('um', 2, never, send))).toBe('CKVD_FORBIDDEN')
    expect(sent).toBe(before)
    // later one request finds out whether it is still so
    clock.nowMs += 300_000
    const codes = Array.from({ length: 10 }, () => codeOf(limiter.run('um', 2, never, send)))
    expect(new Set(await clock.run(Promise.all(codes)))).toEqual(new Set(['CKVD_FORBIDDEN']))
    expect(sent).toBe(before + 1)
    clock.nowMs += 300_000
    expect((await clock.run(limiter.run('um', 2, never, fine))).status).toBe(200)
    expect((await clock.run(limiter.run('um', 2, never, fine))).status).toBe(200)
  })

  test('an answer between them begins the count anew', async () => {
    const { clock, limiter } = setup()
    for (let i = 0; i < 9; i++) {
      const send = i % 3 === 2 ? (): Promise<LimitedAnswer> => Promise.resolve({ status: 200, headers: {} }) : refusal
      const code = codeOf(limiter.run('spot', 2, never, send))
      expect(await clock.run(code)).toBe(i % 3 === 2 ? 'no error' : 'CKVD_FORBIDDEN')
    }
  })
})

describe('an error of a request', () => {
  test.each(['CKVD_FORBIDDEN', 'CKVD_HTTP_BUSY', 'CKVD_HTTP_STATUS'] as const)(
    '%s that speaks of a ban is one, for all of the lane',
    async (code) => {
      const { clock, limiter } = setup()
      let sent = 0
      const send = (): Promise<never> => {
        sent++
        return Promise.reject(new CkvdError(code, 'um answered', { details: { bannedMs: 6 * 3_600_000 } }))
      }
      const error: unknown = await clock.run(limiter.run('um', 2, never, send).catch((reason: unknown) => reason))
      expect(error).toMatchObject({ code: 'CKVD_BANNED', details: { market: 'um', until: '2024-01-01T06:00:00.000Z' } })
      expect(await codeOf(limiter.run('cm', 2, never, send))).toBe('CKVD_BANNED')
      expect(sent).toBe(1)
    },
  )
})

describe('abort', () => {
  test('ends a call that waits for its minute, in the queue, or before it starts', async () => {
    const { clock, limiter } = setup({ budgets: { um: 12 }, maxConcurrent: 1, startMs: START + 55_000 })
    const exchange = createExchange(clock, 1000)
    await clock.run(Promise.all([1, 2, 3, 4].map(() => limiter.run('um', 2, never, () => exchange.send(2)))))
    const abort = new AbortController()
    const waiting = codeOf(limiter.run('um', 2, abort.signal, () => exchange.send(2)))
    const queued = codeOf(limiter.run('um', 2, abort.signal, () => exchange.send(2)))
    while (clock.sleeping === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    abort.abort()
    expect(await Promise.all([waiting, queued])).toEqual(['CKVD_ABORTED', 'CKVD_ABORTED'])
    expect(await codeOf(limiter.run('um', 2, abort.signal, () => exchange.send(2)))).toBe('CKVD_ABORTED')
    expect(exchange.requests).toBe(4)
    // the lane is free again
    await clock.run(limiter.run('um', 2, never, () => exchange.send(2)))
    expect(exchange.requests).toBe(5)
  })

  test('what a request throws is thrown, and its weight stays counted', async () => {
    const { clock, limiter, account } = setup()
    await expect(clock.run(limiter.run('um', 5, never, () => Promise.reject(new RangeError('socket'))))).rejects.toThrow('socket')
    expect(await account.usage({ name: 'futures' })).toMatchObject({ spent: 5 })
  })
})
