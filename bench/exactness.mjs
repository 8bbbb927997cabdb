/**
 * Ten million random decimals through the decoder: each must be `Number(text)`. Half of them in rows of one form, as archives have
 * them and the scanner takes them sixteen bytes at a time; the other half of any length, longer ones than archives have among them.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const ROWS = 25_000
const DECIMALS = ['open', 'high', 'low', 'close', 'volume', 'quoteVolume', 'takerBuyVolume', 'takerBuyQuoteVolume']
const START_MS = Date.UTC(2024, 0, 1)

/** @returns how many decimals were checked; throws at the first that is not `Number(text)` */
export async function checkDecimals(dist, count, seed = 1) {
  const { WasmDecoder } = await import(new URL('src/codec/csv/csv-wasm.js', pathToFileURL(`${dist}/`)))
  const decoder = new WasmDecoder(readFileSync(new URL('workers/decoder.wasm', pathToFileURL(`${dist}/`))))
  let state = seed
  const random = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0 // Numerical Recipes' generator; its high bits are good enough
    return Math.floor((state / 4_294_967_296) * below)
  }
  const digits = (length) => {
    let text = ''
    while (text.length < length) text += String(random(1_000_000)).padStart(6, '0')
    return text.slice(0, length)
  }
  /** Amounts of any form; the prices are no decimals. */
  const anyRows = () =>
    Array.from({ length: ROWS }, () => {
      const amounts = Array.from({ length: 4 }, () => {
        const places = random(4) === 0 ? random(11) : 8
        return places === 0 ? digits(1 + random(16)) : `${digits(1 + random(random(3) === 0 ? 16 : 9))}.${digits(places)}`
      })
      return ['1', '1', '1', '1', ...amounts]
    })
  /** Decimals whose digits after the point, and of the prices before it, are as many in all rows. */
  const rowsOfOneForm = () => {
    const [price, volume, quote] = Array.from({ length: 3 }, () => (random(2) === 0 ? 8 : 1 + random(8)))
    const whole = 1 + random(7)
    return Array.from({ length: ROWS }, () => {
      const prices = Array.from({ length: 4 }, () => `${digits(whole)}.${digits(price)}`).sort((x, y) => Number(x) - Number(y))
      const amounts = [volume, quote, volume, quote].map((places) => `${digits(1 + random(8))}.${digits(places)}`)
      return [prices[1], prices[3], prices[0], prices[2], ...amounts]
    })
  }
  let checked = 0
  while (checked < count) {
    const texts = random(2) === 0 ? anyRows() : rowsOfOneForm()
    const rows = texts.map(
      ([open, high, low, close, volume, quote, takerVolume, takerQuote]) =>
        `${START_MS},${open},${high},${low},${close},${volume},${START_MS},${quote},7,${takerVolume},${takerQuote},0\n`,
    )
    const { columns } = decoder.decodeCsv(Buffer.from(rows.join('')))
    for (const [i, key] of DECIMALS.entries()) {
      const values = columns[key]
      for (const [row, cells] of texts.entries()) {
        const text = cells[i]
        if (Object.is(values[row], Number(text))) continue
        throw new Error(`Expected ${text} to be ${Number(text)}, the decoder gives ${values[row]}.`)
      }
    }
    checked += ROWS * DECIMALS.length
  }
  return checked
}
