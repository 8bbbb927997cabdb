import { describe, expect, test } from 'vitest'
import { ingestResult, jsonOf } from '../support/ckvd.ts'
import { library } from '../support/library.ts'
import { createTickWorld } from '../support/ticks.ts'
import { buildArchive } from '../support/zip-builder.ts'

const NOW = '2024-06-01T12:00:00Z'
const DAY = '2024-03-01'
const START_MS = Date.parse(`${DAY}T00:00:00Z`)

/** A trade in whole ticks of 0.01 and whole units of 0.001. */
interface Trade {
  readonly id: number
  readonly minute: number
  readonly ms: number
  readonly tick: number
  readonly units: number
  readonly maker: boolean
}

/** 0 to 4 trades a minute, none in each seventh one; several of one time. */
const TRADES: readonly Trade[] = Array.from({ length: 1440 }, (_none, minute) => {
  const count = minute % 7 === 3 ? 0 : 1 + (minute % 4)
  return Array.from({ length: count }, (_other, i): Omit<Trade, 'id'> => {
    const seed = minute * 31 + i * 17
    return {
      minute,
      ms: Math.floor(i / 2) * 20_000,
      tick: 1_000_000 + ((seed * 7919) % 5003),
      units: 1 + ((seed * 104_729) % 99_991),
      maker: seed % 3 === 0,
    }
  })
})
  .flat()
  .map((trade, i) => ({ id: 5_000_000 + i, ...trade }))

const decimal = (value: number | bigint, places: number): string => {
  const text = String(value).padStart(places + 1, '0')
  return `${text.slice(0, -places)}.${text.slice(-places)}`
}

function tradesCsv(trades: readonly Trade[]): string {
  const lines = trades.map(({ id, minute, ms, tick, units, maker }) =>
    [
      id,
      decimal(tick, 2),
      decimal(units, 3),
      decimal(BigInt(tick) * BigInt(units), 5),
      START_MS + minute * 60_000 + ms,
      maker ? 'True' : 'False',
      'True',
    ].join(','),
  )
  return `${lines.join('\n')}\n`
}

/** The bar of a minute in whole numbers; of one without a trade a flat one at the last price. */
function klinesCsv(change: (cells: string[], minute: number) => string[] = (cells) => cells): string {
  let last = 1_000_000
  const lines = Array.from({ length: 1440 }, (_none, minute) => {
    const own = TRADES.filter((trade) => trade.minute === minute)
    const ticks = own.length === 0 ? [last] : own.map(({ tick }) => tick)
    last = ticks.at(-1) ?? last
    const sum = (of: readonly Trade[], value: (trade: Trade) => bigint): bigint => of.reduce((total, trade) => total + value(trade), 0n)
    const [units, quote] = [({ units }: Trade) => BigInt(units), ({ tick, units }: Trade) => BigInt(tick) * BigInt(units)]
    const takers = own.filter(({ maker }) => !maker)
    const openMs = START_MS + minute * 60_000
    return change(
      [
        String(openMs),
        ...[ticks[0], Math.max(...ticks), Math.min(...ticks), ticks.at(-1)].map((tick) => decimal(tick ?? 0, 2)),
        decimal(sum(own, units), 3),
        String(openMs + 59_999),
        decimal(sum(own, quote), 5),
        String(own.length),
        decimal(sum(takers, units), 3),
        decimal(sum(takers, quote), 5),
        '0',
      ],
      minute,
    ).join(',')
  })
  return `${lines.join('\n')}\n`
}

async function createWorld(o: { trades?: readonly Trade[]; klines?: string } = {}) {
  const world = await createTickWorld(NOW)
  const bars = buildArchive(`BTCUSDT-1m-${DAY}`, o.klines ?? klinesCsv())
  await world.put(`data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-${DAY}.zip`, bars.zip, bars.checksum)
  await world.publish('spot', 'trades', 'BTCUSDT', DAY, tradesCsv(o.trades ?? TRADES))
  const range = ['--start', DAY, '--end', '2024-03-02']
  const ingested = ingestResult(
    await world.run('ingest', 'BTCUSDT', '--data', 'klines,trades', '--intervals', '1m', ...range, '--no-rest', '--json', '--quiet'),
  )
  return {
    ...world,
    ingested,
    prove: async (...args: string[]) => {
      const result = await world.run('prove', 'BTCUSDT', ...range, '--json', ...args)
      return {
        exit: result.exit,
        told: jsonOf(result) as {
          series: { days: { outcome: string; bars: number; differences: Record<string, unknown>[]; reason: string | null }[] }[]
        },
      }
    },
    evidence: () => world.days().map(({ evidence }) => evidence),
  }
}

describe('bars that are proved by their trades', () => {
  test('each of a day: the command says so, and the evidence of the day', async () => {
    await using world = await createWorld()
    expect(world.ingested).toMatchObject({ exit: 0, days: { complete: 2 } })
    expect(await world.prove()).toMatchObject({
      exit: 0,
      told: { series: [{ days: [{ outcome: 'proved', bars: 1440, differences: [], reason: null }] }] },
    })
    expect(world.evidence().sort()).toEqual([null, 'proved'].sort())
    const text = await world.run('prove')
    expect(text).toMatchObject({ exit: 0 })
    expect(text.stdout).toContain('Each bar is what its trades say. (exit 0)')
    expect((await world.run('verify')).exit).toBe(0)
    const options = { lake: world.lake, sandbox: true, symbols: ['BTCUSDT'], start: DAY, end: '2024-03-02' }
    expect(await library.prove(options)).toMatchObject({
      exit: 0,
      series: [{ symbol: 'BTCUSDT', days: [{ day: DAY, outcome: 'proved', bars: 1440 }] }],
    })
    await expect(library.prove({ ...options, interval: '1d' })).rejects.toMatchObject({
      code: 'CKVD_USAGE',
      message: expect.stringContaining('Expected `interval` to be 1m, 3m') as string,
    })
    await expect(library.prove({ ...options, symbol: 'BTCUSDT' } as never)).rejects.toMatchObject({
      code: 'CKVD_USAGE',
      message: expect.stringContaining('Did you mean `symbols`?') as string,
    })
    await expect(library.prove({ ...options, start: '2024-02-30' })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
    // a second run changes nothing
    expect(await world.prove()).toMatchObject({ exit: 0 })
    expect(await world.prove('--interval', '5m')).toMatchObject({ exit: 2 })
  })

  test.each([
    ['open', 1],
    ['high', 2],
    ['low', 3],
    ['close', 4],
    ['volume', 5],
    ['quote_asset_volume', 7],
    ['count', 8],
    ['taker_buy_volume', 9],
    ['taker_buy_quote_volume', 10],
  ] as const)('a bar with another %s is found, and the day is not called proved', async (column, place) => {
    const klines = klinesCsv((cells, minute) => {
      if (minute !== 702) return cells
      // a bar that is still a bar: low one unit less, open and close away from the low, all others one unit more
      const isDown = column === 'low' || ((column === 'open' || column === 'close') && cells[place] !== cells[3])
      const step = isDown ? -1n : 1n
      const [whole = '', fraction = ''] = (cells[place] ?? '').split('.')
      const next = BigInt(whole + fraction) + step
      return cells.with(place, fraction === '' ? String(next) : decimal(next, fraction.length))
    })
    await using world = await createWorld({ klines })
    const { exit, told } = await world.prove()
    expect(exit).toBe(3)
    const [day] = told.series[0]?.days ?? []
    expect(day?.outcome).toBe('differs')
    expect(day?.differences).toMatchObject([{ kind: 'value', open_time: `${DAY}T11:42:00.000000Z`, column }])
    expect(world.evidence()).toEqual([null, null])
  })

  test('a bar too few, a bar of trades that nobody made, and trades that are missing', async () => {
    await using lacking = await createWorld({
      klines: klinesCsv()
        .split('\n')
        .filter((_line, minute) => minute !== 10)
        .join('\n'),
    })
    // the day is partial, and proves nothing
    const partial = await lacking.prove()
    expect(partial).toMatchObject({
      exit: 3,
      told: { series: [{ days: [{ outcome: 'not-comparable', reason: expect.stringMatching(/^klines: partial/) as string }] }] },
    })
    await using invented = await createWorld({
      klines: klinesCsv((cells, minute) => (minute === 3 ? cells.with(5, '0.001').with(7, '10.00000').with(8, '1') : cells)),
    })
    expect((await invented.prove()).told.series[0]?.days[0]?.differences).toMatchObject([
      { kind: 'no-trades', open_time: `${DAY}T00:03:00.000000Z` },
    ])
    await using holed = await createWorld({ trades: TRADES.filter(({ id }) => id !== 5_000_100) })
    expect(await holed.prove()).toMatchObject({
      exit: 3,
      told: {
        series: [{ days: [{ outcome: 'not-comparable', reason: expect.stringMatching(/^trades: partial .*id 5000100/) as string }] }],
      },
    })
  })

  test('what was proved and no longer is loses the word; what the lake has not both of is told', async () => {
    await using world = await createWorld()
    expect((await world.prove()).exit).toBe(0)
    const wrong = buildArchive(
      `BTCUSDT-1m-${DAY}`,
      klinesCsv((cells, minute) => (minute === 0 ? cells.with(8, '9') : cells)),
    )
    await world.put(`data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-${DAY}.zip`, wrong.zip, wrong.checksum)
    await world.run('ingest', 'BTCUSDT', '--intervals', '1m', '--start', DAY, '--end', '2024-03-02', '--refresh', '--no-rest')
    expect(await world.prove()).toMatchObject({ exit: 3, told: { series: [{ days: [{ outcome: 'differs' }] }] } })
    expect(world.evidence()).toEqual([null, null])
    const none = await world.run('prove', 'ETHUSDT')
    expect(none.exit).toBe(2)
    expect(none.stderr).toContain('Expected 1m bars and trades of ETHUSDT')
  })
})
