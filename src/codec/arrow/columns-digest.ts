import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { Columns, Values } from '../../model/columns.ts'
import { columnOf, isTexts } from '../../model/columns.ts'

/**
 * What a shard says of its own rows: the SHA-256, as 64 hex digits, of the bytes of its columns, one after the other in the schema's
 * order, eight bytes a value (a flag one, a word one: its place in the list of its column; a text its own and a 0 behind them), low byte first, nothing between or behind them.
 * Metadata is not in it: a file says that twice.
 */
export function digestColumns(columns: Columns, described: readonly DatasetColumn[]): string {
  const hash = createHash('sha256')
  for (const { key } of described) hash.update(bytesOf(columnOf(columns, key)))
  return hash.digest('hex')
}

/**
 * The same of rows that come some at a time, and of which none are kept: what a Parquet shard says of its own. The SHA-256 of the digests (32
 * bytes each) of the columns, in the schema's order.
 */
export class RowsDigest {
  readonly #columns: readonly { readonly key: string; readonly hash: Hash }[]

  constructor(described: readonly DatasetColumn[]) {
    this.#columns = described.map(({ key }) => ({ key, hash: createHash('sha256') }))
  }

  update(columns: Columns): this {
    for (const { key, hash } of this.#columns) hash.update(bytesOf(columnOf(columns, key)))
    return this
  }

  /** 64 hex digits; nothing may come after it. */
  digest(): string {
    const all = createHash('sha256')
    for (const { hash } of this.#columns) all.update(hash.digest())
    return all.digest('hex')
  }
}

function bytesOf(values: Values): Uint8Array {
  if (isTexts(values)) return Buffer.from(values.map((text) => `${text}\0`).join(''), 'latin1')
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
