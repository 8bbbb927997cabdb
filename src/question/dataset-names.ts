import type { Dataset } from '../dataset/dataset.ts'
import { datasetNames, datasetOf, datasetsOf } from '../dataset/registry.ts'
import { CkvdError } from '../errors.ts'
import type { Market } from '../model/market.ts'
import { hasRest } from '../model/market.ts'
import { findNearMisses } from './near-miss.ts'

/** The word that stands for each data set there is. */
const ALL_DATASETS = 'all'

/**
 * The data sets that a list names, `['klines', 'fundingRate']` or `['all']`, each once and in the list's order.
 * @param option how messages call the list: `--data`, `data`
 * @throws CkvdError `CKVD_USAGE` for another name, with those that were probably meant as `details.suggestions`
 */
export function parseDatasets(names: readonly string[], option: string): Dataset[] {
  if (names.length === 1 && names[0] === ALL_DATASETS) return datasetNames().map((dataset) => datasetOf({ dataset }))
  if (names.length === 0) throw unknownDataset('', option, `data sets among ${known()}, or ${ALL_DATASETS}`)
  return [...new Set(names)].map(
    (name) => find(name) ?? fail(unknownDataset(name, option, `data sets among ${known()}, or ${ALL_DATASETS}`)),
  )
}

/** The one data set that a name means. Throws as `parseDatasets`. */
export function parseDataset(name: string, option: string): Dataset {
  return find(name) ?? fail(unknownDataset(name, option, `one of ${known()}`))
}

/** Names of data sets that were probably meant by another one: other capitals or separators, letters mistyped, the beginning alone. */
export function nearDatasets(name: string): string[] {
  const byPlain = new Map(datasetNames().map((known) => [known.toLowerCase(), known]))
  const plain = name.toLowerCase().replace(/[^a-z]/g, '')
  const near = findNearMisses(plain, [...byPlain.keys()])
  const begun = plain.length < 4 ? [] : [...byPlain.keys()].filter((known) => known.startsWith(plain))
  return (near.length > 0 ? near : begun).flatMap((found) => byPlain.get(found) ?? [])
}

/** True where one of the data sets has intervals; of names that are checked. */
export function haveIntervals(datasets: readonly string[] | 'all'): boolean {
  return datasets === 'all' || datasets.some((dataset) => datasetOf({ dataset }).hasInterval)
}

/**
 * Throws CKVD_USAGE for intervals that could choose nothing: all data sets that are named have none. `all` asks for nothing.
 * @param datasets names that are checked; undefined: none is named
 */
export function checkIntervals(
  intervals: readonly string[] | 'all' | undefined,
  datasets: readonly string[] | 'all' | undefined,
  option: string,
): void {
  if (intervals === undefined || intervals === 'all' || datasets === undefined || datasets === 'all' || haveIntervals(datasets)) return
  const have = datasets.length === 1 ? 'has' : 'have'
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected \`${option}\` with a data set that has intervals, got ${intervals.join(', ')} with ${datasets.join(', ')}, which ${have} none. Leave one out.`,
    { details: { option, datasets } },
  )
}

/** Throws `CKVD_USAGE` where a market has not the data set. */
export function checkMarket({ name, markets }: Dataset, market: Market): void {
  if (markets.includes(market)) return
  throw new CkvdError('CKVD_USAGE', `Expected a market that has ${name} (${markets.join(', ')}), got ${market}${whatHas(market)}.`, {
    details: { option: 'dataset', market, markets },
  })
}

/** What a market without bars has instead, as the end of a sentence about it; nothing for others. */
function whatHas(market: Market): string {
  return hasRest(market) ? '' : `, which has ${datasetsOf(market).join(' and ')}`
}

function find(name: string): Dataset | undefined {
  return datasetNames().includes(name) ? datasetOf({ dataset: name }) : undefined
}

function known(): string {
  return datasetNames().join(', ')
}

function unknownDataset(name: string, option: string, expected: string): CkvdError {
  const suggestions = nearDatasets(name)
  const meant = suggestions.length === 0 ? '' : ` Did you mean ${suggestions.join(' or ')}?`
  return new CkvdError('CKVD_USAGE', `Expected \`${option}\` to be ${expected}, got ${JSON.stringify(name)}.${meant}`, {
    details: { option, expected, found: name, suggestions },
  })
}

function fail(error: CkvdError): never {
  throw error
}
