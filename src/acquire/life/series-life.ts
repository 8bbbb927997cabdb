import type { SeriesBounds } from '../../dataset/expected.ts'
import { chunkEndUs } from '../../dataset/chunk.ts'
import { isForgetful, isToldByRest } from '../../dataset/reach.ts'
import { isFailure } from '../../errors.ts'
import type { BeginningRow, FirstSource, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Doubt } from '../../model/evidence.ts'
import { doubt } from '../../model/evidence.ts'
import type { Grid, Interval, Phase } from '../../model/interval.ts'
import { gridOf, INTERVALS, joinPhases, nestsIn, nextSlotUs, slotStartUs } from '../../model/interval.ts'
import type { Gap } from '../../model/gaps.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { RestSource } from '../../sources/rest/rest.ts'
import type { RestAnswer } from '../rest/rest-answer.ts'
import type { EndWitnesses, Ending } from './series-end.ts'
import { SeriesEnd } from './series-end.ts'

/** Where a series begins: known, or why it is not. A start of null: at the first bar that turns up. */
export type Beginning =
  { readonly known: true; readonly startUs: number | null; readonly source: FirstSource } | { readonly known: false; readonly doubt: Doubt }

/** REST's answers to "the first bar of all", kept for all intervals of a symbol. */
export interface Beginnings {
  /** in the order in which they became known */
  list(series: Series): readonly BeginningRow[]
  put(row: BeginningRow): void
  /** one at a time for a symbol: who comes second may find what it asks for already there */
  inTurn<T>(series: Series, work: () => Promise<T>): Promise<T>
  /** the interval for which REST is asked: the shortest one of the symbol that is wanted tells for all in whose bars its own fit */
  intervalFor(series: Series): Interval
}

/** Whose first archives tell of a beginning: those of all intervals of the symbol, or those of the series, in both forms. */
export type ArchivesOf = 'symbol' | 'series'

export interface SeriesLifeOptions extends EndWitnesses {
  readonly series: Series
  /** what the lake, or an earlier call, knows */
  readonly known: SeriesRow | undefined
  readonly beginnings: Beginnings
  /** the earliest bar in the first archives, us, given the first bar of the series' own */
  readonly earliestInArchives: (heldUs: number, of: ArchivesOf) => Promise<number>
  /** the last chunk that is known to have bars, in the lake or in an archive; null: none is */
  readonly lastKnownDay: UtcDay | null
  /** archives or bars are known after the range that is asked for */
  readonly goesOn: boolean
}

/**
 * The one place that decides where a series begins, and keeps what is known of its life for the whole run: beginning, end, last bar, phase. REST
 * is asked only when a decision needs it, and once.
 */
export class SeriesLife {
  readonly #series: Series
  readonly #known: SeriesRow | undefined
  readonly #beginnings: Beginnings
  readonly #rest: RestSource | null
  readonly #earliestInArchives: SeriesLifeOptions['earliestInArchives']
  readonly #end: SeriesEnd
  readonly #lastKnownDay: UtcDay | null
  readonly #goesOn: boolean
  readonly #nowUs: number
  readonly #signal: AbortSignal
  #startUs: number | null
  #source: FirstSource | null
  #lastOpenUs: number | null
  #endUs: number | null = null
  /** it was asked in vain whether the series has ended */
  #isOpen = false
  #phase: Phase | null = null
  #asked: Promise<Beginning> | undefined
  /** the first bar that was held when it was asked, us; null: none was */
  #askedUpToUs: number | null = null

  constructor(options: SeriesLifeOptions) {
    const { series, known, beginnings, rest, lastKnownDay, goesOn, nowUs, signal } = options
    this.#earliestInArchives = options.earliestInArchives
    this.#series = series
    this.#known = known
    this.#beginnings = beginnings
    this.#rest = isToldByRest(series) && !isForgetful(series) ? rest : null
    this.#end = new SeriesEnd(series, options)
    this.#lastKnownDay = lastKnownDay
    this.#goesOn = goesOn
    this.#nowUs = nowUs
    this.#signal = signal
    this.#startUs = known?.firstOpenUs ?? null
    this.#source = known?.firstSource ?? null
    this.#lastOpenUs = known?.lastOpenUs ?? null
    // what is known need not be asked
    const { endedUs } = this.#end
    const grid = gridOf(series)
    if (endedUs !== null) this.#endUs = nextSlotUs(slotStartUs(endedUs - 1, grid), grid)
    if (this.#endUs !== null && this.#lastOpenUs !== null && this.#lastOpenUs >= this.#endUs) this.#endUs = null
    // REST is asked again where it could not be
    if (this.#source === 'provisional' && rest !== null) {
      this.#startUs = null
      this.#source = null
    }
  }

  /** Where bars are expected, as far as is known by now. */
  get bounds(): SeriesBounds {
    return { startUs: this.#startUs, endUs: this.#endUs }
  }

  get nowUs(): number {
    return this.#nowUs
  }

  /** True of a chunk after which no bar is known, so that the series may have ended in it. */
  mayEndIn(day: UtcDay): boolean {
    if (this.#goesOn || (this.#lastKnownDay !== null && day < this.#lastKnownDay)) return false
    return this.#lastOpenUs === null || this.#lastOpenUs < chunkEndUs(day, this.#series)
  }

  get startSource(): FirstSource | null {
    return this.#source
  }

  /** Open time of the last bar that was seen, microseconds. */
  get lastOpenUs(): number | null {
    return this.#lastOpenUs
  }

  /** End of the series, microseconds; null: it goes on, or nobody knows. What an earlier run knew holds until this one learns otherwise. */
  get endedUs(): number | null {
    if (this.#endUs !== null || this.#isOpen) return this.#endUs
    const endedUs = this.#known?.endedUs ?? null
    return endedUs !== null && (this.#lastOpenUs ?? 0) < endedUs ? endedUs : null
  }

  /** Of `3d`, the phase on which all bars that were seen agree; null: none was. */
  get phase(): Phase | null {
    return this.#phase
  }

  /** The grid on which the bars that were seen agree. */
  get #grid(): Grid {
    return gridOf({ ...this.#series, phase: this.#phase ?? this.#series.phase })
  }

  sawPhase(phase: Phase | null): void {
    this.#phase = joinPhases(this.#phase, phase)
  }

  /** A bar of the series opens at this time. */
  saw(openUs: number | null): void {
    if (openUs === null) return
    this.#lastOpenUs = Math.max(this.#lastOpenUs ?? openUs, openUs)
    // a bar from behind the end that was believed
    if (this.#endUs !== null && openUs >= this.#endUs) this.#endUs = null
    // a bar from before the beginning that was believed
    if (this.#startUs !== null && openUs < this.#startUs) this.#startUs = openUs
  }

  /**
   * Where the series begins. `heldUs` is its first bar as far as is known (null: none is). Throws CKVD_ABORTED and what is no failure.
   */
  async begin(heldUs: number | null): Promise<Beginning> {
    if (this.#source !== null && (this.#startUs !== null || heldUs === null) && !this.#isDenied(this.#startUs, heldUs))
      return this.#settle(this.#startUs, this.#source, heldUs)
    const before = await this.#asked
    if (before !== undefined && this.#isOutdated(before, heldUs)) this.#asked = undefined
    if (this.#asked === undefined) this.#askedUpToUs = heldUs
    this.#asked ??= this.#beginnings.inTurn(this.#series, async () => {
      const told = this.#toldByOthers()
      return told === null || this.#isDenied(told, heldUs) ? await this.#ask(heldUs) : { known: true, startUs: told, source: 'rest' }
    })
    const answer = await this.#asked
    if (!answer.known) return answer
    const settled = this.#settle(answer.startUs, answer.source, heldUs)
    // an earlier run has looked while REST could not be asked: what it saw is the answer
    const isLooked = settled.source === 'rest' || answer.startUs !== null
    if (heldUs === null || (isLooked && settled.source !== 'archives')) return settled
    try {
      const earliestUs = await this.#earliestInArchives(heldUs, settled.source === 'archives' ? 'symbol' : 'series')
      this.#startUs = slotStartUs(earliestUs, this.#grid)
      return { ...settled, startUs: this.#startUs }
    } catch (error) {
      return this.#unread(error)
    }
  }

  /**
   * As `begin`, while no bar is held. Where REST tells no beginning, or one after the first listed archive is over, archives know better.
   * @param archiveEndUs when that archive is over; null: none is listed
   * @param isLooked the first archives of both forms are listed
   */
  async beginBefore(archiveEndUs: number | null, isLooked: boolean): Promise<Beginning> {
    const told = await this.begin(null)
    if (!told.known || archiveEndUs === null) return told
    const isTold = told.source === 'rest' ? (told.startUs ?? 0) < archiveEndUs : told.startUs !== null
    if (isTold || (told.source === 'provisional' && isLooked)) return told
    try {
      const earliestUs = await this.#earliestInArchives(archiveEndUs, told.source === 'archives' ? 'symbol' : 'series')
      if (earliestUs >= archiveEndUs) return told
      return told.source === 'rest' ? await this.begin(earliestUs) : this.#settle(slotStartUs(earliestUs, this.#grid), told.source, null)
    } catch (error) {
      return this.#unread(error)
    }
  }

  /**
   * Where archives alone told an earlier run of the beginning, REST is asked again: what it said then may have been no more than it knew.
   * @param archiveEndUs when the first listed archive is over: a later first bar is that of a second life
   */
  async askAgain(archiveEndUs: number): Promise<void> {
    if (this.#source !== 'archives' || this.#known?.firstSource !== 'archives' || this.#rest === null) return
    const answer = await this.#beginnings.inTurn(this.#series, () => this.#ask(archiveEndUs - 1))
    if (answer.known && answer.source === 'rest' && (answer.startUs ?? archiveEndUs) < archiveEndUs)
      this.#settle(answer.startUs, 'rest', null)
  }

  /** The first archives could not be had: then nobody has told where the series begins. Throws what is no failure. */
  #unread(error: unknown): Beginning {
    if (!isFailure(error)) throw error
    this.#startUs = null
    this.#source = null
    return { known: false, doubt: doubt('no-witness', `its first archives could not be read: ${error.code}`) }
  }

  /** True where an answer is later than a bar that was not held when it was asked for. */
  #isOutdated(answer: Beginning, heldUs: number | null): boolean {
    return (
      answer.known && this.#isDenied(answer.startUs, heldUs) && (this.#askedUpToUs === null || this.#isDenied(this.#askedUpToUs, heldUs))
    )
  }

  /** True where a beginning is later than a bar that is held. */
  #isDenied(startUs: number | null, heldUs: number | null): boolean {
    return startUs !== null && heldUs !== null && heldUs < slotStartUs(startUs, this.#grid)
  }

  /** REST's first bar is the series' only if no earlier one is known: of a symbol with a second life the archives have the first one. */
  #settle(startUs: number | null, source: FirstSource, heldUs: number | null): Extract<Beginning, { known: true }> {
    const own: { startUs: number | null; source: FirstSource } = this.#isDenied(startUs, heldUs)
      ? { startUs: heldUs, source: source === 'rest' ? 'archives' : source }
      : { startUs: startUs ?? heldUs, source }
    this.#startUs = own.startUs
    this.#source = own.source
    return { known: true, ...own }
  }

  /** The beginning of a shorter interval is that of the longer ones in whose bars its own fit: three days may reach into the next week. */
  #toldByOthers(): number | null {
    if (this.#series.dataset !== undefined) return null
    const own = this.#series.interval
    const fitting = this.#beginnings.list(this.#series).filter(({ interval }) => interval === own || nestsIn(interval, own))
    const best = fitting.sort((a, b) => INTERVALS.indexOf(b.interval) - INTERVALS.indexOf(a.interval))[0]
    if (best === undefined) return null
    return best.interval === this.#series.interval ? best.firstOpenUs : slotStartUs(best.firstOpenUs, this.#grid)
  }

  async #ask(heldUs: number | null): Promise<Beginning> {
    const grid = this.#grid
    const series = this.#series
    if (!isToldByRest(series) || isForgetful(series)) return { known: true, startUs: null, source: 'archives' }
    if (this.#rest === null) return this.#provisional()
    try {
      const interval = this.#beginnings.intervalFor(this.#series)
      // the shorter bars of which the held one is made may begin late in it
      const upToUs = heldUs === null || interval === this.#series.interval ? heldUs : nextSlotUs(slotStartUs(heldUs, grid), grid) - 1
      const first = await this.#rest.fetchFirstBar({ ...series, interval }, upToUs, { signal: this.#signal })
      if (first === 'unproved')
        return { known: false, doubt: doubt('no-witness', 'asked for the first bar of all, what came proves nothing') }
      if (first === 'unlisted') {
        const gone = await this.#end.isGone()
        return gone === true ? { known: true, startUs: null, source: 'archives' } : { known: false, doubt: gone }
      }
      const { market, symbol } = this.#series
      // it is kept for the intervals of klines
      if (this.#series.dataset === undefined) this.#beginnings.put({ market, symbol, interval, firstOpenUs: first })
      const startUs = interval === this.#series.interval ? first : slotStartUs(first, grid)
      return { known: true, startUs, source: 'rest' }
    } catch (error) {
      if (!isFailure(error)) throw error
      return this.#provisional()
    }
  }

  /** While REST cannot be asked: where an earlier run that could not ask either has looked in the archives, what it found. */
  #provisional(): Beginning {
    const startUs = this.#known?.firstSource === 'provisional' ? this.#known.firstOpenUs : null
    return { known: true, startUs, source: 'provisional' }
  }

  /**
   * Whether the series has ended with its last bar, given an answer that reaches to now. Throws CKVD_ABORTED and what is no failure.
   * @param lastUs open time of the last bar that is known; null: none is
   * @param fromUs from here on nothing is known: no archive, no bar
   */
  async end(lastUs: number | null, answer: RestAnswer, fromUs: number): Promise<Ending> {
    const ending = await this.#end.decide(lastUs, answer, fromUs, this.#grid)
    if (ending.ended) this.#endUs = ending.atUs
    this.#isOpen = !ending.ended
    return ending
  }

  /** What an earlier run knew of the end, if the exchange still says so. */
  async rememberedEnd(): Promise<number | null> {
    const endedUs = this.#known?.endedUs ?? null
    if (endedUs === null || (this.#lastOpenUs ?? 0) >= endedUs) return null
    // a contract's name says when it was delivered, not that it had fallen silent before
    if (this.#endUs !== null && endedUs < this.#endUs) return null
    this.#isOpen = (await this.#end.isGone()) !== true
    if (this.#isOpen) return null
    this.#endUs = endedUs
    return endedUs
  }
}

/**
 * Where REST has no bar before a gap, the series may begin behind it: if nobody has said yet where it begins, REST is asked. `heldUs` is
 * the first bar that is held beside REST's. Throws as `SeriesLife.begin`.
 */
export async function learnFromSilence(gap: Gap | undefined, answer: RestAnswer, heldUs: number | null, life: SeriesLife): Promise<void> {
  if (gap === undefined || answer.kind === 'silent' || life.startSource !== null) return
  const [first] = answer.seen
  if ((first !== undefined && first < gap.startUs) || (heldUs !== null && heldUs < gap.startUs)) return
  const earliest = Math.min(first ?? Infinity, heldUs ?? Infinity)
  await life.begin(earliest === Infinity ? null : earliest)
}
