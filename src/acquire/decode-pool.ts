import { fileShares } from '../../config/open-files.ts'
import { BufferPool } from '../memory/buffer-pool.ts'
import type { DecodeOutcome, DecodeRequest, DecodeResult, DecodeTask } from '../codec/decode-archive.ts'
import { leastShardBytes } from '../codec/arrow/shard-size.ts'
import type { Chunked } from '../dataset/chunk.ts'
import { isMonthChunked } from '../dataset/chunk.ts'
import { abortError, CkvdError, resourceError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import { maxLengthUs } from '../model/interval.ts'
import { US_PER_DAY } from '../model/utc-day.ts'
import { listenAbort } from '../waiting.ts'
import { WorkerPool } from '../worker-pool.ts'

/** An archive of at most this size shares a task with others: posting a task costs as much as hashing a small archive. */
const SMALL_BYTES = 256 * 1024
const MAX_BATCH = 32
/**
 * While a thread has work, small archives wait for it until there are so many, or it is busy for so long: threads that take turns on the
 * processors of the main thread and of each other take a tenth more processor time for the same archives. More than a batch, but less than
 * what the callers have in hand: downloads must go on.
 */
const BACKLOG = 40
const BUSY_MS = 100
/** Memory that is kept for shards to come: about what the archives of a run in flight need. */
const SPARE_BYTES = 64 * 1024 * 1024
/**
 * Shared memory of shards that may be out at once: a month of 1s bars. It weighs nothing on V8's scales, so what is never given back stays
 * until a thread happens to collect its garbage; past this, shards get memory of their own, which is collected in time.
 */
const MAX_SHARED_BYTES = 256 * 1024 * 1024
/** A task of small archives takes seconds at most; a worker that takes minutes hangs. */
const TASK_TIMEOUT_MS = 120_000
/** A large archive may take as long again for each so many bytes of it: a day of ticks of 364 MiB took half a minute. */
const TIMEOUT_BYTES = 32 * 1024 * 1024

export type PoolOutcome =
  { readonly ok: true; readonly result: DecodeResult } | { readonly ok: false; readonly error: CkvdError; readonly zip: Uint8Array | null }

interface Running {
  /** ends the task's thread */
  readonly stop: AbortController
  readonly sinceMs: number
  /** how long it may take */
  readonly timeoutMs: number
}

/** An archive that waits for its outcome. */
class Waiting {
  readonly request: DecodeRequest
  /** shares no task */
  readonly alone: boolean
  readonly outcome: Promise<PoolOutcome>
  #resolve!: (outcome: PoolOutcome) => void
  #reject!: (error: Error) => void
  readonly #stopListening: () => void

  constructor(request: DecodeRequest, signal: AbortSignal, alone: boolean) {
    this.request = request
    this.alone = alone
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#stopListening = listenAbort(signal, () => this.reject(abortError(signal)))
  }

  resolve(outcome: PoolOutcome): void {
    this.#stopListening()
    this.#resolve(outcome)
  }

  reject(error: Error): void {
    this.#stopListening()
    this.#reject(error)
  }
}

/**
 * Decodes archives in worker threads. The bytes of a request are transferred, not copied: they belong to the worker
 * afterwards, and come back with a failure. Small archives that wait together travel together.
 */
export class DecodePool {
  readonly #threads: WorkerPool<DecodeTask, DecodeOutcome[]>
  readonly #waiting: Waiting[] = []
  readonly #workers: number
  readonly #shardBuffers = new BufferPool(SPARE_BYTES)
  #sharesShards = false
  /** shared memory of shards that were handed out and have not come back */
  #sharedBytes = 0
  /** tasks that Piscina has, the first given first */
  readonly #running = new Map<readonly Waiting[], Running>()
  readonly #taskTimeoutMs: number
  readonly #maxSharedBytes: number
  #watch: NodeJS.Timeout | undefined
  /** why no worker can be started */
  #givenUp: CkvdError | undefined

  /** @param o seams for fault tests: `workerFile`, a file with the same default export as the decode worker; `taskTimeoutMs`; `maxSharedBytes` */
  constructor(o: { workers: number; workerFile?: string | undefined; taskTimeoutMs?: number | undefined; maxSharedBytes?: number }) {
    this.#workers = Math.min(o.workers, fileShares().workers)
    this.#taskTimeoutMs = o.taskTimeoutMs ?? TASK_TIMEOUT_MS
    this.#maxSharedBytes = o.maxSharedBytes ?? MAX_SHARED_BYTES
    this.#threads = new WorkerPool({
      file: o.workerFile ?? new URL('../../workers/decode-worker.js', import.meta.url),
      threads: this.#workers,
      // what waits is bounded by our own queue, which the callers' lanes bound
      maxQueue: this.#workers * 2,
      onBroken: (cause) => this.#giveUp(cause),
    })
  }

  /** Starts the threads, so that they are there when the first archive comes. Idempotent; without it the first archive does it. */
  start(): void {
    this.#threads.start({ requests: [], spares: null })
  }

  /** From now on shards lie in memory that threads share. Whoever asks for that gives them back (`reuse`) once they are stored. */
  shareShards(): void {
    this.#sharesShards = true
  }

  /** Takes the memory of a shard that nobody needs any more, for shards to come. */
  reuse(shard: Uint8Array): void {
    if (shard.buffer instanceof SharedArrayBuffer) this.#sharedBytes -= shard.length
    this.#shardBuffers.give(shard)
  }

  /** False once it is known that no worker can be started. */
  get usable(): boolean {
    return this.#givenUp === undefined
  }

  /**
   * Decodes one archive; a `CkvdError` of the archive is a value, since the caller decides what becomes of it.
   * Throws CKVD_WORKER when the worker died or hung (its bytes are lost: fetch again, and decode `alone`, since another archive
   * may have killed it) and CKVD_ABORTED.
   */
  decode(request: DecodeRequest, signal: AbortSignal, alone = false): Promise<PoolOutcome> {
    if (signal.aborted) return Promise.reject(abortError(signal))
    if (this.#givenUp !== undefined) return Promise.reject(this.#givenUp)
    const waiting = new Waiting(request, signal, alone)
    this.#waiting.push(waiting)
    this.#pump()
    return waiting.outcome
  }

  /**
   * Keeps one task running for each worker that has enough to do and, of full batches or large archives, one ready; the rest waits
   * here, where it can still be batched: while all workers are busy nothing is gained by sending less.
   */
  #pump(): void {
    while (this.#running.size < this.#workers * 2 && this.#waiting.length > 0 && !this.#mayWait()) {
      const batch = this.#nextBatch()
      if (this.#running.size >= this.#workers && batch.length < MAX_BATCH && isSmall(batch.at(-1)) && isSmall(this.#waiting[0])) {
        this.#waiting.unshift(...batch)
        return
      }
      const stop = new AbortController()
      // told before their bytes go to the thread
      const zipBytes = batch.reduce((sum, { request }) => sum + request.zip.length, 0)
      const running = { stop, sinceMs: performance.now(), timeoutMs: timeoutOf(zipBytes, this.#taskTimeoutMs) }
      this.#running.set(batch, running)
      if (this.#running.size === 1) this.#watchOldest()
      void this.#runBatch(batch, running).finally(() => {
        this.#running.delete(batch)
        this.#watchOldest()
        this.#pump()
      })
    }
  }

  /** True while what waits is best left to the threads that are at work. */
  #mayWait(): boolean {
    const [first] = this.#waiting
    if (this.#waiting.length >= BACKLOG || !isSmall(first)) return false
    const [oldest] = this.#running.values()
    return oldest !== undefined && performance.now() - oldest.sinceMs < BUSY_MS
  }

  /**
   * Ends the oldest task when none has ended for so long. Only that one: tasks behind it may not have begun, and if another
   * hangs as well its time comes next.
   */
  #watchOldest(): void {
    clearTimeout(this.#watch)
    const [oldest] = this.#running.values()
    if (oldest === undefined || this.#givenUp !== undefined) return
    // a timer alone is no reason for the process to live
    this.#watch = setTimeout(() => oldest.stop.abort(), oldest.timeoutMs).unref()
  }

  /** Small archives travel together, but no worker stays idle for that; a large one goes alone. */
  #nextBatch(): Waiting[] {
    const limit = Math.min(MAX_BATCH, Math.ceil(this.#waiting.length / Math.max(1, this.#workers - this.#running.size)))
    let size = 1
    while (size < limit && isSmall(this.#waiting[size - 1]) && isSmall(this.#waiting[size])) size++
    return this.#waiting.splice(0, size)
  }

  async #runBatch(batch: readonly Waiting[], { stop: { signal }, timeoutMs }: Running): Promise<void> {
    try {
      const requests = batch.map(({ request }) => request)
      const mayShare = this.#sharesShards && this.#sharedBytes < this.#maxSharedBytes
      const spares = mayShare ? requests.flatMap((request) => this.#sparesFor(request)) : null
      const transferList = requests.flatMap(({ zip: { buffer } }) => (buffer instanceof ArrayBuffer ? [buffer] : []))
      const outcomes = await this.#threads.run({ requests, spares }, { transferList, signal })
      for (const [i, waiting] of batch.entries()) {
        const outcome = outcomes[i]
        if (outcome === undefined) throw new Error('it answered for fewer archives than it was given')
        if (outcome.ok) this.#countShared(outcome.result)
        waiting.resolve(outcome.ok ? outcome : { ok: false, error: CkvdError.fromData(outcome.error), zip: outcome.zip ?? null })
      }
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      const ended = signal.aborted ? `gave no answer for ${Math.round(timeoutMs / 1000)} s` : 'died'
      for (const waiting of batch) {
        const { key } = waiting.request.archive
        // no archive is at fault where a thread may not open its own program, or gets no memory; where it outgrows its heap, one may be
        const refused = systemCode(cause) === 'ERR_WORKER_OUT_OF_MEMORY' ? undefined : resourceError(cause)
        waiting.reject(
          refused ??
            new CkvdError(
              'CKVD_WORKER',
              `A decoding thread ${ended} while it worked on ${key}: ${message.replace(/\.$/, '')}. Run the same command again, with fewer --workers if memory is short.`,
              { details: { key }, cause },
            ),
        )
      }
    }
  }

  #sparesFor({ series, days }: DecodeRequest): Uint8Array[] {
    return this.#shardBuffers.takeSpares(leastChunkBytes(series), days?.length ?? 1)
  }

  #countShared({ chunks }: DecodeResult): void {
    for (const { shard } of chunks) if (shard.buffer instanceof SharedArrayBuffer) this.#sharedBytes += shard.length
  }

  #giveUp(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = (this.#givenUp ??=
      resourceError(cause) ??
      new CkvdError(
        'CKVD_WORKER',
        `Decode workers cannot be started: ${reason}. Install the package again; where a bundler packed it, leave it out of the bundle (docs/troubleshooting.md).`,
        { cause },
      ))
    for (const waiting of [...this.#running.keys()].flat().concat(this.#waiting.splice(0))) waiting.reject(error)
  }

  /** Ends all workers; what still waits is rejected. Idempotent. */
  close(): Promise<void> {
    clearTimeout(this.#watch)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new CkvdError('CKVD_ABORTED', 'The decode pool was closed.'))
    return this.#threads.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What the shard of a chunk with all its bars has at least: what served for one is found for the next. */
export function leastChunkBytes(series: Chunked): number {
  const rows = ((isMonthChunked(series) ? 28 : 1) * US_PER_DAY) / maxLengthUs(series.interval)
  return leastShardBytes(series, Math.floor(rows))
}

/** How long a task with so many bytes of archives may take before its worker is taken to hang, ms. @param taskTimeoutMs of the smallest */
export function timeoutOf(zipBytes: number, taskTimeoutMs: number): number {
  return Math.ceil(taskTimeoutMs * (1 + zipBytes / TIMEOUT_BYTES))
}

function isSmall(waiting: Waiting | undefined): boolean {
  return waiting?.alone !== true && (waiting?.request.zip.length ?? 0) <= SMALL_BYTES
}
