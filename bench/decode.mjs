/** Decoding: each contender in a process of its own, in turn, as often as there are rounds. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readEntry } from './archives.mjs'
import { CSV_DECODERS } from './csv-decoders.mjs'
import { median } from './report.mjs'

const SCRIPT = fileURLToPath(new URL('contender.mjs', import.meta.url))

/** How many times as fast as others the decoder must be on files of 1s bars. */
const BOUNDS = { 'polars-1-thread': 3, 'csv-parse': 10 }

/** @returns a table of decoders of an archive's CSV, in MB a second */
export function measureDecode({ label, archive, dist, folder, rounds, limitMs }) {
  const csv = readEntry(readFileSync(archive.path))
  const path = join(folder, 'decode.csv')
  writeFileSync(path, csv)
  const names = Object.keys(CSV_DECODERS)
  const { contenders, notes } = runContenders({ group: 'csv', names, oracle: 'split-number', label, path, dist, rounds, limitMs })
  for (const [name, times] of Object.entries(BOUNDS)) {
    if (contenders[name] === undefined) continue
    const ratio = median(contenders[name].ms.map((ms, round) => ms / contenders['ours-wasm'].ms[round]))
    notes.push(
      `ours-wasm is ${ratio.toFixed(1)} times as fast as ${name}, on 1s files at least ${times}: ${ratio >= times ? 'kept' : 'not here'}`,
    )
  }
  return { name: `decode ${label}`, unit: 'MB/s', amount: csv.length / 1e3, baseline: 'csv-parse', contenders, notes }
}

/** @returns milliseconds of each round by contender, and who is absent; throws where one gives other values than `oracle` */
export function runContenders({ group, names, oracle, label, path, dist, rounds, limitMs }) {
  const contenders = Object.fromEntries(names.map((name) => [name, { ms: [], rssMb: 0 }]))
  const notes = new Set()
  for (let round = 0; round < rounds; round++) {
    const digests = new Map()
    for (const name of Object.keys(contenders)) {
      const env = { ...process.env, POLARS_MAX_THREADS: name === 'polars-2-threads' ? '2' : '1' }
      const args = [SCRIPT, group, name, path, dist, String(limitMs)]
      const found = JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }))
      if (found.absent !== undefined) {
        notes.add(`${name} is absent: ${found.absent}`)
        delete contenders[name]
        continue
      }
      digests.set(name, found.digest)
      contenders[name].ms.push(found.ms)
      contenders[name].rssMb = Math.max(contenders[name].rssMb, found.rssMb)
    }
    for (const [name, digest] of digests) {
      if (digest === digests.get(oracle)) continue
      throw new Error(`${name} decodes ${label} to other values than ${oracle}: ${digest} instead of ${digests.get(oracle)}`)
    }
  }
  return { contenders, notes: [...notes] }
}
