import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Interval, Market } from '../support/lying-exchange-bars.ts'

/*
 * Against an exchange that says what it knows, by its own rules: every bar is stored, every absence explained, exit 0. The tests of
 * the other `evidence-` files make one thing of it wrong.
 */

const MARKETS: readonly Market[] = ['spot', 'um', 'cm']

describe.each(MARKETS)('an honest exchange, %s', (market) => {
  it.each(['1m', '15m', '4h', '1d'] as const)(
    '%s: archives, a real outage, days after the last archive, today',
    async (interval: Interval) => {
      await using lab = await Lab.open({ market, interval, from: '2024-05-20', holes: [['2024-05-24', '2024-05-26']] })
      lab.series.publish('2024-05-20', '2024-05-30')
      const told = await lab.ingest()
      expect(told).toMatchObject({ exit: 0, problems: [] })
      expect(await lab.differences('2024-05-20', '2024-06-01')).toEqual([])
      expect(lab.conditions().filter((line) => line.includes('outage'))).toHaveLength(2)
      expect(lab.condition('2024-05-31')).toBe('provisional')
    },
  )

  it.each(['3d', '1w', '1M'] as const)('%s: months that are closed', async (interval: Interval) => {
    await using lab = await Lab.open({ market, interval, from: '2023-11-02' }, '2024-06-05T00:00:00Z')
    for (const month of ['2023-11', '2023-12', '2024-01', '2024-02', '2024-03', '2024-04']) lab.series.publishMonth(month)
    const told = await lab.ingest()
    expect(told).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2023-11-01', '2024-05-01')).toEqual([])
    // no slot is missed that the exchange's grid does not have
    expect(
      lab.days().filter(({ day, condition, rows, expected }) => day < '2024-05-01' && (condition !== 'complete' || rows !== expected)),
    ).toEqual([])
  })

  it('a series that ended: nothing is expected after its last bar', async () => {
    await using lab = await Lab.open({ market, from: '2024-03-01T05:00', until: '2024-03-10T07:00' })
    lab.series.publish('2024-03-01', '2024-03-11')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-03-01', '2024-06-01')).toEqual([])
    expect(lab.conditions().at(-1)).toBe('2024-03-10 complete 7/7')
  })

  it('a series that came back after months: the time between is an outage', async () => {
    await using lab = await Lab.open({ market, interval: '4h', from: '2023-08-01', holes: [['2023-09-10T08:00', '2024-05-03T12:00']] })
    lab.series.publish('2023-08-01', '2023-09-11').publish('2024-05-03', '2024-05-31')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2023-08-01', '2024-06-01')).toEqual([])
  })

  it('REST that begins before the archives: the bars before them where they are asked for', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20T09:00' })
    lab.series.publish('2024-03-01', '2024-05-31')
    expect(await lab.ingest()).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.ingest('--start', '2024-02-01')).toMatchObject({ exit: 0, problems: [] })
    expect(await lab.differences('2024-02-01', '2024-06-01')).toEqual([])
  })
})
