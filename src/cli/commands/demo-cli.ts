import type { Command } from '@commander-js/extra-typings'
import type { Table } from 'apache-arrow'
import type { MarketClient } from '../../library/client.ts'
import { DataSource } from '../../question/names.ts'
import type { FetchStep, GetDataOptions } from '../../question/query.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import type { DemoFlags } from '../demo-options.ts'
import { addDemoOptions, DEMO_EXITS, endDemo } from '../demo-options.ts'
import { createMarketClient } from './fetch.ts'
import { addSettings } from '../options.ts'
import { formatCount, formatCountOf, formatDuration, printTable } from '../show/output.ts'
import { createBareProgram, runCli } from '../program.ts'
import { runProcess } from '../run-process.ts'
import { disputedOf } from '../show/table-rows.ts'

const DAY_MS = 86_400_000

/** `ckvd-demo-cli`: the Failover Control Protocol, step by step. */
function createDemo(context: CliContext): Command {
  const program = createBareProgram('ckvd-demo-cli', context).description(
    'A guided tour of the Failover Control Protocol: the same days from all sources in turn, from the lake, and from one source alone',
  )
  const command = addDemoOptions(program, { interval: '1m', days: 10 })
  addSettings(program, {
    example: 'ckvd-demo-cli -s BTCUSDT -i 1m -d 10\nckvd-demo-cli --sandbox -d 3',
    exits: DEMO_EXITS,
  })
  command.action((_options, self) => runCommand(context, self, showDemo))
  return program
}

async function showDemo(run: CommandRun<DemoFlags>): Promise<number> {
  const { symbol, interval, days, market } = run.options
  const client = createMarketClient(run, market)
  const say = (text: string): void => void (run.json ? 0 : run.context.stdout.write(`${text}\n`))
  const nowMs = run.clockMs()
  const endTime = nowMs - (nowMs % 60_000)
  const midnight = nowMs - (nowMs % DAY_MS)
  const range = { symbol, interval, startTime: midnight - days * DAY_MS, endTime }
  const tours: { title: string; query: GetDataOptions }[] = [
    { title: '1. All sources in turn: the lake, then Vision for what it lacks, then REST for what Vision lacks', query: range },
    { title: '2. The same range again: days that are over come from the lake, the running day from REST', query: range },
    {
      title: '3. The lake alone (enforceSource CACHE), up to midnight',
      query: { ...range, endTime: midnight, enforceSource: DataSource.CACHE },
    },
    {
      title: '4. REST alone (enforceSource REST), the last hour',
      query: { ...range, startTime: endTime - 3_600_000, enforceSource: DataSource.REST },
    },
  ]
  say(`${market} ${symbol} ${interval}, ${formatCountOf(days, 'day')} and the running one. Lake: ${run.settings.lake}`)
  const shown: { title: string; rows: number; disputed: readonly string[]; steps: readonly FetchStep[] }[] = []
  try {
    for (const { title, query } of tours)
      shown.push({ title, ...(await showTour(run, client, title, { ...query, signal: run.signal }, say)) })
  } finally {
    await client.close()
  }
  return endDemo(run, shown, { tours: shown })
}

async function showTour(
  run: CommandRun<DemoFlags>,
  client: MarketClient,
  title: string,
  query: GetDataOptions,
  say: (text: string) => void,
): Promise<{ rows: number; disputed: readonly string[]; steps: readonly FetchStep[] }> {
  const steps: FetchStep[] = []
  const startedMs = performance.now()
  const table = (await client.getData({ ...query, returnPolars: false, onStep: (step) => steps.push(step) })) as Table
  say(`\n${title}`)
  if (!run.json) {
    const rows = steps.map(({ source, days, rows: count, elapsedMs }) => [
      source,
      formatCount(days),
      formatCount(count),
      formatDuration(elapsedMs),
    ])
    printTable(run.context.stdout, { head: ['source', 'days', 'rows', 'time'], rows, align: ['left', 'right', 'right', 'right'] })
  }
  say(`${formatCountOf(table.numRows, 'row')} in ${formatDuration(performance.now() - startedMs)}`)
  return { rows: table.numRows, disputed: disputedOf(table), steps }
}

/** Runs the demonstration as this process, and ends it. */
export function start(): Promise<never> {
  return runProcess((args, context) => runCli(args, context, createDemo))
}
