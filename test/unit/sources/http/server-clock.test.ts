import { expect, test } from 'vitest'
import type { CkvdError } from '../../../../src/errors.ts'
import { ServerClock } from '../../../../src/sources/http/server-clock.ts'

const SYSTEM = Date.parse('2024-06-01T12:00:00.500Z')

/** An answer whose server's clock is `offMs` from the system's, and which took `tookMs`. */
function answer(offMs: number, tookMs = 0): { headers: Record<string, string>; sentMs: number; receivedMs: number } {
  const date = new Date(SYSTEM + offMs).toUTCString()
  return { headers: { date }, sentMs: SYSTEM - tookMs, receivedMs: SYSTEM }
}

function observed(offMs: number, tookMs = 0): { clock: ServerClock; told: string[] } {
  const told: string[] = []
  const clock = new ServerClock()
  clock.onSkew = (message) => void told.push(message)
  clock.observe('https://rest', answer(offMs, tookMs))
  return { clock, told }
}

test('whole seconds and the time on the way explain what they can', () => {
  expect(observed(0).clock.skewMs).toBe(0)
  expect(observed(-1000).clock.skewMs).toBeLessThanOrEqual(500)
  expect(observed(-20_000, 20_000)).toMatchObject({ told: [], clock: { skewMs: 0 } })
  expect(observed(-30_000, 20_000).told).toHaveLength(1)
})

test.each([-4000, 4000])('%i ms off is not told', (offMs) => {
  expect(observed(offMs).told).toEqual([])
})

test.each([-7000, 7000, -3_500_000, 3_500_000])('%i ms off is told, with both times', (offMs) => {
  const { told } = observed(offMs)
  expect(told).toHaveLength(1)
  expect(told[0]).toContain('2024-06-01T12:00:00.500Z')
  expect(told[0]).toContain(new Date(Math.floor((SYSTEM + offMs) / 1000) * 1000).toISOString())
  expect(told[0]).toContain(offMs < 0 ? 'ahead of' : 'behind')
})

test.each([-3_602_000, 3_602_000, -1e12, 1e12])('%i ms off stops', (offMs) => {
  expect(() => observed(offMs)).toThrow(expect.objectContaining({ code: 'CKVD_CLOCK', exit: 4 }) as CkvdError)
})

test.each(['1', '2024-06-01T03:00:00', '1 Jan 1970', 'Sat, 01 Jun 2024 03:00:00 GMT, Sat, 01 Jun 2024 12:00:00 GMT', 'yesterday', ''])(
  'a Date of %j is none: it is not believed',
  (date) => {
    const clock = new ServerClock()
    clock.observe('https://rest', { headers: { date }, sentMs: SYSTEM, receivedMs: SYSTEM })
    expect(clock.skewMs).toBe(0)
  },
)

test('"closed" is what the earlier of both clocks says', () => {
  const ahead = observed(-120_000).clock
  expect(ahead.notAfter(Date.now())).toBeLessThanOrEqual(Date.now() - 119_000)
  expect(ahead.notAfter(Date.parse('2020-01-01'))).toBe(Date.parse('2020-01-01'))
  const behind = observed(120_000).clock
  expect(behind.notAfter(SYSTEM)).toBe(SYSTEM)
  expect(behind.skewMs).toBe(0)
})

test('of several servers the one that is furthest behind counts, and a later word of it replaces the earlier', () => {
  const { clock, told } = observed(-120_000)
  clock.observe('https://listing', answer(-10_000))
  expect(clock.skewMs).toBeGreaterThan(118_000)
  clock.observe('https://rest', answer(0))
  expect(clock.skewMs).toBeLessThan(11_000)
  expect(told).toHaveLength(1)
})

test.each([{ age: '0' }, { 'x-cache': 'HIT from proxy.lan' }, { date: 'yesterday' }, { date: '' }])('%j says nothing', (headers) => {
  const clock = new ServerClock()
  clock.observe('https://rest', { ...answer(-1e9), headers: { ...answer(-1e9).headers, ...headers } })
  clock.observe('https://rest', { headers: {}, sentMs: SYSTEM, receivedMs: SYSTEM })
  expect(clock.skewMs).toBe(0)
})
