import { z } from 'zod'
import { CkvdError } from '../errors.ts'
import { parseJson } from '../json-text.ts'
import type { Columns } from '../model/columns.ts'
import type { IdEndpoint } from '../model/market.ts'
import { parseTimeUs } from './csv/csv-row.ts'

const Id = z.int().min(0)
const Amount = z.string().regex(/^\d+(\.\d+)?$/)
/** Milliseconds, or microseconds where they were asked for. */
const Time = z.int().transform((digits, context) => {
  const timeUs = parseTimeUs(String(digits))
  if (timeUs === undefined) context.addIssue({ code: 'custom', message: 'Expected a time of 13 or 16 digits', input: digits })
  return timeUs ?? 0
})

const Aggregates = z.array(z.object({ a: Id, p: Amount, q: Amount, f: Id, l: Id, T: Time, m: z.boolean(), M: z.boolean() }))
const Trades = z.array(
  z.object({ id: Id, price: Amount, qty: Amount, quoteQty: Amount, time: Time, isBuyerMaker: z.boolean(), isBestMatch: z.boolean() }),
)

/**
 * A page of spot's aggregate trades, `[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}]`,
 * or of its trades, `[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,"isBuyerMaker":true,
 * "isBestMatch":true}]`, as columns, in the order in which they came. Source: Binance's API documents, "Compressed/Aggregate Trades List" and
 * "Old Trade Lookup" of spot. Throws CKVD_REST_BODY for anything else.
 */
export function decodeRestTicks(endpoint: IdEndpoint, body: Uint8Array, url: string): Columns {
  const text = new TextDecoder().decode(body)
  const refuse = (cause: Error): never => {
    throw new CkvdError('CKVD_REST_BODY', `Expected ${endpoint} from ${url}, found ${text.slice(0, 80)}.`, { details: { url }, cause })
  }
  const json = parseJson(text)
  if (endpoint === 'aggTrades') {
    const { data, error } = Aggregates.safeParse(json)
    return error === undefined ? aggregatesOf(data) : refuse(error)
  }
  const { data, error } = Trades.safeParse(json)
  return error === undefined ? tradesOf(data) : refuse(error)
}

function aggregatesOf(rows: z.output<typeof Aggregates>): Columns {
  return {
    aggTradeId: BigInt64Array.from(rows, ({ a }) => BigInt(a)),
    price: Float64Array.from(rows, ({ p }) => Number(p)),
    quantity: Float64Array.from(rows, ({ q }) => Number(q)),
    firstTradeId: BigInt64Array.from(rows, ({ f }) => BigInt(f)),
    lastTradeId: BigInt64Array.from(rows, ({ l }) => BigInt(l)),
    openTime: BigInt64Array.from(rows, ({ T }) => BigInt(T)),
    isBuyerMaker: Uint8Array.from(rows, ({ m }) => Number(m)),
    isBestMatch: Uint8Array.from(rows, ({ M }) => Number(M)),
  }
}

function tradesOf(rows: z.output<typeof Trades>): Columns {
  return {
    id: BigInt64Array.from(rows, ({ id }) => BigInt(id)),
    price: Float64Array.from(rows, ({ price }) => Number(price)),
    qty: Float64Array.from(rows, ({ qty }) => Number(qty)),
    value: Float64Array.from(rows, ({ quoteQty }) => Number(quoteQty)),
    openTime: BigInt64Array.from(rows, ({ time }) => BigInt(time)),
    isBuyerMaker: Uint8Array.from(rows, ({ isBuyerMaker }) => Number(isBuyerMaker)),
    isBestMatch: Uint8Array.from(rows, ({ isBestMatch }) => Number(isBestMatch)),
  }
}
