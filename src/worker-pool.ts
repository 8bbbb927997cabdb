import { fileURLToPath } from 'node:url'
import type { Piscina } from 'piscina'

/**
 * A thread that has had nothing to do for so long ends, but for one. Piscina 5.3 forgets to stop a timer that it starts twice: a thread that
 * starts may end once so much later if it is idle at that very moment, however short. With 5 s a run was seen to lose a thread so.
 */
const IDLE_TIMEOUT_MS = 60_000

export interface WorkerPoolOptions {
  /** the workers' file, by its URL or path */
  readonly file: URL | string
  readonly threads: number
  /** tasks that may wait for a thread; the caller's own queue bounds the rest */
  readonly maxQueue: number
  /** no worker can be started: what runs would wait for ever */
  readonly onBroken: (cause: unknown) => void
}

/** Threads that run one file's default export, a task at a time. Piscina is loaded, and threads are started, by `start`, or else by the first task. */
export class WorkerPool<Task, Outcome> {
  readonly #options: WorkerPoolOptions
  #pool: Promise<Piscina<Task, Outcome>> | undefined
  #closing: Promise<void> | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** Starts all threads, each by an empty task, so that they are there when the first task comes. Idempotent. */
  start(nothing: Task): void {
    if (this.#pool !== undefined || this.#closing !== undefined) return
    this.#pool = this.#open()
    for (let i = 0; i < this.#options.threads; i++) {
      // closing ends those that have not started yet
      this.#pool
        .then((pool) => pool.run(nothing))
        .catch((cause: unknown) => {
          if (this.#closing === undefined) this.#options.onBroken(cause)
        })
    }
  }

  /** Runs a task. Rejects with what the worker threw, when it died, and when the signal ends its thread. */
  async run(task: Task, options: { readonly transferList: ArrayBuffer[]; readonly signal: AbortSignal }): Promise<Outcome> {
    if (this.#closing !== undefined) throw new Error('the threads were closed')
    const pool = await (this.#pool ??= this.#open())
    return await pool.run(task, options)
  }

  async #open(): Promise<Piscina<Task, Outcome>> {
    const { Piscina: Threads } = await import('piscina')
    const { file, threads, maxQueue, onBroken } = this.#options
    const pool = new Threads<Task, Outcome>({
      filename: typeof file === 'string' ? file : fileURLToPath(file),
      // Never 0: of workers that died Piscina starts anew only so many, and a task that is queued already would wait for one
      // for ever, while nothing keeps the process alive.
      minThreads: 1,
      maxThreads: threads,
      idleTimeout: IDLE_TIMEOUT_MS,
      concurrentTasksPerWorker: 1,
      // Piscina first tries require() on the worker file. Node 20 aborts the whole process when a thread is ended while it
      // requires an ES module (v8::Module::IsGraphAsync); with import(), its second try, the thread just ends.
      execArgv: ['--no-experimental-require-module'],
      maxQueue,
    })
    // A worker that dies with a task fails that task, and another is started. This is told of one that dies without:
    // it could not start, Piscina starts no other, and what waits would wait for ever.
    pool.on('error', onBroken)
    return pool
  }

  /** Ends all threads. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // whose task it was has been told why they could not be started: then there is nothing to end
    const pool = await this.#pool?.catch(() => undefined)
    await pool?.destroy()
  }
}
