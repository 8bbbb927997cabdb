import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Interval, Market } from '../support/lying-exchange-bars.ts'
import { msOf } from '../support/lying-exchange-bars.ts'
import { bytesOf, readStoredChunks } from '../support/stored-chunk.ts'

/* A gap is explained when one page holds the bar before it and the bar after it. An empty answer proves nothing. */

interface ShardGap {
  readonly start_us: number
  readonly end_us: number
  readonly bars: number
  readonly source: string
  readonly before_us: number
  readonly after_us: number
}

/** The gaps that a lake's shards tell, in order of their start. */
async function gapsOf(lab: Lab): Promise<ShardGap[]> {
  const chunks = await readStoredChunks(lab.lake)
  const gaps = chunks.flatMap(({ metadata }) => JSON.parse(metadata.get('ckvd.gaps')!) as ShardGap[])
  return gaps.sort((a, b) => Number(a.start_us) - Number(b.start_us))
}

const cutOut =
  (from: string, to: string) =>
  <R extends { openMs: number }>(rows: readonly R[]): R[] =>
    rows.filter(({ openMs }) => openMs < msOf(from) || openMs >= msOf(to))

describe.each(['spot', 'um', 'cm'] as const)('%s: `[]` proves nothing', (market: Market) => {
  it.each(['1m', '5m', '1h'] as const)('about a hole in an archive of %s; the day heals by itself', async (interval: Interval) => {
    await using lab = await Lab.open({ market, interval, from: '2024-03-01' })
    lab.series.publish('2024-03-01', '2024-03-04', cutOut('2024-03-02T10:00', '2024-03-02T13:00'))
    lab.exchange.klinesLies = [{ kind: 'empty' }]
    const range = ['--start', '2024-03-01', '--end', '2024-03-04']
    const told = await lab.ingest(...range)
    expect(told).toMatchObject({ exit: 3, days: { partial: 1, outage: 0 } })
    expect(told.problems.map(({ day, condition }) => [day, condition])).toEqual([['2024-03-02', 'partial']])
    lab.exchange.honest()
    expect(await lab.ingest(...range)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-04')).toEqual([])
  })

  it.each([
    ['the last asked day, cut at 07:00', '2024-03-03T07:00', '2024-03-04'],
    ['the first asked day, cut before 21:00', '2024-03-01', '2024-03-01T21:00'],
    ['a whole day in the middle', '2024-03-02', '2024-03-03'],
  ])('about %s', async (_, from, to) => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publish('2024-02-20', '2024-03-10', (rows) => cutOut(from, to)(rows))
    if (to === '2024-03-03') lab.series.unpublish('2024-03-02')
    lab.exchange.klinesLies = [{ kind: 'empty' }]
    const range = ['--start', '2024-03-01', '--end', '2024-03-04']
    expect(await lab.ingest(...range)).toMatchObject({ exit: 3, days: { complete: 2, partial: 1 } })
    lab.exchange.honest()
    expect(await lab.ingest(...range)).toMatchObject({ exit: 0, days: { outage: 0, unlisted: 0 } })
    expect(await lab.differences('2024-03-01', '2024-03-04')).toEqual([])
  })

  it('about the days after the last archive', async () => {
    await using lab = await Lab.open({ market, from: '2024-03-01' }, '2024-03-20T00:00:00Z')
    lab.series.publish('2024-03-01', '2024-03-04')
    lab.exchange.klinesLies = [{ kind: 'empty' }]
    const told = await lab.ingest()
    // days under three days old may still come: pending; the others are not
    expect(told).toMatchObject({ exit: 3, days: { complete: 3, unlisted: 0, outage: 0 } })
    expect(told.days['partial']! + told.days['pending']!).toBe(16)
    expect(told.days['partial']).toBeGreaterThanOrEqual(13)
    lab.exchange.honest()
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-03-20')).toEqual([])
  })

  it.each([0, 1, 2, 3])('given once, as answer %i: never an outage, never a lost bar', async (turn) => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publish('2024-03-01', '2024-03-08', (rows) => cutOut('2024-03-03T10:00', '2024-03-05T13:00')(rows)).unpublish('2024-03-04')
    lab.exchange.klinesLies = [{ kind: 'empty', when: ({ index }) => index === turn }]
    const range = ['--start', '2024-02-27', '--end', '2024-03-10']
    const told = await lab.ingest(...range)
    if (told.exit === 0) expect(await lab.differences('2024-02-27', '2024-03-10')).toEqual([])
    else expect(told.exit).toBe(3)
    expect(told.days).toMatchObject({ outage: 0, unlisted: 0 })
    lab.exchange.honest()
    expect(await lab.ingest(...range)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-02-27', '2024-03-10')).toEqual([])
  })

  it('from some answer on', async () => {
    await using lab = await Lab.open({ market, interval: '1m', from: '2024-02-28' })
    lab.series.publish('2024-02-28', '2024-03-02').publish('2024-03-05', '2024-03-08')
    lab.exchange.klinesLies = [{ kind: 'empty', when: ({ index }) => index >= 2 }]
    const range = ['--start', '2024-02-28', '--end', '2024-03-08']
    expect(await lab.ingest(...range)).toMatchObject({ exit: 3, days: { outage: 0, unlisted: 0 } })
    lab.exchange.honest()
    expect(await lab.ingest(...range)).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-02-28', '2024-03-08')).toEqual([])
  })
})

describe.each(['spot', 'um', 'cm'] as const)('%s: a real outage', (market: Market) => {
  it('is told with its witnesses, wherever the asked range ends', async () => {
    const gap = { from: '2024-03-03T20:00', to: '2024-03-05T04:00' }
    const stored: unknown[][] = []
    for (const range of [
      ['--start', '2024-03-03', '--end', '2024-03-06'],
      ['--start', '2024-02-25', '--end', '2024-03-20'],
    ]) {
      await using lab = await Lab.open({ market, from: '2024-02-20', holes: [[gap.from, gap.to]] })
      lab.series.publish('2024-02-20', '2024-04-01')
      expect(await lab.ingest(...range)).toMatchObject({ exit: 0, days: { outage: 3 } })
      const gaps = await gapsOf(lab)
      for (const one of gaps) {
        expect(Number(one.before_us)).toBe(msOf('2024-03-03T19:00') * 1000)
        expect(Number(one.after_us)).toBe(msOf(gap.to) * 1000)
        expect(one.source).toMatch(/rest/)
      }
      expect(gaps.map(({ bars }) => bars)).toEqual([4, 4])
      const chunks = (await readStoredChunks(lab.lake)).filter(({ day }) => /^2024-03-0[345]$/.test(day))
      stored.push(chunks.map((chunk) => [Object.fromEntries(chunk.metadata), bytesOf(chunk).toString('base64')]))
    }
    // what is stored of a day depends on what happened, not on what was asked; the day between has no bar
    expect(stored[0]).toHaveLength(2)
    expect(stored[0]).toEqual(stored[1])
  })

  it.each([
    ['the only asked day, whose beginning was down', '2024-03-04T20:00', '2024-03-05T04:00', 'outage 20/24'],
    ['the only asked day, whose end was down', '2024-03-05T20:00', '2024-03-06T04:00', 'outage 20/24'],
    ['the only asked day, which was down', '2024-03-04T20:00', '2024-03-06T04:00', 'outage 0/24'],
  ])('%s', async (_, from, to, said) => {
    await using lab = await Lab.open({ market, from: '2024-02-20', holes: [[from, to]] })
    lab.series.publish('2024-02-20', '2024-04-01')
    expect(await lab.ingest('--start', '2024-03-05', '--end', '2024-03-06')).toMatchObject({ exit: 0, days: { outage: 1 } })
    expect(lab.conditions()).toEqual([`2024-03-05 ${said}`])
  })

  it('of more than 200 days', async () => {
    await using lab = await Lab.open({ market, interval: '1d', from: '2022-01-01', holes: [['2022-03-01', '2023-09-15']] })
    lab.series.publish('2022-01-01', '2022-03-01').publish('2023-09-15', '2024-05-31')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [], days: { outage: 563, partial: 0 } })
    expect(await lab.differences('2022-01-01', '2024-06-01')).toEqual([])
  })

  it('that REST tells in answers without the bar after it is not explained', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20', holes: [['2024-03-03T20:00', '2024-03-04T04:00']] })
    lab.series.publish('2024-02-20', '2024-04-01')
    // one that never shows what is after the hole
    lab.exchange.klinesLies = [{ kind: 'lag', since: '2024-03-03T20:00' }]
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-10')).toMatchObject({ exit: 3, days: { outage: 0, complete: 7 } })
    lab.exchange.honest()
    expect(await lab.ingest('--start', '2024-03-01', '--end', '2024-03-10')).toMatchObject({ exit: 0, days: { outage: 2, partial: 0 } })
  })
})

describe('REST that cannot be asked', () => {
  it.each([
    ['--no-rest', ['--no-rest'], false],
    ['451', [], true],
  ] as const)('%s: a hole is partial, the days after the last archive are pending while they are young', async (_, flags, refused) => {
    await using lab = await Lab.open({ market: 'um', from: '2024-05-20' })
    lab.series.publish('2024-05-20', '2024-05-29', (rows) => cutOut('2024-05-22T10:00', '2024-05-22T13:00')(rows))
    if (refused) lab.exchange.refused.add('um')
    const told = await lab.ingest(...flags)
    expect(told).toMatchObject({ exit: 3, days: { complete: 8, partial: 1, pending: 3, outage: 0, unlisted: 0 } })
    lab.exchange.honest()
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-05-20', '2024-06-01')).toEqual([])
  })
})
