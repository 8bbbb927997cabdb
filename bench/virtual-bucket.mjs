/**
 * A bucket as large as one likes, of which nothing is kept: each spot symbol that is asked for has daily archives of the same days and no
 * monthly ones. Pages of the listing (S3, version 1) are made on the fly, and so are 1h archives: 24 bars a day, deflated, with CHECKSUM.
 *
 * `node bench/virtual-bucket.mjs FIRST_DAY DAYS` prints its origin, and ends with its standard input.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { createZip } from './archives.mjs'
import { missingAnswer, objectAnswer, pageAnswer, serve } from './loopback.mjs'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const PAGE_KEYS = 1000
const CHECKSUM_BYTES = 100
/** Size of the first day's archive; a byte more each day, so that sums show which days were planned. */
const FIRST_BYTES = 1000

const firstMs = Date.parse(process.argv[2])
const days = Array.from({ length: Number(process.argv[3]) }, (_, i) => new Date(firstMs + i * DAY_MS).toISOString().slice(0, 10))
const numberOf = new Map(days.map((day, i) => [day, i]))

serve(({ pathname, searchParams }) => {
  if (pathname.startsWith('/listing')) return listPage(searchParams)
  const key = decodeURIComponent(pathname.slice('/vision/'.length))
  const [, stem, day, checksum] = /^data\/spot\/daily\/klines\/\w+\/1h\/(\w+-1h-)([\d-]+)\.zip(\.CHECKSUM)?$/.exec(key) ?? []
  if (!numberOf.has(day)) return missingAnswer()
  const zip = makeArchive(stem, day)
  if (checksum === undefined) return objectAnswer(zip, etagOf(key))
  const zipName = basename(key, '.CHECKSUM')
  return objectAnswer(Buffer.from(`${createHash('sha256').update(zip).digest('hex')}  ${zipName}\n`), etagOf(key))
})

/** Of the key, not of the bytes: to a client it is opaque, and the bytes need not be made for a page. */
function etagOf(key) {
  return createHash('md5').update(key).digest('hex')
}

function listPage(params) {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  const limit = Math.min(Number(params.get('max-keys') ?? PAGE_KEYS), PAGE_KEYS)
  const [, symbol, interval] = /^data\/spot\/daily\/klines\/(\w+)\/(\w+)\/$/.exec(prefix) ?? []
  if (symbol === undefined) return pageAnswer({ prefix, marker, contents: [], cut: false })
  const stem = `${prefix}${symbol}-${interval}-`
  // two keys a day, and in this order: `.zip` is the beginning of `.zip.CHECKSUM`
  const keyAt = (i) => `${stem}${days[i >> 1]}.zip${i % 2 === 0 ? '' : '.CHECKSUM'}`
  const count = days.length * 2
  let first = 0
  for (let end = count; first < end;) {
    const middle = (first + end) >> 1
    if (keyAt(middle) > marker) end = middle
    else first = middle + 1
  }
  const last = Math.min(first + limit, count)
  const contents = Array.from({ length: last - first }, (_, i) => {
    const key = keyAt(first + i)
    const isChecksum = (first + i) % 2 === 1
    return { key, etag: etagOf(key), sizeBytes: isChecksum ? CHECKSUM_BYTES : FIRST_BYTES + ((first + i) >> 1) }
  })
  return pageAnswer({ prefix, marker, contents, cut: last < count })
}

function makeArchive(stem, day) {
  const startMs = Date.parse(day)
  const rows = Array.from({ length: 24 }, (_, hour) => {
    const openMs = startMs + hour * HOUR_MS
    const price = (20_000 + ((openMs / HOUR_MS) % 9_973)).toFixed(8)
    return `${openMs},${price},${price},${price},${price},${hour + 1}.50000000,${openMs + HOUR_MS - 1},${hour + 2}.25000000,${hour},0.50000000,0.25000000,0\n`
  })
  const csv = Buffer.from(rows.join(''))
  return padZip(createZip(`${stem}${day}.csv`, csv, deflateRawSync(csv, { level: 6 })), FIRST_BYTES + numberOf.get(day))
}

/** The size that the listing tells without making the archive: a comment at the end makes up for what is missing. */
function padZip(zip, size) {
  const missing = size - zip.length
  if (missing < 0) throw new Error(`An archive has ${zip.length} bytes; the listing says ${size}. Raise FIRST_BYTES.`)
  zip.writeUInt16LE(missing, zip.length - 2)
  return Buffer.concat([zip, Buffer.alloc(missing, ' ')])
}
