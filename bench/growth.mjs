/**
 * Does the cost of a chunk stay the same as there are more of them? Ingests 1, 2, 4 and 8 times the 1m days (more symbols of the same
 * range) into new lakes, and one single day, whose time is the start that is subtracted: (t(n) - t(1)) / (n - 1) is the cost of a chunk.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, runCkvd, sourceFlags, startServer } from './command.mjs'
import { median } from './report.mjs'

const LIMIT = 0.15
/** Below this the start, which varies by tenths of a second, is more than the chunks. */
const FEW_CHUNKS = 200

/** @param o archives of eight times as many symbols as the smallest run has, all with the same days */
export async function measureGrowth({ archives, archiveFolder, symbols, interval, end, dist, folder, rounds, factors }) {
  const server = await startServer('server.mjs', archiveFolder)
  try {
    const days = archives.length / symbols.length
    const rowsADay = archives[0].rows
    const universe = join(folder, 'growth-universe.txt')
    let lakes = 0
    const run = (names, last, chunks) => {
      writeFileSync(universe, `${names.join('\n')}\n`)
      // removed at the end, all together: ext4 searches long for inodes where many were freed just before
      const lake = join(folder, `growth-lake-${lakes++}`)
      const range = ['--market', 'spot', '--intervals', interval, '--start', '2024-01-01', '--end', last]
      const flags = ['--universe', universe, ...range, '--archives', 'daily', '--no-rest', ...sourceFlags(server.origin), '--lake', lake]
      const found = runCkvd(dist, folder, ['ingest', ...flags])
      check(found.result, { exit: 0, stored: chunks, rows: chunks * rowsADay }, `ingest of ${chunks} chunks`)
      return found
    }
    const starts = []
    const sizes = factors.map((factor) => {
      const names = symbols.slice(0, (symbols.length * factor) / factors.at(-1))
      return { names, chunks: names.length * days, ms: [], cpuMs: [], rssMb: 0 }
    })
    for (let round = 0; round < rounds; round++) {
      const start = run(symbols.slice(0, 1), '2024-01-02', 1)
      starts.push(start.ms)
      for (const size of sizes) {
        const { ms, cpuMs, rssMb } = run(size.names, end, size.chunks)
        // for 1,000 chunks, so that sizes compare
        size.ms.push(((ms - start.ms) / (size.chunks - 1)) * 1000)
        size.cpuMs.push(((cpuMs - start.cpuMs) / (size.chunks - 1)) * 1000)
        size.rssMb = Math.max(size.rssMb, rssMb)
      }
    }
    const nameOf = ({ chunks }) => `${chunks} chunks`
    return {
      name: `growth of an ingest of ${interval} days; times are for 1,000 chunks, without the start`,
      unit: 'chunks/s',
      amount: 1_000_000,
      baseline: nameOf(sizes[0]),
      contenders: Object.fromEntries(sizes.map((size) => [nameOf(size), { ms: size.ms, cpuMs: size.cpuMs, rssMb: size.rssMb }])),
      notes: [
        `start: a run of one chunk, ${starts.map((ms) => ms.toFixed(0)).join(', ')} ms`,
        describe('time', sizes, factors, ({ ms }) => ms),
        describe('processor time', sizes, factors, ({ cpuMs }) => cpuMs),
      ],
    }
  } finally {
    server.stop()
  }
}

/** The cost of a chunk at each size over that at the smallest: medians of paired rounds. */
function describe(what, sizes, factors, of) {
  const [first] = sizes
  const ratios = sizes.map((size) => median(of(size).map((value, round) => value / of(first)[round])))
  const isKept = Math.max(...ratios) - 1 <= LIMIT
  const verdict = first.chunks < FEW_CHUNKS ? 'too few chunks to tell' : isKept ? 'kept' : 'EXCEEDED'
  return `${what} of a chunk at ${factors.join(', ')} times the chunks: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}; may grow by ${LIMIT * 100} %: ${verdict}`
}
