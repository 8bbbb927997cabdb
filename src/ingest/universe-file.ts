import type { Info } from 'csv-parse/sync'
import { CsvError, parse } from 'csv-parse/sync'
import { intervalsOf } from '../../config/markets.ts'
import type { Dataset } from '../dataset/dataset.ts'
import { ownSymbol } from '../dataset/names.ts'
import { datasetNames, findDataset } from '../dataset/registry.ts'
import { CkvdError } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import { parseInterval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { hasRest, isSymbol, MARKETS, parseMarket } from '../model/market.ts'
import { parseUtcDay } from '../model/utc-day.ts'
import { nearDatasets } from '../question/dataset-names.ts'
import { symbolOf } from '../question/symbol-format.ts'

/** One line of a universe file as written, checked but not yet narrowed. */
export interface UniverseEntry {
  readonly market: Market
  readonly symbol: string
  /** in the line's order; 'all' for a list of one symbol a line, which names none */
  readonly intervals: readonly Interval[] | 'all'
  /** data sets, in the line's order; absent: it names none */
  readonly datasets?: readonly string[]
  readonly baseSymbol?: string
  /** 1-based */
  readonly line: number
}

/** A universe file: CSV as the availability reports write it, or a bare list of one symbol a line. */
export interface UniverseFile {
  /** 1-based number of the column base_symbol; null when there is none */
  readonly baseColumn: number | null
  readonly entries: readonly UniverseEntry[]
}

const PROBLEMS_SHOWN = 10
const REQUIRED = ['market', 'symbol', 'earliest_date', 'available_intervals'] as const
const KNOWN: readonly string[] = [...REQUIRED, 'base_symbol', 'dataset']

/** Columns as `ckvd availability --csv` names them. */
const ALIASES: Readonly<Record<string, string | undefined>> = { first: 'earliest_date', base: 'base_symbol' }

/** What separates cells: a comma, or what spreadsheets of other languages and their "Unicode text" write. */
const DELIMITERS = [',', ';', '\t'] as const

const CSV_OPTIONS = { info: true, relax_column_count: true, skip_empty_lines: true, trim: true, record_delimiter: ['\r\n', '\n', '\r'] }

interface Row {
  readonly cells: readonly string[]
  /** 1-based line on which the row starts */
  readonly line: number
}

/** Something wrong in the file. `column` is the 1-based number of the cell, `name` its heading. */
interface UniverseProblem {
  readonly line: number
  readonly column: number
  readonly name?: string
  readonly expected: string
  readonly found: string
}

/**
 * Reads a universe file whole or not at all.
 * @param name the file's name, or `-`, for messages
 * @param market market of a bare list's symbols
 * @throws CkvdError `CKVD_UNIVERSE` with `details` {file, line, column, found, problems?}
 */
export function parseUniverseFile(bytes: Uint8Array, name: string, market: Market = 'spot'): UniverseFile {
  const rows = parseRows(decodeText(bytes, name), name)
  const [first] = rows
  if (first === undefined) throw universeError(name, [{ line: 1, column: 1, expected: 'at least one symbol', found: '' }])
  return first.cells.length === 1 ? parseList(rows, name, market) : parseTable(first, rows.slice(1), name)
}

function decodeText(bytes: Uint8Array, name: string): string {
  const utf16 = utf16Of(bytes)
  if (utf16 !== undefined) return decodeUtf16(bytes, utf16, name)
  const nul = bytes.indexOf(0)
  if (nul >= 0)
    throw universeError(name, [{ ...placeOf(bytes, nul), expected: 'text in UTF-8, or in UTF-16 with a byte order mark', found: '\0' }])
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    const bad = firstBadByte(bytes)
    throw universeError(name, [
      { ...placeOf(bytes, bad), expected: 'UTF-8 text', found: `byte 0x${(bytes[bad] ?? 0).toString(16).padStart(2, '0')}` },
    ])
  }
}

/** The byte order of a file that begins with the mark of UTF-16, as spreadsheets write it. */
function utf16Of(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  return mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : undefined
}

function decodeUtf16(bytes: Uint8Array, encoding: 'utf-16le' | 'utf-16be', name: string): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    throw universeError(name, [
      { line: 1, column: 1, expected: 'whole UTF-16 text, as its byte order mark promises', found: 'other bytes' },
    ])
  }
}

/** Offset of the first byte that is not UTF-8: where a replacement character appears that the bytes themselves do not spell. */
function firstBadByte(bytes: Uint8Array): number {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  let offset = 0
  let from = 0
  for (let at = text.indexOf('\uFFFD'); at >= 0; at = text.indexOf('\uFFFD', from)) {
    offset += Buffer.byteLength(text.slice(from, at))
    if (!(bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd)) return offset
    offset += 3
    from = at + 1
  }
  return bytes.length - 1
}

/** Line and cell in which a byte stands; quotes are not looked at, since the text may not be CSV at all. */
function placeOf(bytes: Uint8Array, offset: number): { line: number; column: number } {
  let line = 1
  let column = 1
  for (let i = 0; i < offset; i++) {
    if (bytes[i] === 0x0a) {
      line++
      column = 1
    } else if (bytes[i] === 0x2c) column++
  }
  return { line, column }
}

function parseRows(text: string, name: string): Row[] {
  let records: { record: string[]; info: Info }[]
  try {
    records = parse(text, { ...CSV_OPTIONS, delimiter: delimiterOf(text) }) as unknown as typeof records
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const { lines, column } = error as unknown as { lines?: number; column?: number | string }
    const place = { line: lines ?? 1, column: typeof column === 'number' ? column + 1 : 1 }
    throw universeError(name, [{ ...place, expected: 'CSV with quotes closed and none within a bare cell', found: error.message }])
  }
  return records
    .filter(({ record }) => record.length > 1 || record[0] !== '')
    .map(({ record, info }) => ({ cells: record, line: info.lines - record.reduce((sum, cell) => sum + cell.split('\n').length - 1, 0) }))
}

/** The delimiter that the first line that says something has most often; a comma where it has none. */
function delimiterOf(text: string): string {
  const [header = ''] = /\S.*/.exec(text) ?? []
  const count = (sign: string): number => header.split(sign).length - 1
  return DELIMITERS.reduce((best, sign) => (count(sign) > count(best) ? sign : best))
}

function parseList(rows: readonly Row[], name: string, market: Market): UniverseFile {
  const symbols = rows.filter(({ cells }, index) => index > 0 || cells[0]?.toLowerCase() !== 'symbol')
  const problems = new Problems(name)
  const entries: UniverseEntry[] = []
  for (const { cells, line } of symbols) {
    if (cells.length !== 1) problems.add({ line, column: 2, expected: 'one symbol a line', found: cells[1] ?? '' })
    const symbol = checkSymbol(cells[0] ?? '', market, { line, column: 1, name: 'symbol' }, problems)
    problems.checkRepeated(market, symbol, line)
    entries.push({ market, symbol, intervals: 'all', line })
  }
  if (entries.length === 0) problems.add({ line: 2, column: 1, expected: 'at least one symbol', found: '' })
  problems.check()
  return { baseColumn: null, entries }
}

function parseTable(header: Row, rows: readonly Row[], name: string): UniverseFile {
  const places = parseHeader(header, name)
  const problems = new Problems(name)
  const entries: UniverseEntry[] = []
  for (const row of rows) {
    const entry = parseEntry(row, header.cells.length, places, problems)
    if (entry === undefined) continue
    for (const dataset of entry.datasets ?? [undefined]) problems.checkRepeated(entry.market, entry.symbol, entry.line, dataset)
    entries.push(entry)
  }
  if (rows.length === 0) problems.add({ line: header.line + 1, column: 1, expected: 'at least one symbol below the header', found: '' })
  problems.check()
  const base = places.get('base_symbol')
  return { baseColumn: base === undefined ? null : base + 1, entries }
}

/** The names of the columns, as a universe names them where only `ckvd availability --csv` names one. */
function headingsOf({ cells }: Row): string[] {
  const names = cells.map((cell) => cell.toLowerCase())
  return names.map((name) => {
    const own = ALIASES[name]
    return own === undefined || names.includes(own) ? name : own
  })
}

/** Index of each known column. */
function parseHeader(header: Row, name: string): Map<string, number> {
  const places = new Map<string, number>()
  const names = headingsOf(header)
  for (const [index, heading] of names.entries()) {
    if (!KNOWN.includes(heading)) continue
    if (places.has(heading)) {
      throw universeError(name, [
        { line: header.line, column: index + 1, name: heading, expected: `the column ${heading} once`, found: heading },
      ])
    }
    places.set(heading, index)
  }
  const missing = REQUIRED.filter((heading) => !places.has(heading))
  if (missing.length > 0) {
    const column = names.findIndex((heading) => !KNOWN.includes(heading)) + 1 || 1
    const expected = `a header with the columns ${REQUIRED.join(', ')} (missing: ${missing.join(', ')})`
    throw universeError(name, [{ line: header.line, column, expected, found: header.cells.join(',') }])
  }
  return places
}

function parseEntry(row: Row, width: number, places: ReadonlyMap<string, number>, problems: Problems): UniverseEntry | undefined {
  const { line, cells } = row
  if (cells.length !== width) {
    const expected = `${width} cells as in the header, not ${cells.length} (a list of intervals must stand in quotes)`
    problems.add({ line, column: Math.min(cells.length, width) + 1, expected, found: cells.join(',') })
    return undefined
  }
  const cell = (name: string) => ({
    text: cells[places.get(name) ?? -1] ?? '',
    place: { line, column: (places.get(name) ?? -1) + 1, name },
  })
  const market = cell('market')
  const marketName = parseMarket(market.text)
  if (marketName === undefined) {
    problems.add({ ...market.place, expected: `a market (${MARKETS.join(', ')})`, found: market.text })
    return undefined
  }
  const symbol = cell('symbol')
  const day = cell('earliest_date')
  if (parseUtcDay(day.text) === undefined) problems.add({ ...day.place, expected: 'a day of the calendar as YYYY-MM-DD', found: day.text })
  const dataset = cell('dataset')
  const datasets = dataset.text === '' ? [] : checkDatasets(dataset.text, marketName, dataset.place, problems)
  const intervals = cell('available_intervals')
  const hasNone =
    intervals.text === '' && (!hasRest(marketName) || (datasets.length > 0 && datasets.every(({ hasInterval }) => !hasInterval)))
  const base = cell('base_symbol')
  return {
    market: marketName,
    symbol: checkOwn(checkSymbol(symbol.text, marketName, symbol.place, problems), marketName, datasets, symbol.place, problems),
    intervals: hasNone ? 'all' : checkIntervals(intervals.text, marketName, intervals.place, problems),
    ...(datasets.length === 0 ? {} : { datasets: datasets.map(({ name }) => name) }),
    ...(base.text === '' ? {} : { baseSymbol: checkSymbol(base.text, marketName, base.place, problems) }),
    line,
  }
}

type Place = Pick<UniverseProblem, 'line' | 'column'> & { readonly name: string }

function checkSymbol(text: string, market: Market, place: Place, problems: Problems): string {
  const symbol = symbolOf(text, market)
  if (!isSymbol(symbol)) problems.add({ ...place, expected: 'a symbol of 1 to 64 letters, digits, _ or -', found: text })
  return symbol
}

/** A symbol that is one of each data set that its line names. */
function checkOwn(symbol: string, market: Market, datasets: readonly Dataset[], place: Place, problems: Problems): string {
  const strange = datasets.find(({ name }) => ownSymbol({ dataset: name, market, symbol }) !== symbol)
  if (strange !== undefined)
    problems.add({
      ...place,
      expected: `a symbol of ${strange.name}, such as ${ownSymbol({ dataset: strange.name, market, symbol })}`,
      found: symbol,
    })
  return symbol
}

function checkIntervals(text: string, market: Market, place: Place, problems: Problems): Interval[] {
  const intervals: Interval[] = []
  for (const part of text.split(',').map((word) => word.trim())) {
    // `1M` and `1m` differ in case alone, so lower case is tried second: `1D` and `1MO` are then known, and `1M` stays a month
    const interval = parseInterval(part) ?? parseInterval(part.toLowerCase())
    if (interval === undefined) problems.add({ ...place, expected: 'a list of intervals such as "1m,1h,1d"', found: part })
    else if (!intervalsOf(market).includes(interval))
      problems.add({ ...place, expected: hasRest(market) ? `intervals of ${market}` : `nothing: ${market} has no bars`, found: part })
    else if (intervals.includes(interval)) problems.add({ ...place, expected: 'each interval once', found: part })
    else intervals.push(interval)
  }
  return intervals
}

/** The data sets that a cell names, one or a list in quotes. */
function checkDatasets(text: string, market: Market, place: Place, problems: Problems): Dataset[] {
  const datasets: Dataset[] = []
  for (const name of text.split(',').map((word) => word.trim())) {
    const dataset = name === '' ? undefined : findDataset(name)
    const near = nearDatasets(name)
    if (dataset === undefined)
      problems.add({
        ...place,
        expected: `data sets (${near.length === 0 ? datasetNames().join(', ') : `did you mean ${near.join(' or ')}?`})`,
        found: name,
      })
    else if (!dataset.markets.includes(market)) problems.add({ ...place, expected: `data sets of ${market}`, found: name })
    else if (datasets.includes(dataset)) problems.add({ ...place, expected: 'each data set once', found: name })
    else datasets.push(dataset)
  }
  return datasets
}

/** Gathers what is wrong in a file: all of it is counted, the first ten are told. */
class Problems {
  readonly #file: string
  readonly #first: UniverseProblem[] = []
  readonly #lineOf = new Map<string, number>()
  #count = 0

  constructor(file: string) {
    this.#file = file
  }

  add(problem: UniverseProblem): void {
    if (this.#count++ < PROBLEMS_SHOWN) this.#first.push(problem)
  }

  checkRepeated(market: Market, symbol: string, line: number, dataset?: string): void {
    const key = `${market} ${symbol}${dataset === undefined ? '' : ` ${dataset}`}`
    const earlier = this.#lineOf.get(key)
    if (earlier !== undefined)
      this.add({ line, column: 1, expected: `each symbol of a market once (${key} stands in line ${earlier} too)`, found: symbol })
    else this.#lineOf.set(key, line)
  }

  check(): void {
    if (this.#count > 0) throw universeError(this.#file, this.#first, this.#count)
  }
}

/** How messages call a universe file. */
export function universeLabel(name: string): string {
  return name === '-' ? 'standard input' : name
}

/** The error of a wrong file: the first problem is told in the message, the first ten in `details.problems`. */
export function universeError(file: string, problems: readonly UniverseProblem[], count = problems.length): CkvdError {
  const texts = problems.map(({ line, column, name, expected, found }) => {
    const heading = name === undefined ? '' : ` (${name})`
    return `line ${line}, column ${column}${heading}: expected ${expected}, found ${JSON.stringify(shorten(found))}`
  })
  const more = count > 1 ? ` (and ${count - 1} more)` : ''
  const { line, column, found } = problems[0] ?? { line: 1, column: 1, found: '' }
  const details = { file, line, column, found: shorten(found), ...(count > 1 ? { count, problems: texts } : {}) }
  return new CkvdError('CKVD_UNIVERSE', `${universeLabel(file)}, ${texts[0] ?? ''}${more}`, { details })
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
