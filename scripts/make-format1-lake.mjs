/**
 * `node scripts/make-format1-lake.mjs DIR`, after `npm run build`: a small lake of format 1, with invented prices, as the release before packs
 * wrote it: a file a chunk and a catalog of version 2. For a look at `ckvd upgrade`; the tests make theirs of the same parts.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { makeLake, toFormat1 } from './format1/lake.mjs'

const [directory] = process.argv.slice(2)
if (directory === undefined || existsSync(directory)) {
  console.error('Expected the name of a directory that is not there yet: node scripts/make-format1-lake.mjs DIR')
  process.exitCode = 2
} else {
  const lake = resolve(directory)
  await makeLake(lake)
  await toFormat1(lake)
  console.log(`A lake of format 1: ${lake}`)
}
