import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import type { CommandResult } from '../support/ckvd.ts'
import { DailyWorld } from '../support/daily-world.ts'
import { queryCatalog } from '../support/temp-lake.ts'

/*
 * A week of `ckvd sync --quiet` at six in the morning, as docs/every-day.md tells it: an archive that comes a day late, one that is published anew,
 * an outage of the exchange, a ban of this address.
 */

const PAGE = readFileSync(new URL('../../docs/every-day.md', import.meta.url), 'utf8')
const MARKETS = [
  { market: 'spot', symbol: 'BTCUSDT', firstDay: '2024-01-10' },
  { market: 'spot', symbol: 'ETHUSDT', firstDay: '2024-01-10' },
] as const

const LATE: FaultRule = { kind: 'late', market: 'spot', symbol: 'BTCUSDT', day: '2024-03-03', hours: 30 }
const REPUBLISHED: FaultRule = { kind: 'republish', market: 'spot', symbol: 'ETHUSDT', day: '2024-02-28' }
const OUTAGE: FaultRule = { kind: 'outage', market: 'spot', symbol: '*', from: '2024-03-06T02:00:00Z', to: '2024-03-06T04:00:00Z' }
const BAN: FaultRule = { kind: 'ban-text', match: 'klines\\?', seconds: 7200 }

interface Morning {
  readonly day: string
  readonly faults: readonly FaultRule[]
  readonly flags?: readonly string[]
}

const WEEK: readonly Morning[] = [
  { day: '2024-03-04', faults: [LATE] },
  { day: '2024-03-05', faults: [LATE] },
  { day: '2024-03-06', faults: [LATE] },
  { day: '2024-03-07', faults: [LATE, REPUBLISHED, OUTAGE] },
  { day: '2024-03-08', faults: [LATE, REPUBLISHED, OUTAGE, BAN] },
  { day: '2024-03-09', faults: [LATE, REPUBLISHED, OUTAGE] },
  { day: '2024-03-10', faults: [LATE, REPUBLISHED, OUTAGE], flags: ['--refresh'] },
]

let world: DailyWorld
const mornings = new Map<string, CommandResult & { readonly command: string }>()

beforeAll(async () => {
  world = await DailyWorld.create({ markets: MARKETS })
  world.now = '2024-03-03T06:00:00Z'
  const begun = await world.ingest('BTCUSDT\nETHUSDT', '--start', '2024-02-26')
  expect(begun.exit, begun.stdout + begun.stderr).toBe(0)
  for (const { day, faults, flags = [] } of WEEK) {
    world.now = `${day}T06:00:00Z`
    world.sandbox.setFaults(faults)
    const args = ['sync', '--quiet', ...flags]
    mornings.set(day, { ...(await world.run(args)), command: `ckvd ${args.join(' ')}` })
  }
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

const conditionOf = (symbol: string, day: string) =>
  queryCatalog(world.lake, `SELECT condition, source, revision FROM days WHERE symbol = '${symbol}' AND day = '${day}'`)[0]

test('on good days nothing is said; on the day of the ban why it stopped, and nothing on stdout', () => {
  for (const [day, { exit, stdout, stderr }] of mornings) {
    if (day !== '2024-03-08') expect({ day, exit, stdout, stderr }).toEqual({ day, exit: 0, stdout: '', stderr: '' })
    else expect({ exit, stdout }).toEqual({ exit: 4, stdout: '' })
  }
  expect(mornings.get('2024-03-08')?.stderr).toContain('CKVD_BANNED')
})

test('at the end all is there: late archive, republication and outage are what they are', () => {
  expect(conditionOf('BTCUSDT', '2024-03-03')).toMatchObject({ condition: 'complete', source: 'vision-daily', revision: 2 })
  expect(conditionOf('ETHUSDT', '2024-02-28')).toMatchObject({ condition: 'complete', revision: 2 })
  expect(conditionOf('BTCUSDT', '2024-03-06')).toMatchObject({ condition: 'outage' })
  expect(conditionOf('ETHUSDT', '2024-03-07')).toMatchObject({ condition: 'complete' })
  expect(queryCatalog(world.lake, "SELECT count(*) AS days FROM days WHERE condition IN ('partial', 'pending', 'failed')")).toEqual([
    { days: 0 },
  ])
})

test('docs/every-day.md tells it as it was', async () => {
  const told = [...mornings].map(([day, { command, exit, stderr }]) =>
    [
      `${day} 06:00  ${command}  → exit ${exit}`,
      ...stderr
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `  ${line}`),
    ].join('\n'),
  )
  const runs = `$ ckvd runs\n${(await world.run(['runs'])).stdout}`
  const changes = `$ ckvd changes --since 7\n${(await world.run(['changes', '--since', '7'])).stdout}`
  const blocks = [`${told.join('\n')}\n`, `${runs}\n${changes}`].map(plain)
  const [, week = '', history = ''] = /<!-- a week -->\n\n```text\n([\s\S]*?)```[\s\S]*?```text\n([\s\S]*?)```/.exec(PAGE) ?? []
  expect(week).toBe(blocks[0])
  expect(history).toBe(blocks[1])
})

/** Without what differs each time: the place of the lake, fractions of seconds, and the end of the ban, which goes by the system's clock. */
function plain(text: string): string {
  return text
    .replaceAll(world.lake, '/var/lib/ckvd')
    .replace(/T06:00:\d\d\.\d{6}Z/g, 'T06:00:00.000000Z')
    .replace(/until 20\d\d-[\d-]+T[\d:.]+Z/g, 'until 2024-03-08T08:00:00.000Z')
}
