import { CkvdError } from '../../errors.ts'
import { isByPair, pairOf } from '../../dataset/names.ts'
import type { Market } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'

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

/** Reads an answer. Throws CKVD_REST_BODY when it is not a whole one. */
export function parseExchangeInfo(body: Uint8Array, url: string): ExchangeInfo {
  const refuse = (expected: string): never => {
    throw new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, found another body. Check the REST URL.`, { details: { url } })
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(body))
  } catch {
    return refuse('the JSON of exchangeInfo')
  }
  const { serverTime, symbols } = (value ?? {}) as { serverTime?: unknown; symbols?: unknown }
  if (typeof serverTime !== 'number' || !Number.isSafeInteger(serverTime)) return refuse('a serverTime in exchangeInfo')
  if (!Array.isArray(symbols)) return refuse('a list of symbols in exchangeInfo')
  const trading = new Set<string>()
  for (const item of symbols as unknown[]) {
    const { symbol, status, contractStatus, deliveryDate } = (item ?? {}) as Record<string, unknown>
    if (typeof symbol !== 'string') return refuse('a symbol in each entry of exchangeInfo')
    const isDelivered = typeof deliveryDate === 'number' && deliveryDate > 0 && deliveryDate <= serverTime
    if ((status ?? contractStatus) === TRADING && !isDelivered) trading.add(symbol)
  }
  return { serverTimeMs: serverTime, trading }
}

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
export const EXCHANGE_INFO: Readonly<Record<Market, { readonly path: string; readonly weight: number }>> = {
  spot: { path: '/api/v3/exchangeInfo', weight: 20 },
  um: { path: '/fapi/v1/exchangeInfo', weight: 1 },
  cm: { path: '/dapi/v1/exchangeInfo', weight: 1 },
}
