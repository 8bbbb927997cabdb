import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Rate } from '../support/funding-exchange.ts'
import { createFundingWorld, ratesOf, without } from '../support/funding-exchange.ts'
import { runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { SHARED } from '../support/shared.ts'
import { createTempDirectory, listFiles, queryCatalog } from '../support/temp-lake.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

const NOW = '2024-05-10T12:00:00Z'
const MONTHS = ['2024-01', '2024-02', '2024-03', '2024-04']
const ALL = ratesOf('2024-01-01', '2024-05-10T13:00:00Z')
const PACK = 'data/futures/um/yearly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024.arrow'

const inMonth = (rates: readonly Rate[], month: string): Rate[] => rates.filter(({ ms }) => new Date(ms).toISOString().startsWith(month))

/** A world whose archives and whose REST have some rates, by default those of a whole contract. */
async function createWorld(o: { archived?: readonly Rate[]; rest?: readonly Rate[]; months?: readonly string[] } = {}) {
  const world = await createFundingWorld(NOW)
  for (const month of o.months ?? MONTHS) await world.publish('BTCUSDT', month, inMonth(o.archived ?? ALL, month))
  world.rest.rates.set('BTCUSDT', o.rest ?? ALL)
  await world.relist()
  return world
}

const dayOf = (lake: string, day: string) =>
  queryCatalog(lake, `SELECT day, condition, source, rows, expected FROM all_days WHERE day = '${day}'`)[0]

describe('funding rates of a contract', () => {
  test('are ingested into a pack of a year, whose rows are those of archives and REST, and asked for no more', async () => {
    await using world = await createWorld()
    const first = await world.ingest()
    expect(first).toMatchObject({ exit: 0, told: { series: 1, days: { complete: 121, provisional: 9 }, rows: 390, problems: [] } })
    expect(await listFiles(join(world.lake, 'data'))).toEqual([PACK.slice('data/'.length)])
    const table = tableFromIPC(readFileSync(join(world.lake, PACK)))
    expect(table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`)).toEqual([
      'funding_time Timestamp<MICROSECOND, UTC>',
      'funding_interval_hours Int64',
      'funding_rate Float64',
    ])
    expect(table.schema.metadata.get('ckvd.dataset')).toBe('fundingRate')
    const closed = ALL.filter(({ ms }) => ms < Date.parse('2024-05-10'))
    expect([...(table.getChild('funding_time')?.data[0]?.values as BigInt64Array)]).toEqual(closed.map(({ ms }) => BigInt(ms) * 1000n))
    expect([...(table.getChild('funding_rate')?.toArray() as Float64Array)]).toEqual(closed.map(({ rate }) => Number(rate)))
    const before = world.requests()
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { stored: 0, skipped: 130 } })
    expect(world.requests() - before).toBe(0)
    const covered = await world.run('coverage')
    expect(covered).toMatchObject({ exit: 0, told: { series: [{ dataset: 'fundingRate', days: { complete: 121, provisional: 9 } }] } })
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 130, bad: [], foreign: [] } })
    const known = queryCatalog(world.lake, 'SELECT day, condition, source, rows, archive_key, shard_sha256 FROM all_days ORDER BY day')
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { adopted: 130, bad: [], foreign: [] } })
    expect(queryCatalog(world.lake, 'SELECT day, condition, source, rows, archive_key, shard_sha256 FROM all_days ORDER BY day')).toEqual(
      known,
    )
  })

  test('a month that is published late replaces what REST gave', async () => {
    await using world = await createWorld({ months: MONTHS.slice(0, 3) })
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { days: { complete: 91, provisional: 39 } } })
    await world.publish('BTCUSDT', '2024-04', inMonth(ALL, '2024-04'))
    await world.relist()
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { days: { complete: 121, provisional: 9 }, upgraded: 30 } })
    expect(dayOf(world.lake, '2024-04-20')).toMatchObject({ condition: 'complete', source: 'vision-monthly', rows: 3 })
  })

  test('a rate that the archive lacks comes from REST; one that both lack is an outage with its witnesses', async () => {
    const archived = without(ALL, '2024-02-10T08:00Z', '2024-02-20T16:00Z', '2024-02-21T00:00Z')
    await using world = await createWorld({ archived, rest: without(ALL, '2024-02-20T16:00Z', '2024-02-21T00:00Z') })
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { days: { complete: 119, outage: 2, provisional: 9 }, problems: [] } })
    expect(dayOf(world.lake, '2024-02-10')).toMatchObject({ condition: 'complete', source: 'vision-monthly+rest', rows: 3 })
    const at = (text: string): number => Date.parse(text) * 1000
    const evidence = { source: 'rest', before_us: at('2024-02-20T08:00Z'), after_us: at('2024-02-21T08:00Z') }
    const gaps = queryCatalog<{ evidence: string }>(world.lake, 'SELECT start_us, end_us, bars, evidence FROM all_gaps ORDER BY start_us')
    expect(gaps.map(({ evidence: text, ...gap }) => ({ ...gap, evidence: JSON.parse(text) as unknown }))).toEqual([
      { start_us: at('2024-02-20T16:00Z'), end_us: at('2024-02-21'), bars: 1, evidence },
      { start_us: at('2024-02-21'), end_us: at('2024-02-21T08:00Z'), bars: 1, evidence },
    ])
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { bad: [] } })
  })

  test('without REST what the archives lack is partial, and exits 3; with it the same lake is completed', async () => {
    await using world = await createWorld({ archived: without(ALL, '2024-02-10T08:00Z') })
    const range = ['--start', '2024-02-01', '--end', '2024-03-01']
    expect(await world.ingest('--no-rest', ...range)).toMatchObject({
      exit: 3,
      told: { days: { complete: 28, partial: 1 }, problems: [{ dataset: 'fundingRate', day: '2024-02-10', condition: 'partial' }] },
    })
    expect(await world.ingest(...range)).toMatchObject({ exit: 0, told: { days: { complete: 29 }, problems: [] } })
  })

  test('an interval that changes, also at midnight, is no gap: not one request to REST is for it', async () => {
    const changing = [
      ...ratesOf('2024-01-01', '2024-02-05T09:00Z'),
      // every 4 hours from 08:00 on, every hour from 04:00 on, and every 8 from midnight on
      ...ratesOf('2024-02-05T12:00Z', '2024-02-07T05:00Z', 4),
      ...ratesOf('2024-02-07T05:00Z', '2024-02-08T17:00Z', 1),
      ...ratesOf('2024-02-09T00:00Z', '2024-03-01'),
    ]
    await using world = await createWorld({ archived: changing, months: ['2024-01', '2024-02'] })
    expect(await world.ingest('--start', '2024-02-01', '--end', '2024-03-01', '--no-rest')).toMatchObject({
      exit: 0,
      told: { days: { complete: 29 }, problems: [] },
    })
    expect(dayOf(world.lake, '2024-02-08')).toMatchObject({ rows: 17, expected: 17 })
  })

  test('a server that gives fewer rows than asked for is read whole', async () => {
    await using world = await createWorld({ months: ['2024-01'], rest: ALL })
    world.rest.mostRows = 40
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { days: { complete: 31, provisional: 99 } } })
  })

  test('an archive with a cell that is no rate is quarantined, and REST gives its days', async () => {
    const wrong = inMonth(ALL, '2024-03').map((rate, i) => (i === 40 ? { ...rate, rate: '0.0000x' } : rate))
    await using world = await createWorld({ months: ['2024-01', '2024-02', '2024-04'] })
    await world.publish('BTCUSDT', '2024-03', wrong)
    await world.relist()
    expect(await world.ingest()).toMatchObject({ exit: 0, told: { days: { complete: 90, provisional: 40 } } })
    const kept = await listFiles(join(world.lake, 'quarantine'))
    expect(kept.filter((path) => path.endsWith('.reason.json'))).toHaveLength(1)
  })

  test('a damaged chunk is found, and repaired from its archive', async () => {
    await using world = await createWorld()
    await world.ingest()
    const path = join(world.lake, PACK)
    const bytes = readFileSync(path)
    const rate = Buffer.alloc(8)
    rate.writeDoubleLE(Number(inMonth(ALL, '2024-02')[10]?.rate))
    const at = bytes.lastIndexOf(rate)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(path, bytes)
    expect(await world.run('verify')).toMatchObject({ exit: 3, told: { bad: [{ dataset: 'fundingRate', symbol: 'BTCUSDT' }] } })
    expect(await world.run('verify', '--repair')).toMatchObject({ exit: 0 })
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 130, bad: [] } })
  })

  test('REST that denies a rate which is held explains nothing of the gap beside it', async () => {
    const holed = without(ALL, '2024-02-10T08:00Z')
    // it lacks what the archive has, too: 16:00
    await using world = await createWorld({ archived: holed, rest: without(holed, '2024-02-10T16:00Z') })
    const { exit, told } = await world.ingest('--start', '2024-02-01', '--end', '2024-03-01')
    expect([exit, told.days]).toMatchObject([3, { complete: 28, partial: 1 }])
    expect(told.problems).toMatchObject([{ day: '2024-02-10', condition: 'partial' }])
    expect(told.problems[0]?.message).toContain('its answer explains nothing')
  })

  test('sources may tell a rate some milliseconds apart; where they tell another rate the day is disputed', async () => {
    const archived = without(ALL, '2024-02-10T08:00Z')
    const shifted = ALL.map((rate) => ({ ...rate, ms: rate.ms + 5 }))
    const range = ['--start', '2024-02-01', '--end', '2024-03-01']
    {
      await using world = await createWorld({ archived, rest: shifted })
      expect(await world.ingest(...range)).toMatchObject({ exit: 0, told: { days: { complete: 29 } } })
      expect(dayOf(world.lake, '2024-02-10')).toMatchObject({ condition: 'complete', source: 'vision-monthly+rest', rows: 3, expected: 3 })
    }
    await using world = await createWorld({ archived, rest: ALL.map((rate) => ({ ...rate, rate: `${rate.rate}9` })) })
    expect(await world.ingest(...range)).toMatchObject({ exit: 3, told: { days: { complete: 28, disputed: 1 } } })
  })

  test('an answer that is empty explains nothing, and what follows the last rate of a contract that trades is not its end', async () => {
    await using world = await createWorld({ archived: without(ALL, '2024-02-10T08:00Z'), rest: [] })
    const { exit, told } = await world.ingest('--start', '2024-02-01')
    expect(exit).toBe(3)
    expect(told.days).toMatchObject({ complete: 89, pending: 3, partial: 7, outage: 0 })
  })

  test('a contract that has begun and ended is asked for where, and its first and last day are complete', async () => {
    const life = ALL.filter(({ ms }) => ms >= Date.parse('2024-02-10T15:00Z') && ms < Date.parse('2024-03-20T09:00Z'))
    await using world = await createWorld({ archived: life, rest: life, months: ['2024-02', '2024-03'] })
    world.rest.trading = ['ETHUSDT']
    const first = await world.ingest('--start', '2024-01-15')
    expect(first).toMatchObject({ exit: 0, told: { days: { complete: 40, unlisted: 76 }, problems: [] } })
    expect(dayOf(world.lake, '2024-02-10')).toMatchObject({ condition: 'complete', rows: 1, expected: 1 })
    expect(dayOf(world.lake, '2024-03-20')).toMatchObject({ condition: 'complete', rows: 2, expected: 2 })
    expect(await world.ingest('--start', '2024-01-15')).toMatchObject({
      exit: 0,
      told: { stored: 0, days: { complete: 40, unlisted: 76 } },
    })
  })

  test('a beginning that the archives alone told is asked for once REST answers, and days that were cut there are completed', async () => {
    const archived = ALL.filter(({ ms }) => ms >= Date.parse('2024-02-01T15:00Z'))
    await using world = await createWorld({ archived, rest: ALL, months: ['2024-02', '2024-03', '2024-04'] })
    const end = ['--end', '2024-05-01']
    expect(await world.ingest('--no-rest', ...end)).toMatchObject({ exit: 0, told: { days: { complete: 90 } } })
    expect(dayOf(world.lake, '2024-02-01')).toMatchObject({ rows: 1, expected: 1 })
    expect(await world.ingest(...end)).toMatchObject({ exit: 0 })
    expect(dayOf(world.lake, '2024-02-01')).toMatchObject({ condition: 'complete', source: 'vision-monthly+rest', rows: 3, expected: 3 })
  })

  test('a part of a month is taken from its archive, whatever form of archives is asked for', async () => {
    for (const form of ['auto', 'daily', 'monthly']) {
      await using world = await createWorld()
      const ingested = await world.ingest('--start', '2024-02-05', '--end', '2024-02-09', '--archives', form)
      expect([form, ingested]).toMatchObject([form, { exit: 0, told: { days: { complete: 4 }, rows: 12, problems: [] } }])
    }
  })

  test('an ingest that was stopped goes on, and the lake is the same byte for byte as one that was not', async () => {
    await using whole = await createWorld()
    await whole.ingest()
    await using world = await createWorld()
    // as if it had been killed between two files: some months are there, the catalog is lost
    await world.ingest('--start', '2024-02-01', '--end', '2024-04-01')
    await rm(join(world.lake, 'catalog.sqlite'))
    await world.ingest()
    expect(readFileSync(join(world.lake, PACK)).equals(readFileSync(join(whole.lake, PACK)))).toBe(true)
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 130, bad: [], foreign: [] } })
  })

  test('COIN-M contracts have theirs, too', async () => {
    await using world = await createFundingWorld(NOW)
    for (const month of MONTHS) await world.publish('BTCUSD_PERP', month, inMonth(ALL, month))
    world.rest.rates.set('BTCUSD_PERP', ALL)
    await world.relist()
    expect(await world.ingestOf('cm', 'BTCUSD_PERP')).toMatchObject({ exit: 0, told: { days: { complete: 121, provisional: 9 } } })
    const paths = new Set(world.rest.asked.map(({ pathname }) => pathname))
    expect([...paths].every((path) => path.startsWith('/dapi/v1/'))).toBe(true)
  })

  test('beside klines of the same symbol nothing of theirs is touched', async () => {
    await using world = await createWorld()
    const both = await world.ingest('--start', '2024-02-01', '--end', '2024-03-01', '--data', 'klines,fundingRate', '--intervals', '1h')
    // REST has no klines here: that they fail is told of them alone
    expect(both.told.problems.every(({ dataset }) => dataset === 'klines')).toBe(true)
    expect(
      queryCatalog(world.lake, "SELECT count(*) AS days FROM all_days WHERE dataset = 'fundingRate' AND condition = 'complete'"),
    ).toEqual([{ days: 29 }])
    expect(queryCatalog(world.lake, 'SELECT * FROM beginnings')).toEqual([])
  })

  test('a market or a contract that has none is refused, and told as unknown', async () => {
    await using world = await createWorld()
    const spot = await world.ingestOf('spot', 'BTCUSDT')
    expect(spot).toMatchObject({ exit: 2, told: { error: { message: expect.stringContaining('fundingRate: um, cm') as string } } })
    world.rest.rates.set('NEWUSDT', [])
    for (const symbol of ['NOSUCHUSDT', 'NEWUSDT'])
      expect(await world.ingestOf('um', symbol)).toMatchObject({
        exit: 3,
        told: { problems: [{ dataset: 'fundingRate', symbol, code: 'CKVD_UNKNOWN_SYMBOL' }] },
      })
  })
})

test.skipIf(SHARED === undefined)('the real archive of a month is stored whole, with the times and rates that it has', async () => {
  await using temp = await createTempDirectory()
  const archive = join(SHARED ?? '', 'vision')
  await using exchange = await startExchange('2026-05-03T10:00:00Z', { archive })
  const args = ['ingest', '--universe', '-', '--market', 'um', '--data', 'fundingRate', '--end', '2026-05-01']
  const { exit, stdout } = await runHere([...args, '--lake', temp.lake, '--json'], { env: exchange.env, stdin: 'BTCUSDT\n' })
  expect([exit, JSON.parse(stdout)]).toMatchObject([0, { days: { complete: 30 }, rows: 90, requests: { archive: 1 } }])
  const key = 'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.zip'
  const lines = readFirstEntry(readFileSync(join(archive, key)))
    .toString()
    .trim()
    .split('\n')
    .slice(1)
  const table = tableFromIPC(readFileSync(join(temp.lake, PACK.replace('2024', '2026'))))
  const rows = table.toArray() as { funding_interval_hours: bigint; funding_rate: number }[]
  const times = table.getChild('funding_time')?.data[0]?.values as BigInt64Array
  const stored = rows.map((row, i) => `${Number(times[i]) / 1000},${row.funding_interval_hours},${row.funding_rate}`)
  expect(stored).toEqual(lines.map((line) => line.split(',').map(Number).join(',')))
})
