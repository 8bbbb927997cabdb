import { describe, expect, test } from 'vitest'
import { acquireTail } from '../../../../src/acquire/rest/tail.ts'
import { CkvdError } from '../../../../src/errors.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import type { RestSource } from '../../../../src/sources/rest/rest.ts'
import { at, HOUR_US, HOURS, hoursOf, infoOf, refusing, restOf } from '../bars.ts'
import { lifeOf } from '../lives.ts'

const signal = new AbortController().signal
const DAYS = ['2024-03-10', '2024-03-11', '2024-03-12'] as UtcDay[]
/** the last archive ended with 2024-03-09 */
const BEFORE = hoursOf('2024-03-09')
const LAST_US = at('2024-03-09T23:00:00Z')

/** The three days after the last archive, as they are told at some time. */
async function tailAt(now: string, rest: RestSource | null) {
  const life = lifeOf({ rest, nowUs: at(now), lastKnownDay: '2024-03-09' as UtcDay })
  life.saw(LAST_US)
  const days = await acquireTail({ series: HOURS, days: DAYS }, life, { rest, signal })
  return { days, life }
}

async function conditions(now: string, rest: RestSource | null): Promise<string[]> {
  return (await tailAt(now, rest)).days.map(({ day, condition }) => `${day} ${condition}`)
}

describe('the days after the last archive', () => {
  test('with bars of REST they are provisional, asked for as one stretch from the last bar that is known', async () => {
    const rest = restOf([...BEFORE, ...DAYS.flatMap((day) => hoursOf(day)), at('2024-03-13T00:00:00Z')])
    expect(await conditions('2024-03-13T01:00:00Z', rest)).toEqual(DAYS.map((day) => `${day} provisional`))
    expect(rest.asked).toMatchObject([{ startUs: at('2024-03-10T00:00:00Z'), endUs: at('2024-03-13T00:00:00Z'), beforeUs: LAST_US }])
    expect(rest.infoAsked).toBe(0)
  })

  test('while they are young and nothing is there they are pending', async () => {
    expect(await conditions('2024-03-13T00:00:00Z', restOf([...BEFORE, ...hoursOf('2024-03-10')]))).toEqual([
      '2024-03-10 provisional',
      '2024-03-11 pending',
      '2024-03-12 pending',
    ])
    expect(await conditions('2024-03-13T00:00:00Z', null)).toEqual(DAYS.map((day) => `${day} pending`))
    const unreachable = refusing(new CkvdError('CKVD_HTTP_NETWORK', 'no way'))
    expect(await conditions('2024-03-13T00:00:00Z', unreachable)).toEqual(DAYS.map((day) => `${day} pending`))
  })

  test('without REST the older ones are partial: nobody knows', async () => {
    // 2024-03-10 closed three days before
    expect(await conditions('2024-03-14T00:00:00Z', null)).toEqual(['2024-03-10 partial', '2024-03-11 pending', '2024-03-12 pending'])
    expect(await conditions('2024-03-20T00:00:00Z', null)).toEqual(DAYS.map((day) => `${day} partial`))
  })

  test('an empty answer ends nothing, however old: it holds no witness', async () => {
    expect(await conditions('2024-03-20T00:00:00Z', restOf([]))).toEqual(DAYS.map((day) => `${day} partial`))
  })

  test('a series that has been silent for three days and a bar, and that the exchange does not trade, has ended', async () => {
    const rest = restOf([...BEFORE, ...hoursOf('2024-03-10', 0, 9)])
    const { days, life } = await tailAt('2024-03-20T00:00:00Z', rest)
    expect(days).toMatchObject([{ day: '2024-03-10', condition: 'provisional', rows: 9, expected: 9, gaps: [] }])
    expect(life.endedUs).toBe(at('2024-03-10T09:00:00Z'))
    // silent since the last archive
    expect((await tailAt('2024-03-20T00:00:00Z', restOf(BEFORE))).days).toEqual([])
  })

  test('one that the exchange still trades, or of which it says nothing, has not: the days are partial', async () => {
    const bars = [...BEFORE, ...hoursOf('2024-03-10', 0, 9)]
    for (const trading of [infoOf(HOURS.symbol), new CkvdError('CKVD_HTTP_STATUS', 'gone')]) {
      const { days, life } = await tailAt('2024-03-20T00:00:00Z', restOf(bars, { trading }))
      expect(days.map(({ condition, rows }) => [condition, rows])).toEqual([
        ['partial', 9],
        ['partial', 0],
        ['partial', 0],
      ])
      expect(days[0]?.gaps).toMatchObject([{ bars: 15, evidence: { source: null, reason: 'not-ended' } }])
      expect(life.endedUs).toBeNull()
    }
  })

  test('a hole between bars of REST is an outage, with both of them as witnesses', async () => {
    const rest = restOf([
      ...BEFORE,
      ...hoursOf('2024-03-10'),
      ...hoursOf('2024-03-11', 0, 5),
      ...hoursOf('2024-03-11', 9, 15),
      ...hoursOf('2024-03-12'),
      at('2024-03-13T00:00:00Z'),
    ])
    const { days } = await tailAt('2024-03-13T01:00:00Z', rest)
    expect(days.map(({ condition }) => condition)).toEqual(['provisional', 'outage', 'provisional'])
    const [beforeUs, afterUs] = [at('2024-03-11T04:00:00Z'), at('2024-03-11T09:00:00Z')]
    expect(days[1]?.gaps).toEqual([
      { startUs: beforeUs + HOUR_US, endUs: afterUs, bars: 4, evidence: { source: 'rest', beforeUs, afterUs } },
    ])
  })

  test('a hole over whole days is an outage of days without a shard', async () => {
    const rest = restOf([...BEFORE, ...hoursOf('2024-03-12', 5, 19), at('2024-03-13T00:00:00Z')])
    const { days } = await tailAt('2024-03-13T01:00:00Z', rest)
    expect(days.map(({ condition, shard }) => [condition, shard === null])).toEqual([
      ['outage', true],
      ['outage', true],
      ['outage', false],
    ])
    for (const { gaps } of days)
      expect(gaps[0]?.evidence).toEqual({ source: 'rest', beforeUs: LAST_US, afterUs: at('2024-03-12T05:00:00Z') })
  })
})
