import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A model of Binance's klines endpoints on loopback, written from the rules of the API documents and independent of the
 * code under test. It refuses requests that break a rule, and records all of them.
 */
export interface ModelBar {
  readonly openMs: number
  readonly closeMs: number
}

export interface ModelRequest {
  readonly market: 'spot' | 'um' | 'cm'
  readonly symbol: string
  readonly interval: string
  readonly startMs: number
  readonly endMs: number
  readonly limit: number
  readonly status: number
  readonly rows: number
  readonly weight: number
}

export interface Reply {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: string
}

export interface RestServer {
  readonly urls: { readonly spot: string; readonly um: string; readonly cm: string }
  readonly requests: ModelRequest[]
  /** bars of every symbol, ascending; a symbol in `unknown` does not exist */
  bars: readonly ModelBar[]
  unknown: Set<string>
  /**
   * how times are rounded: 'grid' rounds startTime up and endTime down to the interval's grid before bars are compared
   * (lengthMs of the interval needed), 'open' compares open times
   */
  rounding: { kind: 'open' } | { kind: 'grid'; lengthMs: number }
  /** answers instead of the model while it gives one; the argument is the number of the request, from 0 */
  script: ((index: number, request: IncomingMessage, response: ServerResponse) => Reply | 'sent' | undefined) | undefined
  close(): Promise<void>
}

const DAY_MS = 86_400_000
const PATHS = { '/spot/api/v3/klines': 'spot', '/um/fapi/v1/klines': 'um', '/cm/dapi/v1/klines': 'cm' } as const

export function modelRow({ openMs, closeMs }: ModelBar): unknown[] {
  const price = (100 + ((openMs / 1000) % 97)).toFixed(2)
  return [openMs, price, price, price, price, '1.5', closeMs, '150', 3, '0.5', '50', '0']
}

export async function startRestServer(): Promise<RestServer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const model: RestServer = {
    urls: { spot: `${base}/spot`, um: `${base}/um`, cm: `${base}/cm` },
    requests: [],
    bars: [],
    unknown: new Set(),
    rounding: { kind: 'open' },
    script: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  server.on('request', (request, response) => {
    const index = model.requests.length
    const url = new URL(request.url ?? '', base)
    const market = PATHS[url.pathname as keyof typeof PATHS]
    const number = (name: string): number => Number(url.searchParams.get(name) ?? NaN)
    const asked = {
      market,
      symbol: url.searchParams.get('symbol') ?? '',
      interval: url.searchParams.get('interval') ?? '',
      startMs: number('startTime'),
      endMs: number('endTime'),
      limit: number('limit'),
    }
    const scripted = model.script?.(index, request, response)
    const reply = scripted === 'sent' ? { status: 0, body: '[]' } : (scripted ?? answer(model, asked))
    const rows = reply.status === 200 && reply.body.startsWith('[') ? (JSON.parse(reply.body) as unknown[]).length : 0
    model.requests.push({ ...asked, status: reply.status, rows, weight: weightOf(asked.market, asked.limit) })
    if (scripted === 'sent') return
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers }).end(reply.body)
  })
  return model
}

function weightOf(market: string, limit: number): number {
  if (market === 'spot') return 2
  return limit < 100 ? 1 : limit < 500 ? 2 : limit <= 1000 ? 5 : 10
}

function answer(model: RestServer, asked: Omit<ModelRequest, 'status' | 'rows' | 'weight'>): Reply {
  const refuse = (code: number, msg: string): Reply => ({ status: 400, body: JSON.stringify({ code, msg }) })
  if (model.unknown.has(asked.symbol)) return refuse(-1121, 'Invalid symbol.')
  const { limit, market } = asked
  // COIN-M without times: the latest rows, however far they reach back
  const isTimeless = market === 'cm' && Number.isNaN(asked.startMs) && Number.isNaN(asked.endMs)
  const [startMs, endMs] = isTimeless ? [0, Number.MAX_SAFE_INTEGER] : [asked.startMs, asked.endMs]
  if (![startMs, endMs].every(Number.isInteger)) return refuse(-1100, 'Illegal characters found in a parameter.')
  if (!(limit >= 1 && limit <= (market === 'spot' ? 1000 : 1500))) return refuse(-1130, 'Data sent for parameter limit is not valid.')
  if (startMs > endMs) return refuse(-1023, 'Start time is greater than end time.')
  if (market === 'cm' && !isTimeless && endMs - startMs > 200 * DAY_MS) return refuse(-4088, 'Maximum time interval is 200 days.')
  const { rounding } = model
  const fromMs = rounding.kind === 'grid' ? Math.ceil(startMs / rounding.lengthMs) * rounding.lengthMs : startMs
  const toMs = rounding.kind === 'grid' ? Math.floor(endMs / rounding.lengthMs) * rounding.lengthMs : endMs
  const inside = (asked.interval === '1M' ? monthsOf(model.bars) : model.bars).filter(({ openMs }) => openMs >= fromMs && openMs <= toMs)
  const page = market === 'cm' ? inside.slice(-limit) : inside.slice(0, limit)
  return { status: 200, body: JSON.stringify(page.map(modelRow)) }
}

/** The bars of the months in which bars open. */
function monthsOf(bars: readonly ModelBar[]): ModelBar[] {
  const months = new Map<number, ModelBar>()
  for (const { openMs } of bars) {
    const date = new Date(openMs)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    months.set(Date.UTC(year, month), { openMs: Date.UTC(year, month), closeMs: Date.UTC(year, month + 1) - 1 })
  }
  return [...months.values()]
}
