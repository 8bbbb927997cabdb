import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { SHARED } from '../../support/shared.ts'
import { readFirstEntry } from '../../support/zip-builder.ts'

let sandbox: Sandbox | undefined
afterEach(() => sandbox?.close())

interface Rate {
  readonly symbol: string
  readonly fundingTime: number
  readonly fundingRate: string
}

async function ask(base: 'umRest' | 'cmRest' | 'spotRest', path: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${sandbox?.urls[base] ?? ''}${path}`)
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true
  return { status: answer.status, body: isJson ? (JSON.parse(text) as unknown) : text }
}

describe('funding rates over REST', () => {
  test.skipIf(SHARED === undefined)('are those of the archives in a folder, a page from the start on', async () => {
    const folder = join(SHARED ?? '', 'vision')
    const zip = await readFile(join(folder, 'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.zip'))
    const rows = readFirstEntry(zip).toString().trim().split('\n').slice(1)
    const rates = rows
      .map((row) => row.split(','))
      .map(([time, , rate]) => ({ symbol: 'BTCUSDT', fundingTime: Number(time), fundingRate: rate }))
    sandbox = await startSandbox({ archive: folder, now: () => Date.parse('2026-05-03T10:00:00Z') })
    const query = `symbol=BTCUSDT&startTime=${rates[3]?.fundingTime}&endTime=${rates[60]?.fundingTime}`
    expect(await ask('umRest', `/fapi/v1/fundingRate?${query}&limit=1000`)).toEqual({ status: 200, body: rates.slice(3, 61) })
    expect(await ask('umRest', `/fapi/v1/fundingRate?${query}&limit=10`)).toEqual({ status: 200, body: rates.slice(3, 13) })
    expect(await ask('umRest', '/fapi/v1/fundingRate?symbol=BTCUSDT&limit=2')).toEqual({ status: 200, body: rates.slice(-2) })
    expect(await ask('umRest', '/fapi/v1/fundingRate?symbol=NOSUCHUSDT')).toMatchObject({ status: 400, body: { code: -1121 } })
    expect(await ask('umRest', '/fapi/v1/fundingRate')).toMatchObject({ status: 400, body: { code: -1102 } })
    expect(await ask('spotRest', '/fapi/v1/fundingRate?symbol=BTCUSDT')).toMatchObject({ status: 404 })
  })

  test('of a synthetic exchange come every eight hours, the same for the same seed, and none of a delivery contract', async () => {
    sandbox = await startSandbox({ seed: 7, now: () => Date.parse('2024-03-10T12:00:00Z') })
    const [from, to] = [Date.parse('2024-03-01T00:00:00Z'), Date.parse('2024-03-20T00:00:00Z')]
    const first = await ask('cmRest', `/dapi/v1/fundingRate?symbol=BTCUSD_PERP&startTime=${from}&endTime=${to}&limit=1000`)
    const rates = first.body as Rate[]
    expect(rates.map(({ fundingTime }) => fundingTime)).toEqual(Array.from({ length: 29 }, (_none, i) => from + i * 8 * 3_600_000))
    expect(rates.every(({ fundingRate }) => /^-?0\.000\d{5}$/.test(fundingRate))).toBe(true)
    await sandbox.close()
    sandbox = await startSandbox({ seed: 7, now: () => Date.parse('2024-03-10T12:00:00Z') })
    expect(await ask('cmRest', `/dapi/v1/fundingRate?symbol=BTCUSD_PERP&startTime=${from}&endTime=${to}&limit=1000`)).toEqual(first)
    expect(await ask('umRest', '/fapi/v1/fundingRate?symbol=BTCUSDT_240329')).toMatchObject({ status: 400 })
  })
  test('of a synthetic exchange stand in archives of months, from its first day on, with a header and the hours between them', async () => {
    const markets = [
      { market: 'um', symbol: 'HUSDT', firstDay: '2024-01-30', opensAt: '05:00' },
      { market: 'um', symbol: 'HUSDT_240329', firstDay: '2024-01-30' },
    ] as const
    sandbox = await startSandbox({ seed: 7, now: () => Date.parse('2024-03-10T12:00:00Z'), markets })
    const lines: string[] = []
    for (const month of ['2024-01', '2024-02']) {
      const key = `data/futures/um/monthly/fundingRate/HUSDT/HUSDT-fundingRate-${month}.zip`
      const zip = Buffer.from(await (await fetch(`${sandbox.urls.vision}/${key}`)).arrayBuffer())
      const checksum = await (await fetch(`${sandbox.urls.vision}/${key}.CHECKSUM`)).text()
      expect(checksum.split(' ')[0]).toBe(createHash('sha256').update(zip).digest('hex'))
      const [header, ...rows] = readFirstEntry(zip).toString().trimEnd().split('\n')
      expect(header).toBe('calc_time,funding_interval_hours,last_funding_rate')
      lines.push(...rows)
    }
    const told = (await ask('umRest', '/fapi/v1/fundingRate?symbol=HUSDT&startTime=0&limit=1000')).body as Rate[]
    expect(lines).toEqual(told.slice(0, lines.length).map(({ fundingTime, fundingRate }) => `${fundingTime},8,${fundingRate}`))
    expect(lines[0]).toMatch(`${Date.parse('2024-01-30T08:00:00Z')},8,`)
    expect(lines).toHaveLength(2 + 3 * 30)
    const listed = await (await fetch(`${sandbox.urls.listing}?prefix=data/futures/um/monthly/fundingRate/&delimiter=/`)).text()
    expect(listed).toContain('/fundingRate/HUSDT/<')
    expect(listed).not.toContain('HUSDT_240329')
  })
})
