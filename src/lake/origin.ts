import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CkvdError } from '../errors.ts'
import type { AtomicFiles } from './atomic-file.ts'
import { ioError } from './io-error.ts'
import type { LakePaths } from './layout.ts'

/** Where a lake's data is from: the exchange itself, or a sandbox. The two are never mixed in one lake. */
export type Origin = 'binance' | 'sandbox'

const FORMAT = 1
const OriginFile = z.object({ format: z.literal(FORMAT), origin: z.enum(['binance', 'sandbox']) })
const AnyFormat = z.object({ format: z.number() })

/** The origin that a lake records; undefined when it records none. Throws `CKVD_CATALOG_VERSION`, `CKVD_LAKE_IO`. */
export async function readOrigin(paths: LakePaths): Promise<Origin | undefined> {
  const text = await readFile(paths.origin, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw ioError(error, 'read', paths.origin)
  })
  if (text === undefined) return undefined
  const value = parseJson(text)
  const file = OriginFile.safeParse(value)
  if (file.success) return file.data.origin
  const newer = AnyFormat.safeParse(value)
  const details = { path: paths.origin, expected: FORMAT }
  if (newer.success && newer.data.format > FORMAT) {
    throw new CkvdError(
      'CKVD_CATALOG_VERSION',
      `Expected a lake of format ${FORMAT}, found format ${newer.data.format} in ${paths.root}: update ckvd.`,
      { details },
    )
  }
  throw new CkvdError(
    'CKVD_LAKE_IO',
    `Expected {"format":1,"origin":"binance"} (or "sandbox") in ${paths.origin}, found ${JSON.stringify(text.slice(0, 80))}. Correct the file.`,
    {
      details,
    },
  )
}

/** Throws `CKVD_ORIGIN` when a lake that records `recorded` would get data of `wanted`. */
export function checkOrigin(recorded: Origin | undefined, wanted: Origin, root: string): void {
  if (recorded === undefined || recorded === wanted) return
  const name = { binance: 'the exchange', sandbox: 'a sandbox' }
  throw new CkvdError(
    'CKVD_ORIGIN',
    `Expected a lake with data of ${name[wanted]}, but ${root} holds data of ${name[recorded]}. Choose another directory with --lake.`,
    {
      details: { root, recorded, wanted },
    },
  )
}

export async function writeOrigin(files: AtomicFiles, origin: Origin): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, origin } satisfies z.infer<typeof OriginFile>)}\n`
  await files.write({ path: 'lake.json', bytes: new TextEncoder().encode(text) })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // undefined fits neither form, so the caller reports the text
    return undefined
  }
}
