import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Interval, Life, Market } from '../support/lying-exchange-bars.ts'
import { DAY_MS, dayText } from '../support/lying-exchange-bars.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import { digestTree } from '../support/temp-lake.ts'

/*
 * What lies under data/ is told by the exchange and by what was asked for, never by which of several runs came first: narrow before wide,
 * wide before narrow, with and without a start. The exchange is honest, its archives have what archives may have.
 */

const SEED = Number(process.env['CKVD_ORDER_SEED'] ?? (process.env['CI'] === undefined ? Date.now() % 1_000_000_000 : 20_241_129))
const RUNS = Number(process.env['CKVD_ORDER_RUNS'] ?? 40)
const PATH = process.env['CKVD_ORDER_PATH']

const FIRST_MS = Date.UTC(2024, 0, 1)
const NOW_DAY = 172
const MONTHS = ['2024-01', '2024-02', '2024-03', '2024-04', '2024-05', '2024-06']
const dayAt = (day: number): string => dayText(FIRST_MS + day * DAY_MS)

const isLong = (interval: Interval): boolean => ['3d', '1w', '1M'].includes(interval)

interface Ask {
  readonly start: string | null
  readonly end: string | null
}

interface World {
  readonly market: Market
  readonly interval: Interval
  /** hours from the first day */
  readonly birth: number
  readonly hole: { readonly from: number; readonly hours: number } | null
  /** days after birth of the first daily archive */
  readonly late: number
  /** months after that of the birth with an archive; daily archives up to so many days before now */
  readonly months: readonly number[]
  readonly days: boolean
  readonly behind: number
  /** hours from which on the first archives of days and months begin in their day */
  readonly cut: number
  /** the month whose archive lacks its second third */
  readonly torn: number | null
  readonly archives: 'daily' | 'monthly' | 'auto'
  readonly asks: readonly [Ask, Ask, ...Ask[]]
}

/** Of `auto` whole months: which form of archive a day comes from is told by the range that it was first asked in. */
const ask = (archives: World['archives'], isLongChunk: boolean): fc.Arbitrary<Ask> => {
  const start =
    archives === 'auto' && !isLongChunk
      ? fc.constantFrom(...MONTHS.map((month) => `${month}-01`))
      : fc.integer({ min: 0, max: 140 }).map(dayAt)
  const end =
    archives === 'auto' && !isLongChunk
      ? fc.constantFrom(...MONTHS.slice(2).map((month) => `${month}-01`))
      : fc.integer({ min: 60, max: NOW_DAY }).map(dayAt)
  return fc
    .record({ start: fc.option(start), end: fc.option(end) })
    .map((asked) => (asked.start !== null && asked.start >= (asked.end ?? dayAt(NOW_DAY)) ? { start: null, end: asked.end } : asked))
}

const worlds: fc.Arbitrary<World> = fc
  .record({
    market: fc.constantFrom<Market>('spot', 'um', 'cm'),
    interval: fc.constantFrom<Interval>('4h', '12h', '1d', '3d', '1w', '1w', '1M'),
    birth: fc.integer({ min: 5 * 24, max: 90 * 24 }),
    hole: fc.option(fc.record({ from: fc.integer({ min: 100 * 24, max: 150 * 24 }), hours: fc.constantFrom(12, 30, 200) })),
    late: fc.constantFrom(0, 0, 1, 5, 20),
    months: fc.subarray([0, 1, 2, 3, 4, 5]),
    days: fc.boolean(),
    behind: fc.constantFrom(1, 2, 6),
    cut: fc.constantFrom(0, 0, 9, 100),
    torn: fc.option(fc.integer({ min: 1, max: 4 })),
    archives: fc.constantFrom('daily', 'monthly', 'auto'),
  })
  // of spot bars longer than a day come by months alone
  .map((world) => ({ ...world, days: world.days && !(world.market === 'spot' && isLong(world.interval)) }))
  .chain((world) =>
    fc
      .array(ask(world.archives, isLong(world.interval)), { minLength: 2, maxLength: 3 })
      .map((asks) => ({ ...world, asks: asks as unknown as World['asks'] })),
  )

async function open(world: World): Promise<Lab> {
  const { market, interval, birth, hole, late, months, days, behind, cut, torn } = world
  const life: Partial<Life> & Pick<Life, 'from'> = {
    market,
    interval,
    from: FIRST_MS + birth * 3_600_000,
    ...(hole === null ? {} : { holes: [[FIRST_MS + hole.from * 3_600_000, FIRST_MS + (hole.from + hole.hours) * 3_600_000]] }),
  }
  const lab = await Lab.open(life, `${dayAt(NOW_DAY)}T06:00:00Z`)
  const firstMs = FIRST_MS + (Math.floor(birth / 24) + late) * DAY_MS + cut * 3_600_000
  const since = (rows: readonly { openMs: number }[]): (typeof lab.series.rows)[number][] =>
    rows.filter(({ openMs }) => openMs >= firstMs) as never
  for (let day = Math.floor((firstMs - FIRST_MS) / DAY_MS); days && day < NOW_DAY - behind; day++) {
    if (since(lab.series.closed(dayAt(day), dayAt(day + 1))).length > 0) lab.series.publish(dayAt(day), dayAt(day + 1), since)
  }
  for (const month of months.map((index) => MONTHS[index]!).slice(0, -1)) {
    const [from, to] = [`${month}-01`, MONTHS[MONTHS.indexOf(month) + 1]]
    const isTorn = (ms: number): boolean => torn !== null && MONTHS[torn] === month && Math.abs(new Date(ms).getUTCDate() - 15) <= 5
    const rows = (all: Parameters<typeof since>[0]): ReturnType<typeof since> => since(all).filter(({ openMs }) => !isTorn(openMs))
    if (to !== undefined && rows(lab.series.closed(from, `${to}-01`)).length > 0) lab.series.publishMonth(month, rows)
  }
  return lab
}

/** Runs one after the other in a lake of their own; gives the digests of its files. */
async function digestsOf(world: World, asks: readonly Ask[]): Promise<string[]> {
  await using lab = await open(world)
  for (const { start, end } of asks) {
    const flags = [...(start === null ? [] : ['--start', start]), ...(end === null ? [] : ['--end', end])]
    const told = await lab.ingest('--archives', world.archives, ...flags)
    expect({ exit: told.exit, problems: told.problems }, flags.join(' ')).toEqual({ exit: 0, problems: [] })
  }
  return await digestTree(join(lab.lake, 'data'))
}

/** Runs in the order that is given and in the reverse one leave the same bytes. */
async function expectSame(world: World): Promise<void> {
  const forwards = await digestsOf(world, world.asks)
  const backwards = await digestsOf(world, [...world.asks].reverse())
  expect(backwards.filter((line) => !forwards.includes(line))).toEqual(forwards.filter((line) => !backwards.includes(line)))
}

const PLAIN: World = {
  market: 'spot',
  interval: '1w',
  birth: 125,
  hole: null,
  late: 0,
  months: [0, 1, 2, 3, 4, 5],
  days: false,
  behind: 1,
  cut: 0,
  torn: null,
  archives: 'auto',
  asks: [
    { start: null, end: null },
    { start: null, end: '2024-03-02' },
  ],
}
const EARLY: World['asks'] = [
  { start: null, end: null },
  { start: '2024-01-01', end: null },
]

test.each<[string, Partial<World>]>([
  ['weeks whose first one opens before the first archive', { late: 20, cut: 100, archives: 'daily', asks: EARLY }],
  ['the same of months', { interval: '1M', late: 30, asks: EARLY }],
  ['a range that ends inside of a month that has archives of days alone', { market: 'um', months: [4], days: true, late: 20, cut: 100 }],
  ['a month whose archive lacks weeks that archives of days have', { market: 'cm', months: [3, 4, 5], days: true, torn: 3 }],
  ['a series of which no archive is listed', { interval: '4h', months: [] }],
  ['days before the first archive', { interval: '4h', days: true, late: 5, cut: 9, asks: EARLY }],
])('%s: the same bytes, narrow before wide and wide before narrow', async (_name, change) => {
  await expectSame({ ...PLAIN, ...change })
})

test('whatever the order of runs: the same bytes under data/', { timeout: 60_000 + RUNS * 3000 }, async () => {
  console.log(`run order: seed ${SEED}`)
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      await expectSame(world)
    }),
    { numRuns: RUNS, seed: SEED, ...(PATH === undefined ? {} : { path: PATH }), interruptAfterTimeLimit: 50_000 + RUNS * 3000 },
  )
})
