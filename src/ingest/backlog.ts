/** Counts what is left to do of what was begun, so that no more is begun than keeps all hands busy. */
export class Backlog {
  #left = 0
  #waiting: { readonly limit: number; readonly resolve: () => void }[] = []

  /** Adds work, or takes off (`count` below 0) what is done. */
  add(count: number): void {
    this.#left += count
    if (count >= 0) return
    const ready = this.#waiting.filter(({ limit }) => this.#left < limit)
    this.#waiting = this.#waiting.filter(({ limit }) => this.#left >= limit)
    for (const { resolve } of ready) resolve()
  }

  /** Resolves when less than `limit` is left. */
  whenBelow(limit: number): Promise<void> {
    if (this.#left < limit) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ limit, resolve }))
  }
}
