import { describe, expect, it } from 'vitest'
import { Lab } from '../support/lying-exchange-lake.ts'
import type { Told } from '../support/lying-exchange-lake.ts'
import { DAY_MS, msOf } from '../support/lying-exchange-bars.ts'

/* What is believed of a series' life, and denied by a bar, by an archive or by the grid on which its bars open. */

const from =
  (when: string) =>
  <R extends { openMs: number }>(rows: readonly R[]): R[] =>
    rows.filter(({ openMs }) => openMs >= msOf(when))

function expectHonest({ exit, problems }: Told): void {
  expect({ exit, problems }).toEqual({ exit: 0, problems: [] })
}

describe.each(['spot', 'um', 'cm'] as const)('%s', (market) => {
  it.each([0, 2] as const)('3d bars of phase %i beside hours: the bar in which the first hour opens is the first', async (phaseDays) => {
    for (const first of ['2024-01-10', '2024-01-11', '2024-01-12']) {
      await using lab = await Lab.open({ market, from: `${first}T05:00` })
      const day = msOf(first) / DAY_MS
      const life = { ...lab.series.life, interval: '3d' as const, phaseDays, from: (day - ((day - phaseDays) % 3)) * DAY_MS }
      const three = lab.exchange.series(life)
      lab.series.publish('2024-01-10', '2024-05-31')
      for (const month of ['2024-01', '2024-02', '2024-03', '2024-04']) three.publishMonth(month)
      expectHonest(await lab.ingest('--intervals', '1h,3d'))
      expect(await lab.differences('2024-01-01', '2024-06-01')).toEqual([])
      expect(await lab.differences('2024-01-01', '2024-05-01', three)).toEqual([])
    }
  })

  it('a second life, when days before the first archive are asked for first', async () => {
    await using lab = await Lab.open({ market, from: '2023-01-01T06:00', holes: [['2023-02-10T05:00', '2024-03-01T10:00']] })
    lab.series.publish('2023-01-01', '2023-02-11').publish('2024-03-01', '2024-05-31')
    lab.exchange.klinesLies = [{ kind: 'since', since: '2024-03-01T10:00' }]
    await lab.ingest('--start', '2022-12-01', '--end', '2022-12-20')
    await lab.ingest('--start', '2022-12-01', '--end', '2023-02-10')
    expect(await lab.differences('2022-12-01', '2023-02-10')).toEqual([])
  })

  it('REST once told too late a beginning, and the first archive is cut: it is asked again', async () => {
    await using lab = await Lab.open({ market, from: '2024-02-20' })
    lab.series.publish('2024-03-01', '2024-03-06', from('2024-03-01T03:00'))
    lab.exchange.klinesLies = [{ kind: 'rows', edit: from('2024-03-02T05:00') }]
    await lab.ingest('--start', '2024-02-25', '--end', '2024-02-28')
    lab.exchange.honest()
    for (const flags of [
      ['--end', '2024-03-04'],
      ['--start', '2024-02-25', '--end', '2024-03-06'],
    ])
      expectHonest(await lab.ingest(...flags))
    expect(await lab.differences('2024-02-25', '2024-03-06')).toEqual([])
  })
})

describe.each(['um', 'cm'] as const)('%s', (market) => {
  it('a dated contract without its last archive, which REST did not know once: had when it does', async () => {
    const symbol = market === 'um' ? 'AAAUSDT_240329' : 'AAAUSD_240329'
    await using lab = await Lab.open({ market, symbol, from: '2024-01-05T08:00', until: '2024-03-29T08:00' })
    lab.series.publish('2024-01-05', '2024-03-29')
    lab.exchange.forgotten.set(`${market}/${symbol}`, -1121)
    await lab.ingest()
    lab.exchange.forgotten.clear()
    expectHonest(await lab.ingest())
    expect(await lab.differences('2024-01-05', '2024-06-01')).toEqual([])
  })
})
