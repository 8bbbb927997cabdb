import { describe, expect, test } from 'vitest'
import { checkFreeDisk, findFreeDisk, tellApart } from '../../../src/ingest/free-disk.ts'
import { inTempDirectory } from '../lake/lake-fixtures.ts'

const MIB = 2 ** 20

describe('two sizes are told in a unit that shows which one is larger', () => {
  test.each<[number, number, string, string]>([
    [5 * 1024 * MIB, 2 * 1024 * MIB, '5.0 GiB', '2.0 GiB'],
    [30 * MIB, 12 * MIB, '30.0 MiB', '12.0 MiB'],
    [1024 * MIB + 1024 * 1024, 1024 * MIB, '1025.0 MiB', '1024.0 MiB'],
    [700 * 1024, 690 * 1024, '700.0 KiB', '690.0 KiB'],
    [1001, 1000, '1001 bytes', '1000 bytes'],
    [3 * MIB, 0, '3.0 MiB', '0.0 MiB'],
  ])('%i and %i', (a, b, textOfA, textOfB) => {
    expect(tellApart(a, b)).toEqual([textOfA, textOfB])
  })
})

test('a plan larger than the disk is refused with both, one that fits is not', async () => {
  await inTempDirectory(async (root) => {
    const free = await findFreeDisk(root)
    expect(() => checkFreeDisk(root, free, free)).not.toThrow()
    expect(() => checkFreeDisk(root, Number.MAX_SAFE_INTEGER, free)).toThrow(
      expect.objectContaining({
        code: 'CKVD_DISK_FULL',
        message: expect.stringMatching(/about \d+\.\d GiB of free disk .*, found \d+\.\d [GMK]iB at/) as string,
      }),
    )
  })
})
