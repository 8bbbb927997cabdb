import { seriesLabel } from '../../dataset/names.ts'
import type { ToldSeries } from '../../dataset/told.ts'
import type { UnexplainedDay } from '../../lake/day-facts.ts'

/** `spot BTCUSDT 1m  2024-01-03  failed: CKVD_ZIP_CRC: …`: a day of a list of unexplained ones; `accepted`: a person has accepted it. */
export function unexplainedLine(series: ToldSeries, { day, condition, code, reason }: UnexplainedDay, accepted = false): string {
  return `${seriesLabel(series)}  ${day}  ${condition}${accepted ? ' (accepted)' : ''}: ${code}: ${reason}`
}
