import { expect, test } from 'vitest'
import { keepCompiled } from '../../../src/cli/compile-cache.ts'

/** A Node that tells where it was asked to keep what it compiles. */
function createNode() {
  const asked: string[] = []
  return { asked, node: { builtinModules: [], enableCompileCache: (directory: string) => asked.push(directory) } }
}

test.skipIf(process.platform !== 'linux')('what Node compiles is kept in the cache directory of this user', () => {
  const { asked, node } = createNode()
  keepCompiled({ HOME: '/home/jan' }, node)
  keepCompiled({ HOME: '/home/jan', XDG_CACHE_HOME: '/var/cache/jan' }, node)
  expect(asked).toEqual(['/home/jan/.cache/ckvd/compiled', '/var/cache/jan/ckvd/compiled'])
})

test('a Node before 22.1 keeps nothing, and nothing is said', () => {
  expect(() => keepCompiled({ HOME: '/home/jan' }, { builtinModules: [] })).not.toThrow()
})
