import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as Pool from '../../src/acquire/decode-pool.ts'
import type * as Program from '../../src/cli/program.ts'
import type * as Export from '../../src/export/export.ts'
import type * as Ingest from '../../src/ingest/ingest.ts'
import type * as Sandbox from '../../src/sandbox/index.ts'

/**
 * The built program. Vitest does not transform worker files, so what decodes in worker threads is tested as it is
 * shipped, from `dist`; the types are those of the sources, so that nothing has to be built before types are checked.
 */
const root = fileURLToPath(new URL('../..', import.meta.url))

/** The command as it is installed. */
export const MAIN = join(root, 'dist/src/cli/main.js')

checkBuilt()

export const { runCli } = await load<typeof Program>('src/cli/program.js')
export const { runExport } = await load<typeof Export>('src/export/export.js')
export const { runIngest } = await load<typeof Ingest>('src/ingest/ingest.js')
export const { DecodePool } = await load<typeof Pool>('src/acquire/decode-pool.js')
/** One thread for all runs of a test file: starting one costs more than what most tests do. It ends with the test process. */
export const sharedPool = new DecodePool({ workers: 1 })
export const { startSandbox } = await load<typeof Sandbox>('src/sandbox/index.js')

function load<Module>(path: string): Promise<Module> {
  return import(new URL(`../../dist/${path}`, import.meta.url).href) as Promise<Module>
}

/** A stale build would make tests of yesterday's program. */
function checkBuilt(): void {
  if (!existsSync(MAIN))
    throw new Error('Expected the built program in dist, found none. Run `npm run build`, or `npm test`, which builds first.')
  const builtMs = statSync(MAIN).mtimeMs
  for (const folder of ['src', 'config', 'workers']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (!entry.isFile() || !/\.(ts|css)$/.test(entry.name) || statSync(path).mtimeMs <= builtMs) continue
      throw new Error(`Expected dist to be newer than the sources, but ${path} was changed after the build. Run \`npm run build\`.`)
    }
  }
}
