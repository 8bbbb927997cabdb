import { csvLine } from '../../codec/export/csv-text.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { toldPathName } from '../../dataset/told.ts'
import type { IngestEvents } from '../../ingest/progress.ts'
import type { CommandRun } from '../command.ts'
import { writeData } from './output.ts'

/** Prints the archives of a plan as CSV, a line each, series by series as they are planned. */
export function archiveLines({
  context,
  settings,
}: Pick<CommandRun<object>, 'context' | 'settings'>): NonNullable<IngestEvents['onArchives']> {
  writeData(context.stdout, csvLine(['market', 'symbol', 'interval', 'packaging', 'day', 'bytes', 'url', 'dataset']))
  return (series, archives) => {
    const { dataset, market, symbol } = series
    const { name } = datasetOf({ dataset })
    for (const { packaging, firstDay, sizeBytes, key } of archives) {
      const url = `${settings.visionUrl}/${key.split('/').map(encodeURIComponent).join('/')}`
      writeData(context.stdout, csvLine([market, symbol, toldPathName(series) ?? '', packaging, firstDay, sizeBytes, url, name]))
    }
  }
}
