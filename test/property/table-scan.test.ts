import fc from 'fast-check'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeTable } from '../../src/codec/csv/csv-table.ts'
import { WasmDecoder } from '../../src/codec/csv/csv-wasm.ts'
import { PlainBatch } from '../../src/codec/csv/row-batch.ts'
import { RowColumns } from '../../src/codec/csv/row-columns.ts'
import { TableScan } from '../../src/codec/csv/table-scan.ts'
import type { Dataset, DatasetColumn } from '../../src/dataset/dataset.ts'
import type { ColumnType } from '../../src/model/columns.ts'
import { outcomeOf } from '../support/table-outcome.ts'
import { AGG_TRADES } from '../support/trade-datasets.ts'
import { readDecoderModule } from '../support/wasm.ts'

const decoder = new WasmDecoder(readDecoderModule())
const PLACE = { market: 'um' as const, symbol: 'BTCUSDT', period: { startUs: 0, endUs: 0 } }
const START_MS = Date.UTC(2024, 0, 1)

function digits(min: number, max: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
}

const sign = fc.constantFrom('', '', '', '-')
/** What a column holds, and whether its times are written as text. */
type Kind = ColumnType | 'textTime' | 'dateHour'

const pad = (n: number): string => String(n).padStart(2, '0')

function pair(most: number): fc.Arbitrary<string> {
  return fc.nat(most).map(pad)
}

/** A date that need not be one, and a time of its day that need not be one. */
function textTime(years: fc.Arbitrary<number>, most: Readonly<{ month: number; day: number; hour: number; minute: number }>) {
  return fc
    .tuple(years, pair(most.month), pair(most.day), pair(most.hour), pair(most.minute), pair(most.minute))
    .map(([year, month, day, hour, minute, second]) => `${year}-${month}-${day} ${hour}:${minute}:${second}`)
}

/** A cell as archives write it, by what its column holds. */
const USUAL: Readonly<Record<Kind, fc.Arbitrary<string>>> = {
  textTime: fc.oneof(
    fc.nat(86_399).map((second) => new Date(START_MS + 1000 * second).toISOString().slice(0, 19).replace('T', ' ')),
    fc
      .date({ min: new Date('2009-01-01T00:00Z'), max: new Date('2099-12-31T23:59Z'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 19).replace('T', ' ')),
  ),
  dateHour: fc
    .tuple(fc.nat(60_000), fc.nat(23), fc.boolean())
    .map(([hours, hour, isLong]) => `${new Date(START_MS + 3_600_000 * hours).toISOString().slice(0, 10)},${isLong ? pad(hour) : hour}`),
  timestamp: fc.tuple(fc.nat(86_399_999), fc.constantFrom('', '', '123')).map(([ms, micros]) => `${START_MS + ms}${micros}`),
  float64: fc.oneof(
    fc.tuple(sign, digits(1, 6), digits(8, 8)).map(([minus, whole, fraction]) => `${minus}${whole}.${fraction}`),
    fc.tuple(sign, digits(1, 15), digits(1, 15)).map(([minus, whole, fraction]) => `${minus}${whole}.${fraction}`),
    fc.tuple(sign, digits(1, 15)).map((parts) => parts.join('')),
  ),
  int64: fc.oneof(
    digits(1, 11),
    fc.tuple(sign, digits(1, 15)).map((parts) => parts.join('')),
  ),
  bool: fc.constantFrom('true', 'false', 'True', 'False'),
  word: fc.constantFrom('LIMIT', 'STOP', 'STOP_MARKET'),
  text: fc.oneof(
    fc.constantFrom('BTC-230519-27000-C', 'BTCBVOL', '~', '!'),
    fc.string({ unit: fc.constantFrom(...'AZaz09-_./:+#$&()=@[]{}'), minLength: 1, maxLength: 64 }),
  ),
}
/** Cells that are nearly as they should be. */
const ODD: Readonly<Record<Kind, fc.Arbitrary<string>>> = {
  textTime: fc.oneof(
    textTime(fc.integer({ min: 2000, max: 2105 }), { month: 13, day: 32, hour: 24, minute: 60 }),
    textTime(fc.integer({ min: 1895, max: 2105 }), { month: 2, day: 29, hour: 23, minute: 59 }),
    // one character of a time is another one
    fc.tuple(fc.nat(19), fc.string({ unit: fc.constantFrom(...'0/:9 -T,\u00b0\u00e9'), maxLength: 2 })).map(([at, other]) => {
      const text = '2024-02-29 23:59:59'
      return text.slice(0, at) + other + text.slice(at + 1)
    }),
  ),
  dateHour: fc.constantFrom(
    '2024-02-30,0',
    '2024-02-29,24',
    '2024-02-29,',
    ',5',
    '2024-02-29,-1',
    '2024-02-29,1.0',
    '2024-2-29,1',
    '1999-01-01,3',
  ),
  timestamp: fc.oneof(
    digits(10, 18),
    fc.constantFrom('4102444799999', '4102444800000', '1230767999999999', '1230768000000', '-1704067200000'),
  ),
  float64: fc.oneof(
    fc.tuple(sign, digits(1, 22), digits(1, 22)).map(([minus, whole, fraction]) => `${minus}${whole}.${fraction}`),
    fc.constantFrom('1e-5', '1E5', '-0', '-0.0', '+1', '.5', '1.', '--1', '9007199254740993', '0.9007199254740993', '1e999', 'NaN', ''),
  ),
  int64: fc.oneof(
    fc.tuple(sign, digits(14, 20)).map((parts) => parts.join('')),
    fc.constantFrom('-0', '1.0', '1e3', '', '-', '00000000'),
  ),
  bool: fc.constantFrom('TRUE', 'tRue', 'fAlse', 'truefalse', 'fals', 'true ', '1', '0', '', '\u0054rue', 'FALSE', 'falsE'),
  word: fc.constantFrom('limit', 'STO', 'STOP_', '', 'LIMIT '),
  text: fc.constantFrom('', '""', '"BTC"', 'B C', 'B\tC', '\u00e9', 'x'.repeat(65), '\u0000', ' '),
}
const ANY = fc.string({ unit: fc.constantFrom(...'0159.,-+eE \rtrufals\u00e9'), maxLength: 6 })

/** Bounds that some cells keep and some do not. */
const bounds: fc.Arbitrary<Pick<DatasetColumn, 'least' | 'most'>> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({}) },
  { weight: 4, arbitrary: fc.constantFrom({ least: 0 }, { least: 0, most: 1e16 }, { least: -1e15 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ most: START_MS * 1000 + 43_200_000_000 }, { least: 0.5 }, { most: 0 }, { least: 1, most: -1 }),
  },
)
const kinds = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom<Kind>('timestamp', 'float64', 'int64', 'bool', 'textTime') },
  // the scanner leaves rows of words and texts to the exact reader, all of them
  { weight: 3, arbitrary: fc.constantFrom<Kind>('word', 'text', 'dateHour') },
)

function typeOf(kind: Kind): Pick<DatasetColumn, 'type' | 'isText' | 'words' | 'hour'> {
  if (kind === 'dateHour') return { type: 'timestamp', hour: 'hour' }
  if (kind === 'word') return { type: kind, words: ['LIMIT', 'STOP', 'STOP_MARKET'] }
  return kind === 'textTime' ? { type: 'timestamp', isText: true } : { type: kind }
}

/** A description of 1 to 12 columns; one of them is the time. */
const dataset: fc.Arbitrary<Dataset> = fc
  .tuple(fc.array(fc.tuple(kinds, bounds), { maxLength: 11 }), fc.nat(11), bounds, fc.constantFrom<Kind>('timestamp', 'textTime'))
  .map(([others, at, timeBounds, timeKind]) => {
    const columns = others.map(([kind, own], i): DatasetColumn => ({ key: `c${i}`, name: `name_${i}`, ...typeOf(kind), ...own }))
    const time: DatasetColumn = { key: 'openTime', name: 'time', header: 'label', ...typeOf(timeKind), ...timeBounds }
    return { ...AGG_TRADES, columns: columns.toSpliced(at % (columns.length + 1), 0, time) }
  })

/** A cell of a column, most often within its bounds. */
function cellOf({ type, isText, hour, least }: DatasetColumn, oddness: number): fc.Arbitrary<string> {
  const kind = hour !== undefined ? 'dateHour' : isText === true ? 'textTime' : type
  const usual =
    least === 0 && !['textTime', 'text', 'dateHour'].includes(kind) ? USUAL[kind].map((text) => text.replace('-', '')) : USUAL[kind]
  return fc.oneof({ weight: 1000, arbitrary: usual }, { weight: oddness, arbitrary: ODD[kind] }, { weight: oddness, arbitrary: ANY })
}

const ends = fc.constantFrom(...Array<string>(20).fill('\n'), '\r\n')
/** A CSV of a description: rows, and now and then a line that is none. */
function csvOf({ columns }: Dataset, oddness: number): fc.Arbitrary<string> {
  const header = columns.map(({ header, name, hour }) => [header ?? name, ...(hour === undefined ? [] : [hour])].join(',')).join(',')
  const row = fc.tuple(...columns.map((column) => cellOf(column, oddness))).map((cells) => cells.join(','))
  const line = fc.oneof(
    { weight: 1000, arbitrary: row },
    { weight: oddness, arbitrary: fc.constantFrom('', '\r', header, ',', `${header},`) },
    { weight: oddness, arbitrary: row.map((text) => text.slice(0, text.lastIndexOf(',') + 1)) },
  )
  return fc
    .tuple(
      fc.constantFrom('', '', '\u{feff}'),
      fc.constantFrom('', `${header}\n`, `${header.toUpperCase()}\r\n`),
      fc.array(fc.tuple(line, oddness === 0 ? fc.constant('\n') : ends), { maxLength: 30 }),
      fc.constantFrom('', '', '\n', '\r\n\n', '\n\r\r'),
      fc.boolean(),
    )
    .map(([mark, head, lines, tail, isCut]) => {
      const text = mark + head + lines.flat().join('') + tail
      return isCut ? text.slice(0, -1) : text
    })
}

/** Columns with a CSV of theirs. */
function tables(oddness: number): fc.Arbitrary<readonly [Dataset, Buffer]> {
  return dataset.chain((described) => csvOf(described, oddness).map((text) => [described, Buffer.from(text)] as const))
}

/** All rows of a CSV that is told to a scan in pieces, and given in batches. */
function collect(described: Dataset, rows: number, feed: (to: (columns: Parameters<RowColumns['add']>[0]) => void) => void) {
  const all = new RowColumns(described.columns, 1)
  let most = 0
  feed((columns) => {
    most = Math.max(most, columns.openTime.length)
    all.add(columns)
  })
  expect(most).toBeLessThanOrEqual(rows)
  return { columns: all.columns(), rows: all.rows }
}

describe.each([
  ['of the usual form', 0, 700],
  ['with an odd cell here and there', 3, 1500],
  ['with many odd cells', 60, 1000],
])('any CSV of any description, %s', (_name, oddness, numRuns) => {
  test('gives the columns or the error that the exact decoder gives', () => {
    fc.assert(
      fc.property(tables(oddness), ([described, csv]) => {
        const expected = outcomeOf(() => decodeTable(csv, described, PLACE))
        expect(outcomeOf(() => decoder.decodeTable(csv, described, PLACE))).toEqual(expected)
        const inflated = decoder.inflate(deflateRawSync(csv), csv.length)
        expect(inflated).toBeDefined()
        expect(outcomeOf(() => decoder.decodeTable(inflated as Uint8Array, described, PLACE))).toEqual(expected)
      }),
      { numRuns },
    )
  })

  test('gives the same in batches of any size', () => {
    fc.assert(
      fc.property(tables(oddness), fc.integer({ min: 1, max: 12 }), ([described, csv], batchRows) => {
        const expected = outcomeOf(() => decodeTable(csv, described, PLACE))
        const inBatches = () =>
          collect(described, batchRows, (onBatch) => {
            decoder.scanTable(csv, { dataset: described, place: PLACE, batchRows, onBatch })
          })
        expect(outcomeOf(inBatches)).toEqual(expected)
      }),
      { numRuns },
    )
  })

  test('gives the same wherever it is cut into pieces, with the scanner and without', async () => {
    const cuts = fc.array(fc.nat(), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(tables(oddness), cuts, fc.boolean(), async ([described, csv], places, isTiny) => {
        const expected = outcomeOf(() => decodeTable(csv, described, PLACE))
        const ends = [...places.map((place) => place % (csv.length + 1)), csv.length].sort((a, b) => a - b)
        const pieces = isTiny ? Array.from(csv, (byte) => Buffer.of(byte)) : ends.map((end, i) => csv.subarray(ends[i - 1] ?? 0, end))
        const written = () =>
          collect(described, 5, (onBatch) => {
            const scan = new TableScan({ dataset: described, place: PLACE, onBatch }, new PlainBatch(described.columns, 5))
            for (const piece of pieces) scan.write(piece)
            scan.end()
          })
        expect(outcomeOf(written)).toEqual(expected)
        const all = new RowColumns(described.columns, 1)
        const options = {
          dataset: described,
          place: PLACE,
          batchRows: 5,
          onBatch: (columns: Parameters<RowColumns['add']>[0]) => all.add(columns),
        }
        const failure: unknown = await decoder.scanPieces(inTurn(pieces), options).catch((error: unknown) => error)
        const streamed = () => {
          if (typeof failure !== 'number') throw failure as Error
          return { columns: all.columns(), rows: failure }
        }
        expect(outcomeOf(streamed)).toEqual(expected)
      }),
      { numRuns: numRuns / 2 },
    )
  })
})

/** Pieces one after the other, each overwritten when the next one is wanted. */
// eslint-disable-next-line @typescript-eslint/require-await -- an asynchronous source that has all it gives
async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    const own = Uint8Array.from(piece)
    yield own
    own.fill(0x31)
  }
}

describe('decimals', () => {
  const decimal = fc.oneof(
    USUAL.float64,
    fc.tuple(digits(8, 16), digits(7, 10)).map(([whole, fraction]) => `${whole}.${fraction}`),
    fc.tuple(sign, digits(1, 9), digits(9, 18)).map(([minus, whole, fraction]) => `${minus}${whole}.${fraction}`),
  )
  test('every one is Number(text)', () => {
    const one = {
      ...AGG_TRADES,
      columns: [
        { key: 'openTime', name: 'time', type: 'timestamp' as const },
        { key: 'a', name: 'a', type: 'float64' as const },
      ],
    }
    fc.assert(
      fc.property(fc.array(decimal, { minLength: 1, maxLength: 300 }), (texts) => {
        const csv = Buffer.from(texts.map((text) => `${START_MS},${text}\n`).join(''))
        const found = decoder.decodeTable(csv, one, PLACE).columns['a']
        texts.forEach((text, i) => expect(found?.[i]).toBe(Number(text)))
      }),
      { numRuns: 400 },
    )
  })
})
