import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAtomicFiles } from '../../../src/disk/durable-files.ts'
import { LAKE, lakePaths } from '../../../src/lake/layout.ts'
import type { Steps } from '../../../src/disk/steps.ts'
import { inTempDirectory, systemError, tmpFiles } from '../lake/lake-fixtures.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('atomic files', () => {
  it('are written with their directories, and replace what was there', async () => {
    await inTempDirectory(async (root) => {
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
      await files.write({ path: 'data/a/b/x.arrow', bytes: bytes('one') })
      await files.write({ path: 'data/a/b/x.arrow', bytes: bytes('two') })
      expect(await readFile(join(root, 'data/a/b/x.arrow'), 'utf8')).toBe('two')
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('take the steps in the order that makes them durable', async () => {
    await inTempDirectory(async (root) => {
      const names: string[] = []
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE }, (name) => void names.push(name))
      await files.writeGroup(['x', 'y'].map((name) => ({ path: `data/${name}`, bytes: bytes(name) })))
      const order = ['write', 'sync', 'rename', 'sync-dir']
      const last = order.map((step) => names.lastIndexOf(`after ${step}`))
      const first = order.map((step) => names.indexOf(`before ${step}`))
      // every file is synced before any is renamed, every one renamed before the directory is synced, once
      expect(first[2]).toBeGreaterThan(last[1]!)
      expect(first[3]).toBeGreaterThan(last[2]!)
      expect(names.filter((name) => name === 'after sync-dir')).toHaveLength(1)
    })
  })

  it.each(['write', 'sync', 'rename'] as const)(
    'one that fails at %s leaves its neighbours, the old file and an empty tmp',
    async (step) => {
      await inTempDirectory(async (root) => {
        const steps: Steps = (name, path) => {
          if (name === `before ${step}` && path.endsWith('bad') && existsSync(path)) throw systemError('EACCES')
        }
        const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE }, steps)
        await files.write({ path: 'data/bad', bytes: bytes('old') })
        const [good, bad] = await files.writeGroup([
          { path: 'data/good', bytes: bytes('new') },
          { path: 'data/bad', bytes: bytes('new') },
        ])
        expect(good).toBeUndefined()
        expect(bad).toMatchObject({ code: 'CKVD_LAKE_IO', details: { system: 'EACCES' } })
        expect(await readFile(join(root, 'data/bad'), 'utf8')).toBe('old')
        expect(await readFile(join(root, 'data/good'), 'utf8')).toBe('new')
        expect(await tmpFiles(root)).toEqual([])
      })
    },
  )

  it('too many open files for a while: written again with fewer at once, all whole', async () => {
    await inTempDirectory(async (root) => {
      let open = 0
      const most: number[] = []
      // as if two could be open at once: closed by their sync
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE }, (name, path) => {
        if (!/\/[a-h]$/.test(path)) return
        if (name === 'before write' && open >= 2) throw systemError('EMFILE')
        if (name === 'before write') most.push(++open)
        if (name === 'after sync') open--
      })
      const names = [...'abcdefgh']
      const errors = await files.writeGroup(names.map((name) => ({ path: `data/${name}`, bytes: bytes(name) })))
      expect(errors).toEqual(names.map(() => undefined))
      expect(await Promise.all(names.map((name) => readFile(join(root, 'data', name), 'utf8')))).toEqual(names)
      expect(Math.max(...most)).toBe(2)
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it.each(['ENOSPC', 'EDQUOT'])('a full disk (%s) fails the whole group before anything is renamed', async (code) => {
    await inTempDirectory(async (root) => {
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE }, (name, path) => {
        if (name === 'after write' && path.endsWith('b')) throw systemError(code)
      })
      const errors = await files.writeGroup(['a', 'b', 'c'].map((name) => ({ path: `data/${name}`, bytes: bytes(name) })))
      expect(errors.map((error) => error?.code)).toEqual(['CKVD_DISK_FULL', 'CKVD_DISK_FULL', 'CKVD_DISK_FULL'])
      expect(await readdir(join(root, 'data'))).toEqual([])
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('never follow a symbolic link out of the lake', async () => {
    await inTempDirectory(async (root) => {
      const outside = await mkdtemp(join(tmpdir(), 'ckvd-outside-'))
      try {
        await mkdir(join(root, 'data'))
        await symlink(outside, join(root, 'data', 'spot'))
        const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
        await expect(files.write({ path: 'data/spot/x.arrow', bytes: bytes('x') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
        await expect(files.write({ path: 'data/spot/daily/klines/x.arrow', bytes: bytes('x') })).rejects.toMatchObject({
          code: 'CKVD_LAKE_IO',
        })
        await expect(files.write({ path: '../x', bytes: bytes('x') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
        expect(await readdir(outside)).toEqual([])
        expect(await tmpFiles(root)).toEqual([])
      } finally {
        await rm(outside, { recursive: true })
      }
    })
  })

  it('say what stands in the way', async () => {
    await inTempDirectory(async (root) => {
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
      await files.write({ path: 'data/file', bytes: bytes('x') })
      await expect(files.write({ path: 'data/file/x', bytes: bytes('x') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      await mkdir(join(root, 'data/folder/full'), { recursive: true })
      await expect(files.write({ path: 'data/folder', bytes: bytes('x') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      expect(await tmpFiles(root)).toEqual([])
    })
  })

  it('come back after a directory was removed behind their back', async () => {
    await inTempDirectory(async (root) => {
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
      await files.write({ path: 'data/a/x', bytes: bytes('x') })
      await rm(join(root, 'data'), { recursive: true })
      await expect(files.write({ path: 'data/a/x', bytes: bytes('x') })).rejects.toMatchObject({ code: 'CKVD_LAKE_IO' })
      await files.write({ path: 'data/a/x', bytes: bytes('again') })
      expect(await readFile(join(root, 'data/a/x'), 'utf8')).toBe('again')
    })
  })

  it('are swept by their own name only', async () => {
    await inTempDirectory(async (root) => {
      await mkdir(join(root, 'tmp'))
      await writeFile(join(root, 'tmp', '01234567-89ab-cdef-0123-456789abcdef.tmp'), 'torn')
      await writeFile(join(root, 'tmp', 'thesis.tmp'), 'of the user')
      expect(await createAtomicFiles({ ...lakePaths(root), whose: LAKE }).sweepTmp()).toBe(1)
      expect(await tmpFiles(root)).toEqual(['thesis.tmp'])
    })
  })
})
