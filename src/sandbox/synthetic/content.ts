import type { Market } from '../../model/market.ts'
import { baseOf } from './profile.ts'
import { hashText, unitOf } from './random.ts'
import type { ContentFault, FaultRule } from '../faults.ts'
import { isContentFault } from '../faults.ts'
import { MS_PER_DAY } from '../grid.ts'

/** A stretch of time, [fromMs, toMs). */
export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

/** What is wrong with the bars of one symbol. Days are counted from 1970-01-01. */
export interface SymbolFaults {
  /** bars that exist nowhere */
  readonly outages: readonly Stretch[]
  /** bars that the archives lack and REST has */
  readonly archiveHoles: readonly Stretch[]
  readonly offGrid: readonly (Stretch & { readonly offsetMs: number })[]
  readonly republished: ReadonlyMap<number, { readonly content: boolean }>
  readonly differing: { readonly monthly: ReadonlySet<number>; readonly rest: ReadonlySet<number> }
  readonly dropped: ReadonlySet<number>
  readonly unlisted: ReadonlySet<number>
  readonly lateHours: ReadonlyMap<number, number>
}

/** A rule about one archive's content. */
export type ArchiveFault = Extract<ContentFault, { match: string }>
type PlacedFault = Exclude<ContentFault, ArchiveFault>

/** The rules about content, found by symbol and by archive. */
export class ContentFaults {
  readonly #placed: readonly PlacedFault[]
  readonly #archives: readonly { readonly rule: ArchiveFault; readonly pattern: RegExp }[]
  readonly #bySymbol = new Map<string, SymbolFaults>()

  constructor(rules: readonly FaultRule[]) {
    const content = rules.filter(isContentFault)
    this.#placed = content.filter((rule): rule is PlacedFault => !('match' in rule))
    this.#archives = content.flatMap((rule) => ('match' in rule ? [{ rule, pattern: new RegExp(rule.match, 'u') }] : []))
  }

  forSymbol(market: Market, symbol: string): SymbolFaults {
    const key = `${market}/${symbol}`
    let faults = this.#bySymbol.get(key)
    if (faults === undefined) {
      faults = collect(this.#placed.filter((rule) => rule.market === market && (rule.symbol === '*' || rule.symbol === symbol)))
      this.#bySymbol.set(key, faults)
    }
    return faults
  }

  /** The rules for an archive; `path` is its path on the sandbox. */
  forArchive(path: string): ArchiveFault[] {
    return this.#archives.filter(({ pattern }) => pattern.test(path)).map(({ rule }) => rule)
  }
}

function collect(rules: readonly PlacedFault[]): SymbolFaults {
  const outages: Stretch[] = []
  const archiveHoles: Stretch[] = []
  const offGrid: (Stretch & { offsetMs: number })[] = []
  const republished = new Map<number, { content: boolean }>()
  const differing = { monthly: new Set<number>(), rest: new Set<number>() }
  const dropped = new Set<number>()
  const unlisted = new Set<number>()
  const lateHours = new Map<number, number>()
  for (const rule of rules) {
    switch (rule.kind) {
      case 'outage':
        ;(rule.rest === false ? archiveHoles : outages).push(stretchOf(rule))
        break
      case 'off-grid':
        offGrid.push({ ...stretchOf(rule), offsetMs: rule.offsetMs })
        break
      case 'cut':
        ;(rule.rest === false ? outages : archiveHoles).push({
          fromMs: Date.parse(`${rule.day}T${rule.at}Z`),
          toMs: (dayOf(rule.day) + 1) * MS_PER_DAY,
        })
        break
      case 'differ':
        differing[rule.source].add(dayOf(rule.day))
        break
      case 'republish':
        republished.set(dayOf(rule.day), { content: rule.content ?? true })
        break
      case 'late':
        lateHours.set(dayOf(rule.day), rule.hours)
        break
      case 'unlisted':
        unlisted.add(dayOf(rule.day))
        break
      case 'drop-day':
        dropped.add(dayOf(rule.day))
        break
    }
  }
  return { outages, archiveHoles, offGrid, republished, differing, dropped, unlisted, lateHours }
}

function stretchOf(rule: { readonly from: string; readonly to: string }): Stretch {
  return { fromMs: Date.parse(rule.from), toMs: Date.parse(rule.to) }
}

function dayOf(day: string): number {
  return Date.parse(`${day}T00:00Z`) / MS_PER_DAY
}

/**
 * The outages that the default exchange has. One symbol of the universe is down for 70 minutes on every seventh day, so
 * that any seven days hold exactly one such day, and the same day always the same one. Bitcoin also has the outage that
 * spot really had on 2021-04-25. `bases` are the universe's bases in order.
 */
export function builtInOutage(market: Market, symbol: string, day: number, bases: readonly string[]): Stretch | undefined {
  if (market !== 'spot' || !symbol.endsWith('USDT')) return undefined
  if (symbol === 'BTCUSDT' && day === REAL_OUTAGE_DAY) {
    return { fromMs: Date.parse('2021-04-25T04:01Z'), toMs: Date.parse('2021-04-25T08:45Z') }
  }
  if (day % 7 !== 0 || bases[(day / 7) % bases.length] !== baseOf(symbol)) return undefined
  const minute = 120 + Math.floor(unitOf(hashText('outage'), day) * 1080)
  const fromMs = day * MS_PER_DAY + minute * 60_000
  return { fromMs, toMs: fromMs + 70 * 60_000 }
}

const REAL_OUTAGE_DAY = dayOf('2021-04-25')
