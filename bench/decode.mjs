/** Decoding of one archive's CSV: each contender in a process of its own, in turn, as often as there are rounds. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readEntry } from './archives.mjs'

const SCRIPT = fileURLToPath(new URL('decode-contender.mjs', import.meta.url))
const NAMES = ['ours-wasm', 'ours-js', 'split-number', 'csv-parse', 'polars-1-thread', 'polars-2-threads']

/** @returns a table: per contender milliseconds of each round; throws where one gives other values than `split-number` */
export function measureDecode({ label, archive, dist, folder, rounds, limitMs }) {
  const csv = readEntry(readFileSync(archive.path))
  const path = join(folder, 'decode.csv')
  writeFileSync(path, csv)
  const contenders = Object.fromEntries(NAMES.map((name) => [name, { ms: [], rssMb: 0 }]))
  for (let round = 0; round < rounds; round++) {
    const digests = new Map()
    for (const name of NAMES) {
      const env = { ...process.env, POLARS_MAX_THREADS: name === 'polars-2-threads' ? '2' : '1' }
      const found = JSON.parse(execFileSync(process.execPath, [SCRIPT, name, path, dist, String(limitMs)], { env, encoding: 'utf8' }))
      digests.set(name, found.digest)
      contenders[name].ms.push(found.ms)
      contenders[name].rssMb = Math.max(contenders[name].rssMb, found.rssMb)
    }
    for (const [name, digest] of digests) {
      if (digest === digests.get('split-number')) continue
      throw new Error(`${name} decodes ${label} to other values than split + Number: ${digest} instead of ${digests.get('split-number')}`)
    }
  }
  return { name: `decode ${label}`, unit: 'MB/s', amount: csv.length / 1e3, baseline: 'csv-parse', contenders }
}
