import { BlockList, isIP } from 'node:net'
import { hostNameOf } from '../../../config/host-name.ts'
import { CkvdError } from '../../errors.ts'

/** The environment, of which the proxies are read. */
type Env = Readonly<Record<string, string | undefined>>

/** A proxy of the environment. */
export interface Proxy {
  /** `http://host:port` or `https://host:port`, without credentials */
  readonly url: string
  /** value of the `proxy-authorization` header; undefined: the proxy asks for none */
  readonly authorization: string | undefined
  /** how messages name it: `the proxy proxy.lan:3128 (HTTPS_PROXY)`. Never a secret. */
  readonly label: string
}

/** curl's own default where an http proxy names no port. */
const DEFAULT_PORTS = { http: '1080', https: '443' } as const

/**
 * The proxy that a request to `origin` takes, chosen and read as curl does: `https_proxy`, `http_proxy`, then `all_proxy`, lower case
 * before upper case, blanks around a value ignored, no scheme means `http://`, and a bare `%` in a password is a `%`. `HTTP_PROXY` in
 * capitals counts, too, but not where a CGI server set it from a request's `Proxy:` header. This machine itself (a sandbox) never has
 * one. Undefined: the request goes straight.
 * @throws CKVD_CONFIG for a proxy that is not HTTP (SOCKS), or no address; it names the variable and shows no secret
 */
export function proxyFor(origin: string, env: Env): Proxy | undefined {
  const { protocol, port } = new URL(origin)
  const host = hostNameOf(origin).replace(/^\[|\]$/g, '')
  if (isLoopback(host)) return undefined
  const found = findVariable(protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : httpNames(env), env)
  if (found === undefined || isExempt(host, port || (protocol === 'https:' ? '443' : '80'), env)) return undefined
  return parseProxy(found.name, found.value)
}

/** Checks the proxies that requests to these URLs would take. Throws as `proxyFor`. */
export function checkProxies(urls: readonly string[], env: Env): void {
  for (const url of urls) proxyFor(new URL(url).origin, env)
}

/**
 * A proxy's value in its parts, as curl divides it: user, password and host end where the first `/`, `?` or `#` is, and what lies
 * behind says nothing of the proxy.
 */
interface ProxyParts {
  /** with `://`; empty: none is named */
  readonly scheme: string
  /** what lies before the last `@`; undefined: there is none */
  readonly credentials: string | undefined
  /** and, behind a colon, the port */
  readonly host: string
  /** from the first `/`, `?` or `#` on */
  readonly behind: string
}

function partsOf(value: string): ProxyParts {
  const [, scheme = '', authority = '', behind = ''] = /^\s*([a-z][a-z0-9+.-]*:\/\/)?([^/?#]*)(.*)$/is.exec(value) ?? []
  const at = authority.lastIndexOf('@')
  return { scheme, credentials: at < 0 ? undefined : authority.slice(0, at), host: authority.slice(at + 1).trimEnd(), behind }
}

/** A host and its port, and nothing that could be a user and a password whose host was forgotten: `jan:secret`. */
const HOST_AND_PORT = /^(\[[^\]]*\]|[^:]*)(:\d{0,5})?$/

/**
 * The value of a proxy's variable, of which scheme, host and port alone are shown, whatever form it has: a path or a query may hold a
 * secret, and an `@` behind them, that what stands for the host is a part of a password.
 */
export function hideCredentials(value: string): string {
  const { scheme, credentials, host, behind } = partsOf(value)
  if (behind.includes('@')) return `${scheme}***`
  const shown = HOST_AND_PORT.test(host) ? host : `${/^[^:]*/.exec(host)?.[0] ?? ''}:***`
  return `${scheme}${credentials === undefined ? '' : '***@'}${shown}`
}

function httpNames(env: Env): string[] {
  return env['REQUEST_METHOD'] === undefined ? ['http_proxy', 'HTTP_PROXY'] : ['http_proxy']
}

function findVariable(names: readonly string[], env: Env): { readonly name: string; readonly value: string } | undefined {
  for (const name of [...names, 'all_proxy', 'ALL_PROXY']) {
    const value = env[name]?.trim() ?? ''
    if (value !== '') return { name, value }
  }
  return undefined
}

function parseProxy(name: string, value: string): Proxy {
  const { scheme, credentials, host: authority } = partsOf(value)
  const refuse = (expected: string): CkvdError =>
    new CkvdError('CKVD_CONFIG', `Expected \`${name}\` to be ${expected}, got ${hideCredentials(value)} (environment)`, {
      details: { setting: name },
    })
  const kind = scheme === '' ? 'http' : scheme.slice(0, -3).toLowerCase()
  if (kind.startsWith('socks')) {
    throw refuse('an HTTP proxy, such as http://proxy.lan:3128 (SOCKS is not supported: name an HTTP proxy, or add the hosts to NO_PROXY)')
  }
  const [, host = '', port = ''] = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i.exec(authority) ?? []
  const form = 'a proxy as curl takes it, such as http://user:password@proxy.lan:3128'
  if ((kind !== 'http' && kind !== 'https') || host === '') throw refuse(form)
  const address = `${host}:${port === '' ? DEFAULT_PORTS[kind] : port}`
  const url = `${kind}://${address}`
  // a port or an address that cannot be, such as 1.2.3.256
  if (!URL.canParse(url)) throw refuse(form)
  return {
    url,
    authorization: credentials === undefined ? undefined : basicAuthorization(credentials),
    label: `the proxy ${address} (${name})`,
  }
}

/** User and password as the header has them: what is percent-encoded is decoded, any other `%` stays. */
function basicAuthorization(credentials: string): string {
  const colon = credentials.indexOf(':')
  const [user, password] = colon < 0 ? [credentials, ''] : [credentials.slice(0, colon), credentials.slice(colon + 1)]
  return `Basic ${Buffer.concat([decodePercent(user), Buffer.from(':'), decodePercent(password)]).toString('base64')}`
}

function decodePercent(text: string): Buffer {
  const parts = text.split(/(%[0-9a-f]{2})/i)
  return Buffer.concat(parts.map((part, i) => (i % 2 === 1 ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))))
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || isIn(LOOPBACK, host)
}

function isIn(list: BlockList, host: string): boolean {
  const version = isIP(host)
  return version !== 0 && list.check(host, version === 6 ? 'ipv6' : 'ipv4')
}

/** True when `no_proxy` names the host, a domain above it, its network (`10.0.0.0/8`), or all (`*`); an entry may name a port. */
function isExempt(host: string, port: string, env: Env): boolean {
  const list = [env['no_proxy'], env['NO_PROXY']].map((value) => value?.trim() ?? '').find((value) => value !== '') ?? ''
  return list.split(/[\s,]+/).some((entry) => matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  const [, network = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry) ?? []
  const version = isIP(network)
  if (version !== 0) {
    if (Number(bits) > (version === 6 ? 128 : 32)) return false
    const list = new BlockList()
    list.addSubnet(network, Number(bits), version === 6 ? 'ipv6' : 'ipv4')
    return isIn(list, host)
  }
  const [, name = '', only] = isIP(entry) === 6 ? [entry, entry] : (/^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [])
  if (only !== undefined && only !== port) return false
  const domain = name.replace(/^\*?\.|\.$/g, '')
  return domain !== '' && (host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`)))
}
