import { compareKeys } from './bucket.ts'
import type { BucketEntry, Exchange } from './bucket.ts'

const MAX_KEYS = 1000
/** After every key that begins with the text before it. */
const AFTER_ALL = '\u{10ffff}'

/** A listing request of S3's first version. */
export interface ListingQuery {
  readonly prefix: string
  readonly marker: string
  readonly delimiter: string
  /** asked for; at most 1,000 are given */
  readonly maxKeys: number
}

/**
 * One page of the bucket as S3's XML (ListObjects, version 1): keys in byte order after `marker`, those with the
 * delimiter after the prefix rolled up into CommonPrefixes, NextMarker only with a delimiter and when there is more.
 */
export async function createListingPage(exchange: Exchange, bucket: string, query: ListingQuery): Promise<string> {
  const { prefix, marker, delimiter } = query
  const limit = Math.min(query.maxKeys, MAX_KEYS)
  const entries: BucketEntry[] = []
  const folders: string[] = []
  let last = ''
  let truncated = false
  let from: string | undefined = compareKeys(marker, prefix) > 0 ? marker : prefix
  while (from !== undefined && limit > 0) {
    let jump: string | undefined
    for (const entry of exchange.entriesFrom(from)) {
      if (!entry.key.startsWith(prefix)) break
      if (entry.key === marker) continue
      const end = delimiter === '' ? -1 : entry.key.indexOf(delimiter, prefix.length)
      const folder = end < 0 ? undefined : entry.key.slice(0, end + delimiter.length)
      if (folder === undefined || folder !== marker) {
        if (entries.length + folders.length === limit) {
          truncated = true
          break
        }
        last = folder ?? entry.key
        if (folder === undefined) entries.push(entry)
        else folders.push(folder)
      }
      if (folder !== undefined) {
        jump = folder + AFTER_ALL
        break
      }
    }
    from = jump
  }
  const etags = await Promise.all(entries.map(async (entry) => entry.etag()))
  const nextMarker = truncated && delimiter !== '' ? `<NextMarker>${escapeXml(last)}</NextMarker>` : ''
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${escapeXml(bucket)}</Name><Prefix>${escapeXml(prefix)}</Prefix><Marker>${escapeXml(marker)}</Marker>${nextMarker}`,
    `<MaxKeys>${limit}</MaxKeys>${delimiter === '' ? '' : `<Delimiter>${escapeXml(delimiter)}</Delimiter>`}<IsTruncated>${truncated}</IsTruncated>`,
    ...entries.map((entry, i) => contentsOf(entry, etags[i] as string)),
    ...folders.map((folder) => `<CommonPrefixes><Prefix>${escapeXml(folder)}</Prefix></CommonPrefixes>`),
    '</ListBucketResult>',
  ].join('')
}

function contentsOf(entry: BucketEntry, etag: string): string {
  const modified = new Date(entry.modifiedMs).toISOString()
  return (
    `<Contents><Key>${escapeXml(entry.key)}</Key><LastModified>${modified}</LastModified><ETag>&quot;${etag}&quot;</ETag>` +
    `<Size>${entry.sizeBytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  )
}

/** S3's XML for an object that is not there. */
export function createNoSuchKey(key: string): string {
  return createS3Error('NoSuchKey', 'The specified key does not exist.', `<Key>${escapeXml(key)}</Key>`)
}

export function createS3Error(code: string, message: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>SANDBOX</RequestId><HostId>sandbox</HostId></Error>`
}

export function escapeXml(text: string): string {
  if (!/[&<>"'\r\n]/.test(text)) return text
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
    .replaceAll('\r', '&#13;')
    .replaceAll('\n', '&#10;')
}
