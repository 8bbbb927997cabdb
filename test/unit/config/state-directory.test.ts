import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../../config/settings.ts'
import { stateDirectory } from '../../../config/state-directory.ts'

describe.skipIf(process.platform === 'win32')('the state directory', () => {
  test('follows the custom of each platform', () => {
    expect(stateDirectory({ HOME: '/home/me' }, 'linux')).toBe('/home/me/.local/state/ckvd')
    expect(stateDirectory({ HOME: '/Users/me', XDG_STATE_HOME: '/x' }, 'darwin')).toBe('/Users/me/Library/Application Support/ckvd')
    expect(stateDirectory({ LOCALAPPDATA: '/c/me/AppData/Local', HOME: '/home/me' }, 'win32')).toBe('/c/me/AppData/Local/ckvd')
    expect(stateDirectory({ HOME: '/c/me' }, 'win32')).toBe('/c/me/AppData/Local/ckvd')
  })

  test('lies below XDG_STATE_HOME where that is absolute', () => {
    expect(stateDirectory({ HOME: '/home/me', XDG_STATE_HOME: '/var/state' }, 'linux')).toBe('/var/state/ckvd')
    expect(stateDirectory({ HOME: '/home/me', XDG_STATE_HOME: 'state' }, 'linux')).toBe('/home/me/.local/state/ckvd')
    expect(stateDirectory({ HOME: '/home/me', XDG_STATE_HOME: '' }, 'linux')).toBe('/home/me/.local/state/ckvd')
  })

  test('is a setting like others: flag, environment, default; a relative one starts from the working directory', () => {
    const env = { HOME: '/home/me', CKVD_STATE: 'there' }
    const resolve = (flags: Record<string, unknown>, variables: Record<string, string>) =>
      resolveSettings({ cwd: '/work', env: variables, flags })
    expect(resolve({ state: 'here' }, env).settings.state).toBe(join('/work', 'here'))
    expect(resolve({}, env).settings.state).toBe(join('/work', 'there'))
    expect(resolve({}, { HOME: '/home/me', XDG_STATE_HOME: '/x' })).toMatchObject({
      settings: { state: '/x/ckvd' },
      origins: { state: 'default' },
    })
  })
})
