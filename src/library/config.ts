import { oldPlaceMessage } from '../../config/lake-place.ts'
import { misnamedMessage, unknownOption } from '../../config/option-names.ts'
import type { Settings } from '../../config/settings.ts'
import { expectedMessage, resolveSettings } from '../../config/settings.ts'
import { SOURCE_SETTINGS } from '../../config/source-urls.ts'
import { CkvdError } from '../errors.ts'
import type { LogLevel } from '../log.ts'
import { DataSource } from '../question/names.ts'
import { parseWord } from '../question/query.ts'
import { warnOnce } from './warn-once.ts'

/** Where the five sources are: bases of URLs. A sandbox's `urls` are one. */
export interface SourceUrlOptions {
  /** archives; default `https://data.binance.vision` */
  readonly vision?: string | undefined
  /** S3 listing of the archives' bucket */
  readonly listing?: string | undefined
  /** REST of spot */
  readonly spotRest?: string | undefined
  /** REST of USDⓈ-M futures */
  readonly umRest?: string | undefined
  /** REST of COIN-M futures */
  readonly cmRest?: string | undefined
}

/** Options of a client. What is left out comes from the environment, then from `ckvd.config.json`, then from the defaults. */
export interface CKVDConfig {
  /** directory of the lake */
  readonly lake?: string | undefined
  /** false: the lake is neither read nor written */
  readonly useCache?: boolean | undefined
  /** retries of a request after failures that may pass */
  readonly maxRetries?: number | undefined
  /** lowest level that is logged (to stderr, and to `CKVD_LOG_FILE`); default `ERROR` */
  readonly logLevel?: LogLevel | undefined
  /** where the sources are; default Binance's own addresses */
  readonly sources?: SourceUrlOptions | undefined
  /** true: an embedded exchange, started when it is first needed, is all five sources */
  readonly sandbox?: boolean | undefined
  /** decoding threads */
  readonly workers?: number | undefined
  /** the source of calls that name none; default `AUTO` */
  readonly enforceSource?: DataSource | undefined
}

const CONFIG_KEYS: Readonly<Record<keyof CKVDConfig, keyof Settings | null>> = {
  lake: 'lake',
  useCache: 'enableCache',
  maxRetries: 'maxRetries',
  logLevel: 'logLevel',
  sandbox: 'sandbox',
  workers: 'workers',
  sources: null,
  enforceSource: null,
}

/** The names of all options of a client. */
export const CONFIG_NAMES: readonly string[] = Object.keys(CONFIG_KEYS)

/** A client's settings, filled and frozen. */
export interface ClientSettings {
  readonly settings: Settings
  readonly enforceSource: DataSource
}

/**
 * Settles a client's options, and warns of what in the environment is probably not as it was meant.
 * @throws CkvdError `CKVD_USAGE` for a wrong option, `CKVD_CONFIG` for a wrong setting of the environment or the config file
 */
export function resolveConfig(
  config: CKVDConfig,
  around: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string } = { env: process.env, cwd: process.cwd() },
): ClientSettings {
  const flags: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(config)) {
    const setting = Object.hasOwn(CONFIG_KEYS, key) ? CONFIG_KEYS[key as keyof CKVDConfig] : undefined
    if (setting === undefined) throw unknownOption(key, CONFIG_NAMES)
    if (setting !== null) flags[setting] = value
  }
  for (const [key, value] of Object.entries(config.sources ?? {})) {
    if (!Object.hasOwn(SOURCE_SETTINGS, key)) throw unknownOption(`sources.${key}`, Object.keys(SOURCE_SETTINGS))
    flags[SOURCE_SETTINGS[key as keyof SourceUrlOptions]] = value
  }
  // text is fine in the environment; an option of code has a type
  for (const key of ['useCache', 'sandbox'] as const) {
    if (config[key] !== undefined && typeof config[key] !== 'boolean') {
      throw new CkvdError('CKVD_USAGE', expectedMessage(key, 'true or false', config[key], 'option'), { details: { option: key } })
    }
  }
  const { settings, oldLake, misnamed } = resolveSettings({ flags, env: around.env, cwd: around.cwd, caller: 'library' })
  const enforceSource = parseWord('enforceSource', config.enforceSource, DataSource, DataSource.AUTO)
  if (oldLake !== null) warnOnce(oldPlaceMessage(oldLake))
  for (const variable of misnamed) warnOnce(misnamedMessage(variable))
  return Object.freeze({ settings, enforceSource })
}
