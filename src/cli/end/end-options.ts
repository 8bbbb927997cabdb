import { Option } from '@commander-js/extra-typings'
import { expectedMessage } from '../../../config/settings.ts'
import { CkvdError } from '../../errors.ts'

/** The flags that say who is told when a run has ended. */
export interface EndFlags {
  readonly onEnd?: string | undefined
  readonly ping?: string | undefined
  readonly metrics?: string | undefined
  readonly dryRun?: boolean | undefined
}

/** What a hook finds in its environment, beside `CKVD_LAKE`. */
export const HOOK_VARIABLES = ['CKVD_RUN', 'CKVD_RUN_COMMAND', 'CKVD_RUN_EXIT', 'CKVD_RUN_PROBLEMS'] as const

/** What `--help` says of all three. */
export const END_NOTES = [
  'When the run has ended, however it did: --metrics is written, then --on-end runs (in a shell, one minute at most; the result as JSON on its',
  `standard input; ${HOOK_VARIABLES.join(', ')} and CKVD_LAKE in its environment), then --ping is asked.`,
  'What fails of it is told on stderr and changes no exit code. A dry run tells nobody.',
] as const

/** `--on-end CMD` */
export function onEndOption() {
  return new Option('--on-end <CMD>', 'command to run when this one has ended, however it did: it gets the result as JSON')
}

/** `--ping URL` */
export function pingOption() {
  return new Option(
    '--ping <URL>',
    'URL to POST to when this command has ended: with exit code 0 as it is, else with /fail after its path',
  ).argParser(parseUrl)
}

/** `--metrics FILE` */
export function metricsOption() {
  return new Option('--metrics <FILE>', 'file for the metrics of this run, as Prometheus text, written whole or not at all')
}

function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:\/\//i.test(text)) return text
  const expected = 'a URL that begins with http:// or https://'
  throw new CkvdError('CKVD_USAGE', expectedMessage('--ping', expected, text, 'flag'), {
    details: { flag: '--ping', expected, found: text },
  })
}
