import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { CkvdError, isCkvdError } from '../../../src/errors.ts'
import type { HttpRequest, HttpSettings } from '../../../src/sources/http.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../src/sources/http.ts'
import { backoffMs } from '../../../src/sources/waiting.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Answerer = (request: IncomingMessage, response: ServerResponse, index: number) => void

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return (server.address() as AddressInfo).port
}

async function serve(answer: Answerer): Promise<{ url: string; paths: string[]; host: string }> {
  const paths: string[] = []
  const port = await listen(
    createServer((request, response) => {
      paths.push(request.url ?? '')
      answer(request, response, paths.length - 1)
    }),
  )
  return { url: `http://127.0.0.1:${port}/x`, paths, host: `127.0.0.1:${port}` }
}

function createClient(settings: Partial<HttpSettings> = {}, env: Record<string, string> = {}): HttpClient {
  const client = new HttpClient({ ...HTTP_DEFAULTS, backoffMs: 1, maxRetries: 2, ...settings }, env)
  closers.push(() => client.close())
  return client
}

const plain = (options: Partial<HttpRequest> = {}): HttpRequest => ({
  kind: 'archive',
  signal: new AbortController().signal,
  maxBytes: 1_000_000,
  ...options,
})

async function errorOf(promise: Promise<unknown>): Promise<CkvdError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isCkvdError(error)) throw new Error(`a CkvdError was expected, got ${String(error)}`)
  return error
}

const text = (body: Uint8Array): string => new TextDecoder().decode(body)

describe('bodies', () => {
  test('with content-length, chunked and empty ones arrive whole, in a buffer of their own', async () => {
    const bodies = ['a'.repeat(70_000), 'b'.repeat(70_000), '']
    const { url } = await serve((_request, response, index) => {
      const body = bodies[index] ?? ''
      if (index !== 1) response.setHeader('content-length', body.length)
      response.end(body)
    })
    const client = createClient()
    for (const body of bodies) {
      const answer = await client.fetch(url, plain())
      expect(text(answer.body)).toBe(body)
      expect(answer.body.buffer.byteLength).toBe(body.length)
    }
    expect(client.bytesReceived).toBe(140_000)
    expect(client.counts.archive).toBe(3)
  })

  test('404 is a value', async () => {
    const { url } = await serve((_request, response) => response.writeHead(404).end('no'))
    expect((await createClient().fetch(url, plain())).status).toBe(404)
  })

  test('gzip is unpacked, although nobody asked for it', async () => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello')))
    expect(text((await createClient().fetch(url, plain())).body)).toBe('hello')
  })

  test('gzip that is damaged or unpacks to more than allowed is refused', async () => {
    const { url, paths } = await serve((request, response) => {
      const packed = gzipSync('x'.repeat(5000))
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(request.url === '/x' ? packed.subarray(0, -9) : packed)
    })
    expect((await errorOf(createClient().fetch(url, plain()))).code).toBe('CKVD_HTTP_TRUNCATED')
    expect(paths).toHaveLength(3)
    expect((await errorOf(createClient().fetch(`${url}/bomb`, plain({ maxBytes: 1000 })))).code).toBe('CKVD_HTTP_TOO_LARGE')
    expect(paths).toHaveLength(4)
  })

  test('another content-encoding is refused', async () => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('?'))
    expect((await errorOf(createClient().fetch(url, plain()))).code).toBe('CKVD_HTTP_STATUS')
  })

  test('a body larger than allowed is refused once, stated or not', async () => {
    const { url, paths } = await serve((_request, response, index) => {
      if (index === 0) response.setHeader('content-length', 2000)
      response.write('x'.repeat(1000))
      response.end('x'.repeat(1000))
    })
    const client = createClient()
    expect((await errorOf(client.fetch(url, plain({ maxBytes: 1500 })))).code).toBe('CKVD_HTTP_TOO_LARGE')
    expect((await errorOf(client.fetch(url, plain({ maxBytes: 1500 })))).code).toBe('CKVD_HTTP_TOO_LARGE')
    expect(paths).toHaveLength(2)
  })
})

describe('failures that may pass are tried again, and no others', () => {
  test.each<[string, Answerer]>([
    ['a reset before the headers', (request) => request.socket.destroy()],
    [
      'a reset in the body',
      (request, response) => response.writeHead(200, { 'content-length': 9 }).write('x', () => request.socket.destroy()),
    ],
    ['a chunked body cut', (request, response) => response.writeHead(200).write('x', () => request.socket.destroy())],
    [
      'a body shorter than content-length',
      (request, response) => (response.writeHead(200, { 'content-length': 9 }).write('x'), request.socket.end()),
    ],
    ['408', (_request, response) => response.writeHead(408).end()],
    ['429', (_request, response) => response.writeHead(429).end()],
    ['500', (_request, response) => response.writeHead(500).end('oops')],
  ])('%s', async (_name, fail) => {
    const { url, paths } = await serve((request, response, index) => (index < 2 ? fail(request, response, index) : response.end('ok')))
    expect(text((await createClient().fetch(url, plain())).body)).toBe('ok')
    expect(paths).toHaveLength(3)
    const error = await errorOf((await clientOfFailing(fail)).fetch())
    expect(error.retryable).toBe(true)
  })

  test.each([
    [400, 'CKVD_HTTP_STATUS'],
    [403, 'CKVD_FORBIDDEN'],
    [451, 'CKVD_FORBIDDEN'],
    [204, 'CKVD_HTTP_STATUS'],
  ])('%i fails at once with %s', async (status, code) => {
    const { url, paths } = await serve((_request, response) => response.writeHead(status).end())
    expect((await errorOf(createClient().fetch(url, plain()))).code).toBe(code)
    expect(paths).toHaveLength(1)
  })

  test('statuses that the caller asks for are values, also 429', async () => {
    const { url, paths } = await serve((_request, response) => response.writeHead(429, { 'Retry-After': '7' }).end('{}'))
    const answer = await createClient().fetch(url, plain({ pass: (status) => status === 429 }))
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
    expect(paths).toHaveLength(1)
  })

  test('a redirect is not followed, and the error says where it pointed', async () => {
    const { url, paths } = await serve((_request, response) => response.writeHead(302, { location: 'http://portal.invalid/' }).end())
    const error = await errorOf(createClient().fetch(url, plain()))
    expect(error.code).toBe('CKVD_HTTP_STATUS')
    expect(error.message).toContain('http://portal.invalid/')
    expect(paths).toHaveLength(1)
  })

  test('a refused connection and an unknown host are network errors', async () => {
    const port = await listen(createServer())
    await closers.pop()?.()
    const client = createClient({ maxRetries: 0 })
    expect((await errorOf(client.fetch(`http://127.0.0.1:${port}/`, plain()))).code).toBe('CKVD_HTTP_NETWORK')
    expect((await errorOf(client.fetch('http://no-such-host.invalid/', plain()))).code).toBe('CKVD_HTTP_NETWORK')
    expect(client.reached).toBe(false)
  })

  test('tries are bounded: by the client, or by the request', async () => {
    const { url, paths } = await serve((_request, response) => response.writeHead(503).end())
    const client = createClient({ maxRetries: 3 })
    expect((await errorOf(client.fetch(url, plain()))).code).toBe('CKVD_HTTP_BUSY')
    expect(paths).toHaveLength(4)
    await errorOf(client.fetch(url, plain({ maxRetries: 0 })))
    expect(paths).toHaveLength(5)
    expect(client.reached).toBe(true)
  })
})

async function clientOfFailing(fail: Answerer) {
  const { url } = await serve(fail)
  const client = createClient({ maxRetries: 0 })
  return { fetch: () => client.fetch(url, plain()) }
}

describe('waiting', () => {
  test.each<[string, Answerer]>([
    ['headers', () => undefined],
    ['the body', (_request, response) => void response.writeHead(200, { 'content-length': 9 }).write('x')],
  ])('a server that stalls before %s is given up after the idle timeout', async (_name, stall) => {
    const { url, paths } = await serve(stall)
    const error = await errorOf(createClient({ idleTimeoutMs: 100, maxRetries: 1 }).fetch(url, plain()))
    expect(error.code).toBe('CKVD_HTTP_TIMEOUT')
    expect(paths).toHaveLength(2)
  })

  test('a drip that never idles ends too', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write('x'), 5)
      response.on('close', () => clearInterval(drip))
    })
    const error = await errorOf(createClient({ idleTimeoutMs: 50, maxRetries: 0 }).fetch(url, plain()))
    expect(error.code).toBe('CKVD_HTTP_TIMEOUT')
  })

  test('a download that our own rate limit holds up is no drip', async () => {
    const { url } = await serve((_request, response) => response.end('x'.repeat(1500)))
    const client = createClient({ idleTimeoutMs: 20, maxRetries: 0, maxRateBytes: 1000 })
    const begin = performance.now()
    const [first, second] = await Promise.all([client.fetch(url, plain()), client.fetch(url, plain())])
    expect(first.body.length + second.body.length).toBe(3000)
    expect(performance.now() - begin).toBeGreaterThan(1400)
  })

  test('Retry-After is sat out, a very long one ends the request', async () => {
    const times: number[] = []
    const { url } = await serve((_request, response) => {
      times.push(performance.now())
      const seconds = ['1', undefined, '3600'][times.length - 1]
      if (seconds === undefined) response.end('ok')
      else response.writeHead(503, { 'retry-after': seconds }).end()
    })
    const client = createClient()
    await client.fetch(url, plain())
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950)
    expect(await errorOf(client.fetch(url, plain()))).toMatchObject({ code: 'CKVD_HTTP_BUSY', details: { retryAfterMs: 3_600_000 } })
    expect(times).toHaveLength(3)
  })

  test('an abort ends a request before it starts, in flight and in the pause between two tries', async () => {
    const abort = new AbortController()
    const { url, paths } = await serve((request, response) => {
      if (request.url === '/x/stall') setImmediate(() => abort.abort())
      else response.writeHead(503, { 'retry-after': '200' }).end(() => setTimeout(() => abort.abort(), 20))
    })
    const client = createClient()
    expect((await errorOf(client.fetch(`${url}/stall`, plain({ signal: abort.signal })))).code).toBe('CKVD_ABORTED')
    expect((await errorOf(client.fetch(url, plain({ signal: abort.signal })))).code).toBe('CKVD_ABORTED')
    expect(paths).toHaveLength(1)

    const pausing = new AbortController()
    const other = await serve((_request, response) => {
      response.writeHead(503, { 'retry-after': '200' }).end(() => setTimeout(() => pausing.abort(new CkvdError('CKVD_BANNED', 'why')), 20))
    })
    expect((await errorOf(client.fetch(other.url, plain({ signal: pausing.signal })))).code).toBe('CKVD_BANNED')
    expect(other.paths).toHaveLength(1)
  })

  test('pauses double from the first one, with jitter, up to 30 s', () => {
    for (let attempt = 0; attempt < 12; attempt++) {
      const ceiling = Math.min(30_000, 250 * 2 ** attempt)
      const pauseMs = backoffMs(250, attempt)
      expect(pauseMs).toBeGreaterThanOrEqual(ceiling / 2)
      expect(pauseMs).toBeLessThanOrEqual(ceiling)
    }
  })

  test('close ends what is under way, and may be called twice', async () => {
    const { url } = await serve((request) => request.on('close', () => undefined))
    const client = createClient({ maxRetries: 0 })
    const under = errorOf(client.fetch(url, plain()))
    await Promise.all([client.close(), client.close()])
    expect((await under).code).toBe('CKVD_HTTP_NETWORK')
  })
})

describe('proxies', () => {
  /** An HTTP proxy: tunnels every CONNECT to `host`, whatever was asked for. */
  async function serveProxy(host: string): Promise<{ url: string; tunnels: string[] }> {
    const tunnels: string[] = []
    const server = createServer((_request, response) => response.writeHead(501).end())
    const sockets = new Set<Socket>()
    server.on('connect', (request, client: Socket) => {
      tunnels.push(request.url ?? '')
      const [name = '', port] = host.split(':')
      const upstream = connect(Number(port), name, () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        upstream.pipe(client)
        client.pipe(upstream)
      })
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on('error', () => socket.destroy())
      }
    })
    const port = await listen(server)
    closers.push(() => Promise.resolve(sockets.forEach((socket) => socket.destroy())))
    return { url: `http://127.0.0.1:${port}`, tunnels }
  }

  test('the environment that was given names the proxy', async () => {
    const target = await serve((_request, response) => response.end('through'))
    const proxy = await serveProxy(target.host)
    const client = createClient({ maxRetries: 0 }, { HTTP_PROXY: proxy.url })
    expect(text((await client.fetch('http://archive.invalid/data', plain())).body)).toBe('through')
    expect(proxy.tunnels).toEqual(['archive.invalid:80'])
    expect(target.paths).toEqual(['/data'])
  })

  test('NO_PROXY is honoured, and this machine is never asked through a proxy', async () => {
    const target = await serve((_request, response) => response.end('direct'))
    const proxy = await serveProxy(target.host)
    const client = createClient({ maxRetries: 0 }, { http_proxy: proxy.url, NO_PROXY: 'archive.invalid' })
    expect((await errorOf(client.fetch('http://archive.invalid/', plain()))).code).toBe('CKVD_HTTP_NETWORK')
    expect(text((await client.fetch(target.url, plain())).body)).toBe('direct')
    const direct = createClient({ maxRetries: 0 }, { http_proxy: proxy.url, NO_PROXY: '*' })
    expect((await errorOf(direct.fetch('http://other.invalid/', plain()))).code).toBe('CKVD_HTTP_NETWORK')
    expect(proxy.tunnels).toEqual([])
  })
})
