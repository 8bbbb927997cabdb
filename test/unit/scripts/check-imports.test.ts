import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../../scripts/check-imports.mjs', import.meta.url))

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ckvd-imports-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** Writes a tree of files and runs the script on it. */
function runCheck(
  files: Record<string, string>,
  args: string[] = [root],
): { exit: number | null; offences: string[]; summary: string; stderr: string } {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  const lines = stdout.trimEnd().split('\n')
  return { exit: status, offences: lines.slice(0, -1), summary: lines.at(-1) ?? '', stderr }
}

test('a tree whose imports all point downwards passes', () => {
  const { exit, offences, summary } = runCheck({
    'src/errors.ts': 'export const a = 1',
    'src/log.ts': "export { a } from './errors.ts'",
    'src/model/day.ts': "import { a } from '../errors.ts'; export const day = a",
    'config/settings.ts': "import { day } from '../src/model/day.ts'; export const settings = day",
    'src/codec/csv/csv.ts': "import { day } from '../model/day.ts'; import { inflate } from 'node:zlib'; export const csv = [day, inflate]",
    'workers/worker.ts': "import { csv } from '../src/codec/csv/csv.ts'; export default csv",
    'src/lake/shards.ts': "import { csv } from '../codec/csv/csv.ts'; export const shards = csv",
    'src/acquire/store.ts': "export * from '../lake/shards.ts'",
    'src/ingest/plan.ts':
      "import { settings } from '../../config/settings.ts'; export const plan = [settings, import('../acquire/store.ts')]",
    'src/sandbox/exchange.ts': "import { settings } from '../../config/settings.ts'; export const exchange = settings",
    'src/cli/main.ts':
      "import { plan } from '../ingest/plan.ts'; import { exchange } from '../sandbox/exchange.ts'; export default [plan, exchange]",
    'src/index.ts': "export { plan } from './ingest/plan.ts'",
  })
  expect(offences).toEqual([])
  expect(summary).toBe('12 files, 14 imports, 0 not allowed')
  expect(exit).toBe(0)
})

/** Imports that are refused: [importing file, its text, where the offence lies, what it imports]. */
const REFUSED: readonly (readonly [string, string, string, string])[] = [
  ['config/settings.ts', "import '../src/log.ts'", 'config/settings.ts:1', 'src/log.ts'],
  ['src/acquire/pool.ts', "import type { W } from '../../workers/worker.ts'", 'src/acquire/pool.ts:1', 'workers/worker.ts'],
  ['src/cli/attic.ts', "import '../attic/x.ts'", 'src/cli/attic.ts:1', 'src/attic/x.ts'],
  ['src/cli/computed.ts', "export const x = import('../ingest/' + name)", 'src/cli/computed.ts:1', 'a computed path'],
  ['src/cli/outside.ts', "import '../../test/support/x.ts'", 'src/cli/outside.ts:1', 'test/support/x.ts'],
  ['src/cli/own-name.ts', "import 'the-package/sandbox'", 'src/cli/own-name.ts:1', 'the-package/sandbox'],
  ['src/codec/equals.ts', "import x = require('../lake/layout.ts')", 'src/codec/equals.ts:1', 'src/lake/layout.ts'],
  ['src/codec/require.ts', "export const x = require('../acquire/a.ts')", 'src/codec/require.ts:1', 'src/acquire/a.ts'],
  ['src/errors.ts', "import './log.ts'", 'src/errors.ts:1', 'src/log.ts'],
  ['src/index.ts', "import './cli/main.ts'", 'src/index.ts:1', 'src/cli/main.ts'],
  ['src/ingest/plan.ts', "import '../index.ts'", 'src/ingest/plan.ts:1', 'src/index.ts'],
  ['src/lake/shards.ts', "import type { X } from '../sources/http/http.ts'", 'src/lake/shards.ts:1', 'src/sources/http/http.ts'],
  ['src/model/gaps.ts', "\nimport { x } from '../codec/csv/csv.ts'", 'src/model/gaps.ts:2', 'src/codec/csv/csv.ts'],
  ['src/read/flights.ts', "export type X = import('../export/csv.ts').X", 'src/read/flights.ts:1', 'src/export/csv.ts'],
  ['src/report/html.ts', "\n\nexport const x = import('../ingest/plan.ts')", 'src/report/html.ts:3', 'src/ingest/plan.ts'],
  ['src/sandbox/zip.ts', "import '../codec/zip/checksum.ts'", 'src/sandbox/zip.ts:1', 'src/codec/zip/checksum.ts'],
  ['src/sources/rest/rest.ts', "export * from '../../lake/layout.ts'", 'src/sources/rest/rest.ts:1', 'src/lake/layout.ts'],
  ['workers/worker.ts', "import '../config/markets.ts'", 'workers/worker.ts:1', 'config/markets.ts'],
]

test('imports upwards, sideways, out of the house, by computed path or by own name are refused with file, line and target', () => {
  const files = Object.fromEntries(REFUSED.map(([path, text]) => [path, text]))
  const { exit, offences, summary } = runCheck({ 'package.json': '{ "name": "the-package" }', ...files })
  expect(offences.map((line) => line.split(': not allowed, because ')[0])).toEqual(
    REFUSED.map(([, , where, target]) => `${where} imports ${target}`),
  )
  for (const line of offences) expect(line).toMatch(/: not allowed, because \S+ \S+/)
  expect(offences).toContainEqual(expect.stringMatching(/src\/lake\/layout\.ts: .*sources and lake stand side by side/))
  expect(summary).toBe(`${REFUSED.length} files, ${REFUSED.length} imports, ${REFUSED.length} not allowed`)
  expect(exit).toBe(1)
})

test('an import in a comment or a text is none', () => {
  const { exit } = runCheck({ 'src/model/gaps.ts': "// import '../cli/main.ts'\nexport const x = \"import '../cli/main.ts'\"" })
  expect(exit).toBe(0)
})

test('a cycle between files of one folder is told once, with its way round; type imports count', () => {
  const { exit, offences } = runCheck({
    'src/model/a.ts': "import './b.ts'",
    'src/model/b.ts': "\nimport type { C } from './c.js'",
    'src/model/c.ts': "export * from './a.ts'",
    'src/model/d.ts': "import './a.ts'",
  })
  expect(offences).toEqual([
    'src/model/c.ts:1 imports src/model/a.ts: not allowed, because it closes the cycle src/model/a.ts → src/model/b.ts → src/model/c.ts → src/model/a.ts',
  ])
  expect(exit).toBe(1)
})

test('folders and files whose names say no idea are refused, and folders outside of the architecture', () => {
  const { exit, offences } = runCheck({
    'src/lake/helpers/x.ts': '',
    'src/lake/lake-manager.ts': '',
    'workers/utils.ts': '',
    'src/lake/shared-array.ts': '',
    'src/attic/x.ts': '',
  })
  expect(offences.map((line) => line.split(': not allowed, because ')[0])).toEqual([
    'src/lake/helpers',
    'src/lake/lake-manager.ts',
    'workers/utils.ts',
    'src/attic/x.ts',
  ])
  expect(exit).toBe(1)
})

test('a folder without source files is a mistake of the caller, not a pass', () => {
  const { exit, stderr } = runCheck({})
  expect(exit).toBe(2)
  expect(stderr).toContain(root)
})
