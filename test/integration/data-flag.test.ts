import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createFundingWorld, ratesOf } from '../support/funding-exchange.ts'
import { runHere } from '../support/ckvd.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'

/** A world with two months of funding rates of two contracts. */
async function createWorld() {
  const world = await createFundingWorld(NOW)
  const all = ratesOf('2024-01-01', '2024-03-20T13:00:00Z')
  for (const symbol of ['BTCUSDT', 'BTCUSD_PERP']) {
    world.rest.rates.set(symbol, all)
    for (const month of ['2024-01', '2024-02'])
      await world.publish(
        symbol,
        month,
        all.filter(({ ms }) => new Date(ms).toISOString().startsWith(month)),
      )
  }
  world.rest.trading = ['BTCUSDT', 'BTCUSD_PERP']
  await world.relist()
  return world
}

describe('--data', () => {
  test.each([
    [['ingest', 'BTCUSDT', '--market', 'um']],
    [['sync']],
    [['availability']],
    [['coverage']],
    [['verify']],
    [['export', '--out', 'out']],
    [['query', 'SELECT 1', '--from', 'out']],
    [['fetch', 'BTCUSDT', '--market', 'um']],
    [['chart', 'BTCUSDT', '--market', 'um']],
  ])('of %j tells the nearest name of one that is unknown, and names all', async (command) => {
    await using temp = await createTempDirectory()
    const { exit, stderr } = await runHere([...command, '--data', 'fundingrate', '--lake', temp.lake], { cwd: temp.path })
    expect(exit).toBe(2)
    expect(stderr).toContain('Did you mean fundingRate?')
    expect(stderr).toContain('klines, fundingRate')
  })

  test('a column of a universe names data sets for each line; the flag filters it, and what it does not name is of klines', async () => {
    await using world = await createWorld()
    const universe = join(world.lake, '..', 'universe.csv')
    const lines = [
      'market,symbol,earliest_date,available_intervals,dataset',
      'um,BTCUSDT,2024-01-01,,fundingRate',
      'cm,BTCUSD_PERP,2024-01-01,"1m","klines,fundingRate"',
      'spot,ETHUSDT,2024-01-01,"1m",',
    ]
    await writeFile(universe, lines.join('\n'))
    const plan = await world.run('ingest', '--universe', universe, '--start', '2024-01-05', '--dry-run')
    const ofFunding = (await world.run('ingest', '--universe', universe, '--start', '2024-01-05', '--data', 'fundingRate')).told
    expect(plan.told.series).toMatchObject([
      { dataset: 'klines', market: 'spot', symbol: 'ETHUSDT' },
      { dataset: 'fundingRate', market: 'um', symbol: 'BTCUSDT' },
      { dataset: 'klines', market: 'cm', symbol: 'BTCUSD_PERP' },
      { dataset: 'fundingRate', market: 'cm', symbol: 'BTCUSD_PERP' },
    ])
    expect(ofFunding).toMatchObject({ exit: 0, series: 2, problems: [] })
    expect((await world.run('coverage', '--data', 'klines')).exit).toBe(3)
    expect((await world.run('coverage', '--data', 'fundingRate')).told['series']).toHaveLength(2)
    expect((await world.run('coverage', '--data', 'all')).told['series']).toHaveLength(2)
    expect(await world.run('verify', '--data', 'klines')).toMatchObject({ exit: 0, told: { shards: 0 } })
    expect(await world.run('verify', '--data', 'fundingRate')).toMatchObject({ exit: 0, told: { shards: 150, bad: [] } })
    const again = await world.run('sync', '--data', 'fundingRate')
    expect(again).toMatchObject({ exit: 0, told: { stored: 0, series: 2 } })
    expect(await world.run('sync', '--universe', universe, '--data', 'fundingRate')).toMatchObject({
      exit: 0,
      told: { stored: 0, series: 2 },
    })
  })

  test('a line that names a data set which its market has not is told with its place', async () => {
    await using temp = await createTempDirectory()
    const universe = join(temp.path, 'universe.csv')
    await writeFile(universe, 'market,symbol,earliest_date,available_intervals,dataset\nspot,BTCUSDT,2024-01-01,"1m",fundingRates')
    const { exit, stderr } = await runHere(['ingest', '--universe', universe, '--lake', temp.lake])
    expect(exit).toBe(2)
    expect(stderr).toContain('line 2, column 5 (dataset): expected data sets (did you mean fundingRate?), found "fundingRates"')
  })

  test('availability of another data set writes one report, a universe that names it', async () => {
    await using world = await createWorld()
    const out = join(world.lake, '..', 'reports')
    const { exit, told } = await world.run('availability', '--data', 'fundingRate', '--out', out)
    expect(exit).toBe(0)
    expect(told['files']).toEqual([join(out, 'fundingRate_earliest_dates.csv')])
    expect(told['symbols']).toMatchObject([
      { dataset: 'fundingRate', market: 'um', symbol: 'BTCUSDT', first: '2024-01-01', last: '2024-02-29' },
      { dataset: 'fundingRate', market: 'cm', symbol: 'BTCUSD_PERP' },
    ])
    const report = await readFile(join(out, 'fundingRate_earliest_dates.csv'), 'utf8')
    expect(report.split('\n').slice(0, 2)).toEqual([
      'market,symbol,earliest_date,available_intervals,base_symbol,dataset',
      'um,BTCUSDT,2024-01-01,"",BTC,fundingRate',
    ])
    expect(
      await world.run('ingest', '--universe', join(out, 'fundingRate_earliest_dates.csv'), '--start', '2024-02-01', '--end', '2024-03-01'),
    ).toMatchObject({ exit: 0, told: { series: 2, days: { complete: 58 } } })
  })
})
