import { createRandom } from './random.mjs'
import { findDamage, findUnverified, ingest, referenceOf, startExchange, withLake } from './world.mjs'

const PLACES = ['^/listing', '\\.zip$', '\\.zip\\.CHECKSUM$', '/klines\\?', 'AAAUSDT', 'BBBUSDT-1h-2024-03-0', '']
const MAKERS = [
  (random) => ({ kind: 'reset', at: random.pick(['connect', 'headers', 'body']) }),
  (random) => ({ kind: 'truncate', bytes: random.integer(0, 1500), declared: random.pick([true, false]) }),
  (random) => ({ kind: 'status', status: random.pick([301, 400, 403, 404, 408, 410, 429, 451, 500, 502, 503, 504]), retryAfterSeconds: 0 }),
  (random) => ({ kind: 'slow', bytesPerSecond: random.integer(5_000, 200_000) }),
  (random) => ({ kind: 'stall', at: random.pick(['headers', 'body']), times: 1 }),
  () => ({ kind: 'html' }),
  () => ({ kind: 'gzip' }),
  () => ({ kind: 'redirect' }),
]
/** Wrong bits that nothing but a digest can show: in what has one. */
const DIGESTED = [
  (random) => ({ kind: 'flip', match: '\\.zip', offset: random.integer(0, 2500) }),
  (random) => ({
    kind: random.pick(['wrong-checksum', 'stale-checksum', 'missing-checksum', 'foreign-checksum', 'bare-checksum']),
    match: 'CHECKSUM$',
  }),
]
/** Exit codes that a fault may lead to: never 1, never 2. */
const ALLOWED = [0, 3, 4]

/**
 * Runs with random faults. Without REST every shard that is stored must be, byte for byte, that of a run without faults; with
 * REST the source of a day may differ, so the bytes are compared after the run that follows. That run, without faults,
 * must leave exactly what a run without faults leaves.
 *
 * @param {{ count: number, seed: number, deadlineMs: number, log: (text: string) => void }} o
 */
export async function tortureByFaults({ count, seed, deadlineMs, log }) {
  const random = createRandom(seed)
  let exchange = await startExchange()
  const summary = { runs: 0, faults: 0, byExit: {}, lost: [] }
  try {
    const references = new Map()
    for (const rest of [true, false]) {
      await withLake(async (lake) => {
        await ingest(lake, exchange.urls, { rest })
        references.set(rest, await referenceOf(lake))
      })
    }
    while (summary.runs < count && performance.now() < deadlineMs) {
      // a fresh count of REST weight: on a clock that stands a minute's share would be used up for good
      await exchange.close()
      exchange = await startExchange()
      const rules = Array.from({ length: random.integer(1, 4) }, () => makeRule(random))
      const rest = random.unit() < 0.5
      const found = await withLake((lake) => tortureOnce(lake, exchange, rules, { rest, reference: references.get(rest) }))
      summary.runs++
      summary.faults += rules.length
      summary.byExit[found.exit] = (summary.byExit[found.exit] ?? 0) + 1
      for (const what of found.damage)
        summary.lost.push(`seed ${seed}, run ${summary.runs}, ${rest ? 'with' : 'without'} REST, ${JSON.stringify(rules)}: ${what}`)
      if (summary.runs % 10 === 0 || found.damage.length > 0)
        log(`${summary.runs} of ${count} runs with faults${found.damage.length > 0 ? ` LOST ${found.damage.join('; ')}` : ''}`)
    }
  } finally {
    await exchange.close()
  }
  return summary
}

function makeRule(random) {
  const times = random.pick([undefined, 1, 2, 5])
  const skip = random.pick([undefined, 1, 3, 10])
  const digested = random.unit() < 0.3
  const made = digested ? random.pick(DIGESTED)(random) : { ...random.pick(MAKERS)(random), match: random.pick(PLACES) }
  return { ...(times === undefined ? {} : { times }), ...(skip === undefined ? {} : { skip }), ...made }
}

async function tortureOnce(lake, exchange, rules, { rest, reference }) {
  const damage = []
  exchange.setFaults(rules)
  const { exit } = await ingest(lake, exchange.urls, { rest })
  if (!ALLOWED.includes(exit)) damage.push(`exit ${exit}`)
  if (!rest) for (const path of await findUnverified(lake, reference)) damage.push(`${path} differs`)
  exchange.setFaults([])
  const after = await ingest(lake, exchange.urls, { rest, force: true })
  if (after.exit !== (rest ? 0 : 3)) damage.push(`exit ${after.exit} without faults`)
  damage.push(...(await findDamage(lake, reference)))
  return { exit, damage }
}
