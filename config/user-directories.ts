import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { CkvdError } from '../src/errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The directory in which this user's programs keep what is to stay: `~/.local/share` on Linux, `~/Library/Application Support` on macOS,
 * `%LOCALAPPDATA%` on Windows; always absolute. Relative paths in variables are ignored, as the XDG specification demands: a lake must not
 * depend on where a command was started. Not by `os.homedir()`: it believes an empty or relative HOME, and throws for a user without an entry.
 * @throws CkvdError `CKVD_CONFIG` where this user has no home directory
 */
export function userDataDirectory(env: Environment, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return windowsDirectory(env)
  if (platform === 'darwin') return join(homeOf(env['HOME']), 'Library', 'Application Support')
  return absolute(env['XDG_DATA_HOME']) ?? join(homeOf(env['HOME']), '.local', 'share')
}

/** As `userDataDirectory`, of what can be made again: `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`. */
export function userCacheDirectory(env: Environment, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return windowsDirectory(env)
  if (platform === 'darwin') return join(homeOf(env['HOME']), 'Library', 'Caches')
  return absolute(env['XDG_CACHE_HOME']) ?? join(homeOf(env['HOME']), '.cache')
}

function windowsDirectory(env: Environment): string {
  return absolute(env['LOCALAPPDATA']) ?? join(homeOf(env['USERPROFILE']), 'AppData', 'Local')
}

function homeOf(variable: string | undefined): string {
  const home = absolute(variable) ?? accountHome()
  if (home !== undefined) return home
  const found = variable === undefined ? 'no variable that names one' : JSON.stringify(variable)
  throw new CkvdError(
    'CKVD_CONFIG',
    `Expected a home directory, in which the lake lies where none is named, found ${found}, and this user has no entry in the system's list of users. Name a lake: \`--lake DIR\`, \`CKVD_LAKE\`, or \`lake\` of the library.`,
    { details: { setting: 'lake' } },
  )
}

/** The home that the system knows of this user; undefined for a user id without an entry, as containers have it. */
function accountHome(): string | undefined {
  try {
    return absolute(userInfo().homedir)
  } catch {
    return undefined
  }
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}
