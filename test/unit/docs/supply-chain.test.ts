import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const readText = (path: string): string => readFileSync(join(root, path), 'utf8')

interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
}

const manifest = JSON.parse(readText('package.json')) as { dependencies: Record<string, string>; scripts: Record<string, string> }
const lock = JSON.parse(readText('package-lock.json')) as { lockfileVersion: number; packages: Record<string, LockedPackage> }
const locked = Object.entries(lock.packages).filter(([path]) => path !== '')

test('docs/design.md gives a reason for each runtime dependency, and for nothing else', () => {
  const section = /## Runtime dependencies[^\n]*\n([\s\S]*?)\n## /.exec(readText('docs/design.md'))?.[1] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))
  const reasons = rows.map((row) => row.split('|')[2]?.trim() ?? '')
  expect(reasons.every((reason) => reason.length > 10)).toBe(true)
  const named = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  expect(named.sort()).toEqual(Object.keys(manifest.dependencies).sort())
})

test('each runtime dependency is imported by what is shipped', () => {
  const sources = ['src', 'config', 'workers']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.ts'))
    .map(readText)
  const unused = Object.keys(manifest.dependencies).filter((name) => !sources.some((text) => new RegExp(`['"]${name}['"/]`).test(text)))
  expect(unused).toEqual([])
})

test('each package is locked to its bytes, from any registry, and none needs a script to install', () => {
  expect(lock.lockfileVersion).toBe(3)
  expect(locked.length).toBeGreaterThan(100)
  expect(locked.filter(([, { integrity, link }]) => link !== true && !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))).toEqual([])
  expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
  expect(locked.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([])
  expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([])
})
