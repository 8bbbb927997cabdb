import damerauLevenshtein from 'damerau-levenshtein'
import { CkvdError } from '../src/errors.ts'
import { SETTINGS } from './setting-table.ts'

/** Names that mean the same: here and in the Python package, of options, flags and variables. The one that is known where it is asked is meant. */
const SAME: readonly (readonly string[])[] = [
  ['lake', 'cacheDir', 'cachePath', 'cacheDirectory', 'dataDir'],
  ['maxRetries', 'retryCount', 'retries', 'maxRetry'],
  ['startTime', 'start', 'startDate', 'since'],
  ['endTime', 'end', 'endDate', 'until'],
  ['enforceSource', 'source', 'dataSource', 'fcpPriority', 'visionEnabled'],
  ['logLevel', 'quiet', 'quietMode', 'suppressHttpDebug'],
  ['autoReindex', 'reindex'],
  ['includeSourceInfo', 'sourceInfo'],
  ['returnPolars', 'usePolarsOutput', 'usePolars'],
  ['useCache', 'enableCache'],
  ['marketType', 'market'],
  ['interval', 'intervals', 'timeframe'],
  ['symbol', 'symbols', 'ticker', 'pair'],
  ['chartType', 'data', 'dataset', 'funding'],
  ['out', 'output', 'outputDir', 'outputFile'],
  ['workers', 'threads', 'maxWorkers'],
]

/** Options of the library by the calls that take them, for a name that another call got. */
const TAKEN_BY: readonly (readonly [calls: string, options: readonly string[]])[] = [
  ['`create`, `fetchMarketData` and `ingest`', ['lake', 'maxRetries', 'logLevel', 'sandbox', 'sources', 'workers']],
  [
    '`getData` and `fetchMarketData`',
    [
      'symbol',
      'startTime',
      'endTime',
      'days',
      'interval',
      'columns',
      'autoReindex',
      'includeSourceInfo',
      'returnPolars',
      'chartType',
      'dataset',
    ],
  ],
  ['`create` and `getData`', ['enforceSource', 'useCache']],
  ['`create`, as one of its first two arguments, and `fetchMarketData`', ['provider', 'marketType']],
  ['`ingest`', ['universe', 'symbols', 'start', 'end', 'intervals', 'market', 'data']],
]

/** Letters that may be mistyped, and how long a name must be for each of them. */
const MOST_EDITS = 2
const LETTERS_AN_EDIT = 3

/** Which of some known names was probably meant by another one: `cache_dir` is `lake`, `--start-time` is `--start`, `intreval` is `interval`. */
export function findOption(name: string, known: readonly string[]): string | undefined {
  const plain = plainOf(name)
  const group = SAME.find((names) => names.some((one) => plainOf(one) === plain))?.map(plainOf) ?? []
  return (
    known.find((one) => plainOf(one) === plain) ??
    known.find((one) => group.includes(plainOf(one))) ??
    known.find((one) => isMistyped(plain, plainOf(one)))
  )
}

/** The letters of a name alone, whether it was written in camelCase, snake_case or as a flag. */
function plainOf(name: string): string {
  return name.replace(/[^\p{L}\p{N}]/gu, '').toLowerCase()
}

function isMistyped(plain: string, known: string): boolean {
  return damerauLevenshtein(plain, known).steps <= Math.min(MOST_EDITS, Math.floor(plain.length / LETTERS_AN_EDIT))
}

/**
 * The error of an option of the library that a call does not have (`CKVD_USAGE`): what was probably meant, whose option that is where it is
 * another call's, and all options of this one.
 */
export function unknownOption(name: string, known: Iterable<string>): CkvdError {
  const names = [...known]
  const message = `\`${name}\` is not an option. ${adviceFor(name, names)}Known options: ${names.join(', ')}.`
  return new CkvdError('CKVD_USAGE', message, { details: { option: name } })
}

function adviceFor(name: string, known: readonly string[]): string {
  // of `sources.rest` the last word
  const meant = findOption(name.slice(name.lastIndexOf('.') + 1), known)
  if (meant !== undefined) return `Did you mean \`${meant}\`? `
  for (const [calls, options] of TAKEN_BY) {
    const other = findOption(name, options)
    if (other === name) return `It is an option of ${calls}. `
    if (other !== undefined) return `Did you mean \`${other}\`, an option of ${calls}? `
  }
  return ''
}

/** A variable that nothing reads, and the one that was probably meant. */
export interface MisnamedVariable {
  readonly variable: string
  readonly meant: string
}

const PREFIX = 'CKVD_'

/**
 * Variables of the environment with our prefix that nothing reads.
 * @param unset variables that are read, and that nobody has set
 */
export function findMisnamed(env: Readonly<Record<string, string | undefined>>, unset: readonly string[]): MisnamedVariable[] {
  const known = unset.map((variable) => variable.slice(PREFIX.length))
  return Object.keys(env).flatMap((variable) => {
    const isOurs =
      variable.startsWith(PREFIX) && (env[variable] ?? '').trim() !== '' && !SETTINGS.some(({ environment }) => environment === variable)
    const meant = isOurs ? findOption(variable.slice(PREFIX.length), known) : undefined
    return meant === undefined ? [] : [{ variable, meant: PREFIX + meant }]
  })
}

/** What is said of such a variable. */
export function misnamedMessage({ variable, meant }: MisnamedVariable): string {
  return `nothing here reads ${variable}: did you mean ${meant}?`
}
