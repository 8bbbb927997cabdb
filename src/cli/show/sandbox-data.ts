import { sourceUrls, urlsFor } from '../../../config/source-urls.ts'
import type { Origin } from '../../lake/origin.ts'
import { claimedOrigin } from '../../lake/origin.ts'
import type { CommandRun } from '../command.ts'

/**
 * What a command that asks no source for data says to the lake that it opens: with `--sandbox` it means a sandbox's; without it reads
 * either, and says so.
 */
export function localOrigin({ settings }: Pick<CommandRun<object>, 'settings'>): { readonly expected?: Origin } {
  return settings.sandbox ? { expected: 'sandbox' } : {}
}

/** What a command that fetches says to the lake that it opens, before it asks any source. */
export function fetchedOrigin({ settings }: Pick<CommandRun<object>, 'settings'>): { readonly expected?: Origin } {
  const expected = claimedOrigin({ sandbox: settings.sandbox, urls: urlsFor(sourceUrls(settings)) })
  return expected === undefined ? {} : { expected }
}

/**
 * Says on standard error that data is of a sandbox. Beside data for programs (`isData`) only where a person looks on: a program takes any
 * word there for trouble. `--json` says it itself.
 */
export function tellSandbox(
  run: Pick<CommandRun<object>, 'context' | 'json' | 'quiet'>,
  origin: Origin | null | undefined,
  isData = false,
): void {
  const { stderr } = run.context
  if (origin !== 'sandbox' || run.json || run.quiet || (isData && stderr.isTTY !== true)) return
  stderr.write('This is sandbox data: its prices are invented.\n')
}
