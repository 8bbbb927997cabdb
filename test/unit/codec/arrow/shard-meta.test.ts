import { describe, expect, test } from 'vitest'
import type { ShardMeta } from '../../../../src/codec/arrow/shard-meta.ts'
import { decodeMeta, encodeMeta } from '../../../../src/codec/arrow/shard-meta.ts'
import { doubt } from '../../../../src/model/evidence.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'

const HOUR_US = 3_600_000_000
const DAY_US = Date.parse('2024-03-01T00:00:00Z') * 1000
const gapAt = (hour: number, bars: number) => ({
  startUs: DAY_US + hour * HOUR_US,
  endUs: DAY_US + (hour + bars) * HOUR_US,
  bars,
  evidence: { source: 'rest' as const, beforeUs: DAY_US, afterUs: DAY_US + 23 * HOUR_US },
})

const DIGEST = 'cd'.repeat(32)
const META: ShardMeta = {
  market: 'um',
  symbol: '币安人生USDT',
  interval: '1h',
  day: '2024-03-01' as UtcDay,
  source: 'vision-daily+rest',
  archiveKey: 'data/x.zip',
  archiveSha256: 'ab'.repeat(32),
  archiveEtag: '"e"',
  condition: 'outage',
  rows: 20,
  expected: 24,
  offGrid: 3,
  duplicates: 1,
  oddClose: 4,
  oddRows: 2,
  gaps: [gapAt(2, 2), gapAt(4, 1), gapAt(7, 1)],
}

/** Reads the metadata with some values replaced; a refusal is told as `refused: what was expected`. */
function read(changes: Readonly<Record<string, string>>, meta = META): ShardMeta | string {
  try {
    return decodeMeta(new Map([...encodeMeta(meta, DIGEST), ...Object.entries(changes)]), (expected) => {
      throw new Error(`refused: ${expected}`)
    })
  } catch (error) {
    return (error as Error).message
  }
}

describe('metadata of a shard', () => {
  test('is read back as it was written', () => {
    expect(read({})).toEqual(META)
    const bare: ShardMeta = {
      ...META,
      archiveKey: null,
      archiveSha256: null,
      archiveEtag: null,
      gaps: [],
      condition: 'provisional',
      source: 'rest',
    }
    expect(read({}, bare)).toEqual(bare)
  })

  test('without one of its keys is refused by the name of the key', () => {
    for (const key of encodeMeta(META, DIGEST).keys()) {
      const rest = new Map(encodeMeta(META, DIGEST))
      rest.delete(key)
      let told = ''
      expect(() =>
        decodeMeta(rest, (expected) => {
          told = expected
          throw new Error('refused')
        }),
      ).toThrow('refused')
      expect(told).toBe(`the metadata ${key}`)
    }
  })

  test.each([
    ['ckvd.format', ['', '0', '2', '1 ', '01']],
    ['ckvd.market', ['', 'okx', 'SPOT']],
    ['ckvd.symbol', ['', '../x', 'a/b']],
    ['ckvd.interval', ['', '2m', '1mo']],
    ['ckvd.day', ['', '2024-02-30', '2024-03']],
    ['ckvd.source', ['']],
    ['ckvd.archive.sha256', ['ab', 'AB'.repeat(32), `${'ab'.repeat(32)}0`]],
    ['ckvd.condition', ['', 'failed', 'pending', 'toString']],
    ['ckvd.rows', ['', '-1', '1.5', '1e3', '12x', ' 1', '1234567890123456']],
    ['ckvd.expected', ['-0']],
    ['ckvd.off_grid', ['0x1']],
    ['ckvd.duplicates', ['null']],
    ['ckvd.odd_close', ['', '-1']],
    ['ckvd.odd_rows', ['1.5']],
    ['ckvd.digest', ['', 'cd', 'CD'.repeat(32), `${'cd'.repeat(32)}0`]],
  ])('%s is refused as any of %j', (key, values) => {
    for (const value of values) expect([value, read({ [key]: value })]).toEqual([value, expect.stringMatching(/^refused: /)])
  })

  test('of the first version, which had neither digest nor counts of what is odd, is read with zeros', () => {
    const first = new Map(encodeMeta(META, DIGEST))
    for (const key of ['ckvd.digest', 'ckvd.odd_close', 'ckvd.odd_rows']) first.delete(key)
    const refuse = (expected: string): never => {
      throw new Error(expected)
    }
    expect(decodeMeta(first, refuse)).toEqual({ ...META, oddClose: 0, oddRows: 0 })
  })

  test('a day that does not begin a chunk is refused: a week is filed under its month', () => {
    expect(read({ 'ckvd.interval': '1w' })).toMatchObject({ interval: '1w', day: '2024-03-01' })
    expect(read({ 'ckvd.interval': '1w', 'ckvd.day': '2024-03-04' })).toMatch(/^refused: /)
  })

  test('evidence stands as data, without the note of what was asked: the bytes tell nothing of who asked what', () => {
    const gaps = [gapAt(2, 1), { ...gapAt(5, 1), evidence: doubt('no-witness', 'asked for an hour') }]
    expect(JSON.parse(encodeMeta({ ...META, gaps }, DIGEST).get('ckvd.gaps') ?? '')).toEqual([
      {
        ...{ start_us: DAY_US + 2 * HOUR_US, end_us: DAY_US + 3 * HOUR_US, bars: 1 },
        ...{ source: 'rest', before_us: DAY_US, after_us: DAY_US + 23 * HOUR_US },
      },
      {
        ...{ start_us: DAY_US + 5 * HOUR_US, end_us: DAY_US + 6 * HOUR_US, bars: 1 },
        ...{ source: null, before_us: null, after_us: null, reason: 'no-witness' },
      },
    ])
  })

  const witnesses = { source: 'rest', before_us: DAY_US - HOUR_US, after_us: DAY_US + HOUR_US }
  const gap = { start_us: DAY_US, end_us: DAY_US + HOUR_US, bars: 1, ...witnesses }
  test.each<[string, unknown]>([
    ['no list', {}],
    ['null', null],
    ['a list of null', [null]],
    ['a number in it', [1]],
    ['no start', [{ ...gap, start_us: undefined }]],
    ['a start before the epoch', [{ ...gap, start_us: -1 }]],
    ['a start that is a text', [{ ...gap, start_us: '0' }]],
    ['a start that is no whole number', [{ ...gap, start_us: DAY_US + 0.5 }]],
    ['an end beyond all numbers', [{ ...gap, end_us: 2 ** 53 }]],
    ['an end that is a text', [{ ...gap, end_us: '9' }]],
    ['an end at the start', [{ ...gap, end_us: DAY_US }]],
    ['an end before the start', [{ ...gap, end_us: DAY_US - 1 }]],
    ['no bars', [{ ...gap, bars: 0 }]],
    ['less than no bars', [{ ...gap, bars: -1 }]],
    ['bars that are a text', [{ ...gap, bars: '1' }]],
    ['no source', [{ ...gap, source: undefined }]],
    ['a source that nobody knows', [{ ...gap, source: 'me' }]],
    ['one witness', [{ ...gap, after_us: null }]],
    ['witnesses in the wrong order', [{ ...gap, before_us: witnesses.after_us, after_us: witnesses.before_us }]],
    ['neither witnesses nor a reason', [{ ...gap, source: null }]],
    ['two that overlap', [gap, { ...gap, end_us: DAY_US + 2 * HOUR_US }]],
    ['the wrong order', [{ ...gap, start_us: DAY_US + 5 * HOUR_US, end_us: DAY_US + 6 * HOUR_US }, gap]],
  ])('gaps are refused with %s', (_name, value) => {
    expect(read({ 'ckvd.gaps': JSON.stringify(value) })).toBe('refused: a list of gaps as ckvd.gaps')
  })

  test('gaps of the first versions, which had words as evidence, are read: words prove nothing', () => {
    const old = { start: DAY_US, end: DAY_US + HOUR_US, bars: 1, evidence: 'why' }
    expect(read({ 'ckvd.gaps': JSON.stringify([old]) })).toMatchObject({
      gaps: [{ startUs: DAY_US, endUs: DAY_US + HOUR_US, bars: 1, evidence: { source: null, reason: 'text', note: 'why' } }],
    })
  })

  test('gaps are refused when they are no JSON, and a gap of the first microsecond is one', () => {
    expect(read({ 'ckvd.gaps': '[' })).toBe('refused: a list of gaps as ckvd.gaps')
    expect(read({ 'ckvd.gaps': JSON.stringify([{ ...gap, start_us: 0, end_us: 1 }]) })).toMatchObject({ gaps: [{ startUs: 0, endUs: 1 }] })
  })
})
