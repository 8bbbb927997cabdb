import { fetchWire, unzip } from './client.ts'

/** A row of trades or aggregates as exact integers: decimals are scaled by 10^8, times are microseconds. */
export interface TickRow {
  id: bigint
  price: bigint
  /** one unit of the price's last decimal */
  tick: bigint
  quantity: bigint
  /** of a trade its own id */
  first: bigint
  last: bigint
  /** of a trade: the column behind the quantity */
  worth: bigint
  timeUs: bigint
  isBuyerMaker: boolean
}

export type Market = 'spot' | 'um' | 'cm'
export type Dataset = 'aggTrades' | 'trades'

const FOLDERS: Record<Market, string> = { spot: 'spot', um: 'futures/um', cm: 'futures/cm' }

export function tickKey(market: Market, dataset: Dataset, symbol: string, period: string): string {
  return `data/${FOLDERS[market]}/${period.length === 7 ? 'monthly' : 'daily'}/${dataset}/${symbol}/${symbol}-${dataset}-${period}.zip`
}

export function klinesKey(market: Market, symbol: string, day: string): string {
  return `data/${FOLDERS[market]}/daily/klines/${symbol}/1m/${symbol}-1m-${day}.zip`
}

/** The text of an archive; undefined where there is none. */
export async function fetchText(visionUrl: string, key: string): Promise<string | undefined> {
  const answer = await fetchWire(`${visionUrl}/${encodeURI(key)}`)
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw new Error(`${key}: ${answer.status}`)
  return (await unzip(answer.body)).text
}

export function scaled(text: string): bigint {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d{1,8}))?$/.exec(text) ?? []
  if (whole === undefined) throw new Error(`not a plain decimal: ${text}`)
  return BigInt(whole) * 100_000_000n + BigInt(fraction.padEnd(8, '0'))
}

/** The rows of an archive's text, with or without header. */
export function parseTicks(text: string, dataset: Dataset): TickRow[] {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('no final line feed')
  if (/^[a-z]/.test(lines[0] ?? '')) lines.shift()
  return lines.map((line) => {
    const cells = line.split(',')
    const [id = '', price = '', quantity = ''] = cells
    const [time = '', flag = ''] = cells.slice(dataset === 'trades' ? 4 : 5)
    return {
      id: BigInt(id),
      price: scaled(price),
      tick: 10n ** BigInt(8 - (price.split('.')[1]?.length ?? 0)),
      quantity: scaled(quantity),
      first: BigInt(dataset === 'trades' ? id : cells[3]!),
      last: BigInt(dataset === 'trades' ? id : cells[4]!),
      worth: dataset === 'trades' ? scaled(cells[3]!) : 0n,
      timeUs: BigInt(time) * (time.length >= 16 ? 1n : 1000n),
      isBuyerMaker: flag.toLowerCase() === 'true',
    }
  })
}

export async function fetchTicks(visionUrl: string, market: Market, dataset: Dataset, symbol: string, period: string): Promise<TickRow[]> {
  const text = await fetchText(visionUrl, tickKey(market, dataset, symbol, period))
  if (text === undefined) throw new Error(`no ${dataset} of ${market} ${symbol} ${period}`)
  return parseTicks(text, dataset)
}
