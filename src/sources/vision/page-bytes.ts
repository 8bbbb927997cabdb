/** Text that stands in each entry of a page, as numbers of eight of its bytes, the last of which may overlap the one before. */
export interface Part {
  readonly length: number
  readonly eights: Float64Array
  readonly last: number
}

/** @param text eight bytes or more */
export function partOf(text: string): Part {
  const { buffer, byteOffset, length } = Buffer.from(text)
  const view = new DataView(buffer, byteOffset, length)
  const eights = Float64Array.from({ length: length >> 3 }, (_none, i) => view.getFloat64(i * 8, true))
  return { length, eights, last: view.getFloat64(length - 8, true) }
}

/** A table of 256 in which these letters of ASCII have a 1. */
export function bytesOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

/** The bytes of a page, and how far they have been read. */
export class PageBytes {
  at = 0
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #length: number

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.#bytes = Buffer.from(buffer, byteOffset, length)
    this.#view = new DataView(buffer, byteOffset, length)
    this.#length = length
  }

  /** Goes to where these bytes stand first; false: nowhere. */
  startAt(text: Uint8Array): boolean {
    this.at = this.#bytes.indexOf(text)
    return this.at >= 0
  }

  /**
   * True when these bytes stand there. Eight are compared at a time, as a number: two such numbers are equal only where all their bytes are
   * (but for the two zeros, which no text is), and one that is not a number, as letters beyond ASCII may be, is equal to nothing.
   */
  standsAt(at: number, { length, eights, last }: Part): boolean {
    const view = this.#view
    if (at < 0 || at + length > this.#length) return false
    for (let i = 0; i < eights.length; i++) if (view.getFloat64(at + i * 8, true) !== eights[i]) return false
    return view.getFloat64(at + length - 8, true) === last
  }

  /** Passes these bytes; false: others stand here. */
  take(part: Part): boolean {
    if (!this.standsAt(this.at, part)) return false
    this.at += part.length
    return true
  }

  /** Passes all bytes of a class, one at least; false: there is none. */
  takeSome(table: Uint8Array): boolean {
    const bytes = this.#bytes
    const start = this.at
    let at = start
    while (table[bytes[at] as number] === 1) at++
    this.at = at
    return at > start
  }

  /** True when this text of ASCII stands there; an empty one stands nowhere. */
  isText(at: number, text: string): boolean {
    const bytes = this.#bytes
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
    return text !== ''
  }

  number(start: number, end: number): number {
    let value = 0
    for (let at = start; at < end; at++) value = value * 10 + (this.#bytes[at] as number) - 48
    return value
  }

  text(start: number, end: number): string {
    return this.#bytes.toString('utf8', start, end)
  }
}
