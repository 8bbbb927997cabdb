import type { Gap } from './gaps.ts'
import { isoOfUs } from './utc-day.ts'

/** Who gave an answer that holds a bar on either side of a gap and none between. */
export type EvidenceSource = 'rest' | 'archives'

/**
 * Why a gap counts as explained: one answer of `source` holds the bars that open at `beforeUs` and at `afterUs` (microseconds), the
 * witnesses, and none between. Nothing of it depends on what was asked, or when.
 */
export interface Proof {
  readonly source: EvidenceSource
  readonly beforeUs: number
  readonly afterUs: number
}

/** Why a gap is not explained. */
export type DoubtReason =
  | 'rest-off'
  | 'rest-failed'
  | 'unknown-symbol'
  | 'no-witness'
  | 'contradiction'
  | 'not-ended'
  | 'young'
  | 'not-asked'
  | 'no-source'
  | 'other-archives'
  | 'text'

/** A gap that nothing explains. `note` says what was asked and what came; it stands in the catalog alone, never in a shard. */
export interface Doubt {
  readonly source: null
  readonly reason: DoubtReason
  readonly note: string | null
}

export type Evidence = Proof | Doubt

/** A gap and why it is believed, or not explained. */
export interface EvidencedGap extends Gap {
  readonly evidence: Evidence
}

const DOUBTS: Readonly<Record<DoubtReason, string>> = {
  'rest-off': 'REST is off',
  'rest-failed': 'REST could not be asked',
  'unknown-symbol': 'REST does not know this symbol, and it is not known to have ended',
  'no-witness': 'no answer of REST holds a bar on both sides and none between',
  contradiction: 'REST lacks bars that are stored, so its answer explains nothing',
  'not-ended': 'no later bar is known, and the exchange does not say that the series has ended',
  young: 'REST has no later bar up to now, and that for less than three days',
  'not-asked': 'REST was not asked',
  'other-archives': 'archives that were not taken have bars of it',
  'no-source': 'no source can be asked for what the archives lack',
  // what an older version wrote
  text: 'explained by an older version in words alone',
}

function isDoubtReason(value: unknown): value is DoubtReason {
  return typeof value === 'string' && Object.hasOwn(DOUBTS, value)
}

export function isProof(evidence: Evidence): evidence is Proof {
  return evidence.source !== null
}

export function doubt(reason: DoubtReason, note: string | null = null): Doubt {
  return { source: null, reason, note }
}

/** Evidence in words, for people. */
export function describeEvidence(evidence: Evidence): string {
  if (!isProof(evidence)) {
    if (evidence.reason === 'text') return evidence.note ?? DOUBTS.text
    return evidence.note === null ? DOUBTS[evidence.reason] : `${DOUBTS[evidence.reason]}: ${evidence.note}`
  }
  const who = evidence.source === 'rest' ? 'REST has' : 'the archives have'
  return `${who} the bars of ${isoOfUs(evidence.beforeUs)} and ${isoOfUs(evidence.afterUs)} and none between`
}

/** Evidence as plain data, as it stands in shards, catalog and JSON; a shard leaves `note` out. */
export interface EvidenceData {
  readonly source: EvidenceSource | null
  readonly before_us: number | null
  readonly after_us: number | null
  readonly reason?: DoubtReason
  readonly note?: string
}

export function toEvidenceData(evidence: Evidence, o: { readonly notes: boolean }): EvidenceData {
  if (isProof(evidence)) return { source: evidence.source, before_us: evidence.beforeUs, after_us: evidence.afterUs }
  const data = { source: null, before_us: null, after_us: null, reason: evidence.reason }
  return o.notes && evidence.note !== null ? { ...data, note: evidence.note } : data
}

/** The evidence of plain data; undefined when it is none. */
export function parseEvidenceData(value: unknown): Evidence | undefined {
  const { source, before_us: beforeUs, after_us: afterUs, reason, note } = (value ?? {}) as Record<string, unknown>
  if (source === 'rest' || source === 'archives')
    // of rows that are counted by ids both may be of one moment
    return isTime(beforeUs) && isTime(afterUs) && beforeUs <= afterUs ? { source, beforeUs, afterUs } : undefined
  if (source !== null || !isDoubtReason(reason)) return undefined
  return note === undefined || typeof note === 'string' ? doubt(reason, note ?? null) : undefined
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
