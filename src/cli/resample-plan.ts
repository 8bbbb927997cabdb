import { KLINES } from '../dataset/sets/klines.ts'
import { AGG_TRADES, TRADES } from '../dataset/sets/trades.ts'
import { CkvdError } from '../errors.ts'
import type { BarRule } from '../model/bar-rule.ts'
import { parseBarRule } from '../model/bar-rule.ts'
import type { Interval } from '../model/interval.ts'
import { isLongerThanDay, maxLengthUs } from '../model/interval.ts'
import { checkNesting } from '../model/resample.ts'
import { requireOption } from './options.ts'

/** The flags that say what is made of what. */
interface PlanFlags {
  readonly from: Interval
  readonly to?: Interval
  readonly by?: SizedText
  readonly data?: string
  readonly check?: true
}

/** What is made of what. */
export interface Plan {
  /** null: shorter bars, on the exchange's own grid */
  readonly rule: BarRule | null
  /** undefined: klines */
  readonly dataset: string | undefined
  readonly from: Interval
  /** the exchange's interval, or the size as it was asked for */
  readonly to: string
}

/** A size with its own text. */
export type SizedText = BarRule & { readonly text: string }

/** See `parseBarRule`. */
export function readSize(text: string): SizedText | undefined {
  const rule = parseBarRule(text)
  return rule === undefined ? undefined : { ...rule, text }
}

/**
 * Throws CKVD_USAGE for flags that contradict each other.
 * @param isFlag `--from` stands on the command line: then it must be what bars are made of
 */
export function planOf({ by, to, from, data, check }: PlanFlags, isFlag: (key: 'from') => boolean): Plan {
  if (by !== undefined && to !== undefined) throw contradicting('--by', '--to')
  if (by !== undefined && check === true) throw contradicting('--by', '--check')
  const dataset = data ?? (by === undefined ? KLINES.name : TRADES.name)
  if (![KLINES.name, TRADES.name, AGG_TRADES.name].includes(dataset))
    throw new CkvdError('CKVD_USAGE', `Expected --data to be klines, trades or aggTrades, got ${dataset}.`, {
      details: { option: '--data' },
    })
  if (dataset === KLINES.name) {
    // weeks and three days open on days of their own
    if (by?.kind === 'time' && (isLongerThanDay(from) || by.lengthUs % maxLengthUs(from) !== 0))
      throw new CkvdError('CKVD_USAGE', `Expected a time that is made of whole bars of ${from}, got ${by.text}.`, {
        details: { option: '--by' },
      })
    if (by !== undefined) return { rule: by, dataset: undefined, from, to: by.text }
    const larger = requireOption(to, '--to NAME')
    checkNesting(from, larger)
    return { rule: null, dataset: undefined, from, to: larger }
  }
  if (check === true) throw contradicting(`--data ${dataset}`, '--check')
  if (isFlag('from'))
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`--from\` with bars, got --from ${from} with ${dataset}, which have no length. Leave it out, or make bars of bars: --data klines.`,
      { details: { option: '--from' } },
    )
  if (by !== undefined) return { rule: by, dataset, from: TRADES.grid, to: by.text }
  const larger = requireOption(to, '--to NAME')
  const rule = parseBarRule(larger)
  // weeks begin on Monday, and months differ in length
  if (rule?.kind !== 'time' || isLongerThanDay(larger))
    throw new CkvdError('CKVD_USAGE', `Expected bars of a day or less of ${dataset}, got ${larger}.`, { details: { option: '--to' } })
  return { rule, dataset, from: TRADES.grid, to: larger }
}

function contradicting(one: string, other: string): CkvdError {
  return new CkvdError('CKVD_USAGE', `Expected ${one} or ${other}, got both; either may stand in the config file.`, {
    details: { option: one },
  })
}

/** What bars are made of, in words. */
export function sourceOf({ dataset, from }: Plan): string {
  return dataset ?? from
}
