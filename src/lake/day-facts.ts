import { seriesLabel } from '../dataset/names.ts'
import type { ErrorCode } from '../errors.ts'
import { CkvdError } from '../errors.ts'
import type { Condition } from '../model/condition.ts'
import { isExplained } from '../model/condition.ts'
import type { Evidence } from '../model/evidence.ts'
import { describeEvidence, isProof } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { DayRow } from './catalog/catalog-rows.ts'
import type { Ledger } from './ledger.ts'

/** What a chunk counts as, for every command alike. */

/** True when the chunk's bars are there, their absence is explained, or a person accepts that it is not. */
export function countsAsExplained(row: Pick<DayRow, 'condition' | 'accepted'>): boolean {
  return isExplained(row.condition) || row.accepted !== null
}

/** True when a person has accepted this unexplained chunk (`ckvd coverage --accept`). */
export function isAccepted(row: Pick<DayRow, 'accepted'>): boolean {
  return row.accepted !== null
}

/**
 * Records that a person accepts an unexplained chunk: it counts as explained and its condition stays. Throws `CKVD_USAGE` when there is nothing
 * to accept.
 */
export function acceptDay(ledger: Ledger, series: Series, day: UtcDay, reason: string): DayRow {
  const row = ledger.getDay(series, day)
  const where = `${seriesLabel(series)} ${day}`
  if (row === undefined) throw new CkvdError('CKVD_USAGE', `Expected a day that the lake knows, got ${where}: it was never requested.`)
  if (isExplained(row.condition))
    throw new CkvdError('CKVD_USAGE', `Expected an unexplained day, got ${where}: it is ${row.condition}, there is nothing to accept.`)
  const words = wordsOfReason(reason, where)
  ledger.setAccepted(series, day, words)
  return { ...row, accepted: words }
}

/** Which unexplained chunks of a series a person accepts: days are half-open, what is left out filters nothing. */
export interface AcceptedPart {
  readonly start?: UtcDay | undefined
  readonly end?: UtcDay | undefined
  readonly conditions?: ReadonlySet<Condition> | undefined
}

/** As `acceptDay`, of all unexplained chunks of a part of a series that nobody has accepted yet; gives them, in order. */
export function acceptDays(ledger: Ledger, series: Series, { start, end, conditions }: AcceptedPart, reason: string): DayRow[] {
  const words = wordsOfReason(reason, seriesLabel(series))
  const isMeant = (row: DayRow): boolean => !countsAsExplained(row) && (conditions?.has(row.condition) ?? true)
  const rows = ledger.readDays(series, start, end).filter(isMeant)
  for (const { day } of rows) ledger.setAccepted(series, day, words)
  return rows.map((row) => ({ ...row, accepted: words }))
}

/** A person's reason as one line. Throws `CKVD_USAGE` for one without a word. */
function wordsOfReason(reason: string, where: string): string {
  const words = reason.replaceAll(/\s+/g, ' ').trim()
  if (words === '') throw new CkvdError('CKVD_USAGE', `Expected a reason for accepting ${where}, got an empty text.`)
  return words
}

/** True when at least one bar is from an archive. */
export function isFromVision(source: string | null): boolean {
  return source?.includes('vision') ?? false
}

/** True when sources contradict each other about the chunk's rows, no third decides, and no person accepts that. */
export function isDisputed(row: Pick<DayRow, 'condition' | 'accepted'>): boolean {
  return row.condition === 'disputed' && row.accepted === null
}

/** What a reason is made of: a row of the catalog, or what was acquired of a chunk. */
export type ReasonFacts = Pick<DayRow, 'condition' | 'accepted' | 'errorCode' | 'error' | 'evidence'>

/**
 * Why a chunk is as it is, in words, the same for every command: the error, else why the first gap that nothing proves is not explained, else
 * what was compared; a person's reason stands before it. The error's code is not part of it: see `codeOf`.
 * @param gaps all gaps of the chunk
 */
export function reasonOf(row: ReasonFacts, gaps: readonly { readonly evidence: Evidence }[]): string {
  const open = gaps.find(({ evidence }) => !isProof(evidence))
  const why = wordsOf(row) ?? (open === undefined ? row.evidence : describeEvidence(open.evidence)) ?? BARE_REASONS[row.condition]
  const words = why ?? `${row.condition}, and no more is recorded`
  return row.accepted === null ? words : `accepted: ${row.accepted}; ${words}`
}

/** The code under which an unexplained chunk is told. */
export function codeOf(row: Pick<DayRow, 'errorCode'>): ErrorCode {
  return row.errorCode ?? 'CKVD_PARTIAL'
}

/** An unexplained day as every command's `--json` tells it. */
export interface UnexplainedDay {
  readonly day: UtcDay
  readonly condition: Condition
  readonly code: ErrorCode
  readonly reason: string
}

export function unexplainedDay(row: ReasonFacts & Pick<DayRow, 'day'>, gaps: readonly { readonly evidence: Evidence }[]): UnexplainedDay {
  return { day: row.day, condition: row.condition, code: codeOf(row), reason: reasonOf(row, gaps) }
}

/** What the shard alone tells, of which a catalog that was rebuilt from shards has no words. */
const BARE_REASONS: Partial<Record<Condition, string>> = { disputed: 'two sources contradict each other, and no third decides' }

function wordsOf({ errorCode, error }: ReasonFacts): string | null {
  const prefix = `${String(errorCode)}: `
  return error?.startsWith(prefix) === true ? error.slice(prefix.length) : error
}
