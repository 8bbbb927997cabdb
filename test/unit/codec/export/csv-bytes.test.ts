import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CsvBytes } from '../../../../src/codec/export/csv-bytes.ts'

function textOf(write: (out: CsvBytes) => void): string {
  const out = new CsvBytes()
  write(out)
  return Buffer.from(out.take()).toString()
}

/** JavaScript's own shortest decimal, its exponent written out by moving the point. */
function plainDecimal(value: number): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return sign + digits.padEnd(point, '0')
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

test('a number is the shortest decimal that reads back to it, without an exponent', () => {
  const decimal = fc.tuple(fc.maxSafeNat(), fc.integer({ min: 0, max: 12 })).map(([digits, places]) => Number(`${digits}e-${places}`))
  const number = fc.oneof({ weight: 3, arbitrary: decimal }, fc.double({ noNaN: true, noDefaultInfinity: true }))
  fc.assert(
    fc.property(number, (value) => {
      const text = textOf((out) => out.number(value))
      expect(text).toBe(plainDecimal(value))
      expect(Number(text)).toBe(value === 0 ? 0 : value)
    }),
    { numRuns: 20_000 },
  )
  const edges = [0, 1, 9.5, 10, 99.99999999, 1e-8, 1e-9, 0.1, 9_999_999.99999999, 10_000_000, 90_071_992.5474099, 1e21, 5e-324]
  for (const value of edges) expect(textOf((out) => out.number(value))).toBe(plainDecimal(value))
})

test('times are ISO text with microseconds, whatever their order', () => {
  const time = fc.integer({ min: Date.UTC(2009, 0, 3) * 1000, max: Date.UTC(2099, 11, 31) * 1000 })
  fc.assert(
    fc.property(fc.array(time), (timesUs) => {
      const isoOf = (timeUs: number) =>
        `${new Date(Math.floor(timeUs / 1000)).toISOString().slice(0, -1)}${String(timeUs % 1000).padStart(3, '0')}Z`
      expect(textOf((out) => timesUs.forEach((timeUs) => out.time(timeUs)))).toBe(timesUs.map(isoOf).join(''))
    }),
  )
})

test('what is written grows beyond any first size, text as UTF-8', () => {
  const line = '币安人生USDT,"é"'
  const written = textOf((out) => {
    for (let i = 0; i < 10_000; i++) {
      out.text(line)
      out.comma()
      out.number(i)
      out.endLine()
    }
  })
  expect(written).toBe(Array.from({ length: 10_000 }, (_none, i) => `${line},${i}\n`).join(''))
})
