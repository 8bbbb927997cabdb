import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Market } from '../../src/model/market.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { addDays } from '../../src/model/utc-day.ts'
import { formatAvailabilityPage } from '../../src/report/availability/availability-page.ts'
import type { SymbolListing } from '../../src/report/availability/availability.ts'
import { findAvailability } from '../../src/report/availability/availability.ts'
import { BROWSER, launchBrowser, openFile, PATIENCE, readContrast, takePicture } from './support.ts'

const day = (text: string): UtcDay => text as UtcDay
const AS_OF = day('2024-06-01')

function listing(market: Market, symbol: string, ...ranges: readonly (readonly [string, string])[]): SymbolListing {
  const days = { kind: 'all' as const, ranges: ranges.map(([start, end]) => ({ start: day(start), end: day(end) })) }
  return { market, symbol, intervals: ['12h', '1m'], interval: '1m', days }
}

/** 2,000 made-up symbols around a few that have something to show. */
const LISTINGS: readonly SymbolListing[] = [
  listing('spot', 'BTCUSDT', ['2017-08-17', '2024-06-01']),
  listing('spot', 'LUNAUSDT', ['2020-08-21', '2022-05-14'], ['2022-05-31', '2024-06-01']),
  listing('spot', 'FTTUSDT', ['2019-12-20', '2022-11-16'], ['2023-09-22', '2024-06-01']),
  listing('spot', 'XRPUPUSDT', ['2020-06-01', '2024-04-01']),
  listing('um', 'BTCUSDT', ['2019-12-31', '2024-06-01']),
  listing('um', 'BTCUSDT_240628', ['2023-12-29', '2024-06-01']),
  listing('um', '币安人生USDT', ['2024-02-01', '2024-06-01']),
  listing('cm', 'BTCUSD_PERP', ['2020-08-11', '2024-06-01']),
  ...Array.from({ length: 1992 }, (_, i) => {
    const first = addDays(day('2017-08-17'), (i * 733) % 2300)
    return listing(i % 3 === 0 ? 'um' : 'spot', `S${i}USDT`, [first, i % 4 === 0 ? addDays(first, 90) : '2024-06-01'])
  }),
]

describe.skipIf(BROWSER === undefined)('the page of ckvd availability, in a browser', { timeout: 120_000 }, () => {
  let directory: string
  let browser: Browser
  let file: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ckvd-page-'))
    file = join(directory, 'availability.html')
    const symbols = findAvailability(LISTINGS, { asOf: AS_OF, recentDays: 5 })
    const problems = [
      { market: 'um', symbol: 'BADUSDT', message: 'Expected a page, found </script><script>document.title="hacked"</script>.' },
    ]
    await writeFile(file, formatAvailabilityPage({ asOf: AS_OF, recentDays: 5, archives: 'daily', symbols, problems }))
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    await rm(directory, { recursive: true })
  })

  it('shows 2,000 symbols at once, from one file, without an error', async () => {
    const started = performance.now()
    const { page, errors, addresses } = await openFile(browser, file)
    expect(await page.locator('#symbols tbody tr.row').count()).toBe(2000)
    expect(await page.locator('#status').textContent()).toBe('2,000 of 2,000 symbols')
    console.log(`2,000 symbols are drawn after ${Math.round(performance.now() - started)} ms`)
    expect(addresses.filter((address) => !address.startsWith('file:') && !address.startsWith('data:'))).toEqual([])
    expect(addresses.filter((address) => address.startsWith('file:'))).toHaveLength(1)
    expect(await page.locator('#totals tbody tr').allTextContents()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^cm \(coin-margined\)1100+2020-08-112024-05-31$/)]),
    )
    expect(await page.title()).toBe('Binance archives as of 2024-06-01')
    expect(await page.locator('#problems').textContent()).toContain('</script><script>document.title="hacked"</script>')
    expect(errors).toEqual([])
    await takePicture(page, 'availability-light')
    await page.close()
  })

  it('filters by text, market, kind, quote and state, and says how many are left', async () => {
    const { page, errors } = await openFile(browser, file)
    const shown = () => page.locator('#symbols tbody tr.row th').allTextContents()
    await page.keyboard.press('/')
    await page.keyboard.type('btc')
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSDT', 'BTCUSDT', 'BTCUSDT_240628', 'BTCUSD_PERP'])
    await page.selectOption('#kind', 'delivery')
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSDT_240628'])
    expect(await page.locator('#status').textContent()).toBe('1 of 2,000 symbols')
    await page.click('text=Reset')
    await page.selectOption('#state', 'holes')
    await expect.poll(shown, PATIENCE).toEqual(['FTTUSDT', 'LUNAUSDT'])
    await takePicture(page, 'availability-holes')
    await page.selectOption('#market', 'um')
    await expect.poll(() => page.locator('#symbols tbody').textContent(), PATIENCE).toContain('No symbol matches')
    await page.click('text=Reset')
    await page.selectOption('#kind', 'leveraged')
    await expect.poll(shown, PATIENCE).toEqual(['XRPUPUSDT'])
    await page.click('text=Reset')
    await page.selectOption('#state', 'ended')
    await expect.poll(async () => (await shown()).length, PATIENCE).toBe(499)
    await page.click('text=Reset')
    await page.selectOption('#quote', 'USD')
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSD_PERP'])
    expect(errors).toEqual([])
    await page.close()
  })

  it('filters by days and by a list of symbols, as the command does, and keeps all filters in its address', async () => {
    const { page, errors } = await openFile(browser, file)
    const shown = () => page.locator('#symbols tbody tr.row th').allTextContents()
    await page.fill('#search', 'lunausdt, FTTUSDT BTCUSD_PERP')
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSD_PERP', 'FTTUSDT', 'LUNAUSDT'])
    // FTTUSDT has 1,062 + 253 days, LUNAUSDT 631 + 732
    await page.fill('#days', '1316')
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSD_PERP', 'LUNAUSDT'])
    await page.selectOption('#market', 'spot')
    await page.selectOption('#state', 'live')
    await expect.poll(shown, PATIENCE).toEqual(['LUNAUSDT'])
    const kept = () => Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.slice(1)))
    const filters = { search: 'lunausdt, FTTUSDT BTCUSD_PERP', market: 'spot', state: 'live', days: '1316' }
    await expect.poll(kept, PATIENCE).toEqual(filters)
    await page.reload()
    expect(await shown()).toEqual(['LUNAUSDT'])
    expect(await page.inputValue('#days')).toBe('1316')
    await page.evaluate(`location.hash = 'kind=delivery&market=nowhere'`)
    await expect.poll(shown, PATIENCE).toEqual(['BTCUSDT_240628'])
    await page.click('text=Reset')
    await expect.poll(() => new URL(page.url()).hash, PATIENCE).toBe('')
    expect(errors).toEqual([])
    await page.close()
  })

  it('gives what is shown along: copied, and as universe.csv', async () => {
    const { page, errors } = await openFile(browser, file)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.fill('#search', 'BTC')
    await page.selectOption('#market', 'um')
    await expect.poll(() => page.locator('#status').textContent(), PATIENCE).toBe('2 of 2,000 symbols')
    const universe =
      'market,symbol,earliest_date,available_intervals,base_symbol\n' +
      'um,BTCUSDT,2019-12-31,"12h,1m",BTC\num,BTCUSDT_240628,2023-12-29,"12h,1m",BTC\n'
    await page.click('#copy')
    await expect.poll(() => page.locator('#taken').textContent(), PATIENCE).toBe('2 symbols copied, as a universe file.')
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(universe)
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
    expect(download.suggestedFilename()).toBe('universe.csv')
    expect(await readFile(await download.path(), 'utf8')).toBe(universe)
    await page.selectOption('#kind', 'leveraged')
    await expect.poll(() => page.locator('#copy').isDisabled(), PATIENCE).toBe(true)
    expect(await page.locator('#taken').textContent()).toBe('')
    expect(errors).toEqual([])
    await page.close()
  })

  it('draws how many of the shown symbols were live over time, and tells them by day', async () => {
    const { page, errors } = await openFile(browser, file)
    await page.fill('#search', 'BTCUSDT,BTCUSDT_240628,LUNAUSDT,XRPUPUSDT,BTCUSD_PERP')
    await expect.poll(() => page.locator('#curve .key').allTextContents(), PATIENCE).toEqual(['spot 2', 'um 2', 'cm 1'])
    expect(await page.locator('#curve .drawing path').count()).toBe(3)
    const box = (await page.locator('#curve .drawing svg').boundingBox())!
    const tell = async (day: number): Promise<string | null> => {
      await page.mouse.move(box.x + (box.width * (day + 0.5)) / 2481, box.y + box.height / 2)
      return page.locator('#curve .told').textContent()
    }
    // days since 2017-08-17: 2017-12-15, 2020-09-01, 2024-04-15
    expect(await tell(120)).toBe('2017-12-15: spot 1, um 0, cm 0')
    expect(await tell(1111)).toBe('2020-09-01: spot 3, um 1, cm 1')
    expect(await tell(2433)).toBe('2024-04-15: spot 2, um 2, cm 1')
    await page.locator('#curve .drawing svg').focus()
    await page.keyboard.press('Home')
    expect(await page.locator('#curve .told').textContent()).toBe('2017-08-17: spot 1, um 0, cm 0')
    await takePicture(page, 'availability-curve')
    expect(errors).toEqual([])
    await page.close()
  })

  it('begins with the leaders, and has a tick for every year', async () => {
    const { page, errors } = await openFile(browser, file)
    const names = await page.locator('#symbols tbody tr.row th').allTextContents()
    expect(names.slice(0, 4)).toEqual(['BTCUSDT', 'BTCUSDT', 'BTCUSDT_240628', 'BTCUSD_PERP'])
    const ticks = page.locator('#symbols thead .tick')
    expect(await ticks.allTextContents()).toEqual(['2017', '2018', '2019', '2020', '2021', '2022', '2023', '2024'])
    // the label of 2017, of which there are four months, gives way where it has no room
    const labels = page.locator('#symbols thead .tick .label:visible')
    await expect.poll(() => labels.allTextContents(), PATIENCE).toEqual(['2018', '2019', '2020', '2021', '2022', '2023', '2024'])
    const boxes = await Promise.all((await labels.all()).map((label) => label.boundingBox()))
    const track = (await page.locator('#symbols thead .track').boundingBox())!
    for (const [i, box] of boxes.entries()) {
      expect(box!.x).toBeGreaterThanOrEqual(i === 0 ? track.x : boxes[i - 1]!.x + boxes[i - 1]!.width)
      expect(box!.x + box!.width).toBeLessThanOrEqual(track.x + track.width + 1)
    }
    const marks = await Promise.all((await ticks.all()).map((tick) => tick.boundingBox()))
    expect(marks.map((mark) => Math.round((100 * (mark!.x - track.x)) / track.width))).toEqual([0, 6, 20, 35, 50, 64, 79, 94])
    expect(errors).toEqual([])
    await page.close()
  })

  it('sorts by a heading, up and down, by keyboard alone, and tells screen readers', async () => {
    const { page, errors } = await openFile(browser, file)
    const top = () => page.locator('#symbols tbody tr.row').first().locator('td').nth(-2).textContent()
    const heading = page.locator('#symbols thead th', { hasText: 'missing' })
    await heading.locator('button').focus()
    await page.keyboard.press('Enter')
    await expect.poll(top, PATIENCE).toBe('310')
    expect(await heading.getAttribute('aria-sort')).toBe('descending')
    await page.keyboard.press('Enter')
    await expect.poll(top, PATIENCE).toBe('0')
    expect(await heading.getAttribute('aria-sort')).toBe('ascending')
    await page.locator('#symbols thead button', { hasText: 'first day' }).press('Space')
    await expect.poll(() => page.locator('#symbols tbody tr.row').first().locator('td').nth(4).textContent(), PATIENCE).toBe('2017-08-17')
    expect(errors).toEqual([])
    await page.close()
  })

  it('draws a bar with its holes to scale, and lists the days when a symbol is opened', async () => {
    const { page, errors } = await openFile(browser, file)
    await page.fill('#search', 'FTTUSDT')
    await expect.poll(() => page.locator('#symbols tbody tr.row').count(), PATIENCE).toBe(1)
    const row = page.locator('#symbols tbody tr.row')
    const track = (await row.locator('.track').boundingBox())!
    const bar = (await row.locator('.bar').boundingBox())!
    const hole = (await row.locator('.hole').boundingBox())!
    // 2017-08-17 to 2024-06-01 are 2,480 days; FTTUSDT begins on the 855th after the first, its hole on the 1,917th, for 310 days
    expect((bar.x - track.x) / track.width).toBeCloseTo(855 / 2481, 2)
    expect((hole.x - track.x) / track.width).toBeCloseTo(1917 / 2481, 2)
    expect(hole.width / track.width).toBeCloseTo(310 / 2481, 2)
    expect(await row.locator('.track').getAttribute('aria-label')).toBe('2019-12-20 to 2024-05-31, 310 days missing')
    await row.locator('button').press('Enter')
    expect(await row.locator('button').getAttribute('aria-expanded')).toBe('true')
    expect(await page.locator('tr.more li').allTextContents()).toEqual(['2022-11-16 to 2023-09-21 (310 days)'])
    await row.locator('button').press('Enter')
    expect(await page.locator('tr.more').count()).toBe(0)
    expect(errors).toEqual([])
    await page.close()
  })

  it.each(['light', 'dark'] as const)('can be read in %s', async (scheme) => {
    const { page } = await openFile(browser, file, { scheme })
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(background).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(15, 19, 24)')
    // 4.5 is what WCAG asks of text
    for (const contrast of await readContrast(page, [
      'h1',
      'header p',
      '#status',
      '#symbols td',
      '#symbols thead button',
      '.controls label',
      '.legend',
    ])) {
      expect(contrast).toBeGreaterThanOrEqual(4.5)
    }
    await takePicture(page, `availability-${scheme}`)
    await page.close()
  })

  it('fits a narrow screen: the page itself never scrolls sideways', async () => {
    const { page } = await openFile(browser, file, { width: 390 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await takePicture(page, 'availability-narrow')
    await page.close()
  })
})
