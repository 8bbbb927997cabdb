import { describe, expect, test } from 'vitest'
import { MAX_HOLD_MS } from '../../../../config/markets.ts'
import { answerClockMs, parseBanText, parseRetryAfter } from '../../../../src/sources/http/retry-and-ban-times.ts'

const NOW = Date.parse('2024-01-01T00:00:00Z')

describe('Retry-After', () => {
  test.each<[string | undefined, number | undefined]>([
    ['7', 7000],
    [' 7 ', 7000],
    ['0.5', 500],
    // the header stands there twice
    ['5, 7', 7000],
    ['7,5.5', 7000],
    ['5, soon', 5000],
    ['soon, 5', 5000],
    ['5,', 5000],
    ['Mon, 01 Jan 2024 00:01:00 GMT, 700', 700_000],
    ['700, Mon, 01 Jan 2024 00:01:00 GMT', 700_000],
    ['30,Mon, 01 Jan 2024 00:01:00 GMT', 60_000],
    ['Mon, 01 Jan 2024 00:01:00 GMT, Mon, 01 Jan 2024 00:02:00 GMT', 120_000],
    ['Mon Jan  1 00:01:00 2024, 7', 60_000],
    ['Sun, 31 Dec 2023 23:59:59 GMT, 7', 7000],
    ['-5, 7', 7000],
    ['1.0004', 1001],
    ['259200', MAX_HOLD_MS],
    ['259201', MAX_HOLD_MS],
    ['9'.repeat(400), MAX_HOLD_MS],
    ['Mon, 01 Jan 2024 00:01:00 GMT', 60_000],
    ['Monday, 01-Jan-24 00:01:00 GMT', 60_000],
    ['Mon Jan  1 00:01:00 2024', 60_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', MAX_HOLD_MS],
    // in the past, or not to be read: the caller takes its own time
    ['0', undefined],
    ['Sun, 31 Dec 2023 23:59:59 GMT', undefined],
    ['Mon, 99 Jan 2024 00:01:00 GMT', undefined],
    ['-5', undefined],
    ['+5', undefined],
    ['1e9', undefined],
    ['0x10', undefined],
    ['5 minutes', undefined],
    ['soon, later', undefined],
    [',', undefined],
    ['2025-01-01', undefined],
    ['Infinity', undefined],
    ['NaN', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j', (text, expected) => {
    expect(parseRetryAfter(text, NOW)).toBe(expected)
  })
})

describe('the text of a ban', () => {
  test.each<[string, number | undefined]>([
    [`IP banned until ${NOW + 60_000}. Please use WebSocket Streams.`, 60_000],
    [`{"code":-1003,"msg":"Way too much request weight used; IP banned until ${NOW + 1}"}`, 1],
    [`IP(1.2.3.4) banned until ${NOW + 5000}`, 5000],
    // in seconds, in microseconds, in nanoseconds
    [`IP banned until ${NOW / 1000 + 60}`, 60_000],
    [`IP banned until ${NOW / 1000 + 60}.5.`, 60_500],
    [`IP banned until ${(NOW + 60_000) * 1000}`, 60_000],
    [`IP banned until ${BigInt(NOW + 60_000) * 1_000_000n}`, 60_000],
    [`IP banned until ${NOW / 1000 - 60}`, undefined],
    ['IP banned until 12', undefined],
    [`IP banned until ${'9'.repeat(400)}`, MAX_HOLD_MS],
    // the latest of several
    [`IP banned until ${NOW - 1}. IP banned until ${NOW + 60_000}; banned until ${NOW + 5}`, 60_000],
    // as JSON may write it
    [`{"msg":"IP \\u0062anned\\u0020until \\u003${String(NOW + 60_000)[0]}${String(NOW + 60_000).slice(1)}."}`, 60_000],
    [`IP Banned  until ${NOW + 60_000}`, 60_000],
    [`IP banned until ${NOW}`, undefined],
    ['IP banned until further notice', undefined],
    ['IP banned until -5', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(parseBanText(new TextEncoder().encode(text), NOW)).toBe(expected)
  })

  test('is looked for wherever it stands in what is read of an error, and bytes that are no text are no text', () => {
    const after = (bytes: number) => new TextEncoder().encode(`${' '.repeat(bytes)}IP banned until ${NOW + 60_000}`)
    expect(parseBanText(after(5000), NOW)).toBe(60_000)
    expect(parseBanText(after(65_000), NOW)).toBe(60_000)
    expect(parseBanText(after(65_536), NOW)).toBeUndefined()
    expect(parseBanText(new Uint8Array([0xff, 0xfe, 0x00]), NOW)).toBeUndefined()
    expect(parseBanText(undefined, NOW)).toBeUndefined()
  })
})

describe('the clock by which an answer is read', () => {
  test.each<[string, Record<string, string>, number]>([
    ["ours is ahead: the server's", { date: 'Sun, 31 Dec 2023 23:30:00 GMT' }, NOW - 1_800_000],
    ['ours is behind', { date: 'Mon, 01 Jan 2024 00:30:00 GMT' }, NOW],
    ['the answer is an old one', { date: 'Sun, 31 Dec 2023 23:30:00 GMT', age: '1800' }, NOW],
    ['no date that can be read', { date: '1' }, NOW],
    ['none', {}, NOW],
  ])('%s', (_name, headers, expected) => {
    expect(answerClockMs(headers, NOW)).toBe(expected)
  })
})
