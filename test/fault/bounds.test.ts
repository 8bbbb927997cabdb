import { stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { IngestResult } from '../../src/ingest/result.ts'
import { ingestResult, startNode } from '../support/ckvd.ts'
import { MAIN, startSandbox } from '../support/dist.ts'
import { urlVariables } from '../support/exchange.ts'
import type { Attack, HostileFront } from '../support/hostile-front.ts'
import { pour, startHostileFront } from '../support/hostile-front.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'
import { buildZip, checksumOf } from '../support/zip-builder.ts'

const NOW = '2024-03-20T12:00:00Z'
const SYMBOL = 'AAAUSDT'
/** Days that are asked for, all at once. */
const DAYS = 20
const MEBIBYTE = 2 ** 20
/** What the README promises. */
const LIMIT_MIB = 512

/** Reports the peak of the process, all its threads included, when it ends; `maxRSS` is in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  "import { isMainThread } from 'node:worker_threads'; if (isMainThread) process.on('exit', () => process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}\\n`))",
)}`

interface Attacked {
  readonly result: IngestResult
  readonly peakMib: number
  readonly front: HostileFront
  /** bytes of all files of the lake's quarantine */
  readonly quarantineBytes: number
}

/**
 * Ingests 20 days of 1h bars, by a process of its own, from an exchange behind the attack. `PRINT_PEAKS=1` prints what it took.
 * @param lastDay the last one that the symbol has
 */
async function ingestUnder(attack: Attack, lastDay?: string): Promise<Attacked> {
  await using temp = await createTempDirectory()
  await using sandbox = await startSandbox({
    now: () => Date.parse(NOW),
    markets: [{ market: 'spot', symbol: SYMBOL, firstDay: '2024-01-10', ...(lastDay === undefined ? {} : { lastDay }) }],
  })
  await using front = await startHostileFront(sandbox, attack)
  const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--archives', 'daily']
  const range = ['--start', '2024-02-01', '--end', `2024-02-${String(DAYS + 1)}`]
  const { ended } = startNode(['--import', PRELOAD, MAIN, ...args, ...range, '--lake', temp.lake, '--workers', '2', '--json', '--quiet'], {
    env: { ...urlVariables(front), CKVD_NOW: NOW, CKVD_MAX_RETRIES: '1' },
    stdin: SYMBOL,
  })
  const outcome = await ended
  const result = ingestResult(outcome)
  const kept = await listFiles(join(temp.lake, 'quarantine'))
  const sizes = await Promise.all(kept.map(async (file) => (await stat(join(temp.lake, 'quarantine', file))).size))
  const peakMib = Number(/peak (\d+)/.exec(outcome.stderr)?.[1]) / 1024
  if (process.env['PRINT_PEAKS'] !== undefined)
    process.stdout.write(
      `${expect.getState().currentTestName ?? ''}: peak ${peakMib.toFixed(0)} MiB, ${(front.bytesSent() / MEBIBYTE).toFixed(1)} MiB sent\n`,
    )
  expect(peakMib).toBeGreaterThan(30)
  expect(peakMib).toBeLessThan(LIMIT_MIB)
  expect(front.attacked.length).toBeGreaterThan(0)
  return { result, peakMib, front, quarantineBytes: sizes.reduce((sum, size) => sum + size, 0) }
}

const isArchive = (path: string): boolean => path.endsWith('.zip')
const isDaily = (path: string): boolean => path.includes('prefix=data%2Fspot%2Fdaily%2F') || path.includes('prefix=data/spot/daily/')
const ZEROS = new Uint8Array(MEBIBYTE)
/** 200 MiB in 204 KB. */
const GZIP_BOMB = gzipSync(new Uint8Array(200 * MEBIBYTE))
const CSV_BYTES = 500 * MEBIBYTE
/** 500 MiB in 510 KB. */
const DEFLATED_BOMB = deflateRawSync(new Uint8Array(CSV_BYTES))

const day = (n: number): string => `2024-02-${String(n).padStart(2, '0')}`
const FOLDER = `data/spot/daily/klines/${SYMBOL}/1h/`

/** A listing of the days, each archive with the size that the attack needs. */
function listing(sizeBytes: number): string {
  const keys = Array.from({ length: DAYS }, (_, i) => `${FOLDER}${SYMBOL}-1h-${day(i + 1)}.zip`)
  const entries = keys.map((key) => `<Contents><Key>${key}</Key><ETag>&quot;e&quot;</ETag><Size>${sizeBytes}</Size></Contents>`)
  return `<ListBucketResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`
}

/** An archive of 500 MiB of CSV in the place of a path's, honest about it or not. */
function bombOf(path: string, size: number): Buffer {
  const file = path.split('/').at(-1)?.replace('.CHECKSUM', '') ?? ''
  return buildZip([{ name: file.replace('.zip', '.csv'), data: '', packed: DEFLATED_BOMB, size }])
}

function bombs(size: number): Attack {
  return (path, response) => {
    if (isDaily(path)) response.end(listing(bombOf('x/AAAUSDT-1h-2024-02-01.zip', size).length))
    else if (isArchive(path)) response.end(bombOf(path, size))
    else if (path.endsWith('.CHECKSUM'))
      response.end(checksumOf(bombOf(path, size), path.split('/').at(-1)?.replace('.CHECKSUM', '') ?? ''))
    else return false
    return true
  }
}

/** Each request that `hits` is answered with the same headers and an endless or large body. */
function answer(hits: (path: string) => boolean, send: (response: ServerResponse) => void): Attack {
  return (path, response) => {
    if (!hits(path)) return false
    send(response)
    return true
  }
}

/** Attacks on archives after which every day comes from REST, as it would where an archive is damaged. */
const REPLACED: readonly (readonly [string, Attack, number])[] = [
  [
    'archives of 400 MB where 2 KB are listed, stated',
    answer(isArchive, (r) => pour(r.writeHead(200, { 'content-length': 400 * MEBIBYTE }), ZEROS, 400)),
    0,
  ],
  ['archives of 400 MB where 2 KB are listed, not stated', answer(isArchive, (r) => pour(r.writeHead(200), ZEROS, 400)), 0],
  ['archives without an end', answer(isArchive, (r) => pour(r.writeHead(200), ZEROS)), 0],
  [
    'archives of 400 MB that are listed so',
    (path, response) => {
      if (isDaily(path)) response.end(listing(400 * MEBIBYTE))
      else if (isArchive(path)) pour(response.writeHead(200), ZEROS, 400)
      else return false
      return true
    },
    0,
  ],
  ['archives that gzip makes 200 MiB of', answer(isArchive, (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(GZIP_BOMB)), 0],
  [
    'CHECKSUMs that gzip makes 200 MiB of',
    answer(
      (path) => path.endsWith('.CHECKSUM'),
      (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(GZIP_BOMB),
    ),
    0,
  ],
  [
    'CHECKSUMs without an end',
    answer(
      (path) => path.endsWith('.CHECKSUM'),
      (r) => pour(r.writeHead(200), ZEROS),
    ),
    0,
  ],
  ['500 MiB of CSV in a day that says so', bombs(CSV_BYTES), DAYS],
  ['500 MiB of CSV in a day that says 3 KB', bombs(3000), DAYS],
]

describe('no attack of a server takes more memory than README promises, or fills the disk', { timeout: 120_000 }, () => {
  test.each(REPLACED)('%s', async (_name, attack, keptArchives) => {
    const { result, front, quarantineBytes } = await ingestUnder(attack)
    expect(result).toMatchObject({ exit: 0, days: { provisional: DAYS }, problems: [] })
    expect(quarantineBytes).toBeLessThan(keptArchives * MEBIBYTE + 1)
    // what the sockets had taken already when the body was given up, twice for each day
    expect(front.bytesSent()).toBeLessThan(400 * MEBIBYTE)
  })

  const page = (n: number): string => {
    const keys = Array.from({ length: 1000 }, (_, i) => `${FOLDER}x${String(n * 1000 + i).padStart(12, '0')}`)
    const entries = keys.map((key) => `<Contents><Key>${key}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>`)
    return `<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>${keys.at(-1) ?? ''}</NextMarker>${entries.join('')}</ListBucketResult>`
  }
  let pages = 0
  test.each<readonly [string, Attack]>([
    ['a listing that goes on for ever', answer(isDaily, (r) => r.end(page(pages++)))],
    ['a page of a listing without an end', answer(isDaily, (r) => pour(r.writeHead(200), '<Contents>'.repeat(10_000)))],
    ['a page that gzip makes 200 MiB of', answer(isDaily, (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(GZIP_BOMB))],
    ['a page of 2 MB that nests', answer(isDaily, (r) => r.end(`<ListBucketResult>${'<a>'.repeat(600_000)}</ListBucketResult>`))],
    ['errors without an end in place of a listing', answer(isDaily, (r) => pour(r.writeHead(503), ZEROS))],
  ])('%s', async (_name, attack) => {
    const { result, front } = await ingestUnder(attack)
    expect(result).toMatchObject({ exit: 3, stored: 0, days: { failed: 1 } })
    expect(result.problems[0]?.code).toMatch(/^CKVD_(LISTING|HTTP_TOO_LARGE|HTTP_BUSY)$/)
    expect(front.bytesSent()).toBeLessThan(50 * MEBIBYTE)
  })

  const missing: Attack = (path, response) => {
    if (!isArchive(path)) return false
    response.writeHead(404).end()
    return true
  }
  const withRest = (send: (response: ServerResponse) => void): Attack => {
    const rest = answer((path) => path.includes('/klines?'), send)
    return (path, response, request) => missing(path, response, request) || rest(path, response, request)
  }
  test.each<readonly [string, Attack]>([
    ['REST without an end', withRest((r) => pour(r.writeHead(200), ZEROS))],
    ['REST that gzip makes 200 MiB of', withRest((r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(GZIP_BOMB))],
    ['JSON of REST nested 100,000 deep', withRest((r) => r.end('['.repeat(100_000) + ']'.repeat(100_000)))],
    ['two million numbers of REST in 4 MB', withRest((r) => r.end(`[${'1,'.repeat(2_000_000)}1]`))],
    ['errors of REST without an end', withRest((r) => pour(r.writeHead(400), ZEROS))],
  ])('%s', async (_name, attack) => {
    const { result } = await ingestUnder(attack)
    expect(result).toMatchObject({ exit: 3, stored: 0, stopped: null })
    expect(result.problems.length).toBeGreaterThan(0)
  })

  const SIZE = 30 * MEBIBYTE
  const fill = (piece: string): string => piece.repeat(Math.floor(SIZE / piece.length))
  const infoOf = (symbols: string, more = '"x":0'): string => `{"serverTime":${Date.parse(NOW)},${more},"symbols":[${symbols}]}`
  const keys = (): string => Array.from({ length: 3_000_000 }, (_, i) => `"${i.toString(36)}":0`).join()
  test.each<readonly [string, () => string]>([
    ['lists', () => infoOf(`${fill('[],')}[]`)],
    ['lists beside the symbols', () => infoOf('', `"x":[${fill('[],')}[]]`)],
    ['objects in one symbol', () => infoOf(`{"symbol":"A","x":[${fill('{},')}{}]}`)],
    ['names', () => infoOf(`{${keys()}}`)],
    ['one name again and again', () => infoOf(`{"symbol":"A"${fill(',"status":"TR\\u0041DING"')}}`)],
    ['brackets that open', () => infoOf(fill('['))],
    ['one text', () => infoOf(`{"symbol":"${fill('a')}","status":"TRADING"}`)],
    ['small symbols', () => infoOf(`${fill('{"symbol":"","status":"TRADING"},')}{}`)],
    ['text beside as much again', () => infoOf('', `"x":"${fill('aa')}${fill('a')}"`)],
  ])('exchangeInfo of 30 MB of %s', async (_name, make) => {
    const body = gzipSync(make())
    const attack = answer(
      (path) => path.includes('/exchangeInfo'),
      (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(body),
    )
    const { result, front } = await ingestUnder(attack, '2024-02-10')
    expect(result).toMatchObject({ exit: 3, stored: 10, stopped: null })
    expect(result.problems.map(({ code }) => code)).toEqual(['CKVD_PARTIAL'])
    expect(new Set(front.attacked).size).toBe(1)
  })
})
