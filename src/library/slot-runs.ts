import { findRow } from '../read/column-block.ts'
import type { KlineRows } from '../read/kline-rows.ts'

/** Rows [from, to) that follow each other without a missing bar, and the place of the first where missing bars have places, too. */
export interface SlotRun {
  readonly from: number
  readonly to: number
  readonly at: number
}

/** The runs between missing bars, in order. */
export function findRuns({ block, gaps }: Pick<KlineRows, 'block' | 'gaps'>): SlotRun[] {
  const runs: SlotRun[] = []
  let from = 0
  let missing = 0
  const end = (to: number): void => {
    if (to > from) runs.push({ from, to, at: from + missing })
    from = to
  }
  for (const gap of gaps) {
    end(findRow(block.openTime, gap.startUs, from))
    missing += gap.bars
  }
  end(block.openTime.length)
  return runs
}

/** Marks rows [from, to) as valid: one bit a row, the lowest first, as Arrow has it. */
export function markRows(bits: Uint8Array, from: number, to: number): void {
  for (let row = from; row < to; row++) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7))
}
