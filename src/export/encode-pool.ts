import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import type { ExportedBytes, ExportOutcome, ExportTask } from '../codec/export/export-task.ts'
import { abortError, CkvdError, openFilesError } from '../errors.ts'

/** Makes files of an export in worker threads. */
export class EncodePool {
  readonly #workers: number
  /** started by the first file: a run that changes nothing starts no thread */
  #pool: Piscina<ExportTask, ExportOutcome> | undefined
  /** why no worker can be started */
  #givenUp: CkvdError | undefined
  readonly #waiting = new Set<(error: CkvdError) => void>()
  #closing: Promise<void> | undefined

  constructor(workers: number) {
    this.#workers = workers
  }

  /**
   * The bytes of a task's shards are transferred: they belong to the worker afterwards. Throws what the worker found (CKVD_SHARD_DIGEST,
   * CKVD_SHARD_FORMAT), CKVD_WORKER when it died, CKVD_ABORTED.
   */
  async encode(task: ExportTask, signal: AbortSignal): Promise<ExportedBytes> {
    if (signal.aborted) throw abortError(signal)
    const outcome = await this.#run(task, signal)
    if (outcome.ok) return outcome.file
    throw CkvdError.fromData(outcome.error)
  }

  #run(task: ExportTask, signal: AbortSignal): Promise<ExportOutcome> {
    if (this.#givenUp !== undefined) return Promise.reject(this.#givenUp)
    this.#pool ??= this.#startPool()
    const transferList = task.kind === 'klines' ? task.shards.map(({ bytes }) => bytes.buffer as ArrayBuffer) : []
    const outcome = this.#pool.run(task, { signal, transferList }).catch((cause: unknown) => {
      throw signal.aborted ? abortError(signal) : workerError(cause)
    })
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      void outcome.then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  #startPool(): Piscina<ExportTask, ExportOutcome> {
    const pool = new Piscina<ExportTask, ExportOutcome>({
      filename: fileURLToPath(new URL('../../workers/export-worker.js', import.meta.url)),
      minThreads: 1,
      maxThreads: this.#workers,
      concurrentTasksPerWorker: 1,
      // see acquire/decode-pool, both: Piscina forgets a timer; Node 20 aborts when a thread is ended while it requires an ES module
      idleTimeout: 60_000,
      execArgv: ['--no-experimental-require-module'],
      // what waits is bounded by the lanes of the run
      maxQueue: this.#workers * 4,
    })
    // told of a worker that dies without a task: it could not start, and what waits would wait for ever
    pool.on('error', (cause) => {
      const error = (this.#givenUp ??= workerError(cause))
      for (const reject of this.#waiting) reject(error)
    })
    return pool
  }

  /** Ends all workers. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#pool?.destroy() ?? Promise.resolve()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function workerError(cause: unknown): CkvdError {
  const crowded = openFilesError(cause)
  if (crowded !== undefined) return crowded
  const message = cause instanceof Error ? cause.message : String(cause)
  return new CkvdError(
    'CKVD_WORKER',
    `An export worker died: ${message}. Run the same command again; if it happens again, use fewer --workers.`,
    {
      cause,
    },
  )
}
