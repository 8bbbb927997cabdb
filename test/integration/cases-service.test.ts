import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { createWorld, csvRows, daysBetween, HOUR_MS, ingestArgs } from '../support/cases.ts'
import { ingestResult, runCkvd, runHere } from '../support/ckvd.ts'

/* Cases 17 to 23: what services do. */

const BTC = { market: 'spot', symbol: 'BTCUSDT', firstDay: '2017-08-17' } as const
const january = { symbols: ['BTCUSDT'], start: '2024-01-10', end: '2024-01-13' } as const
const IN_FEBRUARY = '2024-02-20T12:00:00Z'

interface DryRun {
  readonly exit: number
  readonly series: readonly {
    symbol: string
    interval: string
    days: number
    archives: { daily: number; monthly: number }
    rest_days: number
  }[]
  readonly problems: readonly { symbol: string; code: string }[]
}

describe('case 17: the listing', () => {
  const markets = [
    { market: 'spot', symbol: 'AAAUSDT', firstDay: '2022-01-01' },
    { market: 'spot', symbol: 'ZZZUSDT', firstDay: '2024-01-05' },
  ] as const
  const ask = { symbols: ['AAAUSDT', 'ZZZUSDT'], end: '2024-01-11', flags: ['--archives', 'daily', '--dry-run'] }
  const dryRun = (text: string): DryRun => JSON.parse(text) as DryRun

  test('case 17: more than 1,000 keys are read page by page; an error or a cut on page 2 fails that series, never shortens it', async () => {
    await using world = await createWorld({ now: '2024-02-20T12:00:00Z', markets })
    const whole = dryRun((await world.ckvd(ingestArgs(ask), ask.symbols.join('\n'))).stdout)
    expect(whole).toMatchObject({
      exit: 0,
      problems: [],
      series: [
        { symbol: 'AAAUSDT', days: 740, archives: { daily: 740 } },
        { symbol: 'ZZZUSDT', days: 6 },
      ],
    })
    expect(world.requests('listing', /AAAUSDT\/1h\/&marker=/).length).toBeGreaterThan(0)

    const page2 = 'prefix=data/spot/daily/klines/AAAUSDT/1h/&marker='
    for (const fault of [{ kind: 'status', status: 500 }, { kind: 'listing-cut' }, { kind: 'html' }] as const) {
      world.sandbox.setFaults([{ ...fault, match: page2 } satisfies FaultRule])
      const result = await world.ingest({ ...ask, start: '2022-01-01', flags: ['--archives', 'daily', '--dry-run'] })
      const { exit, series, problems } = result as unknown as DryRun
      expect({ exit, series: series.map(({ symbol }) => symbol), problems: problems.map(({ symbol }) => symbol) }, fault.kind).toEqual({
        exit: 3,
        series: ['ZZZUSDT'],
        problems: ['AAAUSDT'],
      })
    }
  })

  test('case 17: a failing listing makes its series failed and the others go on', async () => {
    await using world = await createWorld({
      now: '2024-02-20T12:00:00Z',
      markets,
      faults: [{ kind: 'listing-cut', match: 'klines/AAAUSDT/' }],
    })
    const run = await world.ingest({ symbols: ['AAAUSDT', 'ZZZUSDT'], start: '2024-01-08', end: '2024-01-10' })
    expect(run).toMatchObject({ exit: 3, series: 2, days: { complete: 2, failed: 1 } })
    expect(run.problems).toMatchObject([{ symbol: 'AAAUSDT', day: null, condition: 'failed', code: 'CKVD_LISTING' }])
  })

  test('case 17: a page with one key, and NextMarker absent', async () => {
    const period = '2024-01-10'
    await using world = await createWorld({
      now: IN_FEBRUARY,
      bucket: [
        { symbol: 'BTCUSDT', interval: '1h', period, csv: csvRows('2024-01-10T00:00Z', '2024-01-11T00:00Z', HOUR_MS), checksum: null },
      ],
    })
    const run = await world.ingest({ symbols: ['BTCUSDT'], start: period, end: '2024-01-11' })
    expect(run).toMatchObject({ exit: 0, days: { complete: 1 } })

    await using large = await createWorld({ now: IN_FEBRUARY, markets })
    const proxy = await startListingProxy(large.sandbox.urls.listing, (xml) => xml.replace(/<NextMarker>.*?<\/NextMarker>/, ''))
    const result = await large.ckvd(ingestArgs({ ...ask, symbols: ['AAAUSDT'] }), 'AAAUSDT', { CKVD_LISTING_URL: proxy.url })
    proxy.server.close()
    expect(dryRun(result.stdout)).toMatchObject({ exit: 0, series: [{ symbol: 'AAAUSDT', days: 740, archives: { daily: 740 } }] })
    expect(proxy.pages.filter((query) => query.includes('marker='))).toHaveLength(1)
  })

  test('case 17: 5m is not 15m and 1m is not 1mo', async () => {
    await using world = await createWorld({ now: IN_FEBRUARY, markets })
    const result = await world.ckvd(ingestArgs({ ...ask, symbols: ['ZZZUSDT'], intervals: '1m,5m' }), 'ZZZUSDT')
    expect(dryRun(result.stdout).series).toMatchObject([
      { interval: '1m', days: 6, archives: { daily: 6, monthly: 0 } },
      { interval: '5m', days: 6, archives: { daily: 6, monthly: 0 } },
    ])
    const run = await world.ingest({ symbols: ['ZZZUSDT'], intervals: '5m', start: '2024-01-08', end: '2024-01-09' })
    expect(run).toMatchObject({ exit: 0, rows: 288 })
    expect(world.requests('archive').every(({ path }) => path.includes('/5m/ZZZUSDT-5m-'))).toBe(true)
  })
})

describe('case 18: publication', () => {
  test('case 18: in the first days of a month its predecessor has daily archives only', async () => {
    await using world = await createWorld({ now: '2024-03-03T20:00:00Z', markets: [BTC] })
    const run = await world.ingest({ symbols: ['BTCUSDT'], start: '2024-01-01', end: '2024-03-01' })
    expect(run).toMatchObject({ exit: 0, days: { complete: 60 }, problems: [] })
    expect(world.days().map(({ source }) => source)).toEqual([
      ...Array<string>(31).fill('vision-monthly'),
      ...Array<string>(29).fill('vision-daily'),
    ])
    expect(world.requests('archive', /monthly/).map(({ path }) => path.slice(-11))).toEqual(['2024-01.zip'])
  })

  test('case 18: yesterday is not published yet: from REST and provisional, or pending without it; neither is a fault', async () => {
    const options = { now: '2024-03-10T05:00:00Z', markets: [BTC] }
    const ask = { symbols: ['BTCUSDT'], start: '2024-03-07' }
    await using world = await createWorld(options)
    const run = await world.ingest(ask)
    expect(run).toMatchObject({ exit: 0, range: { end: '2024-03-10' }, days: { complete: 2, provisional: 1 }, requests: { rest: 1 } })
    expect(world.day('2024-03-09')).toMatchObject({ condition: 'provisional', source: 'rest', rows: 24, archive_key: null })

    await using alone = await createWorld(options)
    const pending = await alone.ingest({ ...ask, flags: ['--no-rest'] })
    expect(pending).toMatchObject({ exit: 0, days: { complete: 2, pending: 1 }, problems: [], requests: { rest: 0 } })
    // the day is asked for again by every run, until there is something to store
    const later = await alone.ingest(ask)
    expect(later).toMatchObject({ exit: 0, days: { complete: 2, provisional: 1 } })
  })

  test('case 18: without REST a day is pending for three days, then it is missing', async () => {
    await using world = await createWorld({ now: '2024-03-10T05:00:00Z', markets: [BTC], publishDelayHours: 240 })
    const run = await world.ingest({ symbols: ['BTCUSDT'], start: '2024-02-26', flags: ['--no-rest'] })
    // archives up to 02-28; a day closes at its midnight, and those that closed less than three days ago are pending
    expect(run).toMatchObject({ exit: 3, days: { complete: 3, pending: 3, partial: 7 } })
    expect(
      world
        .days()
        .filter(({ condition }) => condition === 'pending')
        .map(({ day }) => day),
    ).toEqual(daysBetween('2024-03-07', '2024-03-10'))
  })

  test('case 18: an archive that comes six days late: provisional meanwhile, replaced when it is there', async () => {
    await using world = await createWorld({
      now: '2024-03-10T12:00:00Z',
      markets: [BTC],
      faults: [{ kind: 'late', market: 'spot', symbol: 'BTCUSDT', day: '2024-03-05', hours: 144 }],
    })
    const ask = { symbols: ['BTCUSDT'], start: '2024-03-03', end: '2024-03-09' }
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 5, provisional: 1 }, requests: { archive: 5, rest: 1 } })
    expect(world.day('2024-03-05')).toMatchObject({ condition: 'provisional', source: 'rest' })
    world.now = '2024-03-12T12:00:00Z'
    expect(await world.ingest(ask)).toMatchObject({
      exit: 0,
      days: { complete: 6 },
      upgraded: 1,
      stored: 1,
      requests: { archive: 1, rest: 0 },
    })
    expect(world.day('2024-03-05')).toMatchObject({ condition: 'complete', source: 'vision-daily', revision: 2, differing_rows: 0 })
  })
})

test('case 19: a REST page wholly inside an outage, pages that are short in mid-range, and no bar that has not closed', async () => {
  await using world = await createWorld({
    now: '2024-03-10T00:00:30Z',
    markets: [BTC],
    publishDelayHours: 200,
    faults: [
      { kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-03-03T02:00:00Z', to: '2024-03-05T06:00:00Z' },
      { kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-03-07T10:00:00Z', to: '2024-03-07T10:10:00Z' },
    ],
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1m', start: '2024-03-02' })
  expect(run).toMatchObject({ exit: 0, days: { provisional: 4, outage: 4 }, problems: [] })
  expect(world.days().map(({ day, condition, rows }) => [day, condition, rows])).toEqual([
    ['2024-03-02', 'provisional', 1440],
    ['2024-03-03', 'outage', 120],
    ['2024-03-04', 'outage', 0],
    ['2024-03-05', 'outage', 1080],
    ['2024-03-06', 'provisional', 1440],
    ['2024-03-07', 'outage', 1430],
    ['2024-03-08', 'provisional', 1440],
    ['2024-03-09', 'provisional', 1440],
  ])
  // 8,390 bars in pages of 1,000 that overlap by one slot: the outages cost no page
  expect(run.requests.rest).toBe(9)
  for (const { path } of world.restRequests) {
    const query = new URLSearchParams(path.slice(path.indexOf('?')))
    expect(Number(query.get('endTime'))).toBeLessThanOrEqual(Date.parse('2024-03-10T00:00:00Z'))
  }
  const bars = await world.bars('BTCUSDT', '1m')
  expect(bars).toHaveLength(8390)
  expect(bars.at(-1)?.[0]).toBe(BigInt(Date.parse('2024-03-09T23:59:00Z')) * 1000n)
})

test('case 20: dapi: windows of at most 200 days, each page from the last bar of the one before', async () => {
  const perpetual: SyntheticMarket = { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2020-08-11', archivesFrom: '2022-03-01' }
  await using world = await createWorld({ now: '2022-04-20T12:00:00Z', markets: [perpetual] })
  const run = await world.ingest({ market: 'cm', symbols: ['BTCUSD_PERP'], intervals: '12h', start: '2020-08-01', end: '2022-04-01' })
  expect(run).toMatchObject({ exit: 0, days: { unlisted: 10, provisional: 567, complete: 31 }, problems: [] })
  const bars = await world.bars('BTCUSD_PERP', '12h')
  expect(bars).toHaveLength((567 + 31) * 2)
  expect(bars.every(([openTime], i) => openTime === BigInt(Date.parse('2020-08-11T00:00Z') + i * 12 * HOUR_MS) * 1000n)).toBe(true)
  const pages = world.restRequests
    .filter(({ path }) => path.includes('/klines?'))
    .map(({ path, status }) => ({ query: new URLSearchParams(path.slice(path.indexOf('?'))), status }))
    .map(({ query, status }) => ({
      start: Number(query.get('startTime')),
      end: Number(query.get('endTime')),
      limit: Number(query.get('limit')),
      status,
    }))
  expect(pages.every(({ start, end, status }) => status === 200 && end - start <= 200 * 24 * HOUR_MS)).toBe(true)
  // the first bar is searched with at most 99 rows; the pages that fetch go on from the bar with which the one before ended
  const fetching = pages.filter(({ limit }) => limit === 499)
  expect(fetching).toHaveLength(3)
  expect(fetching.every(({ start }, i) => i === 0 || start === fetching[i - 1]!.end)).toBe(true)
})

describe('case 21: refusals', () => {
  const yesterday = { symbols: ['BTCUSDT'], start: '2024-03-08' } as const
  const options = { now: '2024-03-10T05:00:00Z', markets: [BTC] }

  test('case 21: 429 with Retry-After is waited for', async () => {
    await using world = await createWorld({
      ...options,
      faults: [{ kind: 'status', status: 429, retryAfterSeconds: 1, times: 1, match: '/spot/api' }],
    })
    const run = await world.ingest(yesterday)
    expect(run).toMatchObject({ exit: 0, days: { complete: 1, provisional: 1 } })
    expect(world.restRequests.map(({ status }) => status)).toEqual([429, 200])
    expect(run.elapsed_ms).toBeGreaterThanOrEqual(1000)
  })

  test('case 21: 418: Vision is finished first, exit 4 says until when; restarted within the ban nothing is sent; then it goes on', async () => {
    await using world = await createWorld({
      ...options,
      faults: [{ kind: 'status', status: 418, retryAfterSeconds: 3600, match: '/spot/api' }],
    })
    const ask = { symbols: ['BTCUSDT'], start: '2024-03-01' } as const
    const beforeMs = Date.now()
    const banned = await world.ingest(ask)
    expect(banned).toMatchObject({ exit: 4, stopped: { code: 'CKVD_BANNED' }, days: { complete: 8 } })
    // by the system's clock, whatever time planning takes for now
    const untilMs = Date.parse(/until (\S+Z)/.exec(banned.stopped?.message ?? '')?.[1] ?? '')
    expect(untilMs).toBeGreaterThanOrEqual(beforeMs + 3_600_000)
    expect(untilMs).toBeLessThanOrEqual(Date.now() + 3_600_000)
    expect(await world.chunks()).toHaveLength(8)
    // one answer is enough
    expect(world.restRequests).toHaveLength(1)

    // a new process, for which it is half an hour later; the exchange itself would answer again
    world.sandbox.setFaults([])
    world.clearRequests()
    world.now = '2024-03-10T05:30:00Z'
    const child = await runCkvd(ingestArgs({ ...ask, symbols: ['BTCUSDT', 'ETHUSDT'] }), {
      env: world.env,
      cwd: world.folder,
      stdin: 'BTCUSDT\n',
    })
    expect(child.exit).toBe(4)
    const restarted = ingestResult(child)
    expect(restarted).toMatchObject({ exit: 4, stopped: { code: 'CKVD_BANNED' }, requests: { rest: 0 } })
    expect(restarted.stopped?.message).toContain(new Date(untilMs).toISOString())
    expect(world.restRequests).toHaveLength(0)

    // archives that the ban does not concern are still fetched
    const more = await world.ingest({ symbols: ['BTCUSDT'], start: '2024-02-20' })
    expect(more).toMatchObject({ exit: 4, days: { complete: 18 }, stored: 10 })
    expect(world.restRequests).toHaveLength(0)
    // a run that needs nothing from REST is not stopped by the ban
    expect(await world.ingest({ ...ask, end: '2024-03-09' })).toMatchObject({ exit: 0, days: { complete: 8 } })

    const later = await runHere(ingestArgs(ask), { env: world.env, cwd: world.folder, stdin: 'BTCUSDT\n', now: () => untilMs })
    expect(ingestResult(later)).toMatchObject({ exit: 0, stopped: null, days: { complete: 8, provisional: 1 }, requests: { rest: 1 } })
  })

  test('case 21: a ban of one market leaves the others alone', async () => {
    await using world = await createWorld({
      now: '2024-03-10T05:00:00Z',
      markets: [BTC, { ...BTC, market: 'um' }],
      faults: [{ kind: 'status', status: 418, retryAfterSeconds: 600, match: '/spot/api' }],
    })
    const universe = 'market,symbol,earliest_date,available_intervals\nspot,BTCUSDT,2024-01-01,"1h"\num,BTCUSDT,2024-01-01,"1h"\n'
    const args = ['ingest', '--universe', '-', '--intervals', '1h', '--start', '2024-03-08', '--json']
    const run = ingestResult(await world.ckvd(args, universe))
    expect(run).toMatchObject({ exit: 4, days: { complete: 2, provisional: 1 } })
    expect(world.requests('rest', /^\/um/).map(({ status }) => status)).toEqual([200])
  })

  test.each([403, 451, 500])(
    'case 21: REST answers %i: the bars stay unexplained and are named, nothing is taken for an outage',
    async (status) => {
      await using world = await createWorld({
        ...options,
        faults: [
          { kind: 'status', status, match: '/spot/api' },
          { kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-03-08T03:00:00Z', to: '2024-03-08T05:00:00Z', rest: false },
        ],
      })
      const run = await world.ingest({ ...yesterday, end: '2024-03-09' })
      expect(run).toMatchObject({ exit: 3, days: { partial: 1, outage: 0 }, problems: [{ day: '2024-03-08', condition: 'partial' }] })
      expect(world.gaps()).toMatchObject([
        { start: '2024-03-08T03:00:00Z', bars: 2, evidence: expect.stringContaining('"reason":"rest-failed"') as string },
      ])
      // what Vision has is stored, and the next run asks REST alone
      expect(await world.bars('BTCUSDT', '1h')).toHaveLength(22)
      world.sandbox.setFaults([
        { kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-03-08T03:00:00Z', to: '2024-03-08T05:00:00Z', rest: false },
      ])
      expect(await world.ingest({ ...yesterday, end: '2024-03-09' })).toMatchObject({
        exit: 0,
        days: { complete: 1 },
        requests: { archive: 0, rest: 1 },
      })
      expect(world.day('2024-03-08').source).toBe('vision-daily+rest')
    },
  )

  test.each([
    ['a reset connection', { kind: 'reset', at: 'body' }],
    ['a body shorter than Content-Length', { kind: 'truncate', bytes: 500, declared: true }],
    ['a gzip body', { kind: 'gzip' }],
  ] as const)('case 21: %s, of an archive and of REST: the whole answer is stored', async (_, fault) => {
    await using world = await createWorld({
      ...options,
      faults: [
        { ...fault, match: '1h-2024-03-08\\.zip$', times: 1 },
        { ...fault, match: '/spot/api', times: 1 },
      ],
    })
    await using truth = await createWorld(options)
    expect(await truth.ingest(yesterday)).toMatchObject({ exit: 0 })
    const run = await world.ingest(yesterday)
    expect(run).toMatchObject({ exit: 0, days: { complete: 1, provisional: 1 }, problems: [] })
    expect(await world.bars('BTCUSDT', '1h')).toEqual(await truth.bars('BTCUSDT', '1h'))
    expect(world.requests('archive')).toHaveLength(2)
  })

  // a socket that stalls for good ends after 30 s without a byte: test/unit/sources/http/http.test.ts, with a shorter wait
  test('case 21: an answer that comes slowly is waited for', async () => {
    await using world = await createWorld({ ...options, faults: [{ kind: 'slow', bytesPerSecond: 4_000, match: '\\.zip$' }] })
    expect(await world.ingest({ ...january })).toMatchObject({ exit: 0, days: { complete: 3 } })
    expect(world.requests('archive')).toHaveLength(3)
  })

  test('case 21: a redirect of an archive is an error that says where it pointed, not content', async () => {
    await using world = await createWorld({
      ...options,
      faults: [{ kind: 'redirect', to: 'http://portal.example/login', match: '\\.zip$' }],
    })
    const run = await world.ingest({ ...january, flags: ['--no-rest'] })
    expect(run).toMatchObject({ exit: 3, days: { failed: 3 } })
    expect(run.problems[0]?.message).toContain('http://portal.example/login')
  })
})

test('case 23: a symbol that the exchange calls invalid fails alone', async () => {
  await using world = await createWorld({ now: '2024-03-10T05:00:00Z', markets: [{ ...BTC, market: 'um' }] })
  const run = await world.ingest({ market: 'um', symbols: ['NOSUCHUSDT', 'BTCUSDT'], start: '2024-03-08' })
  expect(run).toMatchObject({ exit: 3, series: 2, days: { complete: 1, provisional: 1, failed: 2 } })
  expect(run.problems).toMatchObject([{ symbol: 'NOSUCHUSDT', day: null, condition: 'failed', code: 'CKVD_UNKNOWN_SYMBOL' }])
  const open = await world.ingest({ market: 'um', symbols: ['NOSUCHUSDT', 'BTCUSDT'], end: '2019-12-31' })
  expect(open).toMatchObject({ exit: 3, days: { failed: 1 } })
})

/** A listing server that changes what another one answers. */
async function startListingProxy(
  target: string,
  change: (xml: string) => string,
): Promise<{ server: Server; url: string; pages: string[] }> {
  const pages: string[] = []
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://proxy').search
    pages.push(query)
    fetch(target + query)
      .then((answer) => answer.text())
      .then(
        (xml) => response.end(change(xml)),
        (error: unknown) => response.destroy(error as Error),
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pages }
}
