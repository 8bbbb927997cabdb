import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { IngestResult } from '../../src/ingest/result.ts'
import { jsonOf } from '../support/ckvd.ts'
import { DailyWorld } from '../support/daily-world.ts'
import { listFiles } from '../support/temp-lake.ts'

/*
 * When a run has ended, however it did: a file of metrics, a command, a URL. None of them changes how it ended.
 */

interface Ping {
  readonly method: string
  readonly url: string
  readonly body: string
}

let world: DailyWorld
let monitor: Server
let base: string
let pings: Ping[]
let status = 200

beforeAll(async () => {
  monitor = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part))
    request.on('end', () => {
      pings.push({ method: request.method ?? '', url: request.url ?? '', body })
      response.writeHead(status).end('OK')
    })
  }).listen(0, '127.0.0.1')
  await once(monitor, 'listening')
  base = `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/ping/5d1e0c2a`
})
afterAll(() => monitor.close())

beforeEach(async () => {
  pings = []
  status = 200
  world = await DailyWorld.create({ markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] })
  expect((await world.ingest('AAAUSDT', '--start', '2024-03-01', '--archives', 'daily')).exit).toBe(0)
  world.now = '2024-03-12T14:00:00Z'
})
afterEach(() => world[Symbol.asyncDispose]())

const file = (name: string): string => join(world.directory.path, name)
const text = (name: string): Promise<string> => readFile(file(name), 'utf8')

/** The archive of a day ends early, and REST cannot be asked. */
const breakDay = (): void =>
  world.sandbox.setFaults([
    { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-11', at: '10:00' },
    { kind: 'status', match: 'klines\\?', status: 500 },
  ])

const HOOK = 'cat > told.json; echo "$CKVD_RUN $CKVD_RUN_COMMAND $CKVD_RUN_EXIT $CKVD_RUN_PROBLEMS $CKVD_LAKE" > told.txt'

describe('--on-end', () => {
  test('gets the result as JSON and the facts as variables', async () => {
    const run = await world.run(['sync', '--json', '--on-end', HOOK])
    expect(run).toMatchObject({ exit: 0, stderr: expect.not.stringContaining('failed') as string })
    expect(JSON.parse(await text('told.json'))).toEqual(jsonOf(run))
    expect(await text('told.txt')).toBe(`2 sync 0 0 ${world.lake}\n`)
  })

  test('runs when days are unexplained, and when the run was refused', async () => {
    breakDay()
    expect((await world.run(['sync', '--quiet', '--on-end', HOOK])).exit).toBe(3)
    expect(JSON.parse(await text('told.json'))).toMatchObject({ exit: 3, problems: [{ day: '2024-03-11' }] })
    expect((await world.run(['sync', '--symbols', 'CCCUSDT', '--on-end', HOOK])).exit).toBe(2)
    expect(JSON.parse(await text('told.json'))).toMatchObject({ command: 'sync', exit: 2, error: { code: 'CKVD_USAGE' } })
    expect(await text('told.txt')).toBe(` sync 2 0 ${world.lake}\n`)
  })

  test('of an ingest, too; a dry run tells nobody', async () => {
    await world.ingest('AAAUSDT', '--start', '2024-03-01', '--dry-run', '--on-end', HOOK, '--ping', base, '--metrics', 'ckvd.prom')
    expect([existsSync(file('told.json')), existsSync(file('ckvd.prom')), pings]).toEqual([false, false, []])
    await world.ingest('AAAUSDT', '--start', '2024-03-01', '--on-end', HOOK)
    expect(JSON.parse(await text('told.json'))).toMatchObject({ command: 'ingest', exit: 0 })
  })

  test('one that fails is told on stderr, also with --quiet, and the exit code stays that of the run', async () => {
    const failed = await world.run(['sync', '--quiet', '--on-end', 'echo from the hook; exit 7'])
    expect(failed).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'from the hook\n--on-end failed: it ended with 7 (echo from the hook; exit 7)\n',
    })
    breakDay()
    world.now = '2024-03-12T15:00:00Z'
    expect((await world.run(['ingest', '--universe', 'nothing.csv', '--on-end', 'exit 7'])).exit).toBe(2)
  })
})

describe('--ping', () => {
  test('is asked as it is when all is well, with /fail when not; its body says why', async () => {
    expect((await world.run(['sync', '--quiet', '--ping', `${base}?rid=1`])).exit).toBe(0)
    expect(pings).toMatchObject([{ method: 'POST', url: '/ping/5d1e0c2a?rid=1' }])
    expect(pings[0]?.body).toContain('ckvd sync: 0 problems, 1 series, 2 days stored\n')
    pings = []
    breakDay()
    world.now = '2024-03-13T14:00:00Z'
    world.sandbox.setFaults([
      { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: '2024-03-12', at: '10:00' },
      { kind: 'status', match: 'klines\\?', status: 500 },
    ])
    expect((await world.run(['sync', '--quiet', '--ping', `${base}?rid=1`])).exit).toBe(3)
    expect(pings).toMatchObject([{ method: 'POST', url: '/ping/5d1e0c2a/fail?rid=1' }])
    expect(pings[0]?.body).toMatch(/spot AAAUSDT 1h 2024-03-12 {2}partial/)
  })

  test('of a refusal: its code', async () => {
    await world.run(['sync', '--symbols', 'CCCUSDT', '--ping', base])
    expect(pings).toMatchObject([
      { url: '/ping/5d1e0c2a/fail', body: expect.stringMatching(/^ckvd sync: CKVD_USAGE: .+ \(exit 2\)\n$/) as string },
    ])
  })

  test('what refuses it, or is not there, is told without the secret of its address', async () => {
    status = 404
    const refused = await world.run(['sync', '--quiet', '--ping', base])
    expect(refused).toMatchObject({ exit: 0, stdout: '' })
    expect(refused.stderr).toMatch(/--ping failed: CKVD_HTTP_STATUS: .* it answered 404\./)
    expect(pings).toHaveLength(2)
    const absent = await world.run(['sync', '--quiet', '--ping', 'http://127.0.0.1:9/ping/5d1e0c2a'])
    expect(absent).toMatchObject({ exit: 0 })
    expect(absent.stderr).toMatch(
      /--ping failed: CKVD_HTTP_NETWORK: Cannot reach the monitor at http:\/\/127\.0\.0\.1:9: nothing listens there \(ECONNREFUSED\)\./,
    )
    expect(refused.stderr + absent.stderr).not.toContain('5d1e0c2a')
  })

  test('what is no URL is refused before anything is done', async () => {
    const { exit, stderr } = await world.run(['sync', '--ping', 'hc-ping'])
    expect(exit).toBe(2)
    expect(stderr).toContain('Expected `--ping` to be a URL')
  })
})

describe('--metrics', () => {
  /** Samples of Prometheus text by name and labels; throws where a line is none. */
  const parse = (prometheus: string): Map<string, number> => {
    const samples = new Map<string, number>()
    const described = new Set<string>()
    for (const line of prometheus.trimEnd().split('\n')) {
      const comment = /^# (?:HELP|TYPE) (\w+) (.+)$/.exec(line)
      const sample = /^(\w+)\{(.*)\} (-?[\d.e+]+)$/.exec(line)
      if (comment !== null) described.add(comment[1] ?? '')
      else if (sample !== null && described.has(sample[1] ?? '')) samples.set(`${sample[1] ?? ''}{${sample[2] ?? ''}}`, Number(sample[3]))
      else throw new Error(`No line of Prometheus text: ${line}`)
    }
    return samples
  }

  test('is a file of Prometheus text, whole, with the numbers of the result', async () => {
    const result = jsonOf(await world.run(['sync', '--json', '--metrics', 'node/ckvd.prom'])) as IngestResult
    const samples = parse(await text('node/ckvd.prom'))
    const labels = `command="sync",lake="${world.lake}"`
    const value = (name: string, more = ''): number | undefined => samples.get(`${name}{${labels}${more}}`)
    expect(value('ckvd_run_exit_code')).toBe(0)
    expect(value('ckvd_run_start_time_seconds')).toBe(Date.parse(result.started_at) / 1000)
    expect(value('ckvd_run_duration_seconds')).toBeCloseTo(result.elapsed_ms / 1000, 3)
    expect(value('ckvd_last_success_time_seconds')).toBe(value('ckvd_run_end_time_seconds'))
    expect(value('ckvd_run_days', ',condition="complete"')).toBe(result.days.complete)
    expect(value('ckvd_run_days', ',condition="failed"')).toBe(0)
    expect(value('ckvd_run_unexplained_days')).toBe(0)
    expect(value('ckvd_run_stored_days')).toBe(result.stored)
    expect(value('ckvd_run_written_bars')).toBe(result.rows)
    expect(value('ckvd_run_downloaded_bytes')).toBe(result.bytes_downloaded)
    expect(value('ckvd_run_requests', ',kind="archive"')).toBe(result.requests.archive)
    expect(await listFiles(file('node'))).toEqual(['ckvd.prom'])
  })

  test('after a failure it remembers the last success', async () => {
    breakDay()
    expect((await world.run(['sync', '--quiet', '--metrics', 'ckvd.prom'])).exit).toBe(3)
    const samples = [...parse(await text('ckvd.prom'))]
    const of = (name: string): number | undefined => samples.find(([key]) => key.startsWith(`${name}{`))?.[1]
    expect(of('ckvd_run_exit_code')).toBe(3)
    expect(of('ckvd_run_unexplained_days')).toBe(1)
    expect(of('ckvd_last_success_time_seconds')).toBeCloseTo(Date.parse('2024-03-10T12:00:00Z') / 1000, -2)
  })

  test('of a run that was refused: its end alone', async () => {
    expect((await world.run(['sync', '--symbols', 'CCCUSDT', '--metrics', 'ckvd.prom'])).exit).toBe(2)
    const names = [...parse(await text('ckvd.prom')).keys()].map((key) => key.split('{')[0])
    expect(names).toContain('ckvd_run_exit_code')
    expect(names).not.toContain('ckvd_run_days')
  })

  test('a file that cannot be written is told', async () => {
    const { exit, stderr } = await world.run(['sync', '--quiet', '--metrics', '/dev/null/ckvd.prom'])
    expect(exit).toBe(0)
    expect(stderr).toContain('--metrics failed: CKVD_REPORT_IO')
  })
})
