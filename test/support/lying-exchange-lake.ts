import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import type { CommandResult } from './ckvd.ts'
import { runHere } from './ckvd.ts'
import type { LyingExchange, LyingSeries } from './lying-exchange.ts'
import { LyingExchange as Exchange } from './lying-exchange.ts'
import type { Life, Row, When } from './lying-exchange-bars.ts'
import { lakeCells, msOf, textOf } from './lying-exchange-bars.ts'
import type { TempDirectory } from './temp-lake.ts'
import { createTempDirectory, listFiles, queryCatalog } from './temp-lake.ts'

/** A day as the catalog has it. */
export interface LakeDay {
  readonly day: string
  readonly condition: string
  readonly source: string | null
  readonly rows: number
  readonly expected: number
}

/** What `ckvd ingest --json` said, as far as these tests look at it. */
export interface Told {
  readonly exit: number
  readonly days: Readonly<Record<string, number>>
  readonly problems: readonly {
    readonly day: string | null
    readonly days?: number
    readonly condition: string
    readonly code: string
    readonly message: string
  }[]
  readonly notes?: readonly unknown[]
  readonly stored: number
  readonly stopped: { readonly code: string; readonly message: string } | null
}

/** An exchange, one series of it that is asked for, and a lake. */
export class Lab implements AsyncDisposable {
  readonly exchange: LyingExchange
  readonly series: LyingSeries
  readonly directory: TempDirectory
  /** retries of a request */
  retries = 1

  private constructor(exchange: LyingExchange, series: LyingSeries, directory: TempDirectory) {
    this.exchange = exchange
    this.series = series
    this.directory = directory
  }

  /** Without more said: spot 1h of AAAUSDT at 2024-06-01T00:00:00Z. */
  static async open(life: Partial<Life> & Pick<Life, 'from'>, now = '2024-06-01T00:00:00Z'): Promise<Lab> {
    const exchange = await Exchange.start({ now })
    const series = exchange.series({ market: 'spot', symbol: life.market === 'cm' ? 'AAAUSD_PERP' : 'AAAUSDT', interval: '1h', ...life })
    return new Lab(exchange, series, await createTempDirectory())
  }

  get lake(): string {
    return this.directory.lake
  }

  get env(): Record<string, string> {
    return {
      CKVD_WORKERS: '1',
      ...this.exchange.env,
      CKVD_MAX_RETRIES: String(this.retries),
      CKVD_STATE: join(this.directory.path, 'state'),
      HOME: this.directory.path,
    }
  }

  /** `ckvd COMMAND` on this exchange and lake. */
  run(args: readonly string[], stdin = ''): Promise<CommandResult> {
    return runHere(args, { env: this.env, cwd: this.directory.path, stdin })
  }

  /** `ckvd ingest --json` of the series. */
  async ingest(...flags: string[]): Promise<Told> {
    const { market, symbol, interval } = this.series.life
    const args = ['ingest', '--universe', '-', '--market', market, '--intervals', interval, '--lake', this.lake, '--json', ...flags]
    const result = await this.run(args, `${symbol}\n`)
    return toldOf(result)
  }

  /** What the lake holds of the series, read by the Arrow project's own library: open time → cells. */
  async bars(series: Pick<LyingSeries, 'life'> = this.series): Promise<Map<number, (bigint | number)[]>> {
    return readLakeBars(this.lake, series.life)
  }

  /** Days of the series as the catalog has them. */
  days(): LakeDay[] {
    const { market, symbol, interval } = this.series.life
    return queryCatalog<LakeDay>(
      this.lake,
      'select day, condition, source, rows, expected from days where market = ? and symbol = ? and interval = ? order by day',
      market,
      symbol,
      interval,
    )
  }

  /** `2024-03-01 complete 24/24` of each day. */
  conditions(): string[] {
    return this.days().map(({ day, condition, rows, expected }) => `${day} ${condition} ${rows}/${expected}`)
  }

  condition(day: string): string | undefined {
    return this.days().find((one) => one.day === day)?.condition
  }

  /** What is wrong with the lake in [from, to): bars that are missing, invented or altered; empty when it is the exchange's. */
  async differences(from: When, to: When, series: LyingSeries = this.series): Promise<string[]> {
    return compare(await this.bars(series), series.closed(from, to), msOf(from), msOf(to))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exchange[Symbol.asyncDispose]()
    await this.directory[Symbol.asyncDispose]()
  }
}

/** The result of `--json`, or all that the command wrote. */
function toldOf(result: CommandResult): Told {
  try {
    const told = JSON.parse(result.stdout) as Told
    if (Array.isArray(told.problems)) return { ...told, exit: result.exit ?? -1 }
    throw new Error('no result of ingest')
  } catch {
    throw new Error(`Expected JSON on stdout (exit ${result.exit}), got ${JSON.stringify(result.stdout)}; stderr: ${result.stderr}`)
  }
}

async function readLakeBars(lake: string, { market, symbol, interval }: Life): Promise<Map<number, (bigint | number)[]>> {
  const bars = new Map<number, (bigint | number)[]>()
  for (const file of await listFiles(join(lake, 'data'))) {
    if (!file.endsWith('.arrow')) continue
    const table = tableFromIPC(await readFile(join(lake, 'data', file)))
    const of = (key: string): string | undefined => table.schema.metadata.get(`ckvd.${key}`)
    if (of('market') !== market || of('symbol') !== symbol || of('interval') !== interval) continue
    for (const batch of table.batches) {
      const columns = batch.schema.fields.map((_, i) => batch.getChildAt(i)!.data[0]!.values as BigInt64Array | Float64Array)
      for (let row = 0; row < batch.numRows; row++) {
        const cells = columns.map((column) => column[row]!)
        const openMs = Number(cells[0]) / 1000
        if (bars.has(openMs)) throw new Error(`${file}: ${textOf(openMs)} is in the lake twice`)
        bars.set(openMs, cells)
      }
    }
  }
  return bars
}

/** Each bar that is not as it should be, in words. */
function compare(lake: ReadonlyMap<number, (bigint | number)[]>, wanted: readonly Row[], fromMs: number, toMs: number): string[] {
  const said: string[] = []
  const right = new Map(wanted.map((row) => [row.openMs, lakeCells(row)]))
  for (const [openMs, cells] of right) {
    const found = lake.get(openMs)
    if (found === undefined) said.push(`missing ${textOf(openMs)}`)
    else if (cells.some((cell, i) => cell !== found[i])) said.push(`altered ${textOf(openMs)}`)
  }
  for (const openMs of lake.keys()) {
    if (openMs >= fromMs && openMs < toMs && !right.has(openMs)) said.push(`invented ${textOf(openMs)}`)
  }
  return said.sort()
}
