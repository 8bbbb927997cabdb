import type * as Fs from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { createLogFile } from '../../src/log-file.ts'

/** Some network disks give a file another number each time. */
let number = 0n
vi.mock('node:fs', async (importOriginal) => {
  const original = await importOriginal<typeof Fs>()
  return { ...original, statSync: () => ({ ino: --number }) }
})

test('on a disk whose files have no lasting number a line is written a few times, not for ever', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ckvd-log-'))
  try {
    const failures: string[] = []
    const file = createLogFile(join(folder, 'ckvd.log'), { onFailure: (message) => failures.push(message) })
    file.write('one\n')
    expect(await readFile(join(folder, 'ckvd.log'), 'utf8')).toBe('one\n'.repeat(3))
    expect(failures).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})
