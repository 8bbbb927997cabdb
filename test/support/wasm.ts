import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WasmExports } from '../../src/codec/csv/csv-wasm-table.ts'

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

/** The part of WebAssembly's API used here: the types of Node 20 have none. */
declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** The functions of the module, with a memory of their own. */
export function openDecoderModule(): WasmExports {
  return new WebAssembly.Instance(new WebAssembly.Module(readDecoderModule())).exports as WasmExports
}
