/**
 * Deterministic randomness. Only integer and IEEE basic operations are used: the same seed gives the same bytes on
 * every platform and Node version, which `Math.exp` or `Math.random` would not promise.
 */

/** 32-bit hash of a text (FNV-1a with a finaliser that spreads the last characters over all bits). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return spread(hash)
}

/** 32-bit hash of a hash and an integer. */
export function hashWith(hash: number, value: number): number {
  return spread(Math.imul(hash ^ Math.imul(value | 0, 0x9e3779b1), 0x85ebca6b) + value)
}

/** A number in [0, 1) of a hash and an integer. */
export function unitOf(hash: number, value: number): number {
  return hashWith(hash, value) / 4294967296
}

function spread(hash: number): number {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A stream of numbers in [0, 1) (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * Smooth noise in (-1, 1) over the integers, any of them at once: value noise in five octaves, from a day to a year and
 * a half. It is what lets a price be known for any day without walking there.
 */
export function noiseAt(hash: number, position: number): number {
  let sum = 0
  for (const [period, weight] of OCTAVES) {
    const cell = Math.floor(position / period)
    const t = (position - cell * period) / period
    const ease = t * t * (3 - 2 * t)
    const left = unitOf(hash + period, cell)
    const right = unitOf(hash + period, cell + 1)
    sum += weight * (left + (right - left) * ease)
  }
  return 2 * sum - 1
}

/** [period in days, weight]; the weights sum to 1. */
const OCTAVES: readonly (readonly [number, number])[] = [
  [512, 0.5],
  [128, 0.28],
  [32, 0.14],
  [8, 0.06],
  [1, 0.02],
]
