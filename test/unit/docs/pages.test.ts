import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { SETTINGS } from '../../../config/setting-table.ts'
import { ERROR_CATALOGUE } from '../../../src/errors.ts'
import { HOOK_VARIABLES } from '../../../src/cli/end/end-options.ts'
import * as library from '../../../src/index.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))
/** What goes into the package: `files` of package.json, and what npm packs of itself. */
const PACKED = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] }).files
const ALWAYS_PACKED = ['README.md', 'LICENSE', 'package.json']
const isPacked = (path: string): boolean => ALWAYS_PACKED.includes(path) || PACKED.some((one) => path === one || path.startsWith(`${one}/`))
/** The anchors of a page's headings, as GitHub and npm make them. */
const anchorsOf = (page: string): string[] =>
  [...readPage(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
/** Paths of the project that a page names in code, alone or in a command (those that end in `.py` are another project's). */
const pathsOf = (page: string): string[] =>
  [...readPage(page).matchAll(/```[\s\S]*?```|`[^`\n]+`/g)]
    .flatMap(([code]) => code.split(/[\s`'"]+/))
    .filter((word) => /^(?:src|config|workers|scripts|test|bench|docs|examples|\.ci)\/[\w./-]+$/.test(word) && !word.endsWith('.py'))
const readPage = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

describe.each(PAGES)('%s', (page) => {
  test('links to files that are there', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, to = '']) => to).filter((to) => !/^https?:/.test(to))
    expect(links.filter((to) => !existsSync(join(ROOT, dirname(page), to)))).toEqual([])
  })

  test('links to files that are in the package, too', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, to = '']) => to).filter((to) => !/^https?:/.test(to))
    expect(PACKED.filter((one) => one.startsWith('!'))).toEqual([])
    // a folder has no page where nobody makes one of its README
    const isThere = (path: string): boolean => isPacked(path) && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile() === true
    expect([page, ...links.map((to) => join(dirname(page), to))].filter((path) => !isThere(path))).toEqual([])
  })

  test('says where the paths lie that it names and that are not in the package', () => {
    const elsewhere = pathsOf(page).filter((path) => !isPacked(path))
    const says = /source repository/.test(readPage(page))
    expect(says ? [] : elsewhere).toEqual([])
  })

  test('links to headings that are there', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)#\s]*)#([^)]*)\)/g)].map(([, to = '', anchor = '']) => ({
      to: to === '' ? page : join(dirname(page), to),
      anchor,
    }))
    const local = links.filter(({ to }) => !/^https?:/.test(to))
    expect(local.filter(({ to, anchor }) => !existsSync(join(ROOT, to)) || !anchorsOf(to).includes(anchor))).toEqual([])
  })

  test('names paths of the project that are there', () => {
    expect(pathsOf(page).filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('names error codes and variables that exist', () => {
    const known = new Set<string>([...Object.keys(ERROR_CATALOGUE), ...SETTINGS.map(({ environment }) => environment), ...HOOK_VARIABLES])
    if (page === 'docs/from-python.md') known.add('CKVD_CACHE_DIR') // a variable of that package, not of this one
    const named = readPage(page).match(/CKVD_[A-Z0-9_]*[A-Z0-9]\b(?!_?…)/g) ?? []
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })
})

test('paths are found in the pages: in cells, sentences and commands', () => {
  expect(pathsOf('docs/design.md').length).toBeGreaterThan(60)
  expect(pathsOf('CONTRIBUTING.md')).toContain('test/unit/model/interval.test.ts')
  expect(pathsOf('docs/commands.md')).toContain('config/universe/spot_synchronal.csv')
})

test('what the Python package exports is here, and in the table for those who come from there', () => {
  const names = ['CryptoKlineVisionData', 'fetchMarketData', 'DataProvider', 'MarketType', 'Interval', 'ChartType', 'DataSource']
  const page = readPage('docs/from-python.md')
  expect(names.filter((name) => !(name in library) || !page.includes(name))).toEqual([])
})
