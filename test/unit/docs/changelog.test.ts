import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const readText = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

const packageVersion = (JSON.parse(readText('package.json')) as { version: string }).version
const headings = readText('CHANGELOG.md')
  .split('\n')
  .filter((line) => line.startsWith('## '))
const versions = headings.map((heading) => heading.split(' ')[1] ?? '')

test('each heading of CHANGELOG.md is a version and a day, or "unreleased" for the newest alone', () => {
  expect(headings.length).toBeGreaterThan(0)
  headings.forEach((heading, index) => {
    expect(heading).toMatch(index === 0 ? /^## \d+\.\d+\.\d+ - (unreleased|\d{4}-\d{2}-\d{2})$/ : /^## \d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}$/)
  })
})

test("the newest version of CHANGELOG.md is package.json's", () => {
  expect(versions[0]).toBe(packageVersion)
})

test('versions of CHANGELOG.md descend, none twice', () => {
  const toNumber = (version: string): number => version.split('.').reduce((sum, part) => sum * 10_000 + Number(part), 0)
  const numbers = versions.map(toNumber)
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => b - a))
})
