/**
 * `node scripts/measure-catalog.mjs [--chunks 1000000] [--days 1826]`: what the catalog of so many chunks takes on disk, how long one series
 * and all of it take to read, and the peak of memory. Each chunk has digests, key and ETag of an archive of its own, as real ones have.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openCatalog } from '../dist/src/lake/catalog/catalog.js'

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
  const path = join(directory, 'catalog.sqlite')
  const catalog = openCatalog(path, { mode: 'write' })
  let startedMs = performance.now()
  for (let i = 0; i < seriesCount; i++) catalog.commit(names.map((day) => ({ row: rowOf(seriesOf(i), day), gaps: [] })))
  const writeMs = performance.now() - startedMs
  catalog.close()
  const total = seriesCount * days
  console.log(
    `${total} chunks of ${seriesCount} series: ${(statSync(path).size / total).toFixed(1)} bytes a chunk, written in ${(writeMs / 1000).toFixed(1)} s`,
  )
  const reader = openCatalog(path, { mode: 'read' })
  startedMs = performance.now()
  if (reader.readDays(seriesOf(seriesCount >> 1)).length !== days) throw new Error(`Expected ${days} days of one series.`)
  console.log(`one series read in ${(performance.now() - startedMs).toFixed(1)} ms`)
  startedMs = performance.now()
  let read = 0
  for (const series of reader.listStoredSeries()) for (const row of reader.iterateDays(series)) read += row.rows === 1440 ? 1 : 0
  if (read !== total) throw new Error(`Expected ${total} days, read ${read}.`)
  console.log(
    `all read in ${((performance.now() - startedMs) / 1000).toFixed(1)} s; peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  )
  reader.close()
} finally {
  await rm(directory, { recursive: true, force: true })
}
