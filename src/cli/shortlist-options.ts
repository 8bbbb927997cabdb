import { Option } from '@commander-js/extra-typings'
import { expectedMessage } from '../../config/settings.ts'
import { CkvdError } from '../errors.ts'
import type { Shortlist } from '../report/availability/shortlist.ts'
import type { SymbolKind } from '../report/availability/symbol-facts.ts'
import { isSymbolKind, SYMBOL_KINDS } from '../report/availability/symbol-facts.ts'

/** The flags that choose symbols of a listing. */
export interface ShortlistFlags {
  readonly live?: true
  readonly kind?: SymbolKind[]
  readonly quote?: string
  readonly minDays?: number
  readonly symbols?: string[]
}

/** `--kind A,B`. */
export function kindOption() {
  const expected = `kinds separated by commas, of ${SYMBOL_KINDS.join(', ')}`
  return new Option('--kind <LIST>', `choose these kinds, separated by commas: ${SYMBOL_KINDS.join(', ')}`).argParser((text) => {
    const kinds = text
      .toLowerCase()
      .split(',')
      .map((word) => word.trim())
    if (kinds.every(isSymbolKind)) return kinds
    throw new CkvdError('CKVD_USAGE', expectedMessage('--kind', expected, text, 'flag'), {
      details: { flag: '--kind', expected, found: text },
    })
  })
}

/** `--quote ASSET`. */
export function quoteOption() {
  return new Option(
    '--quote <ASSET>',
    'choose pairs in this asset; also that of the reports over all markets (default of these: USDT)',
  ).argParser((text) => {
    const quote = text.toUpperCase()
    if (/^[A-Z0-9]{1,16}$/.test(quote)) return quote
    throw new CkvdError('CKVD_USAGE', `Expected \`--quote\` to be an asset such as USDT, got ${JSON.stringify(text)} (flag).`)
  })
}

/** What the flags choose. */
export function shortlistOf({ live, kind, quote, minDays, symbols }: ShortlistFlags): Shortlist {
  return {
    ...(live === undefined ? {} : { live }),
    ...(kind === undefined ? {} : { kinds: kind }),
    ...(quote === undefined ? {} : { quote }),
    ...(minDays === undefined ? {} : { minDays }),
    ...(symbols === undefined ? {} : { symbols }),
  }
}
