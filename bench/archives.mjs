/**
 * The archives that the benchmarks read, packed as Binance packs them: one entry, deflate level 6 (which gives the sizes of real archives
 * within 40 bytes), CHECKSUM beside it.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { createDayCsv } from './market-day.mjs'

const DAY_MS = 86_400_000
const FIRST_MS = Date.UTC(2024, 0, 1)

/**
 * Writes archives below `folder`, laid out as the bucket, and gives them.
 * @param wanted {symbols, interval, days, copies}: daily archives of spot, from 2024-01-01 on; `copies` symbols have the same rows
 * @returns {key, path, symbol, sizeBytes, csvBytes, rows}[]
 */
export function makeArchives(folder, { symbols, interval, days, copies = 1 }) {
  const archives = []
  for (const [seed, symbol] of symbols.entries()) {
    for (let day = 0; day < days; day++) {
      const dayMs = FIRST_MS + day * DAY_MS
      const date = new Date(dayMs).toISOString().slice(0, 10)
      const csv = createDayCsv({ seed, interval, dayMs })
      const packed = deflateRawSync(csv, { level: 6 })
      for (let copy = 0; copy < copies; copy++) {
        const own = copy === 0 ? symbol : `${copy}${symbol}`
        archives.push({ ...writeArchive(folder, keyOf(own, interval, date), csv, packed), symbol: own })
      }
    }
  }
  return archives
}

function keyOf(symbol, interval, date) {
  return `data/spot/daily/klines/${symbol}/${interval}/${symbol}-${interval}-${date}.zip`
}

function writeArchive(folder, key, csv, packed) {
  const name = basename(key)
  const zip = createZip(name.replace(/zip$/, 'csv'), csv, packed)
  const path = join(folder, key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, zip)
  writeFileSync(`${path}.CHECKSUM`, `${createHash('sha256').update(zip).digest('hex')}  ${name}\n`)
  return { key, path, sizeBytes: zip.length, csvBytes: csv.length, rows: csv.toString('latin1').split('\n').length - 1 }
}

/** The bytes of a ZIP's first entry, by its directory. */
export function readEntry(zip) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'))
  const central = zip.readUInt32LE(end + 16)
  const local = zip.readUInt32LE(central + 42)
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
  const packed = zip.subarray(start, start + zip.readUInt32LE(central + 20))
  return zip.readUInt16LE(central + 10) === 0 ? packed : inflateRawSync(packed)
}

/** A ZIP of one deflated entry. */
export function createZip(name, csv, packed) {
  return wrapEntry(name, { crc: crc32(csv), csvBytes: csv.length, packed })
}

/** The same of an entry whose text need not be kept (APPNOTE.TXT 4.3). */
export function wrapEntry(name, { crc, csvBytes, packed }) {
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(20, 0)
  shared.writeUInt16LE(8, 4)
  shared.writeUInt16LE(0x21, 8) // 1980-01-01
  shared.writeUInt32LE(crc, 10)
  shared.writeUInt32LE(packed.length, 14)
  shared.writeUInt32LE(csvBytes, 18)
  shared.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name)])
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), shared, Buffer.alloc(14), Buffer.from(name)])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length + packed.length, 16)
  return Buffer.concat([local, packed, central, end])
}
