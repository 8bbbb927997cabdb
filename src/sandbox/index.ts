/**
 * The sandbox exchange: a stand-in for Binance on loopback, for tests, demos and benchmarks.
 * @module crypto-kline-vision-data/sandbox
 */
export { startSandbox } from './exchange.ts'
export type { RequestRecord, Sandbox, SandboxUrls } from './exchange.ts'
export { parseFaultRules } from './faults.ts'
export type { AnswerFault, ArchiveMatch, ContentFault, DayPlace, FaultKind, FaultRule, RequestMatch, StretchPlace } from './faults.ts'
export type { SandboxOptions, SyntheticMarket } from './options.ts'
