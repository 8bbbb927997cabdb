import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../../scripts/import-graph.mjs', import.meta.url))

/** The list that dependency-cruiser makes, as far as it is read. */
function listOf(imports: readonly (readonly [from: string, to: string, circular?: boolean])[]): string {
  const paths = [...new Set(imports.flatMap(([from, to]) => [from, to]))]
  const modules = paths.map((source) => ({
    source,
    dependencies: imports.filter(([from]) => from === source).map(([, resolved, circular = false]) => ({ resolved, circular })),
  }))
  return JSON.stringify({ modules })
}

function draw(list: string): { dot: string; counts: string } {
  const directory = mkdtempSync(join(tmpdir(), 'ckvd-graph-'))
  try {
    const checker = join(directory, 'floors.mjs')
    writeFileSync(checker, "const FLOORS = [\n  ['errors'],\n  ['model'],\n  ['lake', 'sources'],\n]\n")
    const { stdout, stderr } = spawnSync(process.execPath, [SCRIPT, checker], { input: list, encoding: 'utf8' })
    return { dot: stdout, counts: stderr.trim() }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const SOUND = [
  ['src/lake/a.ts', 'src/lake/b.ts'],
  ['src/lake/a.ts', 'src/model/a.ts'],
  ['src/lake/b.ts', 'src/model/b.ts'],
  ['src/model/a.ts', 'src/errors.ts'],
  ['src/model/a.ts', 'node_modules/zod/index.js'],
] as const

test('rooms are on their floors, an arrow is as thick as it has imports, what is not ours is left out', () => {
  const { dot, counts } = draw(listOf(SOUND))
  expect(dot).toContain('"lake" [label="lake\\n2"]')
  expect(dot).toContain('"lake" -> "model" [penwidth=1.0]')
  expect(dot).toContain('"lake" -> "model" [style=invis]')
  expect(dot).not.toMatch(/zod|errors|#c0262d/)
  expect(counts).toBe('5 files, 4 imports, 2 arrows between 3 rooms, 0 up, 0 in circles')
})

test('an arrow that points up, or beside, is red, and circles are counted', () => {
  const { dot, counts } = draw(
    listOf([
      ...SOUND,
      ['src/model/a.ts', 'src/lake/b.ts', true],
      ['src/lake/a.ts', 'src/sources/a.ts'],
      ['src/sources/a.ts', 'src/sources/b.ts'],
    ]),
  )
  expect(dot).toContain('"model" -> "lake" [penwidth=0.5 color="#c0262d"]')
  expect(dot).toContain('"lake" -> "sources" [penwidth=0.5 color="#c0262d"]')
  expect(counts).toBe('7 files, 7 imports, 4 arrows between 4 rooms, 2 up, 1 in circles')
})
