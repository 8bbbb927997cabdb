import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSandbox, type Sandbox } from '../../../../src/sandbox/index.ts'
import type { Packaging, Series } from '../../../../src/model/series.ts'
import type { ArchivePage } from '../../../../src/sources/vision/archive-page.ts'
import { ArchiveFolder } from '../../../../src/sources/vision/archive-page.ts'
import { parseListingPage } from '../../../../src/sources/vision/listing-page.ts'
import { parsePage } from '../../../../src/sources/vision/listing-xml.ts'

const MINUTES: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1m' }
const PREFIX = 'data/spot/daily/klines/BTCUSDT/1m/'
const STEM = `${PREFIX}BTCUSDT-1m-`
const ETAG = '0123456789abcdef0123456789abcdef'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ now: () => Date.parse('2024-06-10T12:00:00Z') })
})
afterAll(() => sandbox.close())

async function fetchXml(query: string): Promise<string> {
  const answer = await fetch(`${sandbox.urls.listing}?${query}`)
  return await answer.text()
}

function entry(key: string, o: { etag?: string; size?: string; more?: string; storage?: string } = {}): string {
  return `<Contents><Key>${key}</Key><LastModified>2024-01-02T00:00:00.000Z</LastModified><ETag>&quot;${o.etag ?? ETAG}&quot;</ETag><Size>${o.size ?? '71234'}</Size>${o.more ?? ''}<StorageClass>${o.storage ?? 'STANDARD'}</StorageClass></Contents>`
}

function pageOf(entries: string, truncated = 'false', head = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name><Prefix>p/</Prefix>${head}<IsTruncated>${truncated}</IsTruncated>${entries}</ListBucketResult>`
}

function told(page: ArchivePage): object {
  const { latest, entries, next } = page
  return { latest, entries, next, archives: page.archives() }
}

/** What the scanner makes of a page; undefined: it leaves it. Buffers of a pool start anywhere in their memory. */
function scan(xml: string, series: Series = MINUTES, packaging: Packaging = 'daily'): object | undefined {
  const page = new ArchiveFolder(series, packaging).scan(Buffer.from(xml))
  return page === undefined ? undefined : told(page)
}

/** What the XML parser makes of it; throws where it refuses the page. */
function parse(xml: string, series: Series = MINUTES, packaging: Packaging = 'daily'): object {
  return told(new ArchiveFolder(series, packaging).read(parsePage(xml, 'test')))
}

/** The scanner's promise: what it reads, the parser reads the same; what the parser refuses, it leaves. */
function expectSameOrLeft(xml: string): void {
  const scanned = scan(xml)
  if (scanned === undefined) return
  expect(scanned).toEqual(parse(xml))
}

describe('the scanner of a page of archives', () => {
  test('reads a full page of the exchange exactly as the XML parser does', async () => {
    const xml = await fetchXml(`delimiter=/&prefix=${PREFIX}`)
    const scanned = new ArchiveFolder(MINUTES, 'daily').scan(Buffer.from(xml))
    expect(scanned?.entries).toBe(1000)
    expect(scanned?.archives()).toHaveLength(500)
    expect(scanned?.archives()[0]).toMatchObject({ key: `${STEM}2017-08-17.zip`, period: '2017-08-17', firstDay: '2017-08-17' })
    expect(scanned?.latest).toBe('2018-12-29')
    expect(scan(xml)).toEqual(parse(xml))
  })

  test('reads pages of months', async () => {
    const xml = await fetchXml(`delimiter=/&prefix=${PREFIX.replace('daily', 'monthly')}`)
    const scanned = scan(xml, MINUTES, 'monthly')
    expect(scanned).toMatchObject({ latest: '2024-05-01' })
    expect(scanned).toEqual(parse(xml, MINUTES, 'monthly'))
  })

  test('one scanner reads page after page, a larger one after a smaller one', () => {
    const folder = new ArchiveFolder(MINUTES, 'daily')
    const small = pageOf(entry(`${STEM}2024-01-01.zip`, { etag: 'a' }))
    const large = pageOf(Array.from({ length: 28 }, (_, i) => entry(`${STEM}2024-02-${String(i + 1).padStart(2, '0')}.zip`)).join(''))
    const [first, second, third] = [small, large, small].map((xml) => folder.scan(Buffer.from(xml)))
    expect([first, second, third].map((page) => page?.archives().length)).toEqual([1, 28, 1])
    expect(first?.archives()).toEqual(third?.archives())
    expect(first?.archives()[0]?.etag).toBe('a')
  })

  test.each([
    ['days are missing', ['2024-01-01.zip', '2024-01-01.zip.CHECKSUM', '2024-02-28.zip', '2024-02-29.zip', '2024-03-01.zip']],
    ['a CHECKSUM comes first', ['2023-12-31.zip.CHECKSUM', '2024-01-01.zip', '2024-01-01.zip.CHECKSUM']],
    ['a CHECKSUM is of another day', ['2024-01-01.zip', '2024-06-05.zip.CHECKSUM', '2024-01-02.zip', '2024-01-03.zip']],
    ['the order is another one', ['2024-01-03.zip', '2024-01-01.zip', '2024-01-02.zip', '2024-01-01.zip']],
    ['there are CHECKSUM files alone', ['2024-01-01.zip.CHECKSUM']],
    ['days are far away', ['0000-01-01.zip', '1969-12-31.zip', '9999-12-31.zip']],
  ])('reads a page where %s', (_name, names) => {
    const xml = pageOf(names.map((name) => entry(STEM + name)).join(''), 'true')
    const scanned = scan(xml)
    expect(scanned).toMatchObject({ next: STEM + (names.at(-1) ?? ''), entries: names.length })
    expect(scanned).toEqual(parse(xml))
  })

  test('goes on from NextMarker, or without one from the last key', () => {
    const xml = entry(`${STEM}2024-01-01.zip`)
    expect(scan(pageOf(xml, 'true', '<NextMarker>m</NextMarker>'))).toMatchObject({ next: 'm' })
    expect(scan(pageOf(xml, 'true'))).toMatchObject({ next: `${STEM}2024-01-01.zip` })
    expect(scan(pageOf(xml, 'false'))).toMatchObject({ next: undefined })
  })

  const good = entry(`${STEM}2024-01-01.zip`)
  test.each([
    ['a file of another name', entry(`${PREFIX}README`)],
    ['a file of another symbol', entry(`${PREFIX}ETHUSDT-1m-2024-01-02.zip`)],
    ['a file of another ending', entry(`${STEM}2024-01-02.csv`)],
    ['a key that is not padded', entry(`${STEM}2024-1-2.zip`)],
    ['a day that is none', entry(`${STEM}2024-02-30.zip`)],
    ['a CHECKSUM of a day that is none', entry(`${STEM}2024-13-01.zip.CHECKSUM`)],
    ['a month', entry(`${STEM}2024-01.zip`)],
    ['an entity in a key', entry(`${STEM}2024-01-02.zip`).replace('BTC', '&#66;TC')],
    ['CDATA', entry(`<![CDATA[${STEM}2024-01-02.zip]]>`)],
    ['a comment', `<!-- x -->${good}`],
    ['a key twice', entry(`${STEM}2024-01-02.zip`, { more: '<Key>x</Key>' })],
    ['an owner', entry(`${STEM}2024-01-02.zip`, { more: '<Owner><ID>x</ID></Owner>' })],
    ['attributes', good.replace('<Size>', '<Size unit="B">')],
    ['no size', good.replace(/<Size>.*<\/Size>/, '')],
    ['an empty size', good.replace(/<Size>.*<\/Size>/, '<Size></Size>')],
    ['a size of 16 digits', entry(`${STEM}2024-01-02.zip`, { size: '1234567890123456' })],
    ['an empty ETag', entry(`${STEM}2024-01-02.zip`, { etag: '' })],
    ['an ETag longer than any name', entry(`${STEM}2024-01-02.zip`, { etag: 'e'.repeat(1025) })],
    ['text between entries', ' x '],
    ['a folder', `<CommonPrefixes><Prefix>${PREFIX}old/</Prefix></CommonPrefixes>`],
    ['half an entry', good.slice(0, -12)],
  ])('leaves a page with %s to the parser', (_name, other) => {
    expect(scan(pageOf(good + other + good))).toBeUndefined()
    expect(scan(pageOf(good + good))).toBeDefined()
  })

  test.each([
    ['nothing', ''],
    ['no entries', pageOf('')],
    ['an error of S3', '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>'],
    ['a page without its end', pageOf(good).slice(0, -1)],
    ['a page with something after its end', `${pageOf(good)} `],
    ['a page that begins with a mark of byte order', `\uFEFF${pageOf(good)}`],
    ['a document type', pageOf(good).replace('<ListBucketResult', '<!DOCTYPE x><ListBucketResult')],
    ['no word whether it goes on', pageOf(good).replace(/<IsTruncated>.*<\/IsTruncated>/, '')],
    ['another word for it', pageOf(good, 'maybe')],
    ['an element twice', pageOf(good, 'false', '<IsTruncated>true</IsTruncated>')],
    ['a marker longer than any name', pageOf(good, 'true', `<NextMarker>${'m'.repeat(1025)}</NextMarker>`)],
    [
      'the word whether it goes on after the entries',
      pageOf(good).replace(/<IsTruncated>false<\/IsTruncated>(.*)<\/List/s, '$1<IsTruncated>false</IsTruncated></List'),
    ],
  ])('leaves %s to the parser', (_name, xml) => {
    expect(scan(xml)).toBeUndefined()
  })

  test('leaves a symbol that XML writes otherwise, or that makes keys too long', () => {
    for (const symbol of ['A&B', 'A<B', 'A B', 'A'.repeat(500)]) {
      const series = { ...MINUTES, symbol }
      expect(scan(pageOf(entry(`data/spot/daily/klines/${symbol}/1m/${symbol}-1m-2024-01-01.zip`)), series)).toBeUndefined()
    }
  })

  test('a symbol of any letters is read, or left', async () => {
    const series: Series = { market: 'um', symbol: '币安人生USDT', interval: '1h' }
    const xml = pageOf(entry('data/futures/um/daily/klines/币安人生USDT/1h/币安人生USDT-1h-2025-10-08.zip'))
    const expected = parse(xml, series)
    expect(expected).toMatchObject({ latest: '2025-10-08', entries: 1 })
    const folder = new ArchiveFolder(series, 'daily')
    expect(told(folder.scan(Buffer.from(xml)) ?? folder.read(await parseListingPage(Buffer.from(xml), 'test')))).toEqual(expected)
  })
})

const anyKey = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .integer({ min: 0, max: 400 })
      .map((n) => `${STEM}${new Date(Date.UTC(2023, 11, 1) + n * 86_400_000).toISOString().slice(0, 10)}`),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^\d{4}-\d{2}-\d{2}$/).map((text) => STEM + text) },
  { weight: 1, arbitrary: fc.stringMatching(/^\d{4}-\d{1,2}-\d{1,2}$/).map((text) => STEM + text) },
)
const anyEntry = fc
  .tuple(
    anyKey,
    fc.constantFrom('.zip', '.zip.CHECKSUM', '.zip', '.zip.CHECKSUM', '.csv'),
    fc.stringMatching(/^[0-9a-f]{1,40}(-\d{1,3})?$/),
    fc.stringMatching(/^\d{1,15}$/),
    fc.constantFrom('STANDARD', 'INTELLIGENT_TIERING'),
  )
  .map(([key, ending, etag, size, storage]) => entry(key + ending, { etag, size, storage }))

describe('for any page', () => {
  test('of entries as S3 writes them, what is read is what the parser reads', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { minLength: 1, maxLength: 8 }), fc.constantFrom('true', 'false'), (entries, truncated) => {
        expectSameOrLeft(pageOf(entries.join(''), truncated))
      }),
      { numRuns: 500 },
    )
  })

  test('of archives alone, nothing is left', () => {
    const days = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(days, (numbers) => {
        const names = numbers.map((n) => `${STEM}${new Date(n * 86_400_000).toISOString().slice(0, 10)}.zip`)
        const xml = pageOf(names.map((name) => entry(name) + entry(`${name}.CHECKSUM`)).join(''))
        expect(scan(xml)).toMatchObject({ entries: names.length * 2 })
        expect(scan(xml)).toEqual(parse(xml))
      }),
    )
  })

  test('damaged anywhere, it is what the parser makes of it, or left', async () => {
    const whole = await fetchXml(`delimiter=/&prefix=${PREFIX}&max-keys=6`)
    const inserts = ['', '<', '>', '&', '"', '/', '&quot;', '0', 'Key', '<Key>', '</Contents>', '<Contents>', ' ', '\0', '\u00E9', '币']
    let read = 0
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(40), fc.constantFrom(...inserts), (at, cut, insert) => {
        const damaged = whole.slice(0, at) + insert + whole.slice(at + cut)
        if (scan(damaged) !== undefined) read++
        expectSameOrLeft(damaged)
      }),
      { numRuns: 3000 },
    )
    expect(read).toBeGreaterThan(0)
  })

  test('with any one byte changed to any other, it is what the parser makes of it, or left', () => {
    const names = ['2024-01-01.zip', '2024-01-01.zip.CHECKSUM', '2024-01-02.zip']
    const whole = Buffer.from(
      pageOf(names.map((name) => entry(STEM + name, { etag: 'e0' })).join(''), 'true', '<NextMarker>mark</NextMarker>'),
    )
    const folder = new ArchiveFolder(MINUTES, 'daily')
    const read: number[] = []
    for (let at = 0; at < whole.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Buffer.from(whole)
        changed[at] = byte
        const scanned = folder.scan(changed)
        if (scanned === undefined) continue
        const [found, expected] = [told(scanned), parse(new TextDecoder().decode(changed))]
        // a hundred thousand pages: the matcher is asked only for its words
        if (JSON.stringify(found) !== JSON.stringify(expected)) expect(found).toEqual(expected)
        if (byte !== whole[at]) read.push(at)
      }
    }
    expect(read.length).toBeGreaterThan(1000)
  })
})
