import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AvailabilityResult } from '../../src/report/availability/availability-run.ts'
import type { ListingServer, MadeSymbol } from '../support/listing-server.ts'
import { bucketOfSymbols, bucketOfZips, startListingServer } from '../support/listing-server.ts'
import { SHARED } from '../support/shared.ts'
import { runHere } from '../unit/cli/support.ts'

let out: string
let server: ListingServer | undefined
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'ckvd-availability-'))
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(out, { recursive: true })
})

const DAY_MS = 86_400_000
const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** First and last day, days and missing days of each symbol, from the keys alone: sets of day numbers, nothing of the program. */
function expectFromKeys(keys: readonly string[], monthly: boolean) {
  const days = new Map<string, Set<number>>()
  for (const key of keys) {
    const [, symbol = '', period = ''] = /\/([^/]+)\/1m\/[^/]+-1m-([\d-]+)\.zip$/.exec(key) ?? []
    const own = days.get(symbol) ?? new Set()
    days.set(symbol, own)
    const [year = 0, month = 0, day = 1] = period.split('-').map(Number)
    const end = monthly ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, day + 1)
    for (let ms = Date.UTC(year, month - 1, day); ms < end; ms += DAY_MS) own.add(ms / DAY_MS)
  }
  return new Map(
    [...days].map(([symbol, own]) => {
      const first = [...own].reduce((a, b) => Math.min(a, b))
      const last = [...own].reduce((a, b) => Math.max(a, b))
      const missing: string[] = []
      for (let day = first; day <= last; day++) if (!own.has(day)) missing.push(dayText(day * DAY_MS))
      return [symbol, { first: dayText(first * DAY_MS), last: dayText(last * DAY_MS), days: own.size, missing }] as const
    }),
  )
}

function readKeys(name: string): string[] {
  return gunzipSync(readFileSync(`${SHARED}/listings/${name}.txt.gz`))
    .toString('utf8')
    .trim()
    .split('\n')
}

function daysOfHoles(symbol: AvailabilityResult['symbols'][number] | undefined): string[] {
  return (symbol?.missing ?? []).flatMap(({ start, end }) => {
    const days: string[] = []
    for (let ms = Date.parse(start); ms < Date.parse(end); ms += DAY_MS) days.push(dayText(ms))
    return days
  })
}

describe.skipIf(SHARED === undefined)('availability of the real key lists', { timeout: 60_000 }, () => {
  it.each([
    { name: 'spot_daily_1m.sample', market: 'spot', archives: 'daily', now: '2026-02-05' },
    { name: 'um_monthly_1m', market: 'um', archives: 'monthly', now: '2026-06-28' },
  ])('tells the first, last and missing days of $name', async ({ name, market, archives, now }) => {
    const keys = readKeys(name)
    server = await startListingServer(bucketOfZips(keys))
    const args = ['availability', '--market', market, '--archives', archives, '--out', out, '--listing-url', server.url, '--json', '--html']
    const { exit, stdout } = await runHere(args, { env: { CKVD_NOW: `${now}T12:00:00Z` } })
    expect(exit).toBe(0)
    const { symbols } = JSON.parse(stdout) as AvailabilityResult
    const expected = expectFromKeys(keys, archives === 'monthly')
    expect(symbols.map(({ symbol }) => symbol).sort()).toEqual([...expected.keys()].sort())
    for (const symbol of symbols) {
      const { first, last, days, missing } = expected.get(symbol.symbol) ?? {}
      expect({ ...symbol, missing: daysOfHoles(symbol) }).toMatchObject({ first, last, days, missing_days: missing?.length, missing })
    }
    // the same days again, from first and last key alone
    const again = await runHere(
      ['availability', '--market', market, '--archives', archives, '--out', out, '--listing-url', server.url, '--max-age', '0'],
      {
        env: { CKVD_NOW: `${now}T12:00:00Z` },
      },
    )
    expect(again.exit).toBe(0)
    const csv = await readFile(join(out, `${market}_earliest_dates.csv`), 'utf8')
    expect(
      csv
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').slice(1, 3).join(' '))
        .sort(),
    ).toEqual([...expected].map(([symbol, { first }]) => `${symbol} ${first}`).sort())
  })

  it('shows the holes that are known, and names that are not ASCII', async () => {
    const spot = readKeys('spot_daily_1m.sample').filter((key) => /\/(LUNAUSDT|FTTUSDT)\//.test(key))
    server = await startListingServer(
      bucketOfZips([...spot, ...readKeys('um_monthly_1m').map((key) => key.replace('monthly', 'daily').replace('.zip', '-01.zip'))]),
    )
    const holes = await runHere(['availability', '--market', 'spot', '--out', out, '--listing-url', server.url, '--json'], {
      env: { CKVD_NOW: '2026-02-05T12:00:00Z' },
    })
    const [ftt, luna] = (JSON.parse(holes.stdout) as AvailabilityResult).symbols
    expect(ftt).toMatchObject({ symbol: 'FTTUSDT', missing_days: 310 })
    expect(luna?.missing).toContainEqual({ start: '2022-05-14', end: '2022-05-31', days: 17 })
    const names = await runHere(['availability', '--market', 'um', '--out', out, '--listing-url', server.url], {
      env: { CKVD_NOW: '2026-06-28T12:00:00Z' },
    })
    expect(names.exit).toBe(0)
    expect(await readFile(join(out, 'um_earliest_dates.csv'), 'utf8')).toMatch(/\num,币安人生USDT,20\d\d-\d\d-01,"1m"\n/)
  })
})

/** The seed's symbols, their data going on for months after the as-of day, and symbols that the as-of day must not see. */
function seedSymbols(): MadeSymbol[] {
  const symbols: MadeSymbol[] = []
  for (const market of ['spot', 'um', 'cm'] as const) {
    const lines = readFileSync(`${SHARED}/seed/${market}_earliest_dates.csv`, 'utf8').trim().split('\n').slice(1)
    for (const line of lines) {
      const [, , symbol = '', first = '', intervals = ''] = /^(\w+),(\w+),([\d-]+),"([^"]+)"$/.exec(line) ?? []
      symbols.push({ market, symbol, first, last: '2025-09-01', intervals: intervals.split(',') })
    }
  }
  for (const market of ['spot', 'um'] as const) {
    symbols.push({ market, symbol: 'LATERUSDT', intervals: ['1m'], first: '2025-05-05', last: '2025-09-01' })
  }
  return symbols
}

describe.skipIf(SHARED === undefined)('availability of a bucket like the one of 2025-05', { timeout: 120_000 }, () => {
  const FILES = [
    ...['spot_earliest_dates.csv', 'um_earliest_dates.csv', 'cm_earliest_dates.csv', 'all_markets_earliest_dates.csv'],
    ...['spot_um_usdt_filtered.csv', 'spot_synchronal.csv'],
  ]

  it('gives the reports of that time byte for byte, with two small requests a symbol beside its intervals, in bounded memory', async () => {
    server = await startListingServer(bucketOfSymbols(seedSymbols()))
    const { exit, stdout, stderr } = await runBuilt(
      ['availability', '--as-of', '2025-05-04', '--out', out, '--listing-url', server.url],
      64,
    )
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    for (const name of FILES)
      expect([name, await readFile(join(out, name), 'utf8')]).toEqual([name, readFileSync(`${SHARED}/seed/${name}`, 'utf8')])
    // 2,107 symbols with three requests, two that began later with two; one page of folders for um and cm, two for spot
    expect(server.requests.length).toBe(2107 * 3 + 2 * 2 + 4)
    expect(server.mostAtOnce()).toBeLessThanOrEqual(32)
    const seconds = /in ([\d.]+ s)\./.exec(stdout)?.[1]
    expect(seconds).toBeDefined()
    console.log(
      `2,109 series: ${server.requests.length} requests, ${(server.bytesSent() / 1e6).toFixed(1)} MB in ${seconds ?? '?'}, heap of 64 MB`,
    )

    const rows = (await readFile(join(out, 'consolidated_base_symbols.csv'), 'utf8')).trim().split('\n')
    // header, order and number of rows are right in the original; its cells after the first comma of a list are not
    const original = readFileSync(`${SHARED}/seed/consolidated_base_symbols.csv`, 'utf8').trim().split('\n')
    const start = (row: string): string => row.split(',').slice(0, 3).join(',')
    expect(rows[0]).toBe(original[0])
    expect(rows.map(start)).toEqual(original.map(start))
    const spotList = '"12h,15m,1d,1h,1m,1s,2h,30m,3m,4h,5m,6h,8h"'
    const umList = '"12h,15m,1d,1h,1m,1mo,1w,2h,30m,3d,3m,4h,5m,6h,8h"'
    expect(rows[1]).toBe(`BTC,BTCUSDT,2017-08-17,${spotList},BTCUSDT,2019-12-31,${umList},BTCUSD_PERP,2020-08-11,${umList}`)
    expect(rows.at(-1)).toMatch(/^STO,STOUSDT,2025-05-02,"[^"]+",STOUSDT,2025-\d\d-\d\d,"[^"]+",,,$/)
  })

  it('leaves nothing but reports and the cache behind', async () => {
    server = await startListingServer(bucketOfSymbols(seedSymbols().filter(({ symbol }) => /^(BTC|ETH)/.test(symbol))))
    await runHere(['availability', '--as-of', '2024-05-04', '--out', out, '--listing-url', server.url])
    expect((await readdir(out)).sort()).toEqual(['.availability-cache.jsonl', 'consolidated_base_symbols.csv', ...FILES].sort())
  })
})

/** The built command in a process with a small heap: a scan that keeps what it reads would die. */
function runBuilt(args: readonly string[], heapMb: number): Promise<{ exit: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [`--max-old-space-size=${heapMb}`, resolve('dist/src/cli/main.js'), ...args], {
    env: { PATH: process.env['PATH'], HOME: out, CKVD_LOG_LEVEL: 'ERROR' },
  })
  const written = { stdout: '', stderr: '' }
  child.stdout.on('data', (text) => (written.stdout += String(text)))
  child.stderr.on('data', (text) => (written.stderr += String(text)))
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (exit) => done({ exit, ...written }))
  })
}
