import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { z } from 'zod'
import { CONFIG_FILE, expectedMessage, SETTINGS } from '../../config/settings.ts'
import type { ErrorDetails } from '../errors.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import type { LakeFilter } from '../lake/selection.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS, parseInterval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { parseMarket } from '../model/market.ts'
import { parseUtcDay } from '../model/utc-day.ts'
import { checkIntervals, haveIntervals, parseDataset, parseDatasets } from '../question/dataset-names.ts'
import { isSymbolWord, symbolOf } from '../question/symbol-format.ts'
import { parseFlag } from './flag-parser.ts'
import type { RangeFlags } from './range-options.ts'
import { rangeOf } from './range-options.ts'

/** `--market NAME`: spot, um, cm or option. */
export function marketOption(text = 'only this market: spot, um, cm or option') {
  return new Option('--market <NAME>', text).argParser(parseFlag('--market', 'spot, um, cm or option', parseMarket))
}

/** `--map-market NAME`: um or cm. */
export function mapMarketOption() {
  const parse = (text: string) => (text === 'um' || text === 'cm' ? text : undefined)
  return new Option('--map-market <NAME>', 'take each base symbol in um (…USDT) or cm (…USD_PERP) instead').argParser(
    parseFlag('--map-market', 'um or cm', parse),
  )
}

const SYMBOLS_EXPECTED = 'symbols separated by commas, such as BTCUSDT,ETHUSDT'

/** `--symbols A,B`, upper-cased. */
export function symbolsOption(text = 'only these symbols') {
  return new Option('--symbols <A,B>', text).argParser(parseFlag('--symbols', SYMBOLS_EXPECTED, parseSymbols))
}

/** `--data klines,fundingRate` or `all`: the names, each of a data set there is. */
export function dataOption(text = 'data sets, separated by commas, as Vision calls them, or all (default: klines)') {
  return new Option('--data <LIST>', text).argParser((list) =>
    parseDatasets(
      list.split(',').map((name) => name.trim()),
      '--data',
    ).map(({ name }) => name),
  )
}

/** `--intervals 1m,1h` or `all`. */
export function intervalsOption(text = 'only these intervals, or all') {
  return new Option('--intervals <LIST>', text).argParser(
    parseFlag('--intervals', `intervals separated by commas, out of ${INTERVALS.join(', ')}, or all`, parseIntervals),
  )
}

/** A flag that takes one interval. */
export function intervalOption<Flag extends string>(flag: Flag, text: string) {
  const flags: `${Flag} <NAME>` = `${flag} <NAME>`
  return new Option(flags, text).argParser(parseFlag(flag, `one of ${INTERVALS.join(', ')}`, parseInterval))
}

/** A flag that takes a UTC day, e.g. `dayOption('--start', 'first day')`. */
export function dayOption<Flag extends string>(flag: Flag, text: string) {
  const flags: `${Flag} <DAY>` = `${flag} <DAY>`
  return new Option(flags, text).argParser(parseFlag(flag, 'a day of the calendar as YYYY-MM-DD', parseUtcDay))
}

/** A flag that takes a whole number within bounds. */
export function integerOption<Flag extends string>(flag: Flag, text: string, bounds: { min: number; max: number }) {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().int().min(bounds.min).max(bounds.max))
  const flags: `${Flag} <N>` = `${flag} <N>`
  return new Option(flags, text).argParser(
    parseFlag(flag, `an integer from ${bounds.min} to ${bounds.max}`, (value) => schema.safeParse(value).data),
  )
}

/** A flag that takes one of a few words. */
export function wordOption<Flag extends string, Word extends string>(flag: Flag, text: string, words: readonly Word[]) {
  const flags: `${Flag} <WORD>` = `${flag} <WORD>`
  const parse = (value: string) => words.find((word) => word === value)
  return new Option(flags, `${text}: ${words.join(', ')}`).argParser(parseFlag(flag, `one of ${words.join(', ')}`, parse))
}

function parseSymbols(text: string): string[] | undefined {
  const symbols = text.split(',').map((symbol) => symbol.trim().toUpperCase())
  return symbols.every(isSymbolWord) ? [...new Set(symbols)] : undefined
}

/** Symbols that stand as arguments, with those of `--symbols`, upper-cased; undefined: none. Throws CKVD_USAGE. */
export function symbolsOf(words: readonly string[], flag: readonly string[] | undefined): string[] | undefined {
  const parse = parseFlag('symbols', SYMBOLS_EXPECTED, parseSymbols)
  const symbols = [...words.flatMap(parse), ...(flag ?? [])]
  return symbols.length === 0 ? undefined : [...new Set(symbols)]
}

function parseIntervals(text: string): Interval[] | 'all' | undefined {
  if (text.toLowerCase() === 'all') return 'all'
  const intervals = text.split(',').map((name) => parseInterval(name.trim()) ?? parseInterval(name.trim().toLowerCase()))
  return intervals.every((interval) => interval !== undefined) ? [...new Set(intervals)] : undefined
}

/** The value of a flag that a command cannot do without; checked after the config file, which may give it. */
export function requireOption<T>(value: T | undefined, flags: string): T {
  if (value !== undefined) return value
  throw new CkvdError('CKVD_USAGE', `Expected \`${flags}\`, got nothing. Give the flag, or its key in the config file.`)
}

/** A flag that takes one data set: `--data fundingRate`. */
export function datasetOption(text: string) {
  return new Option('--data <NAME>', text).argParser((name) => parseDataset(name, '--data').name)
}

/** The flags that choose a part of the lake. */
export interface FilterFlags extends RangeFlags {
  readonly data?: string[]
  readonly market?: Market
  readonly symbols?: string[]
  readonly intervals?: Interval[] | 'all'
}

/** What is asked of a command's flags. */
interface FlagsRun<Flags> {
  readonly options: Flags
  nowMs(): number
  isFlag(this: void, key: string): boolean
}

/**
 * The part of the lake that a command's flags choose.
 * @throws CkvdError `CKVD_USAGE` for a start that is not before its end, and for `--intervals` of data sets that have none
 */
export function filterOf(run: FlagsRun<FilterFlags>): LakeFilter {
  const { data, market, symbols, intervals: _filtered, ...range } = run.options
  const intervals = intervalsOf(run)
  checkIntervals(intervals, data, '--intervals')
  return {
    ...(data === undefined ? {} : { datasets: data }),
    ...(market === undefined ? {} : { market }),
    ...(symbols === undefined ? {} : { symbols: symbols.map((symbol) => symbolOf(symbol, market ?? 'spot')) }),
    ...(intervals === undefined ? {} : { intervals }),
    ...rangeOf(range, run.nowMs()),
  }
}

/** `--intervals` of a command; those of the config file are meant for data sets that have intervals. */
export function intervalsOf<Intervals>(run: {
  readonly options: { readonly data?: readonly string[] | 'all' | undefined; readonly intervals?: Intervals }
  isFlag(this: void, key: string): boolean
}): Intervals | undefined {
  const { data, intervals } = run.options
  return run.isFlag('intervals') || data === undefined || haveIntervals(data) ? intervals : undefined
}

/** What `--help` adds for one command. */
export interface CommandHelp {
  readonly example: string
  /** exit codes that this command can end with, with their meaning there */
  readonly exits: Readonly<Record<number, string>>
  /** the settings that make a difference to this command (default: all); the others are taken, too, and not shown */
  readonly settings?: readonly string[]
  /** what a user must know besides, a line each */
  readonly notes?: readonly string[]
}

/** Flags that every command has beside the settings. */
export interface CommonFlags {
  readonly config?: string
  readonly json?: true
  readonly quiet?: true
  readonly verbose?: true
}

/** Adds the settings, `--config --json --quiet --verbose` and the end of the help text. Call it after the command's own options. */
export function addSettings(command: Pick<Command, 'addOption' | 'addHelpText' | 'optionsGroup'>, help: CommandHelp): void {
  command.optionsGroup('Settings:')
  for (const setting of SETTINGS) {
    if (setting.flag === null) continue
    const flags = setting.argument === null ? setting.flag : `${setting.flag} <${setting.argument}>`
    const option = new Option(flags, `${setting.text} (${setting.environment}; default: ${setting.defaultText})`)
    command.addOption(isShown(setting, help) ? option : option.hideHelp())
  }
  command.addOption(
    new Option('--config <FILE>', `config file with flags in camelCase (default: ${CONFIG_FILE} in the working directory, if there)`),
  )
  command.addOption(new Option('--json', 'one JSON object on stdout instead of text'))
  command.addOption(new Option('--quiet', 'nothing when all is well; what is not on stderr'))
  command.addOption(new Option('--verbose', 'log at DEBUG'))
  command.addHelpText('after', helpFooter(help))
}

/** The settings of a command that only reads what lies on this disk. */
export const LOCAL_SETTINGS = ['lake', 'logLevel', 'logFile', 'now'] as const

function isShown({ key }: { readonly key: string }, { settings }: CommandHelp): boolean {
  return settings?.includes(key) ?? true
}

function helpFooter(help: CommandHelp): string {
  const environment = SETTINGS.filter((setting) => setting.flag === null && isShown(setting, help)).map(
    ({ environment, text, defaultText }) => `  ${environment.padEnd(23)} ${text} (default: ${defaultText})`,
  )
  const exits = Object.entries(help.exits).map(([code, meaning]) => `  ${code.padEnd(5)} ${meaning}`)
  return [
    [
      '',
      'Environment beside the variables above:',
      ...environment,
      `  ${help.settings === undefined ? 'HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY are honoured; ' : ''}NO_COLOR switches colours off`,
    ],
    help.settings === undefined ? [] : ['', 'All other settings are taken and change nothing here: `ckvd config --help` lists them.'],
    ['', 'A flag goes before the environment, the environment before the config file. Days are UTC; an end is excluded.'],
    help.notes === undefined ? [] : ['', ...help.notes],
    ['', 'Exit codes:', ...exits],
    ['', 'Example:', ...help.example.split('\n').map((line) => `  ${line}`)],
  ]
    .flat()
    .join('\n')
}

/** What this file needs of a command, whatever the types of its options. */
export interface OptionHolder {
  readonly options: readonly {
    readonly long?: string
    readonly negate: boolean
    readonly required: boolean
    readonly parseArg?: unknown
    attributeName(): string
  }[]
  getOptionValueSource(key: string): string | undefined
  setOptionValueWithSource(key: string, value: unknown, source: string): unknown
}

/** Key of a flag in the config file: `--no-rest` is `noRest`. */
export function flagKey(long: string): string {
  return long.replace(/^--/, '').replace(/-(.)/g, (_match, letter: string) => letter.toUpperCase())
}

/**
 * Fills the flags that were not given from the config file, through the flags' own parsers.
 * @throws CkvdError `CKVD_CONFIG` for a value that the flag would refuse
 */
export function applyFileDefaults(command: OptionHolder, fileDefaults: Readonly<Record<string, unknown>>, file: string): void {
  for (const option of command.options) {
    const key = flagKey(option.long ?? '')
    const source = command.getOptionValueSource(option.attributeName())
    if (!Object.hasOwn(fileDefaults, key) || (source !== undefined && source !== 'default')) continue
    const found = fileDefaults[key]
    const from = `file ${file}`
    if (!option.required) {
      if (typeof found !== 'boolean')
        throw new CkvdError('CKVD_CONFIG', expectedMessage(key, 'true or false', found, from), { details: { file } })
      if (found || option.negate) command.setOptionValueWithSource(option.attributeName(), option.negate ? !found : found, 'config')
      continue
    }
    const text = textOf(found)
    if (text === undefined)
      throw new CkvdError('CKVD_CONFIG', expectedMessage(key, 'text, a number or a list of texts', found, from), { details: { file } })
    const parse = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined
    command.setOptionValueWithSource(option.attributeName(), parse === undefined ? text : parseFileValue(parse, text, key, from), 'config')
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  return Array.isArray(value) && value.every((member) => typeof member === 'string') ? value.join(',') : undefined
}

function parseFileValue(parse: (text: string, previous: unknown) => unknown, text: string, key: string, from: string): unknown {
  try {
    return parse(text, undefined)
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_USAGE')) throw error
    const details: ErrorDetails = error.details
    throw new CkvdError('CKVD_CONFIG', expectedMessage(key, String(details['expected']), text, from), { details: { key }, cause: error })
  }
}

/** The flags of a command that are settings, for `resolveSettings`. */
export function settingFlags(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    SETTINGS.filter(({ flag, key }) => flag !== null && options[key] !== undefined).map(({ key }) => [key, options[key]]),
  )
}
