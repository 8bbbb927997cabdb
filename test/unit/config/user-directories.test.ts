import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../../config/settings.ts'
import { userCacheDirectory } from '../../../config/user-directories.ts'

const home = userInfo().homedir

describe('where a lake lies that nobody named', () => {
  test.each([
    ['linux', { HOME: '/home/a' }, '/home/a/.cache'],
    ['linux', { HOME: '/home/a', XDG_CACHE_HOME: '/big/cache' }, '/big/cache'],
    ['darwin', { HOME: '/Users/a', XDG_CACHE_HOME: '/big' }, '/Users/a/Library/Caches'],
    // a relative path in a variable is ignored, and so is an empty one
    ['linux', { HOME: '/home/a', XDG_CACHE_HOME: 'cache' }, '/home/a/.cache'],
    ['linux', { HOME: '/home/a', XDG_CACHE_HOME: '' }, '/home/a/.cache'],
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
