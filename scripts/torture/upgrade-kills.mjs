import { cp } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { KLINE_COLUMNS } from '../../dist/src/model/kline.js'
import { digestColumns } from '../../dist/src/codec/arrow/columns-digest.js'
import { openLake } from '../../dist/src/lake/lake.js'
import { readShard } from '../../dist/src/lake/shards.js'
import { runUpgrade } from '../../dist/src/lake/upgrade.js'
import { makeLake, toFormat1 } from '../format1/lake.mjs'
import { killOnce, planKill } from './kills.mjs'
import { createRandom } from './random.mjs'
import { findDamage, referenceOf, withLake } from './world.mjs'

const CHILD = fileURLToPath(new URL('upgrade-child.mjs', import.meta.url))
const STEPS = ['write', 'sync', 'rename', 'sync-dir', 'transaction', 'remove']
const MOMENTS = STEPS.flatMap((step) => [`before ${step}`, `after ${step}`])
/** A small lake has some packs, each made of many files. */
const OCCURRENCES = { write: 14, sync: 14, rename: 14, 'sync-dir': 6, transaction: 1, remove: 250 }

/**
 * Kills upgrades of a lake of format 1 with SIGKILL: at every named step, and in between at random moments. Each lake is killed up to three
 * times; every chunk must be read, with the same values, after each. Then the same command runs to its end and must leave exactly the lake
 * of packs that a fresh ingest of the same chunks leaves.
 *
 * @param {{ count: number, seed: number, deadlineMs: number, log: (text: string) => void }} o
 */
export async function tortureByUpgrades({ count, seed, deadlineMs, log }) {
  const random = createRandom(seed)
  const summary = { kills: 0, lakes: 0, byMoment: {}, lost: [] }
  await withLake(async (packed) => {
    const former = `${packed}-1`
    await makeLake(packed)
    await cp(packed, former, { recursive: true })
    await toFormat1(former)
    const reference = await referenceOf(packed)
    const values = await valuesOf(packed)
    const elapsedMs = await withCopy(former, async (lake) => {
      const startedMs = performance.now()
      await upgrade(lake)
      return performance.now() - startedMs
    })
    while (summary.kills < count && performance.now() < deadlineMs) {
      await withCopy(former, async (lake) => {
        const moments = []
        const wanted = random.integer(1, Math.min(3, count - summary.kills))
        while (moments.length < wanted) {
          // a process begins with reading its modules
          const plan = planKill(summary.kills, random, elapsedMs + 300, MOMENTS, OCCURRENCES)
          const { killed, early } = await killOnce(CHILD, { lake }, plan)
          for (const path of early)
            summary.lost.push(`seed ${seed}, upgrade ${summary.kills + 1}: ${path} lay under its final name before it was whole`)
          if (!killed) break
          summary.kills++
          summary.byMoment[plan.name] = (summary.byMoment[plan.name] ?? 0) + 1
          moments.push(plan.label)
          for (const what of findOther(await valuesOf(lake), values))
            summary.lost.push(`seed ${seed}, upgrade ${summary.kills} (${moments.join(', ')}): ${what}`)
        }
        summary.lakes++
        const left = await upgrade(lake)
        const damage = await findDamage(lake, reference)
        if (left > 0) damage.unshift(`${left} chunks were left`)
        for (const what of damage) summary.lost.push(`seed ${seed}, upgrade after ${moments.join(', ')}: ${what}`)
        log(
          `${summary.kills} of ${count} kills of upgrades: ${moments.join(', ') || 'ended before it was killed'}${damage.length > 0 ? ` LOST ${damage.join('; ')}` : ''}`,
        )
      })
    }
  })
  return summary
}

/** Calls `work` with a copy of a lake, which is removed afterwards. */
function withCopy(from, work) {
  return withLake(async (lake) => {
    await cp(from, lake, { recursive: true })
    return await work(lake)
  })
}

/** Upgrades in this process; gives how many chunks were left. */
async function upgrade(lake) {
  const opened = await openLake(lake, { mode: 'write' })
  try {
    return (await runUpgrade(opened, opened.catalog.listStoredSeries())).left.length
  } finally {
    await opened.close()
  }
}

/** What a reader gets of each chunk: the digest of its columns, its condition, its gaps with their evidence; or why it gets none. */
async function valuesOf(lake) {
  const opened = await openLake(lake, { mode: 'read' })
  const values = new Map()
  try {
    for (const series of opened.catalog.listStoredSeries()) {
      const gaps = JSON.stringify(opened.catalog.listGaps(series))
      values.set(JSON.stringify(series), gaps)
      for (const row of opened.catalog.readDays(series)) {
        const name = `${series.market} ${series.symbol} ${series.interval} ${row.day}`
        const read = row.shardSha256 === null ? null : await readShard(opened.shards, series, row.day, row).catch((error) => error.message)
        values.set(
          name,
          `${row.condition} ${row.revision} ${typeof read === 'string' ? read : read === null ? '' : digestColumns(read.columns, KLINE_COLUMNS)}`,
        )
      }
    }
  } finally {
    await opened.close()
  }
  return values
}

function findOther(found, wanted) {
  const other = [...wanted].filter(([name, value]) => found.get(name) !== value).map(([name]) => `${name} is read as ${found.get(name)}`)
  return found.size === wanted.size ? other : [...other, `${found.size} chunks instead of ${wanted.size}`]
}
