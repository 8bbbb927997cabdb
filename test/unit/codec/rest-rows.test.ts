import { describe, expect, test } from 'vitest'
import { decodeRestRows } from '../../../src/codec/rest-rows.ts'
import type { CkvdError } from '../../../src/errors.ts'
import { KLINE_COLUMNS } from '../../../src/model/kline.ts'

const ROW = [
  1586987400000,
  '6733.55000000',
  '6737.79000000',
  '6726.61000000',
  '6727.14000000',
  '121.20139100',
  1586987699999,
  '815879.49416818',
  2208,
  '56.19067400',
  '378311.74215876',
  '0',
]
const NEXT = [1586987700000, ...ROW.slice(1, 6), 1586987999999, ...ROW.slice(7)]
const rowWith = (index: number, cell: unknown): unknown[] => NEXT.map((value, i) => (i === index ? cell : value))

describe('decodeRestRows', () => {
  test('reads rows, from text or bytes', () => {
    for (const body of [JSON.stringify([ROW, NEXT]), Buffer.from(JSON.stringify([ROW, NEXT]))]) {
      const columns = decodeRestRows(body)
      const first = KLINE_COLUMNS.map(({ key }) => columns[key][0])
      expect(first).toEqual([
        1586987400000000n,
        6733.55,
        6737.79,
        6726.61,
        6727.14,
        121.201391,
        1586987699999000n,
        815879.49416818,
        2208n,
        56.190674,
        378311.74215876,
      ])
      expect([...columns.openTime]).toEqual([1586987400000000n, 1586987700000000n])
    }
  })

  test('a bar without a trade, and one before 1970 is none', () => {
    const still = rowWith(8, 0)
    expect([...decodeRestRows(JSON.stringify([ROW, still])).count]).toEqual([2208n, 0n])
    expect(() => decodeRestRows(JSON.stringify([rowWith(0, -1)]))).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
  })

  test.each<[string, unknown[], number, string, string]>([
    ['a decimal', rowWith(5, '1e3'), 6, 'volume', '1e3'],
    ['a count', rowWith(8, 'many'), 9, 'count', 'many'],
    ['a time', rowWith(6, 12), 7, 'close_time', '12'],
    ['a long text', rowWith(5, 'x'.repeat(500)), 6, 'volume', 'x{20,100}…'],
    ['a list', rowWith(9, [1, 2]), 10, 'taker_buy_volume', 'an array of 2'],
    ['nothing', rowWith(11, ''), 12, 'ignore', 'nothing'],
  ])('a refusal of %s tells row, field, the time of the bar and what was found', (_name, row, column, field, found) => {
    let thrown: CkvdError | undefined
    try {
      decodeRestRows(JSON.stringify([ROW, row]))
    } catch (error) {
      thrown = error as CkvdError
    }
    expect(thrown?.details).toMatchObject({ row: 1, column, field })
    expect(thrown?.message).toMatch(
      new RegExp(`found ${found} \\(row 1, column ${column} ${field}, open_time 2020-04-15T21:55:00.000000Z\\)$`),
    )
    expect(thrown?.message.length).toBeLessThan(300)
  })

  test.each(['[', '[{"a":', '[[1586987400000,"1",'])('JSON nested 100,000 deep by %s is refused as any other body', (open) => {
    const close = open === '[' ? ']' : open === '[{"a":' ? '}]' : ']]'
    const body = open.repeat(100_000) + '1' + close.repeat(100_000)
    expect(() => decodeRestRows(body)).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
    expect(() => decodeRestRows(open.repeat(100_000))).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
  })

  test('a bar that contradicts itself is a row, as published', () => {
    const odd = [NEXT[0], '-6733.55', '1', '2.5', '3', '-1', 1586987699999, '0', -2208, '0', '-0.5', '0']
    const columns = decodeRestRows(JSON.stringify([ROW, odd]))
    const second = KLINE_COLUMNS.map(({ key }) => columns[key][1])
    expect(second).toEqual([1586987700000000n, -6733.55, 1, 2.5, 3, -1, 1586987699999000n, 0, -2208n, 0, -0.5])
  })

  /** So many bars of five minutes, each opening so long after the one before. */
  const answer = (count: number, stepMs: number, lengthMs: number): string =>
    JSON.stringify(
      Array.from({ length: count }, (_, i) => {
        const openMs = 1586987400000 + i * stepMs
        return [openMs, ...ROW.slice(1, 6), openMs + lengthMs - 1, ...ROW.slice(7)]
      }),
    )

  test.each<[string, string, string]>([
    ['of shorter bars', answer(10, 60_000, 60_000), '10 of 10 bars that close 1m after they open'],
    ['of longer bars', answer(3, 900_000, 900_000), '3 of 3 bars that close 15m after they open'],
    ['of bars of no interval', answer(4, 420_000, 420_000), '4 of 4 bars that close 420 s after they open'],
    ['of shorter bars that close as the asked ones do', answer(10, 60_000, 300_000), '10 bars where there is room for 2'],
  ])('refuses an answer %s, naming what it found', (_name, body, found) => {
    const refusal = expect.objectContaining({
      code: 'CKVD_REST_BODY',
      message: `Expected 5m bars from REST, found ${found}: those of another interval`,
    }) as Error
    expect(() => decodeRestRows(body, '5m')).toThrow(refusal)
    expect(decodeRestRows(body).openTime.length).toBeGreaterThan(2)
  })

  test.each<[string, string]>([
    ['one bar that closes early', answer(1, 300_000, 60_000)],
    ['two bars that close early', answer(2, 300_000, 60_000)],
    ['none', '[]'],
    ['five-minute bars', answer(500, 300_000, 300_000)],
    ['two bars in one slot', answer(2, 60_000, 300_000)],
  ])('takes an answer of %s for what was asked', (_name, body) => {
    expect(decodeRestRows(body, '5m')).toEqual(decodeRestRows(body))
  })

  test('an empty page has no rows', () => {
    expect(decodeRestRows('[]').openTime).toHaveLength(0)
  })

  test.each<[string, string]>([
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['an error body', '{"code":-1121,"msg":"Invalid symbol."}'],
    ['null', 'null'],
  ])('refuses %s', (_, body) => {
    expect(() => decodeRestRows(body)).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
  })

  test.each<[string, unknown]>([
    ['eleven values', NEXT.slice(0, 11)],
    ['thirteen values', [...NEXT, '0']],
    ['an object', { open: 1 }],
    ['a number where a string belongs', rowWith(1, 6733.55)],
    ['an exponent', rowWith(5, '1e3')],
    ['a plus', rowWith(5, '+1')],
    ['what is not a number', rowWith(5, 'NaN')],
    ['null', rowWith(7, null)],
    ['a count in a string', rowWith(8, '2208')],
    ['a count with a fraction', rowWith(8, 1.5)],
    ['a time before 1970', rowWith(6, -1586987999999)],
    ['a time in seconds', rowWith(0, 1586987700)],
    ['text in the ignored value', rowWith(11, 'x')],
    ['the open time of the row before', rowWith(0, ROW[0])],
  ])('refuses a row with %s, and says which', (_, row) => {
    const refusal = expect.objectContaining({ code: 'CKVD_REST_BODY', details: expect.objectContaining({ row: 1 }) as object }) as Error
    expect(() => decodeRestRows(JSON.stringify([ROW, row]))).toThrow(refusal)
  })
})
