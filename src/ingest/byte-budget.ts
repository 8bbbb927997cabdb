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
    if (this.#waiting.length === 0 && this.#fits(bytes)) return Promise.resolve(this.#take(bytes))
    return new Promise((resolve, reject) => {
      const entry = {
        bytes,
        start: () => {
          signal.removeEventListener('abort', onAbort)
          resolve(this.#take(bytes))
        },
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        reject(abortError(signal))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(entry)
    })
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limit
  }

  /** Gives the call that gives them back, once. */
  #take(bytes: number): () => void {
    this.#taken += bytes
    let left = bytes
    return () => {
      this.#taken -= left
      left = 0
      this.#pump()
    }
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      next.start()
    }
  }
}
