import { MARKET_FACTS } from '../../config/markets.ts'
import type { Connections } from '../acquire/connections.ts'
import type { FundingRow } from '../codec/funding.ts'
import { decodeFundingRest } from '../codec/funding.ts'
import { CkvdError } from '../errors.ts'
import type { TimeRange } from '../model/series.ts'

const MAX_BODY_BYTES = 1 << 20
/** "Invalid symbol." in Binance's documents, "Error Codes" */
const INVALID_SYMBOL = /"code":\s*-112[12]/

/**
 * Funding rates over REST, in order, page by page; null when the exchange does not know the contract. Parameters, limits and order of rows:
 * see FundingFacts in config/markets.ts.
 * @param most rows to ask for; default all
 * @throws CKVD_REST_BODY, CKVD_BANNED, CKVD_RATE_LIMITED, CKVD_ABORTED and the codes of HttpClient.
 */
export async function fetchFunding(
  connections: Pick<Connections, 'rest' | 'urls'>,
  contract: { readonly market: 'um' | 'cm'; readonly symbol: string },
  range: TimeRange,
  signal: AbortSignal,
  most = Infinity,
): Promise<FundingRow[] | null> {
  const { market, symbol } = contract
  const facts = MARKET_FACTS[market].funding
  if (facts === null) throw new CkvdError('CKVD_BUG', `Expected a market with funding rates, got ${market}.`)
  const rows: FundingRow[] = []
  const endMs = Math.ceil(range.endUs / 1000) - 1
  const pageRows = Math.min(facts.pageRows, most)
  for (let startMs = Math.ceil(range.startUs / 1000); startMs <= endMs && rows.length < most;) {
    const query = new URLSearchParams({ symbol, startTime: String(startMs), endTime: String(endMs), limit: String(pageRows) })
    const url = `${connections.urls.rest[market]}${facts.path}?${query.toString()}`
    const answer = await connections.rest.fetchAnswer(market, url, { weight: facts.weight, maxBytes: MAX_BODY_BYTES, signal })
    if (answer.status === 400 && INVALID_SYMBOL.test(new TextDecoder().decode(answer.body))) return null
    if (answer.status !== 200) {
      const body = new TextDecoder().decode(answer.body.subarray(0, 200))
      throw new CkvdError('CKVD_REST_BODY', `Expected funding rates from ${url}, got status ${answer.status}: ${body}`, {
        details: { url, status: answer.status },
      })
    }
    const page = decodeFundingRest(answer.body, url)
    for (const row of page) if (row[0] >= startMs * 1000 && row[0] < range.endUs) rows.push(row)
    const last = page.at(-1)
    if (last === undefined || page.length < pageRows) break
    startMs = Math.max(startMs, Math.floor(last[0] / 1000)) + 1
  }
  return rows
}
