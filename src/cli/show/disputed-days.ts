import { formatCountOf } from './output.ts'

/** What a command says whose rows are of days about which the sources contradict each other. */
export function disputedText(days: readonly string[]): string {
  return `The sources contradict each other about ${formatCountOf(days.length, 'day')}, and no third decides: ${days.join(', ')}. Vision's rows were given; \`ckvd ingest\` asks again, \`ckvd coverage --accept\` accepts them. (exit 3)\n`
}
