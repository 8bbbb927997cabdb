import type { RequestRecord, Sandbox, SandboxOptions } from '../../src/sandbox/index.ts'
import { startSandbox } from './dist.ts'

/** A sandbox exchange with a clock that stands still, and the environment that makes it the program's sources. */
export interface TestExchange extends AsyncDisposable {
  readonly sandbox: Sandbox
  /** the five URLs, `CKVD_NOW`, and few retries so that what fails for good fails soon */
  readonly env: Readonly<Record<string, string>>
  /** requests so far of a kind whose path matches */
  requests(kind: RequestRecord['kind'], match?: RegExp): readonly RequestRecord[]
}

export async function startExchange(now: string, options: SandboxOptions = {}): Promise<TestExchange> {
  const sandbox = await startSandbox({ now: () => Date.parse(now), ...options })
  return {
    sandbox,
    env: { ...urlVariables(sandbox), CKVD_NOW: now, CKVD_MAX_RETRIES: '1' },
    requests: (kind, match = /(?:)/) => sandbox.requests.filter((request) => request.kind === kind && match.test(request.path)),
    [Symbol.asyncDispose]: () => sandbox.close(),
  }
}

/** The environment variables that name an exchange's five sources. */
export function urlVariables({ urls }: Pick<Sandbox, 'urls'>): Record<string, string> {
  return {
    CKVD_VISION_URL: urls.vision,
    CKVD_LISTING_URL: urls.listing,
    CKVD_SPOT_REST_URL: urls.spotRest,
    CKVD_UM_REST_URL: urls.umRest,
    CKVD_CM_REST_URL: urls.cmRest,
  }
}
