import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

const CHROMIUM = '/usr/bin/chromium'

/** The browser of the distribution; undefined where it is not installed. */
export const BROWSER = existsSync(CHROMIUM) ? CHROMIUM : undefined

if (BROWSER === undefined) console.warn(`skipped: tests in a browser (no ${CHROMIUM}; apt-get install chromium)`)

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: BROWSER ?? '', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** How long a page may take to show what it must: a busy machine is not an error. */
export const PATIENCE = { timeout: 15_000 }

/** A page that was opened, with what went wrong in it and every address it asked for. */
export interface OpenPage {
  readonly page: Page
  readonly errors: string[]
  readonly addresses: string[]
}

export async function openFile(
  browser: Browser,
  file: string,
  look: { scheme?: 'light' | 'dark'; width?: number } = {},
): Promise<OpenPage> {
  const page = await browser.newPage({ viewport: { width: look.width ?? 1280, height: 900 }, colorScheme: look.scheme ?? 'light' })
  const errors: string[] = []
  const addresses: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  page.on('request', (request) => addresses.push(request.url()))
  await page.goto(pathToFileURL(file).href)
  return { page, errors, addresses }
}

/** A picture for people: kept where `CKVD_SCREENSHOTS` names a directory. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const directory = process.env['CKVD_SCREENSHOTS']
  if (directory === undefined) return
  await mkdir(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`) })
}

/**
 * The contrast of text with what is behind it, 1 to 21, by WCAG 2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), for each selector.
 */
export function readContrast(page: Page, selectors: readonly string[]): Promise<number[]> {
  return page.evaluate(`(${CONTRAST})(${JSON.stringify(selectors)})`)
}

const CONTRAST = `(selectors) => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  return selectors.map((selector) => {
    const node = document.querySelector(selector)
    let behind = node
    while (behind.parentElement !== null && (channels(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement
    const [a, b] = [luminance(channels(getComputedStyle(node).color)), luminance(channels(getComputedStyle(behind).backgroundColor))]
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  })
}`
