/**
 * Planning from the pages of a listing: `ckvd ingest --dry-run` of 1, 2 and 4 times the series, each series with its own pages of 1,000 keys
 * (two a day). Memory must not grow with them.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, runCkvd, sourceFlags, startServer } from './command.mjs'

const FIRST_DAY = '2017-01-01'
/** The most series may take so many times the memory of the fewest. */
const LIMIT = 1.25
/** Below this the heap has not reached the size at which it stays. */
const FEW_SERIES = 50

/** @returns a table, a line for each size; throws where a plan is not what the listing has */
export async function measurePlan({ series, days, factors, dist, folder, rounds }) {
  const server = await startServer('virtual-bucket.mjs', FIRST_DAY, String(days))
  try {
    const universe = join(folder, 'plan-universe.txt')
    const end = new Date(Date.parse(FIRST_DAY) + days * 86_400_000).toISOString().slice(0, 10)
    const contenders = {}
    for (let round = 0; round < rounds; round++) {
      for (const factor of factors) {
        const count = series * factor
        writeFileSync(universe, Array.from({ length: count }, (_, i) => `S${i}USDT\n`).join(''))
        const lake = join(folder, 'plan-lake')
        const range = ['--market', 'spot', '--end', end, '--no-rest', '--lake', lake]
        const planned = runCkvd(dist, folder, ['ingest', '--dry-run', '--universe', universe, ...range, ...sourceFlags(server.origin)])
        rmSync(lake, { recursive: true, force: true })
        checkPlan(planned.result, count, days)
        const line = (contenders[`${count} series`] ??= { ms: [], cpuMs: [], rssMb: 0 })
        line.ms.push(planned.ms / factor)
        line.cpuMs.push(planned.cpuMs / factor)
        line.rssMb = Math.max(line.rssMb, planned.rssMb)
      }
    }
    const lines = Object.values(contenders)
    const growth = lines.at(-1).rssMb / lines[0].rssMb
    const verdict = series < FEW_SERIES ? 'too few series to tell' : growth <= LIMIT ? 'kept' : 'EXCEEDED'
    return {
      name: `planning of series of ${days} days (ingest --dry-run); times are for ${series} series`,
      unit: 'days/s',
      amount: series * days * 1000,
      baseline: `${series} series`,
      contenders,
      notes: [`${factors.at(-1)} times the series take ${growth.toFixed(2)} times the memory, limit ${LIMIT}: ${verdict}`],
    }
  } finally {
    server.stop()
  }
}

/** The listing says 1,000 bytes of the first day's archive, and a byte more each day. */
function checkPlan({ exit, total, series }, count, days) {
  check({ exit, series: series.length }, { exit: 0, series: count }, 'the plan')
  const bytes = count * (1000 * days + (days * (days - 1)) / 2)
  check(total, { days: count * days, stored: 0, rest_days: 0, bytes }, 'the plan')
  check(total.archives, { daily: count * days, monthly: 0 }, 'archives of the plan')
  const wrong = series.find((one) => one.days !== days || one.first !== FIRST_DAY)
  if (wrong !== undefined) throw new Error(`Expected ${days} days from ${FIRST_DAY} on in each series, found ${JSON.stringify(wrong)}.`)
}
