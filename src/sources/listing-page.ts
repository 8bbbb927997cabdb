import { XMLParser } from 'fast-xml-parser'
import { z } from 'zod'
import { CkvdError } from '../errors.ts'

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

/**
 * Reads one page of an S3 (version 1) listing.
 * Throws CKVD_LISTING for anything that is not a whole page: a shortened list would be a silent hole.
 */
export function parseListingPage(body: Uint8Array, where: string): ListingPage {
  const xml = new TextDecoder().decode(body)
  return scanPage(xml) ?? parsePage(xml, where)
}

/** Reads a page with a whole XML parser. Slow (13 ms for 1,000 keys), strict, and the word on what a page means. */
export function parsePage(xml: string, where: string): ListingPage {
  const fail = (found: string, cause?: unknown): CkvdError =>
    new CkvdError('CKVD_LISTING', `Expected a page of an S3 listing from ${where}, found ${found}.`, {
      details: { where, found, start: xml.slice(0, 120) },
      cause,
    })
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

/** XML declaration and root of a page. */
const ROOT = /^(?:<\?xml version="1\.0" encoding="UTF-8"\?>\n?)?<ListBucketResult(?: xmlns="[^"<>&]*")?>/
const ROOT_END = '</ListBucketResult>'
const ENTRY = 'Contents'

/**
 * Reads the pages that S3 really sends, far faster than a parser: planning a large universe reads thousands of them.
 * It takes nothing but flat elements in their two levels, each once, without attributes, and no entities but the quotes
 * of an ETag. Anything else is not for it: undefined, and the parser decides.
 */
export function scanPage(xml: string): ListingPage | undefined {
  const root = ROOT.exec(xml)
  if (root === null || !xml.endsWith(ROOT_END)) return undefined
  const end = xml.length - ROOT_END.length
  const head = new Map<string, string>()
  const keys: { key: string; etag: string; sizeBytes: number }[] = []
  const entryOpen = `<${ENTRY}>`
  const entryClose = `</${ENTRY}>`
  for (let at = root[0].length; at < end;) {
    if (xml.startsWith(entryOpen, at)) {
      const entry = new Map<string, string>()
      at += entryOpen.length
      while (!xml.startsWith(entryClose, at)) {
        at = scanElement(xml, at, entry)
        if (at < 0) return undefined
      }
      at += entryClose.length
      const key = readEntry(entry)
      if (key === undefined) return undefined
      keys.push(key)
    } else {
      at = scanElement(xml, at, head)
      if (at < 0) return undefined
    }
  }
  if (keys.length === 0 || head.has('CommonPrefixes')) return undefined
  const truncated = head.get('IsTruncated')
  if (truncated === 'false') return { keys, folders: [], next: undefined }
  const next = head.get('NextMarker') ?? keys.at(-1)?.key
  return truncated !== 'true' || next === undefined || next === '' ? undefined : { keys, folders: [], next }
}

function readEntry(entry: ReadonlyMap<string, string>): { key: string; etag: string; sizeBytes: number } | undefined {
  const key = entry.get('Key')
  const etag = entry.get('ETag')
  const size = entry.get('Size')
  if (key === undefined || key === '' || etag === undefined || etag === '' || size === undefined || !/^\d{1,15}$/.test(size))
    return undefined
  return { key, etag, sizeBytes: Number(size) }
}

/** Reads `<Name>text</Name>` or `<Name/>` into `fields`; where the next one begins, or -1 when it is anything else. */
function scanElement(xml: string, at: number, fields: Map<string, string>): number {
  const nameEnd = xml.indexOf('>', at)
  if (nameEnd < 0 || xml.charCodeAt(at) !== 60) return -1
  const isEmpty = xml.charCodeAt(nameEnd - 1) === 47
  const name = xml.slice(at + 1, isEmpty ? nameEnd - 1 : nameEnd)
  if (!/^[A-Za-z]+$/.test(name) || fields.has(name)) return -1
  if (isEmpty) {
    fields.set(name, '')
    return nameEnd + 1
  }
  const textEnd = xml.indexOf('<', nameEnd)
  if (textEnd < 0 || !xml.startsWith(`</${name}>`, textEnd)) return -1
  let text = xml.slice(nameEnd + 1, textEnd)
  if (name === 'ETag') text = text.replaceAll('&quot;', '').replaceAll('"', '')
  if (text.includes('&') || text.includes('>') || text !== text.trim()) return -1
  fields.set(name, text)
  return textEnd + name.length + 3
}
