import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nowMs, resolveSettings, SETTINGS } from '../../../config/settings.ts'
import type { ResolveOptions } from '../../../config/settings.ts'
import { CkvdError } from '../../../src/errors.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ckvd-settings-'))
})
afterEach(() => {
  rmSync(cwd, { recursive: true })
})

function resolve(options: Partial<ResolveOptions> = {}) {
  return resolveSettings({ cwd, ...options })
}

/** A user with nothing yet: what lies in the home of who runs the tests is none of theirs. */
function emptyHome(): Record<string, string> {
  return { HOME: cwd, LOCALAPPDATA: cwd }
}

function refusal(options: Partial<ResolveOptions>): { code: string; message: string } {
  try {
    resolve(options)
  } catch (error) {
    if (error instanceof CkvdError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('accepted')
}

function writeConfig(value: unknown, name = 'ckvd.config.json'): string {
  const path = join(cwd, name)
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

describe('defaults', () => {
  test('are those of the contract', () => {
    const { settings, origins } = resolve({ env: emptyHome() })
    expect(settings).toMatchObject({
      visionUrl: 'https://data.binance.vision',
      listingUrl: 'https://s3-ap-northeast-1.amazonaws.com/data.binance.vision',
      spotRestUrl: 'https://data-api.binance.vision',
      umRestUrl: 'https://fapi.binance.com',
      cmRestUrl: 'https://dapi.binance.com',
      sandbox: false,
      concurrency: 256,
      maxRate: null,
      restShare: 0.8,
      maxRetries: 5,
      logLevel: 'INFO',
      enableCache: true,
      usePolarsOutput: false,
    })
    expect(settings.lake).toMatch(/[\\/]ckvd[\\/]lake$/)
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']))
  })

  test('the library logs errors only; a sandbox has a lake of its own', () => {
    expect(resolve({ caller: 'library' }).settings.logLevel).toBe('ERROR')
    expect(resolve({ flags: { sandbox: true }, env: emptyHome() }).settings.lake).toMatch(/[\\/]ckvd[\\/]sandbox$/)
    expect(resolve({ env: { ...emptyHome(), CKVD_SANDBOX: 'yes' } }).settings.lake).toMatch(/[\\/]ckvd[\\/]sandbox$/)
  })

  test('the table describes every setting once, and the result is frozen', () => {
    const { settings } = resolve()
    expect(SETTINGS.map(({ key }) => key).sort()).toEqual(Object.keys(settings).sort())
    expect(Object.isFrozen(settings)).toBe(true)
  })
})

describe('precedence', () => {
  test('flag, environment, config file, default', () => {
    const path = writeConfig({ workers: 2, concurrency: 3, maxRetries: 4, maxRate: '10MB' })
    const { settings, origins } = resolve({ flags: { workers: '7' }, env: { CKVD_WORKERS: '6', CKVD_CONCURRENCY: '5' } })
    expect([settings.workers, settings.concurrency, settings.maxRetries]).toEqual([7, 5, 4])
    expect(origins).toMatchObject({
      workers: 'flag --workers',
      concurrency: 'environment CKVD_CONCURRENCY',
      maxRetries: `file ${path}`,
      restShare: 'default',
    })
  })

  test('an empty variable counts as unset', () => {
    writeConfig({ workers: 2 })
    expect(resolve({ env: { CKVD_WORKERS: '', CKVD_LOG_LEVEL: ' ' } }).settings).toMatchObject({ workers: 2, logLevel: 'INFO' })
  })

  test('--config replaces the file of the working directory', () => {
    writeConfig({ workers: 2 })
    const path = writeConfig({ concurrency: 9 }, 'other.json')
    const { settings, origins, configFile } = resolve({ configPath: 'other.json' })
    expect(settings.concurrency).toBe(9)
    expect(origins.workers).toBe('default')
    expect(configFile).toBe(path)
  })

  test('flags of commands in the file are handed on', () => {
    writeConfig({ workers: 2, intervals: ['1m', '1h'], noRest: true })
    expect(resolve().fileDefaults).toEqual({ intervals: ['1m', '1h'], noRest: true })
  })

  test('relative paths start at the working directory', () => {
    const { settings } = resolve({ flags: { lake: 'my-lake' }, env: { CKVD_LOG_FILE: 'logs/x.log' } })
    expect(settings.lake).toBe(join(cwd, 'my-lake'))
    expect(settings.logFile).toBe(join(cwd, 'logs/x.log'))
  })
})

describe('values', () => {
  test.each([
    ['5000000', 5_000_000],
    ['10MB', 10_000_000],
    ['10MiB', 10_485_760],
    ['1.5 KiB', 1536],
    ['2g', 2_000_000_000],
    ['none', null],
    [4096, 4096],
  ])('maxRate %j is %j bytes a second', (text, expected) => {
    expect(resolve({ flags: { maxRate: text } }).settings.maxRate).toBe(expected)
  })

  test.each([
    ['true', true],
    ['1', true],
    ['YES', true],
    ['false', false],
    ['0', false],
    ['no', false],
  ])('CKVD_ENABLE_CACHE=%s is %j', (text, expected) => {
    expect(resolve({ env: { CKVD_ENABLE_CACHE: text } }).settings.enableCache).toBe(expected)
  })

  test.each([
    ['https://mirror.example/data/', 'https://mirror.example/data'],
    ['http://LOCALHOST:8080//', 'http://localhost:8080'],
  ])('the URL %s is kept as %s', (text, expected) => {
    expect(resolve({ flags: { visionUrl: text } }).settings.visionUrl).toBe(expected)
  })

  test.each([
    ['2024-06-01T12:00:00Z', 1_717_243_200_000],
    ['2024-06-01T14:00+02:00', 1_717_243_200_000],
    ['2024-06-01', 1_717_200_000_000],
  ])('CKVD_NOW=%s fixes the clock', (text, expected) => {
    expect(nowMs(resolve({ env: { CKVD_NOW: text } }).settings)).toBe(expected)
  })

  test('without CKVD_NOW the system clock counts', () => {
    const before = Date.now()
    const now = nowMs(resolve().settings)
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(Date.now())
  })
})

describe('refusals', () => {
  test('one form for flags, environment, file and library options', () => {
    expect(refusal({ flags: { workers: 'abc' } })).toEqual({
      code: 'CKVD_USAGE',
      message: 'Expected `--workers` to be an integer from 1 to 256, got "abc" (flag)',
    })
    expect(refusal({ env: { CKVD_WORKERS: '0' } })).toEqual({
      code: 'CKVD_CONFIG',
      message: 'Expected `CKVD_WORKERS` to be an integer from 1 to 256, got "0" (environment)',
    })
    const path = writeConfig({ workers: 1.5 })
    expect(refusal({})).toEqual({
      code: 'CKVD_CONFIG',
      message: `Expected \`workers\` to be an integer from 1 to 256, got 1.5 (file ${path})`,
    })
    expect(refusal({ flags: { workers: -1 }, caller: 'library' })).toEqual({
      code: 'CKVD_USAGE',
      message: 'Expected `workers` to be an integer from 1 to 256, got -1 (option)',
    })
  })

  test.each([
    ['CKVD_WORKERS', '257'],
    ['CKVD_WORKERS', '0x10'],
    ['CKVD_WORKERS', '1e2'],
    ['CKVD_CONCURRENCY', '-1'],
    ['CKVD_MAX_RATE', '0'],
    ['CKVD_MAX_RATE', '10 parrots'],
    ['CKVD_MAX_RATE', '99999999999999999999'],
    ['CKVD_REST_SHARE', '1.01'],
    ['CKVD_REST_SHARE', '0'],
    ['CKVD_MAX_RETRIES', 'NaN'],
    ['CKVD_LOG_LEVEL', 'LOUD'],
    ['CKVD_ENABLE_CACHE', 'maybe'],
    ['CKVD_VISION_URL', 'ftp://x'],
    ['CKVD_VISION_URL', 'data.binance.vision'],
    ['CKVD_VISION_URL', 'https://x/?***'],
    ['CKVD_NOW', '2024-06-01T00:00:00'],
    ['CKVD_NOW', '2024-02-30'],
    ['CKVD_NOW', 'yesterday'],
  ])('%s=%s', (name, value) => {
    const { code, message } = refusal({ env: { [name]: value } })
    expect(code).toBe('CKVD_CONFIG')
    expect(message).toContain(`Expected \`${name}\` to be`)
    expect(message).toContain(JSON.stringify(value))
  })

  test.each([
    'https://me:secret@host/',
    'https://me:se/secret@host/',
    'https://me:@secret@host/',
    'https://me:a "secret@host/',
    'https://host/?token=secret',
    'https://host/#secret',
    'https://host/x?a="secret',
  ])('what may be secret in %s is not repeated', (url) => {
    const { message } = refusal({ env: { CKVD_VISION_URL: url } })
    expect(message).toContain('host/')
    expect(message).not.toContain('secret')
  })

  test('an unknown key of the config file, with the known ones', () => {
    writeConfig({ worker: 2 })
    const { code, message } = refusal({})
    expect(code).toBe('CKVD_CONFIG')
    expect(message).toMatch(/"worker".*Known keys: .*workers/)
  })

  test.each([['{"workers": 2'], ['[1]'], ['null'], ['"x"']])('a config file that holds %s', (text) => {
    writeConfig(text)
    expect(refusal({}).code).toBe('CKVD_CONFIG')
  })

  test('--config with a file that is not there', () => {
    const { code, message } = refusal({ configPath: 'absent.json' })
    expect(code).toBe('CKVD_CONFIG')
    expect(message).toContain(join(cwd, 'absent.json'))
  })

  test.each([
    ['[1]', 'found a list'],
    ['null', 'found null'],
    ['"lake"', 'found a string'],
    ['{lake: 1}', 'found other text: '],
  ])('a config file of %s tells what was found, where, and what to do', (text, found) => {
    const configPath = writeConfig(text)
    const { code, message } = refusal({ configPath })
    expect(code).toBe('CKVD_CONFIG')
    expect(message).toContain(found)
    expect(message).toContain(`in the config file ${configPath}`)
    expect(message).toMatch(/Correct the file, or name another with --config\.$/)
  })

  test.skipIf(process.platform === 'win32')('a config file without an end is refused', () => {
    const { code, message } = refusal({ configPath: '/dev/zero' })
    expect(code).toBe('CKVD_CONFIG')
    expect(message).toContain('it has more than 1 MiB, which is no config file')
  })

  test('a sandbox together with a URL flag; a URL of a lower source gives way', () => {
    expect(refusal({ flags: { sandbox: true, umRestUrl: 'http://x' } })).toMatchObject({ code: 'CKVD_USAGE' })
    expect(resolve({ flags: { sandbox: true }, env: { CKVD_UM_REST_URL: 'http://x' } }).settings.sandbox).toBe(true)
  })
})
