import { createRequire } from 'node:module'
import type * as Library from 'parquet-wasm'

type ParquetLibrary = typeof Library

let library: ParquetLibrary | undefined

/** parquet-wasm (the Rust `parquet` crate): five megabytes of WebAssembly, loaded with the first file. */
export function parquetLibrary(): ParquetLibrary {
  library ??= createRequire(import.meta.url)('parquet-wasm') as ParquetLibrary
  return library
}
