/**
 * Over a line with a round trip and a bandwidth (`line-proxy.mjs`): `ckvd ingest` as it is by default against `curl -Z` and `aria2c` with
 * as many downloads at once as suit them best. The tools are given all addresses and store nothing but the ZIPs and their CHECKSUM files;
 * ckvd has the listing to read, and proves, decodes and stores.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { check, runCkvd, sourceFlags, startServer } from './command.mjs'

/** @param o archives below `o.archiveFolder` of `o.interval`; `o.lines` are {rttMs, mbit, …}; `o.atOnce` the settings that the tools try */
export async function measureLine({ archives, archiveFolder, symbols, interval, end, dist, folder, rounds, lines, atOnce }) {
  const server = await startServer('server.mjs', archiveFolder)
  const universe = join(folder, 'universe.txt')
  writeFileSync(universe, `${symbols.join('\n')}\n`)
  const range = ['--market', 'spot', '--intervals', interval, '--start', '2024-01-01', '--end', end, '--archives', 'daily', '--no-rest']
  const tables = []
  try {
    for (const line of lines) {
      const proxy = await startServer('line-proxy.mjs', server.origin, JSON.stringify(line))
      try {
        const tools = toolsOf(archives, proxy.origin, folder, line.most === undefined ? atOnce : [line.most])
        const contenders = Object.fromEntries(['ckvd', ...Object.keys(tools)].map((name) => [name, { ms: [] }]))
        for (let round = 0; round < rounds; round++) {
          const place = join(folder, `line-${round}`)
          mkdirSync(place)
          const flags = ['--universe', universe, ...range, ...sourceFlags(proxy.origin), '--lake', join(place, 'lake')]
          const run = runCkvd(dist, folder, ['ingest', ...flags])
          check(run.result, { exit: 0, stored: archives.length }, describe(line))
          contenders.ckvd.ms.push(run.ms)
          for (const [name, tool] of Object.entries(tools)) contenders[name].ms.push(tool(join(place, name)))
          rmSync(place, { recursive: true, force: true })
        }
        tables.push({
          name: `${archives.length} ${interval} archives over ${describe(line)}`,
          unit: 'archives/s',
          amount: archives.length * 1000,
          baseline: 'ckvd',
          contenders,
        })
      } finally {
        proxy.stop()
      }
    }
  } finally {
    server.stop()
  }
  return tables
}

function describe({ rttMs, mbit, resetEvery, most }) {
  const rate = mbit === undefined ? '' : `, ${mbit} Mbit/s`
  const resets = resetEvery === undefined ? '' : `, each ${resetEvery}th connection breaks`
  return `${rttMs} ms${rate}${resets}${most === undefined ? '' : `, ${most} connections at most`}`
}

/** Each gives the milliseconds that it took to download everything into a new folder. */
function toolsOf(archives, origin, folder, atOnce) {
  const urls = archives.flatMap(({ key }) => ['', '.CHECKSUM'].map((ending) => `${origin}/vision/${key}${ending}`))
  const forCurl = join(folder, 'urls.curl')
  writeFileSync(forCurl, urls.map((url) => `url="${url}"\noutput="${basename(url)}"\n`).join(''))
  const forAria = join(folder, 'urls.aria')
  writeFileSync(forAria, `${urls.join('\n')}\n`)
  const tools = {}
  for (const n of atOnce) {
    if (isThere('curl'))
      tools[`curl -Z, ${n} at once`] = (place) =>
        timed('curl', ['-sS', '--fail', '-Z', '--parallel-max', String(n), '--retry', '5', '-K', forCurl], place)
    if (isThere('aria2c'))
      tools[`aria2c, ${n} at once`] = (place) =>
        timed('aria2c', ['-q', '-x1', `-j${n}`, '-i', forAria, '--file-allocation=none', '--max-tries=8', '--retry-wait=1'], place)
  }
  return tools
}

function isThere(tool) {
  return spawnSync(tool, ['--version']).error === undefined
}

function timed(tool, args, place) {
  mkdirSync(place)
  const start = performance.now()
  const { status, stderr } = spawnSync(tool, args, { cwd: place, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${tool} failed: ${stderr.slice(0, 300)}`)
  return performance.now() - start
}
