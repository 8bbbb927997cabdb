/**
 * A rerun with nothing new over a large lake, which a real ingest filled before. The bars are 1h ones, so that the lake takes some 600 MB
 * and not 10 GB: what a rerun costs are series and days (listing, catalog), never bars, for it opens no shard.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, runCkvd, sourceFlags, startServer } from './command.mjs'

const FIRST_DAY = '2020-01-01'
const LIMIT_MS = 3000

/** @returns a table; throws where the lake is not filled by the first run, or a later one asks for an archive */
export async function measureRerun({ series, days, dist, folder, rounds }) {
  const server = await startServer('virtual-bucket.mjs', FIRST_DAY, String(days))
  try {
    const universe = join(folder, 'rerun-universe.txt')
    writeFileSync(universe, Array.from({ length: series }, (_, i) => `S${i}USDT\n`).join(''))
    const end = new Date(Date.parse(FIRST_DAY) + days * 86_400_000).toISOString().slice(0, 10)
    const range = ['--market', 'spot', '--intervals', '1h', '--start', FIRST_DAY, '--end', end]
    const flags = ['--universe', universe, ...range, ...sourceFlags(server.origin), '--lake', join(folder, 'rerun-lake')]
    const run = (...more) => runCkvd(dist, folder, ['ingest', ...flags, ...more])
    const chunks = series * days
    const filled = run('--no-rest')
    check(filled.result, { exit: 0, stored: chunks, skipped: 0, rows: chunks * 24 }, 'the first run')
    const rerun = { ms: [], cpuMs: [], rssMb: 0 }
    let requests
    for (let round = 0; round < rounds; round++) {
      const { ms, cpuMs, rssMb, result } = run('--no-rest')
      check(result, { exit: 0, stored: 0, skipped: chunks }, 'the rerun')
      check(result.requests, { archive: 0, checksum: 0, rest: 0 }, 'requests of the rerun')
      check(result.days, { complete: chunks }, 'conditions of the rerun')
      requests = result.requests
      rerun.ms.push(ms)
      rerun.cpuMs.push(cpuMs)
      rerun.rssMb = Math.max(rerun.rssMb, rssMb)
    }
    const slowestMs = Math.max(...rerun.ms)
    return {
      name: `rerun with nothing new: ${series} series, ${chunks.toLocaleString('en')} chunks`,
      unit: 'chunks/s',
      amount: chunks * 1000,
      baseline: 'rerun',
      contenders: { 'first run': { ms: [filled.ms], cpuMs: [filled.cpuMs], rssMb: filled.rssMb }, rerun },
      notes: [
        `requests of a rerun: ${Object.entries(requests)
          .map(([kind, count]) => `${count} ${kind}`)
          .join(', ')}`,
        `slowest rerun ${slowestMs.toFixed(0)} ms, limit ${LIMIT_MS} ms: ${slowestMs <= LIMIT_MS ? 'kept' : 'EXCEEDED'}`,
      ],
    }
  } finally {
    server.stop()
  }
}
