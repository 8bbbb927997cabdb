import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLake } from '../../../src/lake/lake.ts'
import { createLogger } from '../../../src/log.ts'
import { LakeAccess } from '../../../src/read/lake-access.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'
import { chunkOf, HOURS } from '../../support/two-formats.ts'

async function makeLake(root: string, name: string): Promise<void> {
  await using lake = await openLake(root, { mode: 'write' })
  await lake.writer.put(chunkOf(name).packed)
}

test('a catalog in whose place there is another, as after a migration, is read anew; calls under way go on with the old one', async () => {
  await using directory = await createTempDirectory()
  const newer = join(directory.path, 'newer')
  await makeLake(directory.lake, '2024-01-01')
  await makeLake(newer, '2024-02-01')
  const access = new LakeAccess(directory.lake, createLogger({ level: 'ERROR', destination: { write: () => true } }))
  const before = await access.openCatalog(undefined)
  expect(await access.openCatalog(undefined)).toBe(before)
  renameSync(join(newer, 'catalog.sqlite'), join(directory.lake, 'catalog.sqlite'))
  const after = await access.openCatalog(undefined)
  expect(after?.readDays(HOURS).map(({ day }) => day)).toEqual(['2024-02-01'])
  expect(before?.readDays(HOURS).map(({ day }) => day)).toEqual(['2024-01-01'])
  await access.close()
  for (const catalog of [before, after]) expect(() => catalog?.readDays(HOURS)).toThrow()
})
