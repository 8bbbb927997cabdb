import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acceptDay } from '../../src/lake/day-facts.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { CatalogWrite, DayRow } from '../../src/lake/catalog/catalog-rows.ts'
import { CONDITIONS } from '../../src/model/condition.ts'
import type { Series } from '../../src/model/series.ts'
import { addDays } from '../../src/model/utc-day.ts'
import { formatCoveragePage } from '../../src/report/coverage/coverage-page.ts'
import { day, proofAround, rowOf, seriesRowOf } from '../unit/lake/lake-fixtures.ts'
import { runHere } from '../unit/cli/support.ts'
import { BROWSER, launchBrowser, openFile, PATIENCE, readContrast, takePicture } from './support.ts'

const BTC: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1h' }
const ETH: Series = { market: 'um', symbol: 'ETHUSDT', interval: '1m' }
const WEEKS: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1w' }
const OUTAGE = 'REST has the bars of 2021-02-11T02:00:00.000000Z and 2021-02-11T05:00:00.000000Z and none between'

/** A catalog with every condition in it: BTCUSDT from 2021 on, of which 2023-02 was never requested. */
function writesOf(): CatalogWrite[] {
  const writes: CatalogWrite[] = []
  const put = (series: Series, name: string, change: Partial<DayRow>, gaps: CatalogWrite['gaps'] = []) =>
    writes.push({ row: rowOf(series, name, { rows: 24, ...change }), gaps })
  for (let name = day('2021-01-01'); name < '2023-06-01'; name = addDays(name, 1)) {
    if (name.startsWith('2023-02')) continue
    if (name === '2021-02-11') {
      const startUs = Date.parse('2021-02-11T03:00:00Z') * 1000
      put(BTC, name, { condition: 'outage', rows: 22, evidence: OUTAGE }, [
        { startUs, endUs: startUs + 7_200_000_000, bars: 2, evidence: proofAround(startUs, startUs + 7_200_000_000) },
      ])
    } else if (name === '2022-03-03') put(BTC, name, { condition: 'partial', rows: 20, error: 'REST was off' })
    else if (name === '2022-03-04') put(BTC, name, { condition: 'quarantined', rows: 0, error: 'the CHECKSUM is wrong' })
    else if (name === '2022-03-05') put(BTC, name, { condition: 'failed', rows: 0, error: '<img src=x onerror="document.title=1">' })
    else if (name >= '2023-05-30') put(BTC, name, { condition: 'pending', rows: 0 })
    else if (name >= '2023-05-20') put(BTC, name, { condition: 'provisional' })
    else put(BTC, name, { condition: 'complete' })
  }
  for (let i = 0; i < 40; i++) put(ETH, addDays(day('2023-01-01'), i), { condition: 'complete' })
  for (const month of ['2023-01', '2023-02', '2023-03']) put(WEEKS, `${month}-01`, { condition: 'complete', rows: 4 })
  return writes
}

describe.skipIf(BROWSER === undefined)('the page of ckvd coverage, in a browser', { timeout: 120_000 }, () => {
  let directory: string
  let browser: Browser
  let file: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ckvd-page-'))
    const root = join(directory, 'lake')
    file = join(directory, 'pages', 'coverage.html')
    await using lake = await openLake(root, { mode: 'write', origin: 'binance' })
    await lake.catalog.commit(writesOf())
    lake.catalog.putSeries(seriesRowOf(BTC, { firstDay: day('2021-01-01'), lastDay: day('2023-05-31') }))
    acceptDay(lake.catalog, BTC, day('2022-03-03'), 'looked at')
    await lake.close()
    const { exit, stdout } = await runHere(['coverage', '--lake', root, '--html', file])
    expect({ exit, table: /spot BTCUSDT 1h/.test(stdout) }).toEqual({ exit: 3, table: true })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    await rm(directory, { recursive: true })
  })

  it('shows totals, a legend with counts, and the first calendar, from one file', async () => {
    const { page, errors, addresses } = await openFile(browser, file)
    expect(await page.locator('.tile').allTextContents()).toEqual(
      expect.arrayContaining(['3series', '2bars missing', '1gaps', '2days unexplained', '1days accepted by a person (✓)']),
    )
    const legend = (await page.locator('#legend').textContent()) ?? ''
    // 881 days from 2021-01-01 to 2023-05-31 of BTCUSDT; 28 never requested, 12 provisional or pending, 4 of them bad; 40 and 3 of others
    for (const text of [
      'complete 880',
      'provisional 10',
      'outage 1',
      'pending 2',
      'partial 1',
      'quarantined 1',
      'failed 1',
      'never requested 28',
    ])
      expect(legend).toContain(text)
    expect(await page.locator('.calendar[aria-roledescription]').count()).toBe(3)
    expect(await page.locator('.calendar[aria-label^="2023"]').getAttribute('aria-label')).toBe(
      '2023: 111 complete, 28 never requested, 10 provisional, 2 pending',
    )
    expect(addresses.filter((address) => !address.startsWith('data:'))).toHaveLength(1)
    expect(errors).toEqual([])
    // the axis stands above the strip: 2022 begins 12 of 29 months after its start
    const strip = (await page.locator('.strip').first().boundingBox())!
    const year = (await page.locator('#axis span', { hasText: '2022' }).boundingBox())!
    expect((year.x - strip.x) / strip.width).toBeCloseTo(12 / 29, 2)
    expect(await page.locator('.calendar .accepted').count()).toBe(1)
    await takePicture(page, 'coverage-first')
    await page.close()
  })

  it('lists gaps and unexplained days with their evidence, as text', async () => {
    const { page, errors } = await openFile(browser, file)
    const cells = await page.locator('.details td').allTextContents()
    expect(cells).toEqual(
      expect.arrayContaining([
        '2021-02-11 03:00',
        '2021-02-11 05:00',
        '2',
        OUTAGE,
        '2022-03-04',
        'quarantined',
        'the CHECKSUM is wrong',
        'partial (accepted)',
      ]),
    )
    expect(cells).toContain('<img src=x onerror="document.title=1">')
    expect(await page.title()).toBe('What the lake covers, 2024-06-01')
    expect(errors).toEqual([])
    await page.close()
  })

  it('tells a day under the pointer, and by arrow keys', async () => {
    const { page, errors } = await openFile(browser, file)
    const told = () => page.locator('.told').textContent()
    const calendar = page.locator('.calendar[aria-label^="2021"]')
    await calendar.focus()
    await page.keyboard.press('Home')
    await expect.poll(told, PATIENCE).toBe('2021-01-01 complete: every bar is there')
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowUp'])
      await page.keyboard.press(key)
    expect(await told()).toBe('2021-02-11 outage: 2 bars missing from 2021-02-11 03:00 to 2021-02-11 05:00: ' + OUTAGE)
    await page.keyboard.press('End')
    expect(await told()).toContain('2021-12-31 complete')
    const box = (await page.locator('.calendar[aria-label^="2022"]').boundingBox())!
    // 2022-03-04 is a Friday in the tenth week: 2022-01-01 was a Saturday
    await page.mouse.move(box.x + 9 * 13 + 6, box.y + 14 + 4 * 13 + 6)
    await expect.poll(told, PATIENCE).toBe('2022-03-04 quarantined: the CHECKSUM is wrong')
    await takePicture(page, 'coverage-told')
    expect(errors).toEqual([])
    await page.close()
  })

  it('filters and orders, and opens a series of months by keyboard', async () => {
    const { page, errors } = await openFile(browser, file)
    const names = () => page.locator('.head .name').allTextContents()
    expect(await names()).toEqual(['spot BTCUSDT 1h', 'spot BTCUSDT 1w', 'um ETHUSDT 1m'])
    await page.selectOption('#state', 'unexplained')
    await expect.poll(names, PATIENCE).toEqual(['spot BTCUSDT 1h'])
    await page.click('text=Reset')
    await page.selectOption('#interval', '1w')
    await expect.poll(names, PATIENCE).toEqual(['spot BTCUSDT 1w'])
    await page.locator('.head').press('Enter')
    expect(await page.locator('.calendar[aria-roledescription]').getAttribute('aria-label')).toBe('2023: 3 complete')
    await page.locator('.calendar[aria-roledescription]').focus()
    await page.keyboard.press('End')
    expect(await page.locator('.told').textContent()).toBe('2023-03 complete: every bar is there')
    await page.click('text=Reset')
    await page.keyboard.press('/')
    await page.selectOption('#order', 'first')
    await expect.poll(names, PATIENCE).toEqual(['spot BTCUSDT 1h', 'spot BTCUSDT 1w', 'um ETHUSDT 1m'])
    expect(errors).toEqual([])
    await page.close()
  })

  it.each(['light', 'dark'] as const)('can be read in %s, conditions also without colours', async (scheme) => {
    const { page } = await openFile(browser, file, { scheme })
    for (const contrast of await readContrast(page, [
      'h1',
      'header p',
      '#status',
      '.head .name',
      '.head .sum',
      '.head .sum strong',
      '.details td',
      '.told',
    ])) {
      expect(contrast).toBeGreaterThanOrEqual(4.5)
    }
    // every condition but complete has a sign of its own in its cell
    const signs = await page.evaluate<string[]>(
      `[...document.querySelectorAll('#legend svg')].map((node) => node.querySelector('rect').getAttribute('class') + ' ' + node.textContent)`,
    )
    expect(signs).toEqual([
      'complete ',
      'provisional ·',
      'outage –',
      'pending ?',
      'partial !',
      'quarantined q',
      'failed ×',
      'never_requested ',
    ])
    await takePicture(page, `coverage-${scheme}`)
    await page.close()
  })

  it('shows a lake of 2,000 series, and fits a narrow screen', async () => {
    const many = join(directory, 'many.html')
    const days = Object.fromEntries(CONDITIONS.map((condition) => [condition, condition === 'complete' ? 2000 : 0])) as Record<
      (typeof CONDITIONS)[number],
      number
    >
    const series = Array.from({ length: 2000 }, (_, i) => ({
      coverage: {
        ...{
          market: 'spot' as const,
          symbol: `S${i}USDT`,
          interval: '1m' as const,
          first: day('2018-01-01'),
          last: day('2023-06-24'),
          days,
          accepted: 0,
          never_requested: i,
        },
        ...{
          rows: 2_880_000,
          bytes: 253_440_000,
          missing_bars: 34,
          off_grid: 0,
          duplicates: 0,
          conflicts: 0,
          differing_rows: 0,
          unexplained: [],
        },
        gaps: Array.from({ length: 34 }, () => ({
          start: '2018-02-08T00:29:00.000000Z',
          end: '2018-02-08T00:30:00.000000Z',
          bars: 1,
          evidence: OUTAGE,
        })),
      },
      calendar: [{ start: day('2018-01-01'), chunks: 2000, state: 'complete' as const, accepted: false }],
    }))
    await writeFile(many, formatCoveragePage({ series, origin: 'sandbox', day: day('2024-06-01') }))
    expect((await readFile(many)).length).toBeLessThan(10_000_000)
    const started = performance.now()
    const { page, errors } = await openFile(browser, many)
    expect(await page.locator('#status').textContent()).toBe('2,000 of 2,000 series')
    console.log(`2,000 series are drawn after ${Math.round(performance.now() - started)} ms`)
    expect(await page.locator('header').textContent()).toContain('sandbox exchange')
    await page.selectOption('#order', 'never')
    await expect.poll(() => page.locator('.head .name').first().textContent(), PATIENCE).toBe('spot S1999USDT 1m')
    await page.click('#more')
    expect(await page.locator('.head').count()).toBe(600)
    expect(errors).toEqual([])
    await takePicture(page, 'coverage-many')
    await page.setViewportSize({ width: 390, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.close()
    const narrow = await openFile(browser, file, { width: 390 })
    expect(await narrow.page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await takePicture(narrow.page, 'coverage-narrow')
    await narrow.page.close()
  })
})
