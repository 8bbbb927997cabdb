import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { runHook } from '../../../../src/cli/end/hook.ts'

async function hook(command: string, options: { readonly timeoutMs?: number; readonly input?: string } = {}) {
  let text = ''
  const startedMs = performance.now()
  const failure = await runHook(command, {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '', WORD: 'here' },
    input: options.input ?? '{}',
    onText: (part) => (text += part),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  })
  return { failure, text, tookMs: performance.now() - startedMs }
}

test('runs in a shell, with standard input, environment and directory; what it prints is handed on', async () => {
  const { failure, text } = await hook('cat; echo " $WORD" && pwd; echo bad >&2', { input: '{"exit":0}' })
  expect(failure).toBeUndefined()
  expect(text).toContain('{"exit":0} here\n')
  expect(text).toContain('bad\n')
})

test.each([
  ['exit 7', 'it ended with 7'],
  ['kill -9 $$', 'it was ended by SIGKILL'],
  ['/no/such/command', 'it ended with 127'],
])('%s: %s', async (command, failure) => {
  expect((await hook(command)).failure).toBe(failure)
})

test('one that reads nothing of a long result does not fail for that', async () => {
  expect((await hook('true', { input: 'x'.repeat(1 << 22) })).failure).toBeUndefined()
})

test('one that takes too long is ended, with all that it started', async () => {
  const { failure, tookMs } = await hook('sleep 60 | cat', { timeoutMs: 200 })
  expect(failure).toBe('it took longer than 0.2 s and was ended')
  expect(tookMs).toBeLessThan(5000)
})

test('what it leaves in the background is not waited for', async () => {
  const { failure, tookMs } = await hook('sleep 20 & echo $!')
  expect(failure).toBeUndefined()
  expect(tookMs).toBeLessThan(5000)
})
