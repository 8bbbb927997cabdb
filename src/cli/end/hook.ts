import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { describeSystemError } from '../../system-errors.ts'

/** How long a hook may take, and how long it has to end once it is asked to. */
const HOOK_MS = 60_000
const GRACE_MS = 5000
/** What a hook left running in the background may hold its output open for so long. */
const CLOSE_MS = 500

export interface HookOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** text for its standard input */
  readonly input: string
  /** gets what it prints, of both outputs, as it comes */
  readonly onText: (text: string) => void
  /** milliseconds after which it is ended; default a minute */
  readonly timeoutMs?: number
}

/**
 * Runs a command line in a shell, with all that it starts as a group of its own: an interrupt that ends this program does not end the telling of
 * it. Never rejects.
 * @returns why it failed; undefined: it ended with 0
 */
export async function runHook(command: string, { cwd, env, input, onText, timeoutMs = HOOK_MS }: HookOptions): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const child = spawn(command, { shell: true, cwd, env: { ...env }, detached: process.platform !== 'win32', stdio: 'pipe' })
    let isLate = false
    let kill: NodeJS.Timeout | undefined
    const timeout = setTimeout(() => {
      isLate = true
      endGroup(child, 'SIGTERM')
      kill = setTimeout(() => endGroup(child, 'SIGKILL'), GRACE_MS)
    }, timeoutMs)
    const settle = (failure: string | undefined): void => {
      clearTimeout(timeout)
      clearTimeout(kill)
      resolve(isLate ? `it took longer than ${timeoutMs / 1000} s and was ended` : failure)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onText)
    // whoever does not read the result closes its end
    child.stdin.on('error', () => undefined).end(input)
    child.once('error', (error) => settle(`it could not be started: ${describeSystemError(error)}`))
    child.once('exit', (code, signal) => {
      const close = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, CLOSE_MS)
      child.once('close', () => {
        clearTimeout(close)
        settle(code === 0 ? undefined : signal === null ? `it ended with ${String(code)}` : `it was ended by ${signal}`)
      })
    })
  })
}

function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal)
  } catch {
    // it has ended meanwhile
  }
}
