/** An IPv4 address as IPv6 writes it, in the form that `URL` gives: `[::ffff:7f00:1]`. */
const MAPPED = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/

/**
 * The host of a URL in the one form in which hosts are compared: small letters, no dot at the end, one way to write an address (an IPv6 one in
 * brackets). `https://API.Example.:443/x` and `https://api.example` have the same.
 */
export function hostNameOf(url: string): string {
  const { hostname } = new URL(url)
  const [, high, low] = MAPPED.exec(hostname) ?? []
  if (high === undefined || low === undefined) return hostname.replace(/\.$/, '')
  const bytes = [high, low].flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 0xff])
  return bytes.join('.')
}
