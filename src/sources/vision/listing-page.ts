import { CkvdError } from '../../errors.ts'
import type { ListingPage } from './listing-xml.ts'

/**
 * Reads one page of an S3 (version 1) listing.
 * Throws CKVD_LISTING for anything that is not a whole page: a shortened list would be a silent hole.
 */
export async function parseListingPage(body: Uint8Array, where: string): Promise<ListingPage> {
  const xml = new TextDecoder().decode(body)
  const page = scanPage(xml) ?? (await import('./listing-xml.ts')).parsePage(xml, where)
  const longest = Math.max(page.next?.length ?? 0, ...page.folders.map(({ length }) => length), ...page.keys.map(lengthOf))
  if (longest <= MOST_NAME_CHARACTERS) return page
  const found = `one of ${longest} characters`
  throw new CkvdError(
    'CKVD_LISTING',
    `Expected names of at most ${MOST_NAME_CHARACTERS} characters in a listing from ${where}, found ${found}.`,
    {
      details: { where, found },
    },
  )
}

/** S3's names have 1,024 bytes at most. A name becomes a part of the next request, of messages and of the catalog. */
export const MOST_NAME_CHARACTERS = 1024

function lengthOf({ key, etag }: ListingPage['keys'][number]): number {
  return Math.max(key.length, etag.length)
}

/** XML declaration and root of a page. */
const ROOT = /^(?:<\?xml version="1\.0" encoding="UTF-8"\?>\n?)?<ListBucketResult(?: xmlns="[^"<>&]*")?>/
const ROOT_END = '</ListBucketResult>'
const ENTRY = 'Contents'
/** An entry with its elements in the order in which S3 writes them: key, ETag, size. */
const USUAL_ENTRY =
  /<Contents><Key>([^<>&\s]+)<\/Key><LastModified>[\d:.TZ-]+<\/LastModified><ETag>(?:&quot;|")([^<>&"\s]+)(?:&quot;|")<\/ETag><Size>(\d{1,15})<\/Size><StorageClass>[A-Z_]+<\/StorageClass><\/Contents>/y

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
    USUAL_ENTRY.lastIndex = at
    const usual = USUAL_ENTRY.exec(xml)
    if (usual !== null) {
      const [whole, key = '', etag = '', size = ''] = usual
      keys.push({ key, etag, sizeBytes: Number(size) })
      at += whole.length
    } else if (xml.startsWith(entryOpen, at)) {
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
  const last = keys.at(-1)
  const next = last === undefined ? undefined : readNext(head, last.key)
  return next === undefined ? undefined : { keys, folders: [], next: next.marker }
}

/** The elements of a page before its first entry; undefined: they are not such that this reads them. */
export function scanHead(xml: string): ReadonlyMap<string, string> | undefined {
  const root = ROOT.exec(xml)
  if (root === null) return undefined
  const head = new Map<string, string>()
  for (let at = root[0].length; at < xml.length;) {
    at = scanElement(xml, at, head)
    if (at < 0) return undefined
  }
  return head
}

/**
 * Where the next page starts, `marker` undefined: this is the last one. Undefined: its elements do not say so, or there are folders.
 * @param lastKey the last key of the page
 */
export function readNext(head: ReadonlyMap<string, string>, lastKey: string): { readonly marker: string | undefined } | undefined {
  const truncated = head.get('IsTruncated')
  if (head.has('CommonPrefixes')) return undefined
  if (truncated === 'false') return { marker: undefined }
  const marker = head.get('NextMarker') ?? lastKey
  return truncated !== 'true' || marker === '' ? undefined : { marker }
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
  // the end of a line is not always what XML makes of it
  if (text.includes('&') || text.includes('>') || text.includes('\r') || text !== text.trim()) return -1
  fields.set(name, text)
  return textEnd + name.length + 3
}
