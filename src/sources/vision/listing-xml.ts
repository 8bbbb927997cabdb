import { XMLParser } from 'fast-xml-parser'
import { z } from 'zod'
import { CkvdError } from '../../errors.ts'

/** One page of an S3 listing. */
export interface ListingPage {
  readonly keys: readonly { readonly key: string; readonly etag: string; readonly sizeBytes: number }[]
  readonly folders: readonly string[]
  /** where the next page starts; undefined on the last page */
  readonly next: string | undefined
}

const parser = new XMLParser({
  parseTagValue: false,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  isArray: (name) => name === 'Contents' || name === 'CommonPrefixes',
})

const pageSchema = z.object({
  ListBucketResult: z.object({
    IsTruncated: z.enum(['true', 'false']),
    NextMarker: z.string().optional(),
    Contents: z.array(z.object({ Key: z.string().min(1), ETag: z.string().min(1), Size: z.string().regex(/^\d{1,15}$/) })).optional(),
    CommonPrefixes: z.array(z.object({ Prefix: z.string().min(1) })).optional(),
  }),
})

/** What S3 says instead of a page, now and then with status 200: `<Error><Code>InternalError</Code><Message>We encountered …` */
const S3_ERROR = /^\s*(?:<\?xml[^<>]*\?>\s*)?<Error>(.{0,2000})/s

function describeRefusal(text: string): string {
  const code = /<Code>([A-Za-z]{1,60})<\/Code>/.exec(text)?.[1] ?? 'without a code'
  const message = /<Message>([^<>]{1,200})<\/Message>/.exec(text)?.[1]?.replaceAll(/[^\x20-\x7e]/g, '?')
  return message === undefined ? code : `${code}: ${message}`
}

/** Reads a page with a whole XML parser. Slow (13 ms for 1,000 keys), strict, and the word on what a page means. */
export function parsePage(xml: string, where: string): ListingPage {
  const fail = (found: string, cause?: unknown): CkvdError =>
    new CkvdError('CKVD_LISTING', `Expected a page of an S3 listing from ${where}, found ${found}.`, {
      details: { where, found, start: xml.slice(0, 120) },
      cause,
    })
  const refusal = S3_ERROR.exec(xml)
  if (refusal !== null) throw fail(`the error ${describeRefusal(refusal[1] ?? '')}`)
  if (!xml.trimEnd().endsWith('</ListBucketResult>')) throw fail('a text that does not end with </ListBucketResult>')
  if (xml.includes('<!DOCTYPE') || xml.includes('<!ENTITY')) throw fail('a document type declaration')
  let raw: unknown
  try {
    raw = parser.parse(xml)
  } catch (cause) {
    throw fail('XML that cannot be parsed', cause)
  }
  const parsed = pageSchema.safeParse(raw)
  if (!parsed.success) throw fail(`an unexpected field (${parsed.error.issues[0]?.path.join('.') ?? 'root'})`)
  const page = parsed.data.ListBucketResult
  const keys = (page.Contents ?? []).map(({ Key, ETag, Size }) => ({
    key: Key,
    etag: ETag.replaceAll(/&quot;|"/g, ''),
    sizeBytes: Number(Size),
  }))
  const folders = (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix)
  if (page.IsTruncated === 'false') return { keys, folders, next: undefined }
  const next = page.NextMarker ?? largest(keys.at(-1)?.key, folders.at(-1))
  if (next === undefined) throw fail('a truncated page without a key to go on from')
  return { keys, folders, next }
}

function largest(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0 ? a : b
}
