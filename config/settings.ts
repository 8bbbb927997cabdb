import { closeSync, openSync, readSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { CkvdError, openFilesError } from '../src/errors.ts'
import { describeSystemError } from '../src/system-errors.ts'
import { findLakePlace } from './lake-place.ts'
import type { MisnamedVariable } from './option-names.ts'
import { findMisnamed, findOption } from './option-names.ts'
import type { SettingDescription, SettingKey, Settings } from './setting-table.ts'
import { COMMAND_KEYS, FIXED_DEFAULTS, SETTINGS, SETTINGS_SCHEMA } from './setting-table.ts'
import { stateDirectory } from './state-directory.ts'

export type { SettingKey, Settings } from './setting-table.ts'
export { COMMAND_KEYS, SETTINGS } from './setting-table.ts'

/** The config file that is read from the working directory when `--config` names no other. */
export const CONFIG_FILE = 'ckvd.config.json'

/** Variables that every HTTP client of this program honours, in small letters, too (see src/sources/http/proxy.ts). They are shown, never checked here. */
export const PROXY_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'] as const

/** Where a value came from: `flag --lake`, `option lake` (library), `environment CKVD_LAKE`, `file PATH` or `default`. */
export type SettingOrigin = string

export interface ResolveOptions {
  /** settings as the flags gave them: text, or `true` for a switch; for the library, the options of `create`. `undefined` means not given. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** directory that relative paths start from and where `ckvd.config.json` is looked for */
  readonly cwd: string
  /** value of `--config` */
  readonly configPath?: string | undefined
  /** who asks: names in messages and the default log level differ. Default `command`. */
  readonly caller?: 'command' | 'library'
}

export interface ResolvedSettings {
  readonly settings: Settings
  readonly origins: Readonly<Record<SettingKey, SettingOrigin>>
  /** the config file that was read, as an absolute path; null when there is none */
  readonly configFile: string | null
  /** a lake that nobody named and that lies where earlier builds put it, with the place where it belongs; null: there is none */
  readonly oldLake: { readonly path: string; readonly belongs: string } | null
  /** variables of the environment that nothing reads, each with the one that was probably meant and that nothing else sets */
  readonly misnamed: readonly MisnamedVariable[]
  /** what the config file sets of commands' own flags, by key, unchecked: each command checks its own */
  readonly fileDefaults: Readonly<Record<string, unknown>>
}

/** JSON of a value without what may be secret in a URL: what stands before the last `@`, and a query or a fragment, in which a token may be. */
function hideSecrets(json: string): string {
  return json.replace(/\/\/(?:[^"\\]|\\.)*@/g, '//***@').replace(/(:\/\/[^"\\?#]*[?#])(?:[^"\\]|\\.)*/g, '$1***')
}

/** Message of a refused value, in the one form that all messages about flags and settings have. */
export function expectedMessage(name: string, expected: string, found: unknown, from: string): string {
  const text = (JSON.stringify(found) as string | undefined) ?? String(found)
  const hidden = hideSecrets(text)
  return `Expected \`${name}\` to be ${expected}, got ${hidden.length > 120 ? `${hidden.slice(0, 120)}…` : hidden} (${from})`
}

/**
 * Settles all settings: flag, then environment, then config file, then default. Frozen.
 * @throws CkvdError `CKVD_USAGE` for a wrong flag or option, `CKVD_CONFIG` for the environment and the config file
 */
export function resolveSettings(options: ResolveOptions): ResolvedSettings {
  const file = readConfigFile(options.cwd, options.configPath)
  const caller = options.caller ?? 'command'
  const raw: Record<string, unknown> = {}
  const origins = {} as Record<SettingKey, SettingOrigin>
  for (const setting of SETTINGS) {
    const [value, origin] = pickValue(setting, options, file, caller)
    raw[setting.key] = value
    origins[setting.key] = origin
  }
  const sandbox = SETTINGS_SCHEMA.shape.sandbox.safeParse(raw['sandbox'])
  const place = raw['lake'] === undefined ? findLakePlace(sandbox.data === true, options.env ?? {}) : null
  raw['lake'] ??= place?.path
  const result = SETTINGS_SCHEMA.safeParse(raw)
  if (!result.success) throw refusal(result.error, raw, origins)
  checkSandboxUrls(result.data, origins)
  const { lake, state, logFile } = result.data
  const absolute = (path: string | null): string | null => (path === null ? null : resolve(options.cwd, path))
  const settings = { ...result.data, lake: resolve(options.cwd, lake), state: absolute(state), logFile: absolute(logFile) }
  const fileDefaults = Object.fromEntries(Object.entries(file?.values ?? {}).filter(([key]) => COMMAND_KEYS.includes(key)))
  const oldLake = place === null || place.belongs === null ? null : { path: place.path, belongs: place.belongs }
  const configFile = file?.path ?? null
  const unset = SETTINGS.filter(({ key }) => origins[key] === 'default').map(({ environment }) => environment)
  const misnamed = findMisnamed(options.env ?? {}, unset)
  return Object.freeze({ settings: Object.freeze(settings), origins: Object.freeze(origins), configFile, fileDefaults, oldLake, misnamed })
}

/** The time that planning takes for "now", in epoch milliseconds: the fixed one of `CKVD_NOW`, else the system clock. */
export function nowMs(settings: Pick<Settings, 'now'>): number {
  return settings.now === null ? Date.now() : Date.parse(settings.now)
}

function pickValue(
  setting: SettingDescription,
  options: ResolveOptions,
  file: ConfigFile | null,
  caller: 'command' | 'library',
): [unknown, SettingOrigin] {
  const { key, flag, environment } = setting
  const given = options.flags?.[key]
  if (given !== undefined) return [given, caller === 'command' ? `flag ${flag ?? key}` : `option ${key}`]
  const variable = options.env?.[environment]
  if (variable !== undefined && variable.trim() !== '') return [variable, `environment ${environment}`]
  if (file !== null && Object.hasOwn(file.values, key)) return [file.values[key], `file ${file.path}`]
  if (key === 'workers') return [Math.min(availableParallelism(), 256), 'default']
  if (key === 'logLevel') return [caller === 'command' ? 'INFO' : 'ERROR', 'default']
  if (key === 'state') return [stateDirectory(options.env ?? {}), 'default']
  return [key === 'lake' ? undefined : FIXED_DEFAULTS[key], 'default']
}

function refusal(
  error: z.ZodError,
  raw: Readonly<Record<string, unknown>>,
  origins: Readonly<Record<SettingKey, SettingOrigin>>,
): CkvdError {
  const keys = new Set(error.issues.map((issue) => issue.path[0]))
  const problems = SETTINGS.filter(({ key }) => keys.has(key)).map(({ key, expected }) => {
    const [kind = '', ...rest] = origins[key].split(' ')
    const name = kind === 'file' ? key : rest.join(' ')
    return { key, kind, message: expectedMessage(name, expected, raw[key], kind === 'file' ? origins[key] : kind) }
  })
  const [first] = problems
  if (first === undefined) return new CkvdError('CKVD_BUG', `The settings could not be checked: ${error.message}`, { cause: error })
  const code = first.kind === 'flag' || first.kind === 'option' ? 'CKVD_USAGE' : 'CKVD_CONFIG'
  const details = { setting: first.key, ...(problems.length > 1 ? { problems: problems.map(({ message }) => message) } : {}) }
  return new CkvdError(code, first.message, { details })
}

/** The sandbox brings its own URLs: one that the user typed as well would be ignored without a word. */
function checkSandboxUrls(settings: Settings, origins: Readonly<Record<SettingKey, SettingOrigin>>): void {
  if (!settings.sandbox) return
  const typed = SETTINGS.find(({ key }) => key.endsWith('Url') && /^(flag|option) /.test(origins[key]))
  if (typed === undefined) return
  const message = `Expected either a sandbox (${origins.sandbox}) or a URL (${origins[typed.key]}), got both: the sandbox brings its own URLs. Leave one out.`
  throw new CkvdError('CKVD_USAGE', message, { details: { setting: typed.key } })
}

interface ConfigFile {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
}

function readConfigFile(cwd: string, configPath: string | undefined): ConfigFile | null {
  const path = resolve(cwd, configPath ?? CONFIG_FILE)
  const text = readText(path, configPath !== undefined)
  if (text === null) return null
  const values = parseJson(text, path)
  const known = new Set<string>([...SETTINGS.map(({ key }) => key), ...COMMAND_KEYS])
  const unknown = Object.keys(values).filter((key) => !known.has(key))
  if (unknown.length > 0) {
    const meant = unknown.flatMap((key) => findOption(key, [...known]) ?? [])
    const advice = meant.length === 0 ? '' : ` Did you mean ${meant.join(' and ')}?`
    const message = `Expected the keys of the config file to be flags in camelCase, got ${unknown.map((key) => JSON.stringify(key)).join(', ')} (file ${path}).${advice} Known keys: ${[...known].join(', ')}.`
    throw new CkvdError('CKVD_CONFIG', message, { details: { file: path, unknown } })
  }
  return { path, values }
}

function readText(path: string, required: boolean): string | null {
  try {
    return readBounded(path).replace(/^\uFEFF/, '')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !required) return null
    throw (
      openFilesError(cause) ??
      new CkvdError(
        'CKVD_CONFIG',
        `Cannot read the config file ${path}: ${describeSystemError(cause)}. Correct the path, or name another file with --config.`,
        {
          details: { file: path },
          cause,
        },
      )
    )
  }
}

/** The text of a file or a pipe; of one without an end, as a device has none, no more than shows that it is no config file. */
function readBounded(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(MOST_CONFIG_BYTES + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null)
    if (length > MOST_CONFIG_BYTES) throw new Error(`it has more than 1 MiB, which is no config file`)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(file)
  }
}

/** What a JSON value that is no object is, in words. */
function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`
}

/** A hundred times what all settings take. */
const MOST_CONFIG_BYTES = 1024 * 1024

function parseJson(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CkvdError(
      'CKVD_CONFIG',
      `Expected JSON in the config file ${path}, found other text: ${(cause as Error).message}. Correct the file, or name another with --config.`,
      {
        details: { file: path },
        cause,
      },
    )
  }
  if (!z.record(z.string(), z.unknown()).safeParse(value).success)
    throw new CkvdError(
      'CKVD_CONFIG',
      `Expected one JSON object in the config file ${path}, found ${kindOf(value)}. Correct the file, or name another with --config.`,
      { details: { file: path } },
    )
  // as it was parsed: zod's copy leaves out a key `__proto__`, which is to be refused as any other unknown one
  return value as Readonly<Record<string, unknown>>
}
