import { urlsFor } from '../../config/source-urls.ts'
import type { Connections } from '../acquire/connections.ts'
import { createConnections } from '../acquire/connections.ts'
import { NearMisses } from '../acquire/near-misses.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import type { SeriesPlan } from '../acquire/plan/series-plan.ts'
import { seriesOf } from '../dataset/told.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import { describeSystemCode } from '../system-errors.ts'
import type { WritableLake } from '../lake/lake.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import type { Origin, Sources } from '../lake/origin.ts'
import { claimedOrigin } from '../lake/origin.ts'
import type { HttpClient } from '../sources/http/http.ts'
import type { IngestOptions } from './ingest-options.ts'
import type { SeriesFailure } from './planner.ts'
import { planUniverse } from './planner.ts'
import type { Tally } from './result.ts'
import { problemOf } from './result.ts'
import { everySecond } from '../waiting.ts'

/* What a run and a dry run have in common: scope, sources, connections, the universe planned, and what is told of series that cannot be. */

function scopeOf(options: IngestOptions): PlanScope {
  const { start, end, archives, rest, crossCheck, force, refresh, retryFailed } = options
  return { start, end, archives, rest, crossCheck, force, refresh, retryFailed, nowUs: options.nowMs * 1000 }
}

/** The scope as the earlier of both clocks sees it: no chunk is planned that has not closed by the servers' clock. */
export function scopeBy(http: HttpClient, options: IngestOptions): PlanScope {
  return {
    ...scopeOf(options),
    get nowUs() {
      return http.clock.notAfter(options.nowMs) * 1000
    },
  }
}

/** The sources that a run may ask. */
export function sourcesOf({ sandbox, urls, rest, universe }: IngestOptions): Sources {
  return { sandbox, urls: urlsFor(urls, rest ? [...new Set(universe.map(({ market }) => market))] : []) }
}

/** What the lake is to be: a sandbox is recorded at once, the exchange when it has answered. */
export function originOf(options: IngestOptions): { origin?: 'sandbox'; expected?: Origin } {
  const claimed = claimedOrigin(sourcesOf(options))
  if (claimed === 'sandbox') return { origin: claimed }
  return claimed === undefined ? {} : { expected: claimed }
}

/** Plans the universe series by series. Throws CKVD_UNREACHABLE where nothing answered, CKVD_FORBIDDEN where all was refused, CKVD_ABORTED, errors of the lake. */
export async function planInto(
  options: IngestOptions,
  scope: PlanScope,
  { http, listing }: Connections,
  catalog: LedgerReader | null,
  adoptInto: WritableLake | null,
  emit: (planned: SeriesPlan | SeriesFailure) => Promise<void>,
): Promise<void> {
  const seen: { planned: number; refused: number; last: CkvdError | null } = { planned: 0, refused: 0, last: null }
  const startedMs = performance.now()
  const symbols = new Set(options.universe.map(({ market, symbol }) => `${market} ${symbol}`)).size
  const tell = (): void =>
    options.events.onPlanning?.({
      planned: seen.planned,
      symbols,
      bytesDownloaded: http.bytesThrough,
      elapsedMs: performance.now() - startedMs,
    })
  const beat = everySecond(tell)
  try {
    await planUniverse(options.universe, { listing, scope, catalog, adoptInto, signal: options.signal }, async (one) => {
      seen.planned++
      tell()
      if ('error' in one) {
        seen.last = one.error
        if (isCkvdError(one.error, 'CKVD_FORBIDDEN')) seen.refused++
      }
      await emit(one)
    })
  } finally {
    beat[Symbol.dispose]()
  }
  const { planned, refused, last } = seen
  if (last === null) return
  if (refused === planned)
    throw new CkvdError('CKVD_FORBIDDEN', `${last.message} Nothing was done.`, { details: last.details, cause: last })
  if (!http.reached) {
    const { maxRateBytes, urls } = options
    const { listing: url } = urls
    const rate = maxRateBytes === null ? '' : `, and --max-rate, by which ${maxRateBytes.toLocaleString('en-US')} bytes come a second`
    const reason = whyNobodyAnswered(last)
    throw new CkvdError(
      'CKVD_UNREACHABLE',
      `No network: ${url} does not answer: ${reason}. Nothing was done. Check the network, the proxy (HTTPS_PROXY) and --listing-url${rate}, then run the same command again.`,
      { details: { url }, cause: last },
    )
  }
}

/** Why a request had no answer, with the proxy that was asked and what is to be done about a certificate, as a part of a sentence. */
function whyNobodyAnswered({ message, details: { reason, advice, proxy } }: CkvdError): string {
  if (typeof reason !== 'string') return message.replace(/\.+$/, '')
  const through = typeof proxy === 'string' ? `, through ${proxy}` : ''
  return `${describeSystemCode(reason)}${through}${typeof advice === 'string' ? `. ${advice.replace(/\.+$/, '')}` : ''}`
}

/** Says of symbols that nobody knows what was probably meant. */
export async function adviseUnknown(tally: Tally, { listing }: Connections, signal: AbortSignal): Promise<void> {
  const nearMisses = new NearMisses(listing)
  await tally.addAdvice('CKVD_UNKNOWN_SYMBOL', async (problem) => (await nearMisses.find(seriesOf(problem), signal))?.text)
}

export function countFailure(tally: Tally, failure: SeriesFailure): void {
  tally.series++
  tally.unplanned++
  tally.count('failed')
  tally.addProblem(problemOf(failure.series, null, 'failed', failure.error))
}

export function openConnections(options: IngestOptions): Connections {
  return createConnections({ ...options, onMisplaced: (error, path) => options.events.onMisplaced?.(error, path) })
}
