import { setMaxListeners } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { abortError } from './errors.ts'

const MAX_BACKOFF_MS = 30_000

/** Who listens to a signal through its one listener. */
const abortListeners = new WeakMap<AbortSignal, AbortListeners>()

class AbortListeners {
  readonly #signal: AbortSignal
  readonly #all = new Set<() => void>()
  readonly #call = (): void => this.#all.forEach((each) => each())

  constructor(signal: AbortSignal) {
    this.#signal = signal
    // pauses listen by themselves: many at once are no leak, and Node's warning about them would only worry users
    setMaxListeners(0, signal)
  }

  add(listener: () => void): void {
    if (this.#all.size === 0) this.#signal.addEventListener('abort', this.#call, { once: true })
    this.#all.add(listener)
  }

  delete(listener: () => void): void {
    if (this.#all.delete(listener) && this.#all.size === 0) this.#signal.removeEventListener('abort', this.#call)
  }
}

/**
 * Calls `listener` when the signal is aborted; the returned function stops listening. One signal serves a whole run, and an
 * event target compares each listener that comes or goes with all others: so it gets one, which knows the rest. It is removed
 * with the last of them, since Node keeps a signal that depends on others alive as long as it has a listener.
 */
export function listenAbort(signal: AbortSignal, listener: () => void): () => void {
  let listeners = abortListeners.get(signal)
  if (listeners === undefined) abortListeners.set(signal, (listeners = new AbortListeners(signal)))
  const own = (): void => listener() // the same function may listen twice
  listeners.add(own)
  return () => listeners.delete(own)
}

/** Pause after try number `attempt` (from 0) in milliseconds: doubles from `firstMs`, with jitter. */
export function backoffMs(firstMs: number, attempt: number): number {
  const ceiling = Math.min(MAX_BACKOFF_MS, firstMs * 2 ** attempt)
  return ceiling * (0.5 + Math.random() / 2)
}

/** How often who waits is told that it goes on. */
const TELL_EVERY_MS = 1000

/** Calls `tell` each second until it is disposed of. It keeps no process alive. */
export function everySecond(tell: () => void): Disposable {
  const timer = setInterval(tell, TELL_EVERY_MS).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Waits, or throws the signal's reason as CKVD_ABORTED as soon as it is aborted. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(delayMs, undefined, { signal })
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    throw error
  }
}
