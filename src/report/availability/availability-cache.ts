import { CkvdError } from '../../errors.ts'
import { systemCode } from '../../system-errors.ts'
import { parseJson } from '../../json-text.ts'
import { closeSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { makeDirectoryPath } from '../../disk/directory-path.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import type { Packaging } from '../../model/series.ts'
import type { Market } from '../../model/market.ts'
import { isMarket } from '../../model/market.ts'
import { parseUtcDay } from '../../model/utc-day.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { SymbolListing } from './availability.ts'
import { reportError, writeReport } from '../report-file.ts'

/** What a line of the cache is about. */
export interface CacheKey extends OfDataset {
  readonly market: Market
  readonly symbol: string
  readonly archives: Packaging
}

const day = z.string().transform((text, ctx): UtcDay => parseUtcDay(text) ?? (ctx.addIssue('not a day'), z.NEVER))
const market = z.string().refine(isMarket)
const lineSchema = z.object({
  format: z.literal(1),
  url: z.string(),
  archives: z.enum(['daily', 'monthly']),
  dataset: z.string().optional(),
  listedAt: z.iso.datetime(),
  market,
  symbol: z.string(),
  intervals: z.array(z.string()),
  interval: z.string().nullable(),
  days: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('all'), ranges: z.array(z.object({ start: day, end: day })) }),
    z.object({ kind: z.literal('ends'), asOf: day, first: day.nullable(), last: day.nullable() }),
  ]),
})
type Line = z.infer<typeof lineSchema>

/** What a cached listing must offer to be taken instead of a request. */
export interface CacheNeed {
  readonly asOf: UtcDay
  readonly allDays: boolean
  readonly nowMs: number
  readonly maxAgeMs: number
}

/**
 * Listings of symbols as they were read, a JSON line each, appended as soon as it is there: a run that was interrupted goes on from it.
 * A line that cannot be read (the last one after a power cut) is left out, and read from the listing again.
 */
export class AvailabilityCache {
  readonly #path: string
  readonly #url: string
  readonly #lines: Map<string, Line>
  #file: number | undefined

  private constructor(path: string, url: string, lines: Map<string, Line>) {
    this.#path = path
    this.#url = url
    this.#lines = lines
  }

  /** Opens the cache at `path`; of another listing than `url` nothing is taken. Throws CKVD_REPORT_IO, also where a link or a pipe is in its place. */
  static async open(path: string, url: string): Promise<AvailabilityCache> {
    refuseOthers(path)
    const lines = new Map<string, Line>()
    for (const text of readLines(path)) {
      const line = lineSchema.safeParse(parseJson(text))
      if (line.success && line.data.url === url) lines.set(nameOf(line.data), line.data)
    }
    const cache = new AvailabilityCache(path, url, lines)
    await cache.compact()
    return cache
  }

  /** The listing of a symbol when it is young enough and tells enough. */
  get(key: CacheKey, need: CacheNeed): SymbolListing | undefined {
    const line = this.#lines.get(nameOf(key))
    if (line === undefined) return undefined
    const ageMs = need.nowMs - Date.parse(line.listedAt)
    if (ageMs < 0 || ageMs >= need.maxAgeMs) return undefined
    if (line.days.kind === 'ends' && (need.allDays || line.days.asOf !== need.asOf)) return undefined
    return line
  }

  /** Keeps a listing, on disk too. */
  put(listing: SymbolListing, archives: Packaging, listedMs: number): void {
    const line: Line = {
      ...{ format: 1, url: this.#url, archives, listedAt: new Date(listedMs).toISOString() },
      ...(listing.dataset === undefined ? {} : { dataset: listing.dataset }),
      ...{ market: listing.market, symbol: listing.symbol, intervals: [...listing.intervals], interval: listing.interval },
      days: listing.days.kind === 'all' ? { kind: 'all', ranges: [...listing.days.ranges] } : listing.days,
    }
    this.#lines.set(nameOf(line), line)
    try {
      this.#file ??= openAppend(this.#path)
      writeSync(this.#file, `${JSON.stringify(line)}\n`)
    } catch (error) {
      throw reportError(error, this.#path)
    }
  }

  /** Rewrites the file with one line for each listing. */
  async compact(): Promise<void> {
    this.close()
    if (this.#lines.size === 0) return
    await writeReport(this.#path, [...this.#lines.values()].map((line) => `${JSON.stringify(line)}\n`).join(''))
  }

  /** Closes the file; what was put is on disk. May be called more than once. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

function nameOf({ dataset = 'klines', market, symbol, archives }: CacheKey): string {
  return `${dataset} ${market} ${symbol} ${archives}`
}

function openAppend(path: string): number {
  makeDirectoryPath(dirname(path))
  return openSync(path, 'a')
}

/** Lines are appended: what a link leads to would get them, and a pipe would wait for its reader. */
function refuseOthers(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== false) return
  const message = `Expected ${path} to be the file that an earlier run left, found a link, a pipe or a folder, to which nothing is written: remove it, or name another folder with --out.`
  throw new CkvdError('CKVD_REPORT_IO', message, { details: { path } })
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw reportError(error, path)
  }
}
