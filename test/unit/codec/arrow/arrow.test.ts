import { createHash } from 'node:crypto'
import type { Data, DataType } from 'apache-arrow'
import {
  Field,
  Float64,
  Int64,
  makeData,
  Message,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  tableFromIPC,
  TimestampMicrosecond,
  TimestampMillisecond,
  Uint64,
} from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import type { ShardMeta } from '../../../../src/codec/arrow/arrow.ts'
import { decodeArrowShard, isArrowShard } from '../../../../src/codec/arrow/arrow.ts'
import { encodeKlines, encodeArrowShard } from '../../../../src/codec/arrow/arrow-writer.ts'
import { encodeMeta } from '../../../../src/codec/arrow/shard-meta.ts'
import { isCkvdError } from '../../../../src/errors.ts'
import { doubt } from '../../../../src/model/evidence.ts'
import type { KlineColumns } from '../../../../src/model/kline.ts'
import { sliceColumns } from '../../../../src/model/columns.ts'
import { createColumns, KLINE_COLUMNS } from '../../../../src/model/kline.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'

const START_US = Date.UTC(2024, 0, 1) * 1000

const META: ShardMeta = {
  market: 'um',
  symbol: '币安人生USDT',
  interval: '1h',
  day: '2024-01-01' as UtcDay,
  source: 'vision-daily+rest',
  archiveKey: 'data/futures/um/daily/klines/X/1h/X-1h-2024-01-01.zip',
  archiveSha256: 'ab'.repeat(32),
  archiveEtag: '"0123"',
  condition: 'outage',
  rows: 5,
  expected: 24,
  offGrid: 0,
  duplicates: 2,
  oddClose: 0,
  oddRows: 0,
  gaps: [{ startUs: START_US + 5 * 3_600_000_000, endUs: START_US + 24 * 3_600_000_000, bars: 19, evidence: doubt('rest-failed') }],
}

function bars(rows: number): KlineColumns {
  const columns = createColumns(rows)
  for (let i = 0; i < rows; i++) {
    columns.openTime[i] = BigInt(START_US + i * 3_600_000_000)
    columns.closeTime[i] = BigInt(START_US + (i + 1) * 3_600_000_000 - 1000)
    columns.open[i] = 0.1 + i
    columns.high[i] = 2.5 + i
    columns.low[i] = 1e-8
    columns.close[i] = 1.25 + i
    columns.volume[i] = Number('90071992.54740993')
    columns.quoteVolume[i] = 5e-324
    columns.count[i] = BigInt(i) * 2n ** 40n
    columns.takerBuyVolume[i] = 0
    columns.takerBuyQuoteVolume[i] = 1 / 3
  }
  return columns
}

/** SHA-256 of the eleven columns as they lie in a file: written down here a second time, value by value. */
function digestOf(columns: KlineColumns): string {
  const hash = createHash('sha256')
  for (const { key, type } of KLINE_COLUMNS) {
    for (const value of columns[key]) {
      const bytes = Buffer.alloc(8)
      if (type === 'float64') bytes.writeDoubleLE(value as number)
      else bytes.writeBigInt64LE(value as bigint)
      hash.update(bytes)
    }
  }
  return hash.digest('hex')
}

/** A shard as the first version wrote it: no digest, no counts of what is odd. */
function firstShard(columns: KlineColumns, meta: ShardMeta = META): Uint8Array {
  const metadata = encodeMeta(meta, digestOf(columns))
  for (const key of ['ckvd.digest', 'ckvd.odd_close', 'ckvd.odd_rows']) metadata.delete(key)
  return encodeKlines(columns, metadata)
}

const refusal = (words: string): Error =>
  expect.objectContaining({ code: 'CKVD_SHARD_FORMAT', message: expect.stringContaining(words) as string }) as Error

/** A shard with `change` made to its rows or metadata before it is written. */
function shardWith(change: { meta?: Partial<ShardMeta>; rows?: (columns: KlineColumns) => void }): Uint8Array {
  const columns = bars(5)
  change.rows?.(columns)
  return encodeArrowShard(columns, { ...META, ...change.meta })
}

/** The bytes with the ASCII text `from` replaced by one of the same length. */
function patch(bytes: Uint8Array, from: string, to: string): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(from, to), 'latin1')
}

interface ForeignOptions {
  readonly nullable?: boolean
  readonly timestamp?: DataType
  readonly integer?: DataType
  readonly columns?: number
  readonly batches?: number
  readonly head?: boolean
  /** default: none */
  readonly metadata?: Map<string, string>
  /** rows that it says it has, values that each column has, and how many of them are null */
  readonly rows?: number
  readonly values?: number
  readonly nulls?: number
}

/** Writes the schema at the head, as other implementations do and apache-arrow does not. */
class HeadWriter extends RecordBatchFileWriter {
  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema)
    return this._writeMessage(Message.from(schema))
  }
}

/** An Arrow file that is nearly a shard. */
function foreignFile({
  nullable = false,
  timestamp = new TimestampMicrosecond('UTC'),
  integer = new Int64(),
  columns = 11,
  batches = 1,
  head = true,
  metadata = new Map<string, string>(),
  rows = 1,
  values = rows,
  nulls = 0,
}: ForeignOptions): Uint8Array {
  const typeOf = { timestamp, float64: new Float64(), int64: integer }
  const fields = KLINE_COLUMNS.slice(0, columns).map(({ name, type }) => new Field(name, typeOf[type] as DataType, nullable))
  const children = fields.map(({ type }) => {
    const nullBitmap = nulls === 0 ? null : new Uint8Array(8)
    return makeData({ type, length: rows, nullCount: nulls, nullBitmap, data: new Float64Array(values) } as never) as Data
  })
  const batch = new RecordBatch(new Schema(fields, metadata), makeData({ type: new Struct(fields), length: rows, nullCount: 0, children }))
  const writer = head ? new HeadWriter() : new RecordBatchFileWriter()
  if (batches === 0) writer.reset(undefined, batch.schema)
  for (let i = 0; i < batches; i++) writer.write(batch)
  return writer.finish().toUint8Array(true)
}

describe('encodeArrowShard', () => {
  const bytes = encodeArrowShard(bars(5), META)

  test('writes the schema and the metadata of the contract, as apache-arrow reads them', () => {
    const { schema, batches } = tableFromIPC(bytes)
    expect(batches).toHaveLength(1)
    expect(schema.fields.map((field) => `${field.name}: ${String(field.type)}${field.nullable ? ' nullable' : ''}`)).toEqual([
      'open_time: Timestamp<MICROSECOND, UTC>',
      'open: Float64',
      'high: Float64',
      'low: Float64',
      'close: Float64',
      'volume: Float64',
      'close_time: Timestamp<MICROSECOND, UTC>',
      'quote_asset_volume: Float64',
      'count: Int64',
      'taker_buy_volume: Float64',
      'taker_buy_quote_volume: Float64',
    ])
    expect([...schema.metadata]).toEqual([
      ['ckvd.format', '1'],
      ['ckvd.market', 'um'],
      ['ckvd.symbol', '币安人生USDT'],
      ['ckvd.interval', '1h'],
      ['ckvd.day', '2024-01-01'],
      ['ckvd.source', 'vision-daily+rest'],
      ['ckvd.archive.key', 'data/futures/um/daily/klines/X/1h/X-1h-2024-01-01.zip'],
      ['ckvd.archive.sha256', 'ab'.repeat(32)],
      ['ckvd.archive.etag', '"0123"'],
      ['ckvd.condition', 'outage'],
      ['ckvd.rows', '5'],
      ['ckvd.expected', '24'],
      ['ckvd.off_grid', '0'],
      ['ckvd.duplicates', '2'],
      ['ckvd.odd_close', '0'],
      ['ckvd.odd_rows', '0'],
      ['ckvd.digest', digestOf(bars(5))],
      [
        'ckvd.gaps',
        '[{"start_us":1704085200000000,"end_us":1704153600000000,"bars":19,"source":null,"before_us":null,"after_us":null,"reason":"rest-failed"}]',
      ],
    ])
  })

  test('writes the schema at the head too, for readers that stream a file', () => {
    const reader = RecordBatchReader.from(bytes.subarray(8))
    expect(reader.open().schema.fields).toHaveLength(11)
    const batch = reader.next().value as RecordBatch
    expect(batch.numRows).toBe(5)
  })

  test('gives the same bytes for the same input, in a buffer of their own', () => {
    expect(Buffer.from(encodeArrowShard(bars(5), META)).equals(bytes)).toBe(true)
    expect(bytes.byteOffset).toBe(0)
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength)
  })

  test('writes views of larger columns as it writes their copies', () => {
    const larger = sliceColumns(bars(9), 0, 5)
    expect(Buffer.from(encodeArrowShard(larger, META)).equals(bytes)).toBe(true)
  })

  test('a month-sized interval is written as 1M, an absent archive as nothing', () => {
    const meta: ShardMeta = {
      ...META,
      interval: '1M',
      rows: 1,
      oddClose: 1,
      archiveKey: null,
      archiveSha256: null,
      archiveEtag: null,
      gaps: [],
    }
    const shard = encodeArrowShard(bars(1), meta)
    expect(tableFromIPC(shard).schema.metadata.get('ckvd.interval')).toBe('1M')
    expect(tableFromIPC(shard).schema.metadata.get('ckvd.archive.key')).toBe('')
    expect(decodeArrowShard(shard).meta).toEqual(meta)
  })

  test('refuses a shard without rows, and one with other rows than it says', () => {
    expect(() => encodeArrowShard(bars(0), { ...META, rows: 0 })).toThrow(expect.objectContaining({ code: 'CKVD_BUG' }) as Error)
    expect(() => encodeArrowShard(bars(4), META)).toThrow(expect.objectContaining({ code: 'CKVD_BUG' }) as Error)
  })
})

describe('decodeArrowShard', () => {
  test('gives rows and metadata back, without copying', () => {
    const bytes = encodeArrowShard(bars(5), META)
    const { columns, meta } = decodeArrowShard(bytes)
    expect(meta).toEqual(META)
    expect(columns).toEqual(bars(5))
    expect(columns.open.buffer).toBe(bytes.buffer)
  })

  test('reads bytes that are not aligned', () => {
    const bytes = encodeArrowShard(bars(5), META)
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect(decodeArrowShard(shifted.subarray(3)).columns).toEqual(bars(5))
  })

  test('refuses a file cut at any byte', () => {
    const bytes = encodeArrowShard(bars(5), META)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeArrowShard(bytes.subarray(0, length)), `${length} bytes`).toThrow(refusal('found'))
    }
  })

  test('any single flipped bit ends in a value or a code of shards, and one in the rows never in a value', () => {
    const bytes = Uint8Array.from(encodeArrowShard(bars(2), { ...META, rows: 2 }))
    const outcomes = { value: 0, refused: 0, digest: 0, other: [] as unknown[] }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      try {
        decodeArrowShard(bytes)
        outcomes.value++
      } catch (error) {
        if (isCkvdError(error, 'CKVD_SHARD_FORMAT')) outcomes.refused++
        else if (isCkvdError(error, 'CKVD_SHARD_DIGEST')) outcomes.digest++
        else outcomes.other.push(bit, error)
      }
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(outcomes.other).toEqual([])
    expect(outcomes.refused).toBeGreaterThan(1000)
    expect(outcomes.digest).toBeGreaterThanOrEqual(11 * 2 * 64)
  })

  test.each<[string, (columns: KlineColumns) => void, string]>([
    ['a time twice', ({ openTime }) => (openTime[2] = openTime[1]!), 'strictly ascending'],
    ['a time before the chunk', ({ openTime }) => (openTime[0] = BigInt(START_US - 1)), 'found 2023-12-31T23:59:59.999999Z in row 0'],
    [
      'a time after the chunk',
      ({ openTime, closeTime }) => (openTime[4] = closeTime[4] = BigInt(START_US + 86_400_000_000)),
      'open times before 2024-01-02T00:00:00.000000Z, found 2024-01-02T00:00:00.000000Z in row 4',
    ],
    ['a high below the open', ({ open, high }) => (high[1] = (open[1] = 3) - 0.5), 'contradict'],
    ['a high below the close', ({ high, close }) => (high[1] = close[1]! - 0.5), 'contradict'],
    ['a low above the open', ({ open, low }) => (low[1] = open[1]! + 0.5), 'contradict'],
    ['a low above the close', ({ open, low, close }) => (low[1] = (close[1] = open[1]! - 0.5) + 0.1), 'contradict'],
    ['a negative low', ({ low }) => (low[1] = -1e-8), 'contradict'],
    ['a close before the open', ({ openTime, closeTime }) => (closeTime[1] = openTime[1]! - 1n), '0 bars with an odd close_time'],
    ['a time of no calendar', ({ openTime }) => (openTime[4] = 2n ** 62n), 'found 4611686018427388000 µs in row 4'],
    ['a price that is no number', ({ close }) => (close[1] = NaN), 'finite'],
    ['an infinite high', ({ high }) => (high[1] = Infinity), 'finite'],
    ['a negative volume', ({ volume }) => (volume[3] = -1), 'contradict'],
    ['an infinite quote volume', ({ quoteVolume }) => (quoteVolume[3] = Infinity), 'finite'],
    ['a negative count', ({ count }) => (count[3] = -1n), 'contradict'],
  ])('refuses %s', (_, rows, words) => {
    expect(() => decodeArrowShard(shardWith({ rows }))).toThrow(refusal(words))
  })

  test.each<[string, (columns: KlineColumns) => void]>([
    ['without a trade', ({ open, high, low, close, volume }) => [open, high, low, close, volume].forEach((values) => (values[1] = 0))],
    ['of one price', ({ open, high, low, close }) => [open, high, low, close].forEach((values) => (values[1] = 2))],
    ['that closes with the last microsecond', ({ closeTime }) => (closeTime[1]! += 999n)],
  ])('takes a bar %s', (_, rows) => {
    const columns = bars(5)
    rows(columns)
    expect(decodeArrowShard(shardWith({ rows })).columns).toEqual(columns)
  })

  test('takes odd close times and bars that contradict themselves as far as the metadata counts them', () => {
    const rows = ({ openTime, closeTime, low, high, volume }: KlineColumns): void => {
      closeTime[1] = openTime[1]! - 1n
      closeTime[2] = openTime[2]!
      high[0] = low[0]! / 2
      volume[4] = -1
    }
    const columns = bars(5)
    rows(columns)
    expect(decodeArrowShard(shardWith({ rows, meta: { oddClose: 2, oddRows: 2 } })).columns).toEqual(columns)
    expect(() => decodeArrowShard(shardWith({ rows, meta: { oddClose: 1, oddRows: 2 } }))).toThrow(
      refusal('1 bar with an odd close_time, found 2'),
    )
    expect(() => decodeArrowShard(shardWith({ rows, meta: { oddClose: 2, oddRows: 1 } }))).toThrow(
      refusal('1 bar that contradicts itself, found 2, the first one at 2024-01-01T00:00:00.000000Z'),
    )
  })

  test('refuses columns that do not have the digest that the shard states, unless the whole file is proven', () => {
    const bytes = encodeKlines(bars(5), encodeMeta(META, digestOf(bars(4))))
    const mismatch = expect.objectContaining({
      code: 'CKVD_SHARD_DIGEST',
      details: { expected: digestOf(bars(4)), found: digestOf(bars(5)) },
    }) as Error
    expect(() => decodeArrowShard(bytes)).toThrow(mismatch)
    expect(decodeArrowShard(bytes, true).columns).toEqual(bars(5))
  })

  test('reads a shard of the first version, and counts its odd close times itself', () => {
    const late = bars(5)
    late.closeTime[3]! += 60_000_000n
    expect(decodeArrowShard(firstShard(late))).toEqual({ columns: late, meta: { ...META, oddClose: 1 } })
    const early = bars(5)
    early.closeTime[3] = early.openTime[3]! - 1n
    expect(() => decodeArrowShard(firstShard(early))).toThrow(refusal('close after they open'))
    const crossed = bars(5)
    crossed.high[3] = 0
    expect(() => decodeArrowShard(firstShard(crossed))).toThrow(refusal('0 bars that contradict themselves'))
  })

  test('refuses rows that the metadata does not count, and a file of none', () => {
    expect(() => decodeArrowShard(encodeKlines(bars(5), encodeMeta({ ...META, rows: 4 }, digestOf(bars(5)))))).toThrow(refusal('4 rows'))
    expect(() => decodeArrowShard(encodeKlines(bars(0), encodeMeta({ ...META, rows: 0 }, digestOf(bars(0)))))).toThrow(refusal('0 rows'))
  })

  test('refuses columns with nulls, and columns of fewer values than rows', () => {
    const metadata = encodeMeta({ ...META, rows: 9 }, digestOf(bars(9)))
    expect(() => decodeArrowShard(foreignFile({ metadata, rows: 9, nulls: 1 }))).toThrow(refusal('1 nulls'))
    expect(() => decodeArrowShard(foreignFile({ metadata, rows: 9, values: 8 }))).toThrow(refusal('0 nulls and 64 bytes'))
  })

  test.each<[string, Partial<ShardMeta>, string]>([
    ['market', { market: 'margin' as 'um' }, 'ckvd.market'],
    ['symbol', { symbol: '../x' }, 'ckvd.symbol'],
    ['interval', { interval: '2m' as '1m' }, 'ckvd.interval'],
    ['interval, as paths write it', { interval: '1mo' as '1M' }, 'ckvd.interval'],
    ['day', { day: '2024-02-30' as UtcDay }, 'ckvd.day'],
    ['day within a month', { interval: '1w', day: '2024-01-08' as UtcDay }, 'ckvd.day'],
    ['source', { source: '' }, 'ckvd.source'],
    ['digest', { archiveSha256: 'xyz' }, 'ckvd.archive.sha256'],
    ['condition', { condition: 'failed' as 'partial' }, 'ckvd.condition'],
    ['count', { expected: -1 }, 'ckvd.expected'],
    ['gap', { gaps: [{ startUs: 2, endUs: 1, bars: 1, evidence: doubt('not-asked') }] }, 'ckvd.gaps'],
    [
      'gap outside of the chunk',
      { gaps: [{ startUs: START_US - 1, endUs: START_US, bars: 1, evidence: doubt('not-asked') }] },
      'gaps inside the chunk',
    ],
    [
      'gap after the chunk',
      { gaps: [{ startUs: START_US + 86_400_000_000, endUs: START_US + 90_000_000_000, bars: 1, evidence: doubt('not-asked') }] },
      'gaps inside the chunk',
    ],
  ])('refuses a wrong %s', (_, meta, words) => {
    expect(() => decodeArrowShard(shardWith({ meta }))).toThrow(refusal(words))
  })

  test.each<[string, string, string, string]>([
    ['another format', 'ckvd.format', 'ckvd.farmot', 'ckvd.format'],
    ['a missing key', 'ckvd.off_grid', 'ckvd.off_gird', 'ckvd.off_grid'],
    ['counts without a digest', 'ckvd.digest', 'ckvd.didest', 'ckvd.digest'],
    ['a digest without counts', 'ckvd.odd_rows', 'ckvd.odd_tows', 'ckvd.odd_rows'],
    ['another column name', 'taker_buy_volume', 'maker_buy_volume', 'taker_buy_volume float64'],
    ['another zone', 'UTC', 'CET', 'timestamp[us, UTC]'],
  ])('refuses %s', (_, from, to, words) => {
    expect(() => decodeArrowShard(patch(shardWith({}), from, to))).toThrow(refusal(words))
  })

  test('refuses head and footer that disagree', () => {
    const bytes = Buffer.from(shardWith({}))
    bytes.write('maker', bytes.lastIndexOf('taker_buy_volume'))
    expect(() => decodeArrowShard(bytes)).toThrow(refusal('differ'))
  })

  test.each<[string, () => Uint8Array, string]>([
    ['nullable columns', () => foreignFile({ nullable: true }), 'found open_time timestamp[us, UTC] nullable'],
    ['columns of another type', () => foreignFile({ timestamp: new TimestampMillisecond('UTC') }), 'found open_time timestamp[ms, UTC]'],
    ['a timestamp without zone', () => foreignFile({ timestamp: new TimestampMicrosecond() }), 'found open_time timestamp[us]'],
    ['counts without a sign', () => foreignFile({ integer: new Uint64() }), 'found count uint64'],
    ['a missing column', () => foreignFile({ columns: 10 }), 'Expected a shard with 11 columns, found 10'],
    ['two record batches', () => foreignFile({ batches: 2 }), '2 record batches'],
    ['no record batch', () => foreignFile({ batches: 0 }), '0 record batches'],
    ['a file without the schema at its head', () => foreignFile({ head: false }), 'a message of type 3 instead of 1'],
    ['a schema without metadata', () => foreignFile({}), 'the metadata ckvd.format'],
  ])('refuses %s', (_, file, words) => {
    expect(() => decodeArrowShard(file())).toThrow(refusal(words))
  })
})

describe('isArrowShard', () => {
  const bytes = encodeArrowShard(bars(5), META)

  test('knows its own, even cut or with broken rows', () => {
    expect(isArrowShard(bytes)).toBe(true)
    expect(isArrowShard(bytes.subarray(0, bytes.length - 1))).toBe(true)
    expect(isArrowShard(shardWith({ rows: ({ high }) => high.fill(0) }))).toBe(true)
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['text', Buffer.from('ckvd.format')],
    ['a head alone', bytes.subarray(0, 20)],
    ['an Arrow file without the key', patch(bytes, 'ckvd.format', 'else.format')],
    ['an Arrow file without metadata', foreignFile({ head: false })],
  ])('is false for %s', (_, foreign) => {
    expect(isArrowShard(foreign)).toBe(false)
  })
})
