/**
 * Inflates deflate streams (RFC 1951) in AssemblyScript: whole buffers, output straight into the memory where the CSV scanner
 * reads it. The techniques are those of libdeflate (https://github.com/ebiggers/libdeflate, `decompress_template.h`): a bit
 * buffer of 64 bits filled without branches, tables of two levels whose entries hold all that is needed, copies of eight
 * bytes; and of ISA-L (https://github.com/intel/isa-l, `igzip`): one look into the table gives up to two symbols. In a CSV of
 * numbers about half of all symbols are literals, one or none before each match, and no processor can guess which comes: a
 * literal together with the length behind it is one branch less to guess.
 *
 * It refuses what zlib refuses: codes that are over-subscribed or incomplete (but for a single code of one bit), distances
 * before the start, unused symbols. Whatever it refuses is given to zlib, whose error is the one that is reported.
 */

const LITLEN_BITS = 10
const LITLEN_MASK = (1 << LITLEN_BITS) - 1
const OFFSET_BITS = 8
const PRECODE_BITS = 7
/** Most entries that complete codes of 288, 32 and 19 symbols need (zlib's examples/enough.c). */
const LITLEN_ENTRIES = 2342
const OFFSET_ENTRIES = 402
const PRECODE_ENTRIES = 128

const litlenTable = memory.data(LITLEN_ENTRIES * 8, 64)
/** What the first level of `litlenTable` gives, and where it is a literal and all of the next symbol's word is seen, both. */
const pairTable = memory.data((1 << LITLEN_BITS) * 8, 64)
const offsetTable = memory.data(OFFSET_ENTRIES * 8, 64)
const precodeTable = memory.data(PRECODE_ENTRIES * 8, 64)
/** A byte for each symbol: 288 of the first code, 32 of the second; a code of repeats may run past its end. */
const lengths = memory.data(512, 16)
const sortedSymbols = memory.data(288 * 2, 16)
const counts = memory.data(16 * 4, 16)
const offsets = memory.data(16 * 4, 16)

/**
 * Entries of the tables. Bits 0 to 7: bits to consume, extra bits included. Bits 8 to 15: length of the code words, after which
 * the extra bits come; of an exception more than any table sees. Bits 16 to 31: literals, bits 32 and 33 how many. Bits 40
 * to 47: of a pointer, index bits of the second level. Bits 48 to 63: base of the length or distance, index of the second level,
 * or symbol of the precode.
 */
const LITERAL: u64 = 1 << 32
const LENGTH: u64 = 1 << 34
const FLAG: u64 = 1 << 35
const EXCEPTION: u64 = FLAG | 0xff00
const POINTER: u64 = 1 << 36
const END: u64 = 1 << 37
const END_OF_BLOCK: u64 = END | EXCEPTION

const LENGTH_BASES = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
])
const LENGTH_EXTRAS = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0])
const OFFSET_BASES = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
  24577,
])
const PRECODE_ORDER = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])

const KIND_LITLEN = 0
const KIND_OFFSET = 1
const KIND_PRECODE = 2

/**
 * Inflates [input, input + inputBytes) to `output` and gives the number of bytes, which is at most `outputBytes`; -1 where
 * the stream is damaged, larger than that, or does not end exactly at the end of the input.
 * 1,024 bytes behind the input must be readable, 320 behind the output writable.
 */
export function inflate(input: u32, inputBytes: u32, output: u32, outputBytes: u32): i32 {
  const inputEnd: usize = <usize>input + inputBytes
  const outputEnd: usize = <usize>output + outputBytes
  let next: usize = input
  let out: usize = output
  let bits: u64 = 0
  let bitCount: u64 = 0
  let isLast = false
  while (!isLast) {
    // A block that begins past the end: what is behind the input is no part of it.
    if (next - <usize>(bitCount >> 3) > inputEnd) return -1
    bits |= load<u64>(next) << bitCount
    next += <usize>((63 - bitCount) >> 3)
    bitCount |= 56
    isLast = (bits & 1) != 0
    const type = (<u32>(bits >> 1)) & 3
    bits >>= 3
    bitCount -= 3
    if (type == 0) {
      // ---- stored: back to the byte after the header
      next -= <usize>(bitCount >> 3)
      bits = 0
      bitCount = 0
      const size = <u32>load<u16>(next)
      if ((size ^ 0xffff) != <u32>load<u16>(next, 2)) return -1
      next += 4
      if (next + size > inputEnd || out + size > outputEnd) return -1
      memory.copy(out, next, size)
      next += size
      out += size
      continue
    }
    if (type == 3) return -1
    if (type == 1) {
      fixedLengths()
      buildTable(KIND_LITLEN, litlenTable, LITLEN_BITS, lengths, 288)
      buildTable(KIND_OFFSET, offsetTable, OFFSET_BITS, lengths + 288, 32)
    } else {
      // ---- dynamic: the code lengths are coded themselves
      const litlens = ((<u32>bits) & 31) + 257
      const distances = ((<u32>(bits >> 5)) & 31) + 1
      const precodes = ((<u32>(bits >> 10)) & 15) + 4
      bits >>= 14
      bitCount -= 14
      if (litlens > 286 || distances > 30) return -1
      memory.fill(lengths, 0, 19)
      for (let i: u32 = 0; i < precodes; i++) {
        if (bitCount < 3) {
          bits |= load<u64>(next) << bitCount
          next += <usize>((63 - bitCount) >> 3)
          bitCount |= 56
        }
        store<u8>(lengths + load<u8>(PRECODE_ORDER + i), <u8>(bits & 7))
        bits >>= 3
        bitCount -= 3
      }
      if (!buildTable(KIND_PRECODE, precodeTable, PRECODE_BITS, lengths, 19)) return -1
      const total = litlens + distances
      let i: u32 = 0
      while (i < total) {
        bits |= load<u64>(next) << bitCount
        next += <usize>((63 - bitCount) >> 3)
        bitCount |= 56
        const entry = load<u64>(precodeTable + (((<usize>bits) & 127) << 3))
        if ((entry & FLAG) != 0) return -1
        bits >>= entry & 0xff
        bitCount -= entry & 0xff
        const symbol = <u32>(entry >> 48)
        if (symbol < 16) {
          store<u8>(lengths + i, <u8>symbol)
          i++
          continue
        }
        let value: u8 = 0
        let repeats: u32 = 0
        if (symbol == 16) {
          if (i == 0) return -1
          value = load<u8>(lengths + i - 1)
          repeats = 3 + ((<u32>bits) & 3)
          bits >>= 2
          bitCount -= 2
        } else if (symbol == 17) {
          repeats = 3 + ((<u32>bits) & 7)
          bits >>= 3
          bitCount -= 3
        } else {
          repeats = 11 + ((<u32>bits) & 127)
          bits >>= 7
          bitCount -= 7
        }
        if (i + repeats > total) return -1
        memory.fill(lengths + i, value, repeats)
        i += repeats
      }
      if (load<u8>(lengths, 256) == 0) return -1
      // the distance code first: the other one's table does not need the lengths behind its own
      if (!buildTable(KIND_OFFSET, offsetTable, OFFSET_BITS, lengths + litlens, distances)) return -1
      if (!buildTable(KIND_LITLEN, litlenTable, LITLEN_BITS, lengths, litlens)) return -1
    }
    pairLiterals()
    // ---- the symbols of a block: a look ahead is under way while the match before is copied
    bits |= load<u64>(next) << bitCount
    next += 7 - ((<usize>(bitCount >> 3)) & 7)
    bitCount |= 56
    let entry = load<u64>(pairTable + (((<usize>bits) & LITLEN_MASK) << 3))
    while (true) {
      store<u16>(out, <u16>(entry >> 16))
      out += (<usize>(entry >> 32)) & 3
      if ((entry & (LENGTH | FLAG)) == 0) {
        // Literals only: once more. Ten bits, fifteen with a length behind a literal, and a distance's 28 are less than the 56 that are there.
        bits >>= entry
        bitCount -= entry
        entry = load<u64>(pairTable + (((<usize>bits) & LITLEN_MASK) << 3))
        store<u16>(out, <u16>(entry >> 16))
        out += (<usize>(entry >> 32)) & 3
        if ((entry & (LENGTH | FLAG)) == 0) {
          bits >>= entry
          bitCount -= entry
          if (out > outputEnd || next > inputEnd + 8) return -1
          bits |= load<u64>(next) << bitCount
          next += 7 - ((<usize>(bitCount >> 3)) & 7)
          bitCount |= 56
          entry = load<u64>(pairTable + (((<usize>bits) & LITLEN_MASK) << 3))
          continue
        }
      }
      if ((entry & LENGTH) == 0) {
        if ((entry & POINTER) != 0) {
          // a longer word: ten bits more, which with all of the others might not be there
          bits >>= LITLEN_BITS
          bitCount = (bitCount - LITLEN_BITS) & 63
          bits |= load<u64>(next) << bitCount
          next += 7 - ((<usize>(bitCount >> 3)) & 7)
          bitCount |= 56
          const index = secondLevel(entry, bits)
          entry = load<u64>(litlenTable + (index << 3))
          if ((entry & LITERAL) != 0) {
            bits >>= entry
            bitCount -= entry
            store<u8>(out, <u8>(entry >> 16))
            out++
            if (out > outputEnd || next > inputEnd + 8) return -1
            bits |= load<u64>(next) << bitCount
            next += 7 - ((<usize>(bitCount >> 3)) & 7)
            bitCount |= 56
            entry = load<u64>(pairTable + (((<usize>bits) & LITLEN_MASK) << 3))
            continue
          }
        }
        if ((entry & FLAG) != 0) {
          if ((entry & END) == 0) return -1
          bits >>= entry
          bitCount -= entry
          bitCount &= 63
          break
        }
      }
      let before = bits
      bits >>= entry
      bitCount -= entry
      const length = <usize>(entry >> 48) + extraBits(before, entry)
      // ---- the distance
      entry = load<u64>(offsetTable + (((<usize>bits) & 255) << 3))
      if ((entry & FLAG) != 0) {
        if ((entry & POINTER) == 0) return -1
        bits >>= OFFSET_BITS
        bitCount -= OFFSET_BITS
        const index = secondLevel(entry, bits)
        entry = load<u64>(offsetTable + (index << 3))
        if ((entry & FLAG) != 0) return -1
      }
      before = bits
      bits >>= entry
      bitCount -= entry
      const distance = <usize>(entry >> 48) + extraBits(before, entry)
      let from = out - distance
      const end = out + length
      if (distance > out - <usize>output) return -1
      if (end > outputEnd) return -1
      if (next > inputEnd + 8) return -1
      bits |= load<u64>(next) << bitCount
      next += 7 - ((<usize>(bitCount >> 3)) & 7)
      bitCount |= 56
      entry = load<u64>(pairTable + (((<usize>bits) & LITLEN_MASK) << 3))
      // ---- the copy, which may write up to fifteen bytes too many
      if (distance >= 16) {
        v128.store(out, v128.load(from))
        if (length > 16) {
          let to = out + 16
          from += 16
          do {
            v128.store(to, v128.load(from))
            to += 16
            from += 16
          } while (to < end)
        }
      } else if (distance >= 8) {
        let to = out
        do {
          store<u64>(to, load<u64>(from))
          to += 8
          from += 8
        } while (to < end)
      } else if (distance == 1) {
        memory.fill(out, load<u8>(from), length)
      } else {
        let to = out
        do store<u8>(to++, load<u8>(from++))
        while (to < end)
      }
      out = end
    }
  }
  if (next - <usize>(bitCount >> 3) != inputEnd || out > outputEnd) return -1
  return <i32>(out - <usize>output)
}

/** Where a pointer's entry of the second level is; the shift takes six bits, of which the index bits are the ones that can be set. */
function secondLevel(pointer: u64, bits: u64): usize {
  return <usize>((pointer >> 48) + (bits & (((<u64>1) << (pointer >> 40)) - 1)))
}

/** The extra bits behind the code words: as many as the entry consumes more than these. */
function extraBits(bits: u64, entry: u64): usize {
  return <usize>((bits & (((<u64>1) << entry) - 1)) >> (entry >> 8))
}

/**
 * Makes `pairTable`. A symbol behind a literal is known where its word ends within the bits of the table: the entry at the
 * index without the literal's bits is the same whatever follows.
 */
function pairLiterals(): void {
  for (let i: u32 = 0; i < 1 << LITLEN_BITS; i++) {
    const first = load<u64>(litlenTable + ((<usize>i) << 3))
    let entry = first
    if ((first & LITERAL) != 0) {
      const used = first & 0xff
      const second = load<u64>(litlenTable + (((<usize>i) >> (<usize>used)) << 3))
      const pair = (second & 0xffffffff0000ffff) | ((second & 0xff0000) << 8) | (first & 0xff0000)
      entry = ((second >> 8) & 0xff) + used <= <u64>LITLEN_BITS ? pair + used * 0x101 + LITERAL : first
    }
    store<u64>(pairTable + ((<usize>i) << 3), entry)
  }
}

function fixedLengths(): void {
  memory.fill(lengths, 8, 144)
  memory.fill(lengths + 144, 9, 112)
  memory.fill(lengths + 256, 7, 24)
  memory.fill(lengths + 280, 8, 8)
  memory.fill(lengths + 288, 5, 32)
}

/** The entry of a symbol whose code word, or the rest of it in the second level, has `wordBits`. */
function entryOf(kind: i32, symbol: u32, wordBits: u32): u64 {
  const word: u64 = <u64>wordBits * 0x101
  if (kind == KIND_PRECODE) return ((<u64>symbol) << 48) | word
  if (kind == KIND_OFFSET) {
    if (symbol >= 30) return EXCEPTION
    const extras: u64 = symbol < 4 ? 0 : (symbol >> 1) - 1
    return ((<u64>load<u16>(OFFSET_BASES + (symbol << 1))) << 48) | (word + extras)
  }
  if (symbol < 256) return LITERAL | ((<u64>symbol) << 16) | word
  if (symbol == 256) return END_OF_BLOCK | wordBits
  if (symbol >= 286) return EXCEPTION
  const extras = <u64>load<u8>(LENGTH_EXTRAS + (symbol - 257))
  return LENGTH | ((<u64>load<u16>(LENGTH_BASES + ((symbol - 257) << 1))) << 48) | (word + extras)
}

/** Builds the table of a canonical code from the lengths of its words; false where these make no code that zlib accepts. */
function buildTable(kind: i32, table: usize, tableBits: u32, lens: usize, symbols: u32): bool {
  memory.fill(counts, 0, 64)
  for (let i: u32 = 0; i < symbols; i++) {
    const count = counts + ((<usize>load<u8>(lens + i)) << 2)
    store<u32>(count, load<u32>(count) + 1)
  }
  let longest: u32 = 15
  while (longest > 0 && load<u32>(counts + ((<usize>longest) << 2)) == 0) longest--
  let left: i32 = 1
  for (let length: u32 = 1; length <= 15; length++) {
    left = (left << 1) - <i32>load<u32>(counts + ((<usize>length) << 2))
    if (left < 0) return false
  }
  if (left > 0) {
    // incomplete: what no word takes is an exception. zlib accepts no code at all, and a single word of one bit.
    if (longest > 1 || kind == KIND_PRECODE) return false
    for (let i: u32 = 0; i < 1 << tableBits; i++) store<u64>(table + ((<usize>i) << 3), EXCEPTION)
  }
  // ---- the symbols in the order of their code words
  let offset: u32 = 0
  for (let length: u32 = 1; length <= 15; length++) {
    store<u32>(offsets + ((<usize>length) << 2), offset)
    offset += load<u32>(counts + ((<usize>length) << 2))
  }
  const used = offset
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lens + i)
    if (length == 0) continue
    const place = offsets + ((<usize>length) << 2)
    const at = load<u32>(place)
    store<u16>(sortedSymbols + ((<usize>at) << 1), <u16>i)
    store<u32>(place, at + 1)
  }
  // ---- the words, bit-reversed, since streams hold their first bit lowest
  let word: u32 = 0
  let length: u32 = 1
  let nextFree: u32 = 1 << tableBits
  let prefix: u32 = 0xffffffff
  let second: u32 = 0
  let secondBits: u32 = 0
  for (let i: u32 = 0; i < used; i++) {
    const symbol = <u32>load<u16>(sortedSymbols + ((<usize>i) << 1))
    const own = <u32>load<u8>(lens + symbol)
    word <<= own - length
    length = own
    const reversed = reverseBits(word, own)
    if (own <= tableBits) {
      const entry = entryOf(kind, symbol, own)
      for (let j = reversed; j < 1 << tableBits; j += 1 << own) store<u64>(table + ((<usize>j) << 3), entry)
    } else {
      const low = reversed & ((1 << tableBits) - 1)
      if (low != prefix) {
        // a new table of the second level, large enough for all words with this prefix
        prefix = low
        second = nextFree
        secondBits = own - tableBits
        let space = load<u32>(counts + ((<usize>own) << 2))
        while (space < 1 << secondBits && tableBits + secondBits < 15) {
          secondBits++
          space = (space << 1) + load<u32>(counts + ((<usize>(tableBits + secondBits)) << 2))
        }
        nextFree += 1 << secondBits
        store<u64>(table + ((<usize>low) << 3), ((<u64>second) << 48) | EXCEPTION | POINTER | ((<u64>secondBits) << 40))
      }
      const entry = entryOf(kind, symbol, own - tableBits)
      for (let j = reversed >> tableBits; j < 1 << secondBits; j += 1 << (own - tableBits)) {
        store<u64>(table + ((<usize>(second + j)) << 3), entry)
      }
    }
    const count = counts + ((<usize>own) << 2)
    store<u32>(count, load<u32>(count) - 1) // the words of this length that are left
    word++
  }
  return true
}

/** The lowest `count` bits of a word in the opposite order. */
function reverseBits(word: u32, count: u32): u32 {
  let bits = ((word & 0x5555) << 1) | ((word >> 1) & 0x5555)
  bits = ((bits & 0x3333) << 2) | ((bits >> 2) & 0x3333)
  bits = ((bits & 0x0f0f) << 4) | ((bits >> 4) & 0x0f0f)
  bits = ((bits & 0x00ff) << 8) | ((bits >> 8) & 0x00ff)
  return bits >> (16 - count)
}
