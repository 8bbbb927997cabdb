/**
 * How much memory and time does a day of ticks take that is as large as the largest? Makes the archive of a day of best bids and asks
 * (`bookTicker`), or of a month of aggregate trades that lends one day, and ingests it from the sandbox exchange, which runs in another
 * process.
 *
 *   node scripts/measure-large-day.mjs [--rows 30000000] [--form daily|monthly] [--workers 2] [--folder DIR]
 *
 * `--folder` keeps the archive for the next run (packing it takes minutes). Ends with 1 where memory is above 512 MiB and three times the
 * ZIP, which is held whole. Needs the built program (`npm run build`), and three times the archive of free disk.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { crc32, createDeflateRaw } from 'node:zlib'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/src/cli/main.js')
const MEBIBYTE = 2 ** 20
const DAY_MS = 86_400_000
/** The day that is ingested. */
const DAY = '2024-03-12'
const NEXT = '2024-03-13'
const NOW = '2024-05-01T12:00:00Z'
/** Lines that are made and packed at a time. */
const BLOCK_ROWS = 20_000

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '30000000' },
    form: { type: 'string', default: 'daily' },
    workers: { type: 'string', default: '2' },
    folder: { type: 'string' },
  },
})
const rows = Number(values.rows)

/** Runs the command and reports its peak: the resident set of the process and all its threads, in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  "import { isMainThread } from 'node:worker_threads'; if (isMainThread) process.on('exit', () => process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}\\n`))",
)}`

const FORMS = {
  daily: {
    dataset: 'bookTicker',
    period: DAY,
    startMs: Date.parse(DAY),
    lengthMs: DAY_MS,
    header: 'update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n',
    line: (row, ms, { price, bid, ask }) =>
      `${4_000_000_000_000 + 7 * row},${(price / 10).toFixed(2)},${bid},${((price + 1) / 10).toFixed(2)},${ask},${ms},${ms + 4}\n`,
  },
  monthly: {
    dataset: 'aggTrades',
    period: DAY.slice(0, 7),
    startMs: Date.parse(`${DAY.slice(0, 7)}-01`),
    lengthMs: 31 * DAY_MS,
    header: 'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n',
    line: (row, ms, { price, bid }) =>
      `${2_000_000_000 + row},${(price / 10).toFixed(2)},${bid},${4_000_000_000 + 2 * row},${4_000_000_001 + 2 * row},${ms},${price % 2 === 0}\n`,
  },
}

/** Lines of a made archive, some at a time: times and ids ascend, prices walk, and each row changes what one side offers. */
function* blocksOf({ startMs, lengthMs, header, line }) {
  let seed = 1
  const random = () => (seed = Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  const state = { price: 712_345, bid: 1.234, ask: 5.678 }
  let text = header
  for (let row = 0; row < rows; row++) {
    const drawn = random()
    if (drawn >>> 27 === 0) state.price += ((drawn >>> 8) % 3) - 1
    state[(drawn >>> 26) & 1 ? 'bid' : 'ask'] = ((drawn >>> 9) % 20_000) / 1000
    text += line(row, startMs + Math.floor((row / rows) * lengthMs), state)
    if (row % BLOCK_ROWS === BLOCK_ROWS - 1 || row === rows - 1) {
      yield Buffer.from(text, 'latin1')
      text = ''
    }
  }
}

/** Writes the archive and its CHECKSUM; resolves with the bytes of its CSV. */
async function writeArchive(path, form) {
  mkdirSync(dirname(path), { recursive: true })
  const name = Buffer.from(basename(path).replace(/zip$/, 'csv'))
  const file = openSync(path, 'w')
  let [packed, size, crc] = [0, 0, 0]
  const dataStart = 30 + name.length
  const deflate = createDeflateRaw({ level: 6, chunkSize: MEBIBYTE })
  deflate.on('data', (bytes) => (packed += writeSync(file, bytes, 0, bytes.length, dataStart + packed)))
  const ended = once(deflate, 'end')
  for (const block of blocksOf(form)) {
    crc = crc32(block, crc)
    size += block.length
    if (!deflate.write(block)) await once(deflate, 'drain')
  }
  deflate.end()
  await ended
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(20, 0)
  shared.writeUInt16LE(8, 4)
  shared.writeUInt32LE(crc, 10)
  shared.writeUInt32LE(packed, 14)
  shared.writeUInt32LE(size, 18)
  shared.writeUInt16LE(name.length, 22)
  const central = Buffer.concat([Buffer.from('504b01021400', 'hex'), shared, Buffer.alloc(14), name])
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(dataStart + packed, 16)
  writeSync(file, Buffer.concat([Buffer.from('504b0304', 'hex'), shared, name]), 0, dataStart, 0)
  writeSync(file, Buffer.concat([central, end]), 0, central.length + end.length, dataStart + packed)
  closeSync(file)
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path)) hash.update(bytes)
  writeFileSync(`${path}.CHECKSUM`, `${hash.digest('hex')}  ${basename(path)}\n`)
  return size
}

/** Starts the exchange in a process of its own; resolves with its URLs. */
function startExchange(archives) {
  const child = spawn(process.execPath, [cli, 'sandbox', '--archive', archives], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CKVD_NOW: NOW },
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`The sandbox ended with ${code}.`)))
    child.stdout.once('data', (line) => resolve({ child, urls: JSON.parse(String(line)) }))
  })
}

/** Ingests the day into a new lake; resolves with the command's result, its peak in bytes, and the bytes of its file. */
async function ingest({ vision, listing, spotRest, umRest, cmRest }, { dataset }) {
  const lake = mkdtempSync(join(tmpdir(), 'ckvd-large-'))
  const args = ['ingest', 'BTCUSDT', '--market', 'um', '--data', dataset, '--start', DAY, '--end', NEXT, '--lake', lake]
  const child = spawn(process.execPath, ['--import', PRELOAD, cli, ...args, '--workers', values.workers, '--json', '--quiet'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...{ CKVD_VISION_URL: vision, CKVD_LISTING_URL: listing, CKVD_SPOT_REST_URL: spotRest, CKVD_UM_REST_URL: umRest },
      ...{ CKVD_CM_REST_URL: cmRest, CKVD_NOW: NOW },
    },
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].on('data', (text) => (written[name] += text))
  await once(child, 'close')
  const path = join(lake, `data/futures/um/daily/${dataset}/BTCUSDT/BTCUSDT-${dataset}-${DAY}.parquet`)
  const fileBytes = existsSync(path) ? statSync(path).size : 0
  rmSync(lake, { recursive: true, force: true })
  const peak = /peak (\d+)/.exec(written.stderr)?.[1]
  if (peak === undefined || fileBytes === 0) throw new Error(`Nothing was stored: ${written.stderr}${written.stdout.slice(0, 4000)}`)
  return { result: JSON.parse(written.stdout), peakBytes: Number(peak) * 1024, fileBytes }
}

if (!existsSync(cli)) throw new Error(`Expected the built command at ${cli}. Run \`npm run build\` first.`)
const form = FORMS[values.form]
if (form === undefined) throw new Error(`Expected --form to be daily or monthly, got ${values.form}.`)
const archives = values.folder ?? mkdtempSync(join(tmpdir(), 'ckvd-large-archive-'))
const path = join(archives, `data/futures/um/${values.form}/${form.dataset}/BTCUSDT/BTCUSDT-${form.dataset}-${form.period}.zip`)
const mib = (bytes) => Math.round(bytes / MEBIBYTE).toLocaleString('en')
try {
  if (!existsSync(`${path}.CHECKSUM`)) {
    const csvBytes = await writeArchive(path, form)
    console.log(`made ${basename(path)}: ${rows.toLocaleString('en')} rows, ${mib(csvBytes)} MiB of CSV`)
  }
  const zipBytes = statSync(path).size
  const { child, urls } = await startExchange(archives)
  try {
    const { result, peakBytes, fileBytes } = await ingest(urls, form)
    const seconds = (result.elapsed_ms / 1000).toFixed(1)
    console.log(
      `ZIP ${mib(zipBytes)} MiB, stored ${result.rows.toLocaleString('en')} rows in ${mib(fileBytes)} MiB, ${seconds} s, peak ${mib(peakBytes)} MiB`,
    )
    process.exitCode = peakBytes <= 512 * MEBIBYTE + 3 * zipBytes ? 0 : 1
  } finally {
    child.removeAllListeners('exit')
    child.kill()
  }
} finally {
  if (values.folder === undefined) rmSync(archives, { recursive: true, force: true })
}
