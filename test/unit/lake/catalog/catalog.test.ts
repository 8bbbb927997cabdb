import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import type { DayRow, SeriesRow } from '../../../../src/lake/catalog/catalog-rows.ts'
import type { Catalog } from '../../../../src/lake/catalog/catalog.ts'
import { openCatalog } from '../../../../src/lake/catalog/catalog.ts'
import { isAccepted } from '../../../../src/lake/day-facts.ts'
import { LAKE } from '../../../../src/lake/layout.ts'
import { sqliteError } from '../../../../src/disk/sqlite.ts'
import { CONDITIONS } from '../../../../src/model/condition.ts'
import type { Interval } from '../../../../src/model/interval.ts'
import type { Market } from '../../../../src/model/market.ts'
import type { Series } from '../../../../src/model/series.ts'
import { addDays } from '../../../../src/model/utc-day.ts'
import { BTC, day, ETH, hoursOf, inTempDirectory, proofAround, rowOf, seriesRowOf } from '../lake-fixtures.ts'

/** Tables and columns are a contract with users, so they are spelled out here. */
const TABLES = {
  series:
    'market, symbol, interval, first_day, last_day, first_open_us, first_source, last_open_us, ended_us, phase, listed_at, first_forms',
  days:
    'market, symbol, interval, day, condition, source, rows, expected, shard_sha256, shard_bytes, archive_key, archive_etag, archive_sha256, ' +
    'revision, off_grid, duplicates, conflicts, differing_rows, odd_close, odd_rows, evidence, error_code, error, accepted, recheck, updated_at',
  beginnings: 'market, symbol, interval, first_open_us',
  gaps: 'market, symbol, interval, start_us, end_us, bars, evidence',
  revisions: 'market, symbol, interval, day, revision, archive_etag, archive_sha256, shard_sha256, changed_rows, replaced_at',
  runs: 'id, started_at, ended_at, command, counts, exit',
  bans: 'market, until, reason',
}

/** Bytes that a chunk may take in the file. */
const CHUNK_BYTES = 160

/** What any SQLite program reads in the file, beside the writer. */
function selectFrom(path: string, sql: string): unknown[] {
  const plain = new Database(path, { readonly: true })
  try {
    return plain.prepare(sql).raw().all([])
  } finally {
    plain.close()
  }
}

async function withCatalog(test: (catalog: Catalog, path: string) => void): Promise<void> {
  await inTempDirectory((directory) => {
    const path = join(directory, 'catalog.sqlite')
    using catalog = openCatalog(path, { mode: 'write' })
    test(catalog, path)
    return Promise.resolve()
  })
}

describe('the catalog file', () => {
  it('has the tables, columns and version that users rely on, and is one file at rest', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      openCatalog(path, { mode: 'write' }).close()
      expect(readdirSync(directory)).toEqual(['catalog.sqlite'])
      const plain = new Database(path)
      expect(plain.prepare('PRAGMA user_version').raw().get([])).toEqual([3])
      for (const [table, columns] of Object.entries(TABLES)) {
        const found = plain.prepare(`SELECT name FROM pragma_table_info('${table}') ORDER BY cid`).raw().all([]).flat()
        expect(found.join(', ')).toBe(columns)
      }
      plain.close()
      return Promise.resolve()
    })
  })

  it('of a newer version is refused and left as it is', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      const newer = new Database(path)
      newer.exec('CREATE TABLE things (a); PRAGMA user_version = 4')
      newer.close()
      for (const mode of ['write', 'read'] as const) {
        expect(() => openCatalog(path, { mode })).toThrow(expect.objectContaining({ code: 'CKVD_CATALOG_VERSION' }))
      }
      const again = new Database(path)
      expect(again.prepare('PRAGMA journal_mode').raw().get([])).toEqual(['delete'])
      again.close()
      return Promise.resolve()
    })
  })

  it.each(['write', 'read'] as const)('that is damaged names ckvd verify (%s)', async (mode) => {
    await inTempDirectory(async (directory) => {
      const path = join(directory, 'catalog.sqlite')
      await writeFile(path, 'no database at all '.repeat(500))
      expect(() => openCatalog(path, { mode })).toThrow(
        expect.objectContaining({ code: 'CKVD_CATALOG', message: expect.stringContaining('`ckvd verify`') as string }),
      )
    })
  })

  it('of another version that is no newer one is refused, tables or not', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      openCatalog(path, { mode: 'write' }).close()
      const other = new Database(path)
      other.exec('PRAGMA user_version = -3')
      other.close()
      for (const mode of ['write', 'read'] as const)
        expect(() => openCatalog(path, { mode })).toThrow(expect.objectContaining({ code: 'CKVD_CATALOG' }))
      return Promise.resolve()
    })
  })

  it('of another program is refused', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      const other = new Database(path)
      other.exec('CREATE TABLE days (a)')
      other.close()
      expect(() => openCatalog(path, { mode: 'write' })).toThrow(expect.objectContaining({ code: 'CKVD_CATALOG' }))
      return Promise.resolve()
    })
  })

  it('that is missing is not created by reading', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      expect(() => openCatalog(path, { mode: 'read' })).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_MISSING', exit: 2 }))
      expect(existsSync(path)).toBe(false)
      return Promise.resolve()
    })
  })

  it('is read beside its writer, which is seen as it commits, and reading cannot write', async () => {
    await withCatalog((writer, path) => {
      using reader = openCatalog(path, { mode: 'read' })
      expect(reader.getDay(BTC, day('2024-01-01'))).toBeUndefined()
      writer.commit([hoursOf(BTC, '2024-01-01')])
      expect(reader.getDay(BTC, day('2024-01-01'))?.condition).toBe('complete')
      expect(writer.startRun({ startedAt: '2024-01-01T00:00:00.000Z', command: 'ingest' })).toBe(1)
      expect(selectFrom(path, 'SELECT id, ended_at FROM runs')).toEqual([[1, null]])
      expect(() => reader.commit([{ row: rowOf(BTC, '2024-01-02'), gaps: [] }])).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_IO' }))
    })
  })
})

describe('days', () => {
  it('come back as they were written, in order, by half-open ranges', async () => {
    await withCatalog((catalog) => {
      const rows: DayRow[] = ['2024-01-03', '2024-01-01', '2024-01-02'].map((name, i) =>
        rowOf(BTC, name, {
          condition: 'quarantined',
          conflicts: i,
          differingRows: 9 - i,
          evidence: `evidence ${i}`,
          error: null,
          shardSha256: 'c'.repeat(64),
          shardBytes: 2 ** 40 + i,
        }),
      )
      catalog.commit(rows.map((row) => ({ row, gaps: [] })))
      catalog.commit([{ row: rowOf(ETH, '2024-01-01'), gaps: [] }])
      const sorted = [...rows].sort((a, b) => (a.day < b.day ? -1 : 1))
      expect(catalog.readDays(BTC)).toEqual(sorted)
      expect(catalog.readDays(BTC, day('2024-01-02'), day('2024-01-03'))).toEqual(sorted.slice(1, 2))
      expect(catalog.readDays({ ...BTC, interval: '1M' })).toEqual([])
      expect(catalog.listStoredSeries()).toEqual([BTC, ETH])
    })
  })

  it('of 1m and 1M are two series', async () => {
    await withCatalog((catalog) => {
      const month = { ...BTC, interval: '1M' } as const
      const minute = { ...BTC, interval: '1m' } as const
      catalog.commit([
        { row: rowOf(month, '2024-01-01', { rows: 1 }), gaps: [] },
        { row: rowOf(minute, '2024-01-01', { rows: 2 }), gaps: [] },
      ])
      expect(catalog.getDay(month, day('2024-01-01'))?.rows).toBe(1)
      expect(catalog.getDay(minute, day('2024-01-01'))?.rows).toBe(2)
    })
  })

  it('are iterated across pages, and the caller may write or stop meanwhile', async () => {
    await withCatalog((catalog) => {
      const names = Array.from({ length: 2500 }, (_, i) => addDays(day('2018-01-01'), i))
      catalog.commit(names.map((name) => ({ row: rowOf(BTC, name), gaps: [] })))
      const seen: string[] = []
      for (const row of catalog.iterateDays(BTC)) {
        seen.push(row.day)
        if (seen.length % 500 === 0) catalog.commit([{ row: { ...row, condition: 'pending' }, gaps: [] }])
      }
      expect(seen).toEqual(names)
      for (const row of catalog.iterateDays(BTC, day('2018-06-01'))) {
        expect(row.day).toBe('2018-06-01')
        break
      }
      expect(catalog.readDays(BTC).filter(({ condition }) => condition === 'pending')).toHaveLength(5)
    })
  })

  it('replace all gaps of their chunk and no others', async () => {
    await withCatalog((catalog) => {
      catalog.commit([hoursOf(BTC, '2024-01-01', { missing: [0, 5, 23] }), hoursOf(BTC, '2024-01-02', { missing: [0] })])
      expect(catalog.listGaps(BTC, day('2024-01-01'), day('2024-01-02'))).toHaveLength(3)
      const changed = hoursOf(BTC, '2024-01-01', { missing: [7] })
      catalog.commit([changed])
      expect(catalog.listGaps(BTC)).toEqual([...changed.gaps, ...hoursOf(BTC, '2024-01-02', { missing: [0] }).gaps])
    })
  })

  it('are recorded all or none', async () => {
    await withCatalog((catalog) => {
      const good = hoursOf(BTC, '2024-01-01')
      const wrongGap = { ...hoursOf(BTC, '2024-01-02'), gaps: hoursOf(BTC, '2024-01-05', { missing: [1] }).gaps }
      expect(() => catalog.commit([good, wrongGap])).toThrow(expect.objectContaining({ code: 'CKVD_BUG' }))
      const wrongCondition = { row: { ...good.row, condition: 'fine' as 'complete' }, gaps: [] }
      expect(() => catalog.commit([good, wrongCondition])).toThrow(expect.objectContaining({ code: 'CKVD_BUG' }))
      expect(catalog.readDays(BTC)).toEqual([])
      catalog.commit([good])
      expect(catalog.readDays(BTC)).toEqual([good.row])
    })
  })

  it('are forgotten with their gaps, those of other days stay', async () => {
    await withCatalog((catalog) => {
      const next = hoursOf(BTC, '2024-01-02', { missing: [0] })
      catalog.commit([hoursOf(BTC, '2024-01-01', { missing: [0, 23] }), next])
      catalog.deleteDay(BTC, day('2024-01-01'))
      expect([catalog.readDays(BTC), catalog.listGaps(BTC)]).toEqual([[next.row], next.gaps])
    })
  })

  it('refuse a gap that begins before the chunk, at its end or behind it', async () => {
    await withCatalog((catalog) => {
      const startUs = Date.parse('2024-01-02T00:00:00Z') * 1000
      for (const at of [startUs - 25 * 3_600_000_000, startUs, startUs + 3_600_000_000]) {
        const gap = { startUs: at, endUs: at + 3_600_000_000, bars: 1, evidence: proofAround(at, at + 3_600_000_000) }
        expect(() => catalog.commit([{ row: rowOf(BTC, '2024-01-01'), gaps: [gap] }])).toThrow(
          expect.objectContaining({ code: 'CKVD_BUG' }),
        )
      }
      expect(catalog.readDays(BTC)).toEqual([])
    })
  })

  it('keep the versions they replaced', async () => {
    await withCatalog((catalog, path) => {
      const { row } = hoursOf(BTC, '2024-01-01')
      const revision = {
        ...BTC,
        day: row.day,
        revision: 1,
        archiveEtag: 'e',
        archiveSha256: null,
        shardSha256: 's',
        changedRows: 3,
        replacedAt: '2024-05-01T00:00:00.000Z',
      }
      catalog.commit([{ row: { ...row, revision: 2 }, gaps: [], revision }])
      const told =
        'SELECT market, symbol, interval, day, revision, archive_etag, archive_sha256, shard_sha256, changed_rows, replaced_at FROM revisions'
      expect(selectFrom(path, told)).toEqual([['spot', 'BTCUSDT', '1h', '2024-01-01', 1, 'e', null, 's', 3, '2024-05-01T00:00:00.000Z']])
      catalog.deleteDay(BTC, row.day)
      expect(catalog.getDay(BTC, row.day)).toBeUndefined()
      expect(selectFrom(path, told)).toEqual([])
    })
  })

  it('take at most 160 bytes a chunk in the file, with digests, key and ETag of an archive each', async () => {
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      const catalog = openCatalog(path, { mode: 'write' })
      const hex = (text: string, digits: number) => createHash('sha256').update(text).digest('hex').slice(0, digits)
      const chunks = 20_000
      const names = Array.from({ length: chunks }, (_, i) => addDays(day('1980-01-01'), i))
      const minute: Series = { ...BTC, interval: '1m' }
      catalog.commit(
        names.map((name) => ({
          row: rowOf(minute, name, {
            ...{ condition: 'complete', source: 'vision-daily', rows: 1440, shardBytes: 129_314, shardSha256: hex(`shard ${name}`, 64) },
            ...{ archiveKey: `data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-${name}.zip`, archiveEtag: hex(`etag ${name}`, 32) },
            archiveSha256: hex(`archive ${name}`, 64),
          }),
          gaps: [],
        })),
      )
      catalog.close()
      const bytes = statSync(path).size / chunks
      console.log(`${bytes.toFixed(1)} bytes a chunk`)
      expect(bytes).toBeLessThanOrEqual(CHUNK_BYTES)
      return Promise.resolve()
    })
  })

  it('come back as they were written, whatever they hold', async () => {
    const hex = (length: number) =>
      fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((digits) => digits.join(''))
    const oddText = fc.oneof(
      fc.constant(''),
      fc.string({ maxLength: 20 }),
      fc.constantFrom('1', '123', 'ABCDEF', '2024-01-01', 'x'.repeat(64)),
    )
    const maybe = <T>(text: fc.Arbitrary<T>) => fc.option(text, { nil: null })
    const count = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 40 }))
    const one = fc.record({
      series: fc.record({
        market: fc.constantFrom<Market>('spot', 'um', 'cm'),
        symbol: fc.constantFrom('BTCUSDT', '1INCHUSDT', 'BTCUSD_PERP'),
        interval: fc.constantFrom<Interval>('1m', '1h', '1M'),
      }),
      day: fc.integer({ min: 0, max: 20_000 }).map((days) => addDays(day('1970-01-01'), days)),
      condition: fc.constantFrom(...CONDITIONS),
      source: maybe(
        fc.constantFrom('vision-daily', 'vision-monthly', 'rest', 'vision-daily+rest', 'vision-monthly+vision-daily+rest', 'stream'),
      ),
      archiveKey: fc.constantFrom('daily', 'monthly', 'another', null),
      archiveEtag: maybe(
        fc.oneof(
          hex(32),
          hex(32).map((text) => `${text}-3`),
          oddText,
        ),
      ),
      archiveSha256: maybe(fc.oneof(hex(64), oddText)),
      shard: maybe(fc.oneof(hex(64), oddText)),
      counts: fc.tuple(count, count, count, count, count, count, count),
      texts: fc.tuple(maybe(oddText), maybe(oddText), maybe(oddText)),
      recheck: fc.constantFrom<0 | 1>(0, 1),
      updatedAt: fc.oneof(
        fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString()),
        fc.constantFrom('', '2024-01-01', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000000Z', 'now'),
      ),
    })
    await inTempDirectory((directory) => {
      const path = join(directory, 'catalog.sqlite')
      using catalog = openCatalog(path, { mode: 'write' })
      fc.assert(
        fc.property(one, (given) => {
          const { series, condition, counts, texts } = given
          const folder = series.market === 'spot' ? 'spot' : `futures/${series.market}`
          const name = series.interval === '1M' ? '1mo' : series.interval
          const period = { daily: given.day, monthly: given.day.slice(0, 7), another: '2020-8' }
          const key = (kind: 'daily' | 'monthly' | 'another') =>
            `data/${folder}/${kind === 'another' ? 'daily' : kind}/klines/${series.symbol}/${name}/${series.symbol}-${name}-${period[kind]}.zip`
          const isWhole = condition === 'complete' || condition === 'provisional'
          const shard = isWhole ? (given.shard ?? 'ab'.repeat(32)) : given.shard
          const row = rowOf(series, given.day, {
            ...{ condition, source: given.source, shardSha256: shard, shardBytes: shard === null ? null : counts[0] },
            ...{ archiveKey: given.archiveKey === null ? null : key(given.archiveKey), archiveEtag: given.archiveEtag },
            ...{ archiveSha256: given.archiveSha256, expected: counts[1], rows: isWhole ? counts[1] : counts[2], revision: counts[3] },
            ...{ offGrid: counts[4], duplicates: counts[5], oddRows: counts[6], recheck: given.recheck, updatedAt: given.updatedAt },
            ...{ evidence: texts[0], error: texts[1], accepted: texts[2] },
          })
          catalog.deleteDay(series, given.day)
          catalog.commit([{ row, gaps: [] }])
          expect(catalog.getDay(series, given.day)).toEqual(row)
          // what any SQLite program reads, and writes back
          const where = `WHERE market = '${series.market}' AND symbol = '${series.symbol}' AND interval = '${series.interval}' AND day = '${given.day}'`
          expect(selectFrom(path, `SELECT condition, source, archive_key, archive_etag, updated_at FROM days ${where}`)).toEqual([
            [condition, row.source, row.archiveKey, row.archiveEtag, row.updatedAt],
          ])
        }),
        { numRuns: 200 },
      )
      const plain = new Database(path)
      plain.exec("UPDATE days SET condition = 'failed', evidence = 'by hand'")
      plain.close()
      for (const series of catalog.listStoredSeries())
        for (const row of catalog.readDays(series)) expect(row).toMatchObject({ condition: 'failed', evidence: 'by hand' })
      return Promise.resolve()
    })
  })

  it('of 45 series and five years are read in well under a second', async () => {
    await withCatalog((catalog) => {
      const names = Array.from({ length: 1826 }, (_, i) => addDays(day('2020-01-01'), i))
      const { row } = hoursOf(BTC, '2024-01-01')
      const series = Array.from({ length: 45 }, (_, i) => ({ ...BTC, symbol: `S${i}USDT` }))
      for (const one of series) catalog.commit(names.map((name) => ({ row: { ...row, ...one, day: name }, gaps: [] })))
      const started = performance.now()
      const count = series.reduce((sum, one) => sum + catalog.readDays(one).length, 0)
      const elapsedMs = performance.now() - started
      console.log(`read ${count} days in ${elapsedMs.toFixed(0)} ms`)
      expect(count).toBe(45 * 1826)
      // measured 0.6 s on two shared cores; the bound only catches another order of magnitude
      expect(elapsedMs).toBeLessThan(6000)
    })
  })
})

describe('accepting a day', () => {
  it('keeps the condition and the evidence, and outlives a run that changes nothing', async () => {
    await withCatalog((catalog) => {
      const row = rowOf(BTC, '2024-01-01', { condition: 'partial', evidence: 'REST is off' })
      catalog.commit([{ row, gaps: [] }])
      expect(isAccepted(catalog.acceptDay(BTC, row.day, 'known  outage\n of our own'))).toBe(true)
      const stored = catalog.getDay(BTC, row.day)
      expect(stored).toMatchObject({ condition: 'partial', accepted: 'known outage of our own', evidence: 'REST is off' })
      catalog.commit([{ row, gaps: [] }])
      expect(catalog.getDay(BTC, row.day)).toEqual(stored)
      catalog.acceptDay(BTC, row.day, 'a better reason')
      expect(catalog.getDay(BTC, row.day)).toMatchObject({ accepted: 'a better reason', evidence: 'REST is off' })
      catalog.commit([{ row: { ...row, condition: 'failed' }, gaps: [] }])
      expect(catalog.getDay(BTC, row.day)).toMatchObject({ accepted: null, evidence: 'REST is off' })
    })
  })

  it('needs words, and a second acceptance takes the place of the first', async () => {
    await withCatalog((catalog) => {
      const row: DayRow = { ...rowOf(BTC, '2024-01-01'), condition: 'failed', evidence: null }
      catalog.commit([{ row, gaps: [] }])
      expect(isAccepted(catalog.getDay(BTC, row.day)!)).toBe(false)
      for (const blank of ['', ' \n\t ']) {
        expect(() => catalog.acceptDay(BTC, row.day, blank)).toThrow(expect.objectContaining({ code: 'CKVD_USAGE' }))
        expect(isAccepted(catalog.getDay(BTC, row.day)!)).toBe(false)
      }
      const first = catalog.acceptDay(BTC, row.day, '  seen\n by  me ')
      expect(first.accepted).toBe('seen by me')
      expect(catalog.getDay(BTC, row.day)).toEqual(first)
      expect(catalog.acceptDay(BTC, row.day, 'two').accepted).toBe('two')
      expect(catalog.getDay(BTC, row.day)?.accepted).toBe('two')
    })
  })

  it('is refused where there is nothing to accept', async () => {
    await withCatalog((catalog) => {
      const { row } = hoursOf(BTC, '2024-01-01')
      catalog.commit([{ row, gaps: [] }])
      const usage = expect.objectContaining({ code: 'CKVD_USAGE' }) as Error
      expect(() => catalog.acceptDay(BTC, row.day, 'why')).toThrow(usage)
      expect(() => catalog.acceptDay(BTC, day('2024-01-02'), 'why')).toThrow(usage)
    })
  })
})

describe('errors of SQLite', () => {
  it('say when the disk is full', async () => {
    await inTempDirectory((directory) => {
      const database = new Database(join(directory, 'small.sqlite'))
      database.exec('CREATE TABLE t (a); PRAGMA max_page_count = 3')
      let thrown: unknown
      try {
        database.exec(`INSERT INTO t VALUES ('${'x'.repeat(100_000)}')`)
      } catch (error) {
        thrown = error
      }
      expect(sqliteError(thrown, 'write', 'small.sqlite', LAKE)).toMatchObject({ code: 'CKVD_DISK_FULL' })
      database.close()
      return Promise.resolve()
    })
  })

  it('say when the file cannot be opened', async () => {
    await inTempDirectory((directory) => {
      // a directory stands where the catalog should be
      expect(() => openCatalog(directory, { mode: 'write' })).toThrow(expect.objectContaining({ code: 'CKVD_LAKE_IO' }))
      return Promise.resolve()
    })
  })
})

describe('series, runs and bans', () => {
  it('are kept', async () => {
    await withCatalog((catalog, path) => {
      const row: SeriesRow = seriesRowOf(BTC, {
        firstDay: day('2017-08-17'),
        firstOpenUs: 1_502_942_400_000_000,
        firstSource: 'rest',
        lastOpenUs: 1_709_424_000_000_000,
        endedUs: 1_709_427_600_000_000,
        phase: 2,
        firstForms: 'both',
        listedAt: '2024-01-01T00:00:00.000Z',
      })
      const other: SeriesRow = { ...row, market: 'um', symbol: 'ETHUSDT', firstOpenUs: null }
      catalog.putSeries(row)
      catalog.putSeries(other)
      catalog.putSeries({ ...row, lastDay: day('2024-01-01') })
      expect(catalog.getSeries(BTC)).toEqual({ ...row, lastDay: '2024-01-01' })
      expect(catalog.listSeries({ market: 'um' })).toEqual([other])
      expect(catalog.listSeries({ symbol: ETH.symbol })).toEqual([other])
      expect(catalog.listSeries({ interval: '1m' })).toEqual([])
      expect(catalog.listSeries({ ...BTC })).toHaveLength(1)
      expect(catalog.listSeries()).toHaveLength(2)
      catalog.commit([hoursOf(BTC, '2024-01-01', { missing: [1] }), hoursOf(ETH, '2024-01-01')])
      catalog.deleteSeries(BTC)
      expect([catalog.getSeries(BTC), catalog.readDays(BTC), catalog.listGaps(BTC)]).toEqual([undefined, [], []])
      expect(catalog.readDays(ETH)).toHaveLength(1)

      const id = catalog.startRun({ startedAt: '2024-01-01T00:00:00.000Z', command: 'ingest' })
      const next = catalog.startRun({ startedAt: '2024-01-02T00:00:00.000Z', command: 'verify' })
      catalog.endRun(id, { endedAt: '2024-01-01T01:00:00.000Z', counts: { stored: 3 }, exit: 0 })
      expect(selectFrom(path, 'SELECT id FROM runs WHERE ended_at IS NULL')).toEqual([[next]])
      expect(selectFrom(path, 'SELECT id, ended_at, counts, exit FROM runs WHERE exit IS NOT NULL')).toEqual([
        [id, '2024-01-01T01:00:00.000Z', '{"stored":3}', 0],
      ])
    })
  })
})
