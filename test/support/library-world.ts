import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import type { CKVDConfig, CkvdError, CryptoKlineVisionData } from '../../src/index.ts'
import type { TestExchange } from './exchange.ts'
import { startExchange } from './exchange.ts'
import { library } from './library.ts'
import type { TempDirectory } from './temp-lake.ts'
import { createTempDirectory } from './temp-lake.ts'

const { DataProvider, MarketType } = library

/** What the library's users have: an exchange for all tests of a file; for each test a directory, and an environment of its own. */
export interface LibraryWorld {
  readonly exchange: TestExchange
  readonly temp: TempDirectory
  /** a client of this exchange, with its lake in the directory */
  readonly create: (market?: (typeof MarketType)[keyof typeof MarketType], config?: CKVDConfig) => CryptoKlineVisionData
}

/** Makes the world of a test file. To be called once, at its top. */
export function libraryWorld(now: string): LibraryWorld {
  const variables = process.env
  let exchange: TestExchange
  let temp: TempDirectory
  beforeAll(async () => {
    exchange = await startExchange(now)
  })
  afterAll(() => exchange[Symbol.asyncDispose]())
  beforeEach(async () => {
    temp = await createTempDirectory()
    process.env = { ...variables, CKVD_NOW: now, CKVD_STATE: join(temp.path, 'state') }
    exchange.sandbox.setFaults([])
    exchange.sandbox.clearRequests()
  })
  afterEach(async () => {
    process.env = variables
    await temp[Symbol.asyncDispose]()
  })
  return {
    get exchange() {
      return exchange
    },
    get temp() {
      return temp
    },
    create: (market = MarketType.SPOT, config = {}) =>
      library.CryptoKlineVisionData.create(DataProvider.BINANCE, market, {
        lake: temp.lake,
        sources: exchange.sandbox.urls,
        workers: 2,
        maxRetries: 1,
        ...config,
      }),
  }
}

/** The `CkvdError` that a call ends with. */
export async function refusal(call: Promise<unknown>): Promise<CkvdError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof library.CkvdError)) throw new Error(`Expected a CkvdError, got ${String(error)}`)
  return error
}
