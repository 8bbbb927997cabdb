import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A bucket: folders that hold keys, in byte order, each with a way to list its files. All keys lie in folders without subfolders. */
export type Bucket = ReadonlyMap<string, () => readonly string[]>

export interface ListingServer {
  readonly url: string
  /** path and query of each request, decoded, in order */
  readonly requests: string[]
  /** most requests that were under way at once */
  readonly mostAtOnce: () => number
  /** body bytes sent */
  readonly bytesSent: () => number
  close(): Promise<void>
}

/** A whole page is at most 1,000 keys, as S3 has it. */
const PAGE = 1000

/** The first version of S3's ListObjects over a bucket, with delimiter `/` alone: pages, markers, CommonPrefixes. `spoil` answers instead. */
export async function startListingServer(
  bucket: Bucket,
  spoil: (query: URLSearchParams) => { status: number; body: string } | undefined = () => undefined,
): Promise<ListingServer> {
  const folders = [...bucket.keys()].sort(byBytes)
  const requests: string[] = []
  let underWay = 0
  let most = 0
  let bytes = 0
  const server = createServer((request, response) => {
    most = Math.max(most, ++underWay)
    response.on('close', () => underWay--)
    const query = new URL(request.url ?? '/', 'http://bucket').searchParams
    requests.push(decodeURIComponent(request.url ?? ''))
    const answer = spoil(query) ?? { status: 200, body: pageOf(bucket, folders, query) }
    bytes += Buffer.byteLength(answer.body)
    response.writeHead(answer.status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(answer.body) })
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket`,
    requests,
    mostAtOnce: () => most,
    bytesSent: () => bytes,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function pageOf(bucket: Bucket, folders: readonly string[], query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const marker = query.get('marker') ?? ''
  if (query.get('delimiter') !== '/') throw new Error('this server knows the delimiter / alone')
  const limit = Math.min(PAGE, Number(query.get('max-keys') ?? PAGE))
  const own = bucket.get(prefix)
  const found =
    own === undefined
      ? [
          ...new Set(
            folders.filter((folder) => folder.startsWith(prefix)).map((folder) => folder.slice(0, folder.indexOf('/', prefix.length) + 1)),
          ),
        ]
      : own().map((name) => prefix + name)
  const after = found.slice(lowerBound(found, marker))
  const page = after.slice(0, limit)
  const truncated = after.length > page.length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>bucket</Name><Prefix>${prefix}</Prefix><Marker>${marker}</Marker>`,
    truncated ? `<NextMarker>${page.at(-1) ?? ''}</NextMarker>` : '',
    `<MaxKeys>${limit}</MaxKeys><Delimiter>/</Delimiter><IsTruncated>${truncated}</IsTruncated>`,
    ...page.map((key) =>
      own === undefined
        ? `<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${key}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>100</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    ),
    '</ListBucketResult>',
  ].join('')
}

/** Index of the first key after `marker`. */
function lowerBound(keys: readonly string[], marker: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (byBytes(keys[middle] as string, marker) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** A bucket of ZIP keys as the real one lists them: a CHECKSUM beside each. */
export function bucketOfZips(keys: Iterable<string>): Bucket {
  const files = new Map<string, string[]>()
  for (const key of keys) {
    const cut = key.lastIndexOf('/') + 1
    const folder = key.slice(0, cut)
    const names = files.get(folder) ?? []
    names.push(key.slice(cut), `${key.slice(cut)}.CHECKSUM`)
    files.set(folder, names)
  }
  return new Map([...files].map(([folder, names]) => [folder, () => names.sort(byBytes)]))
}

/** A symbol of a made-up bucket: daily archives of `intervals` from `first` to `last`, both included, without `missing`. */
export interface MadeSymbol {
  readonly market: 'spot' | 'um' | 'cm'
  readonly symbol: string
  readonly intervals: readonly string[]
  readonly first: string
  readonly last: string
  readonly missing?: readonly string[]
}

const FOLDERS = { spot: 'data/spot', um: 'data/futures/um', cm: 'data/futures/cm' }

/** A bucket of daily archives; names are made when a page is asked for, so that 20,000 series take no memory. */
export function bucketOfSymbols(symbols: readonly MadeSymbol[]): Bucket {
  const bucket = new Map<string, () => readonly string[]>()
  const dayNames = new Map<number, string>()
  for (const { market, symbol, intervals, first, last, missing } of symbols) {
    for (const interval of intervals) {
      bucket.set(`${FOLDERS[market]}/daily/klines/${symbol}/${interval}/`, () => {
        const names: string[] = []
        for (let ms = Date.parse(first); ms <= Date.parse(last); ms += 86_400_000) {
          const day = dayNames.get(ms) ?? new Date(ms).toISOString().slice(0, 10)
          dayNames.set(ms, day)
          if (missing?.includes(day) !== true) names.push(`${symbol}-${interval}-${day}.zip`, `${symbol}-${interval}-${day}.zip.CHECKSUM`)
        }
        return names
      })
    }
  }
  return bucket
}
