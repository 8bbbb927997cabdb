import { readFileSync } from 'node:fs'
import { BufferPool } from '../src/memory/buffer-pool.ts'
import { ShardEncoder } from '../src/codec/arrow/arrow-template.ts'
import { WasmDecoder } from '../src/codec/csv/csv-wasm.ts'
import type { DayCodec, DecodeOutcome, DecodeTask } from '../src/codec/decode-archive.ts'
import { runDecodeTask } from '../src/codec/decode-archive.ts'

/** Memory for shards: what came with a task and is not used yet. */
const buffers = new BufferPool(16 * 1024 * 1024)
const codec = createCodec()

/** Piscina's task: decodes archives. Shards (or, of a failure, the archive) go back in shared memory, or are moved, but never copied. */
export default async function decodeTask({ requests, spares }: DecodeTask): Promise<unknown> {
  for (const spare of spares ?? []) buffers.give(spare)
  const outcomes = await runDecodeTask(requests, codec, spares === null ? undefined : buffers)
  const moved = transferList(outcomes)
  if (moved.length === 0) return outcomes
  // all of Piscina, which a run whose memory is shared can do without
  const piscina = await import('piscina')
  return piscina.move({ [piscina.transferableSymbol]: moved, [piscina.valueSymbol]: outcomes })
}

/** This thread's own; where WebAssembly cannot do it the plain one works, slower, with the same result. */
function createCodec(): DayCodec | undefined {
  if (!WasmDecoder.isSupported) return undefined
  const wasm = new WasmDecoder(readFileSync(new URL('decoder.wasm', import.meta.url)))
  const shards = new ShardEncoder()
  return {
    inflate: (data, sizeBytes) => wasm.inflate(data, sizeBytes),
    decodeCsv: (bytes) => wasm.decodeCsv(bytes),
    decodeTable: (bytes, dataset, place) => wasm.decodeTable(bytes, dataset, place),
    scanPieces: (pieces, options) => wasm.scanPieces(pieces, options),
    encodeShard: (columns, meta, memory) => shards.encode(columns, meta, memory),
  }
}

/** Buffers that are not shared, each once: two archives may lie in one. */
function transferList(outcomes: readonly DecodeOutcome[]): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>()
  for (const outcome of outcomes) {
    const bytes = outcome.ok ? outcome.result.chunks.map(({ shard }) => shard) : [outcome.zip]
    for (const { buffer } of bytes) if (buffer instanceof ArrayBuffer) found.add(buffer)
  }
  return [...found]
}
