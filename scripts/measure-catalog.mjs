/**
 * `node scripts/measure-catalog.mjs [--chunks 1000000] [--days 1826]`: what the catalog of so many chunks takes on disk, how long one series
 * takes to read, what `ckvd coverage` of one series and of all takes, and the peaks of memory. Each chunk has digests, key and ETag of an
 * archive of its own, as real ones have; there are no shards. Needs a built dist, and some 160 bytes a chunk in the temporary directory.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { check, runCkvd } from '../bench/command.mjs'
import { openLake } from '../dist/src/lake/lake.js'

const { values } = parseArgs({
  options: { chunks: { type: 'string', default: '1000000' }, days: { type: 'string', default: '1826' } },
})
const [chunks, days] = [Number(values.chunks), Number(values.days)]
const seriesCount = Math.ceil(chunks / days)

const DAY_MS = 86_400_000
const names = Array.from({ length: days }, (_, i) => new Date(Date.UTC(2020, 0, 1) + i * DAY_MS).toISOString().slice(0, 10))
const seriesOf = (i) => ({ market: 'spot', symbol: `S${i}USDT`, interval: '1m' })

function rowOf(series, day) {
  const hex = createHash('sha512').update(`${series.symbol} ${day}`).digest('hex')
  return {
    ...series,
    day,
    condition: 'complete',
    source: 'vision-daily',
    rows: 1440,
    expected: 1440,
    shardSha256: hex.slice(0, 64),
    shardBytes: 129_314,
    archiveKey: `data/spot/daily/klines/${series.symbol}/1m/${series.symbol}-1m-${day}.zip`,
    archiveEtag: hex.slice(64, 96),
    archiveSha256: hex.slice(96) + hex.slice(0, 32),
    revision: 1,
    offGrid: 0,
    duplicates: 0,
    conflicts: 0,
    differingRows: 0,
    oddClose: 0,
    oddRows: 0,
    evidence: null,
    errorCode: null,
    error: null,
    accepted: null,
    recheck: 0,
    updatedAt: '2026-11-29T12:00:00.123Z',
  }
}

const directory = await mkdtemp(join(tmpdir(), 'ckvd-catalog-'))
try {
  const root = join(directory, 'lake')
  const lake = await openLake(root, { mode: 'write' })
  let startedMs = performance.now()
  for (let i = 0; i < seriesCount; i++) lake.catalog.commit(names.map((day) => ({ row: rowOf(seriesOf(i), day), gaps: [] })))
  const writeMs = performance.now() - startedMs
  await lake.close()
  const total = seriesCount * days
  const sizeBytes = statSync(join(root, 'catalog.sqlite')).size
  console.log(
    `${total} chunks of ${seriesCount} series: ${(sizeBytes / total).toFixed(1)} bytes a chunk, ${(sizeBytes / 1e9).toFixed(2)} GB, written in ${(writeMs / 1000).toFixed(1)} s`,
  )
  const reader = await openLake(root, { mode: 'read' })
  startedMs = performance.now()
  if (reader.catalog.readDays(seriesOf(seriesCount >> 1)).length !== days) throw new Error(`Expected ${days} days of one series.`)
  console.log(`one series read in ${(performance.now() - startedMs).toFixed(1)} ms`)
  await reader.close()
  const dist = fileURLToPath(new URL('../dist', import.meta.url))
  for (const [what, count, filter] of [
    ['one series', 1, ['--symbols', seriesOf(seriesCount >> 1).symbol]],
    ['all series', seriesCount, []],
  ]) {
    const { ms, rssMb, result } = runCkvd(dist, directory, ['coverage', '--lake', root, ...filter])
    check({ series: result.series.length }, { series: count }, `coverage of ${what}`)
    console.log(`ckvd coverage of ${what}: ${(ms / 1000).toFixed(1)} s, peak ${rssMb.toFixed(0)} MiB`)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
