import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { isCkvdError } from '../../../../src/errors.ts'
import type { CkvdError } from '../../../../src/errors.ts'
import type { Series } from '../../../../src/model/series.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../../src/sources/http/http.ts'
import { Listing } from '../../../../src/sources/vision/listing.ts'

const HOURS: Series = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }
const FOLDER = 'data/spot/daily/klines/AAAUSDT/1h/'
const MONTHLY = 'data/spot/monthly/klines/AAAUSDT/1h/'
const signal = new AbortController().signal
const day = (text: string): UtcDay => text as UtcDay

interface Bucket {
  readonly listing: Listing
  /** decoded queries, in order */
  readonly queries: string[]
}

const open: { readonly server: Server; readonly http: HttpClient }[] = []

afterEach(async () => {
  for (const { server, http } of open.splice(0)) {
    await http.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

/** A bucket on loopback that lists by the rules of S3 (version 1), `pageKeys` at most a page; `spoil` changes a page's text. */
async function startBucket(
  keys: readonly string[],
  o: { pageKeys?: number; maxRetries?: number; spoil?: (page: string, index: number) => string } = {},
): Promise<Bucket> {
  const queries: string[] = []
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const server = createServer((request, response) => {
    const params = new URL(request.url ?? '', 'http://bucket').searchParams
    queries.push(decodeURIComponent(new URL(request.url ?? '', 'http://bucket').search))
    const page = listPage(sorted, params, o.pageKeys ?? 1000)
    response.end(o.spoil?.(page, queries.length - 1) ?? page)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const http = new HttpClient({ ...HTTP_DEFAULTS, maxRetries: o.maxRetries ?? 0, backoffMs: 1 }, {})
  open.push({ server, http })
  return { listing: new Listing(http, `http://127.0.0.1:${(server.address() as AddressInfo).port}`), queries }
}

function listPage(keys: readonly string[], params: URLSearchParams, pageKeys: number): string {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  const limit = Math.min(pageKeys, Number(params.get('max-keys') ?? 1000))
  const shown: string[] = []
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const slash = key.indexOf('/', prefix.length)
    const entry = slash < 0 ? key : key.slice(0, slash + 1)
    if (Buffer.compare(Buffer.from(entry), Buffer.from(marker)) > 0 && !shown.includes(entry)) shown.push(entry)
  }
  const page = shown.slice(0, limit)
  const isTruncated = shown.length > limit
  const items = page.map((entry) =>
    entry.endsWith('/')
      ? `<CommonPrefixes><Prefix>${entry}</Prefix></CommonPrefixes>`
      : `<Contents><Key>${entry}</Key><ETag>&quot;etag-of-${entry.split('/').at(-1)}&quot;</ETag><Size>${entry.length}</Size></Contents>`,
  )
  return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${isTruncated ? `<NextMarker>${page.at(-1)}</NextMarker>` : ''}${items.join('')}</ListBucketResult>`
}

/** The keys of archives with their CHECKSUM files. */
function archives(folder: string, stem: string, periods: readonly string[]): string[] {
  return periods.flatMap((period) => [`${folder}${stem}-${period}.zip`, `${folder}${stem}-${period}.zip.CHECKSUM`])
}

function days(from: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => new Date(Date.parse(from) + i * 86_400_000).toISOString().slice(0, 10))
}

async function errorOf(promise: Promise<unknown>): Promise<CkvdError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isCkvdError(error)) throw new Error(`no CkvdError: ${String(error)}`)
  return error
}

describe('the archives of a series', () => {
  test('over many pages, oldest first, with size and ETag; CHECKSUM files, other intervals and strange files are left out', async () => {
    const wanted = days('2023-12-20', 40)
    const others = [
      ...archives('data/spot/daily/klines/AAAUSDT/1m/', 'AAAUSDT-1m', wanted),
      ...archives('data/spot/daily/klines/AAAUSDTX/1h/', 'AAAUSDTX-1h', wanted),
    ]
    const strange = [
      `${FOLDER}AAAUSDT-1h-2024-01-01.csv`,
      `${FOLDER}README`,
      `${FOLDER}AAAUSDT-1h-2024-02-30.zip`,
      `${FOLDER}BBBUSDT-1h-2024-01-01.zip`,
      `${FOLDER}old/AAAUSDT-1h-2024-01-01.zip`,
    ]
    const { listing, queries } = await startBucket([...archives(FOLDER, 'AAAUSDT-1h', wanted), ...others, ...strange], { pageKeys: 11 })
    const found = await listing.fetchArchives(HOURS, 'daily', { signal })
    expect(found.archives.map(({ period }) => period)).toEqual(wanted)
    expect(found.more).toBe(false)
    const key = `${FOLDER}AAAUSDT-1h-2023-12-20.zip`
    expect(found.archives[0]).toEqual({
      key,
      packaging: 'daily',
      period: '2023-12-20',
      firstDay: '2023-12-20',
      sizeBytes: key.length,
      etag: 'etag-of-AAAUSDT-1h-2023-12-20.zip',
    })
    expect(queries).toHaveLength(Math.ceil((40 * 2 + strange.length) / 11))
    expect(queries.every((query) => query.includes(`prefix=${FOLDER}`) && query.includes('delimiter=/'))).toBe(true)
  })

  test('from a day on: the listing starts there, and stops at the end with the word that it goes on', async () => {
    const { listing, queries } = await startBucket(archives(FOLDER, 'AAAUSDT-1h', days('2023-01-01', 300)), { pageKeys: 20 })
    const found = await listing.fetchArchives(HOURS, 'daily', { from: day('2023-06-01'), to: day('2023-06-04'), signal })
    expect(found.archives.map(({ period }) => period)).toEqual(['2023-06-01', '2023-06-02', '2023-06-03'])
    expect(found.more).toBe(true)
    expect(queries).toEqual([expect.stringContaining(`marker=${FOLDER}AAAUSDT-1h-2023-06-01`)])
    expect((await listing.fetchArchives(HOURS, 'daily', { from: day('2023-10-26'), to: day('2023-12-01'), signal })).more).toBe(false)
  })

  test('monthly ones; the month of the first day is among them', async () => {
    const { listing } = await startBucket(archives(MONTHLY, 'AAAUSDT-1h', ['2023-11', '2023-12', '2024-01', '2024-02']))
    const found = await listing.fetchArchives(HOURS, 'monthly', { from: day('2023-12-15'), to: day('2024-02-01'), signal })
    expect(found.archives.map(({ period, firstDay }) => `${period} ${firstDay}`)).toEqual(['2023-12 2023-12-01', '2024-01 2024-01-01'])
    expect(found.more).toBe(true)
  })

  test('keys that are not padded sort among the others; of two for one month the padded one counts', async () => {
    const { listing } = await startBucket(archives(MONTHLY, 'AAAUSDT-1h', ['2020-10', '2020-11', '2020-8', '2020-9', '2020-08', '2021-01']))
    const found = await listing.fetchArchives(HOURS, 'monthly', { signal })
    expect(found.archives.map(({ period }) => period)).toEqual(['2020-08', '2020-9', '2020-10', '2020-11', '2021-01'])
  })

  test('1m and 1mo are not taken for each other', async () => {
    const months: Series = { ...HOURS, interval: '1M' }
    const folder = 'data/spot/monthly/klines/AAAUSDT/'
    const { listing } = await startBucket([
      ...archives(`${folder}1mo/`, 'AAAUSDT-1mo', ['2024-01']),
      ...archives(`${folder}1m/`, 'AAAUSDT-1m', ['2024-01', '2024-02']),
    ])
    expect((await listing.fetchArchives(months, 'monthly', { signal })).archives.map(({ key }) => key)).toEqual([
      `${folder}1mo/AAAUSDT-1mo-2024-01.zip`,
    ])
    expect((await listing.fetchArchives({ ...HOURS, interval: '1m' }, 'monthly', { signal })).archives).toHaveLength(2)
  })

  test('a symbol of any letters', async () => {
    const series: Series = { market: 'um', symbol: '币安人生USDT', interval: '1h' }
    const { listing } = await startBucket(archives('data/futures/um/daily/klines/币安人生USDT/1h/', '币安人生USDT-1h', ['2025-10-08']))
    expect(
      (await listing.fetchArchives(series, 'daily', { from: day('2025-10-08'), signal })).archives.map(({ period }) => period),
    ).toEqual(['2025-10-08'])
  })

  test('none', async () => {
    const { listing, queries } = await startBucket([])
    expect(await listing.fetchArchives(HOURS, 'daily', { signal })).toEqual({ archives: [], more: false })
    expect(await listing.fetchFirstArchive(HOURS, 'daily', signal)).toBeUndefined()
    expect(queries).toHaveLength(2)
  })

  test('the first one, by one small page', async () => {
    const { listing, queries } = await startBucket(archives(FOLDER, 'AAAUSDT-1h', days('2023-01-01', 300)))
    expect((await listing.fetchFirstArchive(HOURS, 'daily', signal))?.period).toBe('2023-01-01')
    expect(queries).toEqual([expect.stringMatching(/max-keys=\d\b/)])
  })

  test('folders of a symbol', async () => {
    const folder = 'data/spot/daily/klines/AAAUSDT/'
    const { listing } = await startBucket(
      ['1m', '1h', '1d', '5m'].flatMap((name) => archives(`${folder}${name}/`, `AAAUSDT-${name}`, ['2024-01-01'])),
      { pageKeys: 3 },
    )
    expect(await listing.fetchFolders(folder, signal)).toEqual(['1d', '1h', '1m', '5m'])
  })
})

describe('a page that is not what it should be fails the whole list', () => {
  const keys = archives(FOLDER, 'AAAUSDT-1h', days('2023-01-01', 30))
  const second = (change: (page: string) => string) => (page: string, index: number) => (index === 1 ? change(page) : page)

  test.each<[string, (page: string, index: number) => string]>([
    ['cut in the middle', second((page) => page.slice(0, -40))],
    ['an HTML page', second(() => '<html><body>Sorry</body></html>')],
    ['an error body', second(() => '<Error><Code>InternalError</Code></Error>')],
    ['empty', second(() => '')],
    ['keys of another folder', second((page) => page.replaceAll('AAAUSDT/1h', 'BBBUSDT/1h'))],
    [
      'a page that goes back to the beginning',
      second((page) => page.replace(/<NextMarker>.*?<\/NextMarker>/, `<NextMarker>${FOLDER}</NextMarker>`)),
    ],
    ['a truncated page without keys', second(() => '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>')],
    ['no word whether it goes on', second((page) => page.replace(/<IsTruncated>.*?<\/IsTruncated>/, ''))],
  ])('%s', async (_name, spoil) => {
    const { listing, queries } = await startBucket(keys, { pageKeys: 20, spoil })
    const error = await errorOf(listing.fetchArchives(HOURS, 'daily', { signal }))
    expect(error.code).toBe('CKVD_LISTING')
    expect(queries).toHaveLength(2)
  })

  const S3_ERROR =
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>'
  test.each([
    ['an error of S3 with status 200', S3_ERROR],
    ['a page of HTML', '<!DOCTYPE html><html><body>Please wait</body></html>'],
    ['half a page', '<ListBucketResult><IsTruncated>false</IsTruncated><Cont'],
    ['nothing', ''],
  ])('%s passes as a 5xx does: asked for again', async (_name, answer) => {
    const { listing, queries } = await startBucket(keys, { maxRetries: 2, spoil: (page, index) => (index < 2 ? answer : page) })
    expect((await listing.fetchArchives(HOURS, 'daily', { signal })).archives.length * 2).toBe(keys.length)
    expect(queries).toHaveLength(3)
  })

  test('an error of S3 that does not pass is told by its code', async () => {
    const { listing, queries } = await startBucket(keys, { maxRetries: 2, spoil: () => S3_ERROR })
    const error = await errorOf(listing.fetchArchives(HOURS, 'daily', { signal }))
    expect(error).toMatchObject({ code: 'CKVD_LISTING', message: expect.stringContaining('InternalError: We encountered') as string })
    expect(queries).toHaveLength(3)
  })

  /** Pages without an end: each goes on behind the last one. */
  const endless = (entries: number, entry: (n: number) => string) => (_page: string, index: number) => {
    const name = (n: number): string => entry(index * entries + n)
    const list = Array.from({ length: entries }, (_, n) =>
      name(n).endsWith('/')
        ? `<CommonPrefixes><Prefix>${name(n)}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${name(n)}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>`,
    )
    return `<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>${name(entries - 1)}</NextMarker>${list.join('')}</ListBucketResult>`
  }
  const digits = (n: number): string => String(n).padStart(9, '0')

  test.each([
    ['full pages of keys', 1000, (n: number) => `${FOLDER}x${digits(n)}`, 20],
    ['pages of one key', 1, (n: number) => `${FOLDER}x${digits(n)}`, 201],
  ])('a listing without an end ends: %s', async (_name, entries, entry, mostPages) => {
    const { listing, queries } = await startBucket([], { spoil: endless(entries, entry) })
    const error = await errorOf(listing.fetchArchives(HOURS, 'daily', { signal }))
    expect(error).toMatchObject({ code: 'CKVD_LISTING', message: expect.stringContaining('goes on') as string })
    expect(queries.length).toBeLessThanOrEqual(mostPages)
  })

  test('symbols without an end end, too', async () => {
    const { listing, queries } = await startBucket([], { spoil: endless(1000, (n) => `data/spot/daily/klines/A${digits(n)}/`) })
    expect((await errorOf(listing.fetchFolders('data/spot/daily/klines/', signal))).code).toBe('CKVD_LISTING')
    expect(queries).toHaveLength(51)
  })

  test('a status other than 200 tells the setting to check', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end('<Error/>')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const http = new HttpClient({ ...HTTP_DEFAULTS, maxRetries: 0 }, {})
    open.push({ server, http })
    const listing = new Listing(http, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const error = await errorOf(listing.fetchArchives(HOURS, 'daily', { signal }))
    expect(error).toMatchObject({ code: 'CKVD_LISTING', message: expect.stringContaining('--listing-url') as string })
  })

  test('an interrupt ends it between two pages', async () => {
    const stop = new AbortController()
    const { listing } = await startBucket(keys, {
      pageKeys: 20,
      spoil: (page) => {
        stop.abort()
        return page
      },
    })
    expect((await errorOf(listing.fetchArchives(HOURS, 'daily', { signal: stop.signal }))).code).toBe('CKVD_ABORTED')
  })
})
