import { spawnSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WholeFile } from '../../../src/disk/whole-file.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'

const tell = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)))

async function write(path: string, text: string): Promise<void> {
  await using file = await WholeFile.create(path, tell)
  await file.write(text)
  await file.commit({ sync: true })
}

describe.skipIf(process.platform === 'win32')('what is no file', () => {
  it('a pipe gets what is written, and stays one', async () => {
    await using temp = await createTempDirectory()
    const pipe = join(temp.path, 'pipe')
    expect(spawnSync('mknod', [pipe, 'p']).status).toBe(0)
    const [text] = await Promise.all([readFile(pipe, 'utf8'), write(pipe, 'bars')])
    expect(text).toBe('bars')
    expect((await stat(pipe)).isFIFO()).toBe(true)
  })

  it('a device gets what is written, tells its errors, and stays one', async () => {
    await using temp = await createTempDirectory()
    const device = join(temp.path, 'full')
    // one of its own: a fault here would take that of the machine away. Only root may make one
    const made = spawnSync('mknod', [device, 'c', '1', '7']).status === 0
    if (!made) return void expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
    await expect(write(device, 'bars')).rejects.toMatchObject({ code: 'ENOSPC' })
    expect((await stat(device)).isCharacterDevice()).toBe(true)
  })
})

describe('a file', () => {
  it('takes the place of the one before, whole', async () => {
    await using temp = await createTempDirectory()
    const path = join(temp.path, 'bars.csv')
    await write(path, 'first')
    await write(path, 'next')
    expect(await readFile(path, 'utf8')).toBe('next')
  })
})
