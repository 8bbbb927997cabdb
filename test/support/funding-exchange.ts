import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { SandboxUrls } from '../../src/sandbox/index.ts'
import { runHere } from './ckvd.ts'
import { startExchange } from './exchange.ts'
import { createTempDirectory } from './temp-lake.ts'
import { buildArchive } from './zip-builder.ts'

/** A funding rate as the exchange has it. */
export interface Rate {
  readonly ms: number
  readonly hours: number
  /** as it is written */
  readonly rate: string
}

const HOUR_MS = 3_600_000

/** Rates of [from, to), days or ISO times, every so many hours, some of them milliseconds late as real ones are. */
export function ratesOf(from: string, to: string, hours = 8): Rate[] {
  const rates: Rate[] = []
  for (let ms = Date.parse(from); ms < Date.parse(to); ms += hours * HOUR_MS)
    rates.push({ ms: ms + ((ms / HOUR_MS) % 7), hours, rate: (((ms / HOUR_MS) % 91) / 1e6 - 0.00003).toFixed(8) })
  return rates
}

/** Those but for the ones of some hours, ISO times. */
export function without(rates: readonly Rate[], ...hours: readonly string[]): Rate[] {
  const gone = new Set(hours.map((hour) => Date.parse(hour)))
  return rates.filter(({ ms }) => !gone.has(Math.round(ms / HOUR_MS) * HOUR_MS))
}

/** A stand-in for GET /fapi/v1/fundingRate and /dapi/…, by Binance's documents: from startTime on to endTime, both included, at most `limit` rows. */
export interface RatesServer extends AsyncDisposable {
  readonly url: string
  /** paths with queries, in order */
  readonly asked: URL[]
  /** what REST has, by symbol; of others it knows nothing */
  readonly rates: Map<string, readonly Rate[]>
  /** symbols that `exchangeInfo` calls trading */
  trading: readonly string[]
  /** 200: it answers */
  status: number
  /** most rows of a page, whatever the limit says */
  mostRows: number
}

async function startRates(nowMs: number): Promise<RatesServer> {
  const state = { asked: [] as URL[], rates: new Map<string, readonly Rate[]>(), trading: ['BTCUSDT'], status: 200, mostRows: 1000 }
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '', 'http://rest')
    state.asked.push(url)
    if (state.status !== 200) return void response.writeHead(state.status).end('no')
    const { pathname, searchParams } = url
    if (/^\/[fd]api\/v1\/exchangeInfo$/.test(pathname)) {
      const symbols = state.trading.map((symbol) => ({ symbol, status: 'TRADING', contractStatus: 'TRADING', contractType: 'PERPETUAL' }))
      return void response.end(JSON.stringify({ serverTime: Math.max(nowMs, Date.now()), symbols }))
    }
    const known = /^\/[fd]api\/v1\/fundingRate$/.test(pathname) ? state.rates.get(searchParams.get('symbol') ?? '') : undefined
    if (known === undefined) return void response.writeHead(400).end('{"code":-1121,"msg":"Invalid symbol."}')
    const [from = 0, to = 0, limit = 0] = ['startTime', 'endTime', 'limit'].map((name) => Number(searchParams.get(name)))
    const rows = known.filter(({ ms }) => ms >= from && ms <= to && ms <= nowMs).slice(0, Math.min(limit, state.mostRows))
    const symbol = searchParams.get('symbol')
    response.end(JSON.stringify(rows.map(({ ms, rate }) => ({ symbol, fundingTime: ms, fundingRate: rate, markPrice: '1' }))))
  }
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void (server.close(() => resolve()), server.closeAllConnections())),
  })
}

/** What a command told. */
export interface Told {
  readonly exit: number | null
  readonly told: IngestResult & Record<string, unknown>
}

/** A bucket of monthly archives of funding rates, REST beside it, and a lake. */
export interface FundingWorld extends AsyncDisposable {
  readonly lake: string
  readonly rest: RatesServer
  readonly sources: SandboxUrls
  /** the world's clock and URLs */
  readonly env: Readonly<Record<string, string>>
  /** writes the archive of a month: `2024-01` */
  publish(symbol: string, month: string, rates: readonly Rate[]): Promise<void>
  /** makes the listing show what was published since */
  relist(): Promise<void>
  /** requests to the bucket so far, and to REST */
  requests(): number
  run(...args: readonly string[]): Promise<Told>
  /** `ingest --data fundingRate` of BTCUSDT in um */
  ingest(...more: readonly string[]): Promise<Told>
  /** the same of another contract */
  ingestOf(market: string, symbol: string): Promise<Told>
}

export async function createFundingWorld(now: string): Promise<FundingWorld> {
  const temp = await createTempDirectory()
  const archive = join(temp.path, 'vision')
  await mkdir(join(archive, 'data'), { recursive: true })
  const rest = await startRates(Date.parse(now))
  let exchange = await startExchange(now, { archive })
  const urls = () => ({ ...exchange.sandbox.urls, umRest: rest.url, cmRest: rest.url })
  const env = () => ({ ...exchange.env, CKVD_UM_REST_URL: rest.url, CKVD_CM_REST_URL: rest.url })
  const runOn = async (stdin: string, args: readonly string[]): Promise<Told> => {
    const { exit, stdout, stderr } = await runHere([...args, '--lake', temp.lake, '--json'], { env: env(), stdin })
    if (stdout === '') throw new Error(stderr)
    return { exit, told: JSON.parse(stdout) as Told['told'] }
  }
  return {
    lake: temp.lake,
    rest,
    get sources() {
      return urls()
    },
    get env() {
      return env()
    },
    publish: async (symbol, month, rates) => {
      const market = symbol.includes('USD_') ? 'cm' : 'um'
      const stem = `${symbol}-fundingRate-${month}`
      const path = join(archive, 'data', 'futures', market, 'monthly', 'fundingRate', symbol, `${stem}.zip`)
      const lines = rates.map(({ ms, hours, rate }) => `${ms},${hours},${rate}`)
      const { zip, checksum } = buildArchive(stem, ['calc_time,funding_interval_hours,last_funding_rate', ...lines, ''].join('\n'))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, zip)
      await writeFile(`${path}.CHECKSUM`, checksum)
    },
    relist: async () => {
      await exchange[Symbol.asyncDispose]()
      exchange = await startExchange(now, { archive })
    },
    requests: () => exchange.sandbox.requests.length + rest.asked.length,
    run: (...args) => runOn('', args),
    ingest: (...more) => runOn('BTCUSDT\n', ['ingest', '--universe', '-', '--market', 'um', '--data', 'fundingRate', ...more]),
    ingestOf: (market, symbol) => runOn(`${symbol}\n`, ['ingest', '--universe', '-', '--market', market, '--data', 'fundingRate']),
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await rest[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}
