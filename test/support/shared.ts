import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = fileURLToPath(new URL('../../../shared', import.meta.url))

/** The folder of real archives, REST bodies and key lists beside the project; undefined where it is absent. */
export const SHARED: string | undefined = existsSync(`${path}/vision/MANIFEST.tsv`) ? path : undefined

if (SHARED === undefined) console.warn('skipped: tests on real archives (no folder ../shared beside the project)')
