import { isExplained } from '../model/condition.ts'
import type { DayRow } from './catalog-rows.ts'

/** What a chunk counts as, for every command alike. */

/** True when the chunk's bars are there, their absence is explained, or a person accepts that it is not. */
export function countsAsExplained(row: Pick<DayRow, 'condition' | 'accepted'>): boolean {
  return isExplained(row.condition) || row.accepted !== null
}

/** True when a person has accepted this unexplained chunk (`ckvd coverage --accept`). */
export function isAccepted(row: Pick<DayRow, 'accepted'>): boolean {
  return row.accepted !== null
}

/** True when at least one bar is from an archive. */
export function isFromVision(source: string | null): boolean {
  return source?.includes('vision') ?? false
}

/** Why a chunk is as it is, in words: the person's reason, the error, what was compared; null where there is nothing to say. */
export function reasonOf(row: Pick<DayRow, 'accepted' | 'error' | 'evidence'>): string | null {
  const parts = [row.accepted === null ? null : `accepted: ${row.accepted}`, row.error, row.evidence].filter((text) => text !== null)
  return parts.length === 0 ? null : parts.join('; ')
}
