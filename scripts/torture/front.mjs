import { createServer, request as ask } from 'node:http'
import { clearInterval, setInterval } from 'node:timers'

/**
 * A server between a program and an exchange. `attack(path)` gives what answers a request in the exchange's place, or
 * undefined; an answer is `(response, relay, record) => …`; `relay(change)` sends the exchange's own answer, as `change({ status, headers, body })` has it.
 */
export async function startFront(urls, attack) {
  const behind = new URL(urls.vision).origin
  /** REST requests in the order in which they came; `surelyMs`: the answer was a ban, which its first line says to last so long at least */
  const rest = []
  const server = createServer((request, response) => {
    const path = request.url
    const record = { path, atMs: Date.now(), surelyMs: undefined }
    if (/^\/(spot|um|cm)\//.test(path)) rest.push(record)
    response.setHeader('server', 'ckvd-sandbox')
    response.on('error', () => response.destroy())
    const relay = (change = (answer) => answer) => relayAnswer(behind + path, response, change)
    const answer = attack(path, record)
    if (answer === undefined) relay()
    else answer(response, relay, record)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    urls: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, url.replace(behind, origin)])),
    rest,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What belongs to the connection behind the front. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding'])

function relayAnswer(url, response, change) {
  ask(url, (answer) => {
    const chunks = []
    answer.on('data', (chunk) => chunks.push(chunk))
    answer.on('end', () => {
      const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.has(name)))
      const { status, headers: changed, body } = change({ status: answer.statusCode, headers, body: Buffer.concat(chunks) })
      response.writeHead(status, { ...changed, 'content-length': body.length }).end(body)
    })
  })
    .on('error', () => response.destroy())
    .end()
}

/** Writes `chunk` again and again, `times` times, as fast as the other side takes it. */
export function pour(response, chunk, times = Infinity) {
  let left = times
  const more = () => {
    while (left-- > 0 && !response.destroyed) if (!response.write(chunk)) return void response.once('drain', more)
    response.end()
  }
  more()
}

/** Writes a byte each `pauseMs`, until the other side goes away. */
export function drip(response, pauseMs) {
  const timer = setInterval(() => response.write('x'), pauseMs)
  response.on('close', () => clearInterval(timer))
}
