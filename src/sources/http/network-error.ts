import { isOutOfFiles } from '../../../config/open-files.ts'
import type { ErrorCode } from '../../errors.ts'
import { CkvdError, crowdedCode, memoryError, tooManyOpenFiles } from '../../errors.ts'
import { describeSystemCode, systemCode } from '../../system-errors.ts'

/** Errors of a connection or a server that may pass: worth another try. */
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const TRUNCATIONS = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'HPE_INVALID_EOF_STATE'])

/** What undici says where a proxy answers CONNECT with anything but 200. */
const TUNNEL_REFUSED = /^Proxy response \((\d{3})\)/
/** Certificates that Node does not trust, and those that are not for now. */
const UNTRUSTED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/
/** A name that is not known, or not for now: also what comes of it where the files with names cannot be opened. */
const LOOK_UPS = /^(ENOTFOUND|EAI_AGAIN)$/
const OUT_OF_TIME = /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/

/** Why a request failed: what undici or the system say of its connection, as an error of ours; `via` names the proxy on the way. */
export function networkError(error: Error, url: string, via: string | undefined): CkvdError {
  if (error instanceof CkvdError) return error
  const cause: unknown = 'cause' in error && error.cause instanceof Error ? error.cause : error
  const refused = via === undefined ? undefined : (TUNNEL_REFUSED.exec(error.message) ?? TUNNEL_REFUSED.exec((cause as Error).message))?.[1]
  if (via !== undefined && refused !== undefined) return tunnelError(Number(refused), url, via, error)
  const reason = systemCode(error) ?? systemCode(cause) ?? error.message
  const crowded = crowdedCode(error) ?? crowdedCode(cause) ?? (LOOK_UPS.test(reason) && isOutOfFiles() ? 'EMFILE' : undefined)
  const noMemory = memoryError(cause)
  if (noMemory !== undefined) return noMemory
  if (crowded !== undefined) return tooManyOpenFiles(crowded, `connect to ${new URL(url).origin}`, error, { url })
  const code: ErrorCode = TIMEOUTS.has(reason) ? 'CKVD_HTTP_TIMEOUT' : TRUNCATIONS.has(reason) ? 'CKVD_HTTP_TRUNCATED' : 'CKVD_HTTP_NETWORK'
  const through = via === undefined ? '' : ` through ${via}`
  const advice = adviceFor(reason)
  return new CkvdError(code, `Request to ${url}${through} failed: ${describeSystemCode(reason)}.${advice}`, {
    details: { url, reason, ...(advice === '' ? {} : { advice: advice.trim() }), ...(via === undefined ? {} : { proxy: via }) },
    cause: error,
  })
}

const TUNNEL_REASONS = {
  CKVD_PROXY: 'it wants a user and a password, or other ones. Correct the variable',
  CKVD_HTTP_BUSY: 'it cannot reach that host for now',
  CKVD_FORBIDDEN: 'it refuses that host. Ask who runs the proxy, or name the host in NO_PROXY',
} as const

/** A proxy that answered for itself: 5xx may pass (it did not reach the host), a wrong password will not, and others refuse this host. */
function tunnelError(status: number, url: string, via: string, cause: Error): CkvdError {
  const code = status === 407 ? 'CKVD_PROXY' : status >= 500 ? 'CKVD_HTTP_BUSY' : 'CKVD_FORBIDDEN'
  const message = `Expected ${via} to connect to ${url}, it answered ${status}: ${TUNNEL_REASONS[code]}.`
  return new CkvdError(code, message, { details: { url, proxy: via, status }, cause })
}

function adviceFor(reason: string): string {
  if (UNTRUSTED.test(reason))
    return ' Its certificate is not known here: if your network has a certificate authority of its own, name its file in NODE_EXTRA_CA_CERTS.'
  if (OUT_OF_TIME.test(reason)) return " Its certificate is not valid now: check this machine's clock."
  return ''
}
