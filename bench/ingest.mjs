/**
 * End to end on loopback: `ckvd ingest` (download, SHA-256, inflate, CRC-32, decode, Arrow file, fsync, catalog) against
 * `curl` + `sha256sum -c` + `unzip -p` in as many lanes as there are processors, which decode and store nothing but the ZIPs.
 * The tools get the best they can have: one process of each a lane, one connection for all files.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const LANE = "curl -sS --fail -K urls && cat *.CHECKSUM | sha256sum --quiet -c - && unzip -p '*.zip' > /dev/null"

/** @param o archives below `o.archiveFolder`, all from 2024-01-01 on; `o.end` the day after the last */
export async function measureIngest({ label, archives, archiveFolder, symbols, interval, end, dist, folder, rounds }) {
  const server = await startServer(archiveFolder)
  try {
    const universe = join(folder, 'universe.txt')
    writeFileSync(universe, `${symbols.join('\n')}\n`)
    const rows = archives.reduce((sum, archive) => sum + archive.rows, 0)
    const ckvd = { ms: [], rssMb: 0, cpuMs: [] }
    const tools = { ms: [], cpuMs: [] }
    const rerun = { ms: [], rssMb: 0 }
    const run = (lake) => runCkvd({ dist, folder, lake, universe, interval, end, origin: server.origin })
    for (let round = 0; round < rounds; round++) {
      const lanes = runTools(archives, server.origin, folder, rows, round === 0)
      tools.ms.push(lanes.ms)
      tools.cpuMs.push(lanes.cpuMs)
      const lake = join(folder, 'lake')
      rmSync(lake, { recursive: true, force: true })
      const first = run(lake)
      check(first.result, { exit: 0, stored: archives.length, rows }, `ingest ${label}`)
      ckvd.ms.push(first.ms)
      ckvd.cpuMs.push(first.cpuMs)
      ckvd.rssMb = Math.max(ckvd.rssMb, first.rssMb)
      const second = run(lake)
      check(second.result, { exit: 0, stored: 0, skipped: archives.length }, `rerun ${label}`)
      check(second.result.requests, { archive: 0, checksum: 0 }, `rerun ${label}`)
      rerun.ms.push(second.ms)
      rerun.rssMb = Math.max(rerun.rssMb, second.rssMb)
    }
    return [
      {
        name: `ingest ${label}`,
        unit: 'archives/s',
        amount: archives.length * 1000,
        baseline: 'curl+sha256sum+unzip',
        contenders: { ckvd, 'curl+sha256sum+unzip': tools },
      },
      {
        name: `rerun ${label}, nothing new`,
        unit: 'chunks/s',
        amount: archives.length * 1000,
        baseline: 'ckvd',
        contenders: { ckvd: rerun },
      },
    ]
  } finally {
    server.stop()
  }
}

async function startServer(archiveFolder) {
  const child = spawn(process.execPath, [here('server.mjs'), archiveFolder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  return { origin: String(line).trim(), stop: () => child.stdin.end() }
}

function runTools(archives, origin, folder, rows, isFirst) {
  const laneCount = Math.min(availableParallelism(), archives.length)
  const lanes = Array.from({ length: laneCount }, (_, lane) => {
    const directory = join(folder, `lane-${lane}`)
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory)
    const own = archives.filter((_archive, i) => i % laneCount === lane)
    const urls = own.flatMap(({ key }) =>
      ['', '.CHECKSUM'].map((ending) => `url="${origin}/vision/${key}${ending}"\noutput="${basename(key)}${ending}"\n`),
    )
    writeFileSync(join(directory, 'urls'), urls.join(''))
    return directory
  })
  const script = `pids=; ${lanes.map((directory) => `(cd '${directory}' && ${LANE}) & pids="$pids $!"; `).join('')} for pid in $pids; do wait $pid || exit 1; done`
  const usage = timed(script)
  if (isFirst) {
    const lines = lanes.map((directory) =>
      Number(execFileSync('bash', ['-c', "unzip -p '*.zip' | wc -l"], { cwd: directory, encoding: 'utf8' })),
    )
    check({ rows: lines.reduce((sum, n) => sum + n, 0) }, { rows }, 'the tools')
  }
  return usage
}

/** Wall clock and processor time of a script and all that it starts. */
function timed(script) {
  const { status, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='%R %U %S'; time ( ${script} )`], { encoding: 'utf8' })
  const [wall, user, system] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map((seconds) => Number(seconds) * 1000)
  if (status !== 0 || !(wall > 0)) throw new Error(`The tools failed: ${stderr}`)
  return { ms: wall, cpuMs: user + system }
}

function runCkvd({ dist, folder, lake, universe, interval, end, origin }) {
  const usageFile = join(folder, 'usage.json')
  const args = ['--import', here('report-usage.mjs'), join(dist, 'src/cli/main.js'), 'ingest', '--universe', universe, '--market', 'spot']
  args.push('--intervals', interval, '--start', '2024-01-01', '--end', end, '--archives', 'daily', '--no-rest', '--lake', lake)
  args.push('--vision-url', `${origin}/vision`, '--listing-url', `${origin}/listing`, '--json', '--quiet')
  const start = performance.now()
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    env: { PATH: process.env.PATH, BENCH_USAGE: usageFile },
    encoding: 'utf8',
    cwd: folder,
    maxBuffer: 1 << 28,
  })
  const ms = performance.now() - start
  if (stdout === '') throw new Error(`ckvd printed nothing: ${stderr}`)
  const { userMs, systemMs, rssMb } = JSON.parse(readFileSync(usageFile, 'utf8'))
  return { ms, cpuMs: userMs + systemMs, rssMb, result: JSON.parse(stdout) }
}

function check(found, expected, what) {
  for (const [key, value] of Object.entries(expected)) {
    if (found[key] !== value) throw new Error(`Expected ${key} ${value} of ${what}, found ${JSON.stringify(found[key])}.`)
  }
}
