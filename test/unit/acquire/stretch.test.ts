import { describe, expect, test } from 'vitest'
import type { RestAnswer } from '../../../src/acquire/stretch.ts'
import { askRest, explainGap, stretchesOf } from '../../../src/acquire/stretch.ts'
import { CkvdError, isCkvdError } from '../../../src/errors.ts'
import type { KlineSource } from '../../../src/sources/source.ts'
import { at, barsAt, HOUR_US, HOURS, hoursOf, opensOf, sourceOf } from './bars.ts'

const signal = new AbortController().signal

/** `count` hours from `iso` on, as a gap. */
function gapAt(iso: string, count: number) {
  return { startUs: at(iso), endUs: at(iso) + count * HOUR_US, bars: count }
}

describe('what is asked of REST', () => {
  test('each gap with a bar on either side', () => {
    expect(stretchesOf([gapAt('2024-03-02T04:00:00Z', 2)], HOURS)).toEqual([
      { startUs: at('2024-03-02T03:00:00Z'), endUs: at('2024-03-02T07:00:00Z') },
    ])
  })

  test('near gaps as one stretch, far ones each alone', () => {
    const near = [gapAt('2024-03-02T04:00:00Z', 1), gapAt('2024-03-09T04:00:00Z', 1)]
    expect(stretchesOf(near, HOURS)).toEqual([{ startUs: at('2024-03-02T03:00:00Z'), endUs: at('2024-03-09T06:00:00Z') }])
    expect(stretchesOf([near[0]!, gapAt('2024-05-02T04:00:00Z', 1)], HOURS)).toHaveLength(2)
  })

  test('the rows of all stretches', async () => {
    const source = sourceOf(barsAt([...hoursOf('2024-03-02'), ...hoursOf('2024-05-02')]))
    const answer = await askRest(HOURS, [gapAt('2024-03-02T04:00:00Z', 1), gapAt('2024-05-02T04:00:00Z', 1)], source, signal)
    expect(answer.kind).toBe('asked')
    expect(answer.kind === 'asked' && opensOf(answer.rows)).toEqual([...hoursOf('2024-03-02', 3, 3), ...hoursOf('2024-05-02', 3, 3)])
    expect(source.asked).toHaveLength(2)
  })
})

describe('what REST cannot say', () => {
  const gap = gapAt('2024-03-02T04:00:00Z', 1)
  const source = (fetchStretch: KlineSource['fetchStretch']): KlineSource => ({ name: 'rest', fetchStretch })

  test('off, a symbol that it does not know, unreachable, banned: silence, with the reason; never no bars', async () => {
    expect(await askRest(HOURS, [gap], null, signal)).toEqual({ kind: 'silent', reason: 'REST is off', passing: false })
    expect(
      (
        await askRest(
          HOURS,
          [gap],
          source(() => Promise.resolve({ kind: 'absent', reason: 'unlisted' })),
          signal,
        )
      ).kind,
    ).toBe('silent')
    for (const code of ['CKVD_HTTP_NETWORK', 'CKVD_BANNED', 'CKVD_FORBIDDEN', 'CKVD_REST_BODY'] as const) {
      const answer = await askRest(
        HOURS,
        [gap],
        source(() => Promise.reject(new CkvdError(code, 'said why'))),
        signal,
      )
      expect(answer).toEqual({ kind: 'silent', reason: `REST could not be asked: ${code}`, passing: true })
    }
  })

  test('an interrupt and a bug are no answers: they are thrown', async () => {
    for (const error of [new CkvdError('CKVD_ABORTED', 'stop'), new CkvdError('CKVD_BUG', 'oh'), new TypeError('oh')]) {
      const found = await askRest(
        HOURS,
        [gap],
        source(() => Promise.reject(error)),
        signal,
      ).catch((reason: unknown) => reason)
      expect(found).toBe(error)
    }
    expect(isCkvdError(new TypeError('oh'))).toBe(false)
  })
})

describe('the evidence for a gap', () => {
  const gap = gapAt('2024-03-02T04:00:00Z', 2)
  const asked = [{ startUs: at('2024-03-02T03:00:00Z'), endUs: at('2024-03-02T07:00:00Z') }]
  const answer = (hours: readonly number[]): RestAnswer => ({
    kind: 'asked',
    rows: barsAt(hours.map((hour) => at('2024-03-02T00:00:00Z') + hour * HOUR_US)),
    asked,
  })

  test.each([
    [[3, 6], 'the bars on both sides'],
    [[3], 'the bar before'],
    [[6], 'the bar after'],
    [[], 'no bar on either side'],
  ])('REST has hours %j: %s', (hours, sides) => {
    const { evidence, explained } = explainGap(gap, answer(hours), HOURS)
    expect(explained).toBe(true)
    expect(evidence).toContain(sides)
    expect(evidence).toContain('2024-03-02T03:00')
  })

  test('a stretch that REST was not asked for is not explained, nor is silence', () => {
    expect(explainGap(gapAt('2024-03-03T04:00:00Z', 1), answer([3, 6]), HOURS).explained).toBe(false)
    expect(explainGap(gap, { kind: 'silent', reason: 'REST is off', passing: false }, HOURS)).toEqual({
      evidence: 'REST is off',
      explained: false,
    })
  })
})
