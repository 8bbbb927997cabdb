import { describe, expect, test } from 'vitest'
import { DownloadWindow } from '../../../../src/sources/vision/download-window.ts'

/** Downloads that a test ends, one round trip at a time. */
class Line {
  readonly #open: (() => void)[] = []

  /** Keeps the window full. */
  fill(window: DownloadWindow, downloads: number): void {
    for (let i = 0; i < downloads; i++) void window.run(() => new Promise<void>((resolve) => this.#open.push(resolve)))
  }

  get atOnce(): number {
    return this.#open.length
  }

  /** All that is on its way is answered, with both of its requests, after so many milliseconds. */
  async roundTrip(window: DownloadWindow, waitedMs: number): Promise<void> {
    const sentMs = performance.now()
    for (const end of this.#open.splice(0)) {
      window.answered(sentMs, waitedMs)
      window.answered(sentMs, waitedMs)
      end()
    }
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
  }
}

async function grown(trips: number, most = 128, waitedMs = 100): Promise<{ window: DownloadWindow; line: Line }> {
  const window = new DownloadWindow(most)
  const line = new Line()
  line.fill(window, 5000)
  for (let i = 0; i < trips; i++) await line.roundTrip(window, waitedMs)
  return { window, line }
}

describe('how many archives are downloaded at once', () => {
  test('begins with 32, doubles with each round trip, and ends at its bound', async () => {
    const sizes: number[] = []
    for (let trips = 0; trips < 6; trips++) sizes.push((await grown(trips)).line.atOnce)
    expect(sizes).toEqual([32, 64, 128, 128, 128, 128])
    expect((await grown(3, 5)).line.atOnce).toBe(5)
    expect((await grown(3, 1)).line.atOnce).toBe(1)
  })

  test('does not grow while fewer are wanted than it has room for', async () => {
    const window = new DownloadWindow(128)
    const line = new Line()
    line.fill(window, 8)
    await line.roundTrip(window, 100)
    expect(window.size).toBe(32)
  })

  test('shrinks a little where answers begin late, and stays useful however late they are', async () => {
    const { window, line } = await grown(3)
    for (let i = 0; i < 3; i++) await line.roundTrip(window, 100)
    const before = window.size
    for (let i = 0; i < 2; i++) await line.roundTrip(window, 600)
    expect(window.size).toBeLessThan(before)
    expect(window.size).toBeGreaterThan(before / 2)
    for (let i = 0; i < 100; i++) await line.roundTrip(window, 600)
    expect(window.size).toBe(8)
  })

  test('where answers began late it grows by one a round trip after that', async () => {
    const { window, line } = await grown(3)
    await line.roundTrip(window, 600)
    for (let i = 0; i < 10; i++) await line.roundTrip(window, 100) // until answers are usual again
    const sizes: number[] = []
    for (let i = 0; i < 5; i++) {
      await line.roundTrip(window, 100)
      sizes.push(window.size)
    }
    expect(sizes.at(-1)).toBe((sizes[0] ?? 0) + 4)
  })

  test('what failed at some size is tried again below it, and soon', async () => {
    const { window, line } = await grown(3)
    const before = window.size
    window.troubled(performance.now())
    expect(window.size).toBe(before / 2)
    for (let i = 0; i < 8; i++) await line.roundTrip(window, 100)
    expect(window.size).toBeLessThan(before)
    expect(window.size).toBeGreaterThan(before * 0.8)
    for (let i = 0; i < 8; i++) await line.roundTrip(window, 100)
    expect(window.size).toBeLessThan(before)
  })

  test('leaves a second place while a download sits out a pause', async () => {
    const { window } = await grown(2)
    const sentMs = performance.now()
    for (let i = 0; i < 2 * 128; i++) window.troubled(sentMs)
    expect(window.size).toBe(1)
    const watch = window.watch()
    watch.onPause?.()
    expect(window.size).toBe(2)
    watch.onSend()
    expect(window.size).toBe(1)
  })

  test('halves once for all requests that fail together, down to one', async () => {
    const { window } = await grown(0)
    const sentMs = performance.now()
    for (let i = 0; i < 20; i++) window.troubled(sentMs)
    expect(window.size).toBe(16)
    for (let i = 20; i < 64; i++) window.troubled(sentMs)
    expect(window.size).toBe(1)
  })

  test('tries again of many that failed make it no smaller than what was taken of them', async () => {
    const { window } = await grown(0)
    const sentMs = performance.now()
    for (let i = 0; i < 56; i++) window.troubled(sentMs)
    expect(window.size).toBe(4)
    // the 28 that were refused are on their way again: all but four of them are refused once more
    const againMs = performance.now()
    for (let i = 0; i < 48; i++) window.troubled(againMs)
    expect(window.size).toBe(4)
  })

  test('where most of those that are on their way fail it shrinks to what went through, and is not larger soon', async () => {
    const { window, line } = await grown(0)
    const sentMs = performance.now()
    // a host that allows eight connections: of 64 requests for 32 archives 56 are refused
    for (let i = 0; i < 56; i++) window.troubled(sentMs)
    expect(window.size).toBe(4)
    for (let i = 0; i < 8; i++) await line.roundTrip(window, 100)
    expect(window.size).toBe(4)
  })

  test('leaves room where a request beside them fails, and thinks nothing of when it is answered', async () => {
    const { window } = await grown(0)
    const slow = window.watchBeside()
    slow.onSend()
    slow.onStatus(200, {})
    expect(window.size).toBe(32)
    for (const fail of [(one: typeof slow) => one.onFailure?.(), (one: typeof slow) => one.onStatus(503, {})]) {
      const { window: own } = await grown(0)
      const beside = own.watchBeside()
      beside.onSend()
      fail(beside)
      expect(own.size).toBe(16)
    }
  })
})
