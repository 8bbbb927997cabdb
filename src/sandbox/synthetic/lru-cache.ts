/** Keeps what was used last, up to a total cost. */
export class LruCache<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly cost: number }>()
  readonly #limit: number
  #cost = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  set(key: string, value: V, cost = 1): void {
    const old = this.#entries.get(key)
    if (old !== undefined) this.#remove(key, old.cost)
    this.#entries.set(key, { value, cost })
    this.#cost += cost
    for (const [oldest, entry] of this.#entries) {
      if (this.#cost <= this.#limit || oldest === key) break
      this.#remove(oldest, entry.cost)
    }
  }

  #remove(key: string, cost: number): void {
    this.#entries.delete(key)
    this.#cost -= cost
  }
}
