import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { REMEDIES } from '../../../src/cli/show/remedies.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import { ERROR_CATALOGUE } from '../../../src/errors.ts'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

/** A table cell as plain text. */
const decodeCell = (cell: string): string => cell.trim().replace(/\\(.)/g, '$1')

/** The table of the page: one row a code. */
const documented = page
  .split('\n')
  .filter((line) => line.startsWith('| `CKVD_'))
  .map((line) => {
    const [, code = '', exit = '', retryable = '', meaning = '', remedy = ''] = line.split(/(?<!\\)\|/)
    const plain = { code: code.trim().replaceAll('`', ''), exit: exit.trim(), retryable: retryable.trim() }
    return { ...plain, meaning: decodeCell(meaning), remedy: decodeCell(remedy) }
  })

test('docs/errors.md lists the codes of the catalogue, each once, in its order (else: npm run build && node scripts/errors-doc.mjs)', () => {
  expect(documented.map((row) => row.code)).toEqual(Object.keys(ERROR_CATALOGUE))
})

test('docs/errors.md tells exit code, retryability and meaning of each code as the catalogue does, and what to do about it', () => {
  const expected = Object.entries(ERROR_CATALOGUE).map(([code, entry]) => ({
    code,
    exit: String(entry.exit),
    retryable: entry.retryable ? 'yes' : 'no',
    meaning: entry.meaning.replace(/\s+/g, ' '), // as Markdown shows it
    remedy: REMEDIES[code as ErrorCode],
  }))
  expect(documented).toEqual(expected)
})

test('every code that the page mentions anywhere exists', () => {
  const mentioned = new Set(page.match(/CKVD_[A-Z0-9_]*[A-Z0-9]/g))
  expect([...mentioned].filter((code) => !(code in ERROR_CATALOGUE))).toEqual([])
  expect(mentioned.size).toBeGreaterThan(0)
})
