import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/*
 * The Dockerfile, built and run, where a Docker daemon answers and may be asked for images.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const IMAGE = `ckvd-test-${process.pid}`
const VOLUME = `${IMAGE}-lake`

function docker(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('docker', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 })
  return { status, stdout, stderr }
}

const daemon = docker('version', '--format', '{{.Server.Version}}')
const isThere = daemon.status === 0
if (!isThere)
  console.log(
    `docker.test.ts is skipped: no Docker daemon answers here (${(daemon.stderr ?? 'no such command').trim().split('\n').at(-1) ?? ''}).`,
  )

describe.skipIf(!isThere)('the image', () => {
  const run = (...args: string[]) => docker('run', '--rm', '--network', 'none', '--volume', `${VOLUME}:/lake`, IMAGE, ...args)

  beforeAll(() => {
    const built = docker('build', '--tag', IMAGE, '.')
    expect(built.status, built.stderr).toBe(0)
  }, 900_000)
  afterAll(() => {
    docker('volume', 'rm', VOLUME)
    docker('image', 'rm', IMAGE)
  })

  test('keeps a lake in its volume from one container to the next', () => {
    const range = ['--start', '2024-03-01', '--end', '2024-03-03', '--symbols', 'BTCUSDT', '--intervals', '1h']
    const begun = run('ingest', '--sandbox', '--universe', 'config/universe/spot_synchronal.csv', ...range, '--quiet')
    expect(begun, begun.stderr).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(run('coverage', '--json').stdout).toContain('"symbol":"BTCUSDT"')
    const verified = run('verify', '--quiet')
    expect(verified, verified.stderr).toMatchObject({ status: 0 })
  }, 120_000)
})
