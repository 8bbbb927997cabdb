import { afterAll, beforeAll, expect, test } from 'vitest'
import type { IngestEvents, IngestProgress } from '../../src/ingest/progress.ts'
import { sharedPool } from '../support/dist.ts'
import { BAD_DAY, createWorld } from './world.ts'

// While nothing comes to its end a run goes on telling how far it is: each second, so that who watches knows that it is alive, and how slow.

beforeAll(() => sharedPool.start())
afterAll(() => sharedPool.close())

/** How often something is heard, with nothing done meanwhile, before the run is given up: more than an event that is told anyway. */
const TIMES = 2

test('a listing that comes slowly is told of while it comes, with what has come so far', async () => {
  await using world = await createWorld([{ kind: 'slow', match: '^/listing', bytesPerSecond: 200 }])
  const stop = new AbortController()
  const heard: { planned: number; symbols: number; bytes: number }[] = []
  const onPlanning: IngestEvents['onPlanning'] = ({ planned, symbols, bytesDownloaded: bytes }) => {
    if (heard.push({ planned, symbols, bytes }) === TIMES) stop.abort()
  }
  await expect(world.run({ signal: stop.signal, events: { onPlanning } })).resolves.toMatchObject({ exit: 130 })
  expect(heard).toEqual(Array.from({ length: TIMES }, () => ({ planned: 0, symbols: 1, bytes: expect.any(Number) as number })))
  expect(heard[1]?.bytes).toBeGreaterThan(heard[0]?.bytes ?? Infinity)
})

test('an archive that comes slowly is told of while it comes, with what has come and the time left', async () => {
  await using world = await createWorld([{ kind: 'slow', match: `${BAD_DAY}\\.zip$`, bytesPerSecond: 100 }])
  const stop = new AbortController()
  const heard: IngestProgress[] = []
  const onProgress = (progress: IngestProgress): void => {
    if (heard.push(progress) === TIMES) stop.abort()
  }
  const range = { start: BAD_DAY as never, end: '2024-03-03' as never }
  await expect(world.run({ ...range, signal: stop.signal, events: { onProgress } })).resolves.toMatchObject({ exit: 130 })
  expect(heard.map(({ done, total }) => [done, total])).toEqual(Array.from({ length: TIMES }, () => [0, 1]))
  expect(heard[1]?.bytesDownloaded).toBeGreaterThan(heard[0]?.bytesDownloaded ?? Infinity)
  expect(heard[1]?.etaMs).toBeGreaterThan(1000)
})

test('of what --max-rate holds up, what it has let through so far is told', async () => {
  // a page of the listing has thousands of bytes, and comes in one piece
  await using world = await createWorld()
  const stop = new AbortController()
  const heard: number[] = []
  const onPlanning: IngestEvents['onPlanning'] = ({ bytesDownloaded }) => {
    if (heard.push(bytesDownloaded) === TIMES) stop.abort()
  }
  const result = await world.run({ signal: stop.signal, maxRateBytes: 10, events: { onPlanning } })
  expect(result).toMatchObject({ exit: 130 })
  expect(heard[0]).toBeGreaterThan(0)
  expect(heard[1]).toBeGreaterThan(heard[0] ?? Infinity)
  // a second brings ten bytes
  expect(heard[1]).toBeLessThan(result.bytes_downloaded / 2)
})

test('who is told and throws ends the run, not the process', async () => {
  await using world = await createWorld([{ kind: 'stall', match: `${BAD_DAY}\\.zip$`, at: 'headers' }])
  const onProgress = (): never => {
    throw new Error('of the one who is told')
  }
  await expect(world.run({ events: { onProgress } })).rejects.toThrow('of the one who is told')
})
