import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/guarantees.md'), 'utf8')

/** The proofs of the page, a line each or the last cell of a table's row: file and name of a test. */
const proofs = page
  .split('\n')
  .map((line) => /^(?:-|\|.*\|) `(test\/[^`]+)`: (.+?)(?: \(_torture_.*\))?(?: *\|)?$/.exec(line))
  .flatMap((match) => (match === null ? [] : [{ file: match[1] ?? '', name: match[2] ?? '' }]))

test('every proof of docs/guarantees.md is a test that exists', () => {
  expect(proofs).not.toEqual([])
  const missing = proofs.filter(({ file, name }) => !existsSync(join(root, file)) || !readFileSync(join(root, file), 'utf8').includes(name))
  expect(missing).toEqual([])
})

test('every promise has a proof, and every line of a proof was read', () => {
  const promises = page.split(/^## /m).slice(1)
  expect(promises.filter((promise) => !/^- `test\//m.test(promise))).toEqual([])
  expect(page.split('\n').filter((line) => line.startsWith('- ') || /^\| (?!attack|-)/.test(line))).toHaveLength(proofs.length)
})
