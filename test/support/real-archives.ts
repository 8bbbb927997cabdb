import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHARED } from './shared.ts'
import { readFirstEntry } from './zip-builder.ts'

/** A klines archive of the folder. */
export interface RealArchive {
  readonly key: string
  readonly market: 'spot' | 'um' | 'cm'
  readonly packaging: string
  readonly symbol: string
  readonly interval: string
  readonly period: string
}

/** All of them; none where the folder is absent. */
export const archives: readonly RealArchive[] = SHARED === undefined ? [] : findArchives(join(SHARED, 'vision'))

function findArchives(folder: string): RealArchive[] {
  const keys = readdirSync(join(folder, 'data'), { recursive: true, encoding: 'utf8' }).map((name) => `data/${name.replaceAll('\\', '/')}`)
  return keys.flatMap((key) => {
    const match = /^data\/(?:futures\/)?(spot|um|cm)\/(daily|monthly)\/klines\/([^/]+)\/([^/]+)\/.*?-(\d{4}-[\d-]+)\.zip$/.exec(key)
    if (match === null) return []
    const [, market, packaging = '', symbol = '', interval = '', period = ''] = match
    return [{ key, market: market as RealArchive['market'], packaging, symbol, interval, period }]
  })
}

/** The days of an archive, `YYYY-MM-DD`. */
export function daysOf({ period }: RealArchive): string[] {
  if (period.length === 10) return [period]
  const days: string[] = []
  for (let ms = Date.parse(`${period}-01T00:00Z`); isoDay(ms).startsWith(period); ms += 86_400_000) days.push(isoDay(ms))
  return days
}

export function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** The independent reader of an archive: its one deflated entry, split at commas. Times as integers of microseconds. */
export function readCells(key: string): (bigint | number)[][] {
  const lines = readFirstEntry(readFileSync(join(SHARED ?? '', 'vision', key)))
    .toString('utf8')
    .split(/\r?\n/)
  const rows = lines.filter((line) => /^\d/.test(line)).map((line) => line.split(','))
  const time = (text: string): bigint => (text.length === 13 ? BigInt(text) * 1000n : BigInt(text))
  return rows.map((cells) => cells.slice(0, 11).map((cell, i) => (i === 0 || i === 6 ? time(cell) : i === 8 ? BigInt(cell) : Number(cell))))
}
