import { CkvdError } from '../../errors.ts'
import { isByPair, pairOf } from '../../dataset/names.ts'
import type { RestMarket } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import { JsonReader } from './json-reader.ts'

/**
 * What `exchangeInfo` of a market says: which symbols trade. Source: Binance's API documents, "Exchange Information" (spot `status`, USDⓈ-M
 * `status`, COIN-M `contractStatus`, futures `deliveryDate` in epoch milliseconds).
 */
export interface ExchangeInfo {
  /** epoch milliseconds, of the exchange's clock */
  readonly serverTimeMs: number
  /** symbols that trade */
  readonly trading: ReadonlySet<string>
}

/** The word of a symbol that trades. */
const TRADING = 'TRADING'
/** An answer whose server time differs by more from ours is an old copy. */
const MAX_AGE_MS = 86_400_000

/** More are no exchange's: spot has some 3,500 in 2026, those that ended among them. */
const MAX_SYMBOLS = 100_000

/**
 * Reads an answer, in one pass over its bytes and without a tree of them. Of a name that comes twice the last one counts, as for
 * `JSON.parse`. Throws CKVD_REST_BODY when it is not a whole one.
 */
export function parseExchangeInfo(body: Uint8Array, url: string): ExchangeInfo {
  const refuse = (expected: string): never => {
    throw new CkvdError('CKVD_REST_BODY', `Expected ${expected} in exchangeInfo from ${url}, found another body. Check the REST URL.`, {
      details: { url },
    })
  }
  const json = new JsonReader(body, refuse)
  let serverTime: unknown
  let symbols: Symbols | undefined
  const isObject = json.object((name) => {
    if (name === 'serverTime') serverTime = json.scalar()
    else if (name === 'symbols') symbols = readSymbols(json, refuse)
    else json.skip()
  })
  if (!isObject) json.skip()
  json.end()
  if (typeof serverTime !== 'number' || !Number.isSafeInteger(serverTime)) return refuse('a serverTime')
  if (symbols === undefined) return refuse('a list of symbols')
  if (!symbols.areNamed) return refuse('a symbol in each entry')
  const trading = new Set<string>()
  for (const { symbol, deliveryDate } of symbols.trading) {
    const isDelivered = typeof deliveryDate === 'number' && deliveryDate > 0 && deliveryDate <= serverTime
    if (!isDelivered) trading.add(symbol)
  }
  return { serverTimeMs: serverTime, trading }
}

interface Symbols {
  /** each entry has a name */
  readonly areNamed: boolean
  /** entries whose status is that of a symbol that trades */
  readonly trading: readonly { readonly symbol: string; readonly deliveryDate: unknown }[]
}

/** Undefined: the value is no list. */
function readSymbols(json: JsonReader, refuse: (expected: string) => never): Symbols | undefined {
  const trading: { symbol: string; deliveryDate: unknown }[] = []
  let areNamed = true
  let count = 0
  let entry: Record<string, unknown> = {}
  const readMember = (name: string): void => {
    if (ENTRY_NAMES.has(name)) entry[name] = json.scalar()
    else json.skip()
  }
  const isList = json.list(() => {
    if (++count > MAX_SYMBOLS) refuse(`at most ${MAX_SYMBOLS} symbols`)
    entry = {}
    if (!json.object(readMember)) json.skip()
    const { symbol, status, contractStatus, deliveryDate } = entry
    if (typeof symbol !== 'string') areNamed = false
    else if ((status ?? contractStatus) === TRADING) trading.push({ symbol, deliveryDate })
  })
  if (isList) return { areNamed, trading }
  json.skip()
  return undefined
}

/** What is read of an entry. */
const ENTRY_NAMES: ReadonlySet<string> = new Set(['symbol', 'status', 'contractStatus', 'deliveryDate'])

/** True when it names a series' symbol as trading; of a series that is named by its pair, one of the pair's contracts. */
export function isTraded({ trading }: ExchangeInfo, series: Pick<Series, 'dataset' | 'market' | 'symbol'>): boolean {
  const { symbol } = series
  return isByPair(series) ? [...trading].some((contract) => pairOf(contract) === symbol) : trading.has(symbol)
}

/** True when it can be believed of the symbols that it does not name: its time is today's, and some symbol trades. */
export function isPlausible(info: ExchangeInfo, systemMs: number): boolean {
  return info.trading.size > 0 && Math.abs(info.serverTimeMs - systemMs) <= MAX_AGE_MS
}

/** Path and weight of a request. Source: as above. */
export const EXCHANGE_INFO: Readonly<Record<RestMarket, { readonly path: string; readonly weight: number }>> = {
  spot: { path: '/api/v3/exchangeInfo', weight: 20 },
  um: { path: '/fapi/v1/exchangeInfo', weight: 1 },
  cm: { path: '/dapi/v1/exchangeInfo', weight: 1 },
}
