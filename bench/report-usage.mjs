/** `node --import bench/report-usage.mjs SCRIPT` writes what the process used to the file BENCH_USAGE when it ends. */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    writeFileSync(
      process.env.BENCH_USAGE,
      JSON.stringify({ userMs: userCPUTime / 1000, systemMs: systemCPUTime / 1000, rssMb: maxRSS / 1024 }),
    )
  })
}
