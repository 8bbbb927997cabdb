import { datasetOf } from '../dataset/registry.ts'
import { CkvdError } from '../errors.ts'
import type { Manifest } from './manifest.ts'

/** Throws CKVD_USAGE where an export has no file of a data set that is named. */
export function checkHolds({ files }: Manifest, out: string, datasets: readonly string[] = []): void {
  const held = new Set(files.map((file) => datasetOf(file).name))
  const absent = datasets.filter((name) => !held.has(name))
  if (absent.length === 0) return
  const found = held.size === 0 ? 'none' : [...held].join(', ')
  throw new CkvdError('CKVD_USAGE', `Expected an export of ${absent.join(', ')} in ${out}, found ${found}. Export it with --data.`, {
    details: { out, absent },
  })
}
