import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createProgress } from '../../../../src/cli/show/progress.ts'
import { createProgressView } from '../../../../src/cli/show/progress-view.ts'
import { createTextOutput } from '../../../../src/cli/show/text-output.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

interface Step {
  readonly done: number
  readonly total: number
  readonly elapsedMs: number
}

/** A command of which only what it shows is looked at. */
function createRun(kind: 'terminal' | 'pipe' | 'quiet') {
  const written: string[] = []
  const logged: unknown[] = []
  const output = createTextOutput({ write: (text) => written.push(text), isTTY: kind === 'terminal', columns: 80 })
  const run = {
    context: { stderr: output },
    interactive: kind === 'terminal',
    quiet: kind === 'quiet',
    logger: { info: (facts: object, message: string) => logged.push({ ...facts, message }) },
    signal: new AbortController().signal,
  }
  return { run: run as unknown as Parameters<typeof createProgress>[0], written, logged }
}

const FORM = {
  message: 'working',
  facts: (step: Step) => ({ ...step }),
  parts: ({ done }: Step) => ['1.5 MB/s', 'ETA 3 min 05 s', `${done}/100 pieces`, 'x'.repeat(60)],
}

interface Count {
  readonly done: number
  readonly total: null
}

const COUNT = {
  message: 'working',
  facts: (count: Count) => ({ ...count }),
  parts: ({ done }: Count) => [`Working: ${done}`],
}

const step = (done: number): Step => ({ done, total: 100, elapsedMs: done + 0.4 })

test('in a pipe a line is logged in ten seconds, its times rounded', () => {
  const { run, written, logged } = createRun('pipe')
  const view = createProgress<Step>(run, FORM)
  for (let second = 1; second <= 25; second++) {
    view.update(step(second))
    vi.advanceTimersByTime(1000)
  }
  view.stop()
  expect(logged).toEqual([10, 20].map((done) => ({ done, total: 100, elapsedMs: done, message: 'working' })))
  expect(written).toEqual([])
})

test('on a terminal a count is drawn over itself at most ten times a second, and taken away', () => {
  const { run, written, logged } = createRun('terminal')
  const view = createProgress<Count>(run, COUNT)
  for (let done = 1; done <= 5; done++) {
    view.update({ done, total: null })
    vi.advanceTimersByTime(50)
  }
  view.stop()
  view.stop()
  expect(written).toEqual(['\rWorking: 1\x1b[K', '\rWorking: 3\x1b[K', '\rWorking: 5\x1b[K', '\r\x1b[K'])
  expect(logged).toEqual([])
})

test('while nothing is done the line is drawn anew each second, what has just been done in it, and in a pipe a line is logged in ten', () => {
  const terminal = createRun('terminal')
  const pipe = createRun('pipe')
  for (const { run } of [terminal, pipe]) {
    const view = createProgress<Count>(run, { ...COUNT, parts: ({ done }) => [`Working: ${done}`, `${performance.now()} ms`] })
    const beganMs = performance.now()
    view.update({ done: 1, total: null })
    view.update({ done: 2, total: null })
    vi.advanceTimersByTime(20_000)
    view.stop()
    vi.advanceTimersByTime(20_000)
    if (run !== terminal.run) continue
    const drawn = Array.from({ length: 21 }, (_, i) => `\rWorking: ${i === 0 ? 1 : 2} · ${beganMs + i * 1000} ms\x1b[K`)
    expect(terminal.written).toEqual([...drawn, '\r\x1b[K'])
  }
  expect(pipe.logged).toEqual([1, 2].map(() => ({ done: 2, total: null, message: 'working' })))
})

test('what is waited for before the first is done is said from the first second on, with the time that it has taken', () => {
  const terminal = createRun('terminal')
  const view = createProgress<Count>(terminal.run, { ...COUNT, waits: 'Asking the listing' })
  vi.advanceTimersByTime(2000)
  view.update({ done: 1, total: null })
  view.stop()
  const told = ['Asking the listing · 1.0 s', 'Asking the listing · 2.0 s']
  // the first of all is drawn at the next second, at the latest
  expect(terminal.written).toEqual([...told.map((text) => `\r${text}\x1b[K`), '\r\x1b[K'])
  const pipe = createRun('pipe')
  const log = createProgress<Count>(pipe.run, { ...COUNT, waits: 'Asking the listing' })
  vi.advanceTimersByTime(25_000)
  log.stop()
  expect(pipe.logged).toEqual([10_000, 20_000].map((elapsedMs) => ({ elapsedMs, message: 'Asking the listing' })))
})

test('of a progress share, rate and time left stand first, and what does not fit is left out', () => {
  const { run, written } = createRun('terminal')
  const view = createProgress<Step>(run, FORM)
  view.update(step(42))
  view.stop()
  view.update(step(43))
  expect(written).toEqual(['\r████░░░░░░ 42% · 1.5 MB/s · ETA 3 min 05 s · 42/100 pieces\x1b[K', '\r\x1b[K'])
})

test('nothing is shown with --quiet', () => {
  const { run, written, logged } = createRun('quiet')
  const view = createProgress<Step>(run, { ...FORM, waits: 'Asking the listing' })
  vi.advanceTimersByTime(60_000)
  view.update(step(50))
  vi.advanceTimersByTime(60_000)
  view.stop()
  expect([written, logged]).toEqual([[], []])
})

test('what was being planned is taken away before the plan is shown, however many series a symbol has', () => {
  const { run, written } = createRun('terminal')
  const { events } = createProgressView({ ...run, logger: { ...run.logger, isLevelEnabled: () => false } })
  for (let planned = 1; planned <= 6; planned++) {
    events.onPlanning?.({ planned, symbols: 2, bytesDownloaded: 1500, elapsedMs: 100 })
    vi.advanceTimersByTime(150)
  }
  expect(written.at(-1)).toContain('Reading listings: 6 series of 2 symbols · 1.5 kB · 15.0 kB/s')
  events.onPlan?.({} as never, 6)
  expect(written.at(-1)).toBe('\r\u001b[K')
})
