import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DataSource } from '../../src/index.ts'
import { CryptoKlineVisionData, DataProvider, MarketType } from '../../src/index.ts'
import type { FaultRule } from '../../src/sandbox/index.ts'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'

const RANGE = ['--intervals', '1h', '--start', '2024-03-01', '--end', '2024-03-03'] as const
const NOBODY = 'http://127.0.0.1:1'

let world: World

beforeAll(async () => {
  world = await createWorld({
    now: '2024-03-10T12:00:00Z',
    markets: ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market: 'spot' as const, symbol, firstDay: '2024-02-25' })),
  })
  expect((await world.ckvd(['ingest', 'AAAUSDT', ...RANGE])).exit).toBe(0)
})
afterAll(() => world[Symbol.asyncDispose]())

test.each([['nosuch', '--help'], ['nosuch', '-h'], ['nosuch'], ['ingets', '--help']])(
  'ckvd %s %s: an unknown command ends in 2',
  async (...words) => {
    const { exit, stdout, stderr } = await world.ckvd(words)
    expect([exit, stdout, stderr]).toEqual([2, '', expect.stringContaining(`Unknown command '${words[0] ?? ''}'`)])
    if (words[0] === 'ingets') expect(stderr).toContain('Did you mean ingest?')
  },
)

describe('no network', () => {
  const env = { CKVD_LISTING_URL: NOBODY, CKVD_VISION_URL: NOBODY, CKVD_SPOT_REST_URL: NOBODY, CKVD_MAX_RETRIES: '0' }

  test('of an ingest is one sentence, whatever the number of series', async () => {
    const { exit, stdout, stderr } = await world.ckvd(['ingest', 'AAAUSDT', 'BBBUSDT', 'CCCUSDT', ...RANGE], '', env)
    expect([exit, stdout]).toEqual([
      4,
      `No network: ${NOBODY} does not answer: nothing listens there (ECONNREFUSED). Nothing was done. Check the network, the proxy (HTTPS_PROXY) and --listing-url, then run the same command again. (exit 4)\n`,
    ])
    expect(stderr).not.toContain('%2F')
  })

  test('of a dry run is told once, and names the rate that was asked for', async () => {
    const args = ['ingest', 'CCCUSDT', ...RANGE, '--dry-run', '--max-rate', '20kB']
    const { exit, stderr } = await world.ckvd(args, '', env)
    expect(exit).toBe(4)
    expect(stderr).toMatch(/ and --listing-url, and --max-rate, by which 20,000 bytes come a second, then run the same command again\.\n$/)
  })

  test('of a fetch names the host, not a page of its listing', async () => {
    const { exit, stderr } = await world.ckvd(['fetch', 'CCCUSDT', '--start', '2024-03-01', '--end', '2024-03-02'], '', env)
    expect([exit, stderr]).toEqual([
      4,
      `error CKVD_HTTP_NETWORK: Request to ${NOBODY} failed: nothing listens there (ECONNREFUSED).\n  Check the network, the proxy (HTTPS_PROXY) and the URLs of \`ckvd config\`, then run the same command again.\n`,
    ])
  })
})

test('a --max-rate that nobody means is warned of at once', async () => {
  const slow = await world.ckvd(['ingest', 'AAAUSDT', ...RANGE, '--max-rate', '10', '--dry-run'])
  expect(slow.stderr).toContain('10 B/s: a megabyte takes 27 h 47 min. 10MB means ten megabytes a second')
  const meant = await world.ckvd(['ingest', 'AAAUSDT', ...RANGE, '--max-rate', '10MB', '--dry-run'])
  expect(meant.stderr).not.toContain('B/s')
})

test('query over a lake says that it is one, and the two lines that work', async () => {
  const { exit, stderr } = await world.ckvd(['query', 'SHOW TABLES', '--from', world.lake])
  expect([exit, stderr]).toEqual([
    2,
    expect.stringContaining(
      `${world.lake} is a lake, not an export. Make one of it: \`ckvd export --lake ${world.lake} --out ./export\`, then \`--from ./export\`.`,
    ),
  ])
})

test('what availability --csv prints is taken as a universe', async () => {
  const { stdout } = await world.ckvd(['availability', '--market', 'spot', '--csv', '--out', 'reports'])
  const path = join(world.folder, 'chosen.csv')
  await writeFile(path, stdout)
  const { exit, stdout: plan } = await world.ckvd(['ingest', '--universe', path, ...RANGE, '--dry-run', '--json'])
  expect(exit).toBe(0)
  expect((JSON.parse(plan) as { series: { symbol: string }[] }).series.map(({ symbol }) => symbol)).toEqual(['AAAUSDT', 'BBBUSDT'])
})

test('names as the Python package has them are taken', async () => {
  const create = (provider: string, market: string): CryptoKlineVisionData =>
    CryptoKlineVisionData.create(provider as DataProvider, market as MarketType, {
      lake: world.lake,
      enforceSource: 'CACHE' as unknown as DataSource,
    })
  for (const [provider, market] of [
    ['BINANCE', 'FUTURES_USDT'],
    ['binance', 'usdm'],
    [DataProvider.BINANCE, MarketType.FUTURES_COIN],
  ] as const) {
    await using client = create(provider, market)
    expect(client).toBeInstanceOf(CryptoKlineVisionData)
  }
  expect(() => create('OKX', 'spot')).toThrow('Expected the provider to be binance, got OKX')
})

describe('a server that refuses this address', () => {
  const TERMS = "Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms"
  const refuse = (match: string): FaultRule => ({ match, kind: 'status', status: 451, body: JSON.stringify({ code: 0, msg: `${TERMS}.` }) })
  afterEach(() => world.sandbox.setFaults([]))

  test('is one sentence with status, its own reason and what to do, whatever the number of series', async () => {
    world.sandbox.setFaults([refuse('.*')])
    const { exit, stdout } = await world.ckvd(['ingest', 'AAAUSDT', 'BBBUSDT', ...RANGE, '--lake', 'refused-lake'])
    expect([exit, stdout]).toEqual([
      4,
      expect.stringMatching(
        /^http:\/\/[^ ?]*\/listing answered 451: it refuses this address \(Service unavailable .*\/terms\)\. Use another network, or a proxy \(HTTPS_PROXY\)\. Nothing was done\. \(exit 4\)\n$/,
      ),
    ])
  })

  test('as REST alone is a note, where no day is a problem for it', async () => {
    world.sandbox.setFaults([refuse('/spot/api'), { kind: 'late', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-09', hours: 48 }])
    const { exit, stdout } = await world.ckvd(['ingest', 'AAAUSDT', '--intervals', '1h', '--start', '2024-03-07', '--lake', 'noted-lake'])
    expect([exit, stdout]).toEqual([0, expect.stringMatching(/^pending +1 +yes$/m)])
    const notes = stdout.split('\n').filter((line) => line.startsWith('note: '))
    expect(notes).toEqual([expect.stringContaining(`note: REST of spot could not be asked (CKVD_FORBIDDEN): http://`)])
    for (const words of ['answered 451', TERMS, '`--no-rest`']) expect(notes[0]).toContain(words)
    expect(notes[0]).not.toContain('symbol=')
  })

  test('of a fetch says so in its first line, without a query, and tells no JSON', async () => {
    world.sandbox.setFaults([refuse('/spot/api')])
    const { exit, stdout, stderr } = await world.ckvd(['fetch', 'AAAUSDT', '--interval', '1h', '--source', 'rest', '--days', '1'])
    expect([exit, stdout]).toEqual([4, ''])
    expect(stderr).toContain('answered 451: it refuses this address (Service unavailable')
    expect(stderr.split('\n')[0]).not.toContain('symbol=')
    expect(stderr).not.toMatch(/gaps:|\{"start"/)
    expect(stderr).toContain('Nothing was written.')
  })
})

test('archives that failed verification are told, though other sources gave their days', async () => {
  world.sandbox.setFaults([{ match: 'AAAUSDT-1h-2024-03-0[23]\\.zip$', kind: 'flip' }])
  const { exit, stdout } = await world.ckvd([
    'ingest',
    'AAAUSDT',
    '--intervals',
    '1h',
    '--start',
    '2024-03-01',
    '--end',
    '2024-03-05',
    '--lake',
    'flipped-lake',
  ])
  world.sandbox.setFaults([])
  expect(exit).toBe(0)
  const notes = stdout.split('\n').filter((line) => line.startsWith('note: '))
  expect(notes).toEqual([
    'note: 2 archives could not be used; other sources gave the days, which are explained: spot AAAUSDT-1h-2024-03-02.zip (CKVD_CHECKSUM_MISMATCH), spot AAAUSDT-1h-2024-03-03.zip (CKVD_CHECKSUM_MISMATCH). ' +
      "What failed verification lies in the lake's quarantine/ with its reason, and is fetched again when it is published anew.",
  ])
})

test('an error tells the facts that its sentence lacks, each once', async () => {
  const { stderr } = await world.ckvd(['fetch', 'AAAUSDTT', '--start', '2024-03-01', '--end', '2024-03-02'])
  expect(stderr.match(/AAAUSDT\b/g)).toHaveLength(1)
  const nowhere = await world.ckvd(['coverage', '--lake', 'nowhere'])
  expect([nowhere.exit, nowhere.stderr.split('\n')]).toEqual([
    2,
    [
      `error CKVD_LAKE_MISSING: Expected a lake in ${join(world.folder, 'nowhere')}, but there is no such directory. Run \`ckvd ingest\` first, or check --lake.`,
      '  See `ckvd coverage --help`. Nothing was done.',
      '',
    ],
  ])
})

test('a summary tells no rates of nothing, and no table of no days', async () => {
  const again = await world.ckvd(['ingest', 'AAAUSDT', ...RANGE])
  expect(again.stdout).toMatch(/^0 B in \d+ ms$/m)
})
