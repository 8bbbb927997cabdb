import { unknownOption } from '../../config/option-names.ts'
import { wrongOption } from '../ingest/request/wrong-option.ts'
import { openLake } from '../lake/lake.ts'
import { hasRest, isMarket } from '../model/market.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { parseUtcDay } from '../model/utc-day.ts'
import { createClock } from '../question/clock.ts'
import { checkOptions } from '../question/query.ts'
import { checkOrder } from '../question/range-order.ts'
import type { ProvableInterval } from '../resample/prove.ts'
import type { ProofProgress, ProofResult, ProvableDataset } from '../resample/prove-lake.ts'
import { PROVABLE_DATASETS, PROVABLE_INTERVALS, proveLake } from '../resample/prove-lake.ts'
import type { CKVDConfig } from './config.ts'
import { resolveConfig } from './config.ts'

/** What `prove` takes. */
export interface ProveOptions extends Pick<CKVDConfig, 'lake' | 'sandbox'> {
  /** `klines`, proved by `trades`, and `trades`, proved by `aggTrades`; default: what the lake can prove, of `trades` the days that have both */
  readonly data?: readonly string[]
  /** `spot`, `um` or `cm`; default: all */
  readonly market?: string
  /** as the exchange writes them; default: all of which the lake has bars and trades, or trades and aggregate trades */
  readonly symbols?: readonly string[]
  /** `1m` to `12h`; default `1m` */
  readonly interval?: string
  /** first day, `YYYY-MM-DD` */
  readonly start?: string
  /** day after the last one */
  readonly end?: string
  /** ends it; what was proved until then is recorded */
  readonly signal?: AbortSignal
  /** called after each day */
  readonly onProgress?: (progress: ProofProgress) => void
}

const OPTIONS = ['lake', 'sandbox', 'data', 'market', 'symbols', 'interval', 'start', 'end', 'signal', 'onProgress']

/**
 * The command `ckvd prove` as a function: bars of a lake compared with its trades, each open, high, low, close, volume and count made anew of what
 * was traded, exact to the published decimals, and its trades compared with the aggregates that name them. The evidence of a day whose bars are all
 * what their trades say, and of one whose trades are all that aggregates name, is `proved` afterwards.
 * @throws CkvdError `CKVD_USAGE` (options, or a lake without both), `CKVD_LAKE_MISSING`, `CKVD_LAKE_LOCKED`, `CKVD_LAKE_IO`, `CKVD_CATALOG`, `CKVD_ABORTED`
 */
export async function prove(options: ProveOptions): Promise<ProofResult> {
  checkOptions('prove', options, "{ lake: './lake', symbols: ['BTCUSDT'], start: '2024-03-01', end: '2024-03-08' }")
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) throw unknownOption(unknown, OPTIONS)
  const { lake: root, sandbox, data, market, symbols, interval = '1m', signal = new AbortController().signal, onProgress } = options
  if (market !== undefined && !(isMarket(market) && hasRest(market))) throw wrongOption('market', 'spot, um or cm', market)
  if (symbols !== undefined && !(Array.isArray(symbols) && symbols.every((symbol) => typeof symbol === 'string')))
    throw wrongOption('symbols', 'a list of symbols', symbols)
  if (data !== undefined && !(Array.isArray(data) && data.length > 0 && data.every(isProvable)))
    throw wrongOption('data', `a list of ${PROVABLE_DATASETS.join(', ')}`, data)
  const provable = PROVABLE_INTERVALS.find((name) => name === interval)
  if (provable === undefined) throw wrongOption('interval', PROVABLE_INTERVALS.join(', '), interval)
  const range = { start: dayOf('start', options.start), end: dayOf('end', options.end) }
  checkOrder(range, { start: 'start', end: 'end' })
  const { settings } = resolveConfig({ lake: root, sandbox })
  const clockMs = createClock(settings)
  // a lake that is not there is not begun
  await (await openLake(settings.lake, { mode: 'read' })).close()
  const lake = await openLake(settings.lake, { mode: 'write' })
  try {
    return await proveLake(
      lake,
      { data, market, symbols, interval: provable satisfies ProvableInterval, ...range },
      { signal, nowIso: () => new Date(clockMs()).toISOString(), ...(onProgress === undefined ? {} : { onProgress }) },
    )
  } finally {
    await lake.close()
  }
}

function isProvable(name: unknown): name is ProvableDataset {
  return PROVABLE_DATASETS.some((known) => known === name)
}

function dayOf(option: string, text: string | undefined): UtcDay | undefined {
  const day = text === undefined ? undefined : parseUtcDay(text)
  if (text !== undefined && day === undefined) throw wrongOption(option, 'a day of the calendar as YYYY-MM-DD', text)
  return day
}
