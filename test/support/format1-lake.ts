import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import './dist.ts'
import type { TempDirectory } from './temp-lake.ts'
import { createTempDirectory } from './temp-lake.ts'

/** What `scripts/make-format1-lake.mjs` is made of. */
interface Format1 {
  readonly makeLake: (lake: string) => Promise<void>
  readonly toFormat1: (lake: string) => Promise<void>
}

const { makeLake, toFormat1 } = (await import(new URL('../../scripts/format1/lake.mjs', import.meta.url).href)) as Format1

/** The same chunks in a lake of packs, as they were ingested, and in one of format 1. */
export interface TwinLakes extends AsyncDisposable {
  readonly packed: string
  readonly format1: string
  /** another lake of format 1, to be changed */
  copy(): Promise<string>
}

export async function createTwinLakes(): Promise<TwinLakes> {
  const directory: TempDirectory = await createTempDirectory()
  const packed = join(directory.path, 'packed')
  const format1 = join(directory.path, 'format1')
  await makeLake(packed)
  await cp(packed, format1, { recursive: true })
  await toFormat1(format1)
  let copies = 0
  return {
    packed,
    format1,
    copy: async () => {
      const lake = join(directory.path, `copy-${copies++}`)
      await cp(format1, lake, { recursive: true })
      return lake
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}
