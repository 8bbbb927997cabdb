import { Agent, ProxyAgent, request } from 'undici'
import { CkvdError } from '../../errors.ts'
import { describeSystemCode } from '../../system-errors.ts'
import { proxyFor } from './proxy.ts'

/** How long a monitor may take to answer, all tries of one asking together. */
const PING_MS = 10_000
const TRIES = 2

export interface PingOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** milliseconds for one try; default 10 s */
  readonly timeoutMs?: number
}

/**
 * POSTs a text to a monitor, such as healthchecks; a second time where the first failed. Honours the proxies of the environment, follows no redirect.
 * Its address is a secret: errors name its origin alone.
 * @throws CkvdError `CKVD_HTTP_NETWORK`, `CKVD_HTTP_STATUS`, `CKVD_CONFIG` (of a proxy)
 */
export async function postPing(url: string, text: string, { env, timeoutMs = PING_MS }: PingOptions): Promise<void> {
  const { origin } = new URL(url)
  const proxy = proxyFor(origin, env)
  const dispatcher =
    proxy === undefined
      ? new Agent()
      : new ProxyAgent({ uri: proxy.url, ...(proxy.authorization === undefined ? {} : { token: proxy.authorization }) })
  try {
    let failure: CkvdError | undefined
    for (let tried = 0; tried < TRIES; tried++) {
      failure = await post(url, text, origin, { dispatcher, signal: AbortSignal.timeout(timeoutMs) })
      if (failure === undefined) return
    }
    throw failure ?? new CkvdError('CKVD_BUG', 'Expected a ping to be tried.')
  } finally {
    await dispatcher.destroy()
  }
}

async function post(
  url: string,
  text: string,
  origin: string,
  options: { readonly dispatcher: Agent | ProxyAgent; readonly signal: AbortSignal },
): Promise<CkvdError | undefined> {
  try {
    const { statusCode, body } = await request(url, {
      ...options,
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: text,
    })
    await body.dump()
    if (statusCode >= 200 && statusCode < 300) return undefined
    return new CkvdError('CKVD_HTTP_STATUS', `Expected the monitor at ${origin} to take the ping, it answered ${statusCode}.`)
  } catch (cause) {
    const reason = options.signal.aborted
      ? 'it did not answer in time'
      : describeSystemCode((cause as NodeJS.ErrnoException).code ?? 'the connection failed')
    return new CkvdError('CKVD_HTTP_NETWORK', `Cannot reach the monitor at ${origin}: ${reason}.`, { cause })
  }
}
