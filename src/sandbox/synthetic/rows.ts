import type { Interval } from '../../model/interval.ts'
import type { Bars } from './bars.ts'
import { CLOSE, COUNT, HIGH, LOW, OPEN, OPEN_MS, QUOTE, STRIDE, TAKER, TAKER_QUOTE, VOLUME } from './bars.ts'
import type { TimeUnit } from './digit-writer.ts'
import { DigitWriter } from './digit-writer.ts'
import { nextSlotMs } from '../grid.ts'
import type { Profile } from './profile.ts'
import { numberAt } from '../../model/number-at.ts'

/** More bytes than any row takes: 12 cells of at most 17 digits, their separators and quotes. */
const MAX_ROW_BYTES = 288

const COMMA = 44
const ZERO = 48
const LINE_FEED = 10

export const CSV_HEADER =
  'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n'

/** The CSV lines of bars, as an archive holds them (without header). */
export function encodeCsvRows(bars: Bars, profile: Profile, interval: Interval, unit: TimeUnit): Buffer {
  const writer = new DigitWriter(bars.length * MAX_ROW_BYTES)
  const { priceDecimals, volumeDecimals, quoteDecimals, printed, bareZero } = profile
  const data = bars.data
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    writer.time(openMs, unit, 0)
    writer.byte(COMMA)
    for (const column of [OPEN, HIGH, LOW, CLOSE]) {
      writer.decimal(numberAt(data, at + column), priceDecimals, printed.price, false)
      writer.byte(COMMA)
    }
    writer.decimal(numberAt(data, at + VOLUME), volumeDecimals, printed.volume, bareZero)
    writer.byte(COMMA)
    writer.time(closeMsOf(openMs, interval), unit, 999)
    writer.byte(COMMA)
    writer.parts(numberAt(data, at + QUOTE), numberAt(data, at + QUOTE + 1), quoteDecimals, printed.quote, bareZero)
    writer.byte(COMMA)
    writer.integer(numberAt(data, at + COUNT))
    writer.byte(COMMA)
    writer.decimal(numberAt(data, at + TAKER), volumeDecimals, printed.volume, bareZero)
    writer.byte(COMMA)
    writer.parts(numberAt(data, at + TAKER_QUOTE), numberAt(data, at + TAKER_QUOTE + 1), quoteDecimals, printed.quote, bareZero)
    writer.byte(COMMA)
    writer.byte(ZERO)
    writer.byte(LINE_FEED)
  }
  return writer.bytes()
}

/** The body of a REST answer: an array of rows, numbers as strings, times in milliseconds. */
export function encodeRestBody(bars: Bars, profile: Profile, interval: Interval): Buffer {
  const writer = new DigitWriter(bars.length * MAX_ROW_BYTES + 2)
  const { priceDecimals, volumeDecimals, quoteDecimals, printed } = profile
  const data = bars.data
  writer.text('[')
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    writer.text(at === 0 ? '[' : ',[')
    writer.integer(openMs)
    for (const column of [OPEN, HIGH, LOW, CLOSE]) {
      writer.text(column === OPEN ? ',"' : '","')
      writer.decimal(numberAt(data, at + column), priceDecimals, printed.price, false)
    }
    writer.text('","')
    writer.decimal(numberAt(data, at + VOLUME), volumeDecimals, printed.volume, false)
    writer.text('",')
    writer.integer(closeMsOf(openMs, interval))
    writer.text(',"')
    writer.parts(numberAt(data, at + QUOTE), numberAt(data, at + QUOTE + 1), quoteDecimals, printed.quote, false)
    writer.text('",')
    writer.integer(numberAt(data, at + COUNT))
    writer.text(',"')
    writer.decimal(numberAt(data, at + TAKER), volumeDecimals, printed.volume, false)
    writer.text('","')
    writer.parts(numberAt(data, at + TAKER_QUOTE), numberAt(data, at + TAKER_QUOTE + 1), quoteDecimals, printed.quote, false)
    writer.text('","0"]')
  }
  writer.text(']')
  return writer.bytes()
}

/** The last millisecond of a bar. */
function closeMsOf(openMs: number, interval: Interval): number {
  return nextSlotMs(openMs, interval) - 1
}
