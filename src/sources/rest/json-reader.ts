/** Deeper JSON is refused: what exchanges send has five levels. */
const MAX_DEPTH = 64
/** A text or a number that is asked for is refused when it is longer, in bytes as it is written. */
const MAX_SCALAR_BYTES = 1024
/** A member's name that is longer, as it is written, is given as ''. */
const MAX_NAME_BYTES = 128

/** What stands for a list or an object where a scalar is asked for. */
export const NESTED = Symbol('nested')

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const LEFT_BRACKET = 0x5b
const RIGHT_BRACKET = 0x5d
const LEFT_BRACE = 0x7b
const RIGHT_BRACE = 0x7d
/** what may follow a backslash, but for `u` */
const ESCAPED = new Set(Buffer.from('"\\/bfnrt'))
const LITERALS = new Map<number, readonly [Buffer, boolean | null]>([
  [0x74, [Buffer.from('true'), true]],
  [0x66, [Buffer.from('false'), false]],
  [0x6e, [Buffer.from('null'), null]],
])
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Reads the bytes of one JSON value from the beginning to the end and makes of it only what is asked for: `JSON.parse` makes some forty
 * bytes of each of a hostile `[],`, and readers of streams make whole values of what they find, however deep and long. It takes and refuses
 * what `JSON.parse` takes and refuses of the decoded text, but for what is beyond the bounds above.
 */
export class JsonReader {
  readonly #bytes: Buffer
  readonly #refuse: (expected: string) => never
  readonly #skipItem = (): void => this.skip()
  #at = 0
  #depth = 0
  /** the text read last is ASCII without escapes */
  #isPlain = true

  /** @param refuse throws; called with what was expected */
  constructor(bytes: Uint8Array, refuse: (expected: string) => never) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#refuse = refuse
    // as a TextDecoder does
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3
  }

  /** Reads an object; each member's value is `onMember`'s to read. False: the value is none, and nothing of it was read. */
  object(onMember: (name: string) => void): boolean {
    if (this.#peek() !== LEFT_BRACE) return false
    this.#members(onMember)
    return true
  }

  /** Reads a list; each item is `onItem`'s to read. False: the value is none, and nothing of it was read. */
  list(onItem: () => void): boolean {
    if (this.#peek() !== LEFT_BRACKET) return false
    this.#enter()
    if (this.#peek() === RIGHT_BRACKET) this.#at++
    else {
      do onItem()
      while (this.#goesOn(RIGHT_BRACKET))
    }
    this.#depth--
    return true
  }

  /** Reads a value of any kind. */
  skip(): void {
    const byte = this.#peek()
    if (byte === QUOTE) this.#text()
    else if (byte === LEFT_BRACE) this.#members(undefined)
    else if (byte === LEFT_BRACKET) this.list(this.#skipItem)
    else if (!this.#literal(byte)) this.#number()
  }

  /** Reads a value and gives it; NESTED for a list or an object. */
  scalar(): string | number | boolean | null | typeof NESTED {
    const byte = this.#peek()
    const start = this.#at
    this.skip()
    if (byte === LEFT_BRACE || byte === LEFT_BRACKET) return NESTED
    const literal = LITERALS.get(byte)
    if (literal !== undefined) return literal[1]
    if (this.#at - start > MAX_SCALAR_BYTES) this.#refuse(`values of at most ${MAX_SCALAR_BYTES} bytes`)
    return byte === QUOTE ? this.#textFrom(start) : Number(this.#bytes.toString('latin1', start, this.#at))
  }

  /** Makes sure that nothing follows. */
  end(): void {
    if (this.#peek() !== -1) this.#fail()
  }

  #fail(): never {
    return this.#refuse('JSON')
  }

  /** The next byte that is no blank; -1: there is none. */
  #peek(): number {
    const bytes = this.#bytes
    for (;;) {
      const byte = bytes[this.#at] ?? -1
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte
      this.#at++
    }
  }

  #enter(): void {
    this.#at++
    if (++this.#depth > MAX_DEPTH) this.#refuse(`at most ${MAX_DEPTH} levels`)
  }

  /** True behind a comma, false behind what closes. */
  #goesOn(close: number): boolean {
    const byte = this.#peek()
    if (byte !== COMMA && byte !== close) this.#fail()
    this.#at++
    return byte === COMMA
  }

  #members(onMember: ((name: string) => void) | undefined): void {
    this.#enter()
    if (this.#peek() === RIGHT_BRACE) this.#at++
    else {
      do {
        if (this.#peek() !== QUOTE) this.#fail()
        const start = this.#at
        this.#text()
        const name = onMember === undefined || this.#at - start > MAX_NAME_BYTES ? '' : this.#textFrom(start)
        if (this.#peek() !== COLON) this.#fail()
        this.#at++
        if (onMember === undefined) this.skip()
        else onMember(name)
      } while (this.#goesOn(RIGHT_BRACE))
    }
    this.#depth--
  }

  /** Passes over a text. */
  #text(): void {
    const bytes = this.#bytes
    let at = this.#at + 1
    let isPlain = true
    for (;;) {
      const byte = bytes[at++] ?? -1
      if (byte === QUOTE) break
      if (byte < 0x20) this.#fail()
      if (byte >= 0x80) isPlain = false
      else if (byte === BACKSLASH) {
        isPlain = false
        const escaped = bytes[at++] ?? -1
        if (escaped === 0x75) {
          for (const end = at + 4; at < end; at++) if (!isHexDigit(bytes[at] ?? -1)) this.#fail()
        } else if (!ESCAPED.has(escaped)) this.#fail()
      }
    }
    this.#at = at
    this.#isPlain = isPlain
  }

  /** The text between the quotes from `start` to here. */
  #textFrom(start: number): string {
    if (this.#isPlain) return this.#bytes.toString('latin1', start + 1, this.#at - 1)
    return JSON.parse(DECODER.decode(this.#bytes.subarray(start, this.#at))) as string
  }

  #literal(first: number): boolean {
    const word = LITERALS.get(first)?.[0]
    if (word === undefined) return false
    for (const byte of word) if (this.#bytes[this.#at++] !== byte) this.#fail()
    return true
  }

  #number(): void {
    if (this.#bytes[this.#at] === 0x2d) this.#at++
    if (this.#bytes[this.#at] === 0x30) this.#at++
    else this.#digits()
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at++
      this.#digits()
    }
    const exponent = this.#bytes[this.#at]
    if (exponent === 0x65 || exponent === 0x45) {
      const sign = this.#bytes[++this.#at]
      if (sign === 0x2b || sign === 0x2d) this.#at++
      this.#digits()
    }
  }

  /** Passes over one digit or more. */
  #digits(): void {
    const start = this.#at
    while (isDigit(this.#bytes[this.#at] ?? -1)) this.#at++
    if (this.#at === start) this.#fail()
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}
