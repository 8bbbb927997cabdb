import fc from 'fast-check'
import type { InfoLie, KlinesLie, ListingLie, LyingExchange, LyingSeries } from './lying-exchange.ts'
import type { Life, Market, Row } from './lying-exchange-bars.ts'
import { csvLine, DAY_MS, dayText, HOUR_MS, msOf, rowAt, slots } from './lying-exchange-bars.ts'

/*
 * Random worlds for the oracle, as plain data, so that a failing one is printed whole and made smaller: what happened on the exchange,
 * what is wrong with its archives, and runs one after the other, each under lies of its own.
 */

/** Day 0 of all scenarios. */
const FIRST_MS = Date.UTC(2024, 0, 1)
/** Days of a life at most, and the clock's distance from day 0. */
const SPAN = 60

/** Something wrong with an archive of a day. */
export type Spoilt =
  | /** begins, or ends, at an hour */ { readonly kind: 'cut-front' | 'cut-end'; readonly hour: number }
  | /** lacks hours */ { readonly kind: 'hole'; readonly hour: number; readonly hours: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'wrong-checksum' | 'no-checksum' | 'html' | 'refused' }
  | /** the bars of a shorter interval */ { readonly kind: 'other-interval' }
  | /** every bar wrong but one, which is missing */ { readonly kind: 'wrong'; readonly hour: number }
  | /** the listing has a newer edition than what is served, which is cut */ { readonly kind: 'stale'; readonly hour: number }

export interface Death {
  readonly hours: number
  /** what REST tells of it: named with another status, not named, klines do not know it either */
  readonly told: 'listed' | 'unlisted' | 'forgotten'
}

/** One run, and what is wrong while it lasts. */
export interface Run {
  /** days from day 0; null: not given */
  readonly start: number | null
  readonly end: number | null
  readonly flags: readonly string[]
  /** days that pass before it */
  readonly later: number
  readonly lies: readonly LieSpec[]
  readonly info: InfoLie['kind'] | null
  readonly refused: boolean
  readonly listing: 'html once' | 'error once' | 'html' | null
}

/** A lie about klines in data: which requests it meets is told by their numbers. */
export interface LieSpec {
  readonly kind: 'cap' | 'lookahead' | 'wrong-end' | 'lag' | 'empty' | 'status' | 'reset' | 'unknown'
  /** rows, days, days before now, status */
  readonly size: number
  readonly turns: { readonly from: number; readonly every: number; readonly times: number }
}

export interface Scenario {
  readonly market: Market
  readonly interval: '15m' | '1h' | '4h' | '12h' | '1d'
  /** of the first bar and of the end, in hours from day 0 */
  readonly birth: number
  readonly death: Death | null
  /** hours from day 0, and how many */
  readonly holes: readonly { readonly from: number; readonly hours: number }[]
  /** days after birth of the first daily archive, and before now of the last one */
  readonly archives: { readonly late: number; readonly behind: number; readonly months: boolean }
  /** by days after the day of the first bar; the same for so many days in a row */
  readonly spoilt: readonly { readonly after: number; readonly days: number; readonly how: Spoilt }[]
  /** of months: the day from which on, or until which, rows are missing */
  readonly monthCut: { readonly month: 0 | 1; readonly from: number; readonly days: number } | null
  readonly now: { readonly day: number; readonly hour: number }
  readonly runs: readonly Run[]
}

export const dayAt = (day: number): string => dayText(FIRST_MS + day * DAY_MS)
export const hourMs = (hours: number): number => FIRST_MS + hours * HOUR_MS

const turns = fc.oneof(
  fc.constant({ from: 0, every: 1, times: 1_000_000 }),
  fc.record({ from: fc.integer({ min: 0, max: 4 }), every: fc.integer({ min: 1, max: 3 }), times: fc.constantFrom(1, 2, 1_000_000) }),
)

const lie = (isDead: boolean, hasHoles: boolean): fc.Arbitrary<LieSpec> =>
  fc.oneof(
    fc.record({ kind: fc.constant('cap' as const), size: fc.constantFrom(1, 2, 7, 100, 500), turns }),
    fc.record({ kind: fc.constant('wrong-end' as const), size: fc.constant(0), turns }),
    fc.record({ kind: fc.constant('empty' as const), size: fc.constant(0), turns }),
    fc.record({ kind: fc.constant('status' as const), size: fc.constantFrom(500, 503, 451), turns }),
    fc.record({ kind: fc.constant('reset' as const), size: fc.constant(0), turns }),
    // where a series has ended, answers that hide its last bars and an exchangeInfo that is true tell the same as an earlier end
    ...(isDead && hasHoles ? [] : [fc.record({ kind: fc.constant('lookahead' as const), size: fc.integer({ min: 1, max: 9 }), turns })]),
    ...(isDead ? [] : [fc.record({ kind: fc.constant('lag' as const), size: fc.integer({ min: 0, max: 20 }), turns })]),
    ...(isDead ? [] : [fc.record({ kind: fc.constant('unknown' as const), size: fc.constantFrom(-1121, -1122), turns })]),
  )

const spoiltDay = (isForgotten: boolean): fc.Arbitrary<Spoilt> => {
  const hour = fc.integer({ min: 1, max: 23 })
  return fc.oneof(
    fc.record({ kind: fc.constantFrom('cut-front' as const, 'cut-end' as const), hour }),
    fc.record({ kind: fc.constant('hole' as const), hour, hours: fc.integer({ min: 1, max: 9 }) }),
    fc.constant({ kind: 'missing' as const }),
    fc.constant({ kind: 'missing' as const }),
    fc.constant({ kind: 'empty' as const }),
    fc.constantFrom(
      { kind: 'wrong-checksum' as const },
      { kind: 'no-checksum' as const },
      { kind: 'html' as const },
      { kind: 'refused' as const },
    ),
    fc.constant({ kind: 'other-interval' as const }),
    fc.record({ kind: fc.constant('stale' as const), hour }),
    // who shall tell, where only archives are left
    ...(isForgotten ? [] : [fc.record({ kind: fc.constant('wrong' as const), hour })]),
  )
}

/** Days that are asked for; most runs ask for all. */
const range = fc.oneof(
  fc.constant({ start: null, end: null }),
  fc.record({ start: fc.integer({ min: 5, max: 40 }), end: fc.constant(null) }),
  fc.record({ start: fc.constant(null), end: fc.integer({ min: 20, max: SPAN }) }),
  fc
    .record({ start: fc.integer({ min: 5, max: 50 }), days: fc.integer({ min: 1, max: 30 }) })
    .map(({ start, days }) => ({ start, end: start + days })),
)

const often = <T>(usual: T, times: number, ...others: T[]): fc.Arbitrary<T> =>
  fc.constantFrom(...Array.from({ length: times }, () => usual), ...others)

const run = (isDead: boolean, hasHoles: boolean): fc.Arbitrary<Run> =>
  fc
    .record({
      range,
      flags: often<readonly string[]>(
        [],
        7,
        ['--archives', 'daily'],
        ['--archives', 'monthly'],
        ['--no-rest'],
        ['--force'],
        ['--retry-failed'],
      ),
      later: often(0, 4, 1, 3),
      lies: fc.oneof(fc.array(lie(isDead, hasHoles), { minLength: 1, maxLength: 3 }), fc.array(lie(isDead, hasHoles), { maxLength: 2 })),
      info: often<InfoLie['kind'] | null>(null, 6, 'absent', 'stale', 'truncated', 'empty', 'none-trading', 'html'),
      refused: often(false, 12, true),
      listing: often<Run['listing']>(null, 20, 'html once', 'error once', 'html'),
    })
    .map(({ range: asked, ...more }) => ({ ...asked, ...more }))

/** `honest`: archives lack what archives may lack, and nobody lies. */
export function scenarios(honest: boolean): fc.Arbitrary<Scenario> {
  return fc
    .record({
      market: fc.constantFrom<Market>('spot', 'um', 'cm'),
      interval: fc.constantFrom<Scenario['interval']>('15m', '1h', '1h', '4h', '4h', '4h', '12h', '12h', '1d'),
      birth: fc.integer({ min: 10 * 24, max: 30 * 24 }),
      death: fc.option(
        fc.record({
          length: fc.integer({ min: 3 * 24, max: 30 * 24 }),
          told: fc.constantFrom<Death['told']>('listed', 'unlisted', 'forgotten'),
        }),
      ),
      holes: fc.array(fc.record({ after: fc.integer({ min: 5, max: 40 * 24 }), hours: fc.constantFrom(1, 3, 9, 24, 40, 100, 200) }), {
        maxLength: 3,
      }),
      now: fc.record({ day: fc.integer({ min: 45, max: SPAN }), hour: fc.constantFrom(0, 1, 13, 23) }),
    })
    .chain(({ birth, death: dying, holes, ...world }) => {
      // each one is over: of an outage that goes on nobody can tell how it ends
      const over = holes
        .map(({ after, hours }) => ({ from: birth + after, hours }))
        .filter(({ from, hours }) => from + hours + 24 <= world.now.day * 24)
      // whoever died in the last days is silent for too short a time: no rule tells that yet
      const isRecent = dying !== null && Math.abs(birth + dying.length - (world.now.day - 2) * 24) < 8 * 24
      const death = dying === null || isRecent ? null : { hours: birth + dying.length, told: dying.told }
      const isForgotten = death?.told === 'forgotten'
      const isDead = death !== null
      // what was down can be told from what was lost while REST answers
      const outages = honest && isForgotten ? [] : over
      const spoilt = fc.array(
        fc.record({
          after: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 25 })),
          days: fc.constantFrom(1, 1, 1, 2, 4),
          how: spoiltDay(isForgotten),
        }),
        { maxLength: 6 },
      )
      return fc
        .record({
          archives: fc.record({ late: fc.constantFrom(0, 0, 0, 1, 5), behind: fc.constantFrom(0, 1, 1, 2, 4, 12), months: fc.boolean() }),
          spoilt: honest ? spoilt.map((days) => days.filter(({ how }) => HARMLESS.has(how.kind) && !isForgotten)) : spoilt,
          monthCut:
            honest && isForgotten
              ? fc.constant(null)
              : fc.option(
                  fc.record({
                    month: fc.constantFrom(0 as const, 1 as const),
                    from: fc.integer({ min: 0, max: 28 }),
                    days: fc.integer({ min: 1, max: 20 }),
                  }),
                ),
          runs: honest
            ? fc.array(honestRun, { minLength: 1, maxLength: 2 })
            : fc.array(run(isDead, holes.length > 0), { minLength: 1, maxLength: 3 }),
        })
        .map((more): Scenario => ({
          ...world,
          birth,
          death,
          holes: outages,
          ...more,
          archives: isForgotten && honest ? { ...more.archives, late: 0 } : more.archives,
        }))
    })
}

/** What REST mends, or what makes no difference. */
const HARMLESS: ReadonlySet<Spoilt['kind']> = new Set([
  'cut-front',
  'cut-end',
  'hole',
  'missing',
  'no-checksum',
  'html',
  'refused',
  'other-interval',
])

const honestRun: fc.Arbitrary<Run> = fc
  .record({
    range,
    flags: often<readonly string[]>([], 3, ['--archives', 'daily'], ['--archives', 'monthly'], ['--force']),
    later: fc.constantFrom(0, 1),
  })
  .map(({ range: asked, ...more }) => ({ ...asked, ...more, lies: [], info: null, refused: false, listing: null }))

export function lifeOf({ market, interval, birth, death, holes }: Scenario): Life {
  return {
    market,
    symbol: market === 'cm' ? 'AAAUSD_PERP' : 'AAAUSDT',
    interval,
    from: hourMs(birth),
    ...(death === null ? {} : { until: hourMs(death.hours) }),
    holes: holes.map(({ from, hours }) => [hourMs(from), hourMs(from + hours)] as const),
  }
}

/**
 * Publishes the archives of a scenario up to the day that the clock allows; `right`: with nothing wrong. `done` remembers what was
 * published, and how.
 */
export function publishArchives(scenario: Scenario, series: LyingSeries, nowMs: number, right: boolean, done: Map<string, string>): void {
  const { archives, birth, monthCut } = scenario
  const first = Math.floor(birth / 24) + archives.late
  const last = Math.floor((nowMs - FIRST_MS) / DAY_MS) - archives.behind
  for (let day = first; day < last; day++) {
    const how = right ? undefined : spoiltOn(scenario, day)
    const said = JSON.stringify(how ?? null)
    if (done.get(dayAt(day)) === said) continue
    publishDay(series, day, how)
    done.set(dayAt(day), said)
  }
  if (!archives.months) return
  for (const month of [0, 1] as const) {
    const text = `2024-0${month + 1}`
    const from = Date.UTC(2024, month, 1)
    const end = Date.UTC(2024, month + 1, 1)
    if (end + 3 * DAY_MS > nowMs || end <= hourMs(24 * first)) continue
    const cut = right || monthCut?.month !== month ? null : [from + monthCut.from * DAY_MS, from + (monthCut.from + monthCut.days) * DAY_MS]
    if (done.get(text) === JSON.stringify(cut)) continue
    done.set(text, JSON.stringify(cut))
    const rows = series
      .closed(Math.max(from, hourMs(24 * first)), end)
      .filter(({ openMs }) => cut === null || openMs < cut[0]! || openMs >= cut[1]!)
    if (rows.length > 0) series.publishMonth(text, () => rows)
  }
}

function spoiltOn({ birth, spoilt }: Scenario, day: number): Spoilt | undefined {
  const after = day - Math.floor(birth / 24)
  return spoilt.find((one) => after >= one.after && after < one.after + one.days)?.how
}

function publishDay(series: LyingSeries, day: number, how: Spoilt | undefined): void {
  const [from, to] = [dayAt(day), dayAt(day + 1)]
  const hourOf = (row: Row): number => Math.floor((row.openMs - msOf(from)) / HOUR_MS)
  const whole = series.closed(from, to)
  series.unpublish(from)
  if (whole.length === 0) return
  const put = (rows: readonly Row[]): void => {
    series.publish(from, to, () => rows)
  }
  switch (how?.kind) {
    case undefined:
      return put(whole)
    case 'missing':
      return
    case 'empty':
      return put([])
    case 'cut-front':
      return put(whole.filter((row) => hourOf(row) >= how.hour))
    case 'cut-end':
      return put(whole.filter((row) => hourOf(row) < how.hour))
    case 'hole':
      return put(whole.filter((row) => hourOf(row) < how.hour || hourOf(row) >= how.hour + how.hours))
    case 'wrong':
      // what is not asked of another source cannot be found wrong: one bar between two wrong ones is missing
      if (whole.length < 3) return put(whole)
      return put(whole.filter((_, i) => i !== 1 + (how.hour % (whole.length - 2))).map(wrongRow))
    case 'other-interval': {
      const other = series.life.interval === '15m' ? '5m' : '15m'
      return put([...slots(other, msOf(from), msOf(to))].map((ms) => rowAt({ ...series.life, interval: other }, ms)))
    }
    case 'stale': {
      put(whole)
      const { zip, checksum, etag } = series.archive(from)
      put(whole.filter((row) => hourOf(row) < how.hour))
      const stored = series.archive(from)
      stored.listed = { ...stored.listed, etag: etag ?? '', sizeBytes: zip.length }
      if (checksum === undefined) throw new Error('an honest archive has a CHECKSUM')
      return
    }
    case 'wrong-checksum':
      put(whole)
      series.archive(from).checksum = Buffer.from(`${'0'.repeat(64)}  ${series.key(from).replace(/^.*\//, '')}\n`)
      return
    case 'no-checksum':
      put(whole)
      series.archive(from).checksum = undefined
      return
    case 'html':
      put(whole)
      series.archive(from).zip = Buffer.from('<!DOCTYPE html><html><body>Please wait</body></html>')
      return
    case 'refused':
      put(whole)
      series.archive(from).refuse = () => ({ status: 403, body: 'no' })
      return
  }
}

function wrongRow(row: Row): Row {
  const more = (text: string): string => (Number(text) + 1000).toFixed(2)
  return { ...row, open: more(row.open), high: more(row.high), low: more(row.low), close: more(row.close) }
}

/** Open times of rows that some archive serves soundly: what is left of a symbol that REST has forgotten. */
export function servedRows(series: LyingSeries): Set<number> {
  const rightLines = new Map(series.closed().map((row) => [csvLine(row), row.openMs]))
  const periods = new Set([...rightLines.values()].flatMap((openMs) => [dayText(openMs), dayText(openMs).slice(0, 7)]))
  const served = new Set<number>()
  for (const period of periods) {
    if (!series.isSound(period)) continue
    for (const line of series.csvOf(period).split('\n')) {
      const openMs = rightLines.get(line)
      if (openMs !== undefined) served.add(openMs)
    }
  }
  return served
}

/** Lets an exchange lie as a run has it. */
export function applyLies(run: Run, scenario: Scenario, exchange: LyingExchange, series: LyingSeries): void {
  exchange.honest()
  const base = exchange.count('klines')
  exchange.klinesLies = run.lies.map((spec): KlinesLie => {
    const when = ({ index }: { index: number }): boolean => {
      const turn = index - base - spec.turns.from
      return turn >= 0 && turn % spec.turns.every === 0 && turn / spec.turns.every < spec.turns.times
    }
    switch (spec.kind) {
      case 'cap':
        return { kind: 'cap', rows: spec.size, when }
      case 'lookahead':
        return { kind: 'lookahead', days: spec.size, when }
      case 'lag':
        return { kind: 'lag', since: exchange.nowMs - spec.size * DAY_MS, when }
      case 'status':
        return { kind: 'status', status: spec.size, body: '{"code":-1000,"msg":"An unknown error occured."}', when }
      case 'unknown':
        return { kind: 'unknown', code: spec.size as -1121 | -1122, when }
      case 'wrong-end':
      case 'empty':
      case 'reset':
        return { kind: spec.kind, when }
    }
  })
  const { market, symbol } = series.life
  if (run.info !== null) {
    exchange.infoLies[market] = (run.info === 'stale' ? { kind: 'stale', days: 2 } : { kind: run.info }) as InfoLie
  }
  if (run.refused) exchange.refused.add(market)
  if (run.listing !== null) exchange.listingLie = listingLieOf(run.listing)
  exchange.forgotten.clear()
  exchange.status.clear()
  const { death } = scenario
  if (death !== null && hourMs(death.hours) <= exchange.nowMs) {
    if (death.told !== 'listed') exchange.status.set(`${market}/${symbol}`, null)
    if (death.told === 'forgotten') exchange.forgotten.set(`${market}/${symbol}`, -1121)
  }
}

function listingLieOf(kind: NonNullable<Run['listing']>): ListingLie {
  const html = { status: 200, body: '<!DOCTYPE html><html><body>Please wait</body></html>' }
  const error = {
    status: 200,
    body: '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>Again.</Message></Error>',
  }
  let told = 0
  return () => {
    told++
    if (kind === 'html') return html
    return told > 1 ? undefined : kind === 'html once' ? html : error
  }
}

/** True where something of REST may have failed in a run: what cannot be asked cannot tell a beginning. */
export function mayFail(run: Run): boolean {
  return run.refused || run.flags.includes('--no-rest') || run.lies.some(({ kind }) => kind === 'status' || kind === 'reset')
}
