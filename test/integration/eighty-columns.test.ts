import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { World } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { runHere } from '../support/ckvd.ts'

const WELL = Array.from({ length: 14 }, (_none, i) => `W${String.fromCharCode(65 + i)}LONGNAMEUSDT`)
const ENDED = 'AENDEDUSDT'

let world: World

beforeAll(async () => {
  const markets = [...WELL, ENDED].map((symbol) => ({
    market: 'spot' as const,
    symbol,
    firstDay: '2024-02-20',
    ...(symbol === ENDED ? { lastDay: '2024-03-04' } : {}),
  }))
  world = await createWorld({ now: '2024-03-10T12:00:00Z', markets })
  const range = ['--intervals', '1h', '--start', '2024-03-01', '--end', '2024-03-09']
  expect((await world.ckvd(['ingest', ...WELL, ...range])).exit).toBe(0)
  // without REST nobody says that a series has ended
  expect((await world.ckvd(['ingest', ENDED, ...range, '--no-rest'])).exit).toBe(3)
})
afterAll(() => world[Symbol.asyncDispose]())

async function onTerminal(columns: number, args: readonly string[], env: Readonly<Record<string, string>> = { NO_COLOR: '1' }) {
  return await runHere(args, { env: { ...world.env, ...env }, cwd: world.folder, terminal: columns })
}

describe.each([80, 120])('a terminal of %d columns', (columns) => {
  test.each([
    ['coverage', ['coverage']],
    ['coverage of all intervals', ['coverage', '--start', '2024-03-02']],
    ['a plan', ['ingest', ...WELL, '--intervals', '1h', '--start', '2024-02-25', '--end', '2024-03-09', '--dry-run']],
    ['an ingest', ['ingest', ENDED, '--intervals', '1h', '--start', '2024-03-01', '--end', '2024-03-09', '--no-rest']],
    ['resample', ['resample', '--from', '1h', '--to', '1d', '--check']],
    ['config', ['config']],
    ['the help', ['--help']],
    ['the help of a command', ['ingest', '--help']],
    ['the help of a chart', ['chart', '--help']],
    ['verify', ['verify']],
    ['availability', ['availability', '--market', 'spot', '--out', 'reports']],
    [
      'an error',
      ['coverage', '--lake', 'a-directory-that-is-not-there/and-has-a-long-name/so-that-the-message-is-longer-than-any-terminal'],
    ],
  ])('%s: no line is wider, no date, number or name is broken', async (_name, args) => {
    const { stdout, stderr } = await onTerminal(columns, args)
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      // a path alone has no place where it may be broken; a month is no date; a bar that is drawn over has no lines
      if (/^\s*\S+$/.test(line) || line.includes('\u001b') || line.endsWith('--month 2024-01')) continue
      expect(line.length, line).toBeLessThanOrEqual(columns)
      expect(line).not.toMatch(/(^|[│ ])\d{4}-\d?\d?-?\d?[│ ]*$/)
      expect(line).not.toMatch(/USD[│ ]|LONGN[│ ]|[│ ]SDT\b|\d,\d{1,2}[│ ]|│ *\d+,[│ ]*$/)
    }
  })
})

describe('coverage on a terminal', () => {
  test('has market and interval in its title, what needs attention first, and folds what is well into one line', async () => {
    const { exit, stdout } = await onTerminal(80, ['coverage'])
    expect(exit).toBe(3)
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('spot 1h · 15 series · 2024-03-01 to 2024-03-08')
    expect(lines[1]).toBe('1 series needs attention:')
    const row = lines.findIndex((line) => line.includes(ENDED))
    const fold = lines.findIndex((line) => line.startsWith('14 series are well: 112 days (112 complete), 2,688 bars.'))
    expect([row > 1, fold > row]).toEqual([true, true])
    expect(lines[row]).toMatch(/2024-03-01 │ 2024-03-08 │ +2 │ +48 │/)
    expect(stdout).not.toContain(WELL[0])
    expect(stdout).toMatch(/never requested: [\d,]+ days/)
    expect(lines.length).toBeLessThan(30)
  })

  test('colours it where there are colours', async () => {
    const escape = '\u001b['
    expect((await onTerminal(80, ['coverage'], {})).stdout).toContain(escape)
    expect((await onTerminal(80, ['coverage'])).stdout).not.toContain(escape)
    expect((await world.ckvd(['coverage'])).stdout).not.toContain(escape)
  })

  test('shows each of a few; in a pipe each of any number', async () => {
    const few = await onTerminal(80, ['coverage', '--symbols', WELL.slice(0, 2).join(',')])
    expect(few.stdout).toContain(WELL[1])
    expect(few.stdout).toContain('All 2 series are well: 16 days (16 complete), 384 bars.')
    const piped = await world.ckvd(['coverage'])
    for (const symbol of WELL) expect(piped.stdout).toContain(symbol)
    expect(piped.stdout.split('\n')[1]).toContain(ENDED)
  })
})
