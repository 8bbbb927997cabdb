import { describe, expect, test } from 'vitest'
import type { TailTask } from '../../../src/acquire/tail.ts'
import { acquireTail } from '../../../src/acquire/tail.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'
import type { KlineSource } from '../../../src/sources/source.ts'
import { at, barsAt, HOURS, hoursOf, sourceOf } from './bars.ts'

const signal = new AbortController().signal
const DAYS = ['2024-03-10', '2024-03-11', '2024-03-12'] as UtcDay[]

/** Three days after the last archive, which ended with 2024-03-09. */
function taskAt(now: string): TailTask {
  return { series: HOURS, days: DAYS, bounds: { startUs: null, endUs: null }, lastKnownEndUs: at('2024-03-10T00:00:00Z'), nowUs: at(now) }
}

async function conditions(now: string, rest: KlineSource | null): Promise<string[]> {
  const { days } = await acquireTail(taskAt(now), { rest, signal })
  return days.map(({ day, condition }) => `${day} ${condition}`)
}

describe('the days after the last archive', () => {
  test('with bars of REST they are provisional, asked for in one request', async () => {
    const source = sourceOf(barsAt(DAYS.flatMap((day) => hoursOf(day))))
    expect(await conditions('2024-03-13T01:00:00Z', source)).toEqual(DAYS.map((day) => `${day} provisional`))
    expect(source.asked).toHaveLength(1)
  })

  test('while they are young and nothing is there they are pending', async () => {
    expect(await conditions('2024-03-13T00:00:00Z', sourceOf(barsAt(hoursOf('2024-03-10'))))).toEqual([
      '2024-03-10 provisional',
      '2024-03-11 pending',
      '2024-03-12 pending',
    ])
    expect(await conditions('2024-03-13T00:00:00Z', null)).toEqual(DAYS.map((day) => `${day} pending`))
  })

  test('without REST the older ones are partial: nobody knows', async () => {
    // 2024-03-10 closed three days before
    expect(await conditions('2024-03-14T00:00:00Z', null)).toEqual(['2024-03-10 partial', '2024-03-11 pending', '2024-03-12 pending'])
    expect(await conditions('2024-03-20T00:00:00Z', null)).toEqual(DAYS.map((day) => `${day} partial`))
  })

  test('a series that has been silent for three days has ended: nothing is expected after its last bar', async () => {
    const tail = await acquireTail(taskAt('2024-03-20T00:00:00Z'), { rest: sourceOf(barsAt(hoursOf('2024-03-10', 0, 9))), signal })
    expect(tail.days).toMatchObject([{ day: '2024-03-10', condition: 'provisional', rows: 9, expected: 9, gaps: [] }])
    const silent = await acquireTail(taskAt('2024-03-20T00:00:00Z'), { rest: sourceOf(barsAt([])), signal })
    expect(silent).toEqual({ days: [], ended: true })
  })

  test('a hole between bars of REST is an outage, with evidence', async () => {
    const rest = sourceOf(
      barsAt([...hoursOf('2024-03-10'), ...hoursOf('2024-03-11', 0, 5), ...hoursOf('2024-03-11', 9, 15), ...hoursOf('2024-03-12')]),
    )
    const { days } = await acquireTail(taskAt('2024-03-13T01:00:00Z'), { rest, signal })
    expect(days.map(({ condition }) => condition)).toEqual(['provisional', 'outage', 'provisional'])
    expect(days[1]?.gaps).toMatchObject([{ bars: 4, startUs: at('2024-03-11T05:00:00Z') }])
    expect(days[1]?.gaps[0]?.evidence).toContain('REST')
  })
})
