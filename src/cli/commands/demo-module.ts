import type { Command } from '@commander-js/extra-typings'
import type { Table } from 'apache-arrow'
import { isCkvdError } from '../../errors.ts'
import type { GetDataOptions } from '../../question/query.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import type { DemoFlags } from '../demo-options.ts'
import { addDemoOptions, DEMO_EXITS, endDemo } from '../demo-options.ts'
import { createMarketClient } from './fetch.ts'
import { addSettings } from '../options.ts'
import { formatCountOf, formatDuration } from '../show/output.ts'
import { createBareProgram, runCli } from '../program.ts'
import { runProcess } from '../run-process.ts'
import { disputedOf } from '../show/table-rows.ts'

/** A call of the library as it is written, and its options. */
interface Lesson {
  readonly title: string
  /** the options as they are written, one a line */
  readonly code: readonly string[]
  readonly query: GetDataOptions
}

/** `ckvd-demo-module`: the library's calls as they are written, each run as it is shown. */
function createDemo(context: CliContext): Command {
  const program = createBareProgram('ckvd-demo-module', context).description(
    'The library by example: each call as code, then what it returns',
  )
  const command = addDemoOptions(program, { interval: '1h', days: 3 })
  addSettings(program, {
    example: 'ckvd-demo-module --sandbox',
    exits: DEMO_EXITS,
  })
  command.action((_options, self) => runCommand(context, self, showLessons))
  return program
}

async function showLessons(run: CommandRun<DemoFlags>): Promise<number> {
  const { interval, days, market } = run.options
  const client = createMarketClient(run, market)
  const { stdout } = run.context
  const member = { spot: 'SPOT', um: 'FUTURES_USDT', cm: 'FUTURES_COIN' }[market]
  const done: { title: string; rows: number; disputed: readonly string[] }[] = []
  if (!run.json) stdout.write(`const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.${member})\n`)
  try {
    for (const lesson of listLessons(run)) {
      const startedMs = performance.now()
      const table = (await client.getData({ ...lesson.query, returnPolars: false, signal: run.signal })) as Table
      done.push({ title: lesson.title, rows: table.numRows, disputed: disputedOf(table) })
      if (run.json) continue
      const elapsed = formatDuration(performance.now() - startedMs)
      stdout.write(
        `\n// ${lesson.title}\nconst table = await ckvd.getData({\n${lesson.code.map((line) => `  ${line},\n`).join('')}})\n` +
          toComment(`${formatCountOf(table.numRows, 'row')} in ${elapsed}: ${table.schema.names.join(', ')}`),
      )
    }
    const refused = await client
      .getData({ symbol: market === 'cm' ? 'BTCUSDT' : 'BTCUSD_PERP', interval, days })
      .catch((error: unknown) => error)
    if (!run.json && isCkvdError(refused))
      stdout.write(`\n// a mistake is told with a code and what to do\n${toComment(`${refused.code}: ${refused.message}`)}`)
  } finally {
    await client.close()
  }
  return endDemo(run, done, { lessons: done })
}

function listLessons(run: CommandRun<DemoFlags>): Lesson[] {
  const { symbol, interval, days } = run.options
  const endTime = new Date(Math.floor(run.clockMs() / 3_600_000) * 3_600_000)
  const startTime = new Date(endTime.getTime() - days * 86_400_000)
  const name = [`symbol: '${symbol}'`, `interval: '${interval}'`]
  const start = `startTime: new Date('${startTime.toISOString()}')`
  const end = `endTime: new Date('${endTime.toISOString()}')`
  return [
    {
      title: 'a range: the start is included, the end is not',
      code: [...name, start, end],
      query: { symbol, interval, startTime, endTime },
    },
    {
      title: 'backward from an end',
      code: [...name, end, `days: ${days}`],
      query: { symbol, interval, endTime, days },
    },
    {
      title: 'two columns, and where each row is from',
      code: [...name, `days: ${days}`, `columns: ['open_time', 'close']`, 'includeSourceInfo: true'],
      query: { symbol, interval, days, columns: ['open_time', 'close'], includeSourceInfo: true },
    },
    { title: 'without the lake', code: [...name, 'days: 1', 'useCache: false'], query: { symbol, interval, days: 1, useCache: false } },
  ]
}

/** Lines of a comment, broken between words where a terminal of 80 columns would break them within one. */
function toComment(text: string): string {
  return (text.match(/\S.{0,74}(?=\s|$)|\S+/g) ?? []).map((line) => `// ${line}\n`).join('')
}

/** Runs the demonstration as this process, and ends it. */
export function start(): Promise<never> {
  return runProcess((args, context) => runCli(args, context, createDemo))
}
