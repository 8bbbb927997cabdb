import { describe, expect, it } from 'vitest'
import { findOddities } from '../../../src/codec/csv/odd-rows.ts'
import { decodeRestRows } from '../../../src/codec/rest-rows.ts'

/** Bodies as they stand in Binance's documents, and in those of a client that shows what it got. */
const BODIES = [
  {
    dataset: 'premiumIndexKlines',
    interval: '1m',
    rows: [[1691603820000, '-0.00042931', '-0.00023641', '-0.00059406', '-0.00043659', '0', 1691603879999, '0', 12, '0', '0', '0']],
  },
  {
    dataset: 'indexPriceKlines',
    interval: '5m',
    rows: [
      [1616340600000, '57366.98431599', '57429.73139441', '57284.92735200', '57284.92735200', '0', 1616340899999, '0', 300, '0', '0', '0'],
      [1616340900000, '57283.26395200', '57294.43035200', '57224.03776400', '57265.85639717', '0', 1616341199999, '0', 89, '0', '0', '0'],
    ],
  },
] as const

describe("REST's bars of prices that nobody traded at", () => {
  it.each(BODIES)('of $dataset have the form of klines, and nothing odd', ({ dataset, interval, rows }) => {
    const bars = decodeRestRows(JSON.stringify(rows), interval)
    expect(Array.from(bars.openTime, Number)).toEqual(rows.map(([openMs]) => openMs * 1000))
    expect([...bars.low]).toEqual(rows.map((row) => Number(row[3])))
    expect(Array.from(bars.count, Number)).toEqual(rows.map((row) => row[8]))
    expect([...bars.volume, ...bars.takerBuyVolume].every((volume) => volume === 0)).toBe(true)
    expect(findOddities({ dataset, interval }, bars)).toMatchObject({ oddClose: 0, oddRows: 0 })
  })
})
