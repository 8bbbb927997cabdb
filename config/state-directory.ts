import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The name of our directory among those of other programs. */
const NAME = 'ckvd'

/**
 * Where a program keeps what it remembers about this machine, by the platform's custom: `~/.local/state/ckvd` on Linux (or below an absolute
 * `XDG_STATE_HOME`: the specification wants a relative one ignored), `~/Library/Application Support/ckvd` on macOS, `%LOCALAPPDATA%\ckvd` on
 * Windows. Null where this user has no home.
 */
export function stateDirectory(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string | null {
  const set = platform === 'win32' ? env['LOCALAPPDATA'] : platform === 'darwin' ? undefined : env['XDG_STATE_HOME']
  if (set !== undefined && isAbsolute(set)) return join(set, NAME)
  const home = homeDirectory(env)
  if (home === null) return null
  if (platform === 'win32') return join(home, 'AppData', 'Local', NAME)
  return platform === 'darwin' ? join(home, 'Library', 'Application Support', NAME) : join(home, '.local', 'state', NAME)
}

function homeDirectory(env: Readonly<Record<string, string | undefined>>): string | null {
  const set = env['HOME'] ?? ''
  if (isAbsolute(set)) return set
  try {
    const home = homedir()
    return isAbsolute(home) ? home : null
  } catch {
    return null // a user without an entry and without HOME, as containers have them
  }
}
