import { createServer } from 'node:http'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ingestCommand, ingestResult, jsonOf, runCkvd, runHere, startCkvd } from '../support/ckvd.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange, urlVariables } from '../support/exchange.ts'
import { createGate, startHostileFront } from '../support/hostile-front.ts'
import { library } from '../support/library.ts'
import { createTempDirectory, digestTree, listFiles, waitUntil } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'
const EMPTY_PAGE = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'

let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, { markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] })
})

afterAll(() => exchange[Symbol.asyncDispose]())

beforeEach(() => {
  exchange.sandbox.setFaults([])
  exchange.sandbox.clearRequests()
})

function command(lake: string, ...flags: string[]): string[] {
  return ingestCommand(lake, '--start', '2024-03-01', '--json', '--quiet', ...flags)
}

/** An address at which nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

describe('one writer at a time', () => {
  test('a second ingest on the same lake ends with exit 4 and a clear word; the first one is not disturbed', async () => {
    await using directory = await createTempDirectory()
    const gate = createGate()
    await using front = await startHostileFront(exchange.sandbox, (path) => path.endsWith('.zip') && gate.opened)
    const env = { ...exchange.env, ...urlVariables(front) }
    const first = startCkvd(command(directory.lake), { env, stdin: 'AAAUSDT' })
    await waitUntil('the first download', () => front.attacked.length > 0)
    const second = await runHere(command(directory.lake), { env, stdin: 'AAAUSDT' })
    expect(second.exit).toBe(4)
    expect(second.stderr).toMatch(/error CKVD_LAKE_LOCKED: .*lake/)
    expect(jsonOf(second)).toMatchObject({ command: 'ingest', exit: 4, error: { code: 'CKVD_LAKE_LOCKED' } })
    const verify = await runHere(['verify', '--lake', directory.lake])
    expect(verify.exit).toBe(4)
    gate.open()
    expect(ingestResult(await first.ended)).toMatchObject({ exit: 0, stored: 19, problems: [] })
  })

  test('the lock dies with its process, and leaves nothing that a later run would wait for', async () => {
    exchange.sandbox.setFaults([{ kind: 'stall', match: '\\.zip$', at: 'headers' }])
    await using directory = await createTempDirectory()
    const first = startCkvd(command(directory.lake), { env: exchange.env, stdin: 'AAAUSDT' })
    await waitUntil('the first download', () => exchange.requests('archive').length > 0)
    first.kill('SIGKILL')
    await first.ended
    exchange.sandbox.setFaults([])
    expect(ingestResult(await runHere(command(directory.lake), { env: exchange.env, stdin: 'AAAUSDT' }))).toMatchObject({
      exit: 0,
      stored: 19,
    })
  })
})

describe('the origin of a lake', () => {
  test("a sandbox's data and the exchange's are never mixed: exit 2, and the lake is as it was", async () => {
    const plain = createServer((_request, response) => response.end(EMPTY_PAGE)).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const url = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`
    const env = { ...exchange.env, CKVD_LISTING_URL: url, CKVD_VISION_URL: url }
    try {
      await using directory = await createTempDirectory()
      expect((await runHere(command(directory.lake, '--end', '2024-03-03'), { env: exchange.env, stdin: 'AAAUSDT' })).exit).toBe(0)
      const before = await digestTree(join(directory.lake, 'data'))
      const mixed = await runHere(command(directory.lake, '--no-rest'), { env, stdin: 'AAAUSDT' })
      expect(mixed.exit).toBe(2)
      expect(`${mixed.stdout}${mixed.stderr}`).toMatch(/CKVD_ORIGIN.*sandbox/)
      expect(await digestTree(join(directory.lake, 'data'))).toEqual(before)

      await using other = await createTempDirectory()
      await runHere(command(other.lake, '--no-rest'), { env, stdin: 'AAAUSDT' })
      const reverse = await runHere(command(other.lake), { env: exchange.env, stdin: 'AAAUSDT' })
      expect(reverse.exit).toBe(2)
      expect(`${reverse.stdout}${reverse.stderr}`).toContain('CKVD_ORIGIN')
      expect(await listFiles(join(other.lake, 'data'))).toEqual([])
      const flagged = await runHere(command(other.lake, '--sandbox'), { env: { CKVD_NOW: NOW }, stdin: 'AAAUSDT' })
      expect(flagged.exit).toBe(2)
      expect(flagged.stderr).toContain('CKVD_ORIGIN')
    } finally {
      plain.closeAllConnections()
      await new Promise((resolve) => plain.close(resolve))
    }
  })

  /** The exchange's own addresses: a request that got so far would end at a closed door. */
  const real = async () => ({ CKVD_NOW: NOW, CKVD_MAX_RETRIES: '0', HTTPS_PROXY: await closedPort() })

  test('a lake of a sandbox is refused before anything is asked, also where all days are stored', async () => {
    await using directory = await createTempDirectory()
    const { lake } = directory
    expect((await runHere(command(lake), { env: exchange.env, stdin: 'AAAUSDT' })).exit).toBe(0)
    const before = await digestTree(lake)
    const env = await real()
    const range = ['--interval', '1h', '--start', '2024-03-02', '--end', '2024-03-03', '--lake', lake]
    for (const args of [
      command(lake),
      command(lake, '--dry-run'),
      command(lake, '--no-rest'),
      command(lake, '--retry-failed'),
      ['fetch', 'AAAUSDT', ...range],
      ['fetch', 'AAAUSDT', ...range, '--source', 'vision'],
      ['verify', '--repair', '--lake', lake],
    ]) {
      const { exit, stdout, stderr } = await runHere(args, { env, stdin: 'AAAUSDT' })
      expect({ args, exit }).toEqual({ args, exit: 2 })
      expect(`${stdout}${stderr}`).toMatch(/CKVD_ORIGIN.*data of a sandbox/)
    }
    const { CryptoKlineVisionData, DataProvider, MarketType, ingest } = library
    const call = { symbol: 'AAAUSDT', interval: '1h' as const, startTime: '2024-03-02T00:00:00Z', endTime: '2024-03-03T00:00:00Z' }
    await using client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake, maxRetries: 0 })
    await expect(client.getData(call)).rejects.toMatchObject({ code: 'CKVD_ORIGIN', exit: 2 })
    await expect(client.getColumns(call)).rejects.toMatchObject({ code: 'CKVD_ORIGIN' })
    const universe = [{ market: 'spot', symbol: 'AAAUSDT' }] as const
    await expect(ingest({ universe, start: '2024-03-01', lake, maxRetries: 0 })).rejects.toMatchObject({ code: 'CKVD_ORIGIN' })
    expect(await digestTree(lake)).toEqual(before)
  })

  test('what only reads it works, and says that it is sandbox data', async () => {
    await using directory = await createTempDirectory()
    const { lake, path } = directory
    const out = join(path, 'out')
    const made = await runHere(ingestCommand(lake, '--start', '2024-03-10', '--sandbox'), { env: { CKVD_NOW: NOW }, stdin: 'BTCUSDT' })
    expect(made).toMatchObject({ exit: 0, stderr: expect.stringContaining('sandbox data') as string })
    const env = await real()
    const range = ['--interval', '1h', '--start', '2024-03-12', '--end', '2024-03-13', '--lake', lake]
    for (const args of [
      ['coverage', '--lake', lake],
      ['verify', '--lake', lake],
      ['export', '--lake', lake, '--out', out],
      ['query', 'SELECT count(*) FROM spot_1h', '--from', out],
      ['fetch', 'BTCUSDT', ...range, '--source', 'cache'],
    ]) {
      const { exit, stdout, stderr } = await runHere(args, { env })
      expect({ args, exit }).toEqual({ args, exit: 0 })
      expect(`${stdout}${stderr}`).toContain('sandbox data')
    }
    // the last line of all, which a first run ends with
    expect((await runHere(['coverage', '--lake', lake], { env })).stdout.trimEnd().split('\n').at(-1)).toContain('sandbox data')
    expect(jsonOf(await runHere(['fetch', 'BTCUSDT', ...range, '--source', 'cache', '--json'], { env }))).toMatchObject({
      origin: 'sandbox',
    })
    expect(jsonOf(await runHere(['query', 'SELECT 1', '--from', out, '--json'], { env }))).toMatchObject({ origin: 'sandbox' })
  })

  test('a lake of the exchange is refused by every command with --sandbox', async () => {
    await using directory = await createTempDirectory()
    const { lake, path } = directory
    await (await openLake(lake, { mode: 'write', origin: 'binance' })).close()
    for (const args of [
      ['coverage', '--lake', lake],
      ['coverage', '--lake', lake, '--accept', 'spot/AAAUSDT/1h/2024-03-01', '--reason', 'x'],
      ['verify', '--lake', lake],
      ['verify', '--lake', lake, '--prune', 'spot/AAAUSDT/1h'],
      ['export', '--lake', lake, '--out', join(path, 'out')],
      ['resample', '--to', '1h', '--lake', lake],
      ['fetch', 'BTCUSDT', '--interval', '1h', '--days', '1', '--source', 'cache', '--lake', lake],
      command(lake),
    ]) {
      const { exit, stderr } = await runHere([...args, '--sandbox'], { env: { CKVD_NOW: NOW }, stdin: 'AAAUSDT' })
      expect({ args, exit, stderr }).toEqual({ args, exit: 2, stderr: expect.stringMatching(/^error CKVD_ORIGIN: /) as string })
    }
  })

  test('a sandbox beside the exchange in one run is refused as soon as it answers', async () => {
    await using directory = await createTempDirectory()
    const { CKVD_VISION_URL = '', CKVD_LISTING_URL = '' } = exchange.env
    const mixed = { ...(await real()), CKVD_VISION_URL, CKVD_LISTING_URL }
    const refused = await runHere(command(directory.lake), { env: mixed, stdin: 'AAAUSDT' })
    expect(refused).toMatchObject({ exit: 2 })
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/CKVD_ORIGIN.*https:\/\/data-api\.binance\.vision is the exchange's/)
    expect(await listFiles(join(directory.lake, 'data'))).toEqual([])
    // archives alone, REST is not asked: no mixture
    expect((await runHere(command(directory.lake, '--no-rest', '--end', '2024-03-10'), { env: mixed, stdin: 'AAAUSDT' })).exit).toBe(0)
  })
})

describe('sources that cannot be reached', () => {
  test('no listing: exit 4 with a sentence that tells the address and what to check', async () => {
    const url = await closedPort()
    await using directory = await createTempDirectory()
    const result = await runHere(command(directory.lake), { env: { ...exchange.env, CKVD_LISTING_URL: url }, stdin: 'AAAUSDT' })
    expect(result.exit).toBe(4)
    expect(`${result.stdout}${result.stderr}`).toMatch(/CKVD_UNREACHABLE/)
    expect(`${result.stdout}${result.stderr}`).toContain(url)
    expect(`${result.stdout}${result.stderr}`).toMatch(/Check .*--listing-url/)
    const dry = await runHere(command(directory.lake, '--dry-run'), { env: { ...exchange.env, CKVD_LISTING_URL: url }, stdin: 'AAAUSDT' })
    expect(dry.exit).toBe(4)
    expect(dry.stderr).toContain('CKVD_UNREACHABLE')
  })

  test('no archives: given up after some in a row, exit 4, and the next run goes on', async () => {
    const env = { ...exchange.env, CKVD_VISION_URL: await closedPort(), CKVD_MAX_RETRIES: '0' }
    await using directory = await createTempDirectory()
    const result = ingestResult(
      await runHere(command(directory.lake, '--start', '2024-01-10', '--archives', 'daily'), { env, stdin: 'AAAUSDT' }),
    )
    expect(result).toMatchObject({ exit: 4, stored: 0, stopped: { code: 'CKVD_UNREACHABLE' } })
    expect(result.requests.archive).toBeLessThan(70)
    expect(await listFiles(join(directory.lake, 'tmp'))).toEqual([])
    expect(ingestResult(await runHere(command(directory.lake), { env: exchange.env, stdin: 'AAAUSDT' }))).toMatchObject({
      exit: 0,
      stored: 19,
    })
  })
})

describe('what cannot work is refused with a sentence', () => {
  test('a lake that cannot be written', async () => {
    await using directory = await createTempDirectory()
    const file = join(directory.path, 'a-file')
    await writeFile(file, 'not a directory')
    const result = await runHere(command(join(file, 'lake')), { env: exchange.env, stdin: 'AAAUSDT' })
    expect(result.exit).toBe(4)
    expect(result.stderr).toMatch(/error CKVD_LAKE_IO: .*A file stands where a directory is needed: move it away/)
    expect(result.stderr).toContain(join(file, 'lake'))
    expect(exchange.sandbox.requests).toEqual([])
  })

  // the superuser may write everywhere
  test.skipIf(process.getuid?.() === 0)('a lake without permission to write', async () => {
    await using directory = await createTempDirectory()
    await mkdir(directory.lake)
    await chmod(directory.lake, 0o500)
    const result = await runHere(command(directory.lake), { env: exchange.env, stdin: 'AAAUSDT' })
    await chmod(directory.lake, 0o700)
    expect(result.exit).toBe(4)
    expect(result.stderr).toMatch(/error CKVD_LAKE_IO: /)
    expect(result.stderr).toContain(directory.lake)
  })

  test.each<[string, string[], RegExp]>([
    ['a flag that does not exist', ['--intervall', '1h'], /CKVD_USAGE.*--intervall.*Did you mean --interval/],
    ['an end later than today', ['--end', '2024-03-21'], /--end.*2024-03-20.*2024-03-21/],
    ['a start that is not before the end', ['--end', '2024-03-01'], /`--start` before `--end`/],
    ['an impossible day', ['--end', '2024-02-30'], /--end.*YYYY-MM-DD.*2024-02-30/],
    ['an interval that does not exist', ['--intervals', '7m'], /--intervals.*7m/],
    ['a market that does not exist', ['--market', 'okx'], /--market.*spot, um, cm or option.*okx/],
    ['a number that is none', ['--workers', 'many'], /--workers.*many/],
    ['two flags that exclude each other', ['--force', '--retry-failed'], /--force.*--retry-failed/],
    ['a market that the universe has not', ['--symbols', 'BBBUSDT'], /BBBUSDT/],
  ])('%s: exit 2, nothing done', async (_name, flags, message) => {
    await using directory = await createTempDirectory()
    const result = await runHere(command(directory.lake, ...flags), { env: exchange.env, stdin: 'AAAUSDT' })
    expect(result.exit).toBe(2)
    expect(result.stderr.replaceAll('\n', ' ')).toMatch(message)
    expect(jsonOf(result)).toMatchObject({ exit: 2 })
    expect(exchange.sandbox.requests).toEqual([])
    expect(await listFiles(directory.path)).toEqual([])
  })

  test('a universe file that is not there, and none at all', async () => {
    await using directory = await createTempDirectory()
    const missing = await runHere(['ingest', '--universe', 'nowhere.csv', '--lake', directory.lake], {
      env: exchange.env,
      cwd: directory.path,
    })
    expect(missing.exit).toBe(2)
    expect(missing.stderr).toContain('nowhere.csv')
    const none = await runHere(['ingest', '--lake', directory.lake], { env: exchange.env, cwd: directory.path })
    expect(none.exit).toBe(2)
    expect(none.stderr).toContain('--universe')
    expect(await listFiles(directory.path)).toEqual([])
  })

  test('the process ends with the exit codes of the command', async () => {
    await using directory = await createTempDirectory()
    const wrong = await runCkvd(command(directory.lake, '--end', '2024-02-30'), { env: exchange.env, stdin: 'AAAUSDT' })
    expect(wrong.exit).toBe(2)
    const right = await runCkvd(command(directory.lake, '--end', '2024-03-02'), { env: exchange.env, stdin: 'AAAUSDT' })
    expect(right.exit).toBe(0)
    expect(right.stderr).toBe('')
  })
})

describe('a directory that is no lake', () => {
  test('verify says so with exit 2, also with --prune, and makes none of it', async () => {
    await using directory = await createTempDirectory()
    for (const flags of [[], ['--prune', 'spot/AAAUSDT/1h']]) {
      const { exit, stdout, stderr } = await runHere(['verify', '--lake', join(directory.path, 'typo'), ...flags])
      expect([exit, stdout, stderr]).toEqual([2, '', expect.stringContaining('CKVD_LAKE_MISSING')])
    }
    expect(await listFiles(directory.path)).toEqual([])
  })
})
