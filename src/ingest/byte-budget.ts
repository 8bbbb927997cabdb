import { abortError } from '../errors.ts'

/**
 * Bounds the bytes of archives that are on their way from the network to the disk. First come, first served; what is
 * larger than the whole budget goes alone.
 */
export class ByteBudget {
  readonly #limit: number
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = []
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Waits until `bytes` fit; resolves to the call that gives them back. Throws CKVD_ABORTED. */
  take(bytes: number, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(abortError(signal))
    return new Promise((resolve, reject) => {
      const entry = {
        bytes,
        start: () => {
          signal.removeEventListener('abort', onAbort)
          this.#taken += bytes
          let given = false
          resolve(() => {
            if (given) return
            given = true
            this.#taken -= bytes
            this.#pump()
          })
        },
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        reject(abortError(signal))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(entry)
      this.#pump()
    })
  }

  #pump(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && (this.#taken === 0 || this.#taken + next.bytes <= this.#limit);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      next.start()
    }
  }
}
