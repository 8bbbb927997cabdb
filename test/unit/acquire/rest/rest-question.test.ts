import { describe, expect, test } from 'vitest'
import type { RestAnswer } from '../../../../src/acquire/rest/rest-answer.ts'
import type { KnownBars } from '../../../../src/acquire/rest/rest-question.ts'
import { askRest, explainGap } from '../../../../src/acquire/rest/rest-question.ts'
import { CkvdError } from '../../../../src/errors.ts'
import { at, barsAt, HOUR_US, HOURS, hoursOf, linksOf, opensOf, refusing, restOf } from '../bars.ts'

const signal = new AbortController().signal
const T = at('2024-03-02T00:00:00Z')
const NOTHING: KnownBars = { times: [], firstUs: null, nowUs: 0 }

/** `count` hours from `iso` on, as a gap. */
function gapAt(iso: string, count: number) {
  return { startUs: at(iso), endUs: at(iso) + count * HOUR_US, bars: count }
}

describe('what is asked of REST', () => {
  test('each gap, with the nearest bars on either side that are known', async () => {
    const rest = restOf(hoursOf('2024-03-02'))
    await askRest(HOURS, [gapAt('2024-03-02T04:00:00Z', 2)], { times: hoursOf('2024-03-02', 0, 4), firstUs: null, nowUs: 0 }, rest, signal)
    expect(rest.asked).toEqual([
      {
        ...{ startUs: at('2024-03-02T04:00:00Z'), endUs: at('2024-03-02T06:00:00Z') },
        ...{ beforeUs: at('2024-03-02T03:00:00Z'), afterUs: null, first: false },
      },
    ])
  })

  test('near gaps as one stretch, far ones each alone; none is no question', async () => {
    const near = [gapAt('2024-03-02T04:00:00Z', 1), gapAt('2024-03-09T04:00:00Z', 1)]
    const [one, two, none] = [restOf([]), restOf([]), restOf([])]
    await askRest(HOURS, near, NOTHING, one, signal)
    expect(one.asked).toMatchObject([{ startUs: at('2024-03-02T04:00:00Z'), endUs: at('2024-03-09T05:00:00Z') }])
    await askRest(HOURS, [near[0]!, gapAt('2024-05-02T04:00:00Z', 1)], NOTHING, two, signal)
    expect(two.asked).toHaveLength(2)
    expect(await askRest(HOURS, [], NOTHING, none, signal)).toMatchObject({ kind: 'asked', seen: [] })
    expect(none.asked).toEqual([])
  })

  test('a gap with which the series begins is asked for as that', async () => {
    const rest = restOf(hoursOf('2024-03-02', 5))
    await askRest(HOURS, [gapAt('2024-03-02T05:00:00Z', 2)], { times: [], firstUs: at('2024-03-02T05:00:00Z'), nowUs: 0 }, rest, signal)
    expect(rest.asked).toMatchObject([{ first: true }])
  })

  test('the rows of all stretches come in order, each once; those that contradict themselves apart', async () => {
    const rows = barsAt([...hoursOf('2024-03-02'), ...hoursOf('2024-05-02')])
    rows.high[4] = 1
    const seen = opensOf(rows)
    const source = { ...restOf([]), fetchStretch: () => Promise.resolve({ rows, seen, links: linksOf(seen), silentAfterUs: null }) }
    const answer = await askRest(HOURS, [gapAt('2024-03-02T04:00:00Z', 1), gapAt('2024-05-02T04:00:00Z', 1)], NOTHING, source, signal)
    if (answer.kind !== 'asked') throw new Error('an answer was expected')
    expect(opensOf(answer.rows)).toEqual(seen)
    expect(answer.seen).toEqual(seen)
    expect(opensOf(answer.sound)).toEqual(seen.filter((open) => open !== at('2024-03-02T04:00:00Z')))
    expect([...answer.odd.keys()]).toEqual([at('2024-03-02T04:00:00Z')])
  })
})

describe('what REST cannot say', () => {
  const gaps = [gapAt('2024-03-02T04:00:00Z', 1)]

  test('off, a symbol that it does not know, unreachable, banned: silence, with the reason; never no bars', async () => {
    expect(await askRest(HOURS, gaps, NOTHING, null, signal)).toMatchObject({
      kind: 'silent',
      reachUs: -Infinity,
      reason: 'rest-off',
      passing: false,
    })
    const unknown = { ...restOf([]), fetchStretch: () => Promise.resolve(null) }
    expect(await askRest(HOURS, gaps, NOTHING, unknown, signal)).toMatchObject({
      kind: 'silent',
      reachUs: -Infinity,
      reason: 'unknown-symbol',
      passing: false,
    })
    for (const code of ['CKVD_HTTP_NETWORK', 'CKVD_BANNED', 'CKVD_FORBIDDEN', 'CKVD_REST_BODY'] as const) {
      const answer = await askRest(HOURS, gaps, NOTHING, refusing(new CkvdError(code, 'said why')), signal)
      expect(answer).toMatchObject({ kind: 'silent', reachUs: -Infinity, reason: 'rest-failed', note: `${code}: said why`, passing: true })
    }
  })

  test('an interrupt and a bug are no answers: they are thrown', async () => {
    for (const error of [new CkvdError('CKVD_ABORTED', 'stop'), new CkvdError('CKVD_BUG', 'oh'), new TypeError('oh')]) {
      const found = await askRest(HOURS, gaps, NOTHING, refusing(error), signal).catch((reason: unknown) => reason)
      expect(found).toBe(error)
    }
  })
})

describe('the evidence for a gap', () => {
  const gap = gapAt('2024-03-02T04:00:00Z', 2)
  /** An answer that has these hours of the day, linked as they stand in its pages. */
  function answerOf(pages: readonly (readonly number[])[], odd = new Map<number, string>()): RestAnswer {
    const links = pages.map((page) => linksOf(page.map((hour) => T + hour * HOUR_US)))
    const seen = [...new Set(pages.flat())].sort((a, b) => a - b).map((hour) => T + hour * HOUR_US)
    return {
      kind: 'asked',
      reachUs: -Infinity,
      rows: barsAt(seen),
      sound: barsAt(seen),
      odd,
      seen,
      linked: (a, b) => links.some((page) => page.get(a)?.has(b) ?? false),
      silentAfterUs: null,
    }
  }
  /** hours 0 to 3 and 6 to 23 are stored */
  const held = [...hoursOf('2024-03-02', 0, 4), ...hoursOf('2024-03-02', 6, 18)]

  test('one page with a bar on both sides and none between explains it: the witnesses are the evidence, whatever was asked', () => {
    for (const page of [
      [3, 6],
      [0, 1, 2, 3, 6, 7, 8],
    ])
      expect(explainGap(gap, answerOf([page]), held)).toEqual({ source: 'rest', beforeUs: T + 3 * HOUR_US, afterUs: T + 6 * HOUR_US })
    // a part of the hole has the witnesses of all of it
    const part = { ...gap, endUs: gap.startUs + HOUR_US, bars: 1 }
    expect(explainGap(part, answerOf([[3, 6]]), held)).toEqual({ source: 'rest', beforeUs: T + 3 * HOUR_US, afterUs: T + 6 * HOUR_US })
  })

  test.each<[string, number[][], string]>([
    ['nothing at all', [], 'not one bar came'],
    ['the bar before alone', [[2, 3]], 'no bar after it came'],
    ['the bar after alone', [[6, 7]], 'no bar before it came'],
    [
      'both, each in another answer',
      [
        [2, 3],
        [6, 7],
      ],
      'two answers',
    ],
  ])('an answer with %s proves nothing', (_name, pages, words) => {
    const evidence = explainGap(gap, answerOf(pages), held)
    expect(evidence).toMatchObject({ source: null, reason: 'no-witness', note: expect.stringContaining(words) as string })
  })

  test('an answer that lacks a bar that is stored explains nothing: it contradicts', () => {
    expect(explainGap(gap, answerOf([[2, 6]]), held)).toMatchObject({ source: null, reason: 'contradiction' })
    expect(explainGap(gap, answerOf([[3, 7]]), held)).toMatchObject({ source: null, reason: 'contradiction' })
    // not where it is not held
    expect(explainGap(gap, answerOf([[2, 7]]), [T, T + HOUR_US, T + 2 * HOUR_US, T + 7 * HOUR_US])).toMatchObject({ source: 'rest' })
  })

  test('a bar of REST that contradicts itself lies in it: not an outage, and not explained', () => {
    const odd = new Map([[T + 4 * HOUR_US, 'its high is below its low']])
    expect(explainGap(gap, answerOf([[3, 4, 6]], odd), held)).toMatchObject({ source: null, reason: 'no-witness' })
  })

  test('silence keeps its reason', () => {
    const silent: RestAnswer = { kind: 'silent', reachUs: -Infinity, reason: 'rest-off', note: null, passing: false, error: null }
    expect(explainGap(gap, silent, held)).toEqual({ source: null, reason: 'rest-off', note: null })
  })
})
