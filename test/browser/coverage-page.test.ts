import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acceptDay } from '../../src/lake/day-facts.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { CatalogWrite, DayRow } from '../../src/lake/catalog/catalog-rows.ts'
import { CONDITIONS, countNone } from '../../src/model/condition.ts'
import type { Series } from '../../src/model/series.ts'
import { addDays } from '../../src/model/utc-day.ts'
import type { CalendarRun } from '../../src/report/coverage/coverage-calendar.ts'
import type { CoveragePageSeries } from '../../src/report/coverage/coverage-page.ts'
import { formatCoveragePage } from '../../src/report/coverage/coverage-page.ts'
import type { SeriesCoverage } from '../../src/report/coverage/coverage.ts'
import { day, proofAround, rowOf, seriesRowOf } from '../unit/lake/lake-fixtures.ts'
import { runHere } from '../unit/cli/support.ts'
import type { OpenPage } from './support.ts'
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

/** A series as the page gets it, from the runs of its calendar. */
function coverageOf(symbol: string, calendar: readonly CalendarRun[], change: Partial<SeriesCoverage> = {}): CoveragePageSeries {
  const recorded = calendar.filter(({ state }) => state !== 'never_requested')
  const chunksIn = (runs: readonly CalendarRun[], state: string) =>
    runs.filter((run) => run.state === state).reduce((sum, { chunks }) => sum + chunks, 0)
  const days = countNone()
  for (const condition of CONDITIONS) days[condition] = chunksIn(calendar, condition)
  const last = recorded.at(-1)!
  const counts = { accepted: 0, bytes: 0, missing_bars: 0, off_grid: 0, duplicates: 0, conflicts: 0, differing_rows: 0 }
  const coverage: SeriesCoverage = {
    ...{
      market: 'spot',
      symbol,
      interval: '1h',
      completeness: 'grid',
      first: recorded[0]!.start,
      last: addDays(last.start, last.chunks - 1),
      days,
    },
    ...{ never_requested: chunksIn(calendar, 'never_requested'), rows: recorded.reduce((sum, { bars }) => sum + bars, 0) },
    ...{ ...counts, gaps: [], unexplained: [], ...change },
  }
  return { coverage, calendar }
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

  /** The page with the series of all conditions opened: nothing is at first. */
  async function openFirst(look: { scheme?: 'light' | 'dark' } = {}): Promise<OpenPage> {
    const opened = await openFile(browser, file, look)
    await opened.page.locator('.head').first().click()
    return opened
  }

  it('opens on the strips of all series, the one with problems first, nothing unfolded', async () => {
    const { page, errors } = await openFile(browser, file)
    expect(await page.locator('.head .name').allTextContents()).toEqual(['spot BTCUSDT 1h', 'spot BTCUSDT 1w', 'um ETHUSDT 1m'])
    expect(await page.locator('.open').count()).toBe(0)
    expect(await page.locator('.head[aria-expanded=true]').count()).toBe(0)
    // the strips begin well within the first screen
    expect((await page.locator('.strip').first().boundingBox())!.y).toBeLessThan(450)
    // 881 days from 2021-01-01 to 2023-05-31 are recorded but for February 2023; 28 days listed, never requested
    expect(await page.locator('.head .sum').allTextContents()).toEqual([
      '2 days unexplained • 2 bars missing • 853 days, 20,370 bars • 28 days never requested',
      '3 months, 12 bars',
      '40 days, 960 bars',
    ])
    expect(errors).toEqual([])
    await page.close()
  })

  it('scales the strips to what is stored, and on a switch to all that was ever listed', async () => {
    const listed = join(directory, 'listed.html')
    await writeFile(
      listed,
      formatCoveragePage({
        ...{ origin: 'binance', day: day('2024-06-01') },
        series: [
          coverageOf('AAAUSDT', [
            { start: day('2017-08-17'), chunks: 2470, state: 'never_requested', accepted: false, bars: 0 },
            { start: day('2024-05-22'), chunks: 7, state: 'complete', accepted: false, bars: 168 },
            { start: day('2024-05-29'), chunks: 2, state: 'never_requested', accepted: false, bars: 0 },
          ]),
          coverageOf('BBBUSDT', [{ start: day('2024-05-24'), chunks: 1, state: 'partial', accepted: false, bars: 20 }]),
        ],
      }),
    )
    const { page, errors } = await openFile(browser, listed)
    const shown = () => page.locator('.head .name').allTextContents()
    expect(await shown()).toEqual(['spot BBBUSDT 1h', 'spot AAAUSDT 1h'])
    const shareOf = async (name: string, state: string): Promise<[number, number]> => {
      const strip = page.locator('.head', { hasText: name }).locator('.strip')
      const [all, part] = [(await strip.boundingBox())!, (await strip.locator(`.${state}`).first().boundingBox())!]
      return [(part.x - all.x) / all.width, part.width / all.width]
    }
    // 2024-05-22 to 2024-05-28: seven days, of which the 24th is the third
    const [, whole] = await shareOf('AAAUSDT', 'complete')
    expect(whole).toBeCloseTo(1, 2)
    const [start, width] = await shareOf('BBBUSDT', 'partial')
    expect(start).toBeCloseTo(2 / 7, 2)
    expect(width).toBeCloseTo(1 / 7, 2)
    expect(await page.locator('#axis .tick').first().textContent()).toBe('22 May')
    await takePicture(page, 'coverage-week')
    await page.check('#listed')
    await expect
      .poll(() => page.locator('#axis .tick').allTextContents(), PATIENCE)
      .toEqual(['2017', '2018', '2019', '2020', '2021', '2022', '2023', '2024'])
    expect((await shareOf('AAAUSDT', 'never_requested'))[0]).toBeCloseTo(0, 2)
    expect((await shareOf('AAAUSDT', 'complete'))[1]).toBeLessThan(0.03)
    await takePicture(page, 'coverage-listed')
    expect(errors).toEqual([])
    await page.close()
  })

  it('keeps what is chosen in its address', async () => {
    const { page, errors } = await openFile(browser, file)
    await page.selectOption('#interval', '1w')
    await page.selectOption('#order', 'name')
    await page.check('#listed')
    await expect.poll(() => new URL(page.url()).hash, PATIENCE).toBe('#interval=1w&order=name&listed=1')
    await page.reload()
    expect(await page.locator('.head .name').allTextContents()).toEqual(['spot BTCUSDT 1w'])
    expect(await page.isChecked('#listed')).toBe(true)
    await page.click('text=Reset')
    await expect.poll(() => new URL(page.url()).hash, PATIENCE).toBe('')
    expect(errors).toEqual([])
    await page.close()
  })

  it('shows totals, a legend with counts, and a calendar when a series is opened, from one file', async () => {
    const { page, errors, addresses } = await openFirst()
    expect(await page.locator('.tile').allTextContents()).toEqual([
      ...['2 days unexplained', '3 series', '893 days', '3 months', '21,342 bars', '2 bars missing in 1 gap', '3.6 MB in shards'],
      '1 day accepted by a person (✓)',
    ])
    const legend = (await page.locator('#legend').textContent()) ?? ''
    // 881 days from 2021-01-01 to 2023-05-31 of BTCUSDT; 28 never requested, 12 provisional or pending, 4 of them bad; 40 and 3 of others
    for (const text of [
      'complete 877 days, 3 months · 21,060 bars',
      'provisional 10 days · 240 bars',
      'outage 1 day · 22 bars',
      'pending 2 days',
      'partial 1 day · 20 bars',
      'quarantined 1 day',
      'failed 1 day',
      'never requested 28 days',
    ])
      expect(legend).toContain(text)
    expect(await page.locator('.calendar[aria-roledescription]').count()).toBe(3)
    expect(await page.locator('.calendar[aria-label^="2023"]').getAttribute('aria-label')).toBe(
      '2023: 111 complete, 28 never requested, 10 provisional, 2 pending',
    )
    expect(addresses.filter((address) => !address.startsWith('data:'))).toHaveLength(1)
    expect(errors).toEqual([])
    // the axis stands above the strip: 2022 begins 365 of 881 days after its start
    const strip = (await page.locator('.strip').first().boundingBox())!
    const year = (await page.locator('#axis .tick', { hasText: '2022' }).boundingBox())!
    expect((year.x - strip.x) / strip.width).toBeCloseTo(365 / 881, 2)
    expect(await page.locator('.calendar .accepted').count()).toBe(1)
    await takePicture(page, 'coverage-first')
    await page.close()
  })

  it('lists gaps and unexplained days with their evidence, as text', async () => {
    const { page, errors } = await openFirst()
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
    const { page, errors } = await openFirst()
    const told = () => page.locator('.told').textContent()
    const calendar = page.locator('.calendar[aria-label^="2021"]')
    await calendar.focus()
    await page.keyboard.press('Home')
    await expect.poll(told, PATIENCE).toBe('2021-01-01 complete, 24 bars: every bar is there')
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowUp'])
      await page.keyboard.press(key)
    expect(await told()).toBe('2021-02-11 outage, 22 bars: 2 bars missing from 2021-02-11 03:00 to 2021-02-11 05:00: ' + OUTAGE)
    await page.keyboard.press('End')
    expect(await told()).toContain('2021-12-31 complete')
    const box = (await page.locator('.calendar[aria-label^="2022"]').boundingBox())!
    // 2022-03-04 is a Friday in the tenth week: 2022-01-01 was a Saturday
    await page.mouse.move(box.x + 9 * 13 + 6, box.y + 14 + 4 * 13 + 6)
    await expect.poll(told, PATIENCE).toBe('2022-03-04 quarantined, 0 bars: the CHECKSUM is wrong')
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
    expect(await page.locator('.told').textContent()).toBe('2023-03 complete, 4 bars: every bar is there')
    await page.click('text=Reset')
    await page.keyboard.press('/')
    await page.selectOption('#order', 'first')
    await expect.poll(names, PATIENCE).toEqual(['spot BTCUSDT 1h', 'spot BTCUSDT 1w', 'um ETHUSDT 1m'])
    expect(errors).toEqual([])
    await page.close()
  })

  it.each(['light', 'dark'] as const)('can be read in %s, conditions also without colours', async (scheme) => {
    const { page } = await openFirst({ scheme })
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
    const series = Array.from({ length: 2000 }, (_, i) =>
      coverageOf(`S${i}USDT`, [{ start: day('2018-01-01'), chunks: 2000, state: 'complete', accepted: false, bars: 2_880_000 }], {
        interval: '1m',
        never_requested: i,
        missing_bars: 34,
        gaps: Array.from({ length: 34 }, () => ({
          ...{ start: '2018-02-08T00:29:00.000000Z', end: '2018-02-08T00:30:00.000000Z', bars: 1, evidence: OUTAGE },
        })),
      }),
    )
    await writeFile(many, formatCoveragePage({ series, origin: 'sandbox', day: day('2024-06-01') }))
    expect((await readFile(many)).length).toBeLessThan(10_000_000)
    const started = performance.now()
    const { page, errors } = await openFile(browser, many)
    expect(await page.locator('#status').textContent()).toBe('2,000 of 2,000 series, 2018-01-01 to 2023-06-23')
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
