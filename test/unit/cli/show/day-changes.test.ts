import { expect, test } from 'vitest'
import type { DayChange } from '../../../../src/report/history/changes.ts'
import { showChanges } from '../../../../src/cli/show/day-changes.ts'
import { createTextOutput } from '../../../../src/cli/show/text-output.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'

const SINCE = { run: 7, iso: '2024-03-10T06:00:00.000Z' }
const OLD = { revision: 1, source: 'rest', archive_etag: null, archive_sha256: null, shard_sha256: 'b'.repeat(64) } as const

function changeOf(symbol: string, day: string, change: Partial<DayChange>): DayChange {
  return {
    ...{
      market: 'spot',
      dataset: 'klines',
      symbol,
      interval: '1m',
      day: day as UtcDay,
      change: 'stored',
      condition: 'complete',
      source: 'vision-daily',
    },
    ...{ rows: 1440, revision: 1, changed_rows: null, archive_etag: 'a', archive_sha256: 'b', shard_sha256: 'c', old: null, reason: null },
    updated_at: '2024-03-10T06:00:01.000000Z',
    ...change,
  }
}

const SYMBOLS = ['AAAUSDT', 'BBBUSDT', 'CCCUSDT']
const CHANGES = SYMBOLS.flatMap((symbol) => [
  changeOf(symbol, '2024-03-08', { change: 'upgraded', old: OLD, changed_rows: symbol === 'BBBUSDT' ? 2 : 0 }),
  changeOf(symbol, '2024-03-09', { condition: 'provisional' }),
])

function shown(isTTY: boolean, changes: readonly DayChange[]): string[] {
  let text = ''
  showChanges(createTextOutput({ write: (part) => (text += part), isTTY, columns: 80 }), SINCE, changes)
  return text.trimEnd().split('\n')
}

test('on a terminal series that changed alike stand in one row, those that differ alone', () => {
  const lines = shown(true, [
    ...CHANGES,
    changeOf('DDDUSDT', '2024-03-09', { change: 'unexplained', condition: 'partial', reason: 'REST was off' }),
  ])
  expect(lines.filter((line) => line.length > 80)).toEqual([])
  const rows = lines
    .filter((line) => /2024-03-\d\d.*2024-03-\d\d/.test(line))
    .map((line) =>
      line
        .split('│')
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
  expect(rows).toEqual([
    ['unexplained', 'spot DDDUSDT 1m', '2024-03-09', '2024-03-09', '1', 'partial', ''],
    ['upgraded', '2 series', '2024-03-08', '2024-03-08', '2', 'complete', '0'],
    ['upgraded', 'spot BBBUSDT 1m', '2024-03-08', '2024-03-08', '1', 'complete', '2'],
    ['stored', '3 series', '2024-03-09', '2024-03-09', '3', 'provisional', ''],
  ])
  expect(lines).toContain('Series that changed alike stand in one row; --csv and --json tell of each.')
  expect(lines.slice(-2)).toEqual(['unexplained:', '  spot DDDUSDT 1m 2024-03-09: REST was off'])
})

test('in a pipe nothing is folded', () => {
  const lines = shown(false, CHANGES)
  expect(lines.filter((line) => /USDT 1m/.test(line))).toHaveLength(6)
  expect(lines.at(-1)).toBe('6 days: 3 upgraded, 3 stored')
})
