import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { jsonOf } from '../support/ckvd.ts'
import { library } from '../support/library.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Told } from '../support/lying-exchange-lake.ts'
import type { Life, Row } from '../support/lying-exchange-bars.ts'
import { DAY_MS, dayText, msOf } from '../support/lying-exchange-bars.ts'

/* Of one day every command and the library tell the same: the same condition, for the same reason. */

const DAY = '2024-05-22'
const EXPLAINED = new Set(['complete', 'provisional', 'outage', 'unlisted', 'pending'])

interface Situation {
  readonly name: string
  /** one, or some of which the contract leaves the choice */
  readonly condition: string
  /** default: the day in the middle of the archives */
  readonly day?: string
  readonly life?: Partial<Life>
  readonly flags?: readonly string[]
  readonly prepare?: (lab: Lab) => void
}

const without =
  (from: string, to: string) =>
  (rows: Row[]): Row[] =>
    rows.filter(({ openMs }) => openMs < msOf(`${DAY}T${from}`) || openMs >= msOf(`${DAY}T${to}`))
const holed = (lab: Lab): void => {
  lab.series.publish(DAY, dayText(msOf(DAY) + DAY_MS), without('10:00', '13:00'))
}
const badChecksum = (lab: Lab): void => {
  lab.series.archive(DAY).checksum = Buffer.from(`${'0'.repeat(64)}  AAAUSDT-1h-${DAY}.zip\n`)
}
const wrong = (row: Row): Row => ({ ...row, count: row.count + 1 })

const SITUATIONS: readonly Situation[] = [
  { name: 'all bars, from Vision', condition: 'complete' },
  { name: 'all bars, from Vision and REST', condition: 'complete', prepare: holed },
  { name: 'all bars, from REST', condition: 'provisional', prepare: (lab) => lab.series.unpublish(DAY) },
  { name: 'an outage of hours', condition: 'outage', life: { holes: [[`${DAY}T10:00`, `${DAY}T13:00`]] } },
  { name: 'an outage of the day', condition: 'outage', life: { holes: [['2024-05-21T20:00', '2024-05-23T02:00']] } },
  {
    name: 'an outage of hours of a day from REST',
    condition: 'outage',
    life: { holes: [[`${DAY}T10:00`, `${DAY}T13:00`]] },
    prepare: (lab) => lab.series.unpublish(DAY),
  },
  {
    name: 'a day after the last archive that REST has not yet',
    condition: 'pending',
    day: '2024-05-31',
    prepare: (lab) => {
      lab.exchange.klinesLies = [{ kind: 'lag', since: '2024-05-31' }]
    },
  },
  { name: 'a day after the last archive, REST off', condition: 'pending', day: '2024-05-31', flags: ['--no-rest'] },
  {
    name: 'a day after the last archive, REST refuses the address',
    condition: 'pending',
    day: '2024-05-31',
    prepare: (lab) => {
      lab.exchange.refused.add('spot')
    },
  },
  { name: 'hours that no one was asked for', condition: 'partial', flags: ['--no-rest'], prepare: holed },
  {
    name: 'hours, and REST refuses the address',
    condition: 'partial',
    prepare: (lab) => {
      holed(lab)
      lab.exchange.refused.add('spot')
    },
  },
  {
    name: 'hours, and REST answers nothing',
    condition: 'partial',
    prepare: (lab) => {
      holed(lab)
      lab.exchange.klinesLies = [{ kind: 'empty' }]
    },
  },
  {
    name: 'hours, and REST fails',
    condition: 'partial',
    prepare: (lab) => {
      holed(lab)
      lab.exchange.klinesLies = [{ kind: 'status', status: 503 }]
    },
  },
  {
    name: 'hours, and REST does not know a symbol that trades',
    condition: 'partial',
    prepare: (lab) => {
      holed(lab)
      lab.exchange.klinesLies = [{ kind: 'unknown' }]
    },
  },
  { name: 'the day has no archive, REST off', condition: 'partial', flags: ['--no-rest'], prepare: (lab) => lab.series.unpublish(DAY) },
  {
    name: 'the day has no archive, REST answers nothing',
    condition: 'partial',
    prepare: (lab) => {
      lab.series.unpublish(DAY)
      lab.exchange.klinesLies = [{ kind: 'empty' }]
    },
  },
  {
    name: 'the day is refused, REST off',
    condition: 'partial or failed or quarantined',
    flags: ['--no-rest'],
    prepare: (lab) => {
      lab.series.archive(DAY).refuse = () => ({ status: 403, body: 'no' })
    },
  },
  {
    name: 'two sources, no third',
    condition: 'disputed',
    prepare: (lab) => {
      lab.series.publish(DAY, dayText(msOf(DAY) + DAY_MS), (rows) => without('10:00', '11:00')(rows).map(wrong))
    },
  },
  { name: 'a wrong checksum, REST off', condition: 'quarantined', flags: ['--no-rest'], prepare: badChecksum },
  {
    name: 'bars of another interval, REST off',
    condition: 'quarantined or partial or failed',
    flags: ['--no-rest'],
    prepare: (lab) => {
      lab.series.publish(DAY, dayText(msOf(DAY) + DAY_MS), (rows) =>
        rows.filter((_, i) => i % 4 === 0).map((row) => ({ ...row, closeMs: row.openMs + 4 * 3_600_000 - 1 })),
      )
    },
  },
]

async function openSituation({ life, prepare }: Situation): Promise<Lab> {
  const lab = await Lab.open({ from: '2024-05-10T05:00', ...life })
  lab.series.publish('2024-05-10', '2024-05-31')
  prepare?.(lab)
  return lab
}

interface Unexplained {
  readonly day: string
  readonly condition: string
  readonly reason: string | null
}

/** What is said of one day. */
interface Saying {
  readonly days: Readonly<Record<string, number>>
  readonly unexplained: readonly Unexplained[]
}

const countsOf = (days: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(days).filter(([, count]) => count > 0))

afterEach(() => {
  vi.unstubAllEnvs()
})

describe.each(SITUATIONS)('$condition: $name', (situation) => {
  const { day = DAY, flags = [] } = situation
  const allowed = situation.condition.split(' or ')
  const next = dayText(msOf(day) + DAY_MS)
  const range = ['--start', day, '--end', next]

  async function ingest(lab: Lab): Promise<{ told: Told; condition: string }> {
    const told = await lab.ingest('--start', '2024-05-10', ...flags)
    const condition = lab.condition(day) ?? 'no row'
    expect(allowed).toContain(condition)
    return { told, condition }
  }

  async function sayings(
    lab: Lab,
  ): Promise<{ coverage: Saying; exported: Saying; resampled: readonly Unexplained[]; exits: (number | null)[] }> {
    const coverage = await lab.run(['coverage', ...range, '--lake', lab.lake, '--json'])
    const exported = await lab.run([
      'export',
      ...range,
      '--out',
      join(lab.directory.path, 'out'),
      '--format',
      'csv',
      '--lake',
      lab.lake,
      '--json',
    ])
    const resampled = await lab.run(['resample', '--from', '1h', '--to', '4h', ...range, '--lake', lab.lake, '--json'])
    const [series] = (jsonOf(coverage) as { series: Saying[] }).series
    const made = (jsonOf(resampled) as { series: { unexplained: Unexplained[] }[] }).series
    return {
      coverage: series!,
      exported: jsonOf(exported) as Saying,
      resampled: made.flatMap(({ unexplained }) => unexplained),
      exits: [coverage.exit, exported.exit, resampled.exit],
    }
  }

  it('ingest, coverage, export and resample', async () => {
    await using lab = await openSituation(situation)
    const { told, condition } = await ingest(lab)
    const { coverage, exported, resampled, exits } = await sayings(lab)
    expect(countsOf(coverage.days)).toEqual({ [condition]: 1 })
    expect(countsOf(exported.days)).toEqual({ [condition]: 1 })
    if (EXPLAINED.has(condition)) {
      expect(told.problems.filter((problem) => problem.day === day)).toEqual([])
      expect([coverage.unexplained, exported.unexplained, resampled]).toEqual([[], [], []])
      expect(exits).toEqual([0, 0, 0])
      return
    }
    expect(told.exit).toBe(3)
    expect(exits).toEqual([3, 3, 3])
    const [problem] = told.problems.filter((one) => one.day === day)
    const said = (one: Unexplained): unknown => ({ day: one.day, condition: one.condition, reason: one.reason })
    const [first] = coverage.unexplained
    expect(said(first!)).toMatchObject({ day, condition, reason: expect.stringMatching(/[a-z]{3}/i) as string })
    expect(exported.unexplained.map(said)).toEqual([said(first!)])
    expect(resampled.map(said)).toEqual([said(first!)])
    expect(problem!.condition).toBe(condition)
    expect(problem!.message).toContain(first!.reason)
  })

  it('fetch and the library', async () => {
    await using lab = await openSituation(situation)
    const { condition } = await ingest(lab)
    const { coverage } = await sayings(lab)
    const fetched = await lab.run([
      'fetch',
      'AAAUSDT',
      '--interval',
      '1h',
      ...range,
      '--source',
      'cache',
      '--format',
      'csv',
      '--json',
      '--lake',
      lab.lake,
    ])
    for (const [name, value] of Object.entries(lab.env)) vi.stubEnv(name, value)
    await using client = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, library.MarketType.SPOT, { lake: lab.lake })
    const asked = client.getData({
      symbol: 'AAAUSDT',
      interval: library.Interval.HOUR_1,
      startTime: `${day}T00:00:00Z`,
      endTime: `${next}T00:00:00Z`,
      enforceSource: library.DataSource.CACHE,
    })
    if (condition === 'pending' && fetched.exit !== 0) {
      // there is nothing to hand out: then it says what the day is, as the library does
      expect(fetched.stderr).toContain('pending')
      await expect(asked).rejects.toThrow(/pending/)
      return
    }
    if (EXPLAINED.has(condition)) {
      expect(fetched.exit, fetched.stderr).toBe(0)
      const table = await asked
      expect(table.numRows).toBe(
        (await lab.bars()).size === 0 ? 0 : [...(await lab.bars()).keys()].filter((ms) => dayText(ms) === day).length,
      )
      return
    }
    expect(fetched.exit).toBe(3)
    const reason = coverage.unexplained[0]!.reason ?? 'no reason at all'
    if (condition === 'disputed') {
      // its rows are handed out, and the day is named beside them
      const table = await asked
      expect(table.schema.metadata.get('ckvd.disputed')).toContain(day)
      return
    }
    const error: unknown = await asked.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(library.isCkvdError(error, 'CKVD_PARTIAL')).toBe(true)
    const text = (value: unknown): string => JSON.stringify(value)
    const quoted = text(reason).slice(1, -1)
    const { message, details } = error as { message: string; details: unknown }
    expect(text([message, details])).toContain(quoted)
    expect(fetched.stdout + fetched.stderr).toContain(quoted)
  })
})

describe.each(['spot', 'um', 'cm'] as const)('%s: days outside of the life of a series', (market) => {
  it.each<[string, string, string, string[]]>([
    ['before its first bar', '2024-04-02', '2024-04-20', []],
    ['before its first bar, REST off', '2024-04-02', '2024-04-20', ['--no-rest', '--end', '2024-05-03']],
    ['after its last bar', '2024-05-06', '2024-05-30', []],
  ])('%s: what ingest explains is explained in coverage, export, fetch and the library', async (_, from, to, flags) => {
    await using lab = await Lab.open({ market, from: '2024-04-20T07:00', until: '2024-05-05T11:00' })
    lab.series.publish('2024-04-20', '2024-05-06')
    const { symbol } = lab.series.life
    expect(await lab.ingest('--start', '2024-04-01', ...flags)).toMatchObject({ exit: 0, problems: [] })
    // with the first day of its life, or the last one
    const [start, end] = from < '2024-04-20' ? [from, '2024-04-21'] : ['2024-05-05', to]
    const range = ['--start', start, '--end', end, '--lake', lab.lake]
    const fetch = ['fetch', symbol, '--market', market, '--interval', '1h', '--source', 'cache', '--json']
    const commands = [
      ['coverage', ...range, '--json'],
      ['export', ...range, '--out', join(lab.directory.path, 'out'), '--format', 'csv', '--json'],
      [...fetch, ...range],
    ]
    for (const command of commands) expect(await lab.run(command)).toMatchObject({ exit: 0 })
    const outside = await lab.run([...fetch, '--start', from, '--end', to, '--lake', lab.lake])
    // there is nothing to hand out, and it says so
    expect(outside.stdout + outside.stderr).toContain('CKVD_UNAVAILABLE')
    for (const [name, value] of Object.entries(lab.env)) vi.stubEnv(name, value)
    const type = { spot: library.MarketType.SPOT, um: library.MarketType.FUTURES_USDT, cm: library.MarketType.FUTURES_COIN }[market]
    await using client = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, type, { lake: lab.lake })
    const ask = { symbol, interval: library.Interval.HOUR_1, enforceSource: library.DataSource.CACHE }
    const table = await client.getData({ ...ask, startTime: `${start}T00:00:00Z`, endTime: `${end}T00:00:00Z` })
    expect(table.numRows).toBe(lab.series.closed(start, end).length)
    const nothing = client.getData({ ...ask, startTime: `${from}T00:00:00Z`, endTime: `${to}T00:00:00Z` })
    const error: unknown = await nothing.catch((thrown: unknown) => thrown)
    expect(library.isCkvdError(error, 'CKVD_UNAVAILABLE')).toBe(true)
  })
})
