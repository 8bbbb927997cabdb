import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { SHARED } from '../../support/shared.ts'
import { at, fetchAllKeys, fetchKlines, fetchPage, fetchWire, parseCsv, unzip } from './client.ts'

describe.skipIf(SHARED === undefined)('a folder of real archives', () => {
  const folder = join(SHARED ?? '', 'vision')

  it('is listed with the real sizes and MD5s, and served byte for byte', async () => {
    await using sandbox = await startSandbox({ archive: folder })
    const prefix = 'data/spot/daily/klines/BTCUSDT/1m/'
    const { contents } = await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix })
    expect(contents.map(({ Key }) => Key.slice(prefix.length))).toEqual(
      ['01', '02', '03'].flatMap((day) => [`BTCUSDT-1m-2020-01-${day}.zip`, `BTCUSDT-1m-2020-01-${day}.zip.CHECKSUM`]),
    )
    for (const { Key, Size, ETag } of contents) {
      const bytes = readFileSync(join(folder, Key))
      expect([Number(Size), ETag]).toEqual([bytes.length, `"${createHash('md5').update(bytes).digest('hex')}"`])
      expect((await fetchWire(`${sandbox.urls.vision}/${Key}`)).body.equals(bytes)).toBe(true)
    }
    expect((await fetchPage(sandbox.urls.listing, { delimiter: '/', prefix: 'data/futures/' })).folders).toEqual([
      'data/futures/cm/',
      'data/futures/um/',
    ])
    expect(await fetchAllKeys(sandbox.urls.listing, 'data/spot/daily/klines/BTCUSDT/1h/')).toHaveLength(2 * 124)
    // nothing synthetic
    expect((await fetchPage(sandbox.urls.listing, { prefix: 'data/spot/daily/klines/ETHUSDT/' })).contents).toEqual([])
  })

  it('answers klines from the same rows, over files and the change to microseconds', async () => {
    await using sandbox = await startSandbox({ archive: folder })
    const klines = (query: string): string => `${sandbox.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&${query}`
    const day = parseCsv((await unzip(readFileSync(join(folder, 'data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2020-01-02.zip')))).text)
    const rows = await fetchKlines(
      klines(`interval=1m&startTime=${at('2020-01-02T00:00:00Z')}&endTime=${at('2020-01-02T11:59:00Z')}&limit=1000`),
    )
    expect(rows).toEqual(day.slice(0, 720))

    const hours = await fetchKlines(klines(`interval=1h&startTime=${at('2024-12-31T22:00:00Z')}&endTime=${at('2025-01-01T01:00:00Z')}`))
    expect(hours.map(({ open, close }) => [Number(open), Number(close)])).toEqual(
      ['2024-12-31T22:00:00Z', '2024-12-31T23:00:00Z', '2025-01-01T00:00:00Z', '2025-01-01T01:00:00Z'].map((time) => [
        at(time),
        at(time) + 3_599_999,
      ]),
    )
    // the outage of 2021-02-11: hour 04 is in no archive
    const outage = await fetchKlines(klines(`interval=1h&startTime=${at('2021-02-11T03:00:00Z')}&endTime=${at('2021-02-11T05:00:00Z')}`))
    expect(outage.map(({ open }) => new Date(Number(open)).getUTCHours())).toEqual([3, 5])
    const unknown = await fetchWire(`${sandbox.urls.spotRest}/api/v3/klines?symbol=ETHUSDT&interval=1m`)
    expect([unknown.status, unknown.body.toString()]).toEqual([400, '{"code":-1121,"msg":"Invalid symbol."}'])
  })

  it('names in exchangeInfo what has an archive of the last three days as trading', async () => {
    for (const [now, status] of [
      ['2025-01-02T00:00:00Z', 'TRADING'],
      ['2026-11-20T00:00:00Z', 'BREAK'],
    ] as const) {
      await using sandbox = await startSandbox({ archive: folder, now: () => at(now) })
      const { symbols } = JSON.parse((await fetchWire(`${sandbox.urls.spotRest}/api/v3/exchangeInfo`)).body.toString()) as {
        symbols: { symbol: string; status: string }[]
      }
      expect(symbols.find(({ symbol }) => symbol === 'BTCUSDT')?.status).toBe(status)
    }
  })

  it('lists trades and names their symbols, and tells none over REST', async () => {
    await using sandbox = await startSandbox({ archive: join(SHARED ?? '', 'samples'), now: () => at('2026-05-10T00:00:00Z') })
    const prefix = 'data/futures/cm/daily/aggTrades/BTCUSD_PERP/'
    expect(await fetchAllKeys(sandbox.urls.listing, prefix)).toEqual(
      ['zip', 'zip.CHECKSUM'].map((ending) => `${prefix}BTCUSD_PERP-aggTrades-2026-05-08.${ending}`),
    )
    const { symbols } = JSON.parse((await fetchWire(`${sandbox.urls.cmRest}/dapi/v1/exchangeInfo`)).body.toString()) as {
      symbols: { symbol: string; contractStatus: string }[]
    }
    expect(symbols.find(({ symbol }) => symbol === 'BTCUSD_PERP')?.contractStatus).toBe('TRADING')
    expect((await fetchWire(`${sandbox.urls.cmRest}/dapi/v1/aggTrades?symbol=BTCUSD_PERP`)).status).toBe(404)
  })

  it('takes faults of answers too', async () => {
    await using sandbox = await startSandbox({
      archive: folder,
      faults: [{ match: '2020-01-02\\.zip$', kind: 'status', status: 500, times: 1 }],
    })
    const url = `${sandbox.urls.vision}/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2020-01-02.zip`
    expect([(await fetchWire(url)).status, (await fetchWire(url)).status]).toEqual([500, 200])
    // faults of content would do nothing here
    const rule = { kind: 'unlisted', market: 'spot', symbol: 'BTCUSDT', day: '2020-01-02' } as const
    expect(() => sandbox.setFaults([rule])).toThrow(/real archives/)
    await expect(startSandbox({ archive: folder, faults: [rule] })).rejects.toMatchObject({ code: 'CKVD_CONFIG' })
  })
})
