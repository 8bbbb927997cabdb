import type { IngestResult } from '../../ingest/result.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'

/** What is known of a run that has ended. */
export interface EndedRun {
  readonly command: string
  readonly lake: string
  readonly exit: number
  /** epoch milliseconds */
  readonly startedMs: number
  readonly endedMs: number
  /** of the last run of this lake that ended with 0, epoch milliseconds; null: none is known */
  readonly succeededMs: number | null
  /** null: the run was refused before it began */
  readonly result: IngestResult | null
}

type Labels = Readonly<Record<string, string>>

interface Metric {
  readonly name: string
  readonly help: string
  readonly samples: readonly (readonly [value: number, labels?: Labels])[]
}

/** A run as Prometheus text (format 0.0.4): gauges, each with what it means, labelled with command and lake. Times are seconds since 1970. */
export function formatMetrics(run: EndedRun): string {
  const common = { command: run.command, lake: run.lake }
  return [...metricsOfEnd(run), ...(run.result === null ? [] : metricsOfWork(run.result))]
    .flatMap(({ name, help, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      ...samples.map(([value, labels]) => `${name}${formatLabels({ ...common, ...labels })} ${value}`),
    ])
    .join('\n')
    .concat('\n')
}

function metricsOfEnd({ exit, startedMs, endedMs, succeededMs }: EndedRun): Metric[] {
  return [
    {
      name: 'ckvd_run_exit_code',
      help: 'Exit code of the last run: 0 all stored or explained, 3 unexplained days, 4 stopped early.',
      samples: [[exit]],
    },
    { name: 'ckvd_run_start_time_seconds', help: 'When the last run began.', samples: [[startedMs / 1000]] },
    { name: 'ckvd_run_end_time_seconds', help: 'When the last run ended.', samples: [[endedMs / 1000]] },
    { name: 'ckvd_run_duration_seconds', help: 'How long the last run took.', samples: [[(endedMs - startedMs) / 1000]] },
    ...(succeededMs === null
      ? []
      : [
          {
            name: 'ckvd_last_success_time_seconds',
            help: 'When the last run of this lake ended with exit code 0.',
            samples: [[succeededMs / 1000]] as const,
          },
        ]),
  ]
}

function metricsOfWork(result: IngestResult): Metric[] {
  const unexplained = CONDITIONS.filter((condition) => !isExplained(condition)).reduce((sum, condition) => sum + result.days[condition], 0)
  const one = (name: string, help: string, value: number): Metric => ({ name, help, samples: [[value]] })
  return [
    one('ckvd_run_series', 'Series that the last run worked on.', result.series),
    {
      name: 'ckvd_run_days',
      help: 'Requested days (of bars longer than a day: months) by their condition at the end of the last run.',
      samples: CONDITIONS.map((condition) => [result.days[condition], { condition }]),
    },
    one(
      'ckvd_run_unexplained_days',
      'Requested days that were unexplained at the end of the last run, accepted ones among them.',
      unexplained,
    ),
    one('ckvd_run_stored_days', 'Days that the last run wrote.', result.stored),
    one('ckvd_run_upgraded_days', 'Days in which an archive took the place of what REST gave.', result.upgraded),
    one('ckvd_run_republished_days', 'Days whose archive was published anew and taken.', result.republished),
    one('ckvd_run_changed_days', 'Stored days whose archive was seen to be published anew, taken or not.', result.changed),
    one('ckvd_run_written_bars', 'Bars, or rows of other data sets, that the last run wrote.', result.rows),
    one('ckvd_run_downloaded_bytes', 'Bytes that the last run received.', result.bytes_downloaded),
    {
      name: 'ckvd_run_requests',
      help: 'Requests that the last run sent, by kind.',
      samples: Object.entries(result.requests).map(([kind, count]) => [count, { kind }]),
    },
  ]
}

function formatLabels(labels: Labels): string {
  const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(',')}}`
}
