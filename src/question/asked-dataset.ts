import type { Dataset } from '../dataset/dataset.ts'
import { FUNDING_RATE } from '../dataset/sets/funding.ts'
import { KLINES } from '../dataset/sets/klines.ts'
import { parseDataset } from './dataset-names.ts'
import { ChartType } from './names.ts'
import type { GetDataOptions } from './query.ts'
import { contradiction, parseWord } from './query.ts'

/** The data set that is asked for. Throws `CKVD_USAGE`. */
export function parseAskedDataset(options: GetDataOptions): Dataset {
  const chartType = parseWord('chartType', options.chartType, ChartType, ChartType.KLINES)
  const ofChart = chartType === ChartType.FUNDING_RATE ? FUNDING_RATE : KLINES
  if (options.dataset === undefined) return ofChart
  const dataset = parseDataset(options.dataset, 'dataset')
  if (options.chartType !== undefined && chartTypeOf(dataset) !== chartType)
    throw contradiction(`chartType ${chartType}`, `dataset ${options.dataset}`, 'they name different data')
  return dataset
}

/** What a data set is drawn as; undefined: nothing. */
function chartTypeOf({ name, rules }: Dataset): ChartType | undefined {
  if (name === FUNDING_RATE.name) return ChartType.FUNDING_RATE
  return rules === null ? undefined : ChartType.KLINES
}
