import { z } from 'zod'
import { hostNameOf } from '../../config/host-name.ts'
import { parseJson } from '../json-text.ts'
import { CkvdError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import { LAKE } from './layout.ts'
import type { AtomicFiles } from '../disk/durable-files.ts'
import { ioError } from '../disk/io-error.ts'
import { readOwnTextSync } from '../disk/own-file.ts'
import type { LakePaths } from './layout.ts'

/** Where a lake's data is from: the exchange itself, or a sandbox. The two are never mixed in one lake. */
export type Origin = 'binance' | 'sandbox'

/** Hosts of the exchange, and its bucket where it is asked for by Amazon's name. */
const EXCHANGE_HOST = /(?:^|\.)binance\.(?:com|vision|us)$/
const EXCHANGE_BUCKET = /\bdata\.binance\.vision\b/

/** What is known of sources before any of them is asked. */
export interface Sources {
  /** `--sandbox` */
  readonly sandbox: boolean
  /** URLs that may be asked */
  readonly urls: readonly string[]
}

/**
 * Where the data of a run will be from, as far as it can be told before a source is asked: undefined for a mirror or a server of tests,
 * which tells it with its first answer.
 */
export function claimedOrigin({ sandbox, urls }: Sources): Origin | undefined {
  if (sandbox) return 'sandbox'
  return urls.some(isExchange) ? 'binance' : undefined
}

function isExchange(url: string): boolean {
  const host = hostNameOf(url)
  return EXCHANGE_HOST.test(host) || (host.endsWith('.amazonaws.com') && EXCHANGE_BUCKET.test(url))
}

/**
 * Where the data of a run is from, once a source has answered; before, what `claimedOrigin` says.
 * Throws `CKVD_ORIGIN` where a sandbox answered and another of the sources is the exchange itself.
 */
export function answeredOrigin(sources: Sources, seen: { readonly sandboxSeen: boolean; readonly reached: boolean }): Origin | undefined {
  const claimed = claimedOrigin(sources)
  if (!seen.sandboxSeen) return claimed ?? (seen.reached ? 'binance' : undefined)
  if (claimed !== 'binance') return 'sandbox'
  const real = sources.urls.filter(isExchange)
  throw new CkvdError(
    'CKVD_ORIGIN',
    `Expected all sources to be a sandbox's, as one that answered is, but ${real.join(' and ')} ${real.length === 1 ? 'is' : 'are'} the exchange's. Give all five URLs of the sandbox, or --sandbox.`,
    { details: { real } },
  )
}

/** Of a lake that may hold packs, and whose catalog is of version 3. */
const FORMAT = 2
const LakeFile = z.object({ format: z.union([z.literal(1), z.literal(FORMAT)]), origin: z.enum(['binance', 'sandbox']) })
const AnyFormat = z.object({ format: z.number() })

/** What `lake.json` says of a lake. */
export type LakeFacts = Readonly<z.infer<typeof LakeFile>>

/** What a lake says of itself; undefined when it says nothing. Throws `CKVD_CATALOG_VERSION`, `CKVD_LAKE_IO`. */
export function readLakeFacts(paths: LakePaths): LakeFacts | undefined {
  const text = readText(paths.origin)
  if (text === undefined) return undefined
  const value = parseJson(text)
  const file = LakeFile.safeParse(value)
  if (file.success) return file.data
  const newer = AnyFormat.safeParse(value)
  const details = { path: paths.origin, expected: FORMAT }
  if (newer.success && newer.data.format > FORMAT) {
    throw new CkvdError(
      'CKVD_CATALOG_VERSION',
      `Expected a lake of format ${FORMAT}, found format ${newer.data.format} in ${paths.root}: a newer ckvd made it. Update ckvd, or choose another directory with --lake.`,
      { details },
    )
  }
  throw new CkvdError(
    'CKVD_LAKE_IO',
    `Expected {"format":${FORMAT},"origin":"binance"} (or "sandbox") in ${paths.origin}, found ${JSON.stringify(text.slice(0, 80))}. Correct the file.`,
    {
      details,
    },
  )
}

/** A small file's text; undefined when there is none. */
function readText(path: string): string | undefined {
  try {
    return readOwnTextSync(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw ioError(error, 'read', path, LAKE)
  }
}

/** Throws `CKVD_ORIGIN` when a lake that records `recorded` would get data of `wanted`. */
export function checkOrigin(recorded: Origin | undefined, wanted: Origin, root: string): void {
  if (recorded === undefined || recorded === wanted) return
  const name = { binance: 'the exchange', sandbox: 'a sandbox' }
  const advice =
    recorded === 'sandbox'
      ? 'Choose another directory with --lake, or go on with the sandbox (--sandbox).'
      : 'Choose another directory with --lake.'
  throw new CkvdError(
    'CKVD_ORIGIN',
    `Expected a lake with data of ${name[wanted]}, but ${root} holds data of ${name[recorded]}. ${advice}`,
    {
      details: { root, recorded, wanted },
    },
  )
}

/** Records where a lake's data is from, in a lake of this version's format. */
export async function writeOrigin(files: AtomicFiles, origin: Origin): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, origin } satisfies LakeFacts)}\n`
  await files.write({ path: 'lake.json', bytes: new TextEncoder().encode(text) })
}

/**
 * Makes a lake of format 1 say that it is of this one. Before the first pack is written, so that nobody takes packs for what they are not;
 * once the catalog is of this version, since until then the release before may go on with the lake.
 */
export async function raiseFormat(files: AtomicFiles, facts: LakeFacts | undefined): Promise<void> {
  if (facts !== undefined && facts.format < FORMAT) await writeOrigin(files, facts.origin)
}
