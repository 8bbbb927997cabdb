import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer as createTcpServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { CkvdError, isCkvdError } from '../../../../src/errors.ts'
import type { HttpRequest, HttpSettings } from '../../../../src/sources/http/http.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../../src/sources/http/http.ts'
import { backoffMs } from '../../../../src/waiting.ts'
import { CERTIFICATE, KEY } from '../../../support/certificate.ts'
import type { RequestWatch } from '../../../../src/sources/http/http-exchange.ts'

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

  test.each(['content-length: 3', 'content-encoding: gzip', 'server: ckvd-sandbox', 'retry-after: 7'])(
    'what comes before an answer is no part of it: 103 with %s',
    async (header) => {
      const server = createTcpServer((client) => {
        closers.push(() => Promise.resolve(void client.destroy()))
        const early = `HTTP/1.1 103 Early Hints\r\n${header}\r\n\r\n`
        client.once('data', () => client.write(`${early}${early}HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole`, () => client.end()))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closers.push(() => Promise.resolve(void server.close()))
      const client = createClient({ maxRetries: 0 })
      const statuses: number[] = []
      const watch: RequestWatch = { onSend: () => undefined, onStatus: (status) => statuses.push(status) }
      const answer = await client.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, plain({ watch }))
      expect([answer.status, text(answer.body), answer.headers]).toEqual([200, 'whole', { connection: 'close' }])
      expect(statuses).toEqual([200])
      expect(client.sandboxSeen).toBe(false)
    },
  )

  test('404 is a value', async () => {
    const { url } = await serve((_request, response) => response.writeHead(404).end('no'))
    expect((await createClient().fetch(url, plain())).status).toBe(404)
  })

  test('gzip of a listing or of REST is unpacked, although nobody asked for it', async () => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello')))
    for (const kind of ['listing', 'rest'] as const) expect(text((await createClient().fetch(url, plain({ kind }))).body)).toBe('hello')
  })

  test('gzip that is damaged or unpacks to more than allowed is refused', async () => {
    const { url, paths } = await serve((request, response) => {
      const packed = gzipSync('x'.repeat(5000))
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(request.url === '/x' ? packed.subarray(0, -9) : packed)
    })
    const listing = plain({ kind: 'listing' })
    expect((await errorOf(createClient().fetch(url, listing))).code).toBe('CKVD_HTTP_TRUNCATED')
    expect(paths).toHaveLength(3)
    expect((await errorOf(createClient().fetch(`${url}/bomb`, { ...listing, maxBytes: 1000 }))).code).toBe('CKVD_HTTP_TOO_LARGE')
    expect(paths).toHaveLength(4)
  })

  test.each(['', 'identity', ' IDENTITY'])('a content-encoding of %j is none', async (encoding) => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end('plain'))
    expect(text((await createClient().fetch(url, plain())).body)).toBe('plain')
  })

  test('another content-encoding is refused', async () => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('?'))
    expect((await errorOf(createClient().fetch(url, plain({ kind: 'rest' })))).code).toBe('CKVD_HTTP_ENCODING')
  })

  test.each(['archive', 'checksum'] as const)(
    'an encoded %s is refused before a byte of it is read, and not asked for again',
    async (kind) => {
      const { url, paths } = await serve((_request, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(100_000)))
      })
      const client = createClient()
      expect(await errorOf(client.fetch(url, plain({ kind })))).toMatchObject({ code: 'CKVD_HTTP_ENCODING', details: { encoding: 'gzip' } })
      expect(paths).toHaveLength(1)
      expect(client.bytesReceived).toBe(0)
    },
  )

  test('the text of an error that never ends is cut, and the error stays what it is', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(request.url === '/x' ? 404 : 400)
      const more = (): void => void response.write('x'.repeat(65_536), (error) => (error == null ? more() : undefined))
      more()
    })
    const client = createClient()
    expect((await client.fetch(url, plain({ maxBytes: 100 }))).status).toBe(404)
    expect((await errorOf(client.fetch(`${url}/bad`, plain({ maxBytes: 100 })))).code).toBe('CKVD_HTTP_STATUS')
    expect(client.bytesReceived).toBeLessThan(1_000_000)
  })

  test.each<[string, Answerer]>([
    ['is larger than allowed', (_request, response) => response.end('x'.repeat(2000))],
    ['is encoded', (_request, response) => response.setHeader('content-encoding', 'br').end('x')],
    ['breaks off', (_request, response) => response.write('x', () => response.destroy())],
    ['never comes', (_request, response) => response.flushHeaders()],
  ])('a sandbox is known by its first line, also where its body %s', async (_name, answer) => {
    const { url } = await serve((request, response, index) => {
      response.setHeader('server', 'ckvd-sandbox')
      answer(request, response, index)
    })
    const client = createClient({ maxRetries: 0, idleTimeoutMs: 100 })
    await errorOf(client.fetch(url, plain({ maxBytes: 1000 })))
    expect(client.sandboxSeen).toBe(true)
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

  test('tries that drip end all together in minutes, however many are allowed', async () => {
    const { url, paths } = await serve((_request, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write('x'), 5)
      response.on('close', () => clearInterval(drip))
    })
    // a try is given up after 2 to 4 times the idle timeout; with 30 s instead of 20 ms these would be minutes
    const error = await errorOf(createClient({ idleTimeoutMs: 20, maxRetries: 20 }).fetch(url, plain({ maxBytes: 100 })))
    expect(error.code).toBe('CKVD_HTTP_TIMEOUT')
    expect(paths.length).toBeGreaterThan(1)
    expect(paths.length).toBeLessThan(8)
  })

  test('a body that comes fast enough, but never ends, ends with the time that its size may take', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200)
      const stream = setInterval(() => response.write('x'.repeat(20)), 10)
      response.on('close', () => clearInterval(stream))
    })
    // about 2,000 bytes a second: 4,000 bytes at 4 KiB a second and two idle timeouts are over before they have come
    const error = await errorOf(createClient({ idleTimeoutMs: 50, maxRetries: 0 }).fetch(url, plain({ maxBytes: 4000 })))
    expect(error.code).toBe('CKVD_HTTP_TIMEOUT')
  })

  test('a request that waits for a connection is not given up for it', async () => {
    // a server that takes its time: the last of six waits 750 ms for the connection, far over the idle timeout
    const { url } = await serve((_request, response, index) => void setTimeout(() => response.end(`${index}`), 150))
    const client = createClient({ connections: 1, idleTimeoutMs: 200, maxRetries: 0 })
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.fetch(url, plain())))
    expect(answers.map(({ body }) => text(body)).sort()).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  test('a watch may keep a request here until it has its connection: nothing of it goes out, and it counts as none', async () => {
    const { url, paths } = await serve((_request, response) => void setTimeout(() => response.end('whole'), 50))
    const client = createClient({ connections: 1 })
    let isOpen = true
    const watch: RequestWatch = {
      onSend: () => {
        if (!isOpen) throw new Error('kept here')
      },
      // the first is on its way, the second waits for its connection
      onStatus: () => (isOpen = false),
    }
    const [first, second] = [1, 2].map(() => client.fetch(url, plain({ kind: 'rest', watch })))
    expect(text((await first)!.body)).toBe('whole')
    await expect(second).rejects.toThrow('kept here')
    expect(paths).toHaveLength(1)
    expect(client.counts.rest).toBe(1)
    isOpen = true
    expect(text((await client.fetch(url, plain({ kind: 'rest', watch }))).body)).toBe('whole')
  })

  test('a watch hears status and headers before the body, which may never come', async () => {
    const { url } = await serve((_request, response) => response.writeHead(418, { 'retry-after': '7' }).flushHeaders())
    const client = createClient()
    const stop = new AbortController()
    const heard = new Promise((resolve) => {
      const watch: RequestWatch = { onSend: () => undefined, onStatus: (status, headers) => resolve([status, headers['retry-after']]) }
      client.fetch(url, plain({ kind: 'rest', watch, signal: stop.signal, pass: () => true })).catch(() => undefined)
    })
    expect(await heard).toEqual([418, '7'])
    stop.abort()
  })

  test('what a request waits for Retry-After is bounded over all its tries', async () => {
    const { url, paths } = await serve((_request, response, index) => {
      response.writeHead(503, { 'retry-after': index === 0 ? '1' : '300' }).end()
    })
    expect((await errorOf(createClient({ maxRetries: 9 }).fetch(url, plain()))).code).toBe('CKVD_HTTP_BUSY')
    expect(paths).toHaveLength(2)
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

describe('an answer that `check` finds no good', () => {
  test('is tried again where its error may pass, and only then', async () => {
    const { url, paths } = await serve((_request, response, index) => response.end(index < 2 ? 'bad' : 'good'))
    const check = ({ body }: { body: Uint8Array }): void => {
      if (text(body) === 'bad') throw new CkvdError('CKVD_LISTING', 'bad')
    }
    expect(text((await createClient().fetch(url, plain({ check }))).body)).toBe('good')
    expect(paths).toHaveLength(3)
    const never = (): void => {
      throw new CkvdError('CKVD_REST_BODY', 'never')
    }
    expect((await errorOf(createClient().fetch(url, plain({ check: never })))).code).toBe('CKVD_REST_BODY')
    expect(paths).toHaveLength(4)
  })
})

describe('the Date of answers', () => {
  const dated = (date: Date, headers: Record<string, string> = {}): Answerer => {
    return (_request, response) => response.writeHead(200, { date: date.toUTCString(), ...headers }).end()
  }

  test.each(['listing', 'rest'] as const)('of a %s an hour off stops, both times named', async (kind) => {
    const behind = new Date(Date.now() - 18 * 3_600_000)
    const { url } = await serve(dated(behind))
    const error = await errorOf(createClient().fetch(url, plain({ kind })))
    expect(error).toMatchObject({ code: 'CKVD_CLOCK', exit: 4 })
    expect(error.message).toContain(new Date(Math.floor(behind.getTime() / 1000) * 1000).toISOString())
    expect(error.message).toContain(new Date().toISOString().slice(0, 14))
  })

  test('of an archive, or of an answer that a cache kept, says nothing', async () => {
    const old = new Date(Date.now() - 18 * 3_600_000)
    const client = createClient()
    await client.fetch((await serve(dated(old))).url, plain({ kind: 'archive' }))
    await client.fetch((await serve(dated(old, { age: '60' }))).url, plain({ kind: 'listing' }))
    expect(client.clock.skewMs).toBe(0)
  })

  test('two minutes behind is told once, and holds "now" back', async () => {
    const told: string[] = []
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { date: new Date(Date.now() - 120_000).toUTCString() }).end(),
    )
    const client = createClient()
    client.clock.onSkew = (message) => void told.push(message)
    await client.fetch(url, plain({ kind: 'rest' }))
    await client.fetch(url, plain({ kind: 'rest' }))
    expect(told).toHaveLength(1)
    expect(Date.now() - client.clock.nowMs()).toBeGreaterThan(117_000)
    expect(Date.now() - client.clock.nowMs()).toBeLessThan(122_000)
    expect(client.clock.notAfter(1000)).toBe(1000)
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
  test('a proxy without a scheme and with signs in its password gets what curl would send', async () => {
    const target = await serve((_request, response) => response.end('through'))
    const asked: (string | undefined)[] = []
    const server = createServer()
    server.on('connect', (request, client: Socket) => {
      asked.push(request.headers['proxy-authorization'])
      const [name = '', port] = target.host.split(':')
      const upstream = connect(Number(port), name, () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(client).pipe(upstream)
      })
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
      closers.push(() => Promise.resolve(void (client.destroy(), upstream.destroy())))
    })
    const port = await listen(server)
    const client = createClient({ maxRetries: 0 }, { all_proxy: `  jan:100%@p%40ss@127.0.0.1:${port} ` })
    expect(text((await client.fetch('http://archive.invalid/', plain())).body)).toBe('through')
    expect(asked).toEqual([`Basic ${Buffer.from('jan:100%@p@ss').toString('base64')}`])
  })

  test.each([
    [407, 'CKVD_PROXY', 1],
    [403, 'CKVD_FORBIDDEN', 1],
    [502, 'CKVD_HTTP_BUSY', 3],
  ])('one that answers %i is named with its status, never its password', async (status, code, tries) => {
    let asked = 0
    const server = createServer()
    server.on('connect', (_request, client: Socket) => {
      asked++
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
    })
    const port = await listen(server)
    const client = createClient({}, { HTTPS_PROXY: `http://jan:secret@127.0.0.1:${port}` })
    const error = await errorOf(client.fetch('https://archive.invalid/', plain()))
    expect(error.code).toBe(code)
    expect(error.message).toContain(`the proxy 127.0.0.1:${port} (HTTPS_PROXY)`)
    expect(error.message).toContain(String(status))
    expect(JSON.stringify(error.toData())).not.toContain('secret')
    expect(asked).toBe(tries)
  })

  test('a dead one is named', async () => {
    const port = await listen(createServer())
    await closers.pop()?.()
    const error = await errorOf(
      createClient({ maxRetries: 0 }, { https_proxy: `127.0.0.1:${port}` }).fetch('https://archive.invalid/', plain()),
    )
    expect(error.code).toBe('CKVD_HTTP_NETWORK')
    expect(error.message).toContain(`through the proxy 127.0.0.1:${port} (https_proxy) failed: nothing listens there (ECONNREFUSED)`)
  })

  test('one that takes the connection and says nothing ends', async () => {
    const server = createServer()
    server.on('connect', (_request, client: Socket) => void closers.push(() => Promise.resolve(void client.destroy())))
    const port = await listen(server)
    const error = await errorOf(
      createClient({ maxRetries: 0, idleTimeoutMs: 300 }, { https_proxy: `127.0.0.1:${port}` }).fetch('https://archive.invalid/', plain()),
    )
    expect(error.code).toBe('CKVD_HTTP_TIMEOUT')
  })

  describe.each(['http', 'https'])('one that opens no tunnel to an address of %s ends each try, with one connection:', (scheme) => {
    const opened = 'HTTP/1.1 200 OK\r\n\r\n'
    test.each<[string, (client: Socket) => unknown]>([
      ['101', (client) => client.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n')],
      ['100', (client) => client.write('HTTP/1.1 100 Continue\r\n\r\n')],
      ['103', (client) => client.write('HTTP/1.1 103 Early Hints\r\n\r\n')],
      ['200, and a page behind it', (client) => client.write(`HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>`)],
      ['no HTTP', (client) => client.write('220 mail.lan\r\n\r\n')],
      ['closed', (client) => client.destroy()],
      ['200, and closed', (client) => client.end(opened)],
      ['200, and reset', (client) => client.write(opened, () => client.resetAndDestroy())],
    ])('%s', async (_name, answer) => {
      let connections = 0
      const server = createTcpServer((client) => {
        connections++
        closers.push(() => Promise.resolve(void client.destroy()))
        client.on('error', () => undefined).once('data', () => answer(client))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closers.push(() => Promise.resolve(void server.close()))
      const { port } = server.address() as AddressInfo
      const client = createClient({ maxRetries: 1 }, { all_proxy: `http://127.0.0.1:${port}` })
      const error = await errorOf(client.fetch(`${scheme}://archive.invalid/`, plain()))
      expect(error.message).toContain(`the proxy 127.0.0.1:${port} (all_proxy)`)
      expect(['CKVD_HTTP_NETWORK', 'CKVD_FORBIDDEN']).toContain(error.code)
      expect(connections).toBe(error.retryable ? 2 : 1)
    })
  })
})

test('a certificate that is not known here names NODE_EXTRA_CA_CERTS', async () => {
  const server = createSecureServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => response.end())
  const port = await listen(server)
  const error = await errorOf(createClient({ maxRetries: 0 }).fetch(`https://127.0.0.1:${port}/`, plain()))
  expect(error.code).toBe('CKVD_HTTP_NETWORK')
  expect(error.message).toContain('NODE_EXTRA_CA_CERTS')
})
