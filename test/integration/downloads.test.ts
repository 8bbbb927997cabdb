import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ingestCommand, ingestResult, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange, urlVariables } from '../support/exchange.ts'
import { startHostileFront } from '../support/hostile-front.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const NOW = '2024-06-20T12:00:00Z'
const RANGE = ['--start', '2024-01-01', '--end', '2024-05-01', '--archives', 'daily', '--no-rest', '--json', '--quiet']
const DAYS = 121

let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, {
    markets: ['AAAUSDT', 'BBBUSDT'].map((symbol) => ({ market: 'spot' as const, symbol, firstDay: '2024-01-01' })),
  })
})

afterAll(() => exchange[Symbol.asyncDispose]())

test('the first archives come before the last page of the listing is there', async () => {
  await using directory = await createTempDirectory()
  const seen: string[] = []
  const behind = new URL(exchange.sandbox.urls.vision).origin
  let release: () => void = () => undefined
  const archiveAsked = new Promise<void>((resolve) => (release = resolve))
  await using front = await startHostileFront(exchange.sandbox, (path, response) => {
    seen.push(path)
    if (/AAAUSDT-.*\.zip$/.test(path)) release()
    if (!/prefix=[^&]*BBBUSDT/.test(path)) return false
    void archiveAsked.then(() => fetch(behind + path)).then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
    return true
  })
  const args = ingestCommand(directory.lake, ...RANGE, '--intervals', '1d')
  const result = ingestResult(await runHere(args, { env: { ...exchange.env, ...urlVariables(front) }, stdin: 'AAAUSDT\nBBBUSDT\n' }))
  expect(result).toMatchObject({ exit: 0, stored: 2 * DAYS, problems: [] })
  expect(front.attacked.length).toBeGreaterThan(0)
})

test('a host that takes eight connections and refuses more is asked until all is there', async () => {
  await using directory = await createTempDirectory()
  await using narrow = await startNarrow(exchange.sandbox.urls.vision, 8)
  const env = { ...exchange.env, CKVD_MAX_RETRIES: '5', CKVD_VISION_URL: narrow.url }
  const result = ingestResult(await runHere(ingestCommand(directory.lake, ...RANGE), { env, stdin: 'AAAUSDT\n' }))
  expect(result).toMatchObject({ exit: 0, stored: DAYS, problems: [] })
  expect(narrow.refused()).toBeGreaterThan(0)
})

test('--concurrency bounds the connections to one host', async () => {
  await using directory = await createTempDirectory()
  await using narrow = await startNarrow(exchange.sandbox.urls.vision, 3)
  const env = { ...exchange.env, CKVD_MAX_RETRIES: '0', CKVD_VISION_URL: narrow.url }
  const args = ingestCommand(directory.lake, ...RANGE, '--concurrency', '3')
  expect(ingestResult(await runHere(args, { env, stdin: 'AAAUSDT\n' }))).toMatchObject({ exit: 0, stored: DAYS })
  expect(narrow.refused()).toBe(0)
})

/** A front of a server that has room for so many connections: a further one is reset. */
async function startNarrow(url: string, most: number): Promise<AsyncDisposable & { url: string; refused(): number }> {
  const { hostname, port, pathname } = new URL(url)
  let open = 0
  let refused = 0
  const server = createServer((client) => {
    if (open >= most) {
      refused++
      client.resetAndDestroy()
      return
    }
    open++
    const upstream = connect({ host: hostname, port: Number(port) })
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
    client.on('close', () => {
      open--
      upstream.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    refused: () => refused,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
