import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNode } from '../support/ckvd.ts'
import { MAIN } from '../support/dist.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'

const NOW = '2024-03-10T12:34:56Z'
const INDEX = pathToFileURL(join(MAIN, '../../index.js')).href

let exchange: TestExchange
let temp: TempDirectory

beforeAll(async () => {
  exchange = await startExchange(NOW)
  temp = await createTempDirectory()
})
afterAll(async () => {
  await temp[Symbol.asyncDispose]()
  await exchange[Symbol.asyncDispose]()
})

/** Runs a module that imports the library from `INDEX` in a process of its own. */
async function runModule(code: string, env: Record<string, string> = {}, flags: string[] = []) {
  const path = join(temp.path, `module-${Math.random().toString(36).slice(2)}.mjs`)
  await writeFile(path, code.replaceAll('INDEX', JSON.stringify(INDEX)))
  return startNode([...flags, path], {
    env: { ...exchange.env, CKVD_LAKE: temp.lake, CKVD_WORKERS: '1', ...env },
    cwd: temp.path,
  }).ended
}

const CALL = `{ symbol: 'BTCUSDT', interval: '1h', startTime: '2024-03-08T00:00:00Z', endTime: '2024-03-09T00:00:00Z' }`

describe('a process that uses the library', () => {
  test.skipIf(!existsSync('/dev/full'))(
    'standard error on a full disk or a closed pipe is no matter, whatever is logged there',
    async () => {
      const path = join(temp.path, 'logging.mjs')
      await writeFile(
        path,
        `import { CryptoKlineVisionData } from ${JSON.stringify(INDEX)}
       const ckvd = CryptoKlineVisionData.create('binance', 'spot', { logLevel: 'DEBUG' })
       for (let i = 0; i < 5; i++) console.log((await ckvd.getData(${CALL})).numRows)
       await ckvd.close()`,
      )
      const full = openSync('/dev/full', 'w')
      for (const place of [full, 'pipe'] as const) {
        const env = { ...exchange.env, CKVD_LAKE: join(temp.path, 'logged'), CKVD_WORKERS: '1' }
        const child = spawn(process.execPath, [path], { env, cwd: temp.path, stdio: ['ignore', 'pipe', place] })
        child.stderr?.destroy()
        let stdout = ''
        child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
        const [exit] = (await once(child, 'close')) as [number | null]
        expect({ exit, stdout }).toEqual({ exit: 0, stdout: '24\n'.repeat(5) })
      }
      closeSync(full)
    },
  )

  test('importing and creating open no file, socket or thread, and write nothing', async () => {
    const { exit, stdout, stderr } = await runModule(`
      import { readdirSync, readlinkSync } from 'node:fs'
      const open = () => readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).filter((to) => /^(\\/(?!dev|proc)|socket:)/.test(to)).sort()
      const threads = () => readdirSync('/proc/self/task').length
      const before = [open(), threads()]
      const { CryptoKlineVisionData, DataProvider, MarketType } = await import(INDEX)
      CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
      console.log(JSON.stringify({ before, after: [open(), threads()], active: process.getActiveResourcesInfo().filter((name) => /TCP|Worker|Timeout|Pipe/.test(name)) }))
    `)
    expect([exit, stderr]).toEqual([0, ''])
    const { before, after } = JSON.parse(stdout) as { before: unknown; after: unknown; active: string[] }
    expect(after).toEqual(before)
    expect(await listFiles(temp.lake)).toEqual([])
  })

  test('a client that is closed lets the process end by itself', async () => {
    const { exit, stdout, stderr } = await runModule(`
      import { CryptoKlineVisionData, DataProvider, MarketType } from INDEX
      const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
      console.log((await ckvd.getData(${CALL})).numRows)
      await ckvd.close()
    `)
    expect([exit, stdout.trim(), stderr]).toEqual([0, '24', ''])
  })

  test('sandbox: true needs nothing else; its data lies apart', async () => {
    const { exit, stdout } = await runModule(
      `
      import { CryptoKlineVisionData, DataProvider, MarketType, ingest } from INDEX
      const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_COIN, { sandbox: true, lake: 'own' })
      console.log((await ckvd.getData({ ...${CALL}, symbol: 'BTCUSD_PERP' })).numRows)
      await ckvd.close()
      const result = await ingest({ sandbox: true, lake: 'own', universe: [{ market: 'spot', symbol: 'ETHUSDT' }], intervals: ['1d'], start: '2024-03-01', end: '2024-03-05' })
      const plan = await ingest({ sandbox: true, lake: 'own', universe: [{ market: 'spot', symbol: 'ETHUSDT' }], intervals: ['1d'], start: '2024-03-01', end: '2024-03-07', dryRun: true })
      console.log(JSON.stringify([result.exit, result.stored, result.command, plan.total.days]))
    `,
      { CKVD_VISION_URL: '', CKVD_LISTING_URL: '', CKVD_SPOT_REST_URL: '', CKVD_UM_REST_URL: '', CKVD_CM_REST_URL: '' },
    )
    expect([exit, stdout.trim().split('\n')]).toEqual([0, ['24', '[0,4,"ingest",6]']])
  })

  test('without nodejs-polars the error names the package', async () => {
    const hook = join(temp.path, 'hook.mjs')
    await writeFile(
      hook,
      `import { register } from 'node:module'\nregister('data:text/javascript,' + encodeURIComponent("export const resolve = (name, context, next) => { if (name === 'nodejs-polars') { const error = new Error('absent'); error.code = 'ERR_MODULE_NOT_FOUND'; throw error } return next(name, context) }"))\n`,
    )
    const { stdout } = await runModule(
      `
      import { CryptoKlineVisionData, DataProvider, MarketType } from INDEX
      const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
      await ckvd.getData({ ...${CALL}, returnPolars: true }).catch(({ code, message }) => console.log(code, message))
      await ckvd.close()
    `,
      {},
      ['--import', pathToFileURL(hook).href],
    )
    expect(stdout).toMatch(/^CKVD_POLARS_MISSING .*npm install nodejs-polars/)
  })
})

describe('what is odd about the environment is told once a process, as Node tells its warnings, whatever the log level', () => {
  const INGEST = `import { ingest } from INDEX
    await ingest({ symbols: ['BTCUSDT'], intervals: ['1h'], start: '2024-03-08', end: '2024-03-09', dryRun: true })`
  const CLIENTS = `import { CryptoKlineVisionData } from INDEX
    for (let i = 0; i < 3; i++) await CryptoKlineVisionData.create('binance', 'spot' OPTIONS).close()`
  // no lake is named: these calls open none
  const home = () => ({
    CKVD_LAKE: '',
    CKVD_CACHE_DIR: '/elsewhere',
    XDG_DATA_HOME: join(temp.path, 'data'),
    XDG_CACHE_HOME: join(temp.path, 'cache'),
  })
  const WARNING = /^\(node:\d+\) CkvdWarning: nothing here reads CKVD_CACHE_DIR: did you mean CKVD_LAKE\?\n\(Use .*\)\n$/

  test.each([
    ['clients', CLIENTS.replace(' OPTIONS', '')],
    ['ingest', INGEST],
  ])('a variable that nothing reads, by %s', async (_name, code) => {
    const { stderr, exit } = await runModule(code, home())
    expect([exit, stderr]).toEqual([0, expect.stringMatching(WARNING)])
  })

  test('not where the lake is named, by its variable or by an option, and not with --no-warnings', async () => {
    const code = CLIENTS.replace(' OPTIONS', '')
    const named = { CKVD_CACHE_DIR: '/elsewhere' }
    expect(await runModule(code, named)).toMatchObject({ exit: 0, stderr: '' })
    expect(await runModule(CLIENTS.replace(' OPTIONS', `, { lake: 'x' }`), home())).toMatchObject({ exit: 0, stderr: '' })
    expect(await runModule(code, home(), ['--no-warnings'])).toMatchObject({ exit: 0, stderr: '' })
  })

  test('a lake that lies in the place of earlier builds', async () => {
    const place = home()
    const old = join(place.XDG_CACHE_HOME, 'crypto-kline-vision-data', 'lake')
    await mkdir(old, { recursive: true })
    await writeFile(join(old, 'lake.json'), '{}')
    const { stderr, exit } = await runModule(CLIENTS.replace(' OPTIONS', ''), { ...place, CKVD_CACHE_DIR: '' })
    expect([exit, stderr.match(/CkvdWarning: the lake lies in the cache directory/g)?.length]).toEqual([0, 1])
  })
})

describe('logging', () => {
  const FETCH = `
    import { CryptoKlineVisionData, DataProvider, MarketType, configureLogging } from INDEX
    const [level, file] = process.argv.slice(2)
    CONFIGURE
    const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT OPTIONS)
    await ckvd.getData(${CALL})
    await ckvd.getData({ ...${CALL}, symbol: 'NOSUCHUSDT' }).catch(() => undefined)
    await ckvd.close()
  `
  const module = (configure: string, options = '') => FETCH.replace('CONFIGURE', configure).replace(' OPTIONS', options)
  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { level: string; trace?: string; code?: string })

  test('quiet by default; DEBUG by environment, by configureLogging or for one client, a trace id for each request', async () => {
    expect((await runModule(module(''))).stderr).toBe('')
    for (const run of [
      runModule(module(''), { CKVD_LOG_LEVEL: 'DEBUG' }),
      runModule(module(`configureLogging({ level: 'DEBUG' })`)),
      runModule(module('', `, { logLevel: 'DEBUG' }`), { CKVD_LOG_LEVEL: 'CRITICAL' }),
    ]) {
      const traced = lines((await run).stderr).filter(({ trace }) => trace !== undefined)
      expect(new Set(traced.map(({ trace }) => trace)).size).toBe(2)
      expect(traced.map(({ code }) => code)).toContain('CKVD_UNKNOWN_SYMBOL')
    }
  })

  test('the log file gets the lines too', async () => {
    const file = join(temp.path, 'logs.jsonl')
    await runModule(module(`configureLogging({ level: 'DEBUG', file: ${JSON.stringify(file)} })`))
    expect(lines(await readFile(file, 'utf8')).length).toBeGreaterThan(1)
    const { stderr, exit } = await runModule(module(`configureLogging({ file: '/no/such/folder/x.log' })`))
    expect([exit, stderr]).toEqual([1, expect.stringContaining('CKVD_CONFIG') as string])
  })
})
