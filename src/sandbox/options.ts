import { CkvdError } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS } from '../model/interval.ts'
import type { Market, RestMarket } from '../model/market.ts'
import { isMarket, isSymbol, REST_MARKETS } from '../model/market.ts'
import { parseUtcDay } from '../model/utc-day.ts'
import type { FaultRule } from './faults.ts'
import { parseFaultRules } from './faults.ts'

/** A symbol that the synthetic exchange lists. Days are UTC, `YYYY-MM-DD`. */
export interface SyntheticMarket {
  /** `spot`, `um`, `cm` or `option` */
  readonly market: Market
  /** as the exchange writes it */
  readonly symbol: string
  /** first day with bars */
  readonly firstDay: string
  /** last day with bars; default: the symbol still trades */
  readonly lastDay?: string
  /** default: all of the market */
  readonly intervals?: readonly Interval[]
  /** first day with archives, where REST begins earlier; default `firstDay` */
  readonly archivesFrom?: string
  /** first minute of the first day, `HH:MM`; default midnight */
  readonly opensAt?: string
  /** end (excluded) of the last day, `HH:MM`; default midnight */
  readonly closesAt?: string
  /**
   * what REST tells once the last day is over. listed: exchangeInfo names the symbol, with another status; unlisted: it does not;
   * forgotten: klines do not know it either (-1121). Default: unlisted for a contract with a date in its name, else listed
   */
  readonly afterEnd?: 'listed' | 'unlisted' | 'forgotten'
}

/** How a sandbox exchange is; everything has a default. */
export interface SandboxOptions {
  /** default 0: any free port. The host is always 127.0.0.1 */
  readonly port?: number
  /** folder of real archives laid out as the bucket (DIR/data/…); then nothing is synthetic */
  readonly archive?: string
  /** what goes wrong; default nothing */
  readonly faults?: readonly FaultRule[]
  /** the same seed gives the same bytes; default 1 */
  readonly seed?: number
  /** the exchange's clock, epoch milliseconds: which bars and archives there are; default `Date.now` */
  readonly now?: () => number
  /** the time that the exchange tells, in the header `Date`, `exchangeInfo`, server time and ban texts, epoch milliseconds; default `Date.now` */
  readonly serverTime?: () => number
  /** default: the shipped universe in spot, um and cm, a few odd symbols, and what there is of options */
  readonly markets?: readonly SyntheticMarket[]
  /** a daily archive appears so many hours after its day; default 10 */
  readonly publishDelayHours?: number
  /** weight budgets a minute; default spot 6,000, um and cm 2,400: these two are counted together, and the smaller budget holds for both */
  readonly budgets?: Partial<Readonly<Record<RestMarket, number>>>
  /** requests during a 429 until the address is banned; default 3 */
  readonly banAfter?: number
  /** seconds that a ban lasts; default 120 */
  readonly banSeconds?: number
  /** the outages that the default markets have, so that demos show one; default true, always false with `markets` */
  readonly builtInFaults?: boolean
}

export interface SandboxSettings {
  readonly port: number
  readonly archive: string | undefined
  readonly faults: readonly FaultRule[]
  readonly seed: number
  readonly now: () => number
  readonly serverTime: () => number
  readonly markets: readonly SyntheticMarket[] | undefined
  readonly publishDelayHours: number
  readonly budgets: Readonly<Record<RestMarket, number>>
  readonly banAfter: number
  readonly banSeconds: number
  readonly builtInFaults: boolean
}

const DEFAULTS: SandboxSettings = {
  port: 0,
  archive: undefined,
  faults: [],
  seed: 1,
  now: Date.now,
  serverTime: Date.now,
  markets: undefined,
  publishDelayHours: 10,
  budgets: { spot: 6000, um: 2400, cm: 2400 },
  banAfter: 3,
  banSeconds: 120,
  builtInFaults: true,
}

const AFTER_END: ReadonlySet<string> = new Set(['listed', 'unlisted', 'forgotten'])

/** Checks options once and fills the defaults. `CKVD_CONFIG` names the option, what it must be and what it is. */
export function resolveSandboxOptions(options: SandboxOptions): SandboxSettings {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(DEFAULTS, key)) throw refusal(key, `one of ${Object.keys(DEFAULTS).join(', ')}`, 'an unknown option')
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as SandboxOptions
  const settings: SandboxSettings = {
    ...DEFAULTS,
    ...given,
    archive: given.archive,
    markets: given.markets,
    faults: parseFaultRules(given.faults ?? []),
    budgets: { ...DEFAULTS.budgets, ...given.budgets },
    builtInFaults: (given.builtInFaults ?? true) && given.markets === undefined,
  }
  checkInteger('port', settings.port, 0, 65_535)
  checkInteger('seed', settings.seed, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  checkInteger('banAfter', settings.banAfter, 1, 1_000_000)
  checkInteger('banSeconds', settings.banSeconds, 1, 1_000_000)
  for (const market of REST_MARKETS) checkInteger(`budgets.${market}`, settings.budgets[market], 1, 1_000_000_000)
  if (!(settings.publishDelayHours >= 0)) throw refusal('publishDelayHours', 'a number of hours from 0', settings.publishDelayHours)
  if (settings.archive !== undefined && settings.markets !== undefined) {
    throw refusal('markets', 'left out together with `archive`, whose files say what is listed', 'a list')
  }
  settings.markets?.forEach(checkMarket)
  return Object.freeze(settings)
}

function checkMarket(entry: SyntheticMarket, index: number): void {
  const name = `markets[${index}]`
  const isTime = (text: string | undefined): boolean => text === undefined || /^([01]\d|2[0-3]):[0-5]\d$/.test(text)
  if (!isMarket(entry.market)) throw refusal(`${name}.market`, 'spot, um, cm or option', entry.market)
  if (!isSymbol(entry.symbol)) throw refusal(`${name}.symbol`, 'a symbol', entry.symbol)
  for (const key of ['firstDay', 'lastDay', 'archivesFrom'] as const) {
    const day = entry[key]
    if ((day !== undefined || key === 'firstDay') && parseUtcDay(day ?? '') === undefined)
      throw refusal(`${name}.${key}`, 'a day YYYY-MM-DD', day)
  }
  for (const key of ['opensAt', 'closesAt'] as const) if (!isTime(entry[key])) throw refusal(`${name}.${key}`, 'a time HH:MM', entry[key])
  if (entry.afterEnd !== undefined && !AFTER_END.has(entry.afterEnd))
    throw refusal(`${name}.afterEnd`, [...AFTER_END].join(', '), entry.afterEnd)
  for (const interval of entry.intervals ?? []) {
    if (!INTERVALS.includes(interval)) throw refusal(`${name}.intervals`, `some of ${INTERVALS.join(', ')}`, interval)
  }
}

function checkInteger(name: string, value: unknown, minimum: number, maximum: number): void {
  if (Number.isSafeInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return
  throw refusal(name, `an integer from ${minimum} to ${maximum}`, value)
}

function refusal(name: string, expected: string, got: unknown): CkvdError {
  return new CkvdError('CKVD_CONFIG', `Expected the sandbox option \`${name}\` to be ${expected}, got ${JSON.stringify(got) ?? 'nothing'}.`)
}
