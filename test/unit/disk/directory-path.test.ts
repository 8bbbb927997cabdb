import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectoryPath } from '../../../src/disk/directory-path.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'

describe('a path of directories', () => {
  test('is created with its parents, and may be there already', async () => {
    await using directory = await createTempDirectory()
    const path = join(directory.path, 'a', 'b', 'c')
    makeDirectoryPath(path)
    makeDirectoryPath(path)
    expect(statSync(path).isDirectory()).toBe(true)
  })

  test('is refused where a file stands in the way', async () => {
    await using directory = await createTempDirectory()
    writeFileSync(join(directory.path, 'a'), '')
    expect(() => makeDirectoryPath(join(directory.path, 'a'))).toThrow('EEXIST')
    // Node 24 no longer tells of the file when it is asked for what is below
    expect(() => makeDirectoryPath(join(directory.path, 'a', 'b'))).toThrow(/ENOTDIR|EEXIST/)
  })

  // Node's own recursive mkdir never ends there
  test.runIf(existsSync('/proc/self'))('ends with an error where the system takes no directories', () => {
    expect(() => makeDirectoryPath('/proc/nope/lake')).toThrow('ENOENT')
  })
})
