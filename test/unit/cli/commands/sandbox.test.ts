import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CkvdError } from '../../../../src/errors.ts'
import { runHere } from '../support.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ckvd-sandbox-'))
})
afterEach(() => {
  rmSync(cwd, { recursive: true })
})

test('ckvd sandbox prints its URLs, serves them, and ends with 0 at a signal', async () => {
  const controller = new AbortController()
  let print: (text: string) => void = () => undefined
  const printed = new Promise<string>((resolve) => (print = resolve))
  const ended = runHere(['sandbox', '--seed', '7'], { cwd, signal: controller.signal, onStdout: (text) => print(text) })
  const urls = JSON.parse(await printed) as Record<string, string>
  expect(Object.keys(urls).sort()).toEqual(['cmRest', 'listing', 'spotRest', 'umRest', 'vision'])
  const answer = await fetch(`${urls['spotRest'] ?? ''}/api/v3/ping`)
  expect(answer.headers.get('server')).toBe('ckvd-sandbox')
  await answer.text()
  controller.abort(new CkvdError('CKVD_ABORTED', 'Interrupted.'))
  expect(await ended).toMatchObject({ exit: 0, stderr: '' })
  await expect(fetch(`${urls['spotRest'] ?? ''}/api/v3/ping`)).rejects.toThrow()
})

test('a port that is in use', async () => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const { exit, stderr } = await runHere(['sandbox', '--port', String(port)], { cwd })
  await new Promise((done) => server.close(done))
  expect(exit).toBe(2)
  expect(stderr).toContain(`127.0.0.1:${port}`)
})

test.each([
  ['not JSON', '[{', 'CKVD_USAGE'],
  ['not a list', '{}', 'CKVD_CONFIG'],
  ['an unknown kind', '[{"match": ".", "kind": "explode"}]', 'CKVD_CONFIG'],
])('a faults file that is %s', async (_name, text, code) => {
  writeFileSync(join(cwd, 'faults.json'), text)
  const { exit, stderr } = await runHere(['sandbox', '--faults', 'faults.json'], { cwd })
  expect(exit).toBe(2)
  expect(stderr).toContain(`error ${code}: `)
})

test.each([
  ['--archive', 'absent', 'CKVD_CONFIG'],
  ['--faults', 'absent.json', 'CKVD_USAGE'],
  ['--port', '65536', 'CKVD_USAGE'],
  ['--seed', '-1', 'CKVD_USAGE'],
])('%s %s ends with 2 and names what is wrong', async (flag, value, code) => {
  const { exit, stderr } = await runHere(['sandbox', flag, value], { cwd })
  expect(exit).toBe(2)
  expect(stderr).toContain(`error ${code}: `)
  expect(stderr).toContain(value)
})
