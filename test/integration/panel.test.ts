import { expect, test } from 'vitest'
import { fetchTruth } from '../support/library.ts'
import { libraryWorld, refusal } from '../support/library-world.ts'

const NOW = '2024-03-10T12:34:56Z'
const NOW_MS = Date.parse(NOW)
const SYMBOLS = ['ETHUSDT', 'BTCUSDT', 'BNBUSDT']
const HOUR_MS = 3_600_000

const world = libraryWorld(NOW)
const { create } = world

type Panel = Awaited<ReturnType<ReturnType<typeof create>['getPanel']>>

/** The cells of a column; null where there is no bar. */
function cellsOf(panel: Panel, name: string): unknown[] {
  return [...(panel.getChild(name) as Iterable<unknown>)]
}

/** Open times in epoch milliseconds. */
function timesOf(panel: Panel): number[] {
  return Array.from(panel.getChild('open_time')?.data[0]?.values as BigInt64Array, (time) => Number(time / 1000n))
}

/** What the exchange's own REST says: cell `at` of the bar that opens in each hour of a range; null where there is none. */
async function truth(symbol: string, { start, end, at = 4 }: { start: string; end: string; at?: number }): Promise<(number | null)[]> {
  const range = { startMs: Date.parse(start), endMs: Date.parse(end) }
  const rows = await fetchTruth(world.exchange.sandbox, { market: 'spot', symbol, interval: '1h' }, { ...range, nowMs: NOW_MS })
  const byHour = new Map(rows.map((row) => [Math.floor(Number(row[0]) / HOUR_MS), Number(row[at])]))
  return hours(start, end).map((openMs) => byHour.get(openMs / HOUR_MS) ?? null)
}

function hours(start: string, end: string): number[] {
  const startMs = Date.parse(start)
  return Array.from({ length: (Date.parse(end) - startMs) / HOUR_MS }, (_none, hour) => startMs + hour * HOUR_MS)
}

const DAY = { start: '2024-03-07T00:00:00Z', end: '2024-03-08T00:00:00Z' }
const OF_DAY = { symbols: SYMBOLS, interval: '1h', startTime: DAY.start, endTime: DAY.end } as const
const STRETCH = { market: 'spot', symbol: 'BTCUSDT', from: '2024-03-07T03:00:00Z', to: '2024-03-07T06:00:00Z' } as const

test('a column a symbol, a row a slot that has closed: the exchange’s own values, from lake, Vision and REST', async () => {
  await using ckvd = create()
  await ckvd.getData({ symbol: 'BTCUSDT', interval: '1h', startTime: DAY.start, endTime: DAY.end })
  const range = { start: '2024-03-06T05:00:00Z', end: '2024-03-10T12:00:00Z' }
  for (const [column, at] of [
    ['close', 4],
    ['count', 8],
  ] as const) {
    const panel = await ckvd.getPanel({ symbols: SYMBOLS, interval: '1h', column, startTime: range.start, endTime: NOW })
    expect(panel.schema.names).toEqual(['open_time', ...SYMBOLS])
    expect(timesOf(panel)).toEqual(hours(range.start, range.end))
    for (const symbol of SYMBOLS) expect(cellsOf(panel, symbol)).toEqual(await truth(symbol, { ...range, at }))
    expect(panel.schema.fields.map(({ type, nullable }) => [String(type), nullable])).toEqual([
      ['Timestamp<MICROSECOND, UTC>', false],
      ...SYMBOLS.map(() => ['Float64', true]),
    ])
  }
})

test('an explained gap of one symbol is null there alone, and the metadata says why, by symbol', async () => {
  world.exchange.sandbox.setFaults([{ kind: 'outage', ...STRETCH }])
  await using ckvd = create()
  const panel = await ckvd.getPanel(OF_DAY)
  expect(timesOf(panel)).toEqual(hours(DAY.start, DAY.end))
  for (const symbol of SYMBOLS) expect(cellsOf(panel, symbol)).toEqual(await truth(symbol, DAY))
  expect(
    cellsOf(panel, 'BTCUSDT')
      .slice(2, 7)
      .map((cell) => cell === null),
  ).toEqual([false, true, true, true, false])
  expect(SYMBOLS.map((symbol) => panel.getChild(symbol)?.nullCount)).toEqual([0, 3, 0])
  const { metadata } = panel.schema
  const gaps = JSON.parse(metadata.get('ckvd.gaps') ?? '') as Record<string, unknown>
  expect(gaps).toEqual({ BTCUSDT: [expect.objectContaining({ start: Date.parse(STRETCH.from) * 1000, bars: 3 })] })
  expect([...metadata].filter(([key]) => key !== 'ckvd.gaps')).toEqual([
    ['ckvd.market', 'spot'],
    ['ckvd.interval', '1h'],
    ['ckvd.column', 'close'],
    ['ckvd.disputed', '{}'],
  ])
})

test('bars that open late stand in their slots, also where the range would cut them off', async () => {
  world.exchange.sandbox.setFaults([{ kind: 'off-grid', ...STRETCH, offsetMs: 20_799 }])
  await using ckvd = create()
  const panel = await ckvd.getPanel({ ...OF_DAY, startTime: '2024-03-07T02:00:01Z', endTime: '2024-03-07T05:00:01Z' })
  const range = { start: '2024-03-07T03:00:00Z', end: '2024-03-07T06:00:00Z' }
  expect(timesOf(panel)).toEqual(hours(range.start, range.end))
  for (const symbol of SYMBOLS) expect(cellsOf(panel, symbol)).toEqual(await truth(symbol, range))
  expect(cellsOf(panel, 'BTCUSDT')).not.toContain(null)
})

test('errors are those of getData', async () => {
  await using ckvd = create()
  const refused = async (options: object) => (await refusal(ckvd.getPanel({ ...OF_DAY, ...options }))).toData()
  expect(await refused({ symbols: ['BTCUSDT', 'NOSUCHUSDT'] })).toMatchObject({
    code: 'CKVD_UNKNOWN_SYMBOL',
    details: { symbol: 'NOSUCHUSDT' },
  })
  expect(await refused({ symbols: ['BTCUSDT', 'btcusdt'] })).toMatchObject({ code: 'CKVD_USAGE', details: { option: 'symbols' } })
  expect(await refused({ symbols: [] })).toMatchObject({ code: 'CKVD_USAGE', details: { option: 'symbols' } })
  expect(await refused({ symbols: 'BTCUSDT' })).toMatchObject({ code: 'CKVD_USAGE', details: { option: 'symbols' } })
  expect(await refused({ column: 'open_time' })).toMatchObject({ code: 'CKVD_USAGE', details: { option: 'column' } })
  expect(await refused({ start: DAY.start })).toMatchObject({ code: 'CKVD_USAGE', details: { option: 'start' } })
  expect(await refused({ interval: '7m' })).toMatchObject({ code: 'CKVD_UNKNOWN_INTERVAL' })
  expect(await refused({ endTime: '2030-01-01T00:00:00Z' })).toMatchObject({ code: 'CKVD_TIME' })
  expect(await refused({ enforceSource: 'cache' })).toMatchObject({ code: 'CKVD_PARTIAL' })
  expect(await refused({ signal: AbortSignal.abort() })).toMatchObject({ code: 'CKVD_ABORTED' })
})
