import { statSync } from 'node:fs'
import type { Catalog } from './catalog/catalog.ts'
import { openCatalog } from './catalog/catalog.ts'
import type { LakePaths } from './layout.ts'
import type { Origin } from './origin.ts'
import { readLakeFacts } from './origin.ts'

/** A catalog that is open for reading. */
export interface OpenCatalog {
  readonly catalog: Catalog
  /** where the lake's data is from, as it said when the catalog was opened */
  readonly origin: Origin | undefined
}

/**
 * The catalog of a lake for who reads it for long. One that was brought to a newer version, or rebuilt, is another file: the one that is open
 * would stay as it was for good.
 */
export class FollowedCatalog {
  readonly #paths: LakePaths
  #file: bigint | undefined
  #open: OpenCatalog
  /** calls may be under way on these */
  readonly #former: Catalog[] = []

  /** Throws as `openCatalog`, and as `readLakeFacts`. */
  constructor(paths: LakePaths) {
    this.#paths = paths
    this.#file = fileNumber(paths.catalog)
    this.#open = openNow(paths)
  }

  /** The one that has the name now. Throws as the constructor where it is another one; `CKVD_LAKE_MISSING` where there is none any more. */
  now(): OpenCatalog {
    // which file it is comes first: one that takes the name meanwhile is noticed by the next call
    const file = fileNumber(this.#paths.catalog)
    if (file === this.#file) return this.#open
    const open = openNow(this.#paths)
    this.#former.push(this.#open.catalog)
    this.#file = file
    return (this.#open = open)
  }

  close(): void {
    for (const catalog of [...this.#former.splice(0), this.#open.catalog]) catalog.close()
  }
}

function openNow(paths: LakePaths): OpenCatalog {
  return { origin: readLakeFacts(paths)?.origin, catalog: openCatalog(paths.catalog, { mode: 'read' }) }
}

/** The number of a file on its disk: another one once another file has taken the name. */
function fileNumber(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}
