/**
 * What really happened on a test's exchange: bars by formula, on the exchange's grid. Shares nothing with the code under test.
 */

export type Market = 'spot' | 'um' | 'cm'
export type Interval = '1s' | '1m' | '3m' | '5m' | '15m' | '30m' | '1h' | '2h' | '4h' | '6h' | '8h' | '12h' | '1d' | '3d' | '1w' | '1M'

const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** A time as tests write it: epoch milliseconds, `2024-03-01` or `2024-03-01T10:00`, in UTC. */
export type When = number | string

/** A row as the exchange prints it; times in milliseconds. */
export interface Row {
  readonly openMs: number
  readonly closeMs: number
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
  readonly volume: string
  readonly quote: string
  readonly count: number
  readonly taker: string
  readonly takerQuote: string
}

/** The life of one series. */
export interface Life {
  readonly market: Market
  readonly symbol: string
  readonly interval: Interval
  /** the first bar opens at the first slot from here on */
  readonly from: When
  /** end, excluded: no bar opens from here on; left out: it goes on */
  readonly until?: When
  /** outages: no bar opened in [from, to) */
  readonly holes?: readonly (readonly [When, When])[]
  /** of `3d`: days since 1970-01-01 modulo 3 on which bars open; default 1 */
  readonly phaseDays?: 0 | 1 | 2
}

export function msOf(when: When): number {
  if (typeof when === 'number') return when
  const ms = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(when) ? `${when}T00:00:00Z` : /Z$/.test(when) ? when : `${when}Z`)
  if (Number.isNaN(ms)) throw new Error(`not a time: ${when}`)
  return ms
}

/** `2024-03-01T10:00`, with what is not zero after it. */
export function textOf(ms: number): string {
  return new Date(ms).toISOString().replace(/(:00)?\.000Z$/, '')
}

export function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS }

/** Length of a bar; a month has none. */
function lengthMs(interval: Exclude<Interval, '1M'>): number {
  return Number(interval.slice(0, -1)) * UNITS[interval.slice(-1)]!
}

/** Opening times of the grid in [from, to). */
export function* slots(interval: Interval, from: number, to: number, phaseDays = 1): Generator<number> {
  if (interval === '1M') {
    const date = new Date(from)
    for (let month = 0; ; month++) {
      const ms = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + month, 1)
      if (ms >= to) return
      if (ms >= from) yield ms
    }
  }
  const length = lengthMs(interval)
  const phase = interval === '1w' ? 4 * DAY_MS : interval === '3d' ? phaseDays * DAY_MS : 0
  for (let ms = Math.ceil((from - phase) / length) * length + phase; ms < to; ms += length) yield ms
}

/** When the bar that opens at `openMs` ends (excluded). */
export function endOfBar(openMs: number, interval: Interval): number {
  if (interval !== '1M') return openMs + lengthMs(interval)
  const date = new Date(openMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** All rows of a life that have opened by `nowMs`, ascending; the last one may still be forming. */
export function rowsOf(life: Life, nowMs: number): Row[] {
  const to = Math.min(life.until === undefined ? Infinity : msOf(life.until), nowMs + 1)
  const holes = (life.holes ?? []).map(([start, end]) => [msOf(start), msOf(end)] as const)
  const rows: Row[] = []
  for (const openMs of slots(life.interval, msOf(life.from), to, life.phaseDays)) {
    if (!holes.some(([start, end]) => openMs >= start && openMs < end)) rows.push(rowAt(life, openMs))
  }
  return rows
}

/** The one row that can open at a time: its prices tell symbol, interval and time apart. */
export function rowAt({ market, symbol, interval }: Pick<Life, 'market' | 'symbol' | 'interval'>, openMs: number): Row {
  const seed = [...`${market}${symbol}${interval}`].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) % 9973, 7)
  const turn = Math.floor(openMs / 1000)
  const open = 10_000 + seed + (turn % 7919)
  const close = 10_000 + seed + ((turn * 3) % 7919)
  const volume = 1 + (turn % 997)
  const cents = (units: number): string => (units / 100).toFixed(2)
  return {
    openMs,
    closeMs: endOfBar(openMs, interval) - 1,
    open: cents(open),
    high: cents(Math.max(open, close) + 1 + (turn % 13)),
    low: cents(Math.min(open, close) - 1 - (turn % 11)),
    close: cents(close),
    volume: String(volume),
    quote: cents(volume * Math.min(open, close)),
    count: 1 + (turn % 89),
    taker: String(Math.floor(volume / 2)),
    takerQuote: cents(Math.floor(volume / 2) * Math.min(open, close)),
  }
}

/** A line of an archive, without its line feed. */
export function csvLine(row: Row): string {
  const { openMs, closeMs, open, high, low, close, volume, quote, count, taker, takerQuote } = row
  return [openMs, open, high, low, close, volume, closeMs, quote, count, taker, takerQuote, 0].join(',')
}

/** A row of a klines answer. */
export function restRow(row: Row): (number | string)[] {
  const { openMs, closeMs, open, high, low, close, volume, quote, count, taker, takerQuote } = row
  return [openMs, open, high, low, close, volume, closeMs, quote, count, taker, takerQuote, '0']
}

/** What a lake must hold of a row: times in microseconds, numbers by `Number`, in the order of a shard's columns. */
export function lakeCells(row: Row): (bigint | number)[] {
  const us = (ms: number): bigint => BigInt(ms) * 1000n
  return [
    us(row.openMs),
    ...[row.open, row.high, row.low, row.close, row.volume].map(Number),
    us(row.closeMs),
    Number(row.quote),
    BigInt(row.count),
    Number(row.taker),
    Number(row.takerQuote),
  ]
}
