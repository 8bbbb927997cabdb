import type { Bars } from './bars.ts'
import { barsOf, CLOSE, COUNT, HIGH, LOW, OPEN, OPEN_MS, QUOTE, STRIDE, TAKER, TAKER_QUOTE, VOLUME } from './bars.ts'
import { MS_PER_DAY } from '../grid.ts'
import type { Profile } from './profile.ts'
import { hashWith, noiseAt, Random } from './random.ts'
import { numberAt } from '../../model/number-at.ts'

const MS_PER_MINUTE = 60_000
const MINUTES = 1440

/**
 * The 1,440 one-minute bars of a day; `day` counts days since 1970-01-01. A pure function: the same profile, day and
 * revision give the same bars at any time and in any order. The path runs from this midnight's anchor price to the
 * next one's (a bridge), so that neighbouring days join although each is made alone. In `revision` 2 some volumes differ.
 */
export function createMinuteBars(profile: Profile, day: number, revision: 1 | 2 = 1): Bars {
  const data = new Float64Array(MINUTES * STRIDE)
  const path = createPath(profile, day)
  const flow = new Random(hashWith(profile.flowSeed, day))
  const scale = 10 ** (profile.volumeDecimals + profile.priceDecimals)
  const quiet = profile.turnover < 40_000 ? 0.004 : 0.0003
  let previousClose = numberAt(path, 0)
  for (let minute = 0; minute < MINUTES; minute++) {
    const at = minute * STRIDE
    const burst = flow.next()
    const shape = flow.next()
    // the last minute of a day always trades: its close is where the next day opens
    const silent = flow.next() < quiet && minute !== MINUTES - 1
    const open = previousClose
    const close = silent ? open : numberAt(path, minute + 1)
    const reach = silent ? 0 : 1 + close * 0.0004
    const high = Math.max(open, close) + Math.floor(reach * flow.next())
    const low = Math.max(1, Math.min(open, close) - Math.floor(reach * flow.next()))
    const turnover = profile.turnover * (0.15 + 0.5 * shape + 4 * burst * burst * burst)
    let volume = 0
    if (!silent) volume = 1 + Math.floor(profile.market === 'cm' ? turnover / profile.contractUsd : (turnover * scale) / close)
    if (revision === 2 && volume > 0 && minute % 240 === 7) volume += 3
    const takerShare = flow.next()
    const taker = takerShare < 0.003 ? 0 : Math.floor(volume * (0.2 + 0.6 * takerShare))
    const weight = 0.42 + 0.16 * flow.next()
    data[at + OPEN_MS] = day * MS_PER_DAY + minute * MS_PER_MINUTE
    data[at + OPEN] = open
    data[at + HIGH] = high
    data[at + LOW] = low
    data[at + CLOSE] = close
    data[at + VOLUME] = volume
    data[at + TAKER] = taker
    putQuote(data, at + QUOTE, quoteOf(profile, volume, low, high, weight), profile.quoteBase)
    putQuote(data, at + TAKER_QUOTE, quoteOf(profile, taker, low, high, weight), profile.quoteBase)
    data[at + COUNT] = volume === 0 ? 0 : 1 + Math.min(volume - 1, Math.floor((turnover / 900) * (0.6 + 0.8 * shape)))
    previousClose = close
  }
  return barsOf(data)
}

/**
 * Quote volume (base volume for cm) in units of its last decimal: volume times a price between low and high. Never
 * more for a part of the volume than for the whole, since every step is monotonic in it.
 */
function quoteOf(profile: Profile, volume: number, low: number, high: number, weight: number): number {
  if (profile.market !== 'cm') return volume * low + Math.floor(volume * (high - low) * weight)
  const average = low + (high - low) * weight
  return Math.floor((volume * profile.contractUsd * 10 ** profile.priceDecimals * profile.quoteBase) / average)
}

function putQuote(data: Float64Array, at: number, quote: number, base: number): void {
  let whole = Math.floor(quote / base)
  // the division may round up to the next whole number
  if (whole * base > quote) whole--
  data[at] = whole
  data[at + 1] = quote - whole * base
}

/** Prices in ticks at the 1,441 minute marks of a day. */
function createPath(profile: Profile, day: number): Float64Array {
  const from = anchorOf(profile, day)
  const to = anchorOf(profile, day + 1)
  const walk = new Float64Array(MINUTES + 1)
  const steps = new Random(hashWith(profile.pathSeed, day))
  let sum = 0
  for (let minute = 1; minute <= MINUTES; minute++) {
    sum += steps.next() + steps.next() - 1
    walk[minute] = sum
  }
  for (let minute = 0; minute <= MINUTES; minute++) {
    const t = minute / MINUTES
    const price = (from + (to - from) * t) * (1 + 0.0008 * (numberAt(walk, minute) - sum * t))
    walk[minute] = Math.max(1, Math.round(price))
  }
  return walk
}

/** Price at a midnight in ticks (not rounded): level × (1 + x) / (1 − x), a smooth way between a quarter and four times. */
function anchorOf(profile: Profile, day: number): number {
  const x = 0.6 * noiseAt(profile.pathSeed, day)
  return ((profile.basePrice * (1 + x)) / (1 - x)) * 10 ** profile.priceDecimals
}

/**
 * The one-second bars of one-minute bars, 60 each, which sum up to them exactly: first open, last close, highest high,
 * lowest low, volumes, quotes and trades. Seconds without a trade are flat with zero volume, as the exchange has them.
 */
export function createSecondBars(profile: Profile, minutes: Bars): Bars {
  const data = new Float64Array(minutes.length * 60 * STRIDE)
  for (let i = 0; i < minutes.length; i++) splitMinute(profile, minutes.data.subarray(i * STRIDE, (i + 1) * STRIDE), data, i * 60 * STRIDE)
  return barsOf(data)
}

function splitMinute(profile: Profile, minute: Float64Array, data: Float64Array, start: number): void {
  const openMs = numberAt(minute, OPEN_MS)
  const high = numberAt(minute, HIGH)
  const low = numberAt(minute, LOW)
  const trades = numberAt(minute, COUNT)
  const random = new Random(hashWith(profile.flowSeed ^ 0x5ec0, openMs / 1000))
  splitTrades(data, start, trades, random)

  const trading: number[] = []
  for (let second = 0; second < 60; second++) if (numberAt(data, start + second * STRIDE + COUNT) > 0) trading.push(second)
  const last = trading.at(-1)
  const top = trading[Math.floor(random.next() * trading.length)]
  const bottom = trading[Math.floor(random.next() * trading.length)]
  let close = numberAt(minute, OPEN)
  for (let second = 0; second < 60; second++) {
    const at = start + second * STRIDE
    const open = close
    if (second === last) close = numberAt(minute, CLOSE)
    else if (numberAt(data, at + COUNT) > 0) close = low + Math.floor(random.next() * (high - low + 1))
    data[at + OPEN_MS] = openMs + second * 1000
    data[at + OPEN] = open
    data[at + CLOSE] = close
    data[at + HIGH] = second === top ? high : Math.max(open, close)
    data[at + LOW] = second === bottom ? low : Math.min(open, close)
  }
  splitInProportion(numberAt(minute, VOLUME), COUNT, trades, VOLUME, data, start)
  splitInProportion(numberAt(minute, TAKER), VOLUME, numberAt(minute, VOLUME), TAKER, data, start)
  const quotes = splitQuote(minute, QUOTE, VOLUME, profile.quoteBase, data, start)
  const takerQuotes = splitQuote(minute, TAKER_QUOTE, TAKER, profile.quoteBase, data, start)
  for (let second = 0; second < 60; second++) {
    const at = start + second * STRIDE
    putQuote(data, at + QUOTE, numberAt(quotes, second), profile.quoteBase)
    putQuote(data, at + TAKER_QUOTE, numberAt(takerQuotes, second), profile.quoteBase)
  }
}

/** Trades fall on the seconds at random; many trades are spread by weights instead of one by one. */
function splitTrades(data: Float64Array, start: number, trades: number, random: Random): void {
  const even = trades > 600 ? Math.floor(trades / 120) : 0
  for (let second = 0; second < 60; second++) data[start + second * STRIDE + COUNT] = even
  for (let rest = trades - 60 * even; rest > 0;) {
    const at = start + Math.floor(random.next() * 60) * STRIDE + COUNT
    const lot = Math.min(rest, Math.max(1, Math.floor(trades / 200)))
    data[at] = numberAt(data, at) + lot
    rest -= lot
  }
}

/**
 * `total` shared out over the seconds in proportion to the column `by`, whose sum is `bySum`: running fractions, so
 * that the parts sum to it exactly and no part is larger than `by`'s when `total` is not.
 */
function splitInProportion(total: number, by: number, bySum: number, column: number, data: Float64Array, start: number): void {
  let seen = 0
  let given = 0
  for (let second = 0; second < 60 && bySum > 0; second++) {
    const at = start + second * STRIDE
    seen += numberAt(data, at + by)
    const upTo = seen === bySum ? total : Math.floor(total * (seen / bySum))
    data[at + column] = upTo - given
    given = upTo
  }
}

/**
 * The quote volume of each second, which sum to the minute's. Where the seconds' prices can reach that sum (nearly
 * always), each second's average price lies between its low and its high; else the shares are in proportion to volume.
 */
function splitQuote(minute: Float64Array, quote: number, volume: number, base: number, data: Float64Array, start: number): Float64Array {
  const parts = new Float64Array(60)
  const total = numberAt(minute, quote) * base + numberAt(minute, quote + 1)
  const volumeSum = numberAt(minute, volume)
  let floor = 0
  let span = 0
  for (let second = 0; second < 60; second++) {
    const at = start + second * STRIDE
    floor += numberAt(data, at + volume) * numberAt(data, at + LOW)
    span += numberAt(data, at + volume) * (numberAt(data, at + HIGH) - numberAt(data, at + LOW))
  }
  const share = total >= floor && total <= floor + span && span > 0 ? (total - floor) / span : undefined
  let seen = 0
  let seenFloor = 0
  let seenSpan = 0
  let given = 0
  for (let second = 0; second < 60 && volumeSum > 0; second++) {
    const at = start + second * STRIDE
    const units = numberAt(data, at + volume)
    seen += units
    seenFloor += units * numberAt(data, at + LOW)
    seenSpan += units * (numberAt(data, at + HIGH) - numberAt(data, at + LOW))
    const part = share === undefined ? Math.floor(total * (seen / volumeSum)) : Math.min(total, seenFloor + Math.floor(seenSpan * share))
    const upTo = seen === volumeSum ? total : part
    parts[second] = upTo - given
    given = upTo
  }
  return parts
}
