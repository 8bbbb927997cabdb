import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { runIngest } from '../../dist/src/ingest/ingest.js'
import { decodePack, takeChunk } from '../../dist/src/codec/arrow/pack.js'
import { openLake } from '../../dist/src/lake/lake.js'
import { parseShardPath } from '../../dist/src/lake/layout.js'
import { runVerify } from '../../dist/src/lake/verify.js'
import { startSandbox } from '../../dist/src/sandbox/index.js'

const NOW_MS = Date.parse('2024-03-20T12:00:00Z')
/** What is asked of each market. */
export const SYMBOLS = { spot: ['AAAUSDT', 'BBBUSDT'], um: ['AAAUSDT', 'BBBUSDT'], cm: ['AAAUSD_PERP', 'BBBUSD_PERP'] }
export const MARKETS = Object.keys(SYMBOLS)
const listed = (market) => SYMBOLS[market].map((symbol) => ({ market, symbol, firstDay: '2024-02-01' }))
/** An outage that REST confirms, and bars that only REST has: each way of storing a day is tortured. */
const contentOf = (market) => [
  { kind: 'outage', market, symbol: SYMBOLS[market][0], from: '2024-03-05T04:00:00Z', to: '2024-03-05T06:00:00Z' },
  { kind: 'cut', market, symbol: SYMBOLS[market][1], day: '2024-03-08', at: '12:00' },
]

/** An exchange of two symbols of each market. `setFaults` keeps what is wrong with its bars. */
export async function startExchange() {
  const content = MARKETS.flatMap(contentOf)
  const sandbox = await startSandbox({
    now: () => NOW_MS,
    markets: MARKETS.flatMap(listed),
    faults: content,
    // a retry is weight too: torture must not end in the exchange's budget, whose minute never ends on a clock that stands
    budgets: { spot: 1_000_000_000, um: 1_000_000_000, cm: 1_000_000_000 },
  })
  return {
    urls: {
      vision: sandbox.urls.vision,
      listing: sandbox.urls.listing,
      rest: { spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest },
    },
    variables: sandbox.urls,
    setFaults: (rules) => sandbox.setFaults([...rules, ...content]),
    close: () => sandbox.close(),
  }
}

/** Options of the run that is tortured: 19 days of two symbols, the last of them from REST; 5m in files of their own, 1h in packs. */
export function ingestOptions(lake, urls, { market = 'spot', ...changes } = {}) {
  return {
    universe: SYMBOLS[market].map((symbol, i) => ({ market, symbol, intervals: ['5m', '1h'], line: i + 1 })),
    start: '2024-03-01',
    end: '2024-03-20',
    archives: 'daily',
    rest: true,
    refresh: false,
    retryFailed: false,
    force: false,
    crossCheck: false,
    keepArchives: false,
    lake,
    urls,
    sandbox: true,
    workers: 2,
    concurrency: 4,
    maxRateBytes: null,
    restShare: 0.8,
    maxRetries: 1,
    nowMs: NOW_MS,
    clockMs: () => NOW_MS,
    env: {},
    signal: new globalThis.AbortController().signal,
    events: {},
    http: { backoffMs: 1, idleTimeoutMs: 2_000 },
    ...changes,
  }
}

/** Runs an ingest in this process. */
export function ingest(lake, urls, changes) {
  return runIngest(ingestOptions(lake, urls, changes))
}

/** Calls `work` with the path of a lake that does not exist yet; all is removed afterwards. */
export async function withLake(work) {
  const directory = await mkdtemp(join(tmpdir(), 'ckvd-torture-'))
  try {
    return await work(join(directory, 'lake'))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** SHA-256 of every file below a folder of a lake, by path. */
export async function digestsOf(lake, folder = 'data') {
  const root = join(lake, folder)
  const digests = new Map()
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    digests.set(
      relative(root, path),
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    )
  }
  return digests
}

/**
 * Every chunk below data/ by file and day, with the digest of its rows (of a pack) or of its file; what is not whole has the reason instead.
 * A run that was stopped leaves packs of fewer chunks than an uninterrupted one: what must be the same is each chunk.
 */
export async function chunksOf(lake) {
  const chunks = new Map()
  for (const [path, digest] of await digestsOf(lake)) {
    if (parseShardPath(`data/${path}`)?.kind !== 'pack') {
      chunks.set(path, digest)
      continue
    }
    try {
      const pack = decodePack(await readFile(join(lake, 'data', path)))
      for (const [i, { day }] of pack.chunks.entries()) {
        const { meta, sha256 } = takeChunk(pack, i)
        chunks.set(`${path} ${day}`, `${sha256} ${JSON.stringify(meta)}`)
      }
    } catch (error) {
      chunks.set(path, error.message)
    }
  }
  return chunks
}

/** What an uninterrupted run leaves: its files, and the chunks in them. */
export async function referenceOf(lake) {
  return { files: await digestsOf(lake), chunks: await chunksOf(lake) }
}

/** What is wrong with a lake that must be as an uninterrupted run leaves it; empty: nothing. */
export async function findDamage(lake, { files, chunks }) {
  const damage = []
  const digests = await digestsOf(lake)
  for (const [path, digest] of files)
    if (digests.get(path) !== digest) damage.push(`${path} is ${digests.has(path) ? 'another' : 'missing'}`)
  for (const path of digests.keys()) if (!files.has(path)) damage.push(`${path} is too much`)
  const left = await readdir(join(lake, 'tmp'))
  if (left.length > 0) damage.push(`tmp/ holds ${left.join(', ')}`)
  // no `await using`: Node 20 does not know it, and this file is not compiled
  const opened = await openLake(lake, { mode: 'write', repair: true })
  const { shards, bad, foreign, adopted, swept, rebuilt } = await runVerify(opened).finally(() => opened.close())
  if (shards !== chunks.size || bad.length + foreign.length + adopted + swept > 0 || rebuilt)
    damage.push(`verify: ${JSON.stringify({ shards, bad, foreign, adopted, swept, rebuilt })}`)
  return damage
}

/** Chunks below data/ that are not those of an uninterrupted run, byte for byte and word for word, and files that are not whole. */
export async function findUnverified(lake, { chunks }) {
  return [...(await chunksOf(lake))].filter(([name, digest]) => chunks.get(name) !== digest).map(([name]) => name)
}
