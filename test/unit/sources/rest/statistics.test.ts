import { describe, expect, test } from 'vitest'
import type { RestSeries } from '../../../../src/model/series.ts'
import { fetchStatistics } from '../../../../src/sources/rest/statistics.ts'

const SERIES: RestSeries = { dataset: 'metrics', market: 'um', symbol: 'BTCUSDT', interval: '5m' }
const START_MS = Date.parse('2026-11-20T00:00:00Z')
const SLOT_MS = 300_000
/** What each question is told, by the end of its path; the last one of taker volumes. */
type Told = Readonly<Record<string, readonly (readonly [slot: number, value: string | null])[]>>

const all = (value: string) => [0, 1, 2, 3, 4, 5].map((slot) => [slot, value] as const)
const WHOLE: Told = {
  openInterestHist: all('10'),
  topLongShortAccountRatio: all('1'),
  topLongShortPositionRatio: all('2'),
  globalLongShortAccountRatio: all('3'),
  takerlongshortRatio: all('4'),
}

async function fetchRows(told: Told) {
  const rows = await fetchStatistics(
    SERIES,
    { startUs: START_MS * 1000, endUs: (START_MS + 5 * SLOT_MS) * 1000, limit: 500 },
    {
      base: 'http://127.0.0.1',
      nowUs: (START_MS + 86_400_000) * 1000,
      fetchAnswer: (url) => {
        const values = told[new URL(url).pathname.split('/').at(-1) ?? ''] ?? []
        const body = values.map(([slot, value]) => ({
          timestamp: START_MS + slot * SLOT_MS,
          ...{ sumOpenInterest: value, sumOpenInterestValue: value, longShortRatio: value, buySellRatio: value },
        }))
        return Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode(JSON.stringify(body)) })
      },
    },
  )
  if (rows === null) throw new Error('the contract is known')
  const slots = [...rows.openTime].map((time) => (Number(time) / 1000 - START_MS) / SLOT_MS)
  return { slots, takers: [...(rows['takerVolumes'] ?? [])], accounts: [...(rows['accounts'] ?? [])] }
}

describe('a page made of five answers', () => {
  test('has the rows of the first one with the values of all', async () => {
    expect(await fetchRows(WHOLE)).toEqual({ slots: [0, 1, 2, 3, 4, 5], takers: Array(6).fill(4), accounts: Array(6).fill(3) })
  })

  test.each([
    ['is late', [0, 1, 2, 3], [0, 1, 2, 3]],
    ['is cut at its beginning', [2, 3, 4, 5], [2, 3, 4, 5]],
    ['is empty', [], []],
  ])('ends where one of them %s: a value that was not told is not one that is missing', async (_how, taker, slots) => {
    const found = await fetchRows({ ...WHOLE, takerlongshortRatio: taker.map((slot) => [slot, '4'] as const) })
    expect(found).toEqual({ slots, takers: slots.map(() => 4), accounts: slots.map(() => 3) })
  })

  test('has no value where one of them has none between others, or says so', async () => {
    const takers = WHOLE['takerlongshortRatio']
      ?.filter(([slot]) => slot !== 2)
      .map(([slot, value]) => [slot, slot === 4 ? null : value] as const)
    expect(await fetchRows({ ...WHOLE, takerlongshortRatio: takers ?? [] })).toMatchObject({
      slots: [0, 1, 2, 3, 4, 5],
      takers: [4, 4, NaN, 4, NaN, 4],
    })
  })
})
