/** Units of the last decimal that Binance publishes: at most eight stand behind the point. */
const UNITS = 100_000_000
const DECIMALS = 8

/** Below this, decimals with eight places lie further apart than doubles do, so that a double tells its decimal. */
const TELLS_DECIMAL_BELOW = 2 ** 26

/**
 * Sum of decimals that are kept as float64: not negative, at most eight places behind the point.
 *
 * A double below 2^26 (67,108,864) stands for one such decimal, and a larger one for the shortest decimal that it can be read from, which
 * is the published one if that has at most 15 digits. These decimals are added as whole numbers, and the sum is rounded once:
 * - all addends below 2^26, or published with at most 15 digits: the sum is the double next to the exact decimal sum;
 * - otherwise addends were rounded when they were stored, each by at most 2^-53 of its size, so all of them by at most 2^-53 of the sum:
 *   the sum is that double or one beside it. `isExact` is false where that is possible.
 *
 * Holds for sums below 2^53 whole units and for 90 million addends.
 */
export class DecimalSum {
  #whole = 0
  #units = 0
  #isExact = true

  /** False when an addend was so large that its double may not tell its decimal. */
  get isExact(): boolean {
    return this.#isExact
  }

  add(value: number): void {
    const whole = Math.floor(value)
    this.#whole += whole
    // the subtraction is exact, and the product is off by less than 0.4 of a unit
    if (value < TELLS_DECIMAL_BELOW) this.#units += Math.round((value - whole) * UNITS)
    else this.#addLarge(value)
  }

  /** The sum as a double. */
  value(): number {
    const units = this.#units % UNITS
    const whole = this.#whole + (this.#units - units) / UNITS
    const scaled = whole * UNITS + units
    // a quotient of two exact doubles is rounded correctly, and so is the number that a text is read as
    return scaled <= Number.MAX_SAFE_INTEGER ? scaled / UNITS : Number(`${whole}.${String(units).padStart(DECIMALS, '0')}`)
  }

  /** Begins anew. */
  clear(): void {
    this.#whole = 0
    this.#units = 0
    this.#isExact = true
  }

  #addLarge(value: number): void {
    this.#isExact = false
    const text = String(value)
    const point = text.indexOf('.')
    if (point >= 0) this.#units += Number(text.slice(point + 1, point + 1 + DECIMALS).padEnd(DECIMALS, '0'))
  }
}
