import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSandbox, type Sandbox } from '../../../../src/sandbox/index.ts'
import { parseListingPage, scanPage } from '../../../../src/sources/vision/listing-page.ts'
import { parsePage } from '../../../../src/sources/vision/listing-xml.ts'

/** The scanner's promise: what it reads, the parser reads the same; what it does not understand it leaves to the parser. */
function expectSameOrUndefined(xml: string): void {
  const scanned = scanPage(xml)
  if (scanned !== undefined) expect(parsePage(xml, 'test')).toEqual(scanned)
  else expect(scanned).toBeUndefined()
}

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ now: () => Date.parse('2024-06-10T12:00:00Z') })
})
afterAll(() => sandbox.close())

async function fetchXml(query: string): Promise<string> {
  const answer = await fetch(`${sandbox.urls.listing}?${query}`)
  return await answer.text()
}

const PREFIX = 'data/spot/daily/klines/BTCUSDT/1m/'
const entry = (key: string, extra = ''): string =>
  `<Contents><Key>${key}</Key><LastModified>2024-01-02T00:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>71234</Size>${extra}<StorageClass>STANDARD</StorageClass></Contents>`
const page = (entries: string, truncated = 'false', head = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name><Prefix>p/</Prefix>${head}<IsTruncated>${truncated}</IsTruncated>${entries}</ListBucketResult>`

describe('the scanner of listing pages', () => {
  test('reads a full page of the exchange exactly as the XML parser does', async () => {
    const xml = await fetchXml(`delimiter=/&prefix=${PREFIX}`)
    const scanned = scanPage(xml)
    expect(scanned?.keys).toHaveLength(1000)
    expect(scanned?.keys[0]?.key).toBe(`${PREFIX}BTCUSDT-1m-2017-08-17.zip`)
    expect(scanned).toEqual(parsePage(xml, 'test'))
  })

  test('goes on from NextMarker, or without one from the last key', () => {
    const key = `${PREFIX}BTCUSDT-1m-2024-01-01.zip`
    expect(scanPage(page(entry(key), 'true', '<NextMarker>m</NextMarker>'))?.next).toBe('m')
    expect(scanPage(page(entry(key), 'true'))?.next).toBe(key)
    expect(scanPage(page(entry(key), 'false'))?.next).toBeUndefined()
  })

  test.each([
    ['an entity in a key', page(entry('a&amp;b.zip'))],
    ['CDATA', page(entry('<![CDATA[a.zip]]>'))],
    ['a comment', page(`<!-- <Contents> -->${entry('a.zip')}`)],
    ['a key twice', page(entry('a.zip', '<Key>b.zip</Key>'))],
    ['attributes', page(entry('a.zip').replace('<Size>', '<Size unit="B">'))],
    ['no size', page(entry('a.zip').replace(/<Size>.*<\/Size>/, ''))],
    ['text between entries', page(`${entry('a.zip')} x ${entry('b.zip')}`)],
    ['folders', page(`${entry('a.zip')}<CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>`)],
    ['no entries', page('')],
    ['a marker with an attribute', page(entry('a.zip'), 'true', '<NextMarker x="1">m</NextMarker>')],
  ])('leaves %s to the parser', (_name, xml) => {
    expect(scanPage(xml)).toBeUndefined()
  })

  test('any damage to a page gives what the parser gives, or nothing', async () => {
    const whole = await fetchXml(`delimiter=/&prefix=${PREFIX}&max-keys=6`)
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.nat(40),
        fc.constantFrom('', '<', '>', '&', '"', '/', 'Key', '<Key>', '</Contents>', '<Contents>', ' '),
        (at, cut, insert) => {
          const damaged = whole.slice(0, at) + insert + whole.slice(at + cut)
          let parsed: unknown
          try {
            parsed = parsePage(damaged, 'test')
          } catch {
            // the parser refuses it: then the scanner must not accept it either
            expect(scanPage(damaged)).toBeUndefined()
            return
          }
          const scanned = scanPage(damaged)
          if (scanned === undefined) expect(scanned).toBeUndefined()
          else expect(scanned).toEqual(parsed)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('an entry that an own text imitates is never read twice', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[A-Za-z0-9/._<>-]{1,40}$/), { minLength: 1, maxLength: 5 }), (keys) => {
        expectSameOrUndefined(page(keys.map((key) => entry(key)).join('')))
      }),
    )
  })
})

describe('a page that is not whole', () => {
  test.each([
    ['cut in the middle', (xml: string) => xml.slice(0, 500)],
    ['with its end missing', (xml: string) => xml.slice(0, -5)],
    ['an HTML page', () => '<html><body>Service unavailable</body></html>'],
    ['empty', () => ''],
    ['with a document type', (xml: string) => xml.replace('<ListBucketResult', '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult')],
    ['truncated without a key', () => page('', 'true')],
    ['without IsTruncated', (xml: string) => xml.replace(/<IsTruncated>.*<\/IsTruncated>/, '')],
    ['with a key longer than S3 has', () => page(entry('k'.repeat(1025)))],
    ['with a marker longer than S3 has', () => page(entry('k'), 'true', `<NextMarker>${'m'.repeat(2000)}</NextMarker>`)],
    ['with a folder longer than S3 has', () => page(`<CommonPrefixes><Prefix>${'p'.repeat(1_000_000)}/</Prefix></CommonPrefixes>`)],
    ['with an ETag of a megabyte', () => page(entry('k').replace(/<ETag>.*<\/ETag>/, `<ETag>${'e'.repeat(1_000_000)}</ETag>`))],
  ])('%s is refused: a shortened list would be a silent hole', async (_name, damage) => {
    const whole = await fetchXml(`delimiter=/&prefix=${PREFIX}&max-keys=6`)
    const refused = parseListingPage(new TextEncoder().encode(damage(whole)), 'http://127.0.0.1/listing')
    await expect(refused).rejects.toMatchObject({ code: 'CKVD_LISTING', message: expect.stringMatching(/^.{1,300}$/s) as string })
  })
})
