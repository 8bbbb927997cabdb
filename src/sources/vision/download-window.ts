import { setImmediate } from 'node:timers/promises'
import PQueue from 'p-queue'
import type { RequestWatch } from '../http/http-exchange.ts'

/** Downloads at once with which a run begins. */
const FIRST = 32
/** Queueing alone never makes it smaller: a few downloads hide the time between two requests of one connection. */
const FEW = 8
/**
 * An answer that begins later than twice the quickest one, and so much more, has waited in a queue: of the line, of the server, or of this
 * machine. What waits in a queue brings nothing, so no further download is begun at once.
 */
const QUEUE_RATIO = 2
const QUEUE_MS = 50
/** Answers over which the time to their first byte is smoothed. */
const SMOOTHING = 8
const SHRINK_QUEUED = 0.9
const SHRINK_TROUBLED = 0.5
/** What was too many is not tried again for so long: a host that allows eight connections allows eight in the next second, too. */
const CEILING_MS = 2_000
const BELOW_TROUBLE = 0.9
/** Of an archive: itself and its CHECKSUM. */
const REQUESTS = 2

/**
 * How many archives are downloaded at once: as many as line and server take. It grows by one with each archive, so twice with each round
 * trip, until answers begin late (see `QUEUE_MS`) or fail; from then on by one a round trip. It shrinks a little where answers queue, and by
 * half where a connection breaks or is refused, a request times out, or the server says 429 or 5xx, once for all requests that were on
 * their way together, or to what is left of them where more than half fail; then it goes half of the way back with each round trip, to just below what was too many. Time in which a connection
 * is opened does not count: it is longer, and passes. A download that sits out a pause is never the only one.
 */
export class DownloadWindow {
  readonly #most: number
  readonly #queue: PQueue
  #size: number
  #isStarting = true
  #quickestMs = Infinity
  #usualMs = 0
  /** when it shrank last: what was sent before tells nothing new */
  #shrunkMs = -Infinity
  /** just below the size at which requests failed last, and until when it holds */
  #ceiling = Infinity
  #ceilingUntilMs = -Infinity
  /** requests that failed together, and how many archives were on their way then */
  #together = { atOnce: 0, failed: 0 }
  /** requests that sit out a pause */
  #paused = 0

  /** @param most archives at once, whatever line and server take */
  constructor(most: number) {
    this.#most = most
    this.#size = Math.min(FIRST, most)
    this.#queue = new PQueue({ concurrency: this.#size })
  }

  /** Archives that may be downloaded at once now. */
  get size(): number {
    return this.#queue.concurrency
  }

  /** Runs a download when there is room; first come, first served. Each of its requests takes a `watch` of its own. */
  run<T>(download: () => Promise<T>): Promise<T> {
    return this.#queue.add(async () => {
      try {
        return await download()
      } finally {
        // undici takes a connection for busy until the turn in which its answer ended is over: the next request would open another one
        await setImmediate()
      }
    })
  }

  /** To be handed to a request of a download: what becomes of it makes the window larger or smaller. */
  watch(): RequestWatch {
    return new WindowWatch(this)
  }

  /** To be handed to a request beside the downloads, such as one for a page of the listing: where it fails, they leave it room. */
  watchBeside(): RequestWatch {
    return new TroubleWatch(this)
  }

  /** An answer has begun, so long after its request was sent at `sentMs`. */
  answered(sentMs: number, waitedMs: number): void {
    this.#quickestMs = Math.min(this.#quickestMs, waitedMs)
    this.#usualMs += (waitedMs - this.#usualMs) / SMOOTHING
    if (this.#usualMs > QUEUE_RATIO * this.#quickestMs + QUEUE_MS) this.#shrink(sentMs)
    // a window that is not full says nothing of a larger one
    else if (this.#queue.size > 0) this.#grow()
  }

  /** An archive has two answers: with each of them it grows by half of its step. */
  #grow(): void {
    if (performance.now() > this.#ceilingUntilMs) this.#ceiling = Infinity
    const room = this.#ceiling - this.#size
    if (room <= 0) return
    const aRoundTrip = this.#isStarting ? this.#size : room === Infinity ? 1 : Math.max(1, room / 2)
    this.#resize(Math.min(this.#ceiling, this.#size + aRoundTrip / this.#size / 2))
  }

  /** A request that was sent at `sentMs` has failed in a way that fewer at once may avoid. */
  troubled(sentMs: number): void {
    if (sentMs >= this.#shrunkMs) {
      // tries again of what was begun before are on their way, too: that so many are too many says nothing of a smaller window
      const atOnce = Math.max(this.#size, this.#queue.pending)
      this.#together = { atOnce, failed: 0 }
      this.#holdBelow(Math.min(atOnce - 1, atOnce * BELOW_TROUBLE))
      this.#isStarting = false
      this.#shrunkMs = performance.now()
      this.#resize(Math.min(this.#size, atOnce * SHRINK_TROUBLED))
    }
    // of a flight of which most fails the rest is what is taken
    const { atOnce, failed } = this.#together
    this.#together = { atOnce, failed: failed + 1 }
    const taken = Math.max(1, atOnce - (failed + 1) / REQUESTS)
    if (taken < this.#size) {
      this.#holdBelow(taken)
      this.#resize(taken)
    }
  }

  /** What was too many is not tried again for a while. */
  #holdBelow(size: number): void {
    this.#ceiling = Math.max(1, Math.min(size, this.#ceilingUntilMs > performance.now() ? this.#ceiling : Infinity))
    this.#ceilingUntilMs = performance.now() + CEILING_MS
  }

  /** Answers begin late. */
  #shrink(sentMs: number): void {
    this.#isStarting = false
    if (sentMs < this.#shrunkMs) return
    this.#shrunkMs = performance.now()
    this.#resize(Math.max(Math.min(FEW, this.#size), this.#size * SHRINK_QUEUED))
  }

  #resize(size: number): void {
    this.#size = Math.min(size, this.#most)
    this.#apply()
  }

  /** One more request sits out a pause, or one less: the only place must not be that of an archive that is not to be had for minutes. */
  paused(change: 1 | -1): void {
    this.#paused += change
    this.#apply()
  }

  #apply(): void {
    const least = this.#paused > 0 ? Math.min(2, this.#most) : 1
    const whole = Math.max(least, Math.floor(this.#size))
    if (whole !== this.#queue.concurrency) this.#queue.concurrency = whole
  }
}

function isTrouble(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

/** Follows a request that is no download, of which nothing but its failure tells anything of them. */
class TroubleWatch implements RequestWatch {
  readonly #window: DownloadWindow
  #sentMs = performance.now()

  constructor(window: DownloadWindow) {
    this.#window = window
  }

  onSend(): void {
    this.#sentMs = performance.now()
  }

  onStatus(status: number): void {
    if (isTrouble(status)) this.#window.troubled(this.#sentMs)
  }

  onFailure(): void {
    this.#window.troubled(this.#sentMs)
  }
}

/** Follows one request for the window. */
class WindowWatch implements RequestWatch {
  readonly #window: DownloadWindow
  #sentMs = performance.now()
  #isPaused = false

  constructor(window: DownloadWindow) {
    this.#window = window
  }

  onSend(): void {
    this.#sentMs = performance.now()
    this.#setPaused(false)
  }

  onPause(): void {
    this.#setPaused(true)
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    this.#window.paused(isPaused ? 1 : -1)
  }

  onStatus(status: number): void {
    if (isTrouble(status)) this.#window.troubled(this.#sentMs)
    else this.#window.answered(this.#sentMs, performance.now() - this.#sentMs)
  }

  onFailure(): void {
    this.#window.troubled(this.#sentMs)
  }
}
