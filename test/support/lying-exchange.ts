import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Interval, Life, Market, Row, When } from './lying-exchange-bars.ts'
import { csvLine, DAY_MS, dayText, msOf, restRow, rowAt, rowsOf } from './lying-exchange-bars.ts'
import { buildZip, checksumOf } from './zip-builder.ts'

/*
 * A small exchange on loopback for tests: a listing, archives, REST. Honest by the exchange's own rules unless it is told to lie, and
 * written from those rules alone: it shares nothing with the code under test, nor with the product's sandbox.
 */

/** A request for klines, as it was understood. */
export interface Asked {
  readonly market: Market
  readonly symbol: string
  readonly interval: Interval
  readonly startMs: number | undefined
  readonly endMs: number | undefined
  readonly limit: number
  /** how many klines requests came before */
  readonly index: number
}

/** A lie about klines. Those about pages may be mixed; of answers that replace all else the first counts. */
export type KlinesLie = {
  /** which requests; default all */
  readonly when?: (asked: Asked) => boolean
} & (
  | /** at most so many rows, whatever the limit */ { readonly kind: 'cap'; readonly rows: number }
  | /** no row that opens later than so many days after startTime */ { readonly kind: 'lookahead'; readonly days: number }
  | /** when there are more than a page holds: the rows of the other end */ { readonly kind: 'wrong-end' }
  | /** the newest bars are missing: none that opens from `since` on */ { readonly kind: 'lag'; readonly since: When }
  | /** `[]` */ { readonly kind: 'empty' }
  | { readonly kind: 'status'; readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  | /** bars before this time are not known any more: a second life */ { readonly kind: 'since'; readonly since: When }
  | /** -1121 or -1122 */ { readonly kind: 'unknown'; readonly code?: -1121 | -1122 }
  | /** the connection is reset */ { readonly kind: 'reset' }
  | /** other rows than what happened */ {
      readonly kind: 'rows'
      readonly edit: (rows: Row[], asked: Asked) => readonly (Row | unknown[])[]
    }
)

/** What exchangeInfo is like. */
export type InfoLie =
  | /** 404 */ { readonly kind: 'absent' }
  | { readonly kind: 'status'; readonly status: number }
  | /** a body of long ago: so many days */ { readonly kind: 'stale'; readonly days: number }
  | /** half of the body, as if it were whole */ { readonly kind: 'truncated' }
  | /** no symbol at all */ { readonly kind: 'empty' }
  | /** no symbol that trades */ { readonly kind: 'none-trading' }
  | { readonly kind: 'html' }
  | /** other symbols than there are */ { readonly kind: 'symbols'; readonly edit: (symbols: Listed[]) => Listed[] }

/** A symbol in exchangeInfo. */
export interface Listed {
  readonly symbol: string
  readonly status: string
  readonly contractType?: string
  readonly deliveryDate?: number
}

/** An object of the bucket. What is listed and what is served agree unless a test makes them differ. */
export interface Stored {
  /** served */
  zip: Buffer
  /** served; undefined: 404 */
  checksum: Buffer | undefined
  /** as the listing has it */
  listed: { etag: string; sizeBytes: number; modifiedMs: number }
  /** of the answer's header; undefined: none */
  etag: string | undefined
  /** true: served, but no listing has it */
  hidden?: boolean
  /** answers instead of the object, while it gives one */
  refuse?: () => { status: number; body: string } | undefined
  /** the same of its CHECKSUM */
  refuseChecksum?: () => { status: number; body: string } | undefined
}

/** An answer instead of a page of the listing. */
export type ListingLie = (prefix: string, index: number) => { status: number; body: string } | 'reset' | undefined

export interface LyingExchangeOptions {
  /** the exchange's clock, which stands */
  readonly now: string
  /** what `serverTime` says; default: the system's clock */
  readonly serverTime?: () => number
}

/** One series of a lying exchange. */
export interface LyingSeries {
  readonly life: Life
  /** what really happened by now; the last row may still be forming */
  readonly rows: readonly Row[]
  /** rows that have closed, within [from, to) */
  closed(from?: When, to?: When): Row[]
  /**
   * Publishes daily archives of the days [from, to), whole months of 3d, 1w and 1M excepted; `edit` changes each one's rows. A day
   * without rows gets no archive.
   */
  publish(from: When, to: When, edit?: (rows: Row[], day: string) => readonly (Row | string)[]): this
  /** Publishes the monthly archive of `2024-03`. */
  publishMonth(month: string, edit?: (rows: Row[]) => readonly (Row | string)[]): this
  /** The key of the archive of a day or a month. */
  key(period: string): string
  /** The stored archive of a day or a month; throws where there is none. */
  archive(period: string): Stored
  /** Whether there is an archive of a day or a month. */
  has(period: string): boolean
  /** The text of an archive as it was published; empty where there is none. */
  csvOf(period: string): string
  /** Whether an archive is there and its ZIP and CHECKSUM are what was published. */
  isSound(period: string): boolean
  /** Takes archives away, as if they had never been. */
  unpublish(...periods: string[]): this
}

export interface CountedRequest {
  readonly kind: 'listing' | 'archive' | 'checksum' | 'klines' | 'exchangeInfo' | 'time' | 'other'
  readonly market?: Market
  readonly path: string
  readonly status: number
  readonly weight: number
  /** of klines: rows that were given */
  readonly rows?: number
}

const FOLDERS: Readonly<Record<Market, string>> = { spot: 'data/spot', um: 'data/futures/um', cm: 'data/futures/cm' }
const REST: Readonly<Record<Market, string>> = { spot: '/api/v3', um: '/fapi/v1', cm: '/dapi/v1' }
const MAX_ROWS: Readonly<Record<Market, number>> = { spot: 1000, um: 1500, cm: 1500 }
const INTERVALS = new Set(['1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'])
const FOREVER_MS = 4_133_404_800_000

export class LyingExchange implements AsyncDisposable {
  readonly nowMs: number
  readonly requests: CountedRequest[] = []
  klinesLies: KlinesLie[] = []
  infoLies: Partial<Record<Market, InfoLie>> = {}
  listingLie: ListingLie | undefined
  /** symbols (`spot/AAAUSDT`) that klines do not know, with the code that they answer */
  readonly forgotten = new Map<string, -1121 | -1122>()
  /** symbols of exchangeInfo; what is not here is named by its lives. null: not named at all */
  readonly status = new Map<string, Listed | null>()
  /** markets whose REST answers 451 to everything */
  readonly refused = new Set<Market>()
  readonly #serverTime: () => number
  readonly #series = new Map<string, Series>()
  readonly #objects = new Map<string, Stored>()
  readonly #server = createServer((request, response) => this.#answer(request, response))
  #origin = ''
  #klines = 0
  #listings = 0

  private constructor(options: LyingExchangeOptions) {
    this.nowMs = msOf(options.now)
    this.#serverTime = options.serverTime ?? Date.now
  }

  static async start(options: LyingExchangeOptions): Promise<LyingExchange> {
    const exchange = new LyingExchange(options)
    await new Promise<void>((resolve) => exchange.#server.listen(0, '127.0.0.1', resolve))
    exchange.#origin = `http://127.0.0.1:${(exchange.#server.address() as AddressInfo).port}`
    return exchange
  }

  /** The five URLs and the clock. */
  get env(): Record<string, string> {
    return {
      CKVD_VISION_URL: `${this.#origin}/vision`,
      CKVD_LISTING_URL: `${this.#origin}/listing`,
      CKVD_SPOT_REST_URL: `${this.#origin}/spot`,
      CKVD_UM_REST_URL: `${this.#origin}/um`,
      CKVD_CM_REST_URL: `${this.#origin}/cm`,
      CKVD_NOW: new Date(this.nowMs).toISOString(),
    }
  }

  get urls(): { vision: string; listing: string; rest: Record<Market, string> } {
    return {
      vision: `${this.#origin}/vision`,
      listing: `${this.#origin}/listing`,
      rest: { spot: `${this.#origin}/spot`, um: `${this.#origin}/um`, cm: `${this.#origin}/cm` },
    }
  }

  /** Adds a series; archives are published one by one. */
  series(life: Life): LyingSeries {
    const series = new Series(life, this.nowMs, this.#objects)
    this.#series.set(`${life.market}/${life.symbol}/${life.interval}`, series)
    return series
  }

  /** Puts an object into the bucket, honest in all that is not given; for data that no series has. */
  put(key: string, csv: string): Stored {
    const stored = storedOf(key, csv, this.nowMs)
    this.#objects.set(key, stored)
    return stored
  }

  /** Another clock: what has happened by then is known, archives stay as they are. */
  at(now: string): this {
    ;(this as { nowMs: number }).nowMs = msOf(now)
    for (const series of this.#series.values()) series.at(this.nowMs)
    return this
  }

  honest(): void {
    this.klinesLies = []
    this.infoLies = {}
    this.listingLie = undefined
    this.refused.clear()
  }

  count(kind: CountedRequest['kind'], match = /(?:)/): number {
    return this.requests.filter((request) => request.kind === kind && match.test(request.path)).length
  }

  weight(): number {
    return this.requests.reduce((sum, { weight }) => sum + weight, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://exchange')
    const path = decodeURIComponent(url.pathname)
    const note = (kind: CountedRequest['kind'], status: number, more: Partial<CountedRequest> = {}): void => {
      this.requests.push({ kind, status, path: path + decodeURIComponent(url.search), weight: 0, ...more })
    }
    const send = (status: number, body: Buffer | string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    if (path === '/listing' || path === '/listing/') return this.#answerListing(url.searchParams, send, note, response)
    if (path.startsWith('/vision/')) return this.#answerObject(path.slice('/vision/'.length), send, note)
    const market = (['spot', 'um', 'cm'] as const).find((name) => path.startsWith(`/${name}${REST[name]}/`))
    if (market === undefined) {
      note('other', 404)
      return send(404, 'nothing here')
    }
    const call = path.slice(`/${market}${REST[market]}/`.length)
    this.#answerRest(market, call, url.searchParams, send, note, response)
  }

  #answerListing(params: URLSearchParams, send: Send, note: Note, response: ServerResponse): void {
    const prefix = params.get('prefix') ?? ''
    const lie = this.listingLie?.(prefix, this.#listings++)
    if (lie === 'reset') {
      note('listing', 0)
      response.socket?.resetAndDestroy()
      return
    }
    const { status, body } = lie ?? { status: 200, body: listingPage(this.#objects, params) }
    note('listing', status)
    send(status, body, { 'content-type': body.startsWith('<?xml') ? 'application/xml' : 'text/html' })
  }

  #answerObject(key: string, send: Send, note: Note): void {
    const isChecksum = key.endsWith('.CHECKSUM')
    const kind = isChecksum ? 'checksum' : 'archive'
    const stored = this.#objects.get(isChecksum ? key.slice(0, -'.CHECKSUM'.length) : key)
    const refusal = isChecksum ? stored?.refuseChecksum?.() : stored?.refuse?.()
    const body = isChecksum ? stored?.checksum : stored?.zip
    const status = refusal?.status ?? (body === undefined ? 404 : 200)
    note(kind, status)
    if (refusal !== undefined) return send(refusal.status, refusal.body)
    if (body === undefined) return send(404, '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>')
    const etag = isChecksum ? md5(body) : stored?.etag
    send(200, body, { 'content-type': 'application/octet-stream', ...(etag === undefined ? {} : { etag: `"${etag}"` }) })
  }

  #answerRest(market: Market, call: string, params: URLSearchParams, send: Send, note: Note, response: ServerResponse): void {
    const weight =
      call === 'klines' ? klinesWeight(market, Number(params.get('limit') ?? 500)) : call === 'exchangeInfo' && market === 'spot' ? 20 : 1
    const kind = call === 'klines' || call === 'exchangeInfo' || call === 'time' ? call : 'other'
    const json = (
      status: number,
      body: unknown,
      more: Partial<CountedRequest> = {},
      headers: Readonly<Record<string, string>> = {},
    ): void => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      note(kind, status, { market, weight, ...more })
      send(status, text, { 'content-type': 'application/json;charset=UTF-8', 'x-mbx-used-weight-1m': String(weight), ...headers })
    }
    if (this.refused.has(market)) return json(451, { code: 0, msg: 'Service unavailable from a restricted location.' })
    if (call === 'time') return json(200, { serverTime: this.#serverTime() })
    if (call === 'ping') return json(200, {})
    if (call === 'exchangeInfo') return this.#answerInfo(market, json)
    if (call !== 'klines') return json(404, '<html><body>404</body></html>')
    const asked = this.#understand(market, params)
    if ('code' in asked) return json(400, asked)
    const lies = this.klinesLies.filter(({ when }) => when?.(asked) ?? true)
    for (const lie of lies) {
      if (lie.kind === 'empty') return json(200, [], { rows: 0 })
      if (lie.kind === 'status') return json(lie.status, lie.body ?? '', {}, lie.headers)
      if (lie.kind === 'unknown') return json(400, invalidSymbol(lie.code))
      if (lie.kind === 'reset') {
        note('klines', 0, { market, weight })
        response.socket?.resetAndDestroy()
        return
      }
    }
    const known = this.#knows(market, asked.symbol)
    if (known !== true) return json(400, invalidSymbol(known))
    if (asked.startMs !== undefined && asked.startMs > this.nowMs) return json(403, '<html><body>403 Forbidden</body></html>')
    if (market === 'cm' && asked.startMs !== undefined && asked.endMs !== undefined && asked.endMs - asked.startMs > 200 * DAY_MS) {
      return json(400, { code: -4088, msg: 'Maximum time interval is 200 days.' })
    }
    const page = this.#page(asked, lies)
    json(
      200,
      page.map((row) => (Array.isArray(row) ? row : restRow(row))),
      { rows: page.length },
    )
  }

  #understand(market: Market, params: URLSearchParams): Asked | { code: number; msg: string } {
    const time = (name: string): number | undefined => (params.has(name) ? Number(params.get(name)) : undefined)
    const interval = params.get('interval') ?? ''
    const limit = params.has('limit') ? Number(params.get('limit')) : 500
    const [startMs, endMs] = [time('startTime'), time('endTime')]
    for (const value of [startMs ?? 0, endMs ?? 0]) {
      if (!Number.isSafeInteger(value) || value < 0) return { code: -1100, msg: 'Illegal characters found in a parameter.' }
    }
    if (!Number.isInteger(limit) || limit < 1) return { code: -1130, msg: "Data sent for parameter 'limit' is not valid." }
    if (!INTERVALS.has(interval) || (market !== 'spot' && interval === '1s')) return { code: -1120, msg: 'Invalid interval.' }
    if (startMs !== undefined && endMs !== undefined && startMs > endMs) {
      return { code: -1023, msg: 'Start time is greater than end time.' }
    }
    return {
      market,
      symbol: params.get('symbol') ?? '',
      interval: interval as Interval,
      startMs,
      endMs,
      limit: Math.min(limit, MAX_ROWS[market]),
      index: this.#klines++,
    }
  }

  #knows(market: Market, symbol: string): true | -1121 | -1122 {
    const code = this.forgotten.get(`${market}/${symbol}`)
    if (code !== undefined) return code
    const begun = [...this.#series.values()].some(({ life, rows }) => life.market === market && life.symbol === symbol && rows.length > 0)
    return begun ? true : -1121
  }

  /** The rows of a page: by the exchange's rules, bent by the lies about pages. */
  #page(asked: Asked, lies: readonly KlinesLie[]): readonly (Row | unknown[])[] {
    const { market, symbol, interval, startMs, endMs } = asked
    let rows: readonly Row[] = this.#series.get(`${market}/${symbol}/${interval}`)?.rows ?? this.#monthsOf(market, symbol, interval)
    let [from, to] = [startMs ?? 0, endMs ?? this.nowMs]
    let nearest = startMs === undefined ? 'end' : 'start'
    let { limit } = asked
    if (market === 'cm') {
      // at most 200 days, and the rows nearest to the end of them
      nearest = 'end'
      if (startMs !== undefined && endMs === undefined) to = Math.min(startMs + 200 * DAY_MS, this.nowMs)
      if (startMs === undefined && endMs !== undefined) from = endMs - 200 * DAY_MS
    }
    for (const lie of lies) {
      if (lie.kind === 'since') rows = rows.filter(({ openMs }) => openMs >= msOf(lie.since))
      if (lie.kind === 'lag') rows = rows.filter(({ openMs }) => openMs < msOf(lie.since))
      if (lie.kind === 'lookahead' && startMs !== undefined) to = Math.min(to, startMs + lie.days * DAY_MS - 1)
      if (lie.kind === 'wrong-end') nearest = nearest === 'start' ? 'end' : 'start'
      if (lie.kind === 'cap') limit = Math.min(limit, lie.rows)
    }
    // startTime rounds up to a bar and endTime down to one: both say which open times are within
    const within = rows.slice(firstFrom(rows, from), firstFrom(rows, to + 1))
    const page = nearest === 'start' ? within.slice(0, limit) : within.slice(Math.max(0, within.length - limit))
    return lies.reduce<readonly (Row | unknown[])[]>(
      (given, lie) => (lie.kind === 'rows' ? lie.edit([...(given as Row[])], asked) : given),
      page,
    )
  }

  /** Bars of months of a symbol of which a test has shorter bars alone: one of each month in which one of those opens. */
  #monthsOf(market: Market, symbol: string, interval: Interval): readonly Row[] {
    if (interval !== '1M') return []
    const months = new Set<number>()
    for (const { life, rows } of this.#series.values()) {
      if (life.market !== market || life.symbol !== symbol) continue
      for (const { openMs } of rows) months.add(Date.UTC(new Date(openMs).getUTCFullYear(), new Date(openMs).getUTCMonth(), 1))
    }
    return [...months].sort((a, b) => a - b).map((openMs) => rowAt({ market, symbol, interval }, openMs))
  }

  #answerInfo(market: Market, json: (status: number, body: unknown) => void): void {
    const lie = this.infoLies[market]
    if (lie?.kind === 'absent') return json(404, '<html><body>404</body></html>')
    if (lie?.kind === 'status') return json(lie.status, '')
    if (lie?.kind === 'html') return json(200, '<!DOCTYPE html><html><body>Please wait</body></html>')
    let symbols = this.#listedSymbols(market)
    if (lie?.kind === 'symbols') symbols = lie.edit(symbols)
    if (lie?.kind === 'none-trading') symbols = symbols.map((one) => ({ ...one, status: market === 'spot' ? 'BREAK' : 'SETTLING' }))
    const body = JSON.stringify({
      timezone: 'UTC',
      serverTime: this.#serverTime() - (lie?.kind === 'stale' ? lie.days * DAY_MS : 0),
      rateLimits: [{ rateLimitType: 'REQUEST_WEIGHT', interval: 'MINUTE', intervalNum: 1, limit: market === 'spot' ? 6000 : 2400 }],
      exchangeFilters: [],
      symbols: lie?.kind === 'empty' ? [] : symbols.map((one) => infoEntry(market, one)),
    })
    json(200, lie?.kind === 'truncated' ? body.slice(0, body.length >> 1) : body)
  }

  /** Every symbol that has begun, and BTC, which trades whatever else has ended. */
  #listedSymbols(market: Market): Listed[] {
    const ends = new Map<string, number>([[market === 'cm' ? 'BTCUSD_PERP' : 'BTCUSDT', Infinity]])
    for (const { life, rows } of this.#series.values()) {
      if (life.market !== market || rows.length === 0) continue
      const until = life.until === undefined ? Infinity : msOf(life.until)
      ends.set(life.symbol, Math.max(until, ends.get(life.symbol) ?? 0))
    }
    return [...ends].flatMap(([symbol, endMs]): Listed[] => {
      const told = this.status.get(`${market}/${symbol}`)
      if (told !== undefined) return told === null ? [] : [told]
      const dated = /_(\d\d)(\d\d)(\d\d)$/.exec(symbol)
      // contracts with a date leave exchangeInfo when it has come
      if (dated !== null && endMs <= this.nowMs) return []
      const isTrading = endMs > this.nowMs
      return [
        {
          symbol,
          status: isTrading ? 'TRADING' : market === 'spot' ? 'BREAK' : 'SETTLING',
          contractType: dated === null ? 'PERPETUAL' : 'CURRENT_QUARTER',
          deliveryDate: endMs === Infinity ? FOREVER_MS : endMs,
        },
      ]
    })
  }
}

type Send = (status: number, body: Buffer | string, headers?: Readonly<Record<string, string>>) => void
type Note = (kind: CountedRequest['kind'], status: number, more?: Partial<CountedRequest>) => void

class Series implements LyingSeries {
  readonly life: Life
  rows: readonly Row[]
  #nowMs: number
  readonly #objects: Map<string, Stored>
  readonly #texts = new Map<string, string>()

  constructor(life: Life, nowMs: number, objects: Map<string, Stored>) {
    this.life = life
    this.#nowMs = nowMs
    this.rows = rowsOf(life, nowMs)
    this.#objects = objects
  }

  at(nowMs: number): void {
    this.#nowMs = nowMs
    this.rows = rowsOf(this.life, nowMs)
  }

  closed(from: When = 0, to: When = Infinity): Row[] {
    return this.rows.filter(({ openMs, closeMs }) => closeMs < this.#nowMs && openMs >= msOf(from) && openMs < msOf(to))
  }

  key(period: string): string {
    const { market, symbol, interval } = this.life
    const name = interval === '1M' ? '1mo' : interval
    const packaging = period.length === 7 ? 'monthly' : 'daily'
    return `${FOLDERS[market]}/${packaging}/klines/${symbol}/${name}/${symbol}-${name}-${period}.zip`
  }

  publish(from: When, to: When, edit?: (rows: Row[], day: string) => readonly (Row | string)[]): this {
    for (let ms = msOf(from); ms < msOf(to); ms += DAY_MS) {
      const day = dayText(ms)
      this.#store(day, this.closed(ms, ms + DAY_MS), edit === undefined ? undefined : (rows) => edit(rows, day))
    }
    return this
  }

  publishMonth(month: string, edit?: (rows: Row[]) => readonly (Row | string)[]): this {
    const from = msOf(`${month}-01`)
    const date = new Date(from)
    this.#store(month, this.closed(from, Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)), edit)
    return this
  }

  archive(period: string): Stored {
    const stored = this.#objects.get(this.key(period))
    if (stored === undefined) throw new Error(`no archive ${this.key(period)}`)
    return stored
  }

  has(period: string): boolean {
    return this.#objects.has(this.key(period))
  }

  csvOf(period: string): string {
    return this.#texts.get(period) ?? ''
  }

  isSound(period: string): boolean {
    const stored = this.#objects.get(this.key(period))
    if (stored === undefined || stored.refuse !== undefined) return false
    const right = storedOf(this.key(period), this.csvOf(period), 0)
    return right.zip.equals(stored.zip) && stored.checksum !== undefined && right.checksum?.equals(stored.checksum) === true
  }

  unpublish(...periods: string[]): this {
    for (const period of periods) this.#objects.delete(this.key(period))
    return this
  }

  #store(period: string, rows: Row[], edit: ((rows: Row[]) => readonly (Row | string)[]) | undefined): void {
    const edited = edit === undefined ? rows : edit(rows)
    if (edited.length === 0 && edit === undefined) return
    const csv = edited.map((row) => `${typeof row === 'string' ? row : csvLine(row)}\n`).join('')
    this.#texts.set(period, csv)
    this.#objects.set(this.key(period), storedOf(this.key(period), csv, this.#nowMs))
  }
}

/** An object as an honest bucket has it. */
export function storedOf(key: string, csv: string, modifiedMs: number): Stored {
  const name = key.slice(key.lastIndexOf('/') + 1)
  const zip = buildZip([{ name: name.replace(/\.zip$/, '.csv'), data: csv }])
  const etag = md5(zip)
  return { zip, checksum: checksumOf(zip, name), listed: { etag, sizeBytes: zip.length, modifiedMs }, etag }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** Index of the first row that opens at `ms` or later. */
function firstFrom(rows: readonly Row[], ms: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle]!.openMs < ms) low = middle + 1
    else high = middle
  }
  return low
}

function klinesWeight(market: Market, limit: number): number {
  if (market === 'spot') return 2
  return limit < 100 ? 1 : limit < 500 ? 2 : limit <= 1000 ? 5 : 10
}

function invalidSymbol(code: -1121 | -1122 = -1121): { code: number; msg: string } {
  return { code, msg: code === -1121 ? 'Invalid symbol.' : 'Invalid symbol status.' }
}

function infoEntry(market: Market, { symbol, status, contractType, deliveryDate }: Listed): object {
  const pair = symbol.replace(/_.*$/, '')
  const quote = pair.endsWith('USDT') ? 'USDT' : pair.endsWith('USD') ? 'USD' : pair.slice(-3)
  const names = { baseAsset: pair.slice(0, -quote.length), quoteAsset: quote }
  if (market === 'spot') return { symbol, status, ...names, isSpotTradingAllowed: status === 'TRADING', permissions: ['SPOT'] }
  return {
    symbol,
    pair,
    contractType: contractType ?? 'PERPETUAL',
    deliveryDate: deliveryDate ?? FOREVER_MS,
    onboardDate: 1_569_398_400_000,
    [market === 'um' ? 'status' : 'contractStatus']: status,
    ...names,
  }
}

/** A page of the first version of S3's ListObjects. */
function listingPage(objects: ReadonlyMap<string, Stored>, params: URLSearchParams): string {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  const delimiter = params.get('delimiter') ?? ''
  const limit = Math.min(1000, Number(params.get('max-keys') ?? 1000))
  const shown = [...objects].filter(([, { hidden }]) => hidden !== true)
  const keys = shown.flatMap(([key, stored]) => [
    { key, listed: stored.listed },
    {
      key: `${key}.CHECKSUM`,
      listed: {
        etag: md5(stored.checksum ?? Buffer.alloc(0)),
        sizeBytes: stored.checksum?.length ?? 0,
        modifiedMs: stored.listed.modifiedMs,
      },
    },
  ])
  keys.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
  const items: { name: string; xml: string }[] = []
  for (const { key, listed } of keys) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const name = cut < 0 ? key : key.slice(0, cut + 1)
    if (items.at(-1)?.name === name || Buffer.compare(Buffer.from(name), Buffer.from(marker)) <= 0) continue
    const xml =
      cut < 0
        ? `<Contents><Key>${xmlText(key)}</Key><LastModified>${new Date(listed.modifiedMs).toISOString()}</LastModified><ETag>&quot;${listed.etag}&quot;</ETag><Size>${listed.sizeBytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`
        : `<CommonPrefixes><Prefix>${xmlText(name)}</Prefix></CommonPrefixes>`
    items.push({ name, xml })
  }
  const page = items.slice(0, limit)
  const isTruncated = items.length > page.length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>data.binance.vision</Name><Prefix>${xmlText(prefix)}</Prefix><Marker>${xmlText(marker)}</Marker>`,
    isTruncated && delimiter !== '' ? `<NextMarker>${xmlText(page.at(-1)?.name ?? '')}</NextMarker>` : '',
    `<MaxKeys>${limit}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>`,
    ...page.map(({ xml }) => xml),
    '</ListBucketResult>',
  ].join('')
}

function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
