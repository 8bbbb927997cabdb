import { DigitWriter } from '../synthetic/digit-writer.ts'
import type { TimeUnit } from '../synthetic/digit-writer.ts'
import type { Profile } from '../synthetic/profile.ts'
import type { Tick } from './synthetic-ticks.ts'
import type { TickDataset } from './ticks.ts'

/*
 * Rows of trades and aggregates as archives and REST write them. Archives of spot say `True` and have one more flag; those of COIN-M give
 * the contracts of an aggregate with a decimal (`542.0`).
 */

/** More bytes than any line takes: seven cells of at most 17 digits, two words, their separators. */
export const MAX_LINE_BYTES = 144

/** Writes the line of a row, as an archive holds it. */
export function writeTickLine(writer: DigitWriter, dataset: TickDataset, profile: Profile, tick: Tick, unit: TimeUnit): void {
  const { market, priceDecimals, volumeDecimals, printed } = profile
  writer.integer(tick.id)
  writer.text(',')
  writer.decimal(tick.price, priceDecimals, printed.price, false)
  writer.text(',')
  writer.decimal(tick.units, volumeDecimals, printed.volume, false)
  if (dataset === 'aggTrades') {
    writer.text(market === 'cm' ? '.0,' : ',')
    writer.integer(tick.firstTradeId)
    writer.text(',')
    writer.integer(tick.lastTradeId)
  } else {
    writer.text(',')
    writeWorth(writer, profile, tick)
  }
  writer.text(',')
  const ms = Math.floor(tick.timeUs / 1000)
  writer.time(ms, unit, tick.timeUs - ms * 1000)
  if (market === 'spot') writer.text(tick.isTakerBuyer ? ',False,True\n' : ',True,True\n')
  else writer.text(tick.isTakerBuyer ? ',false\n' : ',true\n')
}

/** What a trade is worth: in the quote asset exactly, of COIN-M in coins, rounded. */
function writeWorth(writer: DigitWriter, profile: Profile, { price, units }: Tick): void {
  const { market, priceDecimals, contractUsd, quoteBase, quoteDecimals, printed } = profile
  const worth = market === 'cm' ? Math.round((units * contractUsd * 10 ** priceDecimals * quoteBase) / price) : units * price
  writer.decimal(worth, quoteDecimals, printed.quote, false)
}

/** An object of a REST answer; times are milliseconds there, or microseconds where those were asked for. */
export function encodeTick(dataset: TickDataset, profile: Profile, tick: Tick, isFine: boolean): string {
  const { market, priceDecimals, volumeDecimals, printed } = profile
  const text = (write: (writer: DigitWriter) => void): string => {
    const writer = new DigitWriter(MAX_LINE_BYTES)
    write(writer)
    return writer.bytes().toString('latin1')
  }
  const price = text((writer) => writer.decimal(tick.price, priceDecimals, printed.price, false))
  const quantity = text((writer) => writer.decimal(tick.units, volumeDecimals, printed.volume, false))
  const [time, isBuyerMaker] = [isFine ? tick.timeUs : Math.floor(tick.timeUs / 1000), !tick.isTakerBuyer]
  if (dataset === 'aggTrades') {
    const { id, firstTradeId, lastTradeId } = tick
    const cells = { a: id, p: price, q: quantity, f: firstTradeId, l: lastTradeId, T: time, m: isBuyerMaker }
    return JSON.stringify(market === 'spot' ? { ...cells, M: true } : cells)
  }
  const quoteQty = text((writer) => writeWorth(writer, profile, tick))
  return JSON.stringify({ id: tick.id, price, qty: quantity, quoteQty, time, isBuyerMaker, isBestMatch: true })
}
