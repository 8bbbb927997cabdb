/** A clock that stands still until it is moved: waiting costs no real time. */
export interface VirtualClock {
  nowMs: number
  /** stable function for options called `nowMs` */
  readonly now: () => number
  /** waits until the clock has come to the time; rejects with the signal's reason */
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>
  /** waiting calls */
  readonly sleeping: number
  /** Moves from one waking to the next until the work has ended; while it is busy, only as far as it has been moved meanwhile. */
  run<T>(work: Promise<T>, isBusy?: () => boolean): Promise<T>
}

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

export function createVirtualClock(startMs: number): VirtualClock {
  const sleepers = new Set<Sleeper>()
  const clock: VirtualClock = {
    nowMs: startMs,
    now: () => clock.nowMs,
    get sleeping() {
      return sleepers.size
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
          sleepers.delete(sleeper)
          signal.removeEventListener('abort', onAbort)
          settle()
        }
        const onAbort = (): void => end(() => reject(signal.reason as Error))
        const sleeper: Sleeper = { atMs: clock.nowMs + delayMs, wake: () => end(resolve) }
        if (signal.aborted) return reject(signal.reason as Error)
        signal.addEventListener('abort', onAbort)
        sleepers.add(sleeper)
      }),
    async run(work, isBusy = () => false) {
      let ended = false
      const watched = work.finally(() => (ended = true))
      watched.catch(() => undefined)
      while (!ended) {
        await idle()
        if (ended || sleepers.size === 0) continue
        if (!isBusy()) clock.nowMs = Math.max(clock.nowMs, Math.min(...[...sleepers].map(({ atMs }) => atMs)))
        for (const sleeper of sleepers) if (sleeper.atMs <= clock.nowMs) sleeper.wake()
      }
      return watched
    },
  }
  return clock
}

/** Lets everything run that is due without waiting; Bottleneck starts its jobs from timers of 0 ms. */
async function idle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}
