import { dayOfUs, US_PER_DAY } from '../../model/utc-day.ts'

/** What a number, a time or a separator may take: the longest double without an exponent has 326 digits. */
const CELL_BYTES = 400
const FIRST_BYTES = 1 << 16
const ZERO = 48
const POINT = 46
const COMMA = 44
const LINE_FEED = 10
/** Numbers of up to eight digits after the point, and of fifteen in all, are written digit by digit. */
const FRACTION_DIGITS = 8
const SCALE = 10 ** FRACTION_DIGITS
const MOST_SCALED = 1e15

/**
 * Cells of CSV as bytes. A text for each number takes four times as long to make: numbers and times are written digit by digit, each number as
 * the shortest decimal that reads back to the same float64, never with an exponent; times as ISO text in UTC with microseconds.
 */
export class CsvBytes {
  #bytes = new Uint8Array(FIRST_BYTES)
  #length = 0
  #dayNumber = NaN
  #day = ''

  /** What was written since the last time, as bytes of their own. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return taken
  }

  comma(): void {
    this.#reserve(CELL_BYTES)
    this.#put(COMMA)
  }

  endLine(): void {
    this.#reserve(CELL_BYTES)
    this.#put(LINE_FEED)
  }

  /** A text as it is. */
  text(text: string): void {
    this.#reserve(text.length * 3)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) {
        this.#length += new TextEncoder().encodeInto(text.slice(i), this.#bytes.subarray(this.#length)).written
        return
      }
      this.#put(code)
    }
  }

  number(value: number): void {
    this.#reserve(CELL_BYTES)
    const scaled = Math.round(value * SCALE)
    // of fifteen digits no two read back to the same double, so this is the shortest
    if (value > 0 && scaled < MOST_SCALED && scaled / SCALE === value) {
      const whole = Math.floor(scaled / SCALE)
      this.#whole(whole)
      this.#fraction(scaled - whole * SCALE)
    } else this.text(decimalText(value))
  }

  /** A time in microseconds since the epoch. */
  time(timeUs: number): void {
    this.#reserve(CELL_BYTES)
    const dayNumber = Math.floor(timeUs / US_PER_DAY)
    if (dayNumber !== this.#dayNumber) {
      this.#dayNumber = dayNumber
      this.#day = `${dayOfUs(timeUs)}T`
    }
    const ofDayUs = timeUs - dayNumber * US_PER_DAY
    const seconds = Math.floor(ofDayUs / 1_000_000)
    this.text(this.#day)
    this.#digits(Math.floor(seconds / 3600), 2)
    this.text(':')
    this.#digits(Math.floor(seconds / 60) % 60, 2)
    this.text(':')
    this.#digits(seconds % 60, 2)
    this.#put(POINT)
    this.#digits(ofDayUs - seconds * 1_000_000, 6)
    this.text('Z')
  }

  /** Below 10^7. */
  #whole(value: number): void {
    let count = 1
    for (let power = 10; power <= value; power *= 10) count++
    this.#digits(value, count)
  }

  /** Digits after the point, without zeros at the end; nothing where there are none. */
  #fraction(scaled: number): void {
    if (scaled === 0) return
    let count = FRACTION_DIGITS
    let rest = scaled
    for (; rest % 10 === 0; rest = (rest / 10) | 0) count--
    this.#put(POINT)
    this.#digits(rest, count)
  }

  /** `count` digits of an integer below 2^31. */
  #digits(value: number, count: number): void {
    let rest = value | 0
    for (let at = this.#length + count - 1; at >= this.#length; at--) {
      const tenth = (rest / 10) | 0
      this.#bytes[at] = ZERO + rest - tenth * 10
      rest = tenth
    }
    this.#length += count
  }

  #put(code: number): void {
    this.#bytes[this.#length++] = code
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(2 * this.#bytes.length + bytes)
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** The shortest decimal that reads back to `value`, without an exponent. */
function decimalText(value: number): string {
  const text = String(value)
  const at = text.indexOf('e')
  if (at < 0) return text
  const exponent = Number(text.slice(at + 1))
  const [whole = '', fraction = ''] = text.slice(0, at).replace('-', '').split('.')
  const digits = whole + fraction
  const point = whole.length + exponent
  const sign = value < 0 ? '-' : ''
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return `${sign}${digits.padEnd(point, '0')}`
}
