import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Interval, Market, Row } from '../support/lying-exchange-bars.ts'
import { DAY_MS, endOfBar, lakeCells, msOf, rowAt, slots } from '../support/lying-exchange-bars.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import { queryCatalog } from '../support/temp-lake.ts'

/* What the exchange published is kept, however odd; bars of another interval are refused. */

const MARKETS = ['spot', 'um', 'cm'] as const
const DAY = '2024-03-04'
const RANGE = ['--start', '2024-03-02', '--end', '2024-03-07']

/** Changes one row; the others stay. */
const change =
  (openAt: string, edit: (row: Row) => Row) =>
  (rows: readonly Row[]): Row[] =>
    rows.map((row) => (row.openMs === msOf(openAt) ? edit(row) : row))

/** `ckvd.odd_close` and the like of a day's shard. */
async function metadataOf(lab: Lab, day: string): Promise<ReadonlyMap<string, string>> {
  const chunk = (await readStoredChunks(lab.lake)).find((one) => one.day === day)
  if (chunk === undefined) throw new Error(`no shard of ${day}`)
  return chunk.metadata
}

/** Twelve months, of which the last closes before `--end 2024-02-01`. */
const YEAR = [
  '2023-02',
  '2023-03',
  '2023-04',
  '2023-05',
  '2023-06',
  '2023-07',
  '2023-08',
  '2023-09',
  '2023-10',
  '2023-11',
  '2023-12',
  '2024-01',
]

describe.each(MARKETS)('%s: an odd close time', (market) => {
  const odd: readonly [string, Interval, (row: Row) => Row][] = [
    ['before its open', '15m', (row) => ({ ...row, closeMs: row.openMs - 60_000 })],
    ['early', '15m', (row) => ({ ...row, closeMs: row.closeMs - 30_000 })],
    ['late', '15m', (row) => ({ ...row, closeMs: row.closeMs + 1 })],
    ['at its open', '1m', (row) => ({ ...row, closeMs: row.openMs })],
    ['before its open', '4h', (row) => ({ ...row, closeMs: row.openMs - 1 })],
  ]

  it.each(odd)('%s, of %s: the bar is kept and counted', async (_, interval, edit) => {
    await using lab = await Lab.open({ market, interval, from: '2024-02-20' })
    const apply = change(`${DAY}T16:00`, edit)
    lab.series.publish('2024-02-20', '2024-03-10', apply)
    lab.exchange.klinesLies = [{ kind: 'rows', edit: apply }]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [], days: { complete: 5 } })
    const at = msOf(`${DAY}T16:00`)
    expect((await lab.bars()).get(at)).toEqual(lakeCells(edit(lab.series.closed(at, at + 1)[0]!)))
    expect((await lab.differences('2024-03-02', '2024-03-07')).filter((one) => one !== `altered ${DAY}T16:00`)).toEqual([])
    const counted = queryCatalog<{ odd_close: number }>(lab.lake, 'select odd_close from days where day = ?', DAY)
    expect(counted).toEqual([{ odd_close: 1 }])
    expect((await metadataOf(lab, DAY)).get('ckvd.odd_close')).toBe('1')
  })

  it('in a monthly archive, in a bar of REST, and in the bar before an outage', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20', holes: [['2024-03-10T05:00', '2024-03-10T07:00']] })
    const early = (row: Row): Row => ({ ...row, closeMs: row.closeMs - 1_234_000 })
    const apply = (rows: readonly Row[]): Row[] => change('2024-04-03T09:00', early)(change('2024-03-10T04:00', early)(rows))
    lab.series.publishMonth('2024-03', apply)
    lab.exchange.klinesLies = [{ kind: 'rows', edit: apply }]
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-04-05')).toMatchObject({ exit: 0, problems: [], days: { outage: 1 } })
    const counted = queryCatalog<{ day: string }>(lab.lake, 'select day from days where odd_close = 1 order by day')
    expect(counted).toEqual([{ day: '2024-03-10' }, { day: '2024-04-03' }])
    expect(await lab.differences('2024-03-01', '2024-04-05')).toEqual(['altered 2024-03-10T04:00', 'altered 2024-04-03T09:00'])
  })
})

describe.each(MARKETS)("%s: a bar that breaks a bar's own rules", (market) => {
  const broken: readonly [string, (row: Row) => Row][] = [
    ['high below close', (row) => ({ ...row, high: (Number(row.low) - 1).toFixed(2) })],
    ['low above open', (row) => ({ ...row, low: (Number(row.high) + 1).toFixed(2) })],
    ['a negative volume', (row) => ({ ...row, volume: '-1' })],
  ]

  it.each(broken)('%s, in both sources: kept and counted', async (_, edit) => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    const apply = change(`${DAY}T14:00`, edit)
    lab.series.publish('2024-02-20', '2024-03-10', apply)
    lab.exchange.klinesLies = [{ kind: 'rows', edit: apply }]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, problems: [], days: { complete: 5 } })
    expect(queryCatalog(lab.lake, 'select rows, odd_rows from days where day = ?', DAY)).toEqual([{ rows: 24, odd_rows: 1 }])
    expect((await metadataOf(lab, DAY)).get('ckvd.odd_rows')).toBe('1')
    const at = msOf(`${DAY}T14:00`)
    expect((await lab.bars()).get(at)).toEqual(lakeCells(edit(lab.series.closed(at, at + 1)[0]!)))
  })

  it.each(broken)('%s, in the archive alone: never stored without a word', async (_, edit) => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10', change(`${DAY}T14:00`, edit))
    const told = await lab.ingest(...RANGE)
    if (told.exit === 0) expect(await lab.differences('2024-03-02', '2024-03-07')).toEqual([])
    else expect(told.problems.map(({ day }) => day)).toEqual([DAY])
  })
})

describe.each(MARKETS)("%s: an archive that holds another interval's bars", (market) => {
  const mixed: readonly [Interval, Interval][] = [
    ['5m', '1m'],
    ['1h', '30m'],
    ['1m', '5m'],
    ['1h', '4h'],
    ['15m', '5m'],
    ['4h', '1h'],
  ]
  const rowsOfOther = (lab: Lab, other: Interval): Row[] =>
    [...slots(other, msOf(DAY), msOf(DAY) + DAY_MS)].map((ms) => rowAt({ ...lab.series.life, interval: other }, ms))

  it.each(mixed)('%s, bars of %s: a content error, and the day from REST', async (interval, other) => {
    await using lab = await Lab.open({ market, interval, from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10').publish(DAY, '2024-03-05', () => rowsOfOther(lab, other))
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 0, days: { complete: 4, provisional: 1 } })
    expect(await lab.differences('2024-03-02', '2024-03-07')).toEqual([])
  })

  it('and REST is off: refused, and the message says what to look at', async () => {
    await using lab = await Lab.open({ market, interval: '5m', from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10').publish(DAY, '2024-03-05', () => rowsOfOther(lab, '1m'))
    const told = await lab.ingest(...RANGE, '--no-rest')
    expect(told).toMatchObject({ exit: 3, problems: [{ day: DAY }] })
    expect(told.problems[0]!.message).toContain('--intervals')
    expect((await lab.bars()).size).toBe(4 * 288)
  })

  it('an answer of REST that holds them is refused too', async () => {
    await using lab = await Lab.open({ market, interval: '5m', from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10').unpublish(DAY)
    lab.exchange.klinesLies = [{ kind: 'rows', edit: () => rowsOfOther(lab, '1m').slice(0, 400) }]
    expect(await lab.ingest(...RANGE)).toMatchObject({ exit: 3, days: { complete: 4 } })
    expect((await lab.differences('2024-03-02', '2024-03-07')).filter((one) => !one.startsWith(`missing ${DAY}`))).toEqual([])
  })
})

describe('an odd row of REST', () => {
  it.each<[string, (cells: unknown[]) => unknown[], RegExp]>([
    ['a price that is no number', (cells) => cells.with(2, 'abc'), /high.*abc|abc.*high/s],
    ['an open time that is no integer', (cells) => cells.with(0, 'soon'), /open.?time.*soon|soon.*open.?time/is],
    ['a count below zero', (cells) => cells.with(8, -5), /count.*-5|-5.*count/s],
    ['eleven cells', (cells) => cells.slice(0, 11), /11|eleven/],
  ])('%s: the field and its value are named', async (_, edit, words) => {
    await using lab = await Lab.open({ from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10').unpublish(DAY)
    lab.exchange.klinesLies = [
      {
        kind: 'rows',
        edit: (rows) =>
          rows.map((row) =>
            row.openMs === msOf(`${DAY}T07:00`)
              ? edit([
                  row.openMs,
                  row.open,
                  row.high,
                  row.low,
                  row.close,
                  row.volume,
                  row.closeMs,
                  row.quote,
                  row.count,
                  row.taker,
                  row.takerQuote,
                  '0',
                ])
              : row,
          ),
      },
    ]
    const told = await lab.ingest(...RANGE)
    expect(told.exit).toBe(3)
    const text = told.problems.map(({ message }) => message).join('\n')
    expect(text).toMatch(words)
  })
})

describe.each(MARKETS)('%s: the grid of three days', (market) => {
  it.each([0, 1, 2] as const)('with a phase of %i is read from the bars', async (phaseDays) => {
    await using lab = await Lab.open({ market, interval: '3d', from: '2023-02-01', phaseDays }, '2024-03-20T00:00:00Z')
    for (const month of YEAR) lab.series.publishMonth(month)
    expect(await lab.ingest('--end', '2024-02-01')).toMatchObject({ exit: 0, problems: [], days: { complete: 12, outage: 0 } })
    expect(await lab.differences('2023-02-01', '2024-02-01')).toEqual([])
    expect(lab.days().filter(({ rows, expected }) => rows !== expected)).toEqual([])
  })

  it('a month is closed when its last bar is: from REST, before there is an archive', async () => {
    // a bar opens on 2024-01-31 and closes with 2024-02-02
    await using lab = await Lab.open({ market, interval: '3d', from: '2023-11-01' }, '2024-02-02T12:00:00Z')
    lab.series.publishMonth('2023-11').publishMonth('2023-12')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect((await lab.bars()).has(msOf('2024-01-31'))).toBe(false)
    lab.exchange.at('2024-02-03T00:10:00Z')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(lab.conditions().at(-1)).toBe('2024-01-01 provisional 11/11')
    expect(await lab.differences('2023-11-01', '2024-02-01')).toEqual([])
  })

  it.each(['1w', '1M'] as const)('and so is a month of %s', async (interval) => {
    await using lab = await Lab.open({ market, interval, from: '2023-11-01' }, '2024-05-01T00:00:01Z')
    lab.series.publishMonth('2023-11').publishMonth('2023-12').publishMonth('2024-01').publishMonth('2024-02').publishMonth('2024-03')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    // April's week opens on the 29th and closes in May
    const april = lab.series.closed('2024-04-01', '2024-05-01').length
    expect(april).toBe(interval === '1M' ? 1 : 4)
    lab.exchange.at('2024-05-06T00:00:01Z')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2023-11-01', '2024-05-01')).toEqual([])
  })

  it.each([1, 2] as const)('with a phase of %i is what resample makes and checks', async (phaseDays) => {
    await using lab = await Lab.open({ market, interval: '3d', from: '2023-02-01', phaseDays }, '2024-03-20T00:00:00Z')
    const { symbol } = lab.series.life
    const days = lab.exchange.series({ market, symbol, interval: '1d', from: '2023-02-01' })
    const sum = (rows: readonly Row[], key: 'volume' | 'quote' | 'taker' | 'takerQuote', decimals: number): string =>
      rows.reduce((total, row) => total + Number(row[key]), 0).toFixed(decimals)
    const edge = (rows: readonly Row[], key: 'high' | 'low', pick: (...values: number[]) => number): string =>
      pick(...rows.map((row) => Number(row[key]))).toFixed(2)
    const made = lab.series.closed('2023-02-01', '2024-02-01').map((bar): Row => {
      const parts = days.closed(bar.openMs, endOfBar(bar.openMs, '3d'))
      return {
        ...bar,
        open: parts[0]!.open,
        close: parts.at(-1)!.close,
        high: edge(parts, 'high', Math.max),
        low: edge(parts, 'low', Math.min),
        volume: sum(parts, 'volume', 0),
        quote: sum(parts, 'quote', 2),
        count: parts.reduce((total, { count }) => total + count, 0),
        taker: sum(parts, 'taker', 0),
        takerQuote: sum(parts, 'takerQuote', 2),
      }
    })
    for (const month of YEAR) {
      lab.series.publishMonth(month, (rows) => made.filter(({ openMs }) => rows.some((row) => row.openMs === openMs)))
      days.publishMonth(month)
    }
    days.publishMonth('2024-02')
    expect(await lab.ingest('--intervals', '1d,3d', '--end', '2024-02-01')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.ingest('--intervals', '1d', '--end', '2024-03-01')).toMatchObject({ exit: 0, problems: [] })
    const checked = await lab.run([
      'resample',
      symbol,
      '--from',
      '1d',
      '--to',
      '3d',
      '--check',
      '--end',
      '2024-02-01',
      '--lake',
      lab.lake,
      '--json',
    ])
    expect(checked.exit, `${checked.stdout}${checked.stderr}`).toBe(0)
    const bars = await lab.run([
      'resample',
      symbol,
      '--from',
      '1d',
      '--to',
      '3d',
      '--end',
      '2024-02-01',
      '--format',
      'csv',
      '--lake',
      lab.lake,
    ])
    const opens = bars.stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => msOf(line.split(',').find((cell) => /^\d{4}-\d\d-\d\dT/.test(cell))!))
    expect(opens.filter((ms) => (ms / DAY_MS) % 3 !== phaseDays)).toEqual([])
    expect(opens.length).toBeGreaterThan(100)
  })
})

describe.each(MARKETS)('%s: a bar that stands in the archive of another month', (market: Market) => {
  const months = (lab: Lab): void => {
    // the first week opens in February and stands in March's file
    lab.series
      .publishMonth('2024-03', (rows) => [...lab.series.closed('2024-02-26', '2024-03-01'), ...rows])
      .publishMonth('2024-04')
      .publishMonth('2024-05')
  }

  it.each([
    ['REST on', []],
    ['REST off', ['--no-rest']],
  ])('the first week of a series, in the file of the month after (%s)', async (_, flags) => {
    await using lab = await Lab.open({ market, interval: '1w', from: '2024-02-26' }, '2024-06-05T00:00:00Z')
    months(lab)
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    expect((await lab.bars()).size).toBe(14)
    expect(await lab.differences('2024-02-01', '2024-06-01')).toEqual([])
  })

  it('the last three days of a month, in the file of the month after and in none of its own', async () => {
    await using lab = await Lab.open({ market, interval: '3d', from: '2024-01-01' }, '2024-06-05T00:00:00Z')
    const last = lab.series.closed('2024-03-31', '2024-04-01')
    expect(last).toHaveLength(1)
    lab.series.publishMonth('2024-01').publishMonth('2024-02')
    lab.series.publishMonth('2024-03', (rows) => rows.slice(0, -1))
    lab.series.publishMonth('2024-04', (rows) => [...last, ...rows])
    lab.series.publishMonth('2024-05')
    expect(await lab.ingest('--end', '2024-05-01')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-01-01', '2024-05-01')).toEqual([])
  })
})
