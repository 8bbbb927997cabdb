import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Market } from '../../../../src/model/market.ts'
import { parseSymbolFacts } from '../../../../src/report/availability/symbol-facts.ts'
import { SHARED } from '../../../support/shared.ts'

const facts = (market: Market, ...symbols: string[]) => parseSymbolFacts(market, symbols)

describe('parseSymbolFacts', () => {
  it('cuts a name where its base is one of other symbols', () => {
    const found = facts('spot', 'ADAUSDT', 'EURUSDT', 'GALAUSDT', 'GALUSDT', 'ADAEUR', 'EURAEUR', 'GALAEUR', 'AEURUSDT')
    expect(found.get('ADAEUR')).toMatchObject({ base: 'ADA', quote: 'EUR' })
    expect(found.get('EURAEUR')).toMatchObject({ base: 'EUR', quote: 'AEUR' })
    expect(found.get('GALAEUR')).toMatchObject({ base: 'GALA', quote: 'EUR' })
    expect(found.get('AEURUSDT')).toMatchObject({ base: 'AEUR', quote: 'USDT' })
  })

  it('takes the commoner quote where nothing else decides, and none that it does not know', () => {
    expect(facts('spot', 'ADAEUR').get('ADAEUR')).toMatchObject({ base: 'ADA', quote: 'EUR' })
    expect(facts('spot', 'BTCXYZ').get('BTCXYZ')).toMatchObject({ base: null, quote: null })
    expect(facts('spot', 'BTCUSDT', 'BTCU', 'NEOXU').get('BTCU')).toMatchObject({ base: 'BTC', quote: 'U' })
    expect(facts('spot', 'BTCUSDT', 'BTCU', 'NEOXU').get('NEOXU')).toMatchObject({ base: null, quote: null })
    expect(facts('spot', 'USDT').get('USDT')).toMatchObject({ base: null, quote: null })
  })

  it('knows leveraged tokens from coins that end alike', () => {
    const found = facts('spot', 'BTCUPUSDT', 'BTCDOWNUSDT', 'ETHBULLBUSD', 'BEARUSDT', 'JUPUSDT', 'SYRUPUSDT', 'BTCUSDT')
    expect([...found].map(([symbol, { kind }]) => `${symbol} ${kind}`)).toEqual([
      ...['BTCUPUSDT leveraged', 'BTCDOWNUSDT leveraged', 'ETHBULLBUSD leveraged', 'BEARUSDT leveraged'],
      ...['JUPUSDT spot', 'SYRUPUSDT spot', 'BTCUSDT spot'],
    ])
  })

  it('knows contracts that are perpetual, delivered on a day, or settled', () => {
    expect(facts('um', 'BTCUSDT').get('BTCUSDT')).toEqual({ kind: 'perpetual', deliveryDate: null, base: 'BTC', quote: 'USDT' })
    expect(facts('um', 'BTCUSDT_250627').get('BTCUSDT_250627')).toEqual({
      kind: 'delivery',
      deliveryDate: '2025-06-27',
      base: 'BTC',
      quote: 'USDT',
    })
    expect(facts('um', 'CTKUSDTSETTLED').get('CTKUSDTSETTLED')).toEqual({ kind: 'settled', deliveryDate: null, base: 'CTK', quote: 'USDT' })
    expect(facts('cm', 'ADAUSD_210924').get('ADAUSD_210924')).toEqual({
      kind: 'delivery',
      deliveryDate: '2021-09-24',
      base: 'ADA',
      quote: 'USD',
    })
    expect(facts('cm', 'BTCUSD_PERP').get('BTCUSD_PERP')).toEqual({ kind: 'perpetual', deliveryDate: null, base: 'BTC', quote: 'USD' })
    expect(facts('um', '币安人生USDT').get('币安人生USDT')).toMatchObject({ kind: 'perpetual', base: '币安人生', quote: 'USDT' })
  })
})

interface ExchangeSymbol {
  readonly symbol: string
  readonly baseAsset: string
  readonly quoteAsset: string
  readonly contractType?: string
  readonly permissions?: readonly string[]
}

describe.skipIf(SHARED === undefined)('parseSymbolFacts on what the exchange itself says', () => {
  it.each([
    ['spot', 'api_v3_exchangeInfo_2021-10-12.full.json.gz'],
    ['spot', 'api_v3_exchangeInfo.json'],
    ['um', 'fapi_v1_exchangeInfo_2021-07-22.full.json.gz'],
    ['um', 'fapi_v1_exchangeInfo.json'],
    ['cm', 'dapi_v1_exchangeInfo_2021-07-22.full.json.gz'],
    ['cm', 'dapi_v1_exchangeInfo.json'],
  ] as const)('agrees in %s with %s', (market, name) => {
    const bytes = readFileSync(`${SHARED}/rest/${name}`)
    const { symbols } = JSON.parse((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as { symbols: ExchangeSymbol[] }
    const found = parseSymbolFacts(
      market,
      symbols.map(({ symbol }) => symbol),
    )
    const told = symbols.map(({ symbol }) => `${symbol} ${found.get(symbol)?.base} ${found.get(symbol)?.quote}`)
    expect(told).toEqual(symbols.map(({ symbol, baseAsset, quoteAsset }) => `${symbol} ${baseAsset} ${quoteAsset}`))
    const kinds = symbols.map(({ symbol }) => `${symbol} ${found.get(symbol)?.kind}`)
    expect(kinds).toEqual(
      symbols.map(({ symbol, contractType, permissions }) => {
        if (market !== 'spot') return `${symbol} ${/QUARTER/.test(contractType ?? '') ? 'delivery' : 'perpetual'}`
        // its own tokens carry the permission; FTX's, which it delisted in 2020, are told by their names
        const leveraged = permissions?.includes('LEVERAGED') === true || /^(BNB|EOS|ETH|XRP|)(BULL|BEAR)(USDT|BUSD)$/.test(symbol)
        return `${symbol} ${leveraged ? 'leveraged' : 'spot'}`
      }),
    )
  })
})
