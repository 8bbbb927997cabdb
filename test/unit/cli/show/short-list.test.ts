import { expect, test } from 'vitest'
import { shortList } from '../../../../src/cli/show/short-list.ts'

const members = (count: number): string[] => Array.from({ length: count }, (_, i) => `member ${i + 1}`)

test.each([
  [0, 0, ''],
  [1, 1, '  member 1'],
  [20, 20, '  member 20'],
  [21, 21, '  … and 1 more; --json lists them all'],
  [1300, 21, '  … and 1,280 more; --json lists them all'],
])('of %d members there are %d lines', (count, lines, last) => {
  const text = shortList('title', members(count))
  if (count === 0) expect(text).toBe('')
  else
    expect([text.split('\n')[0], text.trimEnd().split('\n').length, text.trimEnd().split('\n').at(-1)]).toEqual(['title:', lines + 1, last])
})

test('a member stays on its line, whatever stands in it', () => {
  expect(shortList('title', ['a\nb\x1b[2J'])).toBe('title:\n  a\\u000ab\\u001b[2J\n')
})
