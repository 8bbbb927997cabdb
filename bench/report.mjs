/** What the benchmarks print: medians, spread and ratios of the rounds, and on what machine they were measured. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** Medians, spread and ratios instead of the single rounds, which stay beside them. */
export function summarize({ name, unit, amount, baseline, contenders, notes = [] }) {
  const base = contenders[baseline]
  const rows = Object.entries(contenders).map(([contender, { ms, cpuMs, rssMb, bytes }]) => ({
    contender,
    rate: amount / median(ms),
    // of paired rounds: what disturbed a round disturbed both
    ratio: median(ms.map((value, round) => base.ms[round] / value)),
    ms: median(ms),
    fastestMs: Math.min(...ms),
    slowestMs: Math.max(...ms),
    ...(cpuMs === undefined ? {} : { cpuMs: median(cpuMs) }),
    ...(rssMb === undefined ? {} : { rssMb }),
    ...(bytes === undefined ? {} : { bytes }),
    rounds: ms,
  }))
  return { name, unit, baseline, rows, notes }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function describeMachine() {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const [first] = cpus()
  return {
    ckvd: version,
    node: process.version,
    v8: process.versions.v8,
    zlib: process.versions.zlib,
    system: `${process.platform} ${release()}`,
    processor: `${availableParallelism()} x ${first?.model ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 1e9),
    load: loadavg().map((value) => Number(value.toFixed(2))),
  }
}

export function print({ machine, rounds, tables }) {
  console.log(
    `ckvd ${machine.ckvd}, Node ${machine.node}, ${machine.processor}, ${machine.memoryGb} GB, ${machine.system}, load ${machine.load.join(' ')}; ${rounds} rounds`,
  )
  for (const { name, unit, baseline, rows, notes } of tables) {
    console.log(`\n${name} (${unit}; ratio to ${baseline})`)
    for (const row of rows) {
      const more = [
        row.cpuMs === undefined ? '' : `, ${row.cpuMs.toFixed(0)} ms of processor time`,
        row.rssMb === undefined ? '' : `, peak ${row.rssMb.toFixed(0)} MB`,
        row.bytes === undefined ? '' : `, ${(row.bytes / 1e6).toFixed(1)} MB of files`,
      ]
      console.log(
        `  ${row.contender.padEnd(22)} ${row.rate.toFixed(row.rate < 10 ? 1 : 0).padStart(7)}  ${row.ratio.toFixed(2).padStart(6)}x  median ${row.ms.toFixed(1)} ms (${row.fastestMs.toFixed(1)} to ${row.slowestMs.toFixed(1)})${more.join('')}`,
      )
    }
    for (const note of notes) console.log(`  ${note}`)
  }
}
