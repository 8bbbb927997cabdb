/**
 * What packs bring: the first run, a rerun with nothing new, the files on disk, what was estimated of them, and reading, of this build and of
 * others, which take turns.
 *
 *   node scripts/measure-packs.mjs [--intervals 1h] [--symbols 45] [--start 2020-01-01] [--end 2025-01-01] [--rounds 3]
 *     [--read-start END-1y] [--archives auto|daily|monthly] [--dist DIR] [--against DIR,…] [--only first,rerun,disk,read]
 *
 * Both days begin a month. Archives of a made market, daily and monthly, come from a server on loopback that packed them before. Each answer
 * is checked: exit code, chunks, bars. Needs built programs and room for a lake of each in the system's temporary directory (`TMPDIR`).
 */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { check, runCkvd, sourceFlags, startServer } from '../bench/command.mjs'
import { describeMachine, median } from '../bench/report.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const ROW_BYTES = 88
const BLOCK_BYTES = 512
const ALL = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M']

const { values: flags } = parseArgs({
  options: {
    intervals: { type: 'string', default: '1h' },
    symbols: { type: 'string', default: '45' },
    start: { type: 'string', default: '2020-01-01' },
    end: { type: 'string', default: '2025-01-01' },
    rounds: { type: 'string', default: '3' },
    'read-start': { type: 'string' },
    archives: { type: 'string', default: 'auto' },
    dist: { type: 'string', default: here('../dist') },
    against: { type: 'string' },
    only: { type: 'string', default: 'first,rerun,disk,read' },
  },
})
const intervals = flags.intervals === 'all' ? ALL : flags.intervals.split(',')
const parts = new Set(flags.only.split(','))
const rounds = Number(flags.rounds)
const dists = [flags.dist, ...(flags.against?.split(',') ?? [])].map((dist) => resolve(dist))
const symbols = Array.from({ length: Number(flags.symbols) }, (_, i) => `S${i}USDT`)
const readStart = flags['read-start'] ?? `${Number(flags.end.slice(0, 4)) - 1}${flags.end.slice(4)}`

const folder = mkdtempSync(join(tmpdir(), 'ckvd-packs-'))
const universe = join(folder, 'universe.txt')
writeFileSync(universe, symbols.map((symbol) => `${symbol}\n`).join(''))
const one = join(folder, 'one.txt')
writeFileSync(one, `${symbols[0]}\n`)
/** Lakes of the rounds before stay until the end: a file system that has just removed thousands of files is slow to make new ones. */
let made = 0
const lakeOf = (dist) => join(folder, `lake-${made}-${dists.indexOf(dist)}`)

const { load, ckvd, node, processor } = describeMachine()
console.log(`ckvd ${ckvd}, Node ${node}, ${processor}, load ${load.join(' ')}`)
console.log(`${symbols.length} symbols, ${intervals.join(' ')}, ${flags.start} to ${flags.end}, ${rounds} rounds`)
const server = await startServer('market-bucket.mjs', flags.start, flags.end, intervals.map((name) => name.replace('1M', '1mo')).join(','))
try {
  measureFirst()
  if (parts.has('rerun')) measureRerun()
  if (parts.has('read')) measureRead()
} finally {
  server.stop()
  rmSync(folder, { recursive: true, force: true })
}

function ingest(dist, list, start, ...more) {
  const range = ['--market', 'spot', '--intervals', intervals.join(','), '--start', start, '--end', flags.end]
  const where = [...sourceFlags(server.origin), '--lake', lakeOf(dist), '--no-rest', '--archives', flags.archives]
  return runCkvd(dist, folder, ['ingest', '--universe', list, ...range, ...where, ...more])
}

/** Fills a new lake of each build, in turns; says what it takes, and what was thought of it before. */
function measureFirst() {
  const runs = dists.map(() => ({ ms: [], cpuMs: [] }))
  const estimated = dists.map((dist) => ingest(dist, universe, flags.start, '--dry-run').result.total)
  for (let round = 0; round < (parts.has('first') ? rounds : 1); round++) {
    made = round
    const found = dists.map((dist, i) => {
      const run = ingest(dist, universe, flags.start)
      runs[i].ms.push(run.ms)
      runs[i].cpuMs.push(run.cpuMs)
      return run.result
    })
    for (const { rows, stored } of found) check({ rows, stored }, { rows: found[0].rows, stored: found[0].stored }, 'the first run')
    if (round === 0) dists.forEach((dist, i) => tellDisk(dist, found[i], estimated[i]))
  }
  tellPaired('first run', runs)
}

function tellDisk(dist, { rows, stored }, { disk_bytes: estimated }) {
  const data = diskOf(join(lakeOf(dist), 'data'))
  const all = diskOf(lakeOf(dist))
  const bars = rows * ROW_BYTES
  const guess = estimated === undefined ? '' : `; estimated ${mb(estimated)}: ${((estimated / all.bytes - 1) * 100).toFixed(1)} % off`
  console.log(
    `${dist}: ${stored} chunks, ${rows} bars, ${mb(bars)}; ${data.files} files in data/, ${mb(data.fileBytes)} on disk: ${(data.fileBytes / bars).toFixed(3)} x, with their folders ${(data.bytes / bars).toFixed(3)} x; whole lake ${mb(all.bytes)}: ${(all.bytes / bars).toFixed(3)} x${guess}`,
  )
}

/** Files below a folder, and the blocks of them and of all that is there, as `du` counts them. */
function diskOf(path) {
  const { blocks } = lstatSync(path)
  const sum = { files: 0, fileBytes: 0, bytes: blocks * BLOCK_BYTES }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const own = join(path, entry.name)
    const { files, fileBytes, bytes } = entry.isDirectory() ? diskOf(own) : diskOfFile(own)
    sum.files += files
    sum.fileBytes += fileBytes
    sum.bytes += bytes
  }
  return sum
}

function diskOfFile(path) {
  const bytes = lstatSync(path).blocks * BLOCK_BYTES
  return { files: 1, fileBytes: bytes, bytes }
}

/** A rerun of all, and one of the last month of one symbol, which is what the start of the program takes. */
function measureRerun() {
  const [all, start] = [0, 1].map(() => dists.map(() => ({ ms: [], cpuMs: [] })))
  const lastMonth = new Date(Date.parse(flags.end) - 1).toISOString().slice(0, 8) + '01'
  for (let round = 0; round < rounds; round++) {
    dists.forEach((dist, i) => {
      for (const [runs, list, from] of [
        [all, universe, flags.start],
        [start, one, lastMonth],
      ]) {
        const { ms, cpuMs, result } = ingest(dist, list, from)
        check(result, { stored: 0 }, 'a rerun')
        runs[i].ms.push(ms)
        runs[i].cpuMs.push(cpuMs)
      }
    })
  }
  tellPaired('rerun with nothing new', all)
  tellPaired('… of one month of one symbol', start)
}

/** Reads the last year of every symbol, in a process of its own each time. */
function measureRead() {
  for (const interval of intervals) {
    for (const call of ['getColumns', 'getData']) {
      const [first, again] = [0, 1].map(() => dists.map(() => ({ ms: [], cpuMs: [] })))
      const found = new Set()
      for (let round = 0; round < rounds; round++) {
        dists.forEach((dist, i) => {
          const range = [`${readStart}T00:00:00Z`, `${flags.end}T00:00:00Z`]
          const args = [here('../bench/read-series.mjs'), dist, lakeOf(dist), call, interval, ...range, symbols.join(',')]
          const read = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
          found.add(read.rows)
          for (const [runs, { ms, cpuMs }] of [
            [first, read.first],
            [again, read.again],
          ]) {
            runs[i].ms.push(ms)
            runs[i].cpuMs.push(cpuMs)
          }
        })
      }
      if (found.size !== 1) throw new Error(`Expected the same rows from each build, found ${[...found].join(', ')}.`)
      const [rows] = found
      tellPaired(`${call} of ${rows} bars of ${interval}, first`, first)
      tellPaired(`${call} of ${rows} bars of ${interval}, again`, again)
    }
  }
}

/** Medians and spread; how many times as long the others take, in paired rounds, by the clock and in processor time. */
function tellPaired(name, runs) {
  console.log(`\n${name}`)
  const [ours] = runs
  const times = (own, first) => median(own.map((value, round) => value / first[round])).toFixed(2)
  runs.forEach(({ ms, cpuMs }, i) => {
    const ratio = i === 0 ? '' : `: ${times(ms, ours.ms)} times the first one, ${times(cpuMs, ours.cpuMs)} times its processor time`
    const spread = `${Math.min(...ms).toFixed(1)} to ${Math.max(...ms).toFixed(1)}`
    console.log(`  ${dists[i]}: median ${median(ms).toFixed(1)} ms (${spread}), ${median(cpuMs).toFixed(0)} ms of processor time${ratio}`)
  })
}

function mb(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`
}
