import { isAbsolute, relative, sep } from 'node:path'
import type { ExportEncoding } from '../codec/export/export-format.ts'
import { datasetOf } from '../dataset/registry.ts'
import { rowWord } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { Origin } from '../lake/origin.ts'
import type { LakeFilter } from '../lake/selection.ts'
import { isOfDatasets, listAbsent } from '../lake/selection.ts'
import { intervalPathName } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import { OWN_FOLDER } from './export-folder.ts'
import { DATA_FOLDER } from './file-period.ts'
import type { FileEntry, Manifest } from './manifest.ts'
import { MANIFEST } from './manifest.ts'

/** A filter as the manifest records it; null filters nothing. */
export function selectionOf(filter: LakeFilter): Manifest['selection'] {
  const intervals = filter.intervals === undefined || filter.intervals === 'all' ? null : filter.intervals.map(intervalPathName)
  return {
    ...datasetsOf(filter),
    market: filter.market ?? null,
    symbols: filter.symbols === undefined ? null : [...filter.symbols].sort(),
    intervals,
    start: filter.start ?? null,
    end: filter.end ?? null,
  }
}

/** Data sets as the manifest records them: none for klines alone, `dataset` for another one alone. */
function datasetsOf({ datasets = ['klines'] }: LakeFilter): Pick<Manifest['selection'], 'dataset' | 'datasets'> {
  if (datasets === 'all') return { datasets: [datasets] }
  const [first, ...more] = datasets
  if (more.length > 0) return { datasets: [...datasets].sort() }
  return first === undefined || first === 'klines' ? {} : { dataset: first }
}

/**
 * Throws where a run would take away what an earlier one with other filters, another format or another lake has exported: an export is
 * exactly one selection of one lake. Throws CKVD_EXPORT_SELECTION, CKVD_ORIGIN.
 */
export function checkSelection(
  manifest: Manifest,
  wanted: { readonly filter: LakeFilter; readonly encoding: ExportEncoding; readonly origin: Origin | undefined; readonly out: string },
): void {
  const { filter, encoding, origin, out } = wanted
  if (manifest.origin !== null && origin !== undefined && manifest.origin !== origin) {
    const name = { binance: 'the exchange', sandbox: 'a sandbox' }
    throw new CkvdError(
      'CKVD_ORIGIN',
      `Expected an export with data of ${name[origin]}, but ${out} holds data of ${name[manifest.origin]}. Name another --out, or give --replace to replace what is there.`,
      { details: { out } },
    )
  }
  const found = manifest.encoding
  if (found.format !== encoding.format || found.gzip !== encoding.gzip)
    throw otherSelection(out, `its files are ${nameOf(found)}`, manifest)
  const outside = manifest.files.filter((file) => !isInside(file, filter))
  const [first] = outside
  if (first === undefined) return
  const more = outside.length > 1 ? ` and ${outside.length - 1} more files` : ''
  throw otherSelection(out, `these filters leave out ${rowWord(first)}s of ${first.path}${more}`, manifest)
}

function isInside(file: FileEntry, filter: LakeFilter): boolean {
  const { market, symbols, intervals, start, end } = filter
  return (
    isOfDatasets(filter, file) &&
    (market === undefined || file.market === market) &&
    (symbols === undefined || symbols.includes(file.symbol)) &&
    (!datasetOf(file).hasInterval ||
      intervals === undefined ||
      intervals === 'all' ||
      intervals.some((interval) => intervalPathName(interval) === file.interval)) &&
    (start === undefined || file.first_day >= start) &&
    (end === undefined || file.last_day < end)
  )
}

function nameOf({ format, gzip }: Manifest['encoding']): string {
  return gzip ? `${format} with gzip` : format
}

function otherSelection(out: string, why: string, { selection }: Manifest): CkvdError {
  return new CkvdError(
    'CKVD_EXPORT_SELECTION',
    `Expected an export of this selection in ${out}, found another one: ${why}. Give the same format and filters, name another --out, or give --replace: what is not selected is then removed.`,
    { details: { out, selection } },
  )
}

/**
 * Throws CKVD_USAGE where the lake has no day of what the filter names: a symbol with a slip in it, or the wrong lake, would otherwise be
 * a smaller export, and an export that is there would be emptied.
 */
export function checkNamed(lake: string, filter: LakeFilter, found: readonly Series[]): void {
  const absent = listAbsent(filter, found)
  if (found.length > 0 && absent.length === 0) return
  const what = absent.length === 0 ? '' : `, of ${absent.join(', ')}`
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the lake to hold days of this selection${what}, found none. \`ckvd coverage\` tells what it holds.`,
    { details: { lake, selection: selectionOf(filter), absent } },
  )
}

/** Throws CKVD_USAGE where an export would be written into its lake, or around it. */
export function checkPlace(lake: string, out: string): void {
  for (const [inner, outer] of [
    [out, lake],
    [lake, out],
  ] as const) {
    const path = relative(outer, inner)
    // on another drive of Windows it is absolute
    if (path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path))
      throw new CkvdError(
        'CKVD_USAGE',
        `Expected \`--out\` to be a directory beside the lake, got ${out}, with the lake in ${lake}: neither may lie in the other.`,
        { details: { out, lake } },
      )
  }
}

/** True of a path where an export has, or may come to have, a file of its own. On many disks capital letters are not told apart. */
export function isPartOfExport(out: string, path: string): boolean {
  const [name = '', ...below] = relative(out, path).toLowerCase().split(sep)
  if (below.length > 0) return name === DATA_FOLDER || name === OWN_FOLDER
  return name === MANIFEST || /^coverage\.\w+$/.test(name)
}
