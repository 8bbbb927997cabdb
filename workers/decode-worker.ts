import { readFileSync } from 'node:fs'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { BufferPool } from '../src/codec/buffer-pool.ts'
import { ShardEncoder } from '../src/codec/arrow-template.ts'
import { WasmDecoder } from '../src/codec/csv-wasm.ts'
import type { DayCodec, DecodeOutcome, DecodeRequest } from '../src/codec/decode-day.ts'
import { runDecodeTask } from '../src/codec/decode-day.ts'

/** Memory for shards that this thread keeps while nobody uses it. */
const buffers = new BufferPool(16 * 1024 * 1024)
const codec = createCodec()

/** Piscina's task: decodes archives and moves the shards (or, of a failure, the archive) back instead of copying them. */
export default async function decodeTask(requests: readonly DecodeRequest[]): Promise<unknown> {
  for (const { spares = [] } of requests) for (const spare of spares) buffers.give(spare)
  const outcomes = await runDecodeTask(requests, codec)
  return move({ [transferableSymbol]: transferList(outcomes), [valueSymbol]: outcomes })
}

/** This thread's own; without WebAssembly (`node --jitless`) the plain one works, slower, with the same result. */
function createCodec(): DayCodec | undefined {
  if (!('WebAssembly' in globalThis)) return undefined
  const wasm = new WasmDecoder(readFileSync(new URL('decoder.wasm', import.meta.url)))
  const shards = new ShardEncoder(buffers)
  return {
    inflate: (data, sizeBytes) => wasm.inflate(data, sizeBytes),
    decodeCsv: (bytes) => wasm.decodeCsv(bytes),
    encodeShard: (columns, meta) => shards.encode(columns, meta),
  }
}

/** Each buffer once: two archives may lie in one. */
function transferList(outcomes: readonly DecodeOutcome[]): ArrayBufferLike[] {
  const bytes = outcomes.flatMap((outcome) => (outcome.ok ? outcome.result.chunks.map(({ shard }) => shard) : []))
  return [...new Set([...bytes, ...outcomes.map(({ zip }) => zip)].map(({ buffer }) => buffer))]
}
