import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCounter, createProgress } from '../../../../src/cli/show/progress.ts'
import { createProgressView } from '../../../../src/cli/show/progress-view.ts'
import { createTextOutput } from '../../../../src/cli/show/text-output.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
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
  text: ({ done }: Step) => `Working: ${done}`,
  parts: ({ done }: Step) => ['1.5 MB/s', 'ETA 3 min 05 s', `${done}/100 pieces`, 'x'.repeat(60)],
}

const step = (done: number): Step => ({ done, total: 100, elapsedMs: done + 0.4 })

test('in a pipe a line is logged in ten seconds, its times rounded', () => {
  for (const create of [createProgress<Step>, createCounter<Step>]) {
    const { run, written, logged } = createRun('pipe')
    const view = create(run, FORM)
    for (let second = 1; second <= 25; second++) {
      vi.advanceTimersByTime(1000)
      view.update(step(second))
    }
    view.stop()
    expect(logged).toEqual([10, 20].map((done) => ({ done, total: 100, elapsedMs: done, message: 'working' })))
    expect(written).toEqual([])
  }
})

test('on a terminal a count is drawn over itself at most ten times a second, and taken away', () => {
  const { run, written, logged } = createRun('terminal')
  const view = createCounter<Step>(run, FORM)
  for (let i = 1; i <= 5; i++) {
    view.update(step(i))
    vi.advanceTimersByTime(50)
  }
  view.stop()
  view.stop()
  expect(written).toEqual(['\rWorking: 1\x1b[K', '\rWorking: 3\x1b[K', '\rWorking: 5\x1b[K', '\r\x1b[K'])
  expect(logged).toEqual([])
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
  for (const create of [createProgress<Step>, createCounter<Step>]) {
    const { run, written, logged } = createRun('quiet')
    const view = create(run, FORM)
    vi.advanceTimersByTime(60_000)
    view.update(step(50))
    view.stop()
    expect([written, logged]).toEqual([[], []])
  }
})

test('what was being planned is taken away before the plan is shown, however many series a symbol has', () => {
  const { run, written } = createRun('terminal')
  const { events } = createProgressView({ ...run, logger: { ...run.logger, isLevelEnabled: () => false } })
  for (let planned = 1; planned <= 6; planned++) {
    events.onPlanning?.(planned, 2)
    vi.advanceTimersByTime(150)
  }
  expect(written.at(-1)).toContain('Reading listings: 6 series of 2 symbols')
  events.onPlan?.({} as never, 6)
  expect(written.at(-1)).toBe('\r\u001b[K')
})
