import type { ExportEncoding, ExportFormat } from '../codec/export/export-format.ts'
import { fileEnding } from '../codec/export/export-format.ts'
import { periodStem } from '../dataset/names.ts'
import { fileSpan } from '../dataset/pack.ts'
import { datasetOf, isStoredAsParquet } from '../dataset/registry.ts'
import { INTERVALS, intervalPathName } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { monthOf } from '../model/utc-day.ts'

/** Where the files of klines lie, relative to an export: a folder of their own, so that engines can be pointed at it as a whole. */
export const DATA_FOLDER = 'data'

/**
 * The stretch of days that shares a file with `day`: `2024-01-01`, `2024-01` or `2024`. A changed day rewrites its file, and a worker
 * holds a file's rows at once; so a file has some 90,000 rows at most: of `1s` bars a day, of minutes a month, from `1h` on a year.
 * Arrow files are of a month throughout (`1s`: a day). Data sets without intervals have a file a month, or a year
 * where the lake has it so; of ticks a day.
 */
export function filePeriod(series: Pick<Series, 'dataset' | 'interval'>, format: ExportFormat, day: UtcDay): string {
  if (isStoredAsParquet(series)) return day
  if (!datasetOf(series).hasInterval) return fileSpan(series) === 'year' ? day.slice(0, 4) : monthOf(day)
  const { interval } = series
  if (interval === '1s') return day
  const isShort = INTERVALS.indexOf(interval) < INTERVALS.indexOf('1h')
  return isShort || format === 'arrow' ? monthOf(day) : day.slice(0, 4)
}

/**
 * Where a file of an export lies, `/` separated: `data/market=spot/symbol=BTCUSDT/interval=1m/year=2024/BTCUSDT-1m-2024-01.parquet`.
 * Another data set has its name before that, `…/symbol=BTCUSDT/dataset=markPriceKlines/interval=1m/…`, one without intervals its name alone:
 * `…/symbol=BTCUSDT/dataset=fundingRate/year=2024/BTCUSDT-fundingRate-2024.parquet`.
 * Symbols stand in it as they are: what engines decode of a Hive path (`%`, separators) no symbol has.
 */
export function exportPath(series: Series, period: string, encoding: ExportEncoding): string {
  const { dataset, market, symbol, interval } = series
  const folders = [
    DATA_FOLDER,
    `market=${market}`,
    `symbol=${symbol}`,
    ...(dataset === undefined ? [] : [`dataset=${dataset}`]),
    ...(datasetOf(series).hasInterval ? [`interval=${intervalPathName(interval)}`] : []),
    `year=${period.slice(0, 4)}`,
  ]
  return `${folders.join('/')}/${periodStem(series, period)}.${fileEnding(encoding)}`
}
