import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { jsonOf, startNode } from '../support/ckvd.ts'
import { MAIN } from '../support/dist.ts'
import { library } from '../support/library.ts'
import { Lab } from '../support/lying-exchange-lake.ts'
import { storedOf } from '../support/lying-exchange.ts'
import type { Interval, Market, Row } from '../support/lying-exchange-bars.ts'
import { csvLine, HOUR_MS, msOf } from '../support/lying-exchange-bars.ts'
import { buildZip, checksumOf } from '../support/zip-builder.ts'
import { queryCatalog } from '../support/temp-lake.ts'

/* Where two sources contradict each other a third one decides, or the day says that nothing does. */

const DAY = '2024-03-04'
const RANGE = ['--start', '2024-03-02', '--end', '2024-03-08']
const MARKETS = ['spot', 'um', 'cm'] as const

/** A bar that is sound and not the exchange's. */
function wrong(row: Row, by = 1000): Row {
  const more = (text: string): string => (Number(text) + by).toFixed(2)
  return { ...row, open: more(row.open), high: more(row.high), low: more(row.low), close: more(row.close) }
}

const at = (row: Row, hour: number): boolean => Math.floor((row.openMs - msOf(DAY)) / HOUR_MS) === hour

/** All bars wrong but those of 10:00, which are missing. */
const allWrong = (rows: readonly Row[], by = 1000): Row[] => rows.filter((row) => !at(row, 10)).map((row) => wrong(row, by))

async function openDays(market: Market, interval: Interval = '1h'): Promise<Lab> {
  const lab = await Lab.open({ market, interval, from: '2024-02-20' })
  lab.series.publish('2024-02-20', '2024-03-20')
  return lab
}

/** Everything but the disputed day is as it should be. */
async function expectOthersRight(lab: Lab): Promise<void> {
  expect((await lab.differences('2024-03-02', '2024-03-08')).filter((one) => !one.includes(DAY))).toEqual([])
}

describe.each(MARKETS)('%s: a day whose rows REST contradicts', (market) => {
  it.each([
    ['lacks it', 'disputed'],
    ['cannot be had', 'partial'],
  ])('and its month, which would decide, %s: still unexplained when REST has nothing to say any more', async (why, condition) => {
    await using lab = await openDays(market)
    lab.series
      .publish(DAY, '2024-03-05', (rows) => allWrong(rows))
      .publishMonth('2024-03', (rows) => rows.filter(({ openMs }) => openMs >= msOf('2024-03-10')))
    if (why === 'cannot be had') lab.series.archive('2024-03').refuse = () => ({ status: 403, body: 'no' })
    lab.exchange.at('2024-04-05T12:00:00Z')
    expect(await lab.ingest(...RANGE, '--archives', 'daily')).toMatchObject({ exit: 3 })
    expect(lab.conditions()).toContain(`${DAY} ${condition} 24/24`)
    lab.exchange.klinesLies = [{ kind: 'empty' }]
    for (const flags of [['--archives', 'daily'], []]) {
      expect(await lab.ingest(...RANGE, ...flags)).toMatchObject({ exit: 3 })
      expect(lab.conditions().find((one) => one.startsWith(DAY))).toMatch(/partial|disputed/)
    }
    lab.exchange.honest()
    lab.series.publish(DAY, '2024-03-05')
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
  })

  it.each<[string, Interval, (rows: Row[]) => Row[]]>([
    ['23 bars wrong and one missing', '1h', (rows) => allWrong(rows)],
    [
      'the neighbours of a missing bar wrong',
      '1h',
      (rows) => rows.filter((row) => !at(row, 10)).map((row) => (at(row, 9) || at(row, 11) ? wrong(row) : row)),
    ],
    ['all 5m bars wrong, an hour missing', '5m', (rows) => allWrong(rows)],
    [
      'counts alone wrong, an hour missing',
      '15m',
      (rows) => rows.filter((row) => !at(row, 10)).map((row) => ({ ...row, count: row.count + 1 })),
    ],
  ])('%s, no third source: disputed', async (_, interval, edit) => {
    await using lab = await openDays(market, interval)
    lab.series.publish(DAY, '2024-03-05', edit)
    const told = await lab.ingest(...RANGE)
    expect(told).toMatchObject({ exit: 3, days: { disputed: 1, complete: 5 } })
    expect(told.problems.map(({ day, condition }) => [day, condition])).toEqual([[DAY, 'disputed']])
    expect(lab.condition(DAY)).toBe('disputed')
    await expectOthersRight(lab)

    const { symbol } = lab.series.life
    const covered = await lab.run(['coverage', '--lake', lab.lake, '--json'])
    expect(covered.exit).toBe(3)
    const [series] = (jsonOf(covered) as { series: { days: Record<string, number>; unexplained: { day: string; condition: string }[] }[] })
      .series
    expect(series!.days['disputed']).toBe(1)
    expect(series!.unexplained.map(({ day, condition }) => [day, condition])).toEqual([[DAY, 'disputed']])
    const fetched = await lab.run([
      'fetch',
      symbol,
      '--market',
      market,
      '--interval',
      interval,
      '--start',
      '2024-03-03',
      '--end',
      '2024-03-06',
      '--source',
      'cache',
      '--format',
      'csv',
      '--lake',
      lab.lake,
    ])
    expect(fetched.exit).toBe(3)

    // the archive is published again, and right
    lab.series.publish(DAY, '2024-03-05')
    await lab.ingest(...RANGE)
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
  })

  it('and the monthly archive agrees with REST: two against one', async () => {
    await using lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) => allWrong(rows)).publishMonth('2024-03')
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [], days: { disputed: 0 } })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
  })

  it('and the monthly archive is as wrong as the daily one: two against one', async () => {
    await using lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) => allWrong(rows))
    lab.series.publishMonth('2024-03', (rows) =>
      rows.flatMap((row) => (row.openMs < msOf(DAY) || row.openMs >= msOf('2024-03-05') ? [row] : allWrong([row]))),
    )
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { disputed: 0, partial: 0 } })
    const bars = await lab.bars()
    expect(bars.get(msOf(`${DAY}T03:00`))![4]).toBe(Number(wrong(lab.series.closed(`${DAY}T03:00`)[0]!).close))
    await expectOthersRight(lab)
  })

  it('and the monthly archive agrees with neither: disputed', async () => {
    await using lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) => allWrong(rows))
    lab.series.publishMonth('2024-03', (rows) =>
      rows.map((row) => (row.openMs < msOf(DAY) || row.openMs >= msOf('2024-03-05') ? row : wrong(row, 300))),
    )
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 3, days: { disputed: 1 } })
    await expectOthersRight(lab)
  })

  it('by eight hours: never stored as complete', async () => {
    await using lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) =>
      rows.map((row) => ({ ...row, openMs: row.openMs + 8 * HOUR_MS, closeMs: row.closeMs + 8 * HOUR_MS })),
    )
    const told = await lab.ingest(...RANGE)
    if (told.exit === 0) expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
    else expect(told.problems.map(({ day }) => day)).toEqual([DAY])
    await expectOthersRight(lab)
  })

  it('by eight hours, within the day: never stored as complete', async () => {
    await using lab = await openDays(market)
    // the rows of 00:00 to 15:00, written as those of 08:00 to 23:00
    lab.series.publish(DAY, '2024-03-05', (rows) =>
      rows.slice(0, 16).map((row) => ({ ...row, openMs: row.openMs + 8 * HOUR_MS, closeMs: row.closeMs + 8 * HOUR_MS })),
    )
    const told = await lab.ingest(...RANGE)
    if (told.exit === 0) expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
    else expect(told).toMatchObject({ exit: 3, problems: [{ day: DAY, condition: 'disputed' }] })
    await expectOthersRight(lab)
  })

  it('in the close time alone: an oddity, no contradiction', async () => {
    await using lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) =>
      rows.filter((row) => !at(row, 10)).map((row) => (at(row, 9) ? { ...row, closeMs: row.closeMs - 5000 } : row)),
    )
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { disputed: 0, partial: 0 } })
    expect((await lab.differences('2024-03-02', '2024-03-08')).filter((one) => one !== `altered ${DAY}T09:00`)).toEqual([])
  })
})

describe.each(MARKETS)('%s: a disputed day of the lake', (market) => {
  const TYPES = { spot: 'SPOT', um: 'FUTURES_USDT', cm: 'FUTURES_COIN' } as const
  const RANGE_READ = ['--start', '2024-03-03', '--end', '2024-03-06']
  /** 10:00 is REST's own; the others are Vision's, and wrong */
  const closesOf = (lab: Lab): number[] =>
    lab.series.closed('2024-03-03', '2024-03-06').map((row) => {
      const isVision = row.openMs >= msOf(DAY) && row.openMs < msOf('2024-03-05') && !at(row, 10)
      return Number((isVision ? wrong(row) : row).close)
    })

  async function openDisputed(): Promise<Lab> {
    const lab = await openDays(market)
    lab.series.publish(DAY, '2024-03-05', (rows) => allWrong(rows))
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 3, days: { disputed: 1 } })
    return lab
  }

  const fetchDays = (lab: Lab, ...flags: string[]) =>
    lab.run(['fetch', lab.series.life.symbol, '--market', market, '--interval', '1h', ...RANGE_READ, '--lake', lab.lake, ...flags])

  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it.each(['demo-cli.js', 'demo-module.js'])('is named by %s, exit 3', async (bin) => {
    await using lab = await openDisputed()
    const { symbol } = lab.series.life
    const args = ['-s', symbol, '-i', '1h', '-d', '100', '--market', market, '--lake', lab.lake]
    const demo = await startNode([join(MAIN, '..', bin), ...args], { env: lab.env, cwd: lab.directory.path }).ended
    expect([demo.exit, demo.stderr]).toEqual([3, expect.stringContaining(`no third decides: ${DAY}.`)])
  })

  it.each(['AUTO', 'CACHE'] as const)('is returned and named by the library (%s)', async (source) => {
    await using lab = await openDisputed()
    for (const [name, value] of Object.entries(lab.env)) vi.stubEnv(name, value)
    const type = library.MarketType[TYPES[market]]
    await using client = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, type, { lake: lab.lake })
    const ask = (startTime: string, endTime: string) => ({
      symbol: lab.series.life.symbol,
      interval: library.Interval.HOUR_1,
      startTime: `${startTime}:00Z`,
      endTime: `${endTime}:00Z`,
      enforceSource: library.DataSource[source],
    })
    const namedIn = (table: Table): unknown => JSON.parse(table.schema.metadata.get('ckvd.disputed') ?? 'null')
    const table = await client.getData(ask('2024-03-03T00:00', '2024-03-06T00:00'))
    expect(namedIn(table)).toEqual([DAY])
    expect([...(table.getChild('close')!.toArray() as Float64Array)]).toEqual(closesOf(lab))
    expect(namedIn(library.resample(table, { to: library.Interval.HOUR_4 }))).toEqual([DAY])
    expect((await client.getColumns(ask(`${DAY}T23:00`, '2024-03-05T01:00'))).disputed).toEqual([DAY])
    // no row of it is in the range
    expect((await client.getColumns(ask('2024-03-05T00:00', '2024-03-06T00:00'))).disputed).toEqual([])
    expect(namedIn(await client.getData(ask('2024-03-03T00:00', '2024-03-04T00:00')))).toEqual([])
  })

  it('is written and named by fetch, export and resample, with exit code 3; once accepted, with 0', async () => {
    await using lab = await openDisputed()
    const { symbol } = lab.series.life
    const text = await fetchDays(lab, '--format', 'csv')
    expect(text.exit).toBe(3)
    expect(text.stderr).toContain(DAY)
    expect(text.stdout.trim().split('\n')).toHaveLength(1 + 72)
    const told = await fetchDays(lab, '--json')
    expect([told.exit, jsonOf(told)]).toEqual([3, expect.objectContaining({ exit: 3, rows: 72, disputed: [DAY] })])

    const out = join(lab.directory.path, 'out')
    const runs = async () => [
      await lab.run(['export', ...RANGE_READ, '--out', out, '--format', 'csv', '--lake', lab.lake, '--json']),
      await lab.run(['resample', symbol, '--from', '1h', '--to', '4h', ...RANGE_READ, '--lake', lab.lake, '--json']),
      await lab.run(['coverage', ...RANGE_READ, '--lake', lab.lake, '--json']),
    ]
    const [exported, resampled, covered] = (await runs()).map((run) => ({ exit: run.exit, told: jsonOf(run) as never }))
    const named = expect.objectContaining({ day: DAY, condition: 'disputed', code: 'CKVD_DISPUTED' }) as unknown
    expect(exported).toMatchObject({ exit: 3, told: { rows: 72, unexplained: [named] } })
    expect(resampled).toMatchObject({ exit: 3, told: { series: [{ bars: { complete: 18 }, unexplained: [named] }] } })
    expect(covered).toMatchObject({ exit: 3, told: { series: [{ unexplained: [named] }] } })

    const accepted = await lab.run(['coverage', '--lake', lab.lake, '--accept', `${market}/${symbol}/1h/${DAY}`, '--reason', 'seen'])
    expect(accepted.exit, accepted.stderr).toBe(0)
    const after = await fetchDays(lab, '--json')
    expect([after.exit, jsonOf(after)]).toEqual([0, expect.objectContaining({ exit: 0, rows: 72, disputed: [] })])
    expect((await runs()).map(({ exit }) => exit)).toEqual([0, 0, 0])
  })
})

describe.each(MARKETS)('%s: an archive that is not the listed one', (market) => {
  /** Another file is served, with a fitting CHECKSUM; the listing has the size and the ETag of the right one. */
  function swap(lab: Lab, rows: readonly Row[], options: { etag: boolean } = { etag: true }): void {
    const right = lab.series.archive(DAY)
    const other = storedOf(lab.series.key(DAY), rows.map((row) => `${csvLine(row)}\n`).join(''), 0)
    right.zip = other.zip
    right.checksum = other.checksum
    right.etag = options.etag ? other.etag : undefined
  }
  const rowsOfDay = (lab: Lab): Row[] => lab.series.closed(DAY, '2024-03-05')
  const asked = (lab: Lab): number => lab.exchange.count('archive', new RegExp(`${DAY}\\.zip$`))

  it('and holds other rows: fetched again, then the day from REST', async () => {
    await using lab = await openDays(market)
    swap(
      lab,
      rowsOfDay(lab).map((row) => wrong(row)),
    )
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0 })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
    expect(lab.condition(DAY)).toBe('provisional')
    expect(asked(lab)).toBeGreaterThanOrEqual(2)
  })

  it('and REST cannot be asked: quarantined', async () => {
    await using lab = await openDays(market)
    swap(
      lab,
      rowsOfDay(lab).map((row) => wrong(row)),
    )
    expect(await lab.ingest(...RANGE, '--no-rest')).toMatchObject({ exit: 3, days: { quarantined: 1, complete: 5 } })
    await expectOthersRight(lab)
  })

  it('once: the second answer is the listed one', async () => {
    await using lab = await openDays(market)
    const right = { ...lab.series.archive(DAY) }
    swap(
      lab,
      rowsOfDay(lab).map((row) => wrong(row)),
    )
    const stored = lab.series.archive(DAY)
    const swapped = stored.zip
    let served = 0
    Object.defineProperty(stored, 'zip', { get: () => (served++ === 0 ? swapped : right.zip) })
    Object.defineProperty(stored, 'etag', { get: () => (served <= 1 ? 'f'.repeat(32) : right.etag) })
    Object.defineProperty(stored, 'checksum', {
      get: () => (served <= 1 ? checksumOf(swapped, `${lab.series.life.symbol}-1h-${DAY}.zip`) : right.checksum),
    })
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
  })

  it.each([true, false])('and holds the right rows in other bytes: stored and noted (ETag in the answer: %s)', async (etag) => {
    await using lab = await openDays(market)
    const stored = lab.series.archive(DAY)
    const name = `${lab.series.life.symbol}-1h-${DAY}`
    const csv = rowsOfDay(lab)
      .map((row) => `${csvLine(row)}\n`)
      .join('')
    // stored instead of deflated: other bytes and another size
    stored.zip = buildZip([{ name: `${name}.csv`, data: csv, method: 0 }])
    stored.checksum = checksumOf(stored.zip, `${name}.zip`)
    stored.etag = etag ? 'e'.repeat(32) : undefined
    const told = await lab.ingest(...RANGE)
    expect(told).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
    const [row] = queryCatalog<{ evidence: string | null }>(lab.lake, 'select evidence from days where day = ?', DAY)
    expect([row!.evidence ?? '', JSON.stringify(told.notes ?? [])].join(' ')).toMatch(/[a-z]/)
  })

  it.each([true, false])(
    'but its old edition: the day is right at once, and of the new one with the next run (ETag in the answer: %s)',
    async (etag) => {
      await using lab = await openDays(market)
      const right = { ...lab.series.archive(DAY) }
      // the old file was cut, the new one is whole
      swap(lab, rowsOfDay(lab).slice(0, 17), { etag })
      expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0 })
      expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
      Object.assign(lab.series.archive(DAY), { zip: right.zip, checksum: right.checksum, etag: right.etag })
      expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
      expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
      const [row] = queryCatalog<{ archive_etag: string; condition: string; source: string }>(
        lab.lake,
        'select archive_etag, condition, source from days where day = ?',
        DAY,
      )
      expect(row).toMatchObject({ condition: 'complete', source: 'vision-daily' })
      expect(row!.archive_etag).toContain(right.etag)
    },
  )
})

describe.each(MARKETS)('%s: one archive that is refused', (market) => {
  it.each([403, 404, 410])('with %i: the day comes from REST', async (status) => {
    await using lab = await openDays(market)
    lab.series.archive(DAY).refuse = () => ({ status, body: 'no' })
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { complete: 5, provisional: 1 } })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
    expect(lab.condition(DAY)).toBe('provisional')
  })

  it('with its CHECKSUM gone', async () => {
    await using lab = await openDays(market)
    lab.series.archive(DAY).checksum = undefined
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-02', '2024-03-08')).toEqual([])
  })
})
