import { join } from 'node:path'
import type { Sandbox, SandboxOptions } from '../../src/sandbox/index.ts'
import type { CommandResult } from './ckvd.ts'
import { ingestCommand, runHere } from './ckvd.ts'
import { startSandbox } from './dist.ts'
import { urlVariables } from './exchange.ts'
import type { TempDirectory } from './temp-lake.ts'
import { createTempDirectory, queryCatalog } from './temp-lake.ts'

/**
 * An exchange and a lake, at a time that may be moved: commands and exchange go by it. What the address was told
 * (a ban) is kept by the system's clock, which nothing moves: each day has an account of its own.
 */
export class DailyWorld implements AsyncDisposable {
  readonly directory: TempDirectory
  readonly sandbox: Sandbox
  readonly #clock: { now: string }

  private constructor(directory: TempDirectory, sandbox: Sandbox, clock: { now: string }) {
    this.directory = directory
    this.sandbox = sandbox
    this.#clock = clock
  }

  static async create(options: SandboxOptions): Promise<DailyWorld> {
    const directory = await createTempDirectory()
    const clock = { now: '2024-03-10T12:00:00Z' }
    return new DailyWorld(directory, await startSandbox({ now: () => Date.parse(clock.now), ...options }), clock)
  }

  get now(): string {
    return this.#clock.now
  }

  set now(now: string) {
    this.#clock.now = now
  }

  get lake(): string {
    return this.directory.lake
  }

  /** `ckvd ARGS` with the exchange as its sources, the lake as its lake, and the time as its time. */
  run(args: readonly string[], stdin = ''): Promise<CommandResult> {
    const env = {
      ...urlVariables(this.sandbox),
      CKVD_NOW: this.now,
      CKVD_MAX_RETRIES: '1',
      CKVD_LAKE: this.lake,
      CKVD_STATE: join(this.directory.path, 'state', this.now.slice(0, 10)),
    }
    return runHere(args, { env, stdin, cwd: this.directory.path })
  }

  /** `ckvd ingest` of 1h bars of a spot symbol. */
  ingest(symbol: string, ...flags: string[]): Promise<CommandResult> {
    return this.run([...ingestCommand(this.lake, '--json', ...flags)], symbol)
  }

  /** `MARKET SYMBOL INTERVAL FIRST LAST` of each series. */
  ranges(): string[] {
    const sql = `SELECT market || ' ' || symbol || ' ' || interval || ' ' || min(day) || ' ' || max(day) AS range
      FROM days GROUP BY market, symbol, interval ORDER BY market, symbol, interval`
    return queryCatalog<{ range: string }>(this.lake, sql).map(({ range }) => range)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox.close()
    await this.directory[Symbol.asyncDispose]()
  }
}
