/** Writes bits as deflate does (RFC 1951, 3.1.1): the first one lowest in its byte. */
export class BitWriter {
  readonly #bits: number[] = []

  /** `count` bits of a number, the lowest first. */
  number(value: number, count: number): this {
    for (let i = 0; i < count; i++) this.#bits.push((value >> i) & 1)
    return this
  }

  /** A code word, the highest bit first. */
  word({ value, bits }: CodeWord): this {
    for (let i = bits - 1; i >= 0; i--) this.#bits.push((value >> i) & 1)
    return this
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(Math.ceil(this.#bits.length / 8))
    this.#bits.forEach((bit, i) => (bytes[i >> 3] = (bytes[i >> 3] as number) | (bit << (i & 7))))
    return bytes
  }
}

export interface CodeWord {
  readonly value: number
  readonly bits: number
}

/** The canonical code (RFC 1951, 3.2.2) of symbols with these lengths of words. */
export function canonicalCode(lengths: ReadonlyMap<number, number>): (symbol: number) => CodeWord {
  const words = new Map<number, CodeWord>()
  let value = 0
  for (let bits = 1; bits <= 15; bits++) {
    for (const [symbol, length] of [...lengths].sort(([a], [b]) => a - b)) if (length === bits) words.set(symbol, { value: value++, bits })
    value <<= 1
  }
  return (symbol) => {
    const word = words.get(symbol)
    if (word === undefined) throw new Error(`no word for symbol ${symbol}`)
    return word
  }
}
