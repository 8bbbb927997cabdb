import type { Doubt } from '../../model/evidence.ts'
import { doubt } from '../../model/evidence.ts'
import { isoOfUs } from '../../model/utc-day.ts'

/** Why a bar is missing that no archive which was taken has: others begin earlier, or end later. */
export function notTaken(edge: 'begin' | 'end', openUs: number): Doubt {
  const note = `those of the other form, or of another interval, ${edge} with the bar of ${isoOfUs(openUs)}; without --archives both forms are taken`
  return doubt('other-archives', note)
}
