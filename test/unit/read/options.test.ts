import { afterAll, expect, test } from 'vitest'
import { CryptoKlineVisionData, DataProvider, fetchMarketData, ingest, isCkvdError, MarketType } from '../../../src/index.ts'

const client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake: '/nowhere', sandbox: true })
afterAll(() => client.close())

/** The calls as JavaScript can make them. */
const calls: Readonly<Record<string, (options: never) => unknown>> = {
  getData: (options) => client.getData(options),
  getColumns: (options) => client.getColumns(options),
  fetchMarketData,
  ingest,
}

test.each(Object.keys(calls).flatMap((name) => [undefined, null, 'BTCUSDT', 7].map((options) => [name, options] as const)))(
  '%s(%s) is refused with a code and an example, not with an error of JavaScript',
  async (name, options) => {
    const error: unknown = await Promise.resolve()
      .then(() => calls[name]?.(options as never))
      .catch((thrown: unknown) => thrown)
    expect(isCkvdError(error, 'CKVD_USAGE')).toBe(true)
    expect((error as Error).message).toMatch(new RegExp(`^Expected \`${name}\` to get an object of options, such as \\{ .+ \\}, got `))
  },
)

test('columns that are one name and no list are refused', async () => {
  const call = { symbol: 'BTCUSDT', days: 1, columns: 'close' as never }
  await expect(client.getData(call)).rejects.toMatchObject({ code: 'CKVD_USAGE', details: { option: 'columns' } })
})
