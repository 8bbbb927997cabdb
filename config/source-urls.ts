import type { Market, RestMarket } from '../src/model/market.ts'
import { hasRest, REST_MARKETS } from '../src/model/market.ts'
import type { Settings } from './setting-table.ts'

/** Where the five sources are: bases of URLs without a final slash. */
export interface SourceUrls {
  readonly vision: string
  readonly listing: string
  readonly rest: Readonly<Record<RestMarket, string>>
}

/** The setting of each source, by the name that a sandbox's `urls` and the library's `sources` have for it. */
export const SOURCE_SETTINGS = {
  vision: 'visionUrl',
  listing: 'listingUrl',
  spotRest: 'spotRestUrl',
  umRest: 'umRestUrl',
  cmRest: 'cmRestUrl',
} as const satisfies Readonly<Record<string, keyof Settings>>

/** All five sources by name, as a sandbox tells them. */
export type NamedSources = Readonly<Record<keyof typeof SOURCE_SETTINGS, string>>

/** The settings with a sandbox as the five sources. */
export function withSources(settings: Settings, { vision, listing, spotRest, umRest, cmRest }: NamedSources): Settings {
  return Object.freeze({
    ...settings,
    visionUrl: vision,
    listingUrl: listing,
    spotRestUrl: spotRest,
    umRestUrl: umRest,
    cmRestUrl: cmRest,
  })
}

/** The five sources of a run. */
export function sourceUrls(settings: Settings): SourceUrls {
  const { visionUrl, listingUrl, spotRestUrl, umRestUrl, cmRestUrl } = settings
  return { vision: visionUrl, listing: listingUrl, rest: { spot: spotRestUrl, um: umRestUrl, cm: cmRestUrl } }
}

/** The URLs that are asked for these markets: archives and listing, and REST of each that has it. */
export function urlsFor({ vision, listing, rest }: SourceUrls, markets: readonly Market[] = REST_MARKETS): string[] {
  return [vision, listing, ...markets.filter(hasRest).map((market) => rest[market])]
}
