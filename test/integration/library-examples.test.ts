import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import '../support/dist.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let temp: TempDirectory

beforeAll(async () => {
  temp = await createTempDirectory()
})
afterAll(() => temp[Symbol.asyncDispose]())

/** Runs a script as a reader would, against the embedded exchange. */
async function runScript(path: string, args: readonly string[] = []) {
  const child = spawn(process.execPath, [path, ...args], {
    env: { PATH: process.env['PATH'] ?? '', CKVD_SANDBOX: '1', CKVD_LAKE: temp.lake, CKVD_WORKERS: '2' },
    cwd: ROOT,
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [exit] = (await once(child, 'close')) as [number | null]
  return { exit, stdout, stderr }
}

/** What each example must print; an example that is not here fails the first test. */
const EXPECTED: Readonly<Record<string, RegExp>> = {
  'quick-start.mjs': /^Loaded 16[78] bars of BTCUSDT: open_time, .*_data_source$/m,
  'backward-fetch.mjs': /^Fetched 864 records in [\d.]+ seconds\nFetched 672 records, from 2023-05-08T14:00:00.000Z on$/m,
  'cache-control.mjs':
    /^first call: 72 bars from VISION\nthe same again: 72 bars from CACHE\nuseCache: false: 72 bars from VISION\nenforceSource REST: 72 bars from REST\nenforceSource CACHE: 72 bars from CACHE$/m,
  'lazy-creation.mjs': /^4 clients in [\d.]+ ms, 0 resources opened$/m,
  'clean-feature-engineering.mjs': /^realised volatility of the week: [\d.]+ %\nturnover: [\d,]+ USDT$/m,
  'logging.mjs': /^24 bars; the log's level is ERROR$/m,
  'error-handling.mjs':
    /^CKVD_SYMBOL_FORMAT: .*\nBTCUSD_PERP: 24 bars\nCKVD_UNKNOWN_INTERVAL: .*\nCKVD_UNKNOWN_SYMBOL: .*\nCKVD_TIME: .*\nCKVD_UNAVAILABLE: .*$/m,
}

describe('examples', () => {
  test('each is known here', () => {
    expect(
      readdirSync(join(ROOT, 'examples'))
        .filter((name) => name.endsWith('.mjs'))
        .sort(),
    ).toEqual(Object.keys(EXPECTED).sort())
  })

  test.each(Object.entries(EXPECTED))('%s', async (name, expected) => {
    const { exit, stdout, stderr } = await runScript(join(ROOT, 'examples', name))
    expect([exit, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(expected)
  })

  test('logging.mjs --log-level DEBUG', async () => {
    const { exit, stderr } = await runScript(join(ROOT, 'examples/logging.mjs'), ['--log-level', 'DEBUG'])
    expect(exit).toBe(0)
    expect(stderr).toMatch(/"level":"DEBUG".*"trace":"[0-9a-f]{8}"/)
  })
})

describe('recipes', () => {
  const recipes = readdirSync(join(ROOT, 'docs/recipes')).filter((name) => ['arrow.md', 'plain-loop.md', 'polars.md'].includes(name))

  test('all of them give the same week', async () => {
    expect(recipes).toHaveLength(3)
    const results: { rows: number; days: number; volume: number }[] = []
    for (const name of recipes) {
      const [, code = ''] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'docs/recipes', name), 'utf8')) ?? []
      // inside the project, where the package is found by its name
      const path = join(ROOT, `dist-recipe-${process.pid}-${name}.tmp.mjs`)
      await writeFile(path, code)
      try {
        const { exit, stdout, stderr } = await runScript(path)
        expect([name, exit, stderr]).toEqual([name, 0, ''])
        results.push(JSON.parse(stdout) as (typeof results)[0])
      } finally {
        await rm(path)
      }
    }
    for (const { rows, days, volume } of results) {
      expect([rows, days]).toEqual([168, 7])
      expect(volume).toBeCloseTo(results[0]?.volume ?? 0, 3)
    }
  })
})
