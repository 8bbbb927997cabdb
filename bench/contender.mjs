/**
 * One decoder in a process of its own: `node bench/contender.mjs GROUP NAME FILE DIST MILLISECONDS`.
 * Prints {digest, ms, rssMb}: what it found, the fastest of its repetitions, its peak of memory; or {absent} where a library is not installed.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { CSV_DECODERS } from './csv-decoders.mjs'
import { REST_DECODERS } from './rest-decoders.mjs'
import { TABLE_DECODERS } from './table-decoders.mjs'

const GROUPS = { csv: CSV_DECODERS, rest: REST_DECODERS, table: TABLE_DECODERS }
const [group, name, path, dist, limitMs] = process.argv.slice(2)

/**
 * Rows, and the sum of each column one after the other: exact decoders agree in the last bit. Times in milliseconds.
 * Here and not in the decoders, since most of them give a view or a lazy column.
 */
function digestOf(columns) {
  const sums = columns.map((column, i) => {
    let sum = 0
    for (const value of column) sum += i === 0 || i === 6 ? Math.floor(Number(value) / (Number(value) > 1e14 ? 1000 : 1)) : Number(value)
    return sum
  })
  return JSON.stringify([columns[0].length, ...sums])
}

const found = await createDecoder()
console.log(JSON.stringify(typeof found === 'string' ? { absent: found } : await measure(found)))

/** The decoder, or the name of the library that is not installed. */
async function createDecoder() {
  try {
    const load = (file) => import(new URL(file, pathToFileURL(`${dist}/`)))
    return await GROUPS[group][name]({ bytes: readFileSync(path), path, load, dist: pathToFileURL(`${dist}/`) })
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') throw error
    return error.message.split('\n')[0]
  }
}

/** @param decoder {decode, columns}: `decode()` is what counts, `columns(its result)` are the columns as arrays */
async function measure({ decode, columns }) {
  const digest = digestOf(await columns(await decode()))
  const times = []
  const end = performance.now() + Number(limitMs)
  do {
    const start = performance.now()
    await decode()
    times.push(performance.now() - start)
  } while (performance.now() < end)
  return { digest, ms: Math.min(...times), rssMb: process.resourceUsage().maxRSS / 1024 }
}
