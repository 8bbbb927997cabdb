import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatMetrics } from '../../../src/cli/end/metrics.ts'
import { createProgram } from '../../../src/cli/program.ts'
import type { IngestResult } from '../../../src/ingest/result.ts'
import { countNone } from '../../../src/model/condition.ts'

const PAGE = readFileSync(new URL('../../../docs/every-day.md', import.meta.url), 'utf8')
const RESULT: IngestResult = {
  ...{
    command: 'sync',
    exit: 3,
    started_at: '2024-03-10T06:00:00.000Z',
    elapsed_ms: 1500,
    range: { start: null, end: '2024-03-10' as never },
  },
  ...{ series: 2, days: { ...countNone(), complete: 20, partial: 1 }, stored: 3, skipped: 17, upgraded: 2, republished: 1, changed: 1 },
  ...{ rows: 72, bytes_downloaded: 4096, requests: { listing: 2, archive: 3, checksum: 3, rest: 1 } },
  ...{ problems: [], notes: [], differences: [], stopped: null },
}
const RUN = {
  command: 'sync',
  lake: 'C:\\my "lake"',
  exit: 3,
  startedMs: 1_710_050_400_000,
  endedMs: 1_710_050_401_500,
  succeededMs: 1_709_964_000_000,
  result: RESULT,
}

describe('docs/every-day.md', () => {
  test('names flags that its commands have', async () => {
    const quiet = { write: () => true }
    const program = await createProgram({
      ...{ stdin: process.stdin, stdout: quiet, stderr: quiet, env: {}, cwd: tmpdir(), signal: new AbortController().signal },
      ...{ now: () => 0, setExit: () => undefined },
    })
    const lines = [...PAGE.matchAll(/ckvd (sync|ingest|runs|changes|export)\b([^'\n`]*)/g)]
    expect(lines.length).toBeGreaterThan(12)
    for (const [line, name = '', rest = ''] of lines) {
      const known = program.commands.find((command) => command.name() === name)?.options.map(({ long }) => long)
      for (const flag of rest.match(/--[a-z-]+/g) ?? []) expect(known, line).toContain(flag)
    }
  })

  test('names the metrics that are written, and no other', () => {
    const written = [...formatMetrics(RUN).matchAll(/^# TYPE (\w+) gauge$/gm)].map(([, name]) => name)
    const told = [
      ...PAGE.split('## Metrics')[1]!
        .split('\n\n')[2]!
        .matchAll(/`(ckvd_\w+)`/g),
    ].map(([, name]) => name)
    expect(told.sort()).toEqual(written.sort())
  })

  test.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)('its units are what systemd takes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ckvd-units-'))
    try {
      const names = ['ckvd-sync.service', 'ckvd-sync.timer', 'ckvd-failed@.service']
      const units = [...PAGE.matchAll(/```\n(\[Unit\][\s\S]*?)```/g)].map(([, unit = '']) => unit)
      expect(units).toHaveLength(names.length)
      // neither the program nor its user need be on this machine
      units.forEach((unit, i) =>
        writeFileSync(
          join(folder, names[i] ?? ''),
          unit.replace('/usr/local/bin/ckvd', process.execPath).replace('User=ckvd', 'User=root'),
        ),
      )
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...names.map((name) => `./${name.replace('@', '@x')}`)], {
        cwd: folder,
        encoding: 'utf8',
      })
      expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('metrics', () => {
  test('are Prometheus text: help and type before the samples, labels escaped, times in seconds', () => {
    const text = formatMetrics(RUN)
    const labels = 'command="sync",lake="C:\\\\my \\"lake\\""'
    expect(text).toContain(`# TYPE ckvd_run_exit_code gauge\nckvd_run_exit_code{${labels}} 3\n`)
    expect(text).toContain(`ckvd_run_duration_seconds{${labels}} 1.5\n`)
    expect(text).toContain(`ckvd_last_success_time_seconds{${labels}} 1709964000\n`)
    expect(text).toContain(`ckvd_run_days{${labels},condition="partial"} 1\n`)
    expect(text.endsWith('\n')).toBe(true)
    expect(text).toMatch(/^(# HELP (\w+) .+\n# TYPE \2 gauge\n(\2\{.+\} [\d.]+\n)+)+$/)
  })

  test('without a success there is no time of one, without a result nothing of its work', () => {
    const text = formatMetrics({ ...RUN, succeededMs: null, result: null })
    expect(text).not.toMatch(/last_success|ckvd_run_days/)
    expect(text).toContain('ckvd_run_exit_code')
  })
})
