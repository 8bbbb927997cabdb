import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Sandbox } from '../../src/sandbox/index.ts'

/** Answers a request in the exchange's place; false leaves it to the exchange, a promise once that is kept. */
export type Attack = (path: string, response: ServerResponse, request: IncomingMessage) => boolean | Promise<void>

export interface HostileFront extends AsyncDisposable {
  /** the exchange's URLs, through the front */
  readonly urls: Sandbox['urls']
  /** paths of the requests that were attacked, or kept waiting */
  readonly attacked: readonly string[]
  /** bytes that went out in attacks, as far as they were taken */
  readonly bytesSent: () => number
}

/**
 * A server between the program and a sandbox exchange that answers some requests as nobody should.
 * @param clockOffMs by how much the `Date` of the other answers is off
 */
export async function startHostileFront(
  sandbox: Pick<Sandbox, 'urls'>,
  attack: Attack = () => false,
  clockOffMs = 0,
): Promise<HostileFront> {
  const behind = new URL(sandbox.urls.vision).origin
  const attacked: string[] = []
  let bytes = 0
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const { socket } = response
    const before = socket?.bytesWritten ?? 0
    const attacks = attack(path, response, request)
    if (attacks !== false) attacked.push(path)
    if (attacks === true) {
      response.on('close', () => (bytes += (socket?.bytesWritten ?? 0) - before))
      return
    }
    Promise.resolve(attacks)
      .then(() => relay(behind + path, response, clockOffMs))
      .catch((error: Error) => response.destroy(error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const given = Object.entries(sandbox.urls) as [string, string][]
  const urls = Object.fromEntries(given.map(([name, url]) => [name, url.replace(behind, origin)]))
  return {
    urls: urls as unknown as Sandbox['urls'],
    attacked,
    bytesSent: () => bytes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function relay(url: string, response: ServerResponse, clockOffMs: number): Promise<void> {
  const answer = await fetch(url)
  const body = Buffer.from(await answer.arrayBuffer())
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !/^(connection|keep-alive|transfer-encoding)$/.test(name)))
  const date = new Date(Date.now() + clockOffMs).toUTCString()
  response.writeHead(answer.status, { ...headers, date, 'content-length': body.length }).end(body)
}

/** A gate for requests: they wait until it is opened. */
export function createGate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

/** Writes `chunk` again and again, `times` times, as fast as the other side takes it. */
export function pour(response: ServerResponse, chunk: Uint8Array | string, times = Infinity): void {
  let left = times
  const more = (): void => {
    while (left-- > 0) if (!response.write(chunk)) return void response.once('drain', more)
    response.end()
  }
  more()
}
