import type { Dataset } from '../../dataset/dataset.ts'
import { CkvdError } from '../../errors.ts'
import type { Interval } from '../../model/interval.ts'
import { parseInterval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import { isMarket, isSymbol, parseMarket } from '../../model/market.ts'
import { isSymbolWord, parseSymbol } from '../../question/symbol-format.ts'
import type { IngestRequest, RequestSurroundings } from './request-options.ts'
import type { UniverseLine, UniverseOptions } from '../universe.ts'
import { narrowUniverse, parseUniverse } from '../universe.ts'
import { readUniverseBytes } from '../universe-bytes.ts'
import type { UniverseEntry } from '../universe-file.ts'
import { wrongOption } from './wrong-option.ts'

/** How messages call symbols that stand in no file. */
const GIVEN = 'the symbols given'

/**
 * The lines that a request names: of a universe file, of a list, or its symbols themselves; symbols and a universe together filter.
 * @param datasets that are asked for; undefined: none are named
 * Throws `CKVD_USAGE`, `CKVD_UNIVERSE`, and `CKVD_SYMBOL_FORMAT` for a symbol in another market's form.
 */
export async function chooseLines(
  request: IngestRequest,
  around: RequestSurroundings,
  datasets: readonly Dataset[] | undefined,
): Promise<readonly UniverseLine[]> {
  const { symbols, mapMarket } = request
  const filters = { market: marketOf(request), symbols, mapMarket, intervals: parseIntervals(request.intervals) }
  const { series, withoutInterval } = await readLines(request, filters, around, datasets)
  for (const line of withoutInterval) around.onLeftOut?.(line)
  return series
}

async function readLines(
  request: IngestRequest,
  filters: Omit<UniverseOptions, 'name'>,
  around: RequestSurroundings,
  datasets: readonly Dataset[] | undefined,
) {
  const { universe, symbols = [] } = request
  if (typeof universe === 'string') {
    const bytes = await readUniverseBytes(universe, around).catch((error: unknown) => {
      throw isSymbolWord(universe) ? symbolMeant(error, universe, around) : error
    })
    return parseUniverse(bytes, { ...filters, name: universe })
  }
  if (universe !== undefined) return narrowUniverse({ baseColumn: null, entries: entriesOf(universe) }, { ...filters, name: GIVEN })
  const isCommand = around.caller === 'command'
  if (filters.mapMarket !== undefined)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected ${isCommand ? '`--universe FILE`' : '`universe`'} with \`${isCommand ? '--map-market' : 'mapMarket'} ${filters.mapMarket}\`: a file with the column base_symbol.`,
    )
  if (symbols.length === 0)
    throw new CkvdError(
      'CKVD_USAGE',
      isCommand
        ? 'Expected symbols or `--universe FILE`, got neither: for example `ckvd ingest BTCUSDT --start 2024-01-01`.'
        : "Expected `symbols` or `universe`, got neither: for example ingest({ symbols: ['BTCUSDT'], start: '2024-01-01' }).",
    )
  const market = filters.market ?? 'spot'
  const names = [...new Set(symbols.map((symbol) => parseSymbol(symbol, market, formOf(datasets))))]
  const entries = names.map((symbol, i): UniverseEntry => ({ market, symbol, intervals: 'all', line: i + 1 }))
  return narrowUniverse({ baseColumn: null, entries }, { intervals: filters.intervals, name: GIVEN })
}

/** The data set whose form symbols have: that of the one that is asked for, of several that of contracts. */
function formOf(datasets: readonly Dataset[] = []): string | undefined {
  return datasets.length === 1 ? datasets[0]?.name : undefined
}

/** A file that is not there and has a symbol's name. */
function symbolMeant(error: unknown, name: string, { caller }: RequestSurroundings): unknown {
  if (!(error instanceof CkvdError) || error.code !== 'CKVD_USAGE') return error
  const line = caller === 'command' ? `ckvd ingest ${name}` : `symbols: ['${name}']`
  return new CkvdError(error.code, `${error.message} Did you mean \`${line}\`?`, { details: error.details, cause: error })
}

function marketOf({ market: name }: IngestRequest): Market | undefined {
  const market = name === undefined ? undefined : parseMarket(String(name))
  if (name !== undefined && market === undefined) throw wrongOption('market', 'spot, um, cm or option', name)
  return market
}

function entriesOf(list: unknown): UniverseEntry[] {
  if (!Array.isArray(list) || list.length === 0) throw wrongOption('universe', 'a path or a list of {market, symbol}', list)
  return list.map((entry: { market?: unknown; symbol?: unknown } | null, i) => {
    const { market, symbol } = entry ?? {}
    if (typeof market !== 'string' || !isMarket(market) || typeof symbol !== 'string' || !isSymbol(symbol))
      throw wrongOption(`universe[${i}]`, '{market, symbol}', entry)
    return { market, symbol, intervals: 'all', line: i + 1 }
  })
}

function parseIntervals(names: IngestRequest['intervals']): readonly Interval[] | 'all' {
  if (names === undefined) return ['1m']
  if (names === 'all') return names
  return names.map((name) => {
    const interval = parseInterval(name)
    if (interval === undefined) throw wrongOption('intervals', 'intervals such as 1m or 1h, or "all"', name)
    return interval
  })
}
