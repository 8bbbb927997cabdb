import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SETTINGS } from '../../../../config/settings.ts'
import { runHere } from '../support.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ckvd-config-'))
})
afterEach(() => {
  rmSync(cwd, { recursive: true })
})

test('ckvd config --json tells value and origin of every setting', async () => {
  const path = join(cwd, 'ckvd.config.json')
  writeFileSync(path, JSON.stringify({ maxRetries: 2, universe: 'u.csv' }))
  const env = { CKVD_WORKERS: '3', HTTPS_PROXY: 'http://me:secret@proxy:3128' }
  const { exit, stdout, stderr } = await runHere(['config', '--json', '--max-rate', '10MB'], { cwd, env })
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
  const shown = JSON.parse(stdout) as { settings: Record<string, unknown>; proxies: unknown }
  expect(shown).toMatchObject({
    command: 'config',
    exit: 0,
    config_file: path,
    settings: {
      workers: { value: 3, origin: 'environment CKVD_WORKERS', environment: 'CKVD_WORKERS' },
      maxRate: { value: 10_000_000, origin: 'flag --max-rate' },
      maxRetries: { value: 2, origin: `file ${path}` },
      visionUrl: { value: 'https://data.binance.vision', origin: 'default' },
    },
    proxies: { HTTPS_PROXY: 'http://***@proxy:3128', HTTP_PROXY: null },
  })
  expect(Object.keys(shown.settings)).toEqual(SETTINGS.map(({ key }) => key))
})

test('ckvd config prints a table; a password is hidden there too', async () => {
  const { exit, stdout } = await runHere(['config', '--workers', '5'], { cwd, env: { https_proxy: 'http://me:secret@proxy:3128' } })
  expect(exit).toBe(0)
  expect(stdout).toMatch(/^workers +5 +flag --workers +CKVD_WORKERS$/m)
  expect(stdout).toContain('http://***@proxy:3128')
  expect(stdout).not.toContain('secret')
})

test('with --sandbox the URLs are the embedded exchange, which is not started for this', async () => {
  const { stdout } = await runHere(['config', '--json', '--sandbox'], { cwd })
  expect(JSON.parse(stdout)).toMatchObject({ settings: { umRestUrl: { value: null, origin: 'flag --sandbox' }, sandbox: { value: true } } })
})

test('a wrong setting ends with 2', async () => {
  const { exit, stderr } = await runHere(['config'], { cwd, env: { CKVD_REST_SHARE: '2' } })
  expect(exit).toBe(2)
  expect(stderr).toContain('error CKVD_CONFIG: Expected `CKVD_REST_SHARE` to be a number above 0 and at most 1, got "2" (environment)')
})
