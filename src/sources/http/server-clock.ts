import { CkvdError } from '../../errors.ts'
import { parseHttpDate } from './http-date.ts'

/** Beyond this the clocks differ by more than clocks and networks do: it is told. Milliseconds. */
const TOLD_MS = 5_000
/** Beyond this no day can be told from the next: the run stops. Milliseconds. */
const STOPS_MS = 3_600_000
/** The `Date` of an answer has whole seconds. */
const DATE_STEP_MS = 1000

/** An answer's headers, and the system's clock (epoch ms) when its request was sent and when they came. */
export interface DatedAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly sentMs: number
  readonly receivedMs: number
}

/**
 * What the servers' clocks say of the system's. Each answer of the listing and of REST has a `Date`, so it costs no request. Of a
 * difference only the part is counted that neither the time on the way nor the whole seconds of the header can explain. An answer that a
 * cache kept (`Age`, or an `X-Cache` that says so) is not believed, nor is what is no HTTP date. The clock that `CKVD_NOW` sets for planning is not meant: the system's own is.
 */
export class ServerClock {
  /** by how much the system's clock is ahead of each server's at least, ms; negative: behind */
  readonly #skews = new Map<string, number>()
  /** called once, with a sentence, when the clocks are found to differ by more than 5 s */
  onSkew: ((message: string) => void) | undefined
  #isTold = false

  /**
   * Takes the `Date` of an answer of `origin`.
   * @throws CKVD_CLOCK when the clocks differ by more than an hour
   */
  observe(origin: string, answer: DatedAnswer): void {
    const { headers } = answer
    if (headers['age'] !== undefined || /\bhit\b/i.test(headers['x-cache'] ?? '')) return
    const dateMs = parseHttpDate(headers['date'])
    if (dateMs === undefined) return
    const atLeast = answer.sentMs - (dateMs + DATE_STEP_MS)
    const atMost = answer.receivedMs - dateMs
    const skewMs = atLeast > 0 ? atLeast : Math.min(0, atMost)
    this.#skews.set(origin, skewMs)
    if (Math.abs(skewMs) <= TOLD_MS) return
    const message = describeSkew(origin, dateMs, answer.receivedMs)
    if (Math.abs(skewMs) > STOPS_MS) {
      throw new CkvdError(
        'CKVD_CLOCK',
        `${message} Nothing is stored by such a clock: set this machine's clock and run the same command again.`,
        {
          details: { origin, serverTime: iso(dateMs), systemTime: iso(answer.receivedMs), skewMs },
        },
      )
    }
    if (this.#isTold) return
    this.#isTold = true
    this.onSkew?.(`${message} A bar or a day counts as closed when both clocks say so.`)
  }

  /** By how much the system's clock is ahead of a server's at least, ms: the largest of all servers asked; 0 where none is known to be behind. */
  get skewMs(): number {
    return Math.max(0, ...this.#skews.values())
  }

  /** The earlier of the system's clock and the servers', epoch ms. */
  nowMs(): number {
    return Date.now() - this.skewMs
  }

  /** `timeMs`, but never later than it is by the servers' clocks, as far as they are known to be behind the system's: what "closed" means. */
  notAfter(timeMs: number): number {
    return this.skewMs === 0 ? timeMs : Math.min(timeMs, this.nowMs())
  }
}

function describeSkew(origin: string, serverMs: number, systemMs: number): string {
  const seconds = Math.round(Math.abs(systemMs - serverMs) / 1000)
  const amount = seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
  const direction = systemMs > serverMs ? 'ahead of' : 'behind'
  return `Expected this machine's clock to agree with ${origin}, found ${iso(systemMs)} here and ${iso(serverMs)} there (${amount} ${direction} it).`
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
