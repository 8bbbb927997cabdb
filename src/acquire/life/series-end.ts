import { knownEndUs } from '../../dataset/ending.ts'
import { isForgetful, isToldByRest } from '../../dataset/reach.ts'
import { isFailure } from '../../errors.ts'
import type { Doubt } from '../../model/evidence.ts'
import { doubt } from '../../model/evidence.ts'
import type { Grid } from '../../model/interval.ts'
import { maxLengthUs, nextSlotUs, slotStartUs } from '../../model/interval.ts'
import type { RestMarket } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { ExchangeInfo } from '../../sources/rest/exchange-info.ts'
import { isPlausible, isTraded } from '../../sources/rest/exchange-info.ts'
import type { RestSource } from '../../sources/rest/rest.ts'
import type { RestAnswer } from '../rest/rest-answer.ts'
import { SILENCE_US, refusalOf } from '../rest/rest-question.ts'
import { notTaken } from './other-archives.ts'

/** Whether a series has ended: no slot from `atUs` on is expected. `young`: it has been silent for too short a time to tell. */
export type Ending =
  | {
      readonly ended: true
      readonly atUs: number
      /** why bars up to there are missing; null: none is known to be */
      readonly leftOut: Doubt | null
    }
  | { readonly ended: false; readonly young: boolean; readonly doubt: Doubt }

/** Who may tell of an end. */
export interface EndWitnesses {
  /** null: REST is off */
  readonly rest: RestSource | null
  /** the last bar in the last archives of either form, us, at least the last bar of the series' own */
  readonly latestInArchives: (heldUs: number) => Promise<number>
  /** the listing of the market is behind its archives, so that no series can be called ended */
  readonly isListingBehind: (market: RestMarket, info: ExchangeInfo) => Promise<boolean>
  readonly nowUs: number
  readonly signal: AbortSignal
}

/** The one place that decides whether a series has ended. It keeps nothing: what it says is for `SeriesLife` to remember. */
export class SeriesEnd {
  readonly #series: Series
  readonly #witnesses: EndWitnesses

  constructor(series: Series, witnesses: EndWitnesses) {
    this.#series = series
    this.#witnesses = witnesses
  }

  /** When the series ended, if that is known without a witness and past: see `knownEndUs`. */
  get endedUs(): number | null {
    const atUs = knownEndUs(this.#series)
    return atUs !== null && atUs <= this.#witnesses.nowUs ? atUs : null
  }

  /**
   * Whether the series has ended with its last bar, given an answer that reaches to now. Throws CKVD_ABORTED and what is no failure.
   * @param lastUs open time of the last bar that is known; null: none is
   * @param fromUs from here on nothing is known: no archive, no bar
   * @param grid on which the bars that were seen agree
   */
  async decide(lastUs: number | null, answer: RestAnswer, fromUs: number, grid: Grid): Promise<Ending> {
    const open = (why: Doubt, young = false): Ending => ({ ended: false, young, doubt: why })
    if (this.#knowsNothing(answer)) {
      const gone = await this.isGone()
      if (gone !== true) return open(gone)
      return await this.#endOfGone(lastUs ?? fromUs - 1, grid)
    }
    // one cause for all that is missing behind the last bar: nobody can say that the series has not ended
    if (answer.kind === 'silent') return open(doubt('not-ended', refusalOf(answer)))
    const silentUs = answer.silentAfterUs
    if (silentUs === null) return open(doubt('no-witness', 'no answer holds the last bar and nothing after it up to now'))
    if (lastUs !== null && silentUs < slotStartUs(lastUs, grid)) {
      return open(doubt('contradiction', `REST's last bar opens at ${isoOfUs(silentUs)}, the last one that is known at ${isoOfUs(lastUs)}`))
    }
    if (this.endedUs !== null) return endAfter(silentUs, grid)
    const quietUs = this.#witnesses.nowUs - nextSlotUs(slotStartUs(silentUs, grid), grid)
    if (quietUs < SILENCE_US + maxLengthUs(grid)) return open(doubt('young'), true)
    const gone = await this.isGone()
    return gone === true ? endAfter(silentUs, grid) : open(gone)
  }

  /** True of an exchange that does not know the symbol, or has forgotten what is old and has nothing else. */
  #knowsNothing(answer: RestAnswer): boolean {
    if (answer.kind === 'silent' && answer.reason === 'unknown-symbol') return true
    if (!isForgetful(this.#series)) return false
    return answer.kind === 'silent' ? answer.reason === 'no-source' : answer.seen.length === 0
  }

  /** Where who is gone has ended: that tell archives, those that are not taken among them, and what is known without them. */
  async #endOfGone(heldUs: number, grid: Grid): Promise<Ending> {
    try {
      const latestUs = await this.#witnesses.latestInArchives(heldUs)
      const dueUs = Math.max(latestUs, (this.endedUs ?? 0) - 1)
      if (latestUs > heldUs) return endAfter(dueUs, grid, notTaken('end', latestUs))
      const isShort = slotStartUs(heldUs, grid) < slotStartUs(dueUs, grid)
      return endAfter(dueUs, grid, isShort ? doubt('not-ended', `its name says that it was delivered at ${isoOfUs(dueUs + 1)}`) : null)
    } catch (error) {
      if (!isFailure(error)) throw error
      return { ended: false, young: false, doubt: doubt('not-ended', `its last archives could not be read: ${error.code}`) }
    }
  }

  /**
   * True when a whole, plausible exchangeInfo does not name the symbol as trading; else why that is not known. Throws CKVD_ABORTED and what
   * is no failure.
   */
  async isGone(): Promise<true | Doubt> {
    const series = this.#series
    const { rest, signal } = this.#witnesses
    if (this.endedUs !== null) return true
    if (rest === null || !isToldByRest(series)) return doubt('not-ended', 'REST is off, so that exchangeInfo cannot be asked')
    try {
      const info = await rest.fetchExchangeInfo(series.market, { signal })
      if (!isPlausible(info, Date.now())) return doubt('not-ended', 'exchangeInfo is an old copy, or names no symbol that trades')
      if (isTraded(info, series)) return doubt('not-ended', `exchangeInfo names ${series.symbol} as trading`)
      return await this.#isSureOfListing(series.market, info)
    } catch (error) {
      if (!isFailure(error)) throw error
      return doubt('not-ended', `exchangeInfo could not be had: ${error.code}`)
    }
  }

  /** True when the listing is not behind; else why no series may be called ended. */
  async #isSureOfListing(market: RestMarket, info: ExchangeInfo): Promise<true | Doubt> {
    try {
      return (await this.#witnesses.isListingBehind(market, info))
        ? doubt('not-ended', `the listing of ${market} is behind its archives`)
        : true
    } catch (error) {
      if (!isFailure(error)) throw error
      return doubt('not-ended', `whether the listing of ${market} is behind its archives could not be asked: ${error.code}`)
    }
  }
}

/** The end after the bar of this time, which may be any in it. */
function endAfter(openUs: number, grid: Grid, leftOut: Doubt | null = null): Ending {
  return { ended: true, atUs: nextSlotUs(slotStartUs(openUs, grid), grid), leftOut }
}
