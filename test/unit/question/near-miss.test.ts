import { expect, test } from 'vitest'
import { findNearMisses } from '../../../src/question/near-miss.ts'

const LISTED = ['1000PEPEUSDT', 'BTCTRY', 'BTCUSDC', 'BTCUSDT', 'ETHBTC', 'ETHUSDC', 'ETHUSDT', 'LTCUSDT', 'SOLUSDT', 'WBTCUSDT']

test.each([
  ['as it is listed', 'BTCUSDT', ['BTCUSDT']],
  ['with separators', 'BTC-USDT', ['BTCUSDT']],
  ['a base alone', 'SOL', ['SOLUSDT']],
  ['a letter left out', 'SOLUSD', ['SOLUSDT']],
  ['a letter too many', 'SOLLUSDT', ['SOLUSDT']],
  ['a letter mistyped', 'SOKUSDT', ['SOLUSDT']],
  ['two neighbours swapped, which is nearer than two letters mistyped', 'BTCUSTD', ['BTCUSDT']],
  ['two neighbours swapped in front', 'TEHUSDC', ['ETHUSDC']],
  ['two letters left out of too few', 'SOUST', []],
  ['two letters mistyped', 'SXXUSDT', ['SOLUSDT']],
  ['as near to several: by name', 'LBTCUSDT', ['BTCUSDT', 'LTCUSDT', 'WBTCUSDT']],
  ['a start left out', 'PEPEUSDT', ['1000PEPEUSDT']],
  ['nothing like it', 'XYZXYZ', []],
  ['no letter at all', '--', []],
])('%s: %s', (_what, symbol, near) => {
  expect(findNearMisses(symbol, LISTED)).toEqual(near)
})
