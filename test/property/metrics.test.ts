import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeArchive } from '../../src/codec/decode-archive.ts'
import { chunkColumns } from '../../src/codec/arrow/chunk-bytes.ts'
import type { Series } from '../../src/model/series.ts'
import { buildArchive } from '../support/zip-builder.ts'

const DAY = '2024-04-05'
const SLOTS = 288
const SLOT_MS = 300_000
const HEADER =
  'create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio'

/** A line of a slot: USDⓈ-M called it by the end of its five minutes then, COIN-M by their start. */
function lineOf(series: Series, slot: number, interest = slot + 1): string {
  const ms = Date.parse(`${DAY}T00:00:00Z`) + (slot + (series.market === 'um' ? 1 : 0)) * SLOT_MS
  const label = new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
  return `${label},${series.symbol},${interest}.5,${slot * 1000},${slot % 3 === 0 ? '""' : '1.25'},,0.5,${slot / 8}`
}

async function decode(series: Series, lines: readonly string[]) {
  const stem = `${series.symbol}-metrics-${DAY}`
  const { zip, checksum } = buildArchive(stem, [HEADER, ...lines, ''].join('\n'))
  const archive = { key: `${stem}.zip`, etag: 'e', packaging: 'daily' as const, period: DAY }
  const ends = { days: null, startsSeries: false, seriesEndUs: null }
  const result = await decodeArchive({ series, archive, zip, checksum: Buffer.from(checksum), ...ends })
  return { result, chunk: result.chunks[0] }
}

const SERIES: readonly Series[] = [
  { dataset: 'metrics', market: 'um', symbol: 'BTCUSDT', interval: '5m' },
  { dataset: 'metrics', market: 'cm', symbol: 'BTCUSD_PERP', interval: '5m' },
]
const series = fc.constantFrom(...SERIES)
/** Slots that a day has, in any order, some of them several times. */
const slots = fc.array(fc.nat(SLOTS - 1), { minLength: 1, maxLength: 600 })

describe('a day of statistics, whatever the order of its lines', () => {
  test('has each label once and in order, counts what is there twice and tells what is missing', () =>
    fc.assert(
      fc.asyncProperty(series, slots, async (own, told) => {
        const there = [...new Set(told)].sort((a, b) => a - b)
        const { chunk } = await decode(
          own,
          told.map((slot) => lineOf(own, slot)),
        )
        const inOrder = await decode(
          own,
          there.map((slot) => lineOf(own, slot)),
        )
        expect(chunk).toMatchObject({
          rows: there.length,
          expected: SLOTS,
          duplicates: told.length - there.length,
          conflicts: 0,
          offGrid: 0,
        })
        expect(chunk?.gaps.reduce((sum, { bars }) => sum + bars, 0)).toBe(SLOTS - there.length)
        expect(chunk?.condition).toBe(there.length === SLOTS ? 'complete' : 'partial')
        // the same bytes, and those of the lines
        expect(chunk?.shardSha256).toBe(inOrder.chunk?.shardSha256)
        const columns = chunkColumns(chunk?.shard ?? new Uint8Array(), own)
        const startMs = Date.parse(`${DAY}T00:00:00Z`)
        expect(Array.from(columns.openTime, Number)).toEqual(there.map((slot) => (startMs + slot * SLOT_MS) * 1000))
        expect([...(columns['openInterest'] ?? [])]).toEqual(there.map((slot) => slot + 1.5))
        expect([...(columns['topAccounts'] ?? [])]).toEqual(there.map((slot) => (slot % 3 === 0 ? NaN : 1.25)))
        expect([...(columns['topPositions'] ?? [])]).toEqual(there.map(() => NaN))
      }),
      { numRuns: 60 },
    ))

  test('of two lines of one label that differ keeps the later one, and says so', () =>
    fc.assert(
      fc.asyncProperty(series, slots, fc.nat(SLOTS - 1), async (own, told, slot) => {
        const others = told.filter((one) => one !== slot).map((one) => lineOf(own, one))
        const { chunk } = await decode(own, [lineOf(own, slot, 7000), ...others, lineOf(own, slot, 8000)])
        expect(chunk).toMatchObject({ conflicts: 1 })
        expect(chunk?.conflictNote).toContain('sum_open_interest 7000.5 then 8000.5')
        const columns = chunkColumns(chunk?.shard ?? new Uint8Array(), own)
        expect([...(columns['openInterest'] ?? [])]).toContain(8000.5)
      }),
      { numRuns: 30 },
    ))
})
