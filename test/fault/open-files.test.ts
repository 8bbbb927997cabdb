import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { shareFiles } from '../../config/open-files.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import { MAIN } from '../support/dist.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const RANGE = ['--start', '2024-01-01', '--end', '2024-03-01']

/** Runs a command with at most so many open files. */
function runWithin(files: number, args: readonly string[], stdin = ''): { exit: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `ulimit -n ${files} && exec "$@"`, 'sh', process.execPath, MAIN, ...args], {
    input: stdin,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' },
    maxBuffer: 1 << 28,
  })
  return { exit: status, stdout, stderr }
}

test('the shares leave room, and hold nothing back where there is plenty', () => {
  expect(shareFiles(1_000_000).connections).toBeGreaterThan(1024)
  expect(shareFiles(1100)).toMatchObject({ connections: 259, writes: 259 })
  for (const limit of [64, 96, 128, 256, 1024]) {
    const { connections, writes, workers } = shareFiles(limit)
    expect(Math.min(connections, writes, workers)).toBeGreaterThan(0)
    if (limit >= 128) expect(2 * connections + writes).toBeLessThanOrEqual(limit - 64)
  }
})

describe.skipIf(process.platform === 'win32')('few open files make a run slower, never wrong', { timeout: 120_000 }, () => {
  test.each([
    [128, 32, '1h,5m'],
    [128, 256, '1h,5m'],
    // to load the Arrow library, which packs need, Node opens more than a hundred files at once
    [96, 32, '5m'],
  ])('ulimit -n %i, --concurrency %i', async (files, concurrency, intervals) => {
    await using temp = await createTempDirectory()
    const source = ['--sandbox', '--lake', temp.lake]
    const ingest = [
      'ingest',
      '--universe',
      '-',
      '--market',
      'spot',
      '--intervals',
      intervals,
      ...RANGE,
      '--archives',
      'daily',
      '--json',
      '--quiet',
    ]
    const { exit, stdout, stderr } = runWithin(files, [...ingest, ...source, '--concurrency', String(concurrency)], 'BTCUSDT\nETHUSDT\n')
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(JSON.parse(stdout) as IngestResult).toMatchObject({ days: { complete: 120 * intervals.split(',').length }, problems: [] })
    const verified = runWithin(files, ['verify', '--lake', temp.lake])
    expect({ exit: verified.exit, stderr: verified.stderr }).toMatchObject({ exit: 0 })
    // to load the Arrow library Node opens more than a hundred files at once
    if (files < 128) return
    const fetched = runWithin(files, ['fetch', 'BTCUSDT', '--interval', '5m', ...RANGE, '--source', 'cache', '--format', 'json', ...source])
    expect({ exit: fetched.exit, stderr: fetched.stderr }).toMatchObject({ exit: 0 })
  })
  test('too few even to load its parts, in the main thread or in another: exit 4 and what to raise, no bug', async () => {
    await using temp = await createTempDirectory()
    const source = ['--sandbox', '--lake', temp.lake]
    const ingest = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--start', '2024-01-01', '--end', '2024-01-05']
    expect(runWithin(1024, [...ingest, ...source], 'BTCUSDT').exit).toBe(0)
    for (const args of [
      ['fetch', 'BTCUSDT', '--interval', '1h', '--start', '2024-01-01', '--end', '2024-01-05', ...source],
      ['export', '--lake', temp.lake, '--out', `${temp.path}/out`, '--format', 'csv'],
    ]) {
      const { exit, stderr } = runWithin(60, args)
      expect(stderr).toContain('ulimit -n 1024')
      expect(stderr).not.toContain('CKVD_BUG')
      expect(exit).toBe(4)
    }
  })
})
