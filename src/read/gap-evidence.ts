import type { Chunked } from '../dataset/chunk.ts'
import { findMissing } from '../dataset/expected.ts'
import type { Columns } from '../model/columns.ts'
import type { EvidencedGap, Proof } from '../model/evidence.ts'
import { describeEvidence, isProof } from '../model/evidence.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import type { Grid } from '../model/interval.ts'
import { countSlots, firstSlotUs } from '../model/interval.ts'
import type { TimeRange } from '../model/series.ts'

/** A stretch without bars, why that is so, and whether the reason explains it. */
export interface ReadGap extends Gap {
  /** in words */
  readonly evidence: string
  /** the witnesses, where there are any */
  readonly proof: Proof | null
  readonly explained: boolean
}

/** A gap as the lake, or an answer, explains it. */
export function readGap(gap: EvidencedGap, explained: boolean): ReadGap {
  const { startUs, endUs, bars, evidence } = gap
  return { startUs, endUs, bars, evidence: describeEvidence(evidence), proof: isProof(evidence) ? evidence : null, explained }
}

/** A stretch of which words are all that is known. */
export function wordGap(gap: Gap, evidence: string, explained: boolean): ReadGap {
  return { startUs: gap.startUs, endUs: gap.endUs, bars: gap.bars, evidence, proof: null, explained }
}

export const NO_BAR_EXPECTED = "no bar is expected: before the series' first bar or after its last one"

/**
 * Every empty slot of a chunk, with its evidence: a stretch that no evidence speaks of lies outside of the series' life.
 * @param openTimes of the chunk's rows, in order
 * @param range the part of the chunk in which bars have closed
 */
export function explainGaps(openTimes: BigInt64Array, range: TimeRange, grid: Grid, evidence: readonly ReadGap[]): ReadGap[] {
  const pieces: ReadGap[] = []
  for (const gap of findGaps(openTimes, range, grid)) {
    let startUs = gap.startUs
    for (const known of evidence) {
      if (known.endUs <= startUs || known.startUs >= gap.endUs) continue
      if (known.startUs > startUs) pieces.push(unlisted(startUs, known.startUs, grid))
      const endUs = Math.min(known.endUs, gap.endUs)
      const from = Math.max(known.startUs, startUs)
      pieces.push({ ...known, startUs: from, endUs, bars: countSlots(from, endUs, grid) })
      startUs = endUs
    }
    if (startUs < gap.endUs) pieces.push(unlisted(startUs, gap.endUs, grid))
  }
  return pieces
}

/**
 * As `explainGaps`, of what comes by a schedule: stretches in which a row was due are those that the evidence speaks of. How many rows are due
 * in a part of one its neighbours tell.
 * @param beside the chunk's rows with those before and after them, in order
 * @param range the part of the chunk that is asked for
 */
export function explainDue(series: Chunked, beside: Columns, range: TimeRange, evidence: readonly ReadGap[]): ReadGap[] {
  const isEmpty = beside.openTime.every((time) => Number(time) < range.startUs || Number(time) >= range.endUs)
  const stretches = evidence.length === 0 && isEmpty ? [wordGap({ ...range, bars: 0 }, NO_BAR_EXPECTED, true)] : evidence
  return stretches.flatMap((known) => {
    const cut = { startUs: Math.max(known.startUs, range.startUs), endUs: Math.min(known.endUs, range.endUs) }
    const isWhole = cut.startUs === known.startUs && cut.endUs === known.endUs && known.bars > 0
    const bars = isWhole ? known.bars : findMissing(series, beside, cut).reduce((sum, gap) => sum + gap.bars, 0)
    return cut.startUs < cut.endUs && bars > 0 ? [{ ...known, ...cut, bars }] : []
  })
}

function unlisted(startUs: number, endUs: number, grid: Grid): ReadGap {
  return wordGap({ startUs, endUs, bars: countSlots(startUs, endUs, grid) }, NO_BAR_EXPECTED, true)
}

/** The part of gaps whose slots open in a range; neighbours with the same evidence become one. */
export function clipGaps(gaps: readonly ReadGap[], range: TimeRange, grid: Grid): ReadGap[] {
  const clipped: ReadGap[] = []
  for (const gap of gaps) {
    const startUs = Math.max(gap.startUs, firstSlotUs(range.startUs, grid))
    const endUs = Math.min(gap.endUs, firstSlotUs(range.endUs, grid))
    if (startUs >= endUs) continue
    const last = clipped.at(-1)
    const joins = last?.endUs === startUs && last.evidence === gap.evidence && last.explained === gap.explained
    const from = joins ? last.startUs : startUs
    if (joins) clipped.pop()
    clipped.push({ ...gap, startUs: from, endUs, bars: countSlots(from, endUs, grid) })
  }
  return clipped
}
