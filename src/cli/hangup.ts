import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** Open for writing alone, in the octal flags that Linux tells. */
const WRITE_ONLY = 1

/**
 * True when this process was started by `nohup`, which means it to outlive its terminal. `nohup` does so by ignoring SIGHUP, but Node takes
 * that back before any code of ours runs, so it is known by what else it leaves: its name in the shell's variable `_`, or (GNU, when
 * started on a terminal) a standard input that can only be written to.
 */
export function isNohup(env: Readonly<Record<string, string | undefined>>): boolean {
  if (basename(env['_'] ?? '') === 'nohup') return true
  return process.platform === 'linux' && (inputFlags() & 3) === WRITE_ONLY
}

function inputFlags(): number {
  try {
    const [, flags = '0'] = /^flags:\s*([0-7]+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8')) ?? []
    return parseInt(flags, 8)
  } catch {
    return 0 // no such file system here: nothing is known
  }
}
