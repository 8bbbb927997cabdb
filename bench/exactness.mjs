/** Ten million random decimals through the decoder: each must be `Number(text)`. Bars of the lengths that archives have, and longer. */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const ROWS = 25_000
const PER_ROW = 4
const START_MS = Date.UTC(2024, 0, 1)

/** @returns how many decimals were checked; throws at the first that is not `Number(text)` */
export async function checkDecimals(dist, count, seed = 1) {
  const { WasmDecoder } = await import(new URL('src/codec/csv-wasm.js', pathToFileURL(`${dist}/`)))
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
  let checked = 0
  while (checked < count) {
    const texts = Array.from({ length: ROWS * PER_ROW }, () => {
      const places = random(4) === 0 ? random(11) : 8
      return places === 0 ? digits(1 + random(16)) : `${digits(1 + random(random(3) === 0 ? 16 : 9))}.${digits(places)}`
    })
    const rows = Array.from({ length: ROWS }, (_, row) => {
      const [a, b, c, d] = texts.slice(row * PER_ROW, row * PER_ROW + PER_ROW)
      return `${START_MS},1,1,1,1,${a},${START_MS},${b},7,${c},${d},0\n`
    })
    const { volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume } = decoder.decodeCsv(Buffer.from(rows.join(''))).columns
    const found = [volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume]
    texts.forEach((text, i) => {
      const value = found[i % PER_ROW][Math.floor(i / PER_ROW)]
      if (!Object.is(value, Number(text))) throw new Error(`Expected ${text} to be ${Number(text)}, the decoder gives ${value}.`)
    })
    checked += texts.length
  }
  return checked
}
