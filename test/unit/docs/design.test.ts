import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Paths of a cell's text: `src/model/gaps.ts`, `config/`. That they are there is tested with those of the other pages. */
const pathsIn = (text: string): string[] => [...text.matchAll(/`((?:src|config|workers)\/[^`]*)`/g)].map(([, path = '']) => path)

describe('docs/design.md', () => {
  const page = readText('docs/design.md')
  const section = (name: string): string => page.split(/^## /m).find((part) => part.startsWith(name)) ?? ''
  const rows = (name: string): string[][] =>
    section(name)
      .split('\n')
      .filter((line) => /^\| .*`/.test(line))
      .map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      )

  test('has a sentence for each folder and file of src, for config and workers, and for nothing else', () => {
    const parts = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).map(
      (entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`,
    )
    const told = rows('Folders').map(([folder = '']) => folder.replaceAll('`', ''))
    expect(told.sort()).toEqual(['config/', 'workers/', ...parts].sort())
  })

  test('lists the floors as they are checked', () => {
    const checked = /const FLOORS = (\[[\s\S]*?\n\])/.exec(readText('scripts/check-imports.mjs'))?.[1] ?? '[]'
    const floors = JSON.parse(checked.replaceAll("'", '"').replace(/,(\s*\])/g, '$1')) as string[][]
    const told = /```\n([\s\S]*?)```/.exec(section('Floors'))?.[1] ?? ''
    expect(floors.length).toBeGreaterThan(5)
    expect(told.trim().split('\n')).toEqual(floors.map((rooms) => rooms.join(' · ')).reverse())
  })

  test('gives the reason of each folder of more than 16 files and of each file of more than 300 lines, and of nothing else', () => {
    const entries = ['src', 'config', 'workers'].flatMap((part) =>
      readdirSync(join(ROOT, part), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => ({ folder: `${relative(ROOT, entry.parentPath).split(sep).join('/')}/`, name: entry.name })),
    )
    const folders = [...new Set(entries.map(({ folder }) => folder))].filter(
      (folder) => entries.filter((entry) => entry.folder === folder).length > 16,
    )
    const files = entries
      .filter(({ name }) => name.endsWith('.ts'))
      .map(({ folder, name }) => folder + name)
      .filter((path) => readText(path).trimEnd().split('\n').length > 300)
    const told = rows('What is large').flatMap(([what = '']) => pathsIn(what))
    expect(told.sort()).toEqual([...folders, ...files].sort())
  })

  test('answers thirty questions and more, each with a file', () => {
    const answers = rows('Where do I find')
    expect(answers.length).toBeGreaterThanOrEqual(30)
    expect(answers.filter(([, where = '']) => pathsIn(where).length === 0)).toEqual([])
  })

  test('tells the bounds of the throttles as the code has them', () => {
    const bounds = rows('How a run is throttled').flatMap(([, bound = '', where = '']) =>
      [...bound.matchAll(/`([A-Z_]+ = [^`]+)`/g)].map(([, code = '']) => ({ code, files: pathsIn(where) })),
    )
    expect(bounds.length).toBeGreaterThanOrEqual(10)
    expect(bounds.filter(({ code, files }) => !files.some((file) => readText(file).includes(`const ${code}\n`)))).toEqual([])
  })
})

test('README is a page, not a reference: 150 lines at most', () => {
  expect(readText('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150)
})

test('what comments and scripts say of the pages is there: each section that they name', () => {
  const sources = ['src', 'config', 'workers', 'scripts']
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`))
    .filter((path) => /\.(ts|mjs)$/.test(path))
  const named = sources.flatMap((path) =>
    [...readText(path).matchAll(/(README|docs\/[\w-]+\.md), "([^"]+)"/g)].map(([, page = '', heading = '']) => ({ path, page, heading })),
  )
  expect(named.length).toBeGreaterThanOrEqual(5)
  const isThere = (page: string, heading: string): boolean =>
    new RegExp(`^#+ ${heading}$`, 'm').test(readText(page === 'README' ? 'README.md' : page))
  expect(named.filter(({ page, heading }) => !isThere(page, heading))).toEqual([])
})
