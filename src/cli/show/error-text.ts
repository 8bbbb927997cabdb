import pc from 'picocolors'
import type { CkvdError, ErrorCode } from '../../errors.ts'
import { ERROR_CATALOGUE } from '../../errors.ts'
import { cleanLine, cleanText } from '../../terminal-text.ts'
import { REMEDIES } from './remedies.ts'
import type { Output } from './output.ts'
import { wrapText } from './wrap-text.ts'

/** True where colours belong. See https://no-color.org. */
export function hasColor(output: Output, env: Readonly<Record<string, string | undefined>>): boolean {
  return output.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

/** Where an error is shown. */
interface ErrorPlace {
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Shows an error: what happened, the facts that the message does not tell, and what to do. A bug shows its stack. */
export function printError(context: ErrorPlace, error: CkvdError, commandName: string): void {
  const colors = pc.createColors(hasColor(context.stderr, context.env))
  const head = `error ${error.code}:`
  const isNetwork = error.code === 'CKVD_HTTP_NETWORK' || error.code === 'CKVD_HTTP_TIMEOUT'
  const lines = [`${head} ${cleanText(isNetwork ? hostsOnly(error.message) : error.message)}`]
  for (const [key, value] of Object.entries(error.details)) {
    if (key === 'problems' && Array.isArray(value)) lines.push(...value.slice(1).map((problem) => `  also ${cleanLine(String(problem))}`))
    else lines.push(...untold(value, error.message).map((text) => `  ${key}: ${shorten(cleanLine(text))}`))
  }
  if (error.code === 'CKVD_BUG') {
    const cause = error.cause instanceof Error ? error.cause : error
    lines.push(...(cause.stack ?? cause.message).split('\n').map((line) => `  ${cleanText(line)}`))
  }
  const { isTTY, columns = Infinity } = context.stderr
  const fit = (text: string): string => (isTTY === true ? wrapText(text, columns) : text)
  // a message that says this much has said what to do, too
  const isTold = error.exit === 4 && error.message.includes('Nothing was done.')
  const advice = isTold ? '' : `${colors.dim(fit(`  ${adviceFor(error.code, commandName)}`))}\n`
  // the colours are ours, all else is clean
  context.stderr.write(`${fit(lines.join('\n')).replace(head, colors.red(head))}\n${advice}`)
}

/** A fact as text, where the message does not tell it: a value, or a list of values. What has parts of its own is for programs (`--json`). */
function untold(value: unknown, message: string): string[] {
  const texts = (Array.isArray(value) ? (value as unknown[]) : [value]).filter((one) => typeof one !== 'object').map(String)
  return texts.every((text) => message.includes(text)) ? [] : [texts.join(', ')]
}

/** A message whose URLs are those of hosts: what was asked of a host that does not answer is no help. */
function hostsOnly(message: string): string {
  return message.replace(/(https?:\/\/[^/?\s]+)[/?]\S*/g, '$1')
}

const NETWORK_ADVICE = 'Check the network, the proxy (HTTPS_PROXY) and the URLs of `ckvd config`, then run the same command again.'

const ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  CKVD_HTTP_NETWORK: NETWORK_ADVICE,
  CKVD_HTTP_TIMEOUT: NETWORK_ADVICE,
  CKVD_CONFIG: '`ckvd config --help` lists all settings. Nothing was done.',
  CKVD_UNIVERSE: 'Correct the universe file. Nothing was done.',
  CKVD_ORIGIN: 'Nothing was done.',
  CKVD_BUG: 'This is a fault of ckvd. Please report it with the lines above.',
}

const ADVICE_BY_EXIT: Readonly<Record<1 | 2 | 3 | 4 | 130, (command: string, code: ErrorCode) => string>> = {
  1: () => 'Please report it with the lines above.',
  2: (command) => `See \`${command === '' ? 'ckvd' : `ckvd ${command}`} --help\`. Nothing was done.`,
  3: (command, code) =>
    command === 'fetch' || command === 'chart'
      ? `Nothing was written. What to do: ${REMEDIES[code]}.`
      : command === 'availability'
        ? 'Nothing was written; reports of an earlier run stay as they are.'
        : `What to do: ${REMEDIES[code]}.`,
  4: (command) =>
    command === 'fetch' || command === 'chart'
      ? 'Nothing was written. Days that were fetched are stored: the same command goes on from there.'
      : command === 'availability'
        ? 'Reports of an earlier run stay as they are: the same command goes on from there.'
        : afterwards(command),
  130: (command) => afterwards(command),
}

/** Commands that only tell: nothing of theirs is left to go on from. */
const TELLING: ReadonlySet<string> = new Set(['coverage', 'runs', 'changes', 'query', 'config', 'resample', 'sandbox'])

function afterwards(command: string): string {
  if (command === '') return 'What was done stays done.'
  return TELLING.has(command) ? 'The lake is as it was.' : 'What is stored stays stored: the same command goes on from there.'
}

function adviceFor(code: ErrorCode, command: string): string {
  return ADVICE[code] ?? ADVICE_BY_EXIT[ERROR_CATALOGUE[code].exit](command, code)
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
