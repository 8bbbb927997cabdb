import { abortError, CkvdError } from '../errors.ts'
import { listenAbort } from '../waiting.ts'

const UNWANTED = 'Stopped: no call waits for this any more.'

/** Things that are fetched together, and the controller that stops their work when nobody waits for any of them. */
interface Group {
  readonly members: Set<Entry<unknown>>
  readonly stop: AbortController
}

interface Entry<T> {
  group: Group
  waiters: number
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

/** What the work of a batch is told and tells. */
export interface Batch<T> {
  /** aborted when nobody waits for any key of the batch any more */
  readonly signal: AbortSignal
  /** Splits keys off: the signal that is returned is aborted when nobody waits for these. */
  split(keys: readonly string[]): AbortSignal
  /** A key's value is there. */
  resolve(key: string, value: T): void
}

/**
 * Values that are on their way, by key: calls that want the same one share it. A value belongs to its waiters alone: when the last one has
 * gone away its work is stopped; while one is left, the others may go without harm.
 */
export class Flights<T> {
  readonly #entries = new Map<string, Entry<T>>()

  /**
   * Waits for keys: those that are on their way are joined, `start` is called for the others, at least one. Work that
   * ends without a value for one of its keys is a bug; work that throws fails all its keys that have no value yet.
   * @throws what the work throws; CKVD_ABORTED when `signal` is aborted, at once
   */
  async fetch(
    keys: readonly string[],
    signal: AbortSignal,
    start: (keys: readonly string[], batch: Batch<T>) => Promise<void>,
  ): Promise<Map<string, T>> {
    if (signal.aborted) throw abortError(signal)
    const missing = keys.filter((key) => !this.#entries.has(key))
    if (missing.length > 0) this.#launch(missing, start)
    const entries = keys.map((key) => [key, this.#entries.get(key) as Entry<T>] as const)
    for (const [, entry] of entries) entry.waiters++
    let stopListening: (() => void) | undefined
    const aborted = new Promise<never>((_resolve, reject) => {
      stopListening = listenAbort(signal, () => reject(abortError(signal)))
    })
    try {
      const values = await Promise.race([aborted, Promise.all(entries.map(([, { promise }]) => promise))])
      return new Map(entries.map(([key], i) => [key, values[i] as T]))
    } finally {
      stopListening?.()
      for (const [, entry] of entries) this.#leave(entry)
    }
  }

  #launch(keys: readonly string[], start: (keys: readonly string[], batch: Batch<T>) => Promise<void>): void {
    const group = createGroup()
    const entries = new Map(keys.map((key) => [key, createEntry<T>(group)]))
    for (const [key, entry] of entries) this.#entries.set(key, entry)
    const settle = (key: string, act: (entry: Entry<T>) => void): void => {
      const entry = entries.get(key)
      if (entry === undefined) return
      entries.delete(key)
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
      entry.group.members.delete(entry)
      act(entry)
    }
    // what is stopped must not be joined any more: the next call starts anew
    const forget = (stopped: Group): void => {
      for (const [key, entry] of [...entries])
        if (entry.group === stopped) settle(key, (one) => one.reject(abortError(stopped.stop.signal)))
    }
    group.stop.signal.addEventListener('abort', () => forget(group), { once: true })
    const batch: Batch<T> = {
      signal: group.stop.signal,
      split: (own) => {
        const part = createGroup()
        part.stop.signal.addEventListener('abort', () => forget(part), { once: true })
        for (const key of own) {
          const entry = entries.get(key)
          if (entry === undefined) continue
          entry.group.members.delete(entry)
          entry.group = part
          part.members.add(entry)
        }
        // keys that have a value, or were given up, are nobody's any more
        if (part.members.size === 0) part.stop.abort(new CkvdError('CKVD_ABORTED', UNWANTED))
        stopIfUnwanted(part)
        return part.stop.signal
      },
      resolve: (key, value) => settle(key, (entry) => entry.resolve(value)),
    }
    const fail = (error: unknown): void => {
      for (const key of [...entries.keys()]) settle(key, (entry) => entry.reject(error))
    }
    // in a turn of its own: by then its callers are counted
    const work = Promise.resolve().then(() => start(keys, batch))
    work.then(() => fail(new CkvdError('CKVD_BUG', `Expected a value for ${[...entries.keys()].join(', ')}, got none.`)), fail)
  }

  #leave(entry: Entry<T>): void {
    entry.waiters--
    stopIfUnwanted(entry.group)
  }
}

function createGroup(): Group {
  return { members: new Set(), stop: new AbortController() }
}

function createEntry<T>(group: Group): Entry<T> {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // nobody may be waiting when it fails: then its waiters have gone away, and were told why
  promise.catch(() => undefined)
  const entry: Entry<T> = { group, waiters: 0, promise, resolve, reject }
  group.members.add(entry)
  return entry
}

function stopIfUnwanted({ members, stop }: Group): void {
  if (members.size === 0 || stop.signal.aborted) return
  for (const { waiters } of members) if (waiters > 0) return
  stop.abort(new CkvdError('CKVD_ABORTED', UNWANTED))
}
