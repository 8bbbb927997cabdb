import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeArchives } from './archives.mjs'
import { measureLine } from './line.mjs'
import { print, summarize, describeMachine } from './report.mjs'
const [dist, lines, atOnce, size, rounds] = process.argv.slice(2)
const folder = mkdtempSync('/dev/shm/ckvd-line-')
try {
  const { days, copies } = JSON.parse(size)
  const archiveFolder = join(folder, 'archives')
  mkdirSync(archiveFolder)
  const archives = makeArchives(archiveFolder, { symbols: ['AAAUSDT'], interval: '1m', days, copies })
  const end = new Date(Date.UTC(2024, 0, 1 + days)).toISOString().slice(0, 10)
  const set = { interval: '1m', archives, archiveFolder, symbols: [...new Set(archives.map(({ symbol }) => symbol))], end }
  const tables = await measureLine({ ...set, dist, folder, rounds: Number(rounds), lines: JSON.parse(lines), atOnce: JSON.parse(atOnce), root: '/work/x' })
  print({ machine: describeMachine(), rounds: 1, tables: tables.map(summarize) })
} finally { rmSync(folder, { recursive: true, force: true }) }
