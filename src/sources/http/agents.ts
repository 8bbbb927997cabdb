import type { buildConnector, Dispatcher } from 'undici'
import { Agent, Pool, ProxyAgent } from 'undici'
import { systemCode } from '../../system-errors.ts'
import type { Proxy } from './proxy.ts'
import { proxyFor } from './proxy.ts'

export interface AgentSettings {
  /** connections to one host at once */
  readonly connections: number
  /** milliseconds without a byte after which a request is given up */
  readonly idleTimeoutMs: number
  /** of which the proxies are read */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** How requests to an origin go. */
export interface Route {
  readonly dispatcher: Dispatcher
  /** names the proxy; undefined: straight */
  readonly via: string | undefined
}

/** The connections of a client, straight ones and those through proxies. Importing this file loads undici. */
export class Agents {
  readonly #settings: AgentSettings
  readonly #options: Agent.Options
  readonly #direct: Agent
  /** by origin: the way that its requests take */
  readonly #routes = new Map<string, Route>()
  readonly #proxies = new Map<string, ProxyAgent>()

  constructor(settings: AgentSettings) {
    const { connections, idleTimeoutMs } = settings
    this.#settings = settings
    this.#options = {
      connections,
      pipelining: 1,
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
      connect: { timeout: idleTimeoutMs },
      keepAliveTimeout: 10_000,
    }
    this.#direct = new Agent(this.#options)
  }

  /** The way of requests to an origin. Throws CKVD_CONFIG for a proxy that cannot be. */
  routeTo(origin: string): Route {
    let route = this.#routes.get(origin)
    if (route === undefined) {
      const proxy = proxyFor(origin, this.#settings.env)
      route = proxy === undefined ? { dispatcher: this.#direct, via: undefined } : { dispatcher: this.#proxyAgent(proxy), via: proxy.label }
      this.#routes.set(origin, route)
    }
    return route
  }

  #proxyAgent({ url, authorization }: Proxy): ProxyAgent {
    const key = `${url} ${authorization ?? ''}`
    let agent = this.#proxies.get(key)
    if (agent === undefined) {
      const { idleTimeoutMs } = this.#settings
      agent = new ProxyAgent({
        ...this.#options,
        uri: url,
        ...(authorization === undefined ? {} : { token: authorization }),
        proxyTls: { timeout: idleTimeoutMs },
        factory: (origin, o) => {
          const { connect, ...options } = o as Pool.Options & { readonly connect: buildConnector.connector }
          return new Pool(origin, { ...options, connect: onlyTunnels(connect) })
        },
        // a proxy that takes the connection and says nothing ends, too
        clientFactory: (proxyUrl, o) => new Pool(proxyUrl, { ...(o as Pool.Options), headersTimeout: idleTimeoutMs }),
      })
      this.#proxies.set(key, agent)
    }
    return agent
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#direct, ...this.#proxies.values()].map((agent) => agent.destroy()))
  }
}

/** What undici takes for a passing fault of a socket. */
const SOCKET_FAULTS = new Set(['UND_ERR_SOCKET', 'UND_ERR_INFO'])

/**
 * Lets through only tunnels on which a request can go out. undici itself opens the next one at once where opening one met a fault of a
 * socket, or where it broke before the request was on it, for ever and some thousand times a second: a proxy that answers CONNECT with
 * 101, with a page behind its 200, or by closing, would never be told.
 */
function onlyTunnels(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      const refuse = (reason: string): void => callback(new Error(`it opened no tunnel (${reason})`), null)
      if (error !== null) return SOCKET_FAULTS.has(systemCode(error) ?? '') ? refuse(error.message) : callback(error, null)
      const early = socket.readableLength
      if (early === 0 && !socket.destroyed && !socket.readableEnded) return callback(null, socket)
      socket.on('error', () => undefined).destroy()
      refuse(early > 0 ? 'bytes came before anything was asked' : 'closed')
    })
}
