import type { Settings } from '../../config/settings.ts'
import type { Origin } from '../lake/origin.ts'
import { claimedOrigin } from '../lake/origin.ts'
import type { CommandRun } from './command.ts'

/** What is said wherever data of a sandbox is shown. */
export const SANDBOX_NOTICE = 'This is sandbox data: its prices are invented.'

/**
 * What a command that asks no source for data says to the lake that it opens: with `--sandbox` it means a sandbox's; without it reads
 * either, and says so.
 */
export function localOrigin({ settings }: Pick<CommandRun<object>, 'settings'>): { readonly expected?: Origin } {
  return settings.sandbox ? { expected: 'sandbox' } : {}
}

/** What a command that fetches says to the lake that it opens, before it asks any source. */
export function fetchedOrigin({ settings }: Pick<CommandRun<object>, 'settings'>): { readonly expected?: Origin } {
  const expected = claimedOrigin({ sandbox: settings.sandbox, urls: urlsOf(settings) })
  return expected === undefined ? {} : { expected }
}

function urlsOf(settings: Settings): string[] {
  return [settings.visionUrl, settings.listingUrl, settings.spotRestUrl, settings.umRestUrl, settings.cmRestUrl]
}

/** Says under a report, or beside data in a pipe or a file, that it is of a sandbox; JSON says it itself. */
export function tellSandbox(
  run: Pick<CommandRun<object>, 'context' | 'json' | 'quiet'>,
  origin: Origin | null | undefined,
  on: 'stdout' | 'stderr',
): void {
  if (origin !== 'sandbox' || run.json || (run.quiet && on === 'stderr')) return
  run.context[on].write(`${SANDBOX_NOTICE}\n`)
}
