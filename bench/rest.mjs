/**
 * Decoding of a REST page of 1,000 rows (the codec checks each cell and each bar) against `JSON.parse` alone and with `Number`. The body is
 * a recorded one of the exchange, if the folder ../shared lies beside the project, else one of the sandbox exchange.
 */
import { readdirSync, readFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runContenders } from './decode.mjs'
import { REST_DECODERS } from './rest-decoders.mjs'

const ROWS = 1000

export async function measureRest({ root, dist, folder, rounds, limitMs }) {
  const { body, origin } = findRecorded(join(root, '..', 'shared', 'rest')) ?? (await fetchSynthetic(dist))
  const rows = JSON.parse(body)
  if (rows.length !== ROWS) throw new Error(`Expected a body of ${ROWS} rows, found ${rows.length}.`)
  const path = join(folder, 'rest.json')
  writeFileSync(path, body)
  const label = `a REST page of ${ROWS} rows (${origin})`
  const names = Object.keys(REST_DECODERS)
  const found = runContenders({ group: 'rest', names, oracle: 'JSON.parse + Number', label, path, dist, rounds, limitMs })
  return { name: `decode ${label}`, unit: 'rows/s', amount: ROWS * 1000, baseline: 'JSON.parse + Number', ...found }
}

function findRecorded(directory) {
  if (!existsSync(directory)) return undefined
  for (const name of readdirSync(directory).sort()) {
    if (!/_klines\.\d+\.json$/.test(name)) continue
    const body = readFileSync(join(directory, name), 'utf8')
    if (JSON.parse(body).length === ROWS) return { body, origin: `recorded, ${name}` }
  }
  return undefined
}

async function fetchSynthetic(dist) {
  const { startSandbox } = await import(new URL('src/sandbox/index.js', pathToFileURL(`${dist}/`)))
  const sandbox = await startSandbox({ now: () => Date.UTC(2024, 1, 1) })
  try {
    const query = `symbol=BTCUSDT&interval=1m&startTime=${Date.UTC(2024, 0, 10)}&limit=${ROWS}`
    const answer = await fetch(`${sandbox.urls.spotRest}/api/v3/klines?${query}`)
    return { body: await answer.text(), origin: 'synthetic' }
  } finally {
    await sandbox.close()
  }
}
