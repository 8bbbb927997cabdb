import type * as Library from '../../src/index.ts'
import type { Sandbox } from '../../src/sandbox/index.ts'
import './dist.ts'

/** The library as it is installed: decoding threads exist only in the built program. */
export const library = (await import(new URL('../../dist/src/index.js', import.meta.url).href)) as typeof Library

/** A row as the exchange's REST gives it. */
export type ExchangeRow = readonly (string | number)[]

const PATHS = { spot: '/api/v3/klines', um: '/fapi/v1/klines', cm: '/dapi/v1/klines' } as const
const URLS = { spot: 'spotRest', um: 'umRest', cm: 'cmRest' } as const

const PAGE_BARS = 450

function lengthMsOf(interval: string): number {
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_419_200_000 }[interval.slice(-1)] ?? 1000
  // cm refuses more than 200 days
  return Math.min(Number(interval.slice(0, -1)) * unit, (190 * 86_400_000) / PAGE_BARS)
}

/** The exchange's own bars in [startMs, endMs) that have closed, asked for by plain requests, which are not counted. */
export async function fetchTruth(
  sandbox: Sandbox,
  series: { readonly market: 'spot' | 'um' | 'cm'; readonly symbol: string; readonly interval: string },
  range: { readonly startMs: number; readonly endMs: number; readonly nowMs: number },
): Promise<ExchangeRow[]> {
  const counted = sandbox.requests.length
  const rows: ExchangeRow[] = []
  for (let startMs = range.startMs; startMs < range.endMs;) {
    // a span that no page can be too short for: cm gives the rows next to the end
    const endMs = Math.min(range.endMs, startMs + PAGE_BARS * lengthMsOf(series.interval)) - 1
    const query = new URLSearchParams({
      symbol: series.symbol,
      interval: series.interval,
      startTime: String(startMs),
      endTime: String(endMs),
      limit: '1000',
    })
    const answer = await fetch(`${sandbox.urls[URLS[series.market]]}${PATHS[series.market]}?${query.toString()}`)
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
    rows.push(...((await answer.json()) as ExchangeRow[]))
    startMs = endMs + 1
  }
  ;(sandbox.requests as unknown[]).splice(counted)
  return rows.filter((row) => Number(row[6]) < range.nowMs)
}

/** The eleven cells of exchange rows as a table has them, column by column. */
export function columnsOf(rows: readonly ExchangeRow[]): Record<string, (number | bigint)[]> {
  const column = <T>(read: (row: ExchangeRow) => T): T[] => rows.map(read)
  return {
    open_time: column((row) => BigInt(row[0]!) * 1000n),
    open: column((row) => Number(row[1])),
    high: column((row) => Number(row[2])),
    low: column((row) => Number(row[3])),
    close: column((row) => Number(row[4])),
    volume: column((row) => Number(row[5])),
    close_time: column((row) => BigInt(row[6]!) * 1000n),
    quote_asset_volume: column((row) => Number(row[7])),
    count: column((row) => BigInt(row[8]!)),
    taker_buy_volume: column((row) => Number(row[9])),
    taker_buy_quote_volume: column((row) => Number(row[10])),
  }
}

/** The values of a table of one record batch, column by column; close times to the millisecond, as REST tells them. */
export function valuesOf(table: {
  schema: { names: readonly PropertyKey[] }
  getChildAt(index: number): unknown
}): Record<string, unknown[]> {
  return Object.fromEntries(
    table.schema.names.map((name, i) => {
      const vector = table.getChildAt(i) as { data: { values: ArrayLike<unknown> }[]; toArray(): ArrayLike<unknown> }
      const values = Array.from(vector.data[0]?.values ?? [])
      return [String(name), name === 'close_time' ? values.map((value) => ((value as bigint) / 1000n) * 1000n) : values]
    }),
  )
}

export interface TableGap {
  readonly start: number
  readonly end: number
  readonly bars: number
  readonly evidence: string
}

/** The gaps that a table's metadata tells. */
export function gapsOf(table: { schema: { metadata: ReadonlyMap<string, string> } }): TableGap[] {
  return JSON.parse(table.schema.metadata.get('ckvd.gaps') ?? 'null') as TableGap[]
}

/** `_data_source` of each row. */
export function sourcesOf(table: { getChild(name: string): unknown }): (string | null)[] {
  return [...(table.getChild('_data_source') as Iterable<string | null>)]
}
