import { intervalPathName } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import type { Packaging, Series } from '../model/series.ts'
import { KLINES } from './sets/klines.ts'
import type { OfDataset } from './registry.ts'
import { datasetOf, datasetsOf, findDataset } from './registry.ts'

/** How files are packed: Vision's archives by days and months, the lake's files also by years. */
type FilePackaging = Packaging | 'yearly'

/** Folder of a market below `data/` in the bucket and in the lake. */
const MARKET_FOLDER: Readonly<Record<Market, string>> = { spot: 'spot', um: 'futures/um', cm: 'futures/cm', option: 'option' }

/** A series, or what a result says of one. */
interface Told extends OfDataset {
  readonly market: string
  readonly symbol: string
  /** null: the data set has none */
  readonly interval: string | null
}

/** `spot BTCUSDT 1m`, `um BTCUSDT markPriceKlines 1m`, `um BTCUSDT fundingRate`: a series in messages. */
export function seriesLabel({ dataset, market, symbol, interval }: Told): string {
  const words = [market, symbol, ...(dataset === undefined || dataset === KLINES.name ? [] : [dataset])]
  return (interval === null || findDataset(dataset)?.hasInterval === false ? words : [...words, interval]).join(' ')
}

/** True where the archive names a series by the pair of its contracts. */
export function isByPair({ dataset, market }: Pick<Series, 'dataset' | 'market'>): boolean {
  return datasetOf({ dataset }).pairs?.includes(market) ?? false
}

/** A symbol in the form in which its data set has them, which of options has each its own: `BTCBVOLUSDT` of `BVOLIndex`, of others `BTCUSDT`. */
export function ownSymbol({ dataset, market, symbol }: Pick<Series, 'dataset' | 'market' | 'symbol'>): string {
  const { symbolPart } = datasetOf({ dataset })
  if (symbolPart !== undefined) return symbol.includes(symbolPart) ? symbol : symbol.replace(/(?=USDT$)|$/, symbolPart)
  const parts = datasetsOf(market).map((name) => datasetOf({ dataset: name }).symbolPart ?? '')
  return parts.reduce((text, part) => text.replace(part, ''), symbol)
}

/** The pair of a contract: `BTCUSD` of `BTCUSD_PERP` and `BTCUSD_240628`. */
export function pairOf(contract: string): string {
  return contract.replace(/_(?:PERP|\d{6})$/, '')
}

/** Prefix below which Vision keeps all of a symbol, and the lake its shards; with a final `/`. */
export function symbolFolder({ dataset, market, symbol }: Pick<Series, 'dataset' | 'market' | 'symbol'>, packaging: FilePackaging): string {
  return `data/${MARKET_FOLDER[market]}/${packaging}/${datasetOf({ dataset }).folder}/${symbol}/`
}

/** Prefix below which Vision keeps the archives of a series and the lake its shards; `/` separated, with a final `/`. */
export function seriesFolder(series: Series, packaging: FilePackaging): string {
  const folder = symbolFolder(series, packaging)
  return datasetOf(series).hasInterval ? `${folder}${intervalPathName(series.interval)}/` : folder
}

/**
 * File name, without its ending, of an archive or shard: `BTCUSDT-1m-2024-01-01`, `BTCUSDT-fundingRate-2026-04`. `period` is a day or a
 * month.
 */
export function periodStem(series: Series, period: string): string {
  const { hasInterval, name } = datasetOf(series)
  return `${series.symbol}-${hasInterval ? intervalPathName(series.interval) : name}-${period}`
}

/** How the keys of Vision's archives of a series begin, up to the period. */
export function archiveStem(series: Series, packaging: Packaging): string {
  return seriesFolder(series, packaging) + periodStem(series, '')
}

/** The date that a futures contract is named after, `BTCUSD_210625`. */
const DATED = /_(\d{2})(\d{2})(\d{2})$/

/** When a dated contract is delivered, at 08:00 UTC of that date, us; null for all others. */
export function deliveryUs({ market, symbol }: Pick<Series, 'market' | 'symbol'>): number | null {
  if (market === 'spot') return null
  const [, year, month, day] = DATED.exec(symbol) ?? []
  return year === undefined ? null : Date.UTC(2000 + Number(year), Number(month) - 1, Number(day), 8) * 1000
}
