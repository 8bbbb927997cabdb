import { describe, expect, it } from 'vitest'
import type { Life } from '../support/lying-exchange-bars.ts'
import { Lab } from '../support/lying-exchange-lake.ts'

/* What an honest exchange is asked, to the request: two for a beginning, and for an end what its market's ranges need. */

const MARKETS = ['spot', 'um', 'cm'] as const

interface Cost {
  readonly klines: number
  readonly exchangeInfo: number
}

/** Requests of a new lake's first run, and of the same command again. */
async function costOf(life: Partial<Life> & Pick<Life, 'from'>, to: string, ...flags: string[]): Promise<Cost[]> {
  await using lab = await Lab.open(life)
  lab.series.publish(String(life.from).slice(0, 10), to)
  const costs: Cost[] = []
  for (let run = 0; run < 2; run++) {
    const before = [lab.exchange.count('klines'), lab.exchange.count('exchangeInfo')] as const
    expect(await lab.ingest(...flags)).toMatchObject({ exit: 0, problems: [] })
    costs.push({ klines: lab.exchange.count('klines') - before[0], exchangeInfo: lab.exchange.count('exchangeInfo') - before[1] })
  }
  expect(await lab.differences(life.from, '2024-06-01')).toEqual([])
  return costs
}

const FREE = { klines: 0, exchangeInfo: 0 }

describe.each(MARKETS)('%s', (market) => {
  it('a symbol that begins with the first slot of its first archive: nothing', async () => {
    expect(await costOf({ market, from: '2024-02-20' }, '2024-06-01')).toEqual([FREE, FREE])
  })

  it('a symbol that begins in mid-day: two requests, once', async () => {
    expect(await costOf({ market, from: '2024-02-20T05:00' }, '2024-06-01')).toEqual([{ klines: 2, exchangeInfo: 0 }, FREE])
  })

  it('a symbol that has ended in mid-day as well', async () => {
    const costs = await costOf({ market, from: '2024-02-20T05:00', until: '2024-03-10T07:00' }, '2024-03-11')
    // of COIN-M, whose ranges are bounded, three for each window of silence
    expect(costs).toEqual([
      { klines: market === 'cm' ? 7 : 4, exchangeInfo: 1 },
      { klines: 0, exchangeInfo: 1 },
    ])
  })
})

describe.each(['um', 'cm'] as const)('%s', (market) => {
  it('a contract whose date has come: nothing is asked of its end', async () => {
    const symbol = market === 'cm' ? 'AAAUSD_230310' : 'AAAUSDT_230310'
    const life = { market, symbol, from: '2022-11-20T05:00', until: '2023-03-10T08:00' }
    expect(await costOf(life, '2023-03-11')).toEqual([{ klines: 2, exchangeInfo: 0 }, FREE])
  })
})
