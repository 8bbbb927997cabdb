import { readFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import { createFundingWorld, ratesOf, without } from '../support/funding-exchange.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'

const RATES = ratesOf('2024-02-01', '2024-05-10T13:00:00Z')
const RANGE = ['--start', '2024-02-01', '--end', '2024-03-01']
const FILE = 'data/market=um/symbol=BTCUSDT/dataset=fundingRate/year=2024/BTCUSDT-fundingRate-2024'

/** A lake with February, of which one rate is missing everywhere. */
async function createLake() {
  const world = await createFundingWorld('2024-05-10T12:00:00Z')
  const holed = without(RATES, '2024-02-10T08:00Z')
  const february = holed.filter(({ ms }) => ms < Date.parse('2024-03-01'))
  await world.publish('BTCUSDT', '2024-02', february)
  world.rest.rates.set('BTCUSDT', holed)
  await world.relist()
  expect(await world.ingest(...RANGE)).toMatchObject({ exit: 0, told: { days: { complete: 28, outage: 1 } } })
  return { world, february }
}

test('funding rates are exported as CSV, Arrow and Parquet, once; SQL has a view of them', async () => {
  await using temp = await createTempDirectory()
  const { world, february } = await createLake()
  await using owned = world
  for (const format of ['csv', 'arrow', 'parquet']) {
    const out = join(temp.path, format)
    await mkdir(out)
    const args = ['export', '--data', 'fundingRate', '--out', out, '--format', format]
    expect(await owned.run(...args)).toMatchObject({ exit: 0, told: { rows: 86, files: { written: 1, unchanged: 0 } } })
    expect(await owned.run(...args)).toMatchObject({ exit: 0, told: { files: { written: 0, unchanged: 1 } } })
    expect((await listFiles(out)).filter((path) => path.startsWith('data/'))).toEqual([`${FILE}.${format}`])
  }
  const csv = (await readFile(join(temp.path, 'csv', `${FILE}.csv`), 'utf8')).trim().split('\n')
  expect(csv[0]).toBe('funding_time,funding_interval_hours,funding_rate')
  expect(
    csv
      .slice(1)
      .map((line) => line.split(','))
      .map(([time, hours, rate]) => [Date.parse(time ?? ''), Number(hours), Number(rate)]),
  ).toEqual(february.map(({ ms, hours, rate }) => [ms, hours, Number(rate)]))
  const arrow = tableFromIPC(readFileSync(join(temp.path, 'arrow', `${FILE}.arrow`)))
  expect([...(arrow.getChild('funding_rate')?.toArray() as Float64Array)]).toEqual(february.map(({ rate }) => Number(rate)))
  expect(arrow.schema.metadata.get('ckvd.dataset')).toBe('fundingRate')
  const ledger = await readFile(join(temp.path, 'csv', 'coverage.csv'), 'utf8')
  expect(ledger.split('\n').filter((line) => line.includes(',outage,'))).toHaveLength(1)
  const sql = 'SELECT symbol, count(*) AS n, min(funding_rate) AS least FROM um_fundingRate GROUP BY ALL'
  for (const format of ['csv', 'parquet']) {
    const asked = await owned.run('query', sql, '--from', join(temp.path, format))
    expect(JSON.stringify(asked.told)).toContain('BTCUSDT')
    expect(asked.exit).toBe(0)
  }
})

test('an export is of one data set: into one of another nothing is written', async () => {
  await using temp = await createTempDirectory()
  const { world } = await createLake()
  await using owned = world
  const out = join(temp.path, 'out')
  expect(await owned.run('export', '--data', 'fundingRate', '--out', out, '--format', 'csv')).toMatchObject({ exit: 0 })
  expect(await owned.run('export', '--out', out, '--format', 'csv')).toMatchObject({
    exit: 2,
    told: { error: { code: 'CKVD_EXPORT_SELECTION' } },
  })
  expect(await owned.run('export', '--data', 'fundingrate', '--out', out)).toMatchObject({
    exit: 2,
    told: { error: { message: expect.stringContaining('klines, fundingRate') as string } },
  })
})

test('coverage tells of one data set, or of all', async () => {
  const { world } = await createLake()
  await using owned = world
  const series = [{ dataset: 'fundingRate', market: 'um', symbol: 'BTCUSDT', days: { complete: 28, outage: 1 } }]
  expect(await owned.run('coverage')).toMatchObject({ exit: 0, told: { series } })
  expect(await owned.run('coverage', '--data', 'fundingRate', '--symbols', 'BTCUSDT')).toMatchObject({ exit: 0, told: { series } })
  expect(await owned.run('coverage', '--data', 'fundingRate', '--symbols', 'ETHUSDT')).toMatchObject({ exit: 3 })
  expect(await owned.run('coverage', '--data', 'klines')).toMatchObject({ exit: 3, told: { series: [] } })
})
