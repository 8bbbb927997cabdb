import { mkdir, rename } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../../config/settings.ts'
import { userCacheDirectory, userDataDirectory } from '../../../config/user-directories.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'
import { runHere } from '../cli/support.ts'

const home = userInfo().homedir

describe('where a lake lies that nobody named', () => {
  test.each([
    ['linux', { HOME: '/users/a' }, '/users/a/.local/share'],
    ['linux', { HOME: '/users/a', XDG_DATA_HOME: '/big/data' }, '/big/data'],
    ['linux', { HOME: '/users/a', XDG_DATA_HOME: 'data' }, '/users/a/.local/share'],
    ['darwin', { HOME: '/Users/a', XDG_DATA_HOME: '/big' }, '/Users/a/Library/Application Support'],
    ['linux', { HOME: '' }, join(home, '.local', 'share')],
  ] as const)('the data directory of %s %j', (platform, env, expected) => {
    expect(userDataDirectory(env, platform)).toBe(expected)
  })

  test.skipIf(process.platform !== 'linux')('a lake in the cache directory is found, named and used until it is moved', async () => {
    await using directory = await createTempDirectory()
    const env = { HOME: directory.path, CKVD_STATE: join(directory.path, 'state') }
    const old = join(directory.path, '.cache/crypto-kline-vision-data/lake')
    const place = join(directory.path, '.local/share/ckvd/lake')
    const lakeOf = async () => {
      const { stdout, stderr } = await runHere(['config', '--json'], { env, cwd: directory.path })
      return { lake: (JSON.parse(stdout) as { settings: { lake: { value: string } } }).settings.lake.value, stderr }
    }
    expect(await lakeOf()).toEqual({ lake: place, stderr: '' })
    // a directory that is no lake is none
    await mkdir(old, { recursive: true })
    expect(await lakeOf()).toEqual({ lake: place, stderr: '' })

    const ingest = ['ingest', 'NOSUCH', '--sandbox', '--start', '2024-05-01', '--end', '2024-05-02', '--no-rest']
    await runHere([...ingest, '--lake', old], { env, cwd: directory.path })
    const found = await lakeOf()
    expect(found.lake).toBe(old)
    expect(found.stderr).toContain('the lake lies in the cache directory')
    expect(found.stderr).toContain(`mv "${old}"`)
    const coverage = await runHere(['coverage'], { env, cwd: directory.path })
    expect([coverage.exit, coverage.stdout]).toEqual([0, expect.stringContaining('The lake is empty')])

    await mkdir(dirname(place), { recursive: true })
    await rename(old, place)
    expect(await lakeOf()).toEqual({ lake: place, stderr: '' })
  })

  test.each([
    ['linux', { HOME: '/users/a' }, '/users/a/.cache'],
    ['linux', { HOME: '/users/a', XDG_CACHE_HOME: '/big/cache' }, '/big/cache'],
    ['darwin', { HOME: '/Users/a', XDG_CACHE_HOME: '/big' }, '/Users/a/Library/Caches'],
    // a relative path in a variable is ignored, and so is an empty one
    ['linux', { HOME: '/users/a', XDG_CACHE_HOME: 'cache' }, '/users/a/.cache'],
    ['linux', { HOME: '/users/a', XDG_CACHE_HOME: '' }, '/users/a/.cache'],
    ['linux', { HOME: '' }, join(home, '.cache')],
    ['linux', { HOME: '.' }, join(home, '.cache')],
    ['linux', {}, join(home, '.cache')],
  ] as const)('%s %j', (platform, env, expected) => {
    expect(userCacheDirectory(env, platform)).toBe(expected)
  })

  test('is asked for only where none is named', () => {
    expect(resolveSettings({ flags: { lake: 'mine' }, env: { HOME: 'nowhere' }, cwd: '/there' }).settings.lake).toBe('/there/mine')
  })
})
