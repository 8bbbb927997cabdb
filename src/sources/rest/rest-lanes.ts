import { hostNameOf } from '../../../config/host-name.ts'
import { SHARED_ACCOUNTS } from '../../../config/markets.ts'
import type { RestMarket } from '../../model/market.ts'

/**
 * Under which name each market's weight is booked: its REST origin, so that a server of tests and the exchange never meet, and what the exchange
 * counts together under one name. um and cm at one origin are counted together, as the exchange does; spot is apart.
 * @param urls base of each market's REST API
 */
export function restLanes(urls: Readonly<Record<RestMarket, string>>): Readonly<Record<RestMarket, string>> {
  return { spot: `${originOf(urls.spot)} spot`, um: `${originOf(urls.um)} futures`, cm: `${originOf(urls.cm)} futures` }
}

/** Names of this machine for itself: a mirror on it is one server, whichever of them is used. */
const LOOPBACK = new Set(['localhost', '[::1]'])

/** The origin that stands for all that are counted with it, however its host is written. */
function originOf(url: string): string {
  const { protocol, port } = new URL(url)
  const name = hostNameOf(url)
  const group = port === '' ? SHARED_ACCOUNTS.find((hosts) => hosts.includes(name)) : undefined
  if (group !== undefined) return `https://${group[0]}`
  return `${protocol}//${LOOPBACK.has(name) ? '127.0.0.1' : name}${port === '' ? '' : `:${port}`}`
}
