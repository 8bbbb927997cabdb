/** What the bytes are not. The caller makes its own error of it. */
export class ArrowFormatError extends Error {}

/** A text in a file: offset and length in bytes. */
export interface TextPlace {
  readonly start: number
  readonly sizeBytes: number
}

/**
 * Reads flatbuffers (https://flatbuffers.dev/internals/): a table points back to its vtable, which tells where each field is;
 * fields that are left out have the slot 0. Positions are absolute offsets in the file.
 */
export class FlatReader {
  readonly sizeBytes: number
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly decoder = new TextDecoder()

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.sizeBytes = bytes.byteLength
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  uint32(at: number): number {
    return this.view.getUint32(at, true)
  }

  int32(at: number): number {
    return this.view.getInt32(at, true)
  }

  /** A 64-bit integer; one that no double holds exactly is no size or count of ours. */
  int64(at: number): number {
    const value = this.view.getInt32(at + 4, true) * 2 ** 32 + this.view.getUint32(at, true)
    if (!Number.isSafeInteger(value)) throw new ArrowFormatError(`the number ${value}`)
    return value
  }

  ascii(at: number, length: number): string {
    return String.fromCharCode(...this.bytes.subarray(at, at + length))
  }

  /** Position of the table to which the offset at `at` points. */
  indirect(at: number): number {
    return at + this.uint32(at)
  }

  root(at: number): number {
    return this.indirect(at)
  }

  /** Position of a table's field, 0 when it is left out. */
  slot(table: number, field: number): number {
    const vtable = table - this.int32(table)
    const at = 4 + 2 * field
    if (at + 2 > this.view.getUint16(vtable, true)) return 0
    const offset = this.view.getUint16(vtable + at, true)
    return offset === 0 ? 0 : table + offset
  }

  /** Position of the table in a field that must be there. */
  follow(table: number, field: number): number {
    const slot = this.slot(table, field)
    if (slot === 0) throw new ArrowFormatError('a missing part')
    return this.indirect(slot)
  }

  uint8Of(table: number, field: number, absent: number): number {
    const slot = this.slot(table, field)
    return slot === 0 ? absent : this.view.getUint8(slot)
  }

  uint16Of(table: number, field: number, absent: number): number {
    const slot = this.slot(table, field)
    return slot === 0 ? absent : this.view.getUint16(slot, true)
  }

  /** Start and length of a vector field (0 when left out), of at most `max` elements. */
  vector(table: number, field: number, max: number): { readonly start: number; readonly length: number } {
    const slot = this.slot(table, field)
    if (slot === 0) return { start: 0, length: 0 }
    const at = this.indirect(slot)
    const length = this.uint32(at)
    if (length > max) throw new ArrowFormatError(`a list of ${length} instead of at most ${max} parts`)
    return { start: at + 4, length }
  }

  string(slot: number): string {
    const { start, sizeBytes } = this.text(slot)
    return sizeBytes === 0 ? '' : this.decoder.decode(this.bytes.subarray(start, start + sizeBytes))
  }

  /** Place of the text in a field; of no bytes when it is left out. */
  text(slot: number): TextPlace {
    if (slot === 0) return { start: 0, sizeBytes: 0 }
    const at = this.indirect(slot)
    const length = this.uint32(at)
    if (at + 4 + length > this.sizeBytes) throw new RangeError('a text past the end')
    return { start: at + 4, sizeBytes: length }
  }
}
