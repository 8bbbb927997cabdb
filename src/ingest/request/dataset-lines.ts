import type { Dataset } from '../../dataset/dataset.ts'
import { isByPair, ownSymbol, pairOf } from '../../dataset/names.ts'
import { datasetNames, datasetOf, datasetsOf, named } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import type { Market } from '../../model/market.ts'
import { hasRest } from '../../model/market.ts'
import { parseDatasets } from '../../question/dataset-names.ts'
import { checkPair } from '../../question/symbol-format.ts'
import type { UniverseLine } from '../universe.ts'
import type { IngestRequest } from './request-options.ts'
import { wrongOption } from './wrong-option.ts'

const KLINES_ALONE: readonly Dataset[] = [datasetOf({})]

/** The data sets that a request names; undefined: none. Throws `CKVD_USAGE`. */
export function parseData(data: IngestRequest['data'], option: string): readonly Dataset[] | undefined {
  if (data === undefined) return undefined
  if (data !== 'all' && !Array.isArray(data)) throw wrongOption('data', 'a list of data sets, or "all"', data)
  return parseDatasets(data === 'all' ? [data] : data, option)
}

/**
 * The lines of each data set: those that a line of a universe names, else those that the request does, else klines. Of a data set without
 * intervals a line has one series, and a market that has not the data set has no line of it.
 * @throws CkvdError `CKVD_USAGE` where nothing is left
 */
export function linesOfDatasets(lines: readonly UniverseLine[], asked: readonly Dataset[] | undefined): UniverseLine[] {
  const bare = lines.find(({ market, datasets }) => !hasRest(market) && datasets === undefined)
  if (bare !== undefined && asked === undefined) throw noneOf(bare.market, KLINES_ALONE)
  const all = datasetNames().map((dataset) => datasetOf({ dataset }))
  const wanted = lines.every(({ datasets }) => datasets === undefined) ? (asked ?? KLINES_ALONE) : (asked ?? all)
  const chosen = wanted.flatMap((dataset) =>
    withoutTwins(lines.filter((line) => isTaken(line, dataset, asked)).map((line) => lineOf(line, dataset, asked))),
  )
  if (chosen.length > 0) return chosen
  if (bare !== undefined && !wanted.some(({ markets }) => markets.includes(bare.market))) throw noneOf(bare.market, wanted)
  const named = lines.flatMap(({ datasets = [] }) => datasets)
  if (named.length > 0)
    throw new CkvdError(
      'CKVD_USAGE',
      `The universe has no line of ${wanted.map(({ name }) => name).join(', ')}. Leave out --data, or name others.`,
    )
  throw wrongOption(
    'data',
    `data sets of a market of the universe (${wanted.map(({ name, markets }) => `${name}: ${markets.join(', ')}`).join('; ')})`,
    wanted.map(({ name }) => name),
  )
}

/** The error of data sets that a market without bars has not: nobody is left to wonder what it has. */
function noneOf(market: Market, asked: readonly Dataset[]): CkvdError {
  const [names, found] = [datasetsOf(market), asked.map(({ name }) => name)]
  const message = `Expected data sets of ${market}, which has ${names.join(' and ')}, got ${found.join(', ')}. Name them, for example \`--data ${names.join(',')}\`.`
  return new CkvdError('CKVD_USAGE', message, { details: { option: 'data', market, found, suggestions: names } })
}

function isTaken(
  { market, symbol, datasets }: UniverseLine,
  { name, markets }: Dataset,
  asked: readonly Dataset[] = KLINES_ALONE,
): boolean {
  return (
    markets.includes(market) &&
    ownSymbol({ dataset: name, market, symbol }) === symbol &&
    (datasets?.includes(name) ?? asked.some((one) => one.name === name))
  )
}

function lineOf({ datasets: told, ...line }: UniverseLine, dataset: Dataset, asked: readonly Dataset[] | undefined): UniverseLine {
  const intervals = dataset.hasInterval ? line.intervals : [dataset.grid]
  const own = { ...line, ...named(dataset), intervals }
  if (!isByPair(own)) return own
  // a symbol of several data sets is a contract; of one that is told by pairs alone it has to be one
  const isOfOne = (told ?? asked ?? KLINES_ALONE).length === 1
  return { ...own, symbol: isOfOne ? checkPair(line.symbol, own) : pairOf(line.symbol) }
}

/** Several contracts have one pair. */
function withoutTwins(lines: readonly UniverseLine[]): UniverseLine[] {
  const byName = new Map(lines.map((line) => [`${line.market} ${line.symbol}`, line]))
  return lines.length === byName.size ? [...lines] : [...byName.values()]
}
