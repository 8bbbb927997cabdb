import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChartShade, ChartSlot } from '../../src/pages/chart/chart-data.ts'
import { formatChartPage } from '../../src/report/chart/chart-page.ts'
import { runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'
import { BROWSER, launchBrowser, openFile, PATIENCE, readContrast, takePicture } from './support.ts'

/** The archive of the 26th is not there yet. Spot BTCUSDT really had no bars from 04:01 to 08:45 of the 25th, nor has the sandbox's. */
const NOW = '2021-04-27T05:00:00Z'
const RANGE = ['--interval', '15m', '--start', '2021-04-24', '--end', '2021-04-27T05:00:00Z']

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

const ckvd = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runHere([...args, '--lake', temp.lake], { env: { ...exchange.env, ...env }, cwd: temp.path })

interface ChartJson {
  readonly exit: number
  readonly bars: number
  readonly page: string | null
  readonly png: string | null
  readonly shades: readonly ChartShade[]
}

const seconds = (iso: string): number => Date.parse(iso) / 1000

/** What a page was made with. */
function dataOf(html: string): { slots: ChartSlot[]; shades: ChartShade[] } {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!) as never
}

describe('ckvd chart', () => {
  it('writes the bars of fetch, its gaps with the same evidence, and what is not final', async () => {
    const { exit, stdout, stderr } = await ckvd(['chart', 'btcusdt', ...RANGE, '--json'])
    expect([exit, stderr]).toEqual([0, ''])
    const json = JSON.parse(stdout) as ChartJson
    expect(json.page).toBe(join(temp.path, 'BTCUSDT-15m.html'))
    const { slots, shades } = dataOf(await readFile(json.page!, 'utf8'))
    const fetched = JSON.parse((await ckvd(['fetch', 'BTCUSDT', ...RANGE, '--json'])).stdout) as {
      gaps: { bars: number; evidence: string }[]
      bars: { open_time: string; open: number; high: number; low: number; close: number; volume: number }[]
    }
    expect(slots.filter((slot) => slot.length > 1)).toEqual(
      fetched.bars.map(({ open_time, open, high, low, close, volume }) => [seconds(open_time), open, high, low, close, volume]),
    )
    // three days of 96 slots and 20 of the 27th; without a bar from 04:15 to 08:45
    expect([slots.length, json.bars]).toEqual([308, 290])
    expect(shades).toEqual(json.shades)
    expect(shades.map(({ kind, start, end }) => [kind, start, end])).toEqual([
      ['missing', seconds('2021-04-25T04:15:00Z'), seconds('2021-04-25T08:45:00Z')],
      ['provisional', seconds('2021-04-26T00:00:00Z'), seconds('2021-04-27T00:00:00Z')],
      ['provisional', seconds('2021-04-27T00:00:00Z'), seconds('2021-04-27T05:00:00Z')],
    ])
    expect(fetched.gaps).toHaveLength(1)
    expect(shades[0]!.text).toBe(`18 bars; ${fetched.gaps[0]!.evidence}`)
  })

  it('says what it wrote, in a sentence', async () => {
    const { exit, stdout, stderr } = await ckvd(['chart', 'BTCUSDT', ...RANGE, '--out', 'charts/btc.html'])
    expect([exit, stdout]).toEqual([0, `290 bars, 3 shaded stretches. Written:\n  ${join(temp.path, 'charts/btc.html')}\n`])
    expect(stderr).toBe('This is sandbox data: its prices are invented.\n')
  })

  it('prints nothing with --quiet when all is well', async () => {
    const { exit, stdout, stderr } = await ckvd(['chart', 'BTCUSDT', ...RANGE, '--out', 'quiet.html', '--quiet'])
    expect({ exit, stdout, stderr }).toEqual({ exit: 0, stdout: '', stderr: '' })
    expect(existsSync(join(temp.path, 'quiet.html'))).toBe(true)
  })

  describe('where bars are missing and nobody explains it', () => {
    const HOURS = ['--interval', '1h', '--start', '2021-04-22', '--end', '2021-04-24'] as const
    const [cut, end] = [seconds('2021-04-23T10:00:00Z'), seconds('2021-04-24T00:00:00Z')]
    const lake = (name: string): string[] => ['--lake', join(temp.path, name)]
    const chart = (...flags: string[]) =>
      runHere(['chart', 'BTCUSDT', ...HOURS, ...flags], { env: { ...exchange.env, CKVD_MAX_RETRIES: '0' }, cwd: temp.path })
    beforeAll(() => {
      exchange.sandbox.setFaults([
        { market: 'spot', symbol: 'BTCUSDT', day: '2021-04-23', kind: 'cut', at: '10:00' },
        { match: 'klines\\?', kind: 'status', status: 500 },
      ])
    })
    afterAll(() => exchange.sandbox.setFaults([]))

    it('draws the others, hatches the hole with what is known of it, and ends with 3 and a sentence', async () => {
      const { exit, stdout, stderr } = await chart(...lake('holes'), '--out', 'holes.html', '--json')
      expect([exit, stderr]).toEqual([3, ''])
      const json = JSON.parse(stdout) as ChartJson & { error: { code: string } }
      expect([json.exit, json.bars, json.error.code]).toEqual([3, 34, 'CKVD_PARTIAL'])
      const { slots, shades } = dataOf(await readFile(join(temp.path, 'holes.html'), 'utf8'))
      expect(slots.filter((slot) => slot.length === 1).map(([time]) => time)).toEqual(
        Array.from({ length: 14 }, (_, hour) => cut + hour * 3600),
      )
      expect(shades).toEqual([
        { kind: 'unexplained', start: cut, end, text: expect.stringMatching(/^14 bars; .*REST/) as string },
        {
          kind: 'partial',
          start: seconds('2021-04-23T00:00:00Z'),
          end,
          text: expect.stringContaining('REST could not be asked') as string,
        },
      ])
    })

    it.each([false, true])('says so on the right stream, --quiet: %s', async (isQuiet) => {
      const { exit, stdout, stderr } = await chart(...lake('holes'), '--out', 'holes.html', ...(isQuiet ? ['--quiet'] : []))
      expect([exit, isQuiet ? stdout : stderr]).toEqual([3, isQuiet ? '' : 'This is sandbox data: its prices are invented.\n'])
      const told = isQuiet ? stderr : stdout
      expect(told).toContain(join(temp.path, 'holes.html'))
      expect(told).toMatch(
        /\nCKVD_PARTIAL: 14 bars of spot BTCUSDT 1h are missing, the first at 2021-04-23T10:00:00\.000000Z: .*hatched.*\(exit 3\)\n$/,
      )
    })

    it('writes nothing where there is no bar at all', async () => {
      const { exit, stdout, stderr } = await chart(...lake('none'), '--source', 'cache', '--out', 'none.html')
      expect([exit, stdout, stderr]).toEqual([3, '', expect.stringContaining('CKVD_PARTIAL: 48 bars of spot BTCUSDT 1h are missing')])
      expect(existsSync(join(temp.path, 'none.html'))).toBe(false)
    })

    it('draws what the lake has, where the lake alone is asked', async () => {
      const { exit, stdout } = await runHere(
        [
          'chart',
          'BTCUSDT',
          '--interval',
          '1h',
          '--start',
          '2021-04-21',
          '--end',
          '2021-04-23',
          '--source',
          'cache',
          ...lake('holes'),
          '--json',
        ],
        { env: exchange.env, cwd: temp.path },
      )
      const { bars, shades } = JSON.parse(stdout) as ChartJson
      expect([exit, bars]).toEqual([3, 24])
      expect(shades).toEqual([
        {
          kind: 'unexplained',
          start: seconds('2021-04-21T00:00:00Z'),
          end: seconds('2021-04-22T00:00:00Z'),
          text: '24 bars; not in the lake',
        },
      ])
    })
  })

  it('shades what REST gave and no lake keeps', async () => {
    const { stdout } = await ckvd(['chart', 'BTCUSDT', ...RANGE, '--source', 'rest', '--json'], { CKVD_ENABLE_CACHE: 'false' })
    const { shades } = JSON.parse(stdout) as ChartJson
    expect(shades.filter(({ kind }) => kind === 'provisional').map(({ start, end }) => [start, end])).toEqual([
      [seconds('2021-04-24T00:00:00Z'), seconds('2021-04-25T04:15:00Z')],
      [seconds('2021-04-25T08:45:00Z'), seconds('2021-04-27T05:00:00Z')],
    ])
  })

  it.each([
    [
      ['--interval', '1s', '--days', '2'],
      2,
      'Expected at most 100,000 bars on a page, the range has 172,800 of 1s. Choose a longer --interval',
    ],
    [['--start', '2021-04-26', '--end', '2021-04-25'], 2, '--start'],
    [['--start', 'yesterday'], 2, 'Expected `--start` to be a day such as 2024-01-01'],
    [['--out', 'lake/x.html'], 2, 'Expected `--out` outside of the lake'],
  ])('refuses %j before anything is asked', async (args, code, words) => {
    const before = exchange.sandbox.requests.length
    const { exit, stdout, stderr } = await ckvd(['chart', 'BTCUSDT', ...args])
    expect([exit, stdout, stderr]).toEqual([code, '', expect.stringContaining(words)])
    expect(exchange.sandbox.requests.length).toBe(before)
  })

  it('refuses --png where no browser is on PATH, with what to do, before anything is asked', async () => {
    const before = exchange.sandbox.requests.length
    const { exit, stderr } = await ckvd(['chart', 'BTCUSDT', ...RANGE, '--png', 'x.png'], { PATH: temp.path })
    expect([exit, stderr]).toEqual([2, expect.stringContaining('CKVD_BROWSER_MISSING')])
    expect(stderr).toContain('Install Chromium, or leave out --png')
    expect(exchange.sandbox.requests.length).toBe(before)
    expect(existsSync(join(temp.path, 'x.png'))).toBe(false)
  })

  it('says why a browser took no picture, and leaves nothing behind', async () => {
    const bin = join(temp.path, 'bin')
    await mkdir(bin)
    await writeFile(join(bin, 'chromium'), '#!/bin/sh\necho "no display" >&2\nexit 7\n')
    await chmod(join(bin, 'chromium'), 0o755)
    const { exit, stderr } = await ckvd(['chart', 'BTCUSDT', ...RANGE, '--png', 'x.png'], { PATH: `${bin}:/usr/bin:/bin` })
    expect([exit, stderr]).toEqual([4, expect.stringContaining('did not take the picture: it ended with 7: no display')])
    expect((await readdir(temp.path)).filter((name) => name.startsWith('x.png'))).toEqual([])
  })

  it.skipIf(BROWSER === undefined)('takes a picture where a browser is there, and keeps no page', { timeout: 90_000 }, async () => {
    const { exit, stdout } = await ckvd(['chart', 'BTCUSDT', '--market', 'um', ...RANGE, '--png', 'um.png', '--json'], {
      PATH: '/usr/bin:/bin',
    })
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ page: null, png: join(temp.path, 'um.png') })
    const png = await readFile(join(temp.path, 'um.png'))
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1280, 800])
    expect(png.length).toBeGreaterThan(10_000)
  })
})

/** 200 hours around two holes of ten, one of which nobody explains, of which the last day is provisional; texts that would be HTML. */
function madePage(): string {
  const start = seconds('2024-05-01T00:00:00Z')
  const slots = Array.from({ length: 200 }, (_, i): ChartSlot => {
    const [time, open] = [start + i * 3600, 100 + (i % 17)]
    return (i >= 50 && i < 60) || (i >= 120 && i < 130) ? [time] : [time, open, open + 2.25, open - 1, open + (i % 3) - 1, 5 + (i % 7)]
  })
  const at = (slot: number): number => start + slot * 3600
  return formatChartPage({
    ...{ series: { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }, origin: 'sandbox', slots },
    range: { startUs: at(0) * 1e6, endUs: at(200) * 1e6 },
    shades: [
      { kind: 'missing', start: at(50), end: at(60), text: '10 bars; <img src=x onerror="document.title=1"></script>' },
      { kind: 'unexplained', start: at(120), end: at(130), text: '10 bars; REST was not asked' },
      { kind: 'provisional', start: at(176), end: at(200), text: 'from REST' },
    ],
  })
}

describe.skipIf(BROWSER === undefined)('the page of ckvd chart, in a browser', { timeout: 120_000 }, () => {
  let browser: Browser
  let file: string
  beforeAll(async () => {
    file = join(temp.path, 'made.html')
    await writeFile(file, madePage())
    browser = await launchBrowser()
  })
  afterAll(() => browser.close())

  it('is one file that asks for nothing, with the licence of what draws it', async () => {
    const { page, errors, addresses } = await openFile(browser, file)
    expect(await page.locator('#chart canvas').count()).toBeGreaterThan(0)
    expect(addresses.filter((address) => !address.startsWith('data:'))).toEqual([`file://${file}`])
    expect(await page.title()).toBe('spot AAAUSDT 1h')
    expect(await page.locator('header').textContent()).toContain(
      '2024-05-01 00:00 to 2024-05-09 08:00 (UTC, excluded), 180 bars. Sandbox data',
    )
    expect(await page.locator('#legend .key').allTextContents()).toEqual([
      ...['closes higher', 'closes lower', 'missing bars (1 stretch)', 'missing bars, unexplained (1 stretch)', 'provisional (1 stretch)'],
    ])
    expect(await page.locator('#shades td').allTextContents()).toEqual([
      ...['missing bars', '2024-05-03 02:00', '2024-05-03 12:00', '10 bars; <img src=x onerror="document.title=1"></script>'],
      ...['missing bars, unexplained', '2024-05-06 00:00', '2024-05-06 10:00', '10 bars; REST was not asked'],
      ...['provisional', '2024-05-08 08:00', '2024-05-09 08:00', 'from REST'],
    ])
    expect(errors).toEqual([])
    const html = await readFile(file, 'utf8')
    for (const words of ['Lightweight Charts', 'Apache License', 'fancy-canvas', 'TradingView, Inc.']) expect(html).toContain(words)
    expect(html.length).toBeLessThan(500_000)
    await page.close()
  })

  it('tells the bar and the evidence under the pointer', async () => {
    const { page, errors } = await openFile(browser, file)
    const told = async (slot: number): Promise<[string | null, string | null]> => {
      const box = (await page.locator('#chart canvas').first().boundingBox())!
      await page.mouse.move(box.x + (box.width * (slot + 5)) / 206, box.y + box.height / 3)
      return [await page.locator('#bar').textContent(), await page.locator('#why').textContent()]
    }
    await expect
      .poll(() => told(55), PATIENCE)
      .toEqual([
        '2024-05-03 07:00: no bar',
        'missing bars, 2024-05-03 02:00 to 2024-05-03 12:00: 10 bars; <img src=x onerror="document.title=1"></script>',
      ])
    await takePicture(page, 'chart-missing')
    await expect
      .poll(async () => (await told(125))[1], PATIENCE)
      .toBe('missing bars, unexplained, 2024-05-06 00:00 to 2024-05-06 10:00: 10 bars; REST was not asked')
    await expect
      .poll(() => told(190), PATIENCE)
      .toEqual([
        '2024-05-08 22:00  open 103.00  high 105.25  low 102.00  close 103.00  volume 6',
        'provisional, 2024-05-08 08:00 to 2024-05-09 08:00: from REST',
      ])
    await expect.poll(async () => (await told(100))[1], PATIENCE).toBe('')
    expect(errors).toEqual([])
    await page.close()
  })

  it('shows a stretch that is narrower than a pixel, and tells it', async () => {
    const wide = join(temp.path, 'wide.html')
    const start = seconds('2024-05-01T00:00:00Z')
    const slots = Array.from({ length: 50_000 }, (_, i): ChartSlot =>
      i === 25_000 ? [start + i * 60] : [start + i * 60, 1, 2, 0.5, 1.5, 3],
    )
    const gap = { kind: 'missing' as const, start: start + 25_000 * 60, end: start + 25_001 * 60, text: '1 bar; an outage' }
    const range = { startUs: start * 1e6, endUs: (start + 50_000 * 60) * 1e6 }
    const series = { market: 'um', symbol: 'BBBUSDT', interval: '1m' } as const
    await writeFile(wide, formatChartPage({ series, range, slots, shades: [gap], origin: null }))
    const { page, errors } = await openFile(browser, wide)
    const box = (await page.locator('#chart canvas').first().boundingBox())!
    // two hundredths on the left and half of one on the right are empty
    const middle = box.x + (box.width * 52) / 102.5
    const told = new Set<string | null>()
    for (let x = middle - 12; x < middle + 12; x += 2) {
      await page.mouse.move(x, box.y + 80)
      told.add(await page.locator('#why').textContent())
    }
    expect([...told]).toEqual(['', 'missing bars, 2024-05-18 08:40 to 2024-05-18 08:41: 1 bar; an outage'])
    await takePicture(page, 'chart-wide')
    expect(errors).toEqual([])
    await page.close()
  })

  it('stays where it is while the evidence under the pointer changes', async () => {
    const { page } = await openFile(browser, file)
    const top = async (): Promise<number> => (await page.locator('#chart').boundingBox())!.y
    const before = await top()
    const box = (await page.locator('#chart canvas').first().boundingBox())!
    for (let step = 1; step < 20; step++) {
      await page.mouse.move(box.x + (box.width * step) / 20, box.y + 50)
      expect(await top()).toBe(before)
    }
    await page.close()
  })

  it.each(['light', 'dark'] as const)('shades what is missing and what is not final in %s, and can be read', async (scheme) => {
    const { page } = await openFile(browser, file, { scheme })
    const colors = `[10, 55, 125, 190].map((slot) => {
      const canvas = document.querySelector('#chart canvas')
      const { data } = canvas.getContext('2d').getImageData(Math.round(canvas.width * (slot + 5) / 206) - 4, 2, 8, 8)
      let sum = [0, 0, 0]
      for (let i = 0; i < data.length; i += 4) sum = sum.map((value, j) => value + data[i + j])
      return sum.map((value) => Math.round(value / 64)).join()
    })`
    // a busy machine draws some frames later
    await expect.poll(async () => new Set(await page.evaluate<string[]>(colors)).size, { timeout: 10_000 }).toBe(4)
    for (const contrast of await readContrast(page, ['h1', 'header p', '#bar', '#why', '#legend .key', '#shades td', 'main > p.dim']))
      expect(contrast).toBeGreaterThanOrEqual(4.5)
    await takePicture(page, `chart-${scheme}`)
    await page.close()
  })

  it('fits a narrow screen', async () => {
    const { page } = await openFile(browser, file, { width: 390 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await takePicture(page, 'chart-narrow')
    await page.close()
  })
})
