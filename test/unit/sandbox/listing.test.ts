import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { at, fetchAllKeys, fetchPage, fetchWire } from './client.ts'

const NOW = at('2024-03-05T12:00:00Z')
const SERIES = 'data/spot/daily/klines/BTCUSDT/1m/'
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ now: () => NOW })
})
afterAll(() => sandbox.close())

describe('the listing', () => {
  it('gives 1,000 keys a page, every day once, each ZIP followed by its CHECKSUM', async () => {
    const first = await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix: SERIES })
    expect(first.contents).toHaveLength(1000)
    expect(first.truncated).toBe(true)
    expect(first.nextMarker).toBe(first.contents.at(-1)?.Key)

    const keys = await fetchAllKeys(sandbox.urls.listing, SERIES)
    // 2017-08-17 to 2024-03-04 are 2,392 days
    expect(keys).toHaveLength(2 * 2392)
    expect(keys[0]).toBe(`${SERIES}BTCUSDT-1m-2017-08-17.zip`)
    expect(keys.at(-1)).toBe(`${SERIES}BTCUSDT-1m-2024-03-04.zip.CHECKSUM`)
    for (let i = 0; i < keys.length; i += 2) expect(keys[i + 1]).toBe(`${keys[i]}.CHECKSUM`)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('goes on after any marker, also between a ZIP and its CHECKSUM and at keys that do not exist', async () => {
    const after = async (marker: string): Promise<string[]> =>
      (await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix: SERIES, marker, 'max-keys': '2' })).contents.map(({ Key }) =>
        Key.slice(SERIES.length),
      )
    expect(await after(`${SERIES}BTCUSDT-1m-2024-03-02.zip`)).toEqual(['BTCUSDT-1m-2024-03-02.zip.CHECKSUM', 'BTCUSDT-1m-2024-03-03.zip'])
    expect(await after(`${SERIES}BTCUSDT-1m-2024-03-02.zip.CHECKSUM`)).toEqual([
      'BTCUSDT-1m-2024-03-03.zip',
      'BTCUSDT-1m-2024-03-03.zip.CHECKSUM',
    ])
    expect(await after(`${SERIES}BTCUSDT-1m-2024-03-03`)).toEqual(['BTCUSDT-1m-2024-03-03.zip', 'BTCUSDT-1m-2024-03-03.zip.CHECKSUM'])
    expect(await after(`${SERIES}BTCUSDT-1m-2024-03-04.zip.CHECKSUM`)).toEqual([])
    expect(await after('data/spot/daily/klines/AAAA')).toEqual(['BTCUSDT-1m-2017-08-17.zip', 'BTCUSDT-1m-2017-08-17.zip.CHECKSUM'])
  })

  it('states NextMarker only with a delimiter', async () => {
    const page = await fetchPage(sandbox.urls.listing, { prefix: SERIES })
    expect(page.truncated).toBe(true)
    expect(page.nextMarker).toBeUndefined()
    const whole = await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix: `${SERIES}BTCUSDT-1m-2024-03-0` })
    expect(whole.contents).toHaveLength(8)
    expect(whole.truncated).toBe(false)
    expect(whole.nextMarker).toBeUndefined()
  })

  it('rolls keys up into folders on every level and pages through them', async () => {
    const folders = async (prefix: string): Promise<string[]> => (await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix })).folders
    expect(await folders('data/')).toEqual(['data/futures/', 'data/option/', 'data/spot/'])
    expect(await folders('data/futures/um/')).toEqual(['data/futures/um/daily/', 'data/futures/um/monthly/'])
    // byte order: 1mo after 1m, since "/" sorts before "o"
    expect(await folders('data/spot/monthly/klines/BTCUSDT/')).toEqual(
      ['12h', '15m', '1d', '1h', '1m', '1mo', '1s', '1w', '2h', '30m', '3d', '3m', '4h', '5m', '6h', '8h'].map(
        (name) => `data/spot/monthly/klines/BTCUSDT/${name}/`,
      ),
    )
    const prefix = 'data/spot/daily/klines/'
    const all = await folders(prefix)
    expect(all).toContain(`${prefix}1000SATSUSDT/`)
    expect(all).toContain(`${prefix}WAVESUSDT/`)
    const paged: string[] = []
    for (let marker: string | undefined = ''; marker !== undefined;) {
      const page = await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix, marker, 'max-keys': '7' })
      paged.push(...page.folders)
      marker = page.nextMarker
    }
    expect(paged).toEqual(all)
  })

  it('keeps UTF-8 byte order and encoding for names beyond ASCII', async () => {
    await using later = await startSandbox({ now: () => at('2025-10-12T12:00:00Z') })
    const prefix = 'data/futures/um/daily/klines/'
    const { folders } = await fetchPage(later.urls.listing, { delimiter: '/', prefix })
    expect(folders.at(-1)).toBe(`${prefix}币安人生USDT/`)
    const bytes = folders.map((folder) => Buffer.from(folder))
    for (let i = 1; i < bytes.length; i++) expect(Buffer.compare(bytes[i - 1]!, bytes[i]!)).toBe(-1)
    const key = `${prefix}币安人生USDT/1d/币安人生USDT-1d-2025-10-09.zip`
    expect(await fetchAllKeys(later.urls.listing, `${prefix}币安人生USDT/1d/`)).toContain(key)
    expect((await fetchWire(`${later.urls.vision}/${encodeURI(key)}`)).status).toBe(200)
  })

  it('escapes what XML cannot hold and quotes ETags as S3 does', async () => {
    const raw = await fetchWire(`${sandbox.urls.listing}?prefix=${encodeURIComponent('a<b>&"')}`)
    expect(raw.body.toString()).toContain('<Prefix>a&lt;b&gt;&amp;&quot;</Prefix>')
    const page = await fetchWire(`${sandbox.urls.listing}?max-keys=1&prefix=${SERIES}`)
    expect(page.body.toString()).toMatch(/<ETag>&quot;[0-9a-f]{32}-2&quot;<\/ETag>/)
    expect((await fetchWire(`${sandbox.urls.listing}?max-keys=x`)).status).toBe(400)
  })

  it('publishes a day ten hours after its end, a month on the first Monday of the next', async () => {
    let now = 0
    await using clocked = await startSandbox({ now: () => now, markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2024-01-01' }] })
    const lastOf = async (iso: string, packaging: string, interval: string): Promise<string | undefined> => {
      now = at(iso)
      const keys = await fetchAllKeys(clocked.urls.listing, `data/spot/${packaging}/klines/BTCUSDT/${interval}/`)
      return keys.at(-1)?.replace(/^.*\/BTCUSDT-\w+?-/, '')
    }
    expect(await lastOf('2024-02-10T09:59:59Z', 'daily', '1m')).toBe('2024-02-08.zip.CHECKSUM')
    expect(await lastOf('2024-02-10T10:00:00Z', 'daily', '1m')).toBe('2024-02-09.zip.CHECKSUM')
    // the first Monday of March 2024 is the 4th
    expect(await lastOf('2024-03-04T07:59:00Z', 'monthly', '1m')).toBe('2024-01.zip.CHECKSUM')
    expect(await lastOf('2024-03-04T08:00:00Z', 'monthly', '1m')).toBe('2024-02.zip.CHECKSUM')
    // 2024-04-01 is a Monday itself, but the 3d bar that opens on 2024-03-31 closes on 04-03 only
    expect(await lastOf('2024-04-01T08:00:00Z', 'monthly', '1m')).toBe('2024-03.zip.CHECKSUM')
    expect(await lastOf('2024-04-01T08:00:00Z', 'monthly', '3d')).toBe('2024-02.zip.CHECKSUM')
    expect(await lastOf('2024-04-03T08:00:00Z', 'monthly', '3d')).toBe('2024-03.zip.CHECKSUM')
    // nothing but months for 3d, 1w and 1M
    expect(await lastOf('2024-04-03T08:00:00Z', 'daily', '1w')).toBeUndefined()
    expect((await fetchWire(`${clocked.urls.vision}/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-04-03.zip`)).status).toBe(404)
  })

  it('stays quick where a series has thousands of days', async () => {
    const started = performance.now()
    for (let i = 0; i < 20; i++)
      await fetchPage(sandbox.urls.listing, {
        delimiter: '/',
        prefix: SERIES,
        marker: `${SERIES}BTCUSDT-1m-2024-03-03.zip`,
        'max-keys': '1',
      })
    // a page that walked through all keys of all series would take seconds
    expect((performance.now() - started) / 20).toBeLessThan(250)
  })
})
