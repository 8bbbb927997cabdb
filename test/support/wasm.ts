import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The WebAssembly module as it is shipped. Throws where it is not there, or older than its sources. */
export function readDecoderModule(): Uint8Array {
  const path = join(root, 'dist/workers/decoder.wasm')
  const sources = readdirSync(join(root, 'workers/assembly')).map((name) => join(root, 'workers/assembly', name))
  const builtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (sources.every((source) => statSync(source).mtimeMs < builtMs)) return readFileSync(path)
  throw new Error(
    `Expected ${path} to be newer than workers/assembly, found it ${builtMs === 0 ? 'missing' : 'older'}. Run \`npm run build\`.`,
  )
}
