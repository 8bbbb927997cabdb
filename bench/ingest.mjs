/**
 * End to end on loopback: `ckvd ingest` (download, SHA-256, inflate, CRC-32, decode, Arrow file, fsync, catalog) against
 * `curl` + `sha256sum -c` + `unzip -p` in as many lanes as there are processors, which decode and store nothing but the ZIPs.
 * The tools get the best they can have: one process of each a lane, one connection for all files.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { check, runCkvd, sourceFlags, startServer } from './command.mjs'

/** So few leave no mark when they are removed; they may be large. */
const FEW_FILES = 1000
/** What Linux says of a file system in memory (`man 2 statfs`), such as /dev/shm: there is little room, and nothing to sync. */
const TMPFS_MAGIC = 0x01021994

const LANE = "curl -sS --fail -K urls && cat *.CHECKSUM | sha256sum --quiet -c - && unzip -p '*.zip' > /dev/null"

/** @param o archives below `o.archiveFolder`, all from 2024-01-01 on; `o.end` the day after the last */
export async function measureIngest({ label, archives, archiveFolder, symbols, interval, end, dist, folder, rounds }) {
  const server = await startServer('server.mjs', archiveFolder)
  try {
    const universe = join(folder, 'universe.txt')
    writeFileSync(universe, `${symbols.join('\n')}\n`)
    const isInMemory = statfsSync(folder).type === TMPFS_MAGIC
    const rows = archives.reduce((sum, archive) => sum + archive.rows, 0)
    const ckvd = { ms: [], rssMb: 0, cpuMs: [] }
    const tools = { ms: [], cpuMs: [] }
    const rerun = { ms: [], rssMb: 0 }
    const range = ['--market', 'spot', '--intervals', interval, '--start', '2024-01-01', '--end', end]
    const flags = ['--universe', universe, ...range, '--archives', 'daily', '--no-rest', ...sourceFlags(server.origin)]
    const run = (lake) => runCkvd(dist, folder, ['ingest', ...flags, '--lake', lake])
    for (let round = 0; round < rounds; round++) {
      // a folder for each round; of many files it is removed at the end: ext4 searches long for inodes where many were freed just before
      const place = join(folder, `${interval}-${round}`)
      const lanes = makeLanes(archives, server.origin, place)
      flushDisk()
      const used = runTools(lanes)
      if (round === 0) checkLanes(lanes, rows)
      tools.ms.push(used.ms)
      tools.cpuMs.push(used.cpuMs)
      const lake = join(place, 'lake')
      flushDisk()
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
      if (archives.length <= FEW_FILES || isInMemory) rmSync(place, { recursive: true, force: true })
    }
    return [
      {
        name: `ingest ${label}${isInMemory ? ', in memory, where a sync costs nothing' : ''}`,
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

/** Folders of the lanes, each with its list of addresses. */
function makeLanes(archives, origin, place) {
  const laneCount = Math.min(availableParallelism(), archives.length)
  return Array.from({ length: laneCount }, (_, lane) => {
    const directory = join(place, `lane-${lane}`)
    mkdirSync(directory, { recursive: true })
    const own = archives.filter((_archive, i) => i % laneCount === lane)
    const urls = own.flatMap(({ key }) =>
      ['', '.CHECKSUM'].map((ending) => `url="${origin}/vision/${key}${ending}"\noutput="${basename(key)}${ending}"\n`),
    )
    writeFileSync(join(directory, 'urls'), urls.join(''))
    return directory
  })
}

function runTools(lanes) {
  return timed(
    `pids=; ${lanes.map((directory) => `(cd '${directory}' && ${LANE}) & pids="$pids $!"; `).join('')} for pid in $pids; do wait $pid || exit 1; done`,
  )
}

function checkLanes(lanes, rows) {
  const lines = lanes.map((directory) =>
    Number(execFileSync('bash', ['-c', "unzip -p '*.zip' | wc -l"], { cwd: directory, encoding: 'utf8' })),
  )
  check({ rows: lines.reduce((sum, n) => sum + n, 0) }, { rows }, 'the tools')
}

/**
 * Nobody pays for what another has written: it goes to the disk and, where that is permitted (root on Linux), out of the page cache.
 * Otherwise the later rounds write into memory that a virtual machine has yet to get from its host, which takes three times as long.
 */
function flushDisk() {
  execFileSync('sync')
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '1')
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOENT', 'EROFS'].includes(error.code)) throw error
  }
}

/** Wall clock and processor time of a script and all that it starts. */
function timed(script) {
  const { status, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='%R %U %S'; time ( ${script} )`], { encoding: 'utf8' })
  const [wall, user, system] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map((seconds) => Number(seconds) * 1000)
  if (status !== 0 || !(wall > 0)) throw new Error(`The tools failed: ${stderr}`)
  return { ms: wall, cpuMs: user + system }
}
