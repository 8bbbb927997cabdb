import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import polars from 'nodejs-polars'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf, runHere } from '../support/ckvd.ts'

/** Two days of minutes of one symbol: what is cut short would be seen. */
const RANGE = ['--start', '2024-03-01', '--end', '2024-03-03'] as const
const MINUTES = 2880

let world: World
let from: string

beforeAll(async () => {
  world = await createWorld({ now: '2024-03-10T12:00:00Z', markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-25' }] })
  expect(await world.ingest({ symbols: ['AAAUSDT'], intervals: '1m', start: '2024-03-01', end: '2024-03-03' })).toMatchObject({ exit: 0 })
  from = join(world.folder, 'export')
  expect(await world.ckvd(['export', '--out', from])).toMatchObject({ exit: 0 })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Each command that hands rows over, with how many there are. */
const COMMANDS: readonly [string, () => readonly string[], number][] = [
  ['fetch', () => ['fetch', 'AAAUSDT', ...RANGE], MINUTES],
  ['resample', () => ['resample', 'AAAUSDT', '--to', '3m', ...RANGE], MINUTES / 3],
  ['query', () => ['query', 'SELECT open_time, close, volume, count FROM spot_1m ORDER BY open_time', '--from', from], MINUTES],
]

/** What a file holds: opening times and closes, in the form of its name. */
async function readRows(path: string): Promise<{ times: string[]; closes: number[] }> {
  const bytes = await readFile(path)
  const ending = path.slice(path.lastIndexOf('.'))
  const isoOf = (timeUs: bigint): string => `${new Date(Number(timeUs / 1000n)).toISOString().slice(0, -1)}000Z`
  if (ending === '.arrow') {
    const table = tableFromIPC(bytes)
    const times = Array.from(table.getChild('open_time')?.data.flatMap(({ values }) => [...(values as BigInt64Array)]) ?? [])
    return { times: times.map(isoOf), closes: [...(table.getChild('close')?.toArray() as Float64Array)] }
  }
  if (ending === '.parquet') {
    const frame = polars.readParquet(path)
    const times = frame.getColumn('open_time').cast(polars.Int64).toArray() as (bigint | number)[]
    return { times: times.map((time) => isoOf(BigInt(time))), closes: frame.getColumn('close').toArray() as number[] }
  }
  if (ending === '.json') {
    const rows = JSON.parse(bytes.toString()) as { open_time: string; close: number }[]
    return { times: rows.map((row) => row.open_time), closes: rows.map(({ close }) => close) }
  }
  const split = (line: string): string[] => (ending === '.csv' ? line.split(',') : line.trim().split(/ +/))
  const [head = '', ...lines] = bytes.toString().trimEnd().split('\n')
  const names = split(head)
  const rows = lines.filter((line) => /\dZ/.test(line)).map(split)
  const column = (name: string): string[] => rows.map((row) => row[names.indexOf(name)] ?? '')
  return { times: column('open_time'), closes: column('close').map(Number) }
}

describe.each(COMMANDS)('%s', (name, args, rows) => {
  test('the name of --out says the form, and every form holds every row', async () => {
    const seen = []
    for (const ending of ['csv', 'json', 'arrow', 'parquet', 'txt', 'CSV']) {
      const path = join(world.folder, `${name}.${ending}`)
      expect([ending, (await world.ckvd([...args(), '--out', path])).exit]).toEqual([ending, 0])
      seen.push(await readRows(ending === 'CSV' ? join(world.folder, `${name}.csv`) : path))
    }
    const [first] = seen
    expect([first?.times.length, first?.times[0]]).toEqual([rows, '2024-03-01T00:00:00.000000Z'])
    expect(first?.closes.every((close) => close > 0)).toBe(true)
    for (const other of seen) expect(other).toEqual(first)
  })

  test('a pipe gets CSV, whole', async () => {
    const { exit, stdout } = await world.ckvd(args())
    const lines = stdout.trimEnd().split('\n')
    expect([exit, lines.length, lines[0]?.includes('open_time'), /[│┌…]/.test(stdout)]).toEqual([0, rows + 1, true, false])
  })

  test('a table is whole in a pipe; a terminal’s is shortened, says so, and no line is wider than it', async () => {
    const piped = await world.ckvd([...args(), '--format', 'table'])
    expect(piped.stdout.split('\n').filter((line) => /2024-03-0\d.*\dZ/.test(line))).toHaveLength(rows)
    for (const columns of [80, 120]) {
      const { stdout } = await runHere(args(), { env: world.env, cwd: world.folder, terminal: columns })
      const lines = stdout.split('\n')
      expect(lines.length).toBeLessThan(60)
      expect(Math.max(...lines.slice(0, 30).map((line) => line.length))).toBeLessThanOrEqual(columns)
      expect(stdout).toMatch(/[\d,]+ (rows|bars).* shown; --out FILE\.csv has all/)
      expect(stdout).toContain('2024-03-01T00:00:00.000000Z')
    }
  })

  test('--format goes before the name; a name that says nothing is refused with the list', async () => {
    const path = join(world.folder, `${name}-odd.dat`)
    const refused = await world.ckvd([...args(), '--out', path])
    expect([refused.exit, refused.stdout, refused.stderr]).toEqual([
      2,
      '',
      expect.stringContaining('Expected `--out` to end in .csv, .json, .arrow, .parquet or .txt, or `--format`, got '),
    ])
    expect((await world.ckvd([...args(), '--out', path, '--format', 'json'])).exit).toBe(0)
    expect((JSON.parse(await readFile(path, 'utf8')) as unknown[]).length).toBe(rows)
  })

  test.each(['arrow', 'parquet'])('--format %s wants a file', async (format) => {
    const { exit, stderr } = await world.ckvd([...args(), '--format', format])
    expect([exit, stderr]).toEqual([2, expect.stringContaining(`Expected \`--out FILE\` with \`--format ${format}\``)])
  })
})

test('times have one form: microseconds and Z', async () => {
  const outputs = [
    await world.ckvd(['ingest', 'AAAUSDT', '--intervals', '1m', ...RANGE, '--json']),
    await world.ckvd(['coverage', '--json']),
    await world.ckvd(['fetch', 'AAAUSDT', '--interval', '1h', ...RANGE, '--json']),
    await world.ckvd(['resample', 'AAAUSDT', '--to', '1h', ...RANGE, '--json']),
    await world.ckvd(['export', '--out', from, '--json']),
    await world.ckvd(['verify', '--json']),
  ]
  for (const { stdout } of outputs) {
    const times = stdout.match(/\d{4}-\d\d-\d\d[T ]\d\d:[\d:.]*\w?/g) ?? []
    expect(times.filter((time) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(time))).toEqual([])
    expect(stdout).not.toMatch(/:\s*1[67]\d{11,14}[,}]/)
  }
})

test('gaps that fetch tells of have times as its rows have', async () => {
  await using gappy = await createWorld({
    now: '2024-03-10T12:00:00Z',
    markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-03-02' }],
  })
  const fetched = jsonOf(
    await gappy.ckvd(['fetch', 'AAAUSDT', '--interval', '1h', '--start', '2024-03-01', '--end', '2024-03-03', '--json']),
  )
  expect(fetched).toMatchObject({ gaps: [{ start: '2024-03-01T00:00:00.000000Z', end: '2024-03-02T00:00:00.000000Z', bars: 24 }] })
})
