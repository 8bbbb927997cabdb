/**
 * A bucket of a whole market, of which little is kept: every spot symbol that is asked for has the same bars, in daily and monthly archives
 * of all intervals that are named (of `3d`, `1w` and `1mo` in monthly ones). The archives are packed when the server starts, so that a
 * request costs no more than wrapping one.
 *
 * `node bench/market-bucket.mjs FIRST_DAY END_DAY INTERVAL,…` prints its origin, and ends with its standard input. Both days begin a month.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { wrapEntry } from './archives.mjs'
import { missingAnswer, objectAnswer, pageAnswer, serve } from './loopback.mjs'
import { createBarsCsv } from './market-day.mjs'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const PAGE_KEYS = 1000
const CHECKSUM_BYTES = 100
/** Of an archive of one entry, besides the entry and twice its name. */
const ZIP_BYTES = 98
const UNIT_MS = { s: 1000, m: MINUTE_MS, h: 60 * MINUTE_MS, d: DAY_MS, w: 7 * DAY_MS }
/** Where a grid that does not begin at the epoch does: three days at day 1, weeks on a Monday. */
const PHASE_MS = { '3d': DAY_MS, '1w': 4 * DAY_MS }

const [firstDay, endDay, intervals] = process.argv.slice(2)
const days = []
for (let ms = Date.parse(firstDay); ms < Date.parse(endDay); ms += DAY_MS) days.push(new Date(ms).toISOString().slice(0, 10))
const months = [...new Set(days.map((day) => day.slice(0, 7)))]
/** By `daily/1h`: the archives of a series, by period. */
const packed = new Map()
for (const interval of intervals.split(',')) packSeries(interval)

serve(({ pathname, searchParams }) => {
  if (pathname.startsWith('/listing')) return listPage(searchParams)
  const key = decodeURIComponent(pathname.slice('/vision/'.length))
  const [, form, symbol, interval, period, checksum] =
    /^data\/spot\/(daily|monthly)\/klines\/(\w+)\/(\w+)\/\w+-\w+-([\d-]+)\.zip(\.CHECKSUM)?$/.exec(key) ?? []
  const entry = packed.get(`${form}/${interval}`)?.get(period)
  if (entry === undefined) return missingAnswer()
  const zip = wrapEntry(`${symbol}-${interval}-${period}.csv`, entry)
  if (checksum === undefined) return objectAnswer(zip, etagOf(key))
  return objectAnswer(Buffer.from(`${createHash('sha256').update(zip).digest('hex')}  ${basename(key, '.CHECKSUM')}\n`), etagOf(key))
})

/** Of the key, not of the bytes: to a client it is opaque. */
function etagOf(key) {
  return createHash('md5').update(key).digest('hex')
}

function packSeries(interval) {
  const csvs = new Map(days.map((day) => [day, csvOfDay(interval, Date.parse(day))]))
  const isDaily = !/^(3d|1w|1mo)$/.test(interval)
  if (isDaily) packed.set(`daily/${interval}`, new Map([...csvs].map(([day, csv]) => [day, packEntry(csv)])))
  const ofMonth = (month) => Buffer.concat([...csvs].filter(([day]) => day.startsWith(month)).map(([, csv]) => csv))
  packed.set(`monthly/${interval}`, new Map(months.map((month) => [month, packEntry(ofMonth(month))])))
}

/** The bars that open on a day. */
function csvOfDay(interval, dayMs) {
  const day = new Date(dayMs)
  if (interval === '1mo') {
    const endMs = Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1)
    return day.getUTCDate() === 1 ? createBarsCsv({ seed: 1, stepMs: endMs - dayMs, startMs: dayMs, endMs }) : Buffer.alloc(0)
  }
  const stepMs = parseInt(interval, 10) * UNIT_MS[interval.at(-1)]
  const isOpen = stepMs <= DAY_MS || (dayMs - PHASE_MS[interval]) % stepMs === 0
  return isOpen ? createBarsCsv({ seed: 1, stepMs, startMs: dayMs, endMs: dayMs + DAY_MS }) : Buffer.alloc(0)
}

function packEntry(csv) {
  return { crc: crc32(csv), csvBytes: csv.length, packed: deflateRawSync(csv, { level: 6 }) }
}

function listPage(params) {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  const limit = Math.min(Number(params.get('max-keys') ?? PAGE_KEYS), PAGE_KEYS)
  const [, form, symbol, interval] = /^data\/spot\/(daily|monthly)\/klines\/(\w+)\/(\w+)\/$/.exec(prefix) ?? []
  const archives = packed.get(`${form}/${interval}`)
  if (archives === undefined) return pageAnswer({ prefix, marker, contents: [], cut: false })
  const stem = `${symbol}-${interval}-`
  const contents = []
  for (const [period, entry] of archives) {
    const key = `${prefix}${stem}${period}.zip`
    const sizeBytes = entry.packed.length + ZIP_BYTES + 2 * `${stem}${period}.csv`.length
    for (const [own, size] of [
      [key, sizeBytes],
      [`${key}.CHECKSUM`, CHECKSUM_BYTES],
    ]) {
      if (own <= marker) continue
      if (contents.length === limit) return pageAnswer({ prefix, marker, contents, cut: true })
      contents.push({ key: own, etag: etagOf(own), sizeBytes: size })
    }
  }
  return pageAnswer({ prefix, marker, contents, cut: false })
}
