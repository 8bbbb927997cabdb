import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createAtomicFiles } from '../../../src/disk/durable-files.ts'
import { LAKE, lakePaths } from '../../../src/lake/layout.ts'
import { MAIN } from '../../support/dist.ts'
import { inTempDirectory, tmpFiles } from '../lake/lake-fixtures.ts'

/** Bytes that say where they are. */
function fill(bytes: Uint8Array, seed: number): Uint8Array {
  let state = seed
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Around the blocks of disks, the sizes of days of 1m and 1s bars among them. */
const SIZES = [65_536, 65_537, 69_631, 130_522, 131_072, 262_143, 262_144, 2_097_152, 7_608_000, 8_384_512, 8_388_607]

describe('files of any size and memory hold the bytes that were given', () => {
  const memories: readonly [string, (sizeBytes: number) => Uint8Array][] = [
    ['shared memory', (sizeBytes) => new Uint8Array(new SharedArrayBuffer(sizeBytes))],
    ['a part of larger memory', (sizeBytes) => new Uint8Array(new SharedArrayBuffer(sizeBytes + 2), 1, sizeBytes)],
    ['memory of its own', (sizeBytes) => new Uint8Array(sizeBytes)],
  ]
  test.each(memories)('%s', async (_, take) => {
    await inTempDirectory(async (root) => {
      const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
      const group = [...SIZES, 0, 1].map((sizeBytes, i) => ({ path: `data/${sizeBytes}`, bytes: fill(take(sizeBytes), i) }))
      expect(await files.writeGroup(group)).toEqual(group.map(() => undefined))
      for (const { path, bytes } of group) {
        const found = await readFile(join(root, path))
        expect([found.length, sha256(found)], path).toEqual([bytes.length, sha256(bytes)])
      }
      expect(await tmpFiles(root)).toEqual([])
    })
  })
})

/** of statfs: the file systems known to write past the page cache */
const DISKS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'XFS'],
])
const missing = !DISKS.has(statfsSync(tmpdir()).type)
  ? 'the temporary directory is on neither ext4 nor XFS'
  : spawnSync('fincore', ['--version']).error !== undefined
    ? 'there is no fincore (util-linux)'
    : undefined
if (missing !== undefined) console.log(`write-bytes.test.ts: what is in the page cache is not checked: ${missing}.`)

test.skipIf(missing !== undefined)('large files leave the page cache to others', async () => {
  await inTempDirectory(async (root) => {
    const files = createAtomicFiles({ ...lakePaths(root), whose: LAKE })
    const large = [2_097_153, 7_608_000, 7_608_000, 7_608_000, 7_608_000, 7_608_000, 7_608_000].map((sizeBytes, i) => ({
      path: `data/${i}`,
      bytes: fill(new Uint8Array(sizeBytes), i),
    }))
    await files.writeGroup([...large, { path: 'data/small', bytes: new Uint8Array(130_522) }])
    const cached = (path: string): number =>
      Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', join(root, path)], { encoding: 'utf8' }))
    expect(cached('data/small')).toBeGreaterThanOrEqual(130_522)
    for (const { path } of large) expect(cached(path), path).toBeLessThanOrEqual(64 * 1024)
  })
})

describe('large files are written whole', () => {
  const SCRIPT = `
    import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
    import { tmpdir } from 'node:os'
    import { join } from 'node:path'
    import { createAtomicFiles } from ${JSON.stringify(new URL('../disk/durable-files.js', pathToFileURL(MAIN)).href)}
    const root = mkdtempSync(join(tmpdir(), 'ckvd-write-'))
    const bytes = new Uint8Array(7_608_000).map((_, i) => i % 251)
    await createAtomicFiles({ root, tmp: join(root, 'tmp'), whose: { name: 'lake', ioCode: 'CKVD_LAKE_IO' } }).write({ path: 'a', bytes })
    console.log(Buffer.compare(readFileSync(join(root, 'a')), bytes))
    rmSync(root, { recursive: true })`

  test('without WebAssembly', () => {
    expect(execFileSync(process.execPath, ['--jitless', '--input-type=module', '--eval', SCRIPT], { encoding: 'utf8' }).trim()).toBe('0')
  })

  test.skipIf(process.platform !== 'linux')('where addresses are few', () => {
    const run = `ulimit -v 8000000 && exec "$0" --input-type=module --eval "$1"`
    expect(execFileSync('bash', ['-c', run, process.execPath, SCRIPT], { encoding: 'utf8' }).trim()).toBe('0')
  })
})
