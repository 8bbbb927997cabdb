import { describe, expect, it } from 'vitest'
import { decodeCsv } from '../../../../src/codec/csv/csv.ts'
import { describeOddRow, findOddities } from '../../../../src/codec/csv/odd-rows.ts'

const START = Date.parse('2024-03-01')

/** Bars of minutes with these prices, as an archive has them. */
function barsOf(...prices: readonly string[]) {
  const lines = prices.map((text, i) => `${START + i * 60_000},${text},0,${START + i * 60_000 + 59_999},0,60,0,0,0\n`)
  return decodeCsv(Buffer.from(lines.join(''))).columns
}

describe('prices below 0', () => {
  const bars = barsOf('-0.00010000,0.00020000,-0.00030000,0.00010000', '-0.5,-0.1,-0.6,-0.2', '-0.1,-0.2,-0.3,-0.1')

  it('are sound in bars that have a sign, where one that contradicts itself is odd all the same', () => {
    const series = { dataset: 'premiumIndexKlines', interval: '1m' } as const
    expect(findOddities(series, bars)).toEqual({ oddClose: 0, oddRows: 1, times: [(START + 120_000) * 1000] })
    expect(describeOddRow(series, bars, 2)).toBe('high -0.2 below its open -0.1')
  })

  it.each([undefined, 'markPriceKlines', 'indexPriceKlines'])('are odd in bars of %s', (dataset) => {
    expect(findOddities({ dataset, interval: '1m' }, bars).oddRows).toBe(3)
    expect(describeOddRow({ dataset }, bars, 0)).toBe('open -0.0001')
  })
})
