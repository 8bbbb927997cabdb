import { z } from 'zod'

/** A whole number, as JSON writes it or as text of digits alone: `Number('')` is 0 and `Number('abc')` is NaN, so text is matched first. */
const wholeNumber = z.union([
  z.number(),
  z
    .string()
    .trim()
    .regex(/^\d{1,15}$/)
    .transform(Number),
])
const decimalNumber = z.union([
  z.number(),
  z
    .string()
    .trim()
    .regex(/^\d{1,6}(\.\d{1,15})?$/)
    .transform(Number),
])
const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true', '1', 'yes'], falsy: ['false', '0', 'no'] })])
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'))

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }
const SIZE = /^(\d+(?:\.\d+)?) ?(k|m|g|ki|mi|gi|)b?$/i

/** Bytes a second: `5000000`, `10MB`, `1.5 MiB`; `none` lifts a bound that a lower source sets. */
const rate = z
  .union([
    z.null(),
    z.number(),
    z
      .string()
      .trim()
      .transform((text, check) => {
        if (text.toLowerCase() === 'none') return null
        const [, digits, unit] = SIZE.exec(text) ?? []
        if (digits === undefined || unit === undefined) check.addIssue('not a size')
        return Math.round(Number(digits) * (BYTE_UNITS[(unit ?? '').toLowerCase()] ?? Number.NaN))
      }),
  ])
  .pipe(z.union([z.null(), z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)]))

/** Base of request URLs: paths are appended to it, so it has no query, no fragment and no final slash. */
const baseUrl = z
  .string()
  .trim()
  .transform((text, check) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const plain = url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ''
    if (!plain) check.addIssue('not a base URL')
    return plain ? `${url.origin}${url.pathname}`.replace(/\/+$/, '') : text
  })

/** An instant as ISO text in UTC; a day means its midnight. Text without a zone is refused: its meaning would depend on the machine. */
const instant = z
  .union([z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true, precision: -1 }), z.iso.date()])
  .transform((text) => new Date(text).toISOString())
  .nullable()

/** The one schema of all settings. Values may come as text (flags, environment) or typed (config file, library). */
export const SETTINGS_SCHEMA = z.strictObject({
  lake: path,
  visionUrl: baseUrl,
  listingUrl: baseUrl,
  spotRestUrl: baseUrl,
  umRestUrl: baseUrl,
  cmRestUrl: baseUrl,
  sandbox: flag,
  state: path.nullable(),
  workers: wholeNumber.pipe(z.number().int().min(1).max(256)),
  concurrency: wholeNumber.pipe(z.number().int().min(1).max(1024)),
  maxRate: rate,
  restShare: decimalNumber.pipe(z.number().gt(0).max(1)),
  maxRetries: wholeNumber.pipe(z.number().int().min(0).max(20)),
  logLevel: z
    .string()
    .trim()
    .toUpperCase()
    .pipe(z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'])),
  logFile: path.nullable(),
  enableCache: flag,
  usePolarsOutput: flag,
  now: instant,
})

/** All settings, checked and filled. `maxRate` is in bytes a second; null means none. `state` is null where this user has no home. */
export type Settings = Readonly<z.infer<typeof SETTINGS_SCHEMA>>
export type SettingKey = keyof Settings

/** One setting, as help texts, `ckvd config` and error messages describe it. */
export interface SettingDescription {
  readonly key: SettingKey
  /** flag of every command; null when only the environment and the config file set it */
  readonly flag: string | null
  /** placeholder of the flag's value; null for a switch */
  readonly argument: string | null
  readonly environment: string
  readonly text: string
  /** what a value must be, completing "Expected x to be …" */
  readonly expected: string
  readonly defaultText: string
}

const URL_EXPECTED = 'an http or https URL without credentials, query or fragment'

function urlSetting(key: SettingKey, flag: string, environment: string, text: string): SettingDescription {
  return {
    key,
    flag,
    argument: 'URL',
    environment,
    text,
    expected: URL_EXPECTED,
    defaultText: String(FIXED_DEFAULTS[key as keyof typeof FIXED_DEFAULTS]),
  }
}

/** The one literal of defaults; those of `lake`, `state`, `workers` and `logLevel` depend on the machine or the caller. */
export const FIXED_DEFAULTS = {
  visionUrl: 'https://data.binance.vision',
  listingUrl: 'https://s3-ap-northeast-1.amazonaws.com/data.binance.vision',
  spotRestUrl: 'https://data-api.binance.vision',
  umRestUrl: 'https://fapi.binance.com',
  cmRestUrl: 'https://dapi.binance.com',
  sandbox: false,
  concurrency: 256,
  maxRate: null,
  restShare: 0.8,
  maxRetries: 5,
  logFile: null,
  enableCache: true,
  usePolarsOutput: false,
  now: null,
} as const satisfies Partial<Settings>

/** Every setting, in the order of help texts. */
export const SETTINGS: readonly SettingDescription[] = [
  {
    key: 'lake',
    flag: '--lake',
    argument: 'DIR',
    environment: 'CKVD_LAKE',
    text: 'directory of shards and catalog',
    expected: 'a directory',
    defaultText: 'ckvd/lake in the user data directory (~/.local/share/ckvd/lake on Linux); with --sandbox …/sandbox',
  },
  urlSetting('visionUrl', '--vision-url', 'CKVD_VISION_URL', 'archives'),
  urlSetting('listingUrl', '--listing-url', 'CKVD_LISTING_URL', 'listing of the archives'),
  urlSetting('spotRestUrl', '--spot-rest-url', 'CKVD_SPOT_REST_URL', 'REST API of spot'),
  urlSetting('umRestUrl', '--um-rest-url', 'CKVD_UM_REST_URL', 'REST API of um (USDⓈ-M futures)'),
  urlSetting('cmRestUrl', '--cm-rest-url', 'CKVD_CM_REST_URL', 'REST API of cm (COIN-M futures)'),
  {
    key: 'sandbox',
    flag: '--sandbox',
    argument: null,
    environment: 'CKVD_SANDBOX',
    text: 'point all five URLs at an embedded exchange started for this run',
    expected: 'true, false, 1, 0, yes or no',
    defaultText: 'off',
  },
  {
    key: 'state',
    flag: '--state',
    argument: 'DIR',
    environment: 'CKVD_STATE',
    text: 'directory of the account of REST weight, pauses and bans, which all lakes and programs of a machine share',
    expected: 'a directory',
    defaultText: 'ckvd in the user state directory (~/.local/state/ckvd on Linux)',
  },
  {
    key: 'workers',
    flag: '--workers',
    argument: 'N',
    environment: 'CKVD_WORKERS',
    text: 'decoding threads',
    expected: 'an integer from 1 to 256',
    defaultText: 'available parallelism',
  },
  {
    key: 'concurrency',
    flag: '--concurrency',
    argument: 'N',
    environment: 'CKVD_CONCURRENCY',
    text: 'connections to one host at once at most; how many are used adapts to the line',
    expected: 'an integer from 1 to 1024',
    defaultText: '256',
  },
  {
    key: 'maxRate',
    flag: '--max-rate',
    argument: 'BYTES',
    environment: 'CKVD_MAX_RATE',
    text: 'bytes a second over all downloads, e.g. 10MB or 10MiB',
    expected: 'a number of bytes a second of at least 1, such as 5000000, 10MB or 10MiB, or none',
    defaultText: 'none',
  },
  {
    key: 'restShare',
    flag: '--rest-share',
    argument: 'PART',
    environment: 'CKVD_REST_SHARE',
    text: "part of each market's REST weight budget that is spent, 0 to 1",
    expected: 'a number above 0 and at most 1',
    defaultText: '0.8',
  },
  {
    key: 'maxRetries',
    flag: '--max-retries',
    argument: 'N',
    environment: 'CKVD_MAX_RETRIES',
    text: 'retries of a request, with exponential back-off and jitter',
    expected: 'an integer from 0 to 20',
    defaultText: '5',
  },
  {
    key: 'logLevel',
    flag: null,
    argument: 'LEVEL',
    environment: 'CKVD_LOG_LEVEL',
    text: 'lowest level that is logged',
    expected: 'DEBUG, INFO, WARNING, ERROR or CRITICAL',
    defaultText: 'INFO for commands, ERROR for the library',
  },
  {
    key: 'logFile',
    flag: null,
    argument: 'FILE',
    environment: 'CKVD_LOG_FILE',
    text: 'file that gets the log too, rotated and compressed',
    expected: 'a file',
    defaultText: 'none',
  },
  {
    key: 'enableCache',
    flag: null,
    argument: 'BOOLEAN',
    environment: 'CKVD_ENABLE_CACHE',
    text: 'whether the library reads and writes the lake',
    expected: 'true, false, 1, 0, yes or no',
    defaultText: 'true',
  },
  {
    key: 'usePolarsOutput',
    flag: null,
    argument: 'BOOLEAN',
    environment: 'CKVD_USE_POLARS_OUTPUT',
    text: 'whether the library returns Polars frames',
    expected: 'true, false, 1, 0, yes or no',
    defaultText: 'false',
  },
  {
    key: 'now',
    flag: null,
    argument: 'TIME',
    environment: 'CKVD_NOW',
    text: 'fixed "now" for planning (tests)',
    expected: 'an ISO time with a zone, such as 2024-06-01T12:00:00Z',
    defaultText: 'the system clock',
  },
]

/**
 * The flags of commands that a config file may set beside the settings, in camelCase. A file is read by every command and by the
 * library, so a key is known when any command has it; a test compares this list with the commands' own options.
 */
export const COMMAND_KEYS: readonly string[] = (
  'json quiet verbose universe market symbols data intervals start end month archives noRest dryRun refresh retryFailed force crossCheck keepArchives mapMarket ' +
  'out quote asOf recentDays html csv accept condition reason repair prune interval days funding reindex source format from port archive faults seed ' +
  'maxAge live kind minDays png gzip replace to by check incomplete since onEnd ping metrics'
).split(' ')
