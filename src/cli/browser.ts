import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CkvdError } from '../errors.ts'
import { reportError } from '../report/report-file.ts'

/** Browsers that take a picture without a window, by the names that they have on PATH, and where macOS keeps them. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge', 'msedge'] as const
const ENDINGS = process.platform === 'win32' ? ['.exe'] : ['']
const APPLICATIONS = ['Google Chrome', 'Chromium', 'Microsoft Edge'].map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`)

/** Longer than any page of ours takes to draw, on a busy machine too. */
const TIMEOUT_MS = 60_000

/** The path of a browser. Throws CKVD_BROWSER_MISSING. */
export async function findBrowser(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const onPath = NAMES.flatMap((name) => folders.flatMap((folder) => ENDINGS.map((ending) => join(folder, `${name}${ending}`))))
  for (const path of [...onPath, ...(process.platform === 'darwin' ? APPLICATIONS : [])]) if (await isProgram(path)) return path
  throw new CkvdError(
    'CKVD_BROWSER_MISSING',
    `Expected a browser on PATH for \`--png\` (${NAMES.slice(0, 3).join(', ')}, …), found none. Install Chromium, or leave out --png: the page itself opens in any browser.`,
  )
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false // not there, or not for us
  }
}

/** What a picture is taken of. */
export interface Shot {
  readonly browser: string
  /** a file, which loads nothing; it is opened as `#picture` */
  readonly page: string
  readonly width: number
  readonly height: number
  readonly signal: AbortSignal
}

/** The picture of a page, PNG. The browser gets a profile of its own, which is removed, and no network. Throws CKVD_REPORT_IO, or the signal's reason. */
export async function takePicture({ browser, page, width, height, signal }: Shot): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'ckvd-picture-'))
  const file = join(folder, 'page.png')
  try {
    await runBrowser(browser, signal, [
      ...[
        '--headless',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--hide-scrollbars',
        '--no-first-run',
        '--disable-background-networking',
      ],
      // Chromium refuses its sandbox to root, as whom containers run
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...['--host-resolver-rules=MAP * ~NOTFOUND', `--user-data-dir=${join(folder, 'profile')}`, `--window-size=${width},${height}`],
      ...['--virtual-time-budget=5000', `--screenshot=${file}`, `${pathToFileURL(page).href}#picture`],
    ])
    return await readFile(file).catch((cause: unknown) => {
      throw reportError(cause, file)
    })
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function runBrowser(browser: string, signal: AbortSignal, args: readonly string[]): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const child = spawn(browser, args, { stdio: ['ignore', 'ignore', 'pipe'], signal: limit, killSignal: 'SIGKILL' })
  let said = ''
  child.stderr.on('data', (part: Buffer) => {
    said = `${said}${part.toString()}`.slice(-500)
  })
  const ended = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, by) => resolve(code === 0 ? undefined : `it ended with ${code ?? by ?? 'nothing'}: ${said.trim()}`))
  })
  signal.throwIfAborted()
  if (ended === undefined) return
  throw new CkvdError(
    'CKVD_REPORT_IO',
    `${browser} did not take the picture: ${ended}. Leave out --png: the page itself opens in any browser.`,
    {
      details: { browser },
    },
  )
}
