import type { KlineColumns } from '../../src/model/kline.ts'
import { KLINE_COLUMNS } from '../../src/model/kline.ts'

/** Columns as bytes: NaN, zeros of either sign and the last bit are told apart. */
export function bitsOf(columns: KlineColumns): Buffer {
  return Buffer.concat(
    KLINE_COLUMNS.map(({ key }) => {
      const { buffer, byteOffset, byteLength } = columns[key]
      return Buffer.from(buffer, byteOffset, byteLength)
    }),
  )
}
