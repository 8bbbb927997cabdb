import type { Dataset } from './dataset.ts'
import { KLINES } from './klines.ts'

const DATASETS = new Map<string, Dataset>([KLINES].map((dataset) => [dataset.name, dataset]))

/** What names a data set; absent: `klines`. A `Series` is one. */
export interface OfDataset {
  readonly dataset?: string | undefined
}

/** The description of a series' data set. Throws RangeError for one that nobody has described. */
export function datasetOf({ dataset }: OfDataset): Dataset {
  if (dataset === undefined) return KLINES
  const found = DATASETS.get(dataset)
  if (found === undefined) throw new RangeError(`no data set is called ${dataset}`)
  return found
}
