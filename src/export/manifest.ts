import { join } from 'node:path'
import { z } from 'zod'
import { EXPORT_FORMATS } from '../codec/export/export-format.ts'
import { datasetNames, datasetOf } from '../dataset/registry.ts'
import { readOwnText } from '../disk/own-file.ts'
import { parseJson } from '../json-text.ts'
import { CkvdError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import { intervalPathName, parseInterval } from '../model/interval.ts'
import { isSymbol, MARKETS } from '../model/market.ts'
import { exportIoError } from './export-folder.ts'

/** The name of the manifest in an export. */
export const MANIFEST = 'manifest.json'

const FORMAT = 1
const Digest = z.string().regex(/^[0-9a-f]{64}$/)
const Count = z.number().int().min(0)

/**
 * A manifest may come with an export from elsewhere. Its paths name files that are removed and that queries may open, its intervals become
 * names in SQL: nothing passes that this program would not write, above all no `..` and no quote.
 */
const FilePath = z
  .string()
  .regex(
    /^data\/market=(?:spot|um|cm|option)\/symbol=[\p{L}\p{N}_-]+\/(?:dataset=\w+\/)?(?:interval=\w+\/)?year=\d{4}\/[\p{L}\p{N}_-]+(?:\.\w+){1,2}$/u,
  )

const FileEntry = z
  .object({
    /** relative to the export, `/` separated */
    path: FilePath,
    /** absent: `klines` */
    dataset: z.string().refine(isOtherDataset, 'expected a data set').optional(),
    market: z.enum(MARKETS),
    symbol: z.string().refine(isSymbol, 'expected a symbol'),
    /** as in paths: `1mo` for a month; null: the data set has none */
    interval: z.string().refine(isPathInterval, 'expected an interval').nullable(),
    period: z.string(),
    /** first and last chunk with bars, and how many */
    first_day: z.string(),
    last_day: z.string(),
    days: Count,
    rows: Count,
    bytes: Count,
    sha256: Digest,
    /** over the days and the SHA-256 of the rows of each */
    source_digest: Digest,
    /** the same with the SHA-256 of their shards, as the lake's catalog has them; absent: it is no other one */
    catalog_digest: Digest.optional(),
    /** revision of each day that is not of revision 1 */
    revisions: z.record(z.string(), Count),
  })
  // earlier builds wrote the grid of the times
  .transform((file) => (datasetOf(file).hasInterval ? file : { ...file, interval: null }))
  .refine((file) => file.interval !== null || !datasetOf(file).hasInterval, 'expected an interval')

const ManifestFile = z.object({
  format: z.literal(FORMAT),
  /** `writing`: a run is under way, or was killed; run it again */
  state: z.enum(['complete', 'writing']),
  origin: z.enum(['binance', 'sandbox']).nullable(),
  encoding: z.object({ format: z.enum(EXPORT_FORMATS), gzip: z.boolean() }),
  selection: z.object({
    dataset: z.string().optional(),
    datasets: z.array(z.string()).optional(),
    market: z.string().nullable(),
    symbols: z.array(z.string()).nullable(),
    intervals: z.array(z.string()).nullable(),
    start: z.string().nullable(),
    end: z.string().nullable(),
  }),
  rows: Count,
  bytes: Count,
  coverage: z.object({ path: z.string().regex(/^coverage\.\w+$/), rows: Count, bytes: Count, sha256: Digest }).nullable(),
  files: z.array(FileEntry),
  /** files that a run meant to add when it was killed */
  unfinished: z.array(FilePath),
})

function isPathInterval(name: string): boolean {
  const interval = parseInterval(name)
  return interval !== undefined && intervalPathName(interval) === name
}

/** The name becomes one in SQL. */
function isOtherDataset(name: string): boolean {
  return name !== 'klines' && datasetNames().includes(name)
}

/** A file of rows in an export. */
export type FileEntry = z.infer<typeof FileEntry>

/** What an export says of itself. Nothing in it depends on when or where it was made. */
export type Manifest = z.infer<typeof ManifestFile>

/** The manifest as text, one line a file, so that two of them can be compared. */
export function formatManifest(manifest: Omit<Manifest, 'format'>): string {
  const { state, origin, encoding, selection, rows, bytes, coverage, files, unfinished } = manifest
  const head = { format: FORMAT, state, origin, encoding, selection, rows, bytes, coverage }
  const lines = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`)
  const list = (name: string, items: readonly unknown[]): string =>
    `  ${JSON.stringify(name)}: [${items.map((item) => `\n    ${JSON.stringify(item)}`).join(',')}${items.length > 0 ? '\n  ' : ''}]`
  return `{\n${lines.join('')}${list('files', files)},\n${list('unfinished', unfinished)}\n}\n`
}

/** The manifest of the export in `out` with its text; undefined when there is none. Throws CKVD_EXPORT_MANIFEST, CKVD_EXPORT_IO. */
export async function readManifest(out: string): Promise<{ manifest: Manifest; text: string } | undefined> {
  const path = join(out, MANIFEST)
  const text = await readOwnText(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw exportIoError(error, 'read', path)
  })
  return text === undefined ? undefined : { manifest: parseManifest(text, path), text }
}

function parseManifest(text: string, path: string): Manifest {
  const parsed = ManifestFile.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const place = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  throw new CkvdError(
    'CKVD_EXPORT_MANIFEST',
    `Expected the manifest of an export in ${path}, found another file (${place}${issue?.message ?? ''}). Name another directory, or move the file away: the export is then made anew.`,
    { details: { path }, cause: parsed.error },
  )
}
