import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startSandbox } from '../support/dist.ts'
import { urlVariables } from '../support/exchange.ts'
import type { HostileFront } from '../support/hostile-front.ts'
import { startHostileFront } from '../support/hostile-front.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'
import { createWorld, SYMBOL } from './world.ts'

const NOW = '2024-03-20T12:00:00Z'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A sandbox whose every answer states another time than this machine's. */
async function withClock(offMs: number, work: (front: HostileFront, lake: string) => Promise<void>): Promise<void> {
  await using temp = await createTempDirectory()
  await using sandbox = await startSandbox({
    now: () => Date.parse(NOW),
    markets: [{ market: 'spot', symbol: SYMBOL, firstDay: '2024-01-10' }],
  })
  await using front = await startHostileFront(sandbox, undefined, offMs)
  await work(front, temp.lake)
}

const INGEST = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--start', '2024-02-01', '--end', '2024-02-04']

describe('a clock that is an hour off or more stops every command before anything is stored', () => {
  test.each([-18 * HOUR_MS, 18 * HOUR_MS, -400 * DAY_MS])('%i ms', async (offMs) => {
    await withClock(offMs, async (front, lake) => {
      const around = { env: { ...urlVariables(front), CKVD_NOW: NOW }, stdin: SYMBOL }
      const result = ingestResult(await runHere([...INGEST, '--lake', lake, '--json'], around))
      expect(result).toMatchObject({ exit: 4, stored: 0, stopped: { code: 'CKVD_CLOCK' } })
      expect(result.stopped?.message).toContain(new Date().toISOString().slice(0, 14))
      expect(result.stopped?.message).toContain(new Date(Date.now() + offMs).toISOString().slice(0, 14))
      expect(await listFiles(join(lake, 'data'))).toEqual([])
      expect((await runHere([...INGEST, '--lake', lake, '--dry-run'], around)).exit).toBe(4)
      for (const source of ['auto', 'rest']) {
        const args = [
          'fetch',
          SYMBOL,
          '--interval',
          '1h',
          '--start',
          '2024-02-01',
          '--end',
          '2024-02-02',
          '--source',
          source,
          '--lake',
          lake,
        ]
        const fetched = await runHere([...args, '--json'], around)
        expect(fetched.exit).toBe(4)
        expect(jsonOf(fetched)).toMatchObject({ error: { code: 'CKVD_CLOCK' } })
      }
      expect(await listFiles(join(lake, 'data'))).toEqual([])
    })
  })
})

test('two minutes are told once, as a note and in the log, and the run goes on', async () => {
  await withClock(-120_000, async (front, lake) => {
    const { stdout, stderr, exit } = await runHere([...INGEST, '--lake', lake, '--json'], {
      env: { ...urlVariables(front), CKVD_NOW: NOW },
      stdin: SYMBOL,
    })
    expect(exit).toBe(0)
    const result = ingestResult({ exit, stdout, stderr })
    expect(result.days.complete).toBe(3)
    expect(result.notes).toEqual([expect.stringMatching(/this machine's clock .* \(1(1[89]|2[0-2]) s|2 min ahead of it\)/)])
    expect(stderr.match(/this machine's clock/g)).toHaveLength(1)
  })
})

test('a clock that agrees is no word', async () => {
  await withClock(0, async (front, lake) => {
    const outcome = await runHere([...INGEST, '--lake', lake, '--json'], { env: { ...urlVariables(front), CKVD_NOW: NOW }, stdin: SYMBOL })
    expect(ingestResult(outcome).notes).toEqual([])
    expect(outcome.stderr).not.toContain('clock')
  })
})

test('no day is planned that the exchange has not closed, whatever this machine takes for now', async () => {
  // this machine plans at an hour after tomorrow's midnight; the exchange's clock is two minutes behind the real time
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const nowMs = today + DAY_MS + HOUR_MS
  const day = (offset: number): UtcDay => new Date(today + offset * DAY_MS).toISOString().slice(0, 10) as UtcDay
  await using world = await createWorld([], { now: () => nowMs, markets: [{ market: 'spot', symbol: SYMBOL, firstDay: day(-20) }] })
  const { vision, listing, spotRest, umRest, cmRest } = world.sandbox.urls
  const around = { start: day(-5), end: day(1), nowMs, clockMs: () => nowMs }
  const honest = await world.run(around)
  expect(honest.notes).toEqual([])
  expect(Object.values(honest.days).reduce((sum, count) => sum + count, 0)).toBe(6)
  await using front = await startHostileFront({ urls: { vision, listing, spotRest, umRest, cmRest } }, undefined, -120_000)
  const { urls } = front
  const held = await world.run({
    ...around,
    lake: `${world.lake}-held`,
    urls: { vision: urls.vision, listing: urls.listing, rest: { spot: urls.spotRest, um: urls.umRest, cm: urls.cmRest } },
  })
  expect(held.notes).toHaveLength(1)
  // without today
  expect(Object.values(held.days).reduce((sum, count) => sum + count, 0)).toBe(5)
  expect((await listFiles(join(`${world.lake}-held`, 'data'))).some((file) => file.includes(day(0)))).toBe(false)
})
