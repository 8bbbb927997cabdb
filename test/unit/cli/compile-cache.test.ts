import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepCompiled } from '../../../src/cli/compile-cache.ts'

const HOME = join(tmpdir(), 'a home')
const CACHE = join(tmpdir(), 'a cache')

/** A Node that tells where it was asked to keep what it compiles. */
function createNode() {
  const asked: string[] = []
  return { asked, node: { builtinModules: [], enableCompileCache: (directory: string) => asked.push(directory) } }
}

test.skipIf(process.platform !== 'linux')('what Node compiles is kept in the cache directory of this user', () => {
  const { asked, node } = createNode()
  keepCompiled({ HOME }, node)
  keepCompiled({ HOME, XDG_CACHE_HOME: CACHE }, node)
  expect(asked).toEqual([join(HOME, '.cache/ckvd/compiled'), join(CACHE, 'ckvd/compiled')])
})

test('a Node before 22.1 keeps nothing, and nothing is said', () => {
  expect(() => keepCompiled({ HOME }, { builtinModules: [] })).not.toThrow()
})
