import type { Exported, ExportOutcome, ExportTask } from '../codec/export/export-task.ts'
import { abortError, CkvdError, resourceError } from '../errors.ts'
import { WorkerPool } from '../worker-pool.ts'

/** Makes files of an export in worker threads. */
export class EncodePool {
  /** started by the first file: a run that changes nothing starts no thread */
  readonly #threads: WorkerPool<ExportTask, ExportOutcome>
  /** why no worker can be started */
  #givenUp: CkvdError | undefined
  readonly #waiting = new Set<(error: CkvdError) => void>()

  constructor(workers: number) {
    this.#threads = new WorkerPool({
      file: new URL('../../workers/export-worker.js', import.meta.url),
      threads: workers,
      // what waits is bounded by the lanes of the run
      maxQueue: workers * 4,
      onBroken: (cause) => {
        const error = (this.#givenUp ??= workerError(cause))
        for (const reject of this.#waiting) reject(error)
      },
    })
  }

  /**
   * The bytes of a task's shards are transferred: they belong to the worker afterwards. Throws what the worker found (CKVD_SHARD_DIGEST,
   * CKVD_SHARD_FORMAT), CKVD_WORKER when it died, CKVD_ABORTED.
   */
  async encode(task: ExportTask, signal: AbortSignal): Promise<Exported> {
    if (signal.aborted) throw abortError(signal)
    const outcome = await this.#run(task, signal)
    if (outcome.ok) return outcome.exported
    throw CkvdError.fromData(outcome.error)
  }

  #run(task: ExportTask, signal: AbortSignal): Promise<ExportOutcome> {
    if (this.#givenUp !== undefined) return Promise.reject(this.#givenUp)
    const transferList = task.kind === 'rows' ? task.shards.map(({ bytes }) => bytes.buffer as ArrayBuffer) : []
    const outcome = this.#threads.run(task, { signal, transferList }).catch((cause: unknown) => {
      throw signal.aborted ? abortError(signal) : workerError(cause)
    })
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      void outcome.then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  /** Ends all workers. Idempotent. */
  close(): Promise<void> {
    return this.#threads.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function workerError(cause: unknown): CkvdError {
  const refused = resourceError(cause)
  if (refused !== undefined) return refused
  const message = cause instanceof Error ? cause.message : String(cause)
  return new CkvdError(
    'CKVD_WORKER',
    `An export worker died: ${message}. Run the same command again; if it happens again, use fewer --workers.`,
    {
      cause,
    },
  )
}
